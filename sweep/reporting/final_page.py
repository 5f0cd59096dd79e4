"""The page of a study's final result: the best finalist, its accuracy on unseen images, and how reliable it is."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.analysis.formatting import NONE, count, duration, metric, numbers
from sweep.records.final_result import FinalistResult, FinalResult, TestResult
from sweep.records.openings_ledger import Opening, openings_text
from sweep.reporting.document import Card, Chart, Code, Document, Notes, Picture, Section, Table
from sweep.reporting.final_charts import confusion_chart, finalists_chart, reliability_chart

EVEN = 0.0005
"""Minimum gap between confidence and accuracy that is reported; a smaller gap would be shown as 0.0 %."""
LISTED = 30
"""Maximum number of classes in a table that is not folded."""


def final_document(
    result: FinalResult, openings: Sequence[Opening], errors: str, commands: Sequence[tuple[str, str]]
) -> Document:
    """Return the page.

    Args:
        result: the result of `finalize`.
        openings: all openings of the test set.
        errors: the picture of the worst errors, as a PNG in base64; "" if there is none.
        commands: the next commands, as pairs of purpose and command.
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
            Card(f"{trained.parameters:,}", "parameters"),
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
    """Return which finalist is the best, in one sentence."""
    winner = f"trial {result.winner}"
    rounds = count(result.rounds, "round")
    if result.verdict == "separated":
        return f"Trial {result.winner} is the best: after {rounds} it is clearly better than every other finalist."
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
            dropped = "; ".join(f"trial {one.trial} was dropped: {one.dropped}" for one in others)
            return f"After {rounds}, only {winner} of {len(others) + 1} finalists is left; {dropped}."
        return f"Trial {result.winner} is the only finalist; {rounds} show how much its result varies."
    return f"No finalist was trained again: {winner} was the best in the search, and some of its lead may be luck."


def luck_text(result: FinalResult) -> str:
    """Return how the repeats of the winner compare with its score in the search; "" without repeats."""
    winner = next(f for f in result.finalists if f.trial == result.winner)
    if winner.mean is None:
        return ""
    sign = 1 if result.objective == "val_accuracy" else -1
    lost = sign * (winner.search_score - winner.mean)
    spread = f" ± {metric(winner.deviation)} (standard deviation)" if winner.deviation is not None else ""
    change = f"{metric(abs(lost))} {'worse' if lost > 0 else 'better'} than" if lost else "equal to"
    return (
        f"With new seeds and splits, it reached {result.objective} {metric(winner.mean)}{spread}, {change} the "
        f"{metric(winner.search_score)} in the search."
    )


def _finalists(result: FinalResult) -> Section:
    answer = [verdict_text(result)]
    blocks: list[Chart | Table] = []
    if result.rounds:
        how = f"{result.folds}-fold cross-validation" if result.folds else "a new split"
        answer += [
            luck_text(result),
            f"Each round trained every finalist once, all with the same seed and {how}. A finalist is the best if its "
            "bootstrap P(best) is at least 0.95 and a paired t-test finds it better than every other finalist at the "
            "1 % level.",
        ]
        chart = finalists_chart(result.finalists, result.winner, result.objective)
        blocks.append(Chart("What did each finalist reach when trained again?", chart, "Each point is a round."))
    blocks.append(_finalists_table(result.finalists, result.objective))
    return Section("finalists", "Finalists", "Which finalist is the best?", tuple(answer), tuple(blocks))


def _finalists_table(finalists: Sequence[FinalistResult], objective: str) -> Table:
    return Table(
        headings=("trial", f"mean {objective}", "deviation", "n", "P(best)", "in the search", "parameters", "dropped"),
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
        f"{test.correct:,} of {count(test.images, 'test image')} are classified correctly: accuracy "
        f"{test.accuracy:.4f}, 95 % interval {test.low:.4f} to {test.high:.4f}; loss {metric(test.loss)}.",
        gap_text(result),
        openings_text(openings),
    ]
    rows = tuple(
        (o.when[:19].replace("T", " "), str(o.trial), o.weights_digest[:12], f"{o.images:,}") for o in openings
    )
    table = Table(("opened", "for trial", "weights digest", "images"), rows, numeric=(1, 3))
    return Section("test", "Test", "How good is it on unseen images?", tuple(answer), (table,))


def gap_text(result: FinalResult) -> str:
    """Return how the score in the search compares with the test score."""
    gap, test, rounds = result.test.search_gap, result.test, result.test.repeats_gap
    meaning = "the search was too optimistic by this amount" if gap > 0 else "the test score is not worse"
    if result.objective == "val_accuracy" and 0 < gap <= test.high - test.accuracy:
        meaning = "within the test's 95 % interval, so there is no sign that the search was too optimistic"
    more = "" if rounds is None else f" The mean of its rounds is {_difference(result, rounds)}."
    return f"Its score in the search is {_difference(result, gap)}: {meaning}.{more}"


def _difference(result: FinalResult, gap: float) -> str:
    """Return `0.0100 above its test score`; a `gap` > 0 means a worse test score (lower accuracy, higher loss)."""
    side = "above" if (gap > 0) == (result.objective == "val_accuracy") else "below"
    return f"{metric(abs(gap))} {side} its test score"


def _classes(test: TestResult) -> Section:
    judged = [c for c in test.classes if c.accuracy is not None]
    worst = min(judged, key=lambda c: c.accuracy or 0.0)
    best = max(judged, key=lambda c: c.accuracy or 0.0)
    confused = f", most often confused with {worst.confused}" if worst.confused else ""
    answer = (
        f"The best class is {best.name} ({best.accuracy:.1%}), the worst is {worst.name} "
        f"({worst.accuracy:.1%}{confused}).",
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
    headings = ("class", "images", "accuracy", "95 % interval", "most often confused with")
    table = Table(headings, rows, (1, 2, 3), folded=f"all {len(rows)} classes" if len(rows) > LISTED else "")
    matrix = confusion_chart(test.confusion, [c.name for c in test.classes])
    chart = Chart("Which classes are confused?", matrix, "Numbers of images; each row is a true class.")
    return Section("classes", "Classes", "How good is it for each class?", answer, (table, chart))


def half_interval(test: TestResult) -> float:
    """Return half the width of the accuracy's 95 % interval."""
    return (test.high - test.low) / 2


def _calibration(test: TestResult) -> Section:
    gap = test.confidence - test.accuracy
    tendency = f"{'over' if gap > 0 else 'under'}-confident by {abs(gap):.1%}" if abs(gap) >= EVEN else "balanced"
    if EVEN <= abs(gap) <= half_interval(test):
        tendency += ", which may be chance with this number of images"
    answer = (
        f"Its mean confidence is {test.confidence:.1%} and its accuracy {test.accuracy:.1%}: {tendency}.",
        f"The expected calibration error over {len(test.bins)} bins is {test.calibration_error:.4f} (Guo et al., "
        "2017).",
    )
    note = "Where bars end below the line, the model is over-confident."
    chart = Chart("Is it right as often as its confidence says?", reliability_chart(test.bins), note)
    return Section("calibration", "Calibration", "Can its probabilities be trusted?", answer, (chart,))


def _errors(errors: str, test: TestResult) -> Section:
    question = "Where is it wrong?"
    if not errors:
        wrong = test.images - test.correct
        answer = f"It made {count(wrong, 'error') if wrong else 'no error'} on the test set."
        return Section("errors", "Errors", question, (answer,))
    note = (
        "Each pair shows an image, and the same image under a heat map of the regions that led to the predicted class: "
        "Grad-CAM (Selvaraju et al., 2017), from blue (no influence) to red."
    )
    picture = Picture("The most confident errors", errors, note)
    return Section("errors", "Errors", question, ("The errors with the highest confidence come first.",), (picture,))


def _model(result: FinalResult, commands: Sequence[tuple[str, str]]) -> Section:
    trained, registered = result.trained, result.registered
    rates = trained.learning_rates
    answer = (
        f"It was trained on all {trained.images:,} training and validation images for {count(len(rates), 'epoch')} in "
        f"{duration(trained.seconds)}, with a learning rate of {rates[0]:.4g} at first and {rates[-1]:.4g} at the end. "
        f"The epochs and learning rates are the same as in {'its repeats' if result.rounds else 'the search'}.",
    )
    notes = [f"weights digest {trained.weights_digest}", f"training images digest {trained.data.digest}"]
    if registered is not None:
        notes.append(
            f"registered in MLflow: models:/{registered.name}@{registered.alias} (version {registered.version})"
        )
    codes = (Code(title, text) for title, text in commands)
    return Section("model", "Model", "How was the final model trained?", answer, (Notes(tuple(notes)), *codes))
