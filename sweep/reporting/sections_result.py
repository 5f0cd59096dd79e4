"""The sections about the result: who won, how the search went, learning curves, what to keep in mind."""

from __future__ import annotations

from sweep.analysis.curve_summary import curve_notes, curve_summary
from sweep.analysis.formatting import count, duration, listed, metric, numbers, share
from sweep.analysis.history import History
from sweep.analysis.leaderboard import NOISE_LIMIT, Lead
from sweep.analysis.report_findings import ReportFindings
from sweep.analysis.trial_row import TrialRow
from sweep.reporting.curve_charts import FEW, TOP, curves_chart, has_curves
from sweep.reporting.document import Chart, Code, Notes, Section, Table
from sweep.reporting.search_charts import MOST_POINTS, progress_chart

LEADERS = 10
LISTED = 200
"""Rows of the folded table; the CSV has all."""


def winner_section(history: History, findings: ReportFindings, reproduce: str) -> Section:
    """Who won, and by how much?"""
    rows = findings.standings
    leading = [row for row in rows if row.value is not None and row.state in ("complete", "pruned")][:LEADERS]
    blocks: list[Table | Code] = []
    if leading:
        blocks.append(_leaderboard(history, leading, ""))
    if len(rows) > len(leading):
        more = f" (the first {LISTED:,} of {len(rows):,}; --format csv has all)" if len(rows) > LISTED else ""
        blocks.append(_leaderboard(history, list(rows[:LISTED]), f"all {count(len(rows), 'trial')}{more}"))
    if findings.lead.best is not None:
        blocks.append(Code("The winner again, from its record alone:", reproduce))
    return Section("winner", "Winner", "Who won, and by how much?", _verdict(history, findings.lead), tuple(blocks))


def _leaderboard(history: History, rows: list[TrialRow], folded: str) -> Table:
    return Table(
        headings=tuple(rows[0].texts(history.objective)),
        rows=tuple(tuple(row.texts(history.objective).values()) for row in rows),
        numeric=(0, 2, 3, 4, 5, 6),
        note="" if folded else _note(rows),
        folded=folded,
        led=rows[0].state == "complete",
    )


def _note(rows: list[TrialRow]) -> str:
    pruned = any(row.state == "pruned" for row in rows)
    return (
        "Pruned trials show the best value until the cut; it does not compare with that of a whole trial."
        if pruned
        else ""
    )


def _verdict(history: History, lead: Lead) -> tuple[str, ...]:
    if lead.verdict == "nobody":
        return (f"Nobody yet: none of the {count(len(history.records), 'trial')} has reached its end.",)
    error = f" ± {metric(lead.standard_error)}" if lead.standard_error is not None else ""
    won = f"Trial {lead.best} won with {history.objective} {metric(lead.value)}{error}"
    if lead.verdict == "alone":
        return (f"{won}: the only trial that reached its end, so there is nothing to compare it with.",)
    sentences = [f"{won}, {_gap(lead)}"]
    if lead.standard_error is not None:
        sentences.append(_noise(lead))
    if lead.verdict == "unknown":
        sentences.append("How much of a loss is noise cannot be told from the records; accuracies could say.")
    sentences.append(
        f"It is the best of {count(len(history.ranked), 'complete trial')} on the images that chose it, so on new "
        "images expect a little less."
    )
    return tuple(sentences)


def _gap(lead: Lead) -> str:
    if lead.verdict == "tie":
        return f"the same as {numbers(list(lead.ties))}."
    word = {
        "clear": "That is more than noise.",
        "within noise": "That is within noise: another split might turn the order round.",
    }.get(lead.verdict, "")
    return f"{metric(lead.gap)} ahead of trial {lead.runner_up}. {word}".rstrip()


def _noise(lead: Lead) -> str:
    rivals = (
        "No other complete trial is that close."
        if lead.rivals == 0
        else f"{count(lead.rivals, 'other complete trial')} cannot be told apart from it."
    )
    noise = (
        f"and of a difference {metric(lead.noise)}; less than {NOISE_LIMIT:.0f} of those is noise" if lead.noise else ""
    )
    return (
        f"Measured on {count(lead.validation, 'validation image')}, the standard error of its accuracy is "
        f"{metric(lead.standard_error)} {noise}".rstrip()
        + f". {rivals}"
    )


def search_section(history: History, findings: ReportFindings) -> Section:
    """How did the search go?"""
    course = findings.progress
    counts = course.counts
    ended = len(course.steps)
    told = listed([f"{counts[state]:,} {state}" for state in sorted(counts)])
    answer = [f"{count(len(history.records), 'trial')} in {duration(course.hours * 3600)}: {told}."]
    if counts.get("pruned"):
        answer.append(f"{share(counts['pruned'], ended)} of the trials that ended were pruned.")
    if course.improvements:
        after = (
            "the last trial brought the best" if not course.since_best else f"{count(course.since_best, 'trial')} since"
        )
        answer.append(f"The best changed {count(course.improvements, 'time')}; {after}.")
    charts = []
    if any(step.value is not None for step in course.steps):
        thin = f" Points are thinned to {MOST_POINTS:,} per state." if ended > MOST_POINTS else ""
        charts = [
            Chart(_rise(findings), progress_chart(history, course, by_hours=False), f"A point is a trial.{thin}"),
            Chart("How long did it take?", progress_chart(history, course, by_hours=True), _HOURS),
        ]
    return Section("search", "Search", "How did the search go?", tuple(answer), tuple(charts))


_HOURS = "Time in which at least one trial ran; pauses between runs are left out."


def _rise(findings: ReportFindings) -> str:
    """The trial after which hardly anything was gained."""
    steps = [step for step in findings.progress.steps if step.best is not None]
    if len(steps) < 2 or steps[-1].best is None or steps[0].best is None:
        return "What did each trial bring?"
    last = next(step for step in steps if step.best == steps[-1].best)
    ended = findings.progress.steps[-1].place
    return f"The best was number {last.place:,} of {ended:,} to end, after {duration(last.hours * 3600)}"


def curves_section(history: History) -> Section:
    """How did the trials learn?"""
    drawn = [record for record in history.of("complete", "pruned") if record.epochs]
    if not has_curves(history):
        return Section(
            "curves", "Learning", "How did the trials learn?", ("No trial has finished an epoch and ended.",)
        )
    top = min(TOP, len(history.ranked))
    few = len(drawn) <= FEW
    title = "Every trial's curve" if few else f"The best {top} against all {len(drawn):,}" if top else "All trials"
    lines = "The winner in green, pruned trials dotted." if top else "Pruned trials are dotted."
    note = lines if few else _bands_note(len(drawn), top)
    summary, notes = curve_summary(history), curve_notes(history)
    return Section(
        "curves",
        "Learning",
        "How did the trials learn?",
        (_learning(history), *([summary] if summary else [])),
        (Chart(title, curves_chart(history), note), *([Notes(notes)] if notes else [])),
    )


def _bands_note(drawn: int, top: int) -> str:
    lines = f" Lines are the best {top}, the winner in green." if top else ""
    return (
        f"Bands hold the middle 50 % and 80 % of all {drawn:,} complete and pruned trials that trained the epoch; "
        f"after a cut a trial is no longer in them, so they rise with every cut.{lines}"
    )


def _learning(history: History) -> str:
    """When the good trials were at their best."""
    best = [r.best_epoch for r in history.good if r.best_epoch is not None]
    if not best:
        return "No trial has reached its end, so these are the curves until the cut."
    limit = history.good[0].config.training.epochs
    middle = sorted(best)[len(best) // 2]
    return (
        f"The {count(len(best), 'best trial')} reached their best in epoch {middle} of {limit} (median)."
        if len(best) > 1
        else f"The best trial reached its best in epoch {middle} of {limit}."
    )


def cautions_section(findings: ReportFindings) -> Section:
    """What should one keep in mind?"""
    question = "What should one keep in mind?"
    if not findings.cautions:
        return Section("cautions", "Cautions", question, ("Nothing stands out.",))
    ranking = " before relying on the ranking" if findings.lead.best is not None else ""
    answer = (f"{count(len(findings.cautions), 'thing')} to know{ranking}.",)
    return Section("cautions", "Cautions", question, answer, (Notes(findings.cautions),))
