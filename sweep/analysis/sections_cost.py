"""The sections about the cost: what pruning saved, where the hours went, why trials failed."""

from __future__ import annotations

from sweep.analysis.document import Block, Chart, Folded, Section, Table
from sweep.analysis.draw_search import draw_cuts, draw_hours
from sweep.analysis.failures import FailureGroup
from sweep.analysis.findings import Findings
from sweep.analysis.history import History
from sweep.analysis.pruning import PruningSummary
from sweep.analysis.words import count, duration, share

SHOWN_FAILURES = 200
SHOWN_DETAILS = 20
LONGEST_DETAILS = 6_000


def pruning_section(history: History, findings: Findings) -> Section:
    """When did pruning cut, and what did it save?"""
    question, audit = "When did pruning cut, and what did it save?", findings.pruning
    pruner = history.space.search.pruner
    if not audit.pruned:
        why = "the space has no pruner" if pruner.name == "none" else f"the {pruner.name} pruner let every trial go on"
        return Section("pruning", "Pruning", question, (f"It cut nothing: {why}.", *_early(audit)))
    answer = [
        f"It cut {count(audit.pruned, 'trial')} and saved {count(audit.saved, 'epoch')}, "
        f"{share(audit.saved_share, 1.0)} of what the trials would have trained up to the epoch limit: "
        f"about {duration(audit.saved_seconds)} of fitting.",
        *_early(audit),
        *_foresight(audit),
    ]
    usual = f"Most cuts came after epoch {audit.usual_cut}" if audit.usual_cut else "When trials were cut"
    warmup = f"The {pruner.name} pruner lets every trial train {count(pruner.warmup_epochs, 'epoch')} first."
    return Section("pruning", "Pruning", question, tuple(answer), (Chart(usual, draw_cuts(audit), warmup),))


def _early(audit: PruningSummary) -> tuple[str, ...]:
    if not audit.stopped_early:
        return ()
    return (f"Early stopping of complete trials left out another {count(audit.stopped_early, 'epoch')}.",)


def _foresight(audit: PruningSummary) -> tuple[str, ...]:
    told = []
    if audit.foresight is not None:
        grade = "well" if audit.foresight >= 0.7 else "somewhat" if audit.foresight >= 0.3 else "hardly"
        told.append(
            f"Epoch {audit.usual_cut} foresees the end {grade}: over {audit.compared:,} complete trials the rank "
            f"correlation of the best value until then with the final one is {audit.foresight:.2f}."
        )
    if audit.winner_rank is not None and audit.compared > 1:
        told.append(f"The winner was number {audit.winner_rank:,} of {audit.compared:,} at that epoch.")
    return tuple(told)


def hours_section(findings: Findings) -> Section:
    """Where did the hours go?"""
    question, rows = "Where did the hours go?", findings.hours
    whole = sum(row.total for row in rows)
    if not whole:
        return Section("hours", "Hours", question, ("No time has been recorded.",))
    fit = sum(row.fit for row in rows)
    lost = sum(row.total for row in rows if row.state in ("failed", "interrupted"))
    answer = [f"{share(fit, whole)} of {duration(whole)} of trials' time went into fitting."]
    if lost:
        answer.append(f"{duration(lost)} ({share(lost, whole)}) went into trials that failed or were interrupted.")
    table = Table(
        ("state", "trials", "fit", "build", "rest", "all", "median trial"),
        tuple(
            (row.state, f"{row.trials:,}", *map(duration, (row.fit, row.build, row.rest, row.total, row.median)))
            for row in rows
        ),
        (1, 2, 3, 4, 5, 6),
    )
    note = (
        "Summed over trials that ran side by side. "
        "Rest: starting processes, reading images, writing models and records."
    )
    return Section(
        "hours",
        "Hours",
        question,
        tuple(answer),
        (Chart("Fitting, building, and the rest", draw_hours(rows), note), table),
    )


def failures_section(history: History, findings: Findings) -> Section:
    """Why did trials fail?"""
    question, groups = "Why did trials fail?", findings.failures
    failed = sum(len(group.failures) for group in groups)
    if not failed:
        return Section("failures", "Failures", question, ("None failed.",))
    answer = [f"{count(failed, 'trial')} of {len(history.records):,} failed."]
    answer += [_group_sentence(group) for group in groups]
    return Section("failures", "Failures", question, tuple(answer), tuple(_failure_blocks(groups, failed)))


def _group_sentence(group: FailureGroup) -> str:
    return f"{group.cause}, {count(len(group.failures), 'trial')}" + (f": {group.advice}." if group.advice else ".")


def _failure_blocks(groups: tuple[FailureGroup, ...], failed: int) -> list[Block]:
    failures = sorted((failure for group in groups for failure in group.failures), key=lambda failure: failure.number)
    note = f"The first {SHOWN_FAILURES:,} of {failed:,}." if failed > SHOWN_FAILURES else ""
    table = Table(
        ("trial", "cause", "what happened", "epochs", "time"),
        tuple(
            (str(f.number), f.cause, f.summary[:300], str(f.epochs), duration(f.seconds))
            for f in failures[:SHOWN_FAILURES]
        ),
        (0, 3, 4),
        note,
        folded=f"all {count(failed, 'failed trial')}" if failed > SHOWN_DETAILS else "",
    )
    distinct = {failure.details.strip(): failure for failure in reversed(failures)}  # the first of each
    long = [failure for text, failure in distinct.items() if text != failure.summary.strip()][::-1][:SHOWN_DETAILS]
    return [table, *(Folded(f"trial {f.number}: the whole message", f.details[-LONGEST_DETAILS:]) for f in long)]
