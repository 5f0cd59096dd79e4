"""Train the winner on all images of the search, for the number of epochs that was best in its repeats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.loading import load_whole
from sweep.execution.child_call import call_in_child
from sweep.records.final_result import TrainedFinal
from sweep.records.held_file import HeldFile
from sweep.records.keras_archive import ModelFacts, embed_facts
from sweep.records.seeds import Purpose, derive
from sweep.records.study_lock import check_lock
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import RefitResult
from sweep.space.config import TrialConfig, config_to_mapping


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The epochs and learning rates of the final training.

    Attributes:
        rates: learning rate of each epoch.
        reference: name of the training whose rates these are, for messages.
    """

    rates: tuple[float, ...]
    reference: str


def learned_schedule(searched: TrialRecord, repeats: Sequence[TrialRecord]) -> Schedule:
    """Return a schedule up to the median best epoch, with the rates of the training whose best epoch is nearest to it.

    If this training has fewer epochs, its last rate is repeated.

    Args:
        searched: the winner's trial, which is used if there are no repeats.
        repeats: the winner's repeats.
    """
    trainings = [record for record in (repeats or (searched,)) if record.best_epoch is not None]
    epochs = round(statistics.median_high([record.best_epoch or 1 for record in trainings]))
    nearest = min(trainings, key=lambda record: abs((record.best_epoch or 1) - epochs))
    rates = [metrics.learning_rate for metrics in nearest.epochs[:epochs]]
    rates += rates[-1:] * (epochs - len(rates))
    return Schedule(tuple(rates), nearest.origin if repeats and nearest.origin else f"trial {nearest.number}")


@dataclasses.dataclass(frozen=True)
class FinalTraining:
    """The final training of a winner.

    Attributes:
        record: the record of the winner's trial.
        config: the trial's configuration, with the seed and the number of epochs of the final training.
        schedule: the epochs and learning rates of the final training.
        prepared: the prepared images.
        key: digest of everything that determines the weights.
    """

    record: TrialRecord
    config: TrialConfig
    schedule: Schedule
    prepared: Prepared
    key: str


def plan_training(record: TrialRecord, schedule: Schedule, prepared: Prepared, study_seed: int) -> FinalTraining:
    """Return the final training of a winner."""
    training = dataclasses.replace(record.config.training, epochs=len(schedule.rates))
    config = dataclasses.replace(
        record.config, training=training, seed=derive(study_seed, Purpose.REFIT, record.number)
    )
    stamp = load_whole(prepared, config.data).stamp
    parts = [config_to_mapping(config), list(schedule.rates), stamp.digest, stamp.split]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    return FinalTraining(record, config, schedule, prepared, key)


def train_final(plan: FinalTraining, path: Path, lock: HeldFile, stop: Callable[[], bool]) -> TrainedFinal:
    """Train the final model in a child process, and write it and its `ModelFacts` to one file.

    Args:
        plan: the training to run.
        path: the .keras file to write; its folder must exist.
        lock: the file of the study's lock, which this process holds.
        stop: called twice a second; returns True to stop the training.

    Raises:
        TrialFailure: the loss is not a finite number.
        StudyError: the study's folder was moved, removed or replaced.
        Stopped: `stop` returned True; nothing is written.
    """
    raw = path.with_name(f"raw-{path.name}")
    arguments = (plan.prepared, plan.config, plan.schedule.rates, raw, lock)
    done: RefitResult = call_in_child("sweep.training.refit:refit", *arguments, stop=stop)
    facts = ModelFacts(
        study=plan.record.study,
        trial=plan.record.number,
        classes=done.data.classes,
        shape=done.data.shape,
        data=plan.config.data,
        digest=done.data.digest,
        threads=plan.config.threads,
        output=plan.config.model.output,
    )
    check_lock(lock)
    embed_facts(raw, path, facts)
    raw.unlink()
    return TrainedFinal(
        key=plan.key,
        trial=plan.record.number,
        config=plan.config,
        data=done.data,
        learning_rates=plan.schedule.rates,
        images=done.data.train,
        parameters=done.parameters,
        loss=done.losses[-1],
        seconds=done.seconds,
        weights_digest=done.weights_digest,
    )
