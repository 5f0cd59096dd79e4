"""`sweep check`: build models at the limits of a space and estimate the time of a sweep."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from sweep.analysis.formatting import count, duration
from sweep.commands.prerequisites import complete_user_space, pin_weights, prepare_images, require_weights
from sweep.commands.run import total_trials
from sweep.data.loading import load
from sweep.errors import DataError
from sweep.execution.child_call import call_in_child
from sweep.execution.workers import default_slots
from sweep.records.home import Home
from sweep.records.image_facts import ImageFacts
from sweep.space.config import DataConfig
from sweep.space.corners import branches, draw, largest, smallest
from sweep.space.parameters import Values
from sweep.space.space import Space, bounds
from sweep.terminal.console import make_console

DRAWS = 64
HYPERMODEL_DRAWS = 8
ASSUMED_IMAGES = 50_000
ASSUMED_CLASSES = 10


class KnownImages(NamedTuple):
    """Facts about the images and the number of training images; `assumed`: why both are assumed, "" if known."""

    facts: ImageFacts
    train: int
    assumed: str


class BuiltPoint(NamedTuple):
    """The attempt to build the model of a point; if it failed, `parameters` is None and `fault` has the reason."""

    label: str
    parameters: int | None
    fault: str


def check_space(space: Space, trials: int | None, root: Path, fast: bool, as_json: bool) -> None:
    """Run the command; an infeasible space is a finding, not an error."""
    console = make_console(as_json=as_json)
    images = None if fast else find_images(space.data, Home(root), console)
    if images is not None:
        space = complete_user_space(space, images.facts)
    elif space.has_user_model:
        console.print("--fast omits the hyperparameters of the model itself; run without it to see them", style="dim")
    _print_space(space, console)
    total = total_trials(space, trials)
    found: dict[str, Any] = {"study": space.study, "parameters": [p.name for p in space.parameters]}
    if images is not None:
        if images.assumed:
            console.print(f"{images.assumed}\nassuming {_images_text(images)}", style="yellow")
        require_weights(pin_weights(space), images.facts.shape)
        points = build_points(space, images.facts)
        found |= _found(points, images, space, total)
        _print_found(found, points, console)
    if as_json:
        print(json.dumps(found))


def _print_space(space: Space, console: Console) -> None:
    kind = "a recipe, with nothing to search" if space.is_recipe else count(len(space.parameters), "parameter")
    console.print(f"study {space.study}: {kind}")
    for parameter in space.parameters:
        when = " and ".join(f"{condition.name} in {list(condition.values)}" for condition in parameter.conditions)
        console.print(f"  {parameter.name:<24} {bounds(parameter)}{f'   when {when}' if when else ''}")
    for point in space.start_from:
        notes = f", with {'; '.join(point.notes)}" if point.notes else ""
        console.print(f"tried first: {point.name}{notes}")


def find_images(config: DataConfig, home: Home, console: Console) -> KnownImages:
    """Return the shape and number of the images; if they are not available, assume them from the configuration."""
    try:
        dataset = load(prepare_images(config, home.cache, console), config)
    except DataError as error:
        size = config.image_size or 32
        channels = 1 if config.channels == "grey" or "mnist" in config.name else 3
        train = round((config.limit or ASSUMED_IMAGES) * (1 - config.validation))
        facts = ImageFacts((size, size, channels), ASSUMED_CLASSES, (0.5,) * channels, (0.25,) * channels)
        return KnownImages(facts, train, str(error))
    return KnownImages(dataset.facts, len(dataset.train), "")


def _images_text(images: KnownImages) -> str:
    shape = "x".join(map(str, images.facts.shape))
    return f"{images.train:,} training images of {shape}, {images.facts.classes} classes"


def build_points(space: Space, facts: ImageFacts) -> list[BuiltPoint]:
    """Build in a child process the models of the smallest and largest point, of each branch and of random points."""
    generator = random.Random(0)
    points: list[tuple[str, Values]] = [("smallest", smallest(space)), ("largest", largest(space))]
    points += branches(space)
    draws = HYPERMODEL_DRAWS if "hypermodel" in space.template["model"] else DRAWS  # hypermodels may be large
    points += [("draw", draw(space, generator)) for _ in range(0 if space.is_recipe else draws)]
    built = call_in_child("sweep.training.model_probe:build_all", [space.config(values) for _, values in points], facts)
    return [BuiltPoint(label, *result) for (label, _), result in zip(points, built, strict=True)]


def _found(points: Sequence[BuiltPoint], images: KnownImages, space: Space, total: int) -> dict[str, Any]:
    draws = [point for point in points if point.label == "draw"] or list(points)
    counts = [point.parameters for point in points if point.parameters is not None]
    return {
        "images": _images_text(images),
        "built": len(points),
        "infeasible_share": sum(point.parameters is None for point in draws) / len(draws),
        "parameters_range": [min(counts), max(counts)] if counts else None,
        "time": _estimate(space, images, total),
        "trials": total,
    }


def _estimate(space: Space, images: KnownImages, total: int) -> dict[str, float] | None:
    """Estimate the seconds of a sweep if all trials have the smallest model, and if all have the largest."""
    configs = [space.smallest_config, space.config(largest(space))]
    # Per model: the seconds before the first step and the seconds per image, or None if it cannot be built.
    times = [call_in_child("sweep.training.model_probe:training_times", config, images.facts) for config in configs]
    workers = len(default_slots(None))
    images_seen = images.train * space.epochs
    known = [(start + seconds * images_seen) * total / workers for start, seconds in filter(None, times)]
    if not known:
        return None
    return {"all_smallest": min(known), "all_largest": max(known), "workers": workers}


def _print_found(found: dict[str, Any], points: Sequence[BuiltPoint], console: Console) -> None:
    console.print(f"images: {found['images']}")
    share = found["infeasible_share"]
    console.print(f"built {found['built']} points; {share:.0%} of the random draws are infeasible")
    for (label, fault), times in Counter((p.label, p.fault) for p in points if p.fault).most_common(8):
        console.print(f"  {label}: {fault}{f' ({times} times)' if times > 1 else ''}")
    if found["parameters_range"]:
        low, high = found["parameters_range"]
        console.print(f"parameters of the models: {low:,} to {high:,}")
    if found["time"]:
        time = found["time"]
        trials, workers = count(found["trials"], "trial"), count(time["workers"], "worker")
        console.print(
            f"{trials} on {workers}: {duration(time['all_smallest'])} if all trials had the smallest model, "
            f"{duration(time['all_largest'])} if all had the largest; pruning and early stopping reduce the time",
        )
