"""The contents of the study's own run, computed from its trials. Does not import mlflow.

The best trial's values are tags, `sweep.best.NAME`, not params: MLflow does not allow a param to change, and a study
that continues can find a better trial.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from sweep.analysis.formatting import count
from sweep.records.trial_record import TrialRecord
from sweep.space.config import Objective, direction_of
from sweep.tracking.run_entry import (
    MAX_KEY,
    MAX_TAG,
    STATUS,
    Files,
    MetricPoint,
    RunEntry,
    RunStatus,
    ended_at,
    objective_text,
    shorten,
    trial_params,
)
from sweep.tracking.tracker import CloseState, StudyInfo

CLOSED: dict[CloseState, RunStatus] = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
BEST_PREFIX = "sweep.best."
NOTE_TAG = "mlflow.note.content"
"""The tag with a run's description, in Markdown."""
LEADERS = 10
"""Maximum number of rows of the leaderboard in the description."""


class TrialOutcome(NamedTuple):
    """What the study's run shows of a trial. A record and the run that was written from it give the same outcome."""

    number: int
    state: str
    objective: float | None
    ended: int | None
    best_epoch: int | None = None
    parameters: int | None = None
    params: Mapping[str, str] = MappingProxyType({})


def trial_outcome(record: TrialRecord) -> TrialOutcome:
    """Return what the study's run shows of a trial; only a complete or pruned trial has an objective."""
    judged = record.state in ("complete", "pruned")
    return TrialOutcome(
        number=record.number,
        state=record.state,
        objective=record.objective_value if judged else None,
        ended=ended_at(record),
        best_epoch=record.best_epoch if judged else None,
        parameters=record.parameters,
        params=trial_params(record),
    )


def study_identity(info: StudyInfo) -> dict[str, str]:
    """Return the tags that identify a study's run."""
    return {"sweep.kind": "study", "sweep.study": info.name, "sweep.study_id": info.id}


def study_entry(
    info: StudyInfo,
    outcomes: Iterable[TrialOutcome],
    status: RunStatus,
    ended: int | None,
    files: tuple[Files, ...] = (),
) -> RunEntry:
    """Return the contents of the study's own run."""
    known = sorted(outcomes, key=lambda outcome: outcome.number)
    return RunEntry(
        name=info.name,
        tags={**study_identity(info), **_study_tags(info, known)},
        points=_best_so_far(info, known),
        status=status,
        ended=ended,
        files=files,
    )


def _study_tags(info: StudyInfo, outcomes: Sequence[TrialOutcome]) -> dict[str, str]:
    states = [outcome.state for outcome in outcomes]
    tags = {
        "sweep.objective": info.objective,
        "sweep.folder": shorten(str(info.folder), MAX_TAG),
        "sweep.trials": str(len(states)),
        **{f"sweep.trials.{state}": str(states.count(state)) for state in STATUS},
        NOTE_TAG: study_description(info, outcomes),
    }
    for best in ranking(info.objective, outcomes)[:1]:
        tags["sweep.best_trial"] = str(best.number)
        tags |= {(BEST_PREFIX + name)[:MAX_KEY]: value for name, value in best.params.items()}
    return tags


def ranking(objective: Objective, outcomes: Iterable[TrialOutcome]) -> list[TrialOutcome]:
    """Return the complete trials, the best first; of equal trials, the lower number first, as in the study."""
    sign = -1.0 if direction_of(objective) == "maximize" else 1.0
    complete = (o for o in outcomes if o.state == "complete" and o.objective is not None and math.isfinite(o.objective))
    return sorted(complete, key=lambda o: (sign * (o.objective or 0.0), o.number))


def _best_so_far(info: StudyInfo, outcomes: Sequence[TrialOutcome]) -> tuple[MetricPoint, ...]:
    """Return `best_objective`, `best_trial`, … after each completed trial; the step is the number of completed trials.

    Trials without an improvement have points too, because MLflow shows the value of the highest step as the newest.
    """
    ended = sorted(ranking(info.objective, outcomes), key=lambda o: (o.ended or 0, o.number))
    best = accumulate(ended, lambda first, second: ranking(info.objective, (first, second))[0])
    points = []
    for step, (outcome, leader) in enumerate(zip(ended, best, strict=True), start=1):
        # Sampled values are left out, because the next leader may not have the same parameters.
        numbers = (leader.objective, leader.number, leader.best_epoch, leader.parameters)
        points += [
            MetricPoint(f"best_{name}", float(value), outcome.ended or 0, step)
            for name, value in zip(("objective", "trial", "epoch", "parameters"), numbers, strict=True)
            if value is not None
        ]
    return tuple(points)


def study_description(info: StudyInfo, outcomes: Sequence[TrialOutcome]) -> str:
    """Return the counts of trials and the leaderboard in Markdown, short enough for a tag."""
    counts = {state: sum(outcome.state == state for outcome in outcomes) for state in STATUS}
    listed = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    better = "larger" if direction_of(info.objective) == "maximize" else "smaller"
    first = f"{count(len(outcomes), 'trial')}: {listed or 'none yet'}. Objective: {info.objective}, {better} is better."
    leaders = ranking(info.objective, outcomes)[:LEADERS]
    while leaders:
        text = f"{first}\n\n{_leaderboard(info.objective, leaders)}"
        if len(text) <= MAX_TAG:
            return text
        leaders.pop()  # the values are very long: show fewer rows
    return first


def _leaderboard(objective: Objective, leaders: Sequence[TrialOutcome]) -> str:
    """Return a row per leader, with the values in which leaders differ, and a line with the values that all share.

    All values are in one column: a space can have twenty parameters, and MLflow's page does not scroll sideways.
    """
    names = list(dict.fromkeys(name for leader in leaders for name in leader.params))
    differing = [name for name in names if len({leader.params.get(name) for leader in leaders}) > 1]
    shared = [name for name in names if name not in differing]
    head = ["trial", objective, "best epoch", "parameters", "values"]
    rows = [
        [
            f"{leader.number:04d}",
            objective_text(leader.objective or 0.0, objective),
            _number(leader.best_epoch),
            _number(leader.parameters),
            _values(leader, differing or names),
        ]
        for leader in leaders
    ]
    escaped = [[markdown_text(cell) for cell in line] for line in (head, *rows)]
    lines = [escaped[0], ["---"] * len(head), *escaped[1:]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if not (shared and differing):
        return table
    return f"{table}\n\nThe same in all these trials: {markdown_text(_values(leaders[0], shared))}."


def _values(outcome: TrialOutcome, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_rounded(outcome.params[name])}" for name in names if name in outcome.params)


def _rounded(value: str) -> str:
    """Round the text of a float to four digits; return other text unchanged."""
    if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value) and not value.isdecimal():
        return f"{float(value):.4g}" if value.count(".") <= 1 else value
    return value


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def markdown_text(text: str) -> str:
    """Return Markdown that shows exactly this text on one line, without markup."""
    escaped = re.sub(r"([\\`*_\[\]()#!|~$])", r"\\\1", html.escape(text, quote=False))
    return " ".join(escaped.split())


def records_status(records: Iterable[TrialRecord]) -> RunStatus:
    """Return the status of a study's run according to its records alone."""
    states = {record.state for record in records}
    if "running" in states:
        return "RUNNING"
    if "interrupted" in states:
        return "KILLED"
    return "FAILED" if states == {"failed"} else "FINISHED"
