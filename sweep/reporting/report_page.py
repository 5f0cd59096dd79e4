"""A study's report: the findings as questions and answers, in the order in which a reader asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.analysis.formatting import count, duration, format_value, listed, metric, share
from sweep.analysis.history import History
from sweep.analysis.report_findings import ReportFindings
from sweep.reporting.document import Card, Document
from sweep.reporting.sections_cost import failures_section, hours_section, pruning_section
from sweep.reporting.sections_result import (
    cautions_section,
    curves_section,
    final_sections,
    search_section,
    winner_section,
)
from sweep.reporting.sections_space import bounds_section, importance_section, landscape_section


@dataclass(frozen=True)
class Commands:
    """The next commands.

    Attributes:
        reproduce: trains the winner again.
        search_next: searches the next space.
        next_file: file name of the next space, next to the report; "" if there is none.
    """

    reproduce: str
    search_next: str
    next_file: str


def report_document(history: History, findings: ReportFindings, commands: Commands) -> Document:
    """Return the report of a study, with trials in any state."""
    return Document(
        title=f"Study {history.study}",
        subtitle=_subtitle(history),
        cards=_cards(history, findings),
        sections=(
            winner_section(history, findings, commands.reproduce),
            *final_sections(history),
            search_section(history, findings),
            importance_section(history, findings),
            landscape_section(history, findings),
            curves_section(history),
            pruning_section(history, findings),
            bounds_section(history, findings, commands.search_next, commands.next_file),
            hours_section(findings),
            failures_section(history, findings),
            cautions_section(findings),
        ),
    )


def _subtitle(history: History) -> str:
    search = history.space.search
    aim = "highest" if history.maximize else "lowest"
    parts = [f"{aim} {history.objective}", f"{search.sampler} sampler", f"{search.pruner.name} pruner"]
    if history.records:
        record = history.records[-1]
        stamp = record.data
        name = format_value(Path(record.config.data.name).name)  # the last part, if the data set is named by a path
        parts.append(
            f"{name}: {count(stamp.train, 'training image')} and {stamp.validation:,} for "
            f"validation, {'x'.join(map(str, stamp.shape))}, {len(stamp.classes)} classes "
            f"({listed([format_value(name) for name in stamp.classes], 10)})"
        )
    return " · ".join(parts)


def _cards(history: History, findings: ReportFindings) -> tuple[Card, ...]:
    lead, course = findings.lead, findings.progress
    verdicts = {
        "clear": "clear lead",
        "within noise": "lead within noise",
        "tie": "a tie",
        "alone": "nothing to compare",
    }
    best = f"best {history.objective}" + (f", {verdicts[lead.verdict]}" if lead.verdict in verdicts else "")
    return (
        Card(metric(lead.value), best),
        Card(f"{len(history.records):,}", "trials"),
        Card(share(course.counts.get("pruned", 0), len(course.steps)), "pruned"),
        Card(f"{course.counts.get('failed', 0):,}", "failed"),
        Card(duration(course.hours * 3600), "of search"),
        Card(duration(findings.pruning.saved_seconds), "of fitting saved by pruning"),
    )
