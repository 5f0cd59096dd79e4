"""The page of a study's final result: who is best, how good on images that chose nothing, and how far to believe it."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.analysis.formatting import NONE, count, duration, metric, numbers
from sweep.records.final_result import FinalistResult, FinalResult, TestResult
from sweep.records.openings_ledger import Opening, openings_text
from sweep.reporting.document import Card, Chart, Code, Document, Notes, Picture, Section, Table
from sweep.reporting.final_charts import confusion_chart, finalists_chart, reliability_chart
from sweep.space.config import Objective

EVEN = 0.0005
"""A gap between confidence and accuracy that would be shown as 0.0 %."""
LISTED = 30
"""Rows of classes that are shown open."""


def final_document(
    result: FinalResult, openings: Sequence[Opening], errors: str, commands: Sequence[tuple[str, str]]
) -> Document:
    """The page.

    Args:
        result: of `finalize`.
        openings: of the test set, all.
        errors: picture of the worst errors, base64 of a PNG; "" where there is none.
        commands: (what it does, command) to type next.
    """
    test, trained = result.test, result.trained
    return Document(
        title=f"Final model of {result.study}",
        subtitle=(
            f"Trial {result.winner}, trained on {trained.images:,} images for "
            f"{count(len(trained.learning_rates), 'epoch')}; {count(test.images, 'test image')} of "
            f"{len(test.classes)} classes"
        ),
        cards=(
            Card(f"{test.accuracy:.2%}", "test accuracy"),
            Card(f"{100 * test.low:.1f}-{100 * test.high:.1f} %", "95 % interval (Wilson)"),
            Card(f"{test.calibration_error:.3f}", "calibration error (ECE)"),
            Card(f"{trained.parameters:,}", "weights"),
            Card(f"{result.rounds}", "rounds of repeats"),
            Card(f"{len(openings)}", "openings of the test set"),
        ),
        sections=(
            _finalists(result),
            _test(result, openings),
            _classes(test),
            _calibration(test),
            _errors(errors, test),
            _model(result, commands),
        ),
    )


def verdict_text(result: FinalResult) -> str:
    """Who is best, in a sentence."""
    winner = f"trial {result.winner}"
    rounds = count(result.rounds, "round")
    if result.verdict == "separated":
        return f"Trial {result.winner} is the best: after {rounds} no other finalist can keep up with it."
    if result.verdict == "tie":
        parameters = {finalist.trial: finalist.parameters for finalist in result.finalists}
        smallest = all(parameters[result.winner] <= parameters[trial] for trial in result.tied)
        reason = "its model is the smallest of them" if smallest else "it has the best mean"
        return (
            f"A tie: after {rounds}, {numbers(sorted(result.tied))} cannot be distinguished; {winner} is recommended "
            f"because {reason}."
        )
    if result.verdict == "alone":
        others = [finalist for finalist in result.finalists if finalist.dropped]
        if others:
            left = "; ".join(f"trial {one.trial}: {one.dropped}" for one in others)
            return f"Of {len(others) + 1} finalists only {winner} is left after {rounds}; {left}."
        return f"Trial {result.winner} is the only finalist; {rounds} show how much it varies."
    return f"Nothing was repeated: {winner} was the best in the search, and how much of that was luck is not known."


def luck_text(result: FinalResult) -> str:
    """What the search's best score was worth."""
    winner = next(f for f in result.finalists if f.trial == result.winner)
    if winner.mean is None:
        return ""
    better = (
        winner.search_score - winner.mean if result.objective == "val_accuracy" else winner.mean - winner.search_score
    )
    spread = f" ± {metric(winner.deviation)} (standard deviation)" if winner.deviation is not None else ""
    change = f"{metric(abs(better))} {'worse' if better > 0 else 'better'} than" if better else "equal to"
    return (
        f"With new seeds and splits it reached {result.objective} {metric(winner.mean)}{spread}, {change} the "
        f"{metric(winner.search_score)} in the search."
    )


def _finalists(result: FinalResult) -> Section:
    objective: Objective = "val_loss" if result.objective == "val_loss" else "val_accuracy"
    how = f"{result.folds}-fold cross-validation" if result.folds else "a fresh split"
    answer = [verdict_text(result)]
    if result.rounds:
        answer.append(luck_text(result))
        answer.append(
            f"Each round trained every finalist once, with the same seed and {how} for all. One is called best when "
            "its bootstrap P(best) reaches 0.95 and a paired t-test puts it before each other at 1 %."
        )
    blocks: list[Chart | Table] = []
    if result.rounds:
        chart = finalists_chart(result.finalists, result.winner, objective)
        blocks.append(Chart("What did each finalist reach when trained again?", chart, "A point is a round."))
    blocks.append(_finalists_table(result.finalists, result.objective))
    return Section("finalists", "Finalists", "Which one is really the best?", tuple(answer), tuple(blocks))


def _finalists_table(finalists: Sequence[FinalistResult], objective: str) -> Table:
    return Table(
        headings=("trial", f"mean {objective}", "deviation", "n", "P(best)", "in the search", "weights", "dropped"),
        rows=tuple(
            (
                str(f.trial),
                metric(f.mean),
                metric(f.deviation),
                str(len(f.scores)),
                f"{f.best_share:.3f}" if f.scores and not f.dropped else NONE,
                metric(f.search_score),
                f"{f.parameters:,}",
                f.dropped,
            )
            for f in finalists
        ),
        numeric=(0, 1, 2, 3, 4, 5, 6),
        note="Mean and sample standard deviation over n rounds.",
    )


def _test(result: FinalResult, openings: Sequence[Opening]) -> Section:
    test = result.test
    answer = [
        f"{test.correct:,} of {count(test.images, 'test image')} are right: accuracy {test.accuracy:.4f}, 95 % "
        f"interval {test.low:.4f} to {test.high:.4f}; loss {metric(test.loss)}.",
        gap_text(result),
        openings_text(openings),
    ]
    rows = tuple(
        (o.when[:19].replace("T", " "), str(o.trial), o.weights_digest[:12], f"{o.images:,}") for o in openings
    )
    table = Table(("opened", "for trial", "weights digest", "images"), rows, numeric=(1, 3))
    return Section("test", "Test", "How good is it on images that chose nothing?", tuple(answer), (table,))


def gap_text(result: FinalResult) -> str:
    """How the search's score compares with the test's."""
    gap, test = result.test.search_gap, result.test
    meaning = "the search was too optimistic by that" if gap > 0 else "the test did not fall behind the search"
    if result.objective == "val_accuracy" and 0 < gap <= test.high - test.accuracy:
        meaning = "within the test's interval, so no sign that the search was too optimistic"
    rounds = result.test.repeats_gap
    more = "" if rounds is None else f" The mean of its rounds lies {metric(abs(rounds))} {_side(result, rounds)} it."
    return f"Its score in the search lies {metric(abs(gap))} {_side(result, gap)} the test's: {meaning}.{more}"


def _side(result: FinalResult, gap: float) -> str:
    """Where a too optimistic value lies: above the test's accuracy, below its loss."""
    return "above" if (gap > 0) == (result.objective == "val_accuracy") else "below"


def _classes(test: TestResult) -> Section:
    judged = [c for c in test.classes if c.accuracy is not None]
    worst = min(judged, key=lambda c: c.accuracy or 0.0)
    best = max(judged, key=lambda c: c.accuracy or 0.0)
    answer = (
        f"Best is class {best.name} ({best.accuracy:.1%}), worst is class {worst.name} ({worst.accuracy:.1%}"
        + (f", most often taken for {worst.confused})" if worst.confused else ")")
        + "."
    )
    rows = tuple(
        (
            c.name,
            f"{c.images:,}",
            NONE if c.accuracy is None else f"{c.accuracy:.4f}",
            NONE if c.low is None else f"{c.low:.3f} to {c.high:.3f}",
            c.confused or NONE,
        )
        for c in test.classes
    )
    folded = f"all {len(rows)} classes" if len(rows) > LISTED else ""
    table = Table(
        ("class", "images", "accuracy", "95 % interval", "most often taken for"), rows, (1, 2, 3), folded=folded
    )
    chart = Chart(
        "What is taken for what?",
        confusion_chart(test.confusion, [c.name for c in test.classes]),
        "Counts; a row is a true class.",
    )
    return Section("classes", "Classes", "Which classes does it know?", (answer,), (table, chart))


def half_interval(test: TestResult) -> float:
    """Of the accuracy: how far the test may be off by chance."""
    return (test.high - test.low) / 2


def _calibration(test: TestResult) -> Section:
    gap = test.confidence - test.accuracy
    tendency = f"{'over' if gap > 0 else 'under'}-confident by {abs(gap):.1%}" if abs(gap) >= EVEN else "balanced"
    if EVEN <= abs(gap) <= half_interval(test):
        tendency += ", no more than so few images show by chance"
    answer = (
        f"On average it is {test.confidence:.1%} sure and {test.accuracy:.1%} right: {tendency}.",
        f"The expected calibration error over {len(test.bins)} bins is {test.calibration_error:.4f} (Guo et al., "
        "2017).",
    )
    chart = Chart("Is it right as often as it says?", reliability_chart(test.bins), "Below the line: surer than right.")
    return Section("calibration", "Calibration", "Can its probabilities be believed?", answer, (chart,))


def _errors(errors: str, test: TestResult) -> Section:
    if not errors:
        wrong = test.images - test.correct
        said = f"It made {count(wrong, 'error') if wrong else 'no error'} on the test set."
        return Section("errors", "Errors", "Where does it go wrong?", (said,))
    note = (
        "Each pair is the image and, over it, where the network saw the class that it named: Grad-CAM (Selvaraju et "
        "al., 2017), from blue (nothing) to red."
    )
    picture = Picture("The errors that it was surest of", errors, note)
    return Section(
        "errors", "Errors", "Where does it go wrong?", ("The errors with the highest confidence first.",), (picture,)
    )


def _model(result: FinalResult, commands: Sequence[tuple[str, str]]) -> Section:
    trained = result.trained
    rates = trained.learning_rates
    answer = (
        f"Trained on all {trained.images:,} training and validation images for {count(len(rates), 'epoch')} in "
        f"{duration(trained.seconds)}, learning rate {rates[0]:.4g} at first and {rates[-1]:.4g} at the end, as its "
        f"repetitions had learned it.",
    )
    registered = result.registered
    notes = [
        f"weights digest {trained.weights_digest}",
        f"training images digest {trained.data.digest}",
    ]
    if registered is not None:
        notes.append(
            f"registered in MLflow: models:/{registered.name}@{registered.alias} (version {registered.version})"
        )
    return Section(
        "model",
        "Model",
        "What is shipped?",
        answer,
        (Notes(tuple(notes)), *(Code(title, text) for title, text in commands)),
    )
