"""The sections about the result: the winner, the final model, the search, the learning curves, and cautions."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from functools import partial

from sweep.analysis.formatting import count, duration, listed, metric, numbers, share
from sweep.analysis.history import History
from sweep.analysis.leaderboard import NOISE_LIMIT, Lead
from sweep.analysis.report_findings import ReportFindings
from sweep.analysis.trial_row import TrialRow
from sweep.records.final_result import FINAL, PAGE_FILE
from sweep.records.openings_ledger import openings_text
from sweep.reporting.curve_charts import FEW, TOP, curves_chart, has_curves
from sweep.reporting.document import Chart, Code, Notes, Section, Table
from sweep.reporting.final_page import gap_text, luck_text, verdict_text
from sweep.reporting.search_charts import MOST_POINTS, progress_chart

LEADERS = 10
"""Maximum number of trials in the table of the best trials."""
LISTED = 200
"""Maximum number of rows of the folded table; the CSV file has all trials."""
SHOWN = 5
"""Number of best trials whose curve findings are listed."""


def winner_section(history: History, findings: ReportFindings, reproduce: str) -> Section:
    """Which trial won, and by how much?"""
    rows = findings.standings
    leading = [row for row in rows if row.value is not None and row.state in ("complete", "pruned")][:LEADERS]
    blocks: list[Table | Code] = []
    if leading:
        blocks.append(_leaderboard(history, leading, ""))
    if len(rows) > len(leading):
        more = f" (the first {LISTED:,} of {len(rows):,}; --format csv has all)" if len(rows) > LISTED else ""
        blocks.append(_leaderboard(history, list(rows[:LISTED]), f"all {count(len(rows), 'trial')}{more}"))
    if findings.lead.best is not None:
        blocks.append(Code("Train the winner again from its record:", reproduce))
    question = "Which trial won, and by how much?"
    return Section("winner", "Winner", question, _verdict(history, findings.lead), tuple(blocks))


def _leaderboard(history: History, rows: list[TrialRow], folded: str) -> Table:
    note = (
        "For pruned trials, the best value before pruning is shown; it is not comparable with the value of a complete "
        "trial."
    )
    return Table(
        headings=tuple(rows[0].texts(history.objective)),
        rows=tuple(tuple(row.texts(history.objective).values()) for row in rows),
        numeric=(0, 2, 3, 4, 5, 6),
        note=note if not folded and any(row.state == "pruned" for row in rows) else "",
        folded=folded,
        led=rows[0].state == "complete",
    )


def _verdict(history: History, lead: Lead) -> tuple[str, ...]:
    if lead.value is None:
        return (f"No winner yet: no trial of {len(history.records):,} is complete.",)
    error = f" ± {metric(lead.standard_error)}" if lead.standard_error is not None else ""
    won = f"Trial {lead.best} won with {history.objective} {metric(lead.value)}{error}"
    if lead.verdict == "alone":
        return (f"{won}: it is the only complete trial, so there is nothing to compare it with.",)
    sentences = [f"{won}, {_gap(lead)}"]
    if lead.standard_error is not None:
        sentences.append(_noise(lead))
    if lead.verdict == "unknown":
        sentences.append(
            "For a loss, the noise of the lead is unknown; with the objective val_accuracy, the report estimates it."
        )
    sentences.append(
        f"It was selected as the best of {count(len(history.ranked), 'complete trial')} on the validation images, so "
        "expect a slightly worse result on new images."
    )
    return tuple(sentences)


def _gap(lead: Lead) -> str:
    if lead.verdict == "tie":
        return f"the same as {numbers(lead.ties)}."
    meaning = {
        "clear": "That is more than noise.",
        "within noise": "That is within noise: another split might reverse the order.",
    }.get(lead.verdict, "")
    return f"{metric(lead.gap)} ahead of trial {lead.runner_up}. {meaning}".rstrip()


def _noise(lead: Lead) -> str:
    difference = (
        f" and that of a difference {metric(lead.noise)}; a lead of under {NOISE_LIMIT:.0f} standard errors is noise"
        if lead.noise
        else ""
    )
    rivals = f"{count(lead.rivals, 'other complete trial')} {'is' if lead.rivals == 1 else 'are'}"
    return (
        f"On {count(lead.validation, 'validation image')}, the standard error of its accuracy is "
        f"{metric(lead.standard_error)}{difference}. "
        f"{rivals if lead.rivals else 'No other complete trial is'} within noise of it."
    )


def final_sections(history: History) -> Iterator[Section]:
    """How good is the final model? Yield nothing before the first opening of the test set."""
    if history.openings:
        question = "How good is the final model on unseen images?"
        yield Section("final", "Final model", question, tuple(_final_answer(history)))


def _final_answer(history: History) -> Iterator[str]:
    final = history.final
    if final is None:
        yield openings_text(history.openings)
        yield "The study has no final result: it was removed, or finalize was interrupted after opening the test set."
        return
    test = final.test
    yield (
        f"Test accuracy {test.accuracy:.4f}, 95 % interval {test.low:.4f} to {test.high:.4f}, on {test.images:,} "
        f"images. {openings_text(history.openings)}"
    )
    yield verdict_text(final)
    if final.rounds:
        yield luck_text(final)
    yield gap_text(final)
    yield f"Details are in {FINAL}/{PAGE_FILE} in the study's folder."


def search_section(history: History, findings: ReportFindings) -> Section:
    """How did the search go?"""
    course = findings.progress
    counts = course.counts
    ended = len(course.steps)
    states = listed([f"{counts[state]:,} {state}" for state in sorted(counts)])
    answer = [f"{count(len(history.records), 'trial')} in {duration(course.hours * 3600)}: {states}."]
    if counts.get("pruned"):
        answer.append(f"{share(counts['pruned'], ended)} of the trials that ended were pruned.")
    if course.improvements:
        since = f"{count(course.since_best, 'trial')} ended after it" if course.since_best else "it ended last"
        answer.append(f"The best trial changed {count(course.improvements, 'time')}; {since}.")
    charts = []
    if any(step.value is not None for step in course.steps):
        thin = f" At most {MOST_POINTS:,} points are drawn per state." if ended > MOST_POINTS else ""
        trials, hours = (progress_chart(history, course, by_hours=by_hours) for by_hours in (False, True))
        charts = [
            Chart(_progress_title(findings), trials, f"Each point is a trial.{thin}"),
            Chart("How long did it take?", hours, "Only time in which at least one trial ran, without pauses."),
        ]
    return Section("search", "Search", "How did the search go?", tuple(answer), tuple(charts))


def _progress_title(findings: ReportFindings) -> str:
    steps = findings.progress.steps
    best = [step for step in steps if step.best is not None]
    if len(best) < 2:
        return "What did each trial reach?"
    last = next(step for step in best if step.best == best[-1].best)
    return f"The best trial ended as number {last.place:,} of {len(steps):,}, after {duration(last.hours * 3600)}"


def curves_section(history: History) -> Section:
    """How did the trials learn?"""
    section = partial(Section, "curves", "Learning", "How did the trials learn?")
    if not has_curves(history):
        return section(("No complete or pruned trial has finished an epoch.",))
    drawn = sum(bool(record.epochs) for record in history.of("complete", "pruned"))
    top = min(TOP, len(history.ranked))
    if drawn <= FEW:
        title = "Learning curves of all trials"
        note = "The winner is green, pruned trials are dotted." if top else "Pruned trials are dotted."
    else:
        title = f"The best {top} of {drawn:,} trials" if top else "All trials"
        note = (
            f"The bands contain the middle 50 % and 80 % of all {drawn:,} complete and pruned trials that trained the "
            "epoch. Trials leave the bands when they are pruned, so the bands rise there."
        ) + (f" The lines are the best {count(top, 'trial')}; the winner is green." if top else "")
    summary, notes = curve_summary(history), curve_notes(history)
    return section(
        (_best_epochs(history), *([summary] if summary else [])),
        (Chart(title, curves_chart(history), note), *([Notes(notes)] if notes else [])),
    )


def _best_epochs(history: History) -> str:
    """Return the best epoch of the good trials, as a sentence."""
    best = [r.best_epoch for r in history.good if r.best_epoch is not None]
    if not best:
        return "No trial is complete, so these are the curves of pruned trials."
    limit = history.good[0].config.training.epochs
    trials = f"the {len(best)} best trials (median)" if len(best) > 1 else "the best trial"
    return f"The best epoch of {trials} is {statistics.median_high(best)} of {limit}."


def curve_summary(history: History) -> str:
    """Return the number of trials with each curve finding, as a sentence; "" if there is no finding."""
    ended = [record for record in history.records if record.epochs and record.finished is not None]
    kinds = Counter(finding.kind for record in ended for finding in record.diagnosis)
    if not kinds:
        return ""
    found = [f"{kind} in {number:,}" for kind, number in kinds.most_common()]
    return f"The curves of {count(len(ended), 'trial')} that ended show {listed(found)}."


def curve_notes(history: History) -> tuple[str, ...]:
    """Return the curve findings of the best trials, one sentence each."""
    best = history.ranked[:SHOWN]
    return tuple(f"Trial {record.number}: {finding}." for record in best for finding in record.diagnosis)


def cautions_section(findings: ReportFindings) -> Section:
    """What should you keep in mind?"""
    section = partial(Section, "cautions", "Cautions", "What should you keep in mind?")
    if not findings.cautions:
        return section(("There are no cautions for this study.",))
    ranking = " before you rely on the ranking" if findings.lead.best is not None else ""
    return section((f"{count(len(findings.cautions), 'point')} to consider{ranking}.",), (Notes(findings.cautions),))
