"""All findings of a report, as plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sweep.analysis.cautions import cautions
from sweep.analysis.failure_groups import FailureGroup, failure_groups
from sweep.analysis.history import History
from sweep.analysis.leaderboard import Lead, lead, standings
from sweep.analysis.next_space import NextSpace, next_space
from sweep.analysis.progress import Progress, TimeSpent, progress, time_spent
from sweep.analysis.pruning_effects import Audit, PruningSummary, audit, summarize_pruning
from sweep.analysis.touched_bounds import touched_bounds
from sweep.analysis.trial_row import TrialRow
from sweep.records.final_result import FinalResult
from sweep.space.writer import space_to_yaml
from sweep.study.importance import Importances


@dataclass(frozen=True)
class ReportFindings:
    """The findings of a report.

    Attributes:
        standings: all trials, best first.
        next_study: name of the study for the next space.
    """

    lead: Lead
    standings: tuple[TrialRow, ...]
    progress: Progress
    importances: Importances
    pruning: PruningSummary
    audit: Audit
    next_space: NextSpace
    next_study: str
    hours: tuple[TimeSpent, ...]
    failures: tuple[FailureGroup, ...]
    cautions: tuple[str, ...]


def collect_findings(history: History, importances: Importances, next_study: str) -> ReportFindings:
    """Judge a study and return all findings."""
    winner, course = lead(history), progress(history)
    return ReportFindings(
        lead=winner,
        standings=standings(history),
        progress=course,
        importances=importances,
        pruning=summarize_pruning(history),
        audit=audit(history),
        next_space=next_space(history.space, touched_bounds(history), next_study),
        next_study=next_study,
        hours=time_spent(history),
        failures=failure_groups(history),
        cautions=cautions(history, winner, course, importances),
    )


def findings_mapping(history: History, findings: ReportFindings) -> dict[str, Any]:
    """Return the findings as JSON values; `standings` has all trials, best first."""
    plain = dataclasses.asdict(dataclasses.replace(findings, next_space=NextSpace(None, findings.next_space.changes)))
    bounds = plain.pop("next_space")["changes"]
    wider = findings.next_space.space
    return {
        "study": history.study,
        "objective": history.objective,
        "direction": "maximize" if history.maximize else "minimize",
        "trials": len(history.records),
        "test_openings": len(history.openings),
        "final": _final_mapping(history.final),
        **plain,
        "bounds": bounds,
        "next_space": space_to_yaml(wider) if wider is not None else None,
    }


def _final_mapping(final: FinalResult | None) -> dict[str, Any] | None:
    """Return the main numbers of the final result; `final/final.json` has all numbers."""
    if final is None:
        return None
    test = final.test
    return {
        "trial": final.winner,
        "verdict": final.verdict,
        "rounds": final.rounds,
        "test_accuracy": test.accuracy,
        "interval": [test.low, test.high],
        "test_loss": test.loss,
        "calibration_error": test.calibration_error,
        "search_gap": test.search_gap,
        "images": test.images,
    }
