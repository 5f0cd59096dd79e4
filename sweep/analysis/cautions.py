"""Cautions: what to consider before relying on the ranking."""

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
"""A search is probably exhausted after this number of trials without a new best."""
MANY = 0.2
"""Share of failed trials above which a caution is given."""
MOST = 0.9
"""Share of pruned trials above which too few complete trials are left for comparison."""


def cautions(history: History, lead: Lead, progress: Progress, importances: Importances) -> tuple[str, ...]:
    """Return one sentence per caution, the most serious first."""
    return (
        *([openings_text(history.openings)] if len(history.openings) > 1 else ()),
        *_mixed(history),
        *_failed(history, progress),
        *_ties(lead),
        *_still_improving(history),
        *_random_so_far(history),
        *_same_models(history),
        *_without_effect(history, importances),
        *_stale(progress),
        *_waiting(history),
    )


def _mixed(history: History) -> Iterator[str]:
    """Trials are comparable only with the same images, split, machine and software versions."""
    if len({(record.data.digest, record.data.split) for record in history.records}) > 1:
        yield "Not all trials used the same images and the same split, so their results are not comparable."
    keys = ("version.tensorflow", "version.keras", "platform", "cpu")
    stacks = {tuple(record.environment.get(key, "") for key in keys) for record in history.records}
    if len(stacks) > 1:
        yield (
            f"The trials ran on {len(stacks)} different machines or versions of TensorFlow, which may explain small "
            "differences."
        )


def _failed(history: History, progress: Progress) -> Iterator[str]:
    ended = len(progress.steps)
    failed, pruned = progress.counts.get("failed", 0), progress.counts.get("pruned", 0)
    if failed and failed == ended:
        yield "All trials that have ended have failed. The causes are listed above; further trials would probably fail."
    elif failed > MANY * ended:
        yield f"{share(failed, ended)} of the trials failed, so their part of the space has barely been searched."
    if pruned > MOST * ended:
        yield (
            f"{share(pruned, ended)} of the trials were pruned and {count(len(history.ranked), 'trial')} reached "
            "the end; with more warm-up epochs or a percentile pruner, more trials would finish."
        )


def _ties(lead: Lead) -> Iterator[str]:
    if lead.ties and lead.best is not None:
        yield (
            f"Trial {lead.best} shares the first place with {numbers(lead.ties)}: their objectives are exactly "
            "equal, and the earlier trial is listed first."
        )


def _still_improving(history: History) -> Iterator[str]:
    """If the last epoch is the best, the epoch limit ended the training too early."""
    best = [record for record in history.good if record.best_epoch is not None]
    at_end = [record.number for record in best if record.best_epoch == record.config.training.epochs]
    if len(best) >= GOOD_LEAST and len(at_end) * 2 > len(best):
        limit = best[0].config.training.epochs
        yield (
            f"In {len(at_end)} of the {len(best)} best trials, the last epoch ({limit}) was the best: they were still "
            "improving, so a higher epoch limit may change the ranking."
        )


def _random_so_far(history: History) -> Iterator[str]:
    search, done = history.space.search, len(history.ranked) + len(history.pruned)
    if search.sampler in ("tpe", "gp", "cmaes") and 0 < done <= search.startup_trials:
        are = "is" if done == 1 else "are"
        yield (
            f"The sampler draws the first {count(search.startup_trials, 'trial')} at random, and only "
            f"{count(done, 'trial')} {are} complete or pruned so far, so it has not learned anything yet."
        )


def _same_models(history: History) -> Iterator[str]:
    """Trials with different values that built the same model: the values in which they differ have no effect."""
    by_number = {record.number: record for record in history.records}
    pairs = [(r, by_number[r.same_model_as]) for r in history.records if r.same_model_as in by_number]
    if pairs:
        record, duplicate = pairs[0]
        differ = [n for n in {**duplicate.values, **record.values} if duplicate.values.get(n) != record.values.get(n)]
        more = f" (and {count(len(pairs) - 1, 'more pair')})" if len(pairs) > 1 else ""
        yield (
            f"{numbers([duplicate.number, record.number]).capitalize()} differ in {listed(differ)} but trained the "
            f"same model with the same optimizer and augmentation{more}: this difference has no effect."
        )


def _without_effect(history: History, importances: Importances) -> Iterator[str]:
    single = [parameter.name for parameter in history.space.parameters if _is_single(parameter)]
    if single:
        yield f"{listed(single)} {'has' if len(single) == 1 else 'have'} a single value and can be fixed in the space."
    constant = [name for name in _constant(history) if name not in single]
    if constant:
        yield f"All complete and pruned trials had the same value of {listed(constant)}, so no effect can be measured."
    idle = [row.name for row in importances.rows if not row.matters and row.name not in (*single, *constant)]
    if idle:
        yield (
            f"No effect beyond chance was found for {listed(idle)}; fixing parameters without effect leaves more "
            "trials for the other parameters."
        )


def _is_single(parameter: Parameter) -> bool:
    return len(parameter.choices) == 1 if isinstance(parameter, Choice) else parameter.low == parameter.high


def _constant(history: History) -> list[str]:
    """Return the names of parameters that had the same value in all complete and pruned trials."""
    judged = (*history.ranked, *history.pruned)
    seen = {
        p.name: [format_value(r.values[p.name]) for r in judged if p.name in r.values] for p in history.space.parameters
    }
    return [name for name, values in seen.items() if len(values) >= GOOD_LEAST and len(set(values)) == 1]


def _stale(progress: Progress) -> Iterator[str]:
    if progress.since_best >= STALE:
        yield (
            f"{progress.since_best:,} trials have ended since the best trial, so this space is probably exhausted. A "
            "wider space, more epochs or another model may improve the result."
        )


def _waiting(history: History) -> Iterator[str]:
    waiting = [record.number for record in history.of("interrupted", "running")]
    if waiting:
        yield (
            f"{numbers(waiting).capitalize()} had not ended when this report was written; the next sweep.run of the "
            "study resumes interrupted trials."
        )
