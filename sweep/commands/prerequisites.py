"""What a command needs before its first training: prepared images, pre-trained weights, the space of a user's model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import ModelError, StudyError, WeightsError
from sweep.execution.child_call import call_in_child
from sweep.execution.supervisor import TrialSetting
from sweep.records.environment import environment_facts
from sweep.records.home import Home
from sweep.records.image_facts import ImageFacts
from sweep.records.trial_record import TrialRecord
from sweep.space.config import DataConfig
from sweep.space.corners import branches, largest, smallest
from sweep.space.hypermodel_space import Discovery, check_training, complete, written_hyperparameters
from sweep.space.model_sections import HypermodelConfig, TransferConfig
from sweep.space.pinned_files import WORDS, check_weights_file, file_digest
from sweep.space.space import Space
from sweep.terminal.console import reading_bar


def prepare_setting(config: DataConfig, records: Iterable[TrialRecord], home: Home, console: Console) -> TrialSetting:
    """Prepare the images and describe what the trials train on.

    Args:
        config: the data section of the trials.
        records: records of earlier trials, which must have the same images to be comparable.
        home: the folder with the cache.
        console: shows the progress.

    Raises:
        DataError: the images cannot be used.
        StudyError: the images have changed.
    """
    prepared = prepare_images(config, home.cache, console)
    stamp = load(prepared, config).stamp
    for record in records:
        if record.data != stamp:
            raise StudyError(
                f"the images have changed since trial {record.number} of the study {record.study} was trained "
                f"({record.data.train:,} training images then, {stamp.train:,} now, and the digests differ). "
                "Restore the images, or start another study"
            )
    return TrialSetting(prepared, stamp, environment_facts(home.root))


def prepare_images(config: DataConfig, cache: Path, console: Console) -> Prepared:
    """Decode the images, unless the cache has them, with a progress bar if it takes time."""
    with reading_bar(console, f"reading {Path(config.name).name}") as advance:
        return prepare(config, cache, advance)


def pin_weights(space: Space) -> Space:
    """If the space names a weights file, add its digest, so that all trials of a study use the same weights.

    Raises:
        WeightsError: the file is missing or has another digest.
    """
    section = space.template["model"]
    weights = section.get("weights", "imagenet")
    if section.get("builder") != "transfer" or weights in WORDS:  # a hypermodel's section has no builder
        return space
    digest = section.get("weights_digest")
    check_weights_file(weights, digest)
    model = {**section, "weights_digest": digest or file_digest(Path(weights))}
    return replace(space, template={**space.template, "model": model})


def require_weights(space: Space, shape: tuple[int, int, int]) -> None:
    """Download the pre-trained weights that a trial may use; Keras stores them in its own folder.

    Args:
        space: the space of the trials.
        shape: height, width and channels of the images.

    Raises:
        WeightsError: weights cannot be downloaded; the message says where to put the file.
    """
    points = [smallest(space), largest(space), *(point for _, point in branches(space))]
    models = [space.config(point).model for point in points]
    by_backbone = {m.backbone: m for m in models if isinstance(m, TransferConfig) and m.weights != "none"}
    if by_backbone:
        missing = call_in_child("sweep.training.model_probe:missing_weights", list(by_backbone.values()), shape)
        if missing:
            raise WeightsError(missing)


def complete_user_space(space: Space, facts: ImageFacts) -> Space:
    """Build a user's model in a child process, and add to the space what is only known from the model.

    Returns:
        The completed space; the same space if the model is one of sweep's.

    Raises:
        ModelError: the model cannot be imported or built; the message has the traceback.
        UserError: the space file has a value without effect on the model, or names an unknown hyperparameter.
    """
    if not space.has_user_model:
        return space
    config = space.smallest_config
    answer: Discovery | str = call_in_child(
        "sweep.training.model_probe:inspect_model", config, facts, written_hyperparameters(space)
    )
    if isinstance(answer, str):
        raise ModelError(answer)
    check_training(space, answer)
    return complete(space, answer) if isinstance(config.model, HypermodelConfig) else space
