"""The sections about cost: what pruning saved and lost, where the time went, why trials failed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from sweep.analysis.failure_groups import FailureGroup
from sweep.analysis.formatting import count, duration, metric, share
from sweep.analysis.history import History
from sweep.analysis.pruning_effects import TOP, Audit, PruningSummary
from sweep.analysis.report_findings import ReportFindings
from sweep.reporting.document import Block, Chart, Folded, Section, Table
from sweep.reporting.search_charts import pruning_chart, time_chart

SHOWN_AUDITED = 50
SHOWN_FAILURES = 200
SHOWN_DETAILS = 20
LONGEST_DETAILS = 6_000
"""Maximum number of characters of a failure's message; only the end of a longer message is shown."""


def pruning_section(history: History, findings: ReportFindings) -> Section:
    """What did pruning save, and what did it cost?"""
    summary, audit, pruner = findings.pruning, findings.audit, history.space.search.pruner
    blocks: tuple[Block, ...] = _audit_table(history, audit)
    if summary.pruned:
        title = f"Most trials were pruned after epoch {summary.usual_cut}" if summary.usual_cut else "Pruned trials"
        warmup = f"The {pruner.name} pruner lets every trial train {count(pruner.warmup_epochs, 'epoch')} first."
        blocks = (Chart(title, pruning_chart(summary), warmup), *blocks)
        result = (
            f"Pruning stopped {count(summary.pruned, 'trial')} and saved {count(summary.saved, 'epoch')}, "
            f"{share(summary.saved_share, 1.0)} of the epochs that would have been trained without it: about "
            f"{duration(summary.saved_seconds)} of fitting."
        )
    elif audit.trials:
        result = "No trial was pruned: every trial that the pruner would have stopped was audited."
    elif pruner.name == "none":
        result = "No trial was pruned: the space has no pruner."
    else:
        result = f"No trial was pruned: the {pruner.name} pruner stopped none."
    answer = (result, *_early(summary), *_audit(history, audit), *(_foresight(summary) if summary.pruned else ()))
    return Section("pruning", "Pruning", "What did pruning save, and what did it cost?", answer, blocks)


def _early(summary: PruningSummary) -> Iterator[str]:
    if summary.stopped_early:
        yield f"Early stopping of complete trials saved another {count(summary.stopped_early, 'epoch')}."


def _audit(history: History, audit: Audit) -> Iterator[str]:
    """Yield sentences about what pruning may have cost."""
    pruned = len(history.of("pruned"))
    if audit.share is None or audit.lost is None:
        if pruned:
            yield "It is not known whether pruning stopped a good trial" + (
                ": no audited trial has finished yet."
                if history.space.search.pruner.audit
                else ". To measure it, set search.pruner.audit: 0.1, which lets a tenth of such trials run to the end."
            )
        return
    part, low, high = (round(100 * bound) for bound in audit.share)
    yield (
        f"Audit: {count(len(audit.trials), 'trial')} ran to the end although the pruner would have stopped them; "
        f"{audit.reached_top} of them reached the top {TOP} ({part} %, 95 % interval {low} to {high} %)."
    )
    if pruned:
        about, least, most = audit.lost
        yield (
            f"So about {about:.0f} ({least:.0f} to {most:.0f}) of the {count(pruned, 'pruned trial')} would have been "
            f"as good as the top {TOP}."
        )
    yield (
        f"Suggested: warmup_epochs: {audit.suggested_warmup}. With this value, no audited trial of the top {TOP} would "
        "have been stopped."
        if audit.suggested_warmup is not None
        else "The audit gives no reason for a longer warm-up."
    )


def _audit_table(history: History, audit: Audit) -> tuple[Table, ...]:
    if not audit.trials:
        return ()
    rows = tuple(
        (str(t.number), str(t.cut), metric(t.at_cut), metric(t.value), str(t.rank))
        for t in audit.trials[:SHOWN_AUDITED]
    )
    left = f"The best {SHOWN_AUDITED} of {len(audit.trials):,}." if len(audit.trials) > SHOWN_AUDITED else ""
    headings = ("trial", "would stop after epoch", f"{history.objective} until then", "final value", "rank")
    return (Table(headings, rows, (0, 1, 2, 3, 4), left, folded=count(len(audit.trials), "audited trial")),)


def _foresight(summary: PruningSummary) -> Iterator[str]:
    if summary.foresight is not None:
        grade = "well" if summary.foresight >= 0.7 else "somewhat" if summary.foresight >= 0.3 else "poorly"
        yield (
            f"Epoch {summary.usual_cut} predicts the final value {grade}: over {summary.compared:,} complete trials, "
            f"the rank correlation of the best value until then with the final value is {summary.foresight:.2f}."
        )
    if summary.winner_rank is not None and summary.compared > 1:
        yield f"At that epoch, the winner was number {summary.winner_rank:,} of {summary.compared:,}."


def hours_section(findings: ReportFindings) -> Section:
    """Where did the time go?"""
    section, rows = partial(Section, "hours", "Time", "Where did the time go?"), findings.hours
    whole = sum(row.total for row in rows)
    if not whole:
        return section(("No time is recorded.",))
    fit = sum(row.fit for row in rows)
    lost = sum(row.total for row in rows if row.state in ("failed", "interrupted"))
    answer = [f"Fitting took {share(fit, whole)} of the trials' total time of {duration(whole)}."]
    if lost:
        answer.append(f"Failed and interrupted trials took {duration(lost)} ({share(lost, whole)}).")
    table = Table(
        ("state", "trials", "fit", "build", "rest", "total", "median trial"),
        tuple(
            (row.state, f"{row.trials:,}", *map(duration, (row.fit, row.build, row.rest, row.total, row.median)))
            for row in rows
        ),
        (1, 2, 3, 4, 5, 6),
    )
    note = "Times are summed over parallel trials. Rest: starting processes, reading images, writing files."
    chart = Chart("Fitting, building, and the rest", time_chart(rows), note)
    return section(tuple(answer), (chart, table))


def failures_section(history: History, findings: ReportFindings) -> Section:
    """Why did trials fail?"""
    section, groups = partial(Section, "failures", "Failures", "Why did trials fail?"), findings.failures
    failed = sum(len(group.failures) for group in groups)
    if not failed:
        return section(("No trial failed.",))
    answer = [f"{failed:,} of {count(len(history.records), 'trial')} failed."]
    answer += [
        f"{group.cause}, {count(len(group.failures), 'trial')}" + (f": {group.advice}." if group.advice else ".")
        for group in groups
    ]
    return section(tuple(answer), tuple(_failure_blocks(groups, failed)))


def _failure_blocks(groups: tuple[FailureGroup, ...], failed: int) -> list[Block]:
    failures = sorted((failure for group in groups for failure in group.failures), key=lambda failure: failure.number)
    table = Table(
        ("trial", "cause", "message", "epochs", "time"),
        tuple(
            (str(f.number), f.cause, f.summary[:300], str(f.epochs), duration(f.seconds))
            for f in failures[:SHOWN_FAILURES]
        ),
        (0, 3, 4),
        f"The first {SHOWN_FAILURES:,} of {failed:,}." if failed > SHOWN_FAILURES else "",
        folded=f"all {count(failed, 'failed trial')}" if failed > SHOWN_DETAILS else "",
    )
    distinct = {failure.details.strip(): failure for failure in reversed(failures)}  # the first trial per message
    long = [failure for text, failure in distinct.items() if text != failure.summary.strip()][::-1][:SHOWN_DETAILS]
    return [table, *(Folded(f"trial {f.number}: full message", f.details[-LONGEST_DETAILS:]) for f in long)]
