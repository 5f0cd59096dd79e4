"""The sections about the cost: what pruning saved, where the hours went, why trials failed."""

from __future__ import annotations

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


def pruning_section(history: History, findings: ReportFindings) -> Section:
    """When did pruning cut, what did it save, and what may it have cost?"""
    question, summary = "When did pruning cut, and what did it save?", findings.pruning
    pruner = history.space.search.pruner
    told, blocks = _audit(history, findings.audit), _audited_table(history, findings.audit)
    if not summary.pruned:
        why = "the space has no pruner" if pruner.name == "none" else f"the {pruner.name} pruner let every trial go on"
        why = "every trial that it would have ended was let run on" if findings.audit.trials else why
        return Section("pruning", "Pruning", question, (f"It cut nothing: {why}.", *_early(summary), *told), blocks)
    answer = [
        f"It cut {count(summary.pruned, 'trial')} and saved {count(summary.saved, 'epoch')}, "
        f"{share(summary.saved_share, 1.0)} of what the trials would have trained up to the epoch limit: "
        f"about {duration(summary.saved_seconds)} of fitting.",
        *_early(summary),
        *told,
        *_foresight(summary),
    ]
    usual = f"Most cuts came after epoch {summary.usual_cut}" if summary.usual_cut else "When trials were cut"
    warmup = f"The {pruner.name} pruner lets every trial train {count(pruner.warmup_epochs, 'epoch')} first."
    return Section(
        "pruning", "Pruning", question, tuple(answer), (Chart(usual, pruning_chart(summary), warmup), *blocks)
    )


def _audit(history: History, found: Audit) -> tuple[str, ...]:
    """What pruning may have cost."""
    pruned, asked = len(history.of("pruned")), history.space.search.pruner.audit
    if found.share is None or found.lost is None:
        if not pruned:
            return ()
        how = (
            "no trial that was let run on for it has finished yet"
            if asked
            else "with search.pruner.audit: 0.1 a tenth of such trials would run on and tell"
        )
        return (f"Whether it cut a good trial is not known: {how}.",)
    part, low, high = (round(100 * value) for value in found.share)
    told = [
        f"Audit: of {count(len(found.trials), 'trial')} that it would have cut and that ran on, {found.reached_top} "
        f"reached the top {TOP} ({part} %, 95 % interval {low} to {high} %)."
    ]
    if pruned:
        about, least, most = found.lost
        told.append(
            f"So of the {count(pruned, 'trial')} that it did cut, about {about:.0f} ({least:.0f} to {most:.0f}) would "
            f"have been as good as the top {TOP} are."
        )
    told.append(
        f"Suggested: warmup_epochs: {found.suggested_warmup}, which is past every cut that would have been a mistake."
        if found.suggested_warmup is not None
        else "Nothing here speaks for a longer warm-up."
    )
    return tuple(told)


def _audited_table(history: History, found: Audit) -> tuple[Table, ...]:
    if not found.trials:
        return ()
    rows = tuple(
        (str(t.number), str(t.cut), metric(t.at_cut), metric(t.value), str(t.rank))
        for t in found.trials[:SHOWN_AUDITED]
    )
    left = f"The best {SHOWN_AUDITED} of {len(found.trials):,}." if len(found.trials) > SHOWN_AUDITED else ""
    return (
        Table(
            ("trial", "epoch of the cut", f"{history.objective} until then", "in the end", "place"),
            rows,
            (0, 1, 2, 3, 4),
            left,
            folded=f"the {count(len(found.trials), 'audited trial')}",
        ),
    )


def _early(summary: PruningSummary) -> tuple[str, ...]:
    if not summary.stopped_early:
        return ()
    return (f"Early stopping of complete trials left out another {count(summary.stopped_early, 'epoch')}.",)


def _foresight(summary: PruningSummary) -> tuple[str, ...]:
    told = []
    if summary.foresight is not None:
        grade = "well" if summary.foresight >= 0.7 else "somewhat" if summary.foresight >= 0.3 else "hardly"
        told.append(
            f"Epoch {summary.usual_cut} foresees the end {grade}: over {summary.compared:,} complete trials the rank "
            f"correlation of the best value until then with the final one is {summary.foresight:.2f}."
        )
    if summary.winner_rank is not None and summary.compared > 1:
        told.append(f"The winner was number {summary.winner_rank:,} of {summary.compared:,} at that epoch.")
    return tuple(told)


def hours_section(findings: ReportFindings) -> Section:
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
        (Chart("Fitting, building, and the rest", time_chart(rows), note), table),
    )


def failures_section(history: History, findings: ReportFindings) -> Section:
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
