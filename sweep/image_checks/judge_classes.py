"""Findings about the classes: their names, how many images each has, and whether they can be split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sweep.image_checks.checked_images import CheckedImages, PartName
from sweep.image_checks.class_names import near_classes, same_class
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, counted, each

UNEVEN = 3.0
"""Times the smallest class, from which on the largest may drown it."""


def judge_classes(images: CheckedImages) -> Iterator[ImageFinding]:
    """Names, balance, split."""
    counts = part_counts(images)
    if images.unsplit:
        advice = "A run would refuse with this message."
        yield ImageFinding("split", "problem", f"The images cannot be split: {images.unsplit}", advice)
    yield from _names(images.classes, counts)
    yield from _balance(images.classes, counts)
    yield from _without_test(images.classes, counts)


def part_counts(images: CheckedImages) -> dict[str, Counter[PartName]]:
    """By class, how many readable images each part has."""
    found: dict[str, Counter[PartName]] = {name: Counter() for name in images.classes}
    for image in images.images:
        if image.image_hash is not None:
            found[images.classes[image.label]][image.part] += 1
    return found


def _names(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    same = same_class(classes)
    if same:
        yield ImageFinding(
            "same_class",
            "problem",
            f"{counted(len(same), 'class has', 'classes have')} several names",
            "The names differ in case, separators or a plural ending only: move the images into one folder, or give "
            "the classes names that tell them apart.",
            tuple(tuple(_class(name, counts) for name in group) for group in same),
        )
    near = near_classes(classes)
    if near:
        yield ImageFinding(
            "near_class",
            "warning",
            f"{counted(len(near), 'pair of class names is', 'pairs of class names are')} one letter apart",
            "If one is a slip of the pen, move the images into the other folder; if they are two things, all is well.",
            tuple(tuple(_class(name, counts) for name in pair) for pair in near),
        )


def _balance(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    seen = {name: sum(counts[name][part] for part in ("train", "validation")) for name in classes}
    least, most = min(seen.values(), default=0), max(seen.values(), default=0)
    if most and most >= UNEVEN * least:
        smallest = min(classes, key=lambda name: seen[name])
        largest = max(classes, key=lambda name: seen[name])
        ratio = f"{most / least:.1f} times as many" if least else "many more"
        yield ImageFinding(
            "imbalance",
            "warning",
            f"Classes are uneven: {largest} has {most:,} images, {ratio} as {smallest} with {least:,}",
            "Accuracy favours large classes: collect images of the small ones, or let the loss weigh them with "
            "`training.class_weights: balanced` (or let the search decide: `[none, balanced]`).",
            each([_class(name, counts) for name in sorted(classes, key=lambda name: seen[name])]),
        )


def _without_test(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    missing = [name for name in classes if not counts[name]["test"]]
    if missing and any(counts[name]["test"] for name in classes):
        title = counted(len(missing), "class has", "classes have") + " no image in the test part"
        advice = "The final accuracy says nothing about them; add images of them to the test part."
        yield ImageFinding("untested_class", "warning", title, advice, each([_class(name, counts) for name in missing]))


def _class(name: str, counts: dict[str, Counter[PartName]]) -> FindingEntry:
    return FindingEntry(name, detail=counted(sum(counts[name].values()), "image"))
