"""What to keep in mind before one believes a ranking."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.analysis.formatting import count, format_value, listed, numbers, share
from sweep.analysis.history import GOOD_LEAST, History
from sweep.analysis.leaderboard import Lead
from sweep.analysis.progress import Progress
from sweep.records.openings_ledger import openings_text
from sweep.space.parameters import Choice, Parameter
from sweep.study.importance import Importances

STALE = 50
"""Trials without a new best after which a search has most likely found what it can."""
MANY = 0.2
"""Share of failed trials that deserves a look."""
MOST = 0.9
"""Share of pruned trials that leaves too few complete ones to compare with."""


def cautions(history: History, lead: Lead, progress: Progress, importances: Importances) -> tuple[str, ...]:
    """One sentence each, the gravest first."""
    return (
        *_opened_again(history),
        *_mixed(history),
        *_failed(history, progress),
        *_ties(lead),
        *_unfinished_learning(history),
        *_random_so_far(history),
        *_same_models(history),
        *_without_effect(history, importances),
        *_stale(progress),
        *_waiting(history),
    )


def _opened_again(history: History) -> Iterator[str]:
    """The test set is good for one look."""
    if len(history.openings) > 1:
        yield openings_text(history.openings)


def _mixed(history: History) -> Iterator[str]:
    """Trials that saw other images, or ran on another stack, are no fair match."""
    if len({(record.data.digest, record.data.split) for record in history.records}) > 1:
        yield "Not all trials saw the same images or the same split: their results are not comparable."
    keys = ("version.tensorflow", "version.keras", "platform", "cpu")
    stacks = {tuple(record.environment.get(key, "") for key in keys) for record in history.records}
    if len(stacks) > 1:
        yield (
            f"The trials ran on {len(stacks)} different machines or versions of TensorFlow; "
            "small differences may be theirs."
        )


def _failed(history: History, progress: Progress) -> Iterator[str]:
    ended = len(progress.steps)
    failed, pruned = progress.counts.get("failed", 0), progress.counts.get("pruned", 0)
    if failed and failed == ended:
        yield "Every trial that has ended failed; their causes are above, and more trials would most likely fail too."
    elif failed > MANY * ended:
        yield f"{share(failed, ended)} of the trials failed; their part of the space has hardly been searched."
    if pruned > MOST * ended:
        yield (
            f"{share(pruned, ended)} of the trials were pruned and {count(len(history.ranked), 'trial')} reached "
            "the end; more warm-up epochs or a percentile pruner would let more of them finish."
        )


def _ties(lead: Lead) -> Iterator[str]:
    if lead.ties and lead.best is not None:
        yield (
            f"Trial {lead.best} shares the first place with {numbers(list(lead.ties))}: the objective is the same to "
            "the last digit, and the earlier trial is listed first."
        )


def _unfinished_learning(history: History) -> Iterator[str]:
    """A best epoch at the very end: the limit has chosen it, not the training."""
    best = [record for record in history.good if record.best_epoch is not None]
    at_end = [record.number for record in best if record.best_epoch == record.config.training.epochs]
    if len(best) >= GOOD_LEAST and len(at_end) * 2 > len(best):
        limit = best[0].config.training.epochs
        yield (
            f"{len(at_end)} of the {len(best)} best trials were best in their last epoch of {limit}: they were still "
            "learning, so a higher epoch limit may change the ranking."
        )


def _random_so_far(history: History) -> Iterator[str]:
    search, done = history.space.search, len(history.ranked) + len(history.pruned)
    if search.sampler in ("tpe", "gp", "cmaes") and 0 < done <= search.startup_trials:
        yield (
            f"The first {search.startup_trials} trials are drawn at random, and {count(done, 'trial')} counted so far: "
            "the sampler has learned nothing yet."
        )


def _same_models(history: History) -> Iterator[str]:
    """Trials with different values that built one and the same model: a value among those has no effect."""
    by_number = {record.number: record for record in history.records}
    pairs = [(r, by_number[r.same_model_as]) for r in history.records if r.same_model_as in by_number]
    if pairs:
        record, duplicate = pairs[0]
        differ = [n for n in {**duplicate.values, **record.values} if duplicate.values.get(n) != record.values.get(n)]
        more = f", and so {count(len(pairs) - 1, 'more pair')}" if len(pairs) > 1 else ""
        yield (
            f"{numbers([duplicate.number, record.number]).capitalize()} differ in {listed(differ)} and yet trained the "
            f"same model, optimizer and augmentation{more}: what they differ in has no effect."
        )


def _without_effect(history: History, importances: Importances) -> Iterator[str]:
    single = [parameter.name for parameter in history.space.parameters if _is_single(parameter)]
    if single:
        verb = "has" if len(single) == 1 else "have"
        yield f"{listed(single)} {verb} a single value: nothing was searched there, so it can be fixed in the space."
    constant = [name for name in _constant(history) if name not in single]
    if constant:
        yield f"All trials that counted had the same value of {listed(constant)}: nothing can be said about it."
    idle = [row.name for row in importances.rows if not row.matters and row.name not in (*single, *constant)]
    if idle:
        yield (
            f"No effect beyond chance could be seen of {listed(idle)}; fixing what does not matter "
            "leaves more trials for the rest."
        )


def _is_single(parameter: Parameter) -> bool:
    return len(parameter.choices) == 1 if isinstance(parameter, Choice) else parameter.low == parameter.high


def _constant(history: History) -> list[str]:
    judged = (*history.ranked, *history.pruned)
    if len(judged) < GOOD_LEAST:
        return []
    seen = {
        p.name: {format_value(r.values[p.name]) for r in judged if p.name in r.values} for p in history.space.parameters
    }
    often = {name: sum(name in record.values for record in judged) for name in seen}
    return [name for name, values in seen.items() if len(values) == 1 and often[name] >= GOOD_LEAST]


def _stale(progress: Progress) -> Iterator[str]:
    if progress.since_best >= STALE:
        yield (
            f"{progress.since_best:,} trials have ended since the best one: in this space there is little left to "
            "find. More may come from a wider space, more epochs or another model."
        )


def _waiting(history: History) -> Iterator[str]:
    waiting = [record.number for record in history.of("interrupted", "running")]
    if waiting:
        yield (
            f"{numbers(waiting).capitalize()} had not ended when this report was written; "
            "the next sweep.run of the study runs what was interrupted again."
        )
