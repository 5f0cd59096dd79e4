"""Trials in Optuna's form, made from trial records: what `OptunaStudy` stores while a trial runs, all at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.records.trial_record import TrialRecord, has_ended
from sweep.space.space import Space
from sweep.study.failure_policies import is_infeasible
from sweep.study.optuna_parameters import optuna_distribution, to_optuna


def frozen_trial(record: TrialRecord, space: Space) -> FrozenTrial:
    """Return the trial that Optuna has of a record; a running or interrupted one is RUNNING, so that it is resumed.

    Raises:
        ValueError: the record's values are not a point of the space.
    """
    if faults := space.faults(record.values):
        raise ValueError("; ".join(faults))
    state = optuna_state(record, space)
    reported = {metrics.epoch: metrics.value(space.search.objective) for metrics in record.epochs}
    value = record.objective_value
    if state != TrialState.COMPLETE:  # Optuna gives a pruned trial its last epoch's value
        value = reported[max(reported)] if reported and state == TrialState.PRUNED else None
    trial = create_trial(
        state=state,
        value=value,
        params=to_optuna(space, record.values),
        distributions={p.name: optuna_distribution(p) for p in space.parameters if p.name in record.values},
        intermediate_values=reported,
        user_attrs={"origin": record.origin} if record.origin else {},
        constraints=violated_constraints(record, space),
    )
    if state != TrialState.RUNNING:
        trial.user_attrs |= {"state": record.state, "reason": record.reason}
    _set_times(trial, record)
    return trial


def optuna_state(record: TrialRecord, space: Space) -> TrialState:
    """Return the state that a trial has in Optuna."""
    if not has_ended(record):
        return TrialState.RUNNING
    if record.state == "complete":
        return TrialState.COMPLETE
    # An infeasible trial is not FAIL: the sampler ignores FAIL, but ranks a pruned trial with a violated constraint
    # below all others.
    pruned = record.state == "pruned" or violated_constraints(record, space)
    return TrialState.PRUNED if pruned else TrialState.FAIL


def violated_constraints(record: TrialRecord, space: Space) -> dict[str, float]:
    """Return the constraint that a trial violated because of its values, by the reason; empty for any other trial."""
    infeasible = record.state == "failed" and is_infeasible(record.reason, space.search.failures)
    return {record.reason: 1.0} if infeasible else {}


def _set_times(trial: FrozenTrial, record: TrialRecord) -> None:
    """Set the times of start and end, which Optuna keeps in local time; a time that cannot be read is the present."""
    with suppress(ValueError):
        trial.datetime_start = datetime.fromisoformat(record.started).astimezone().replace(tzinfo=None)
    if trial.state.is_finished():
        trial.datetime_complete = trial.datetime_start
        with suppress(ValueError):
            trial.datetime_complete = datetime.fromisoformat(record.finished or "").astimezone().replace(tzinfo=None)
