"""The winner trained on everything that the search had."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from sweep.data.cache import Prepared
from sweep.data.loading import load_whole
from sweep.execution.child_call import call_in_child
from sweep.finalization.learned_schedule import Schedule
from sweep.records.final_result import TrainedFinal
from sweep.records.model_facts import ModelFacts, embed_facts
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_record import TrialRecord
from sweep.records.trial_result import RefitResult
from sweep.space.config import TrialConfig, config_to_mapping


@dataclasses.dataclass(frozen=True)
class FinalTraining:
    """What is to be trained.

    Attributes:
        key: of all that decides the weights.
    """

    record: TrialRecord
    config: TrialConfig
    schedule: Schedule
    prepared: Prepared
    key: str


def plan_training(record: TrialRecord, schedule: Schedule, prepared: Prepared, study_seed: int) -> FinalTraining:
    """The final training of a winner."""
    training = dataclasses.replace(record.config.training, epochs=len(schedule.rates))
    config = dataclasses.replace(
        record.config, training=training, seed=derive(study_seed, Purpose.REFIT, record.number)
    )
    stamp = load_whole(prepared, config.data).stamp
    parts = [config_to_mapping(config), list(schedule.rates), stamp.digest, stamp.split]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    return FinalTraining(record, config, schedule, prepared, key)


def train_final(plan: FinalTraining, path: Path, stop: Callable[[], bool]) -> TrainedFinal:
    """Train in a child process and write the model with its facts inside.

    Args:
        plan: what to train.
        path: of the .keras file.
        stop: asked twice a second; True ends it.

    Raises:
        TrialFailure: nan.
        Stopped: `stop` said so; nothing is written.
    """
    raw = path.with_name(f"raw-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    arguments = (plan.prepared, plan.config, plan.schedule.rates, raw)
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
