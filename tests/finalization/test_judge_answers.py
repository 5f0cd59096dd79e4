from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sweep.finalization.judge_answers import judge_test
from sweep.finalization.model_card import limits, model_card
from sweep.records.final_result import FinalistResult, FinalResult, TrainedFinal, read_final, write_final
from sweep.records.openings_ledger import Opening, openings_text
from sweep.reporting.final_page import final_document, gap_text, luck_text, verdict_text
from sweep.reporting.render import to_html, to_markdown
from tests.fakes import CONFIG, STAMP

PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], dtype=np.float32)
LABELS = np.array([0, 1, 0, 1])
OPENING = Opening("2025-01-02T10:00:00.000+00:00", 4, "a" * 64, 4)


def final_result() -> FinalResult:
    """Trial 4 won a tie with trial 2; the test set has four images."""
    test = judge_test(PROBABILITIES, LABELS, ("cat", "<dog>"), "val_accuracy", 0.9, 0.8)
    finalists = (
        FinalistResult(2, 900, 0.95, (0.80, 0.82, 0.84), 0.82, 0.02, 0.6),
        FinalistResult(4, 100, 0.90, (0.79, 0.80, 0.81), 0.80, 0.01, 0.4),
        FinalistResult(5, 100, 0.89, (0.5, 0.51, 0.5), 0.503, 0.006, 0.0, "behind after round 3 (paired t-test, 1%)"),
    )
    trained = TrainedFinal("k" * 32, 4, CONFIG, STAMP, (0.1, 0.1, 0.05), 120, 100, 0.25, 12.0, "a" * 64)
    return FinalResult(
        study="demo",
        objective="val_accuracy",
        finished="2025-01-02T10:05:00.000+00:00",
        seconds=300.0,
        verdict="tie",
        winner=4,
        tied=(2, 4),
        rounds=3,
        folds=None,
        finalists=finalists,
        trained=trained,
        test=test,
        openings=1,
        environment={"version.keras": "3.15.1"},
    )


def test_the_test_set_is_judged_as_counted_by_hand() -> None:
    test = final_result().test

    assert (test.images, test.correct, test.accuracy) == (4, 3, 0.75)
    assert (round(test.low, 4), round(test.high, 4)) == (0.3006, 0.9544)
    assert test.confusion == ((2, 0), (1, 1))
    assert [(c.name, c.images, c.correct, c.confused) for c in test.classes] == [
        ("cat", 2, 2, None),
        ("<dog>", 2, 1, "cat"),
    ]
    # -(ln 0.9 + ln 0.2 + ln 0.6 + ln 0.7) / 4
    assert test.loss == pytest.approx(0.645575, abs=1e-5)
    assert test.confidence == pytest.approx(0.75)
    assert test.search_gap == pytest.approx(0.15)
    assert test.repeats_gap == pytest.approx(0.05)


def test_for_a_loss_a_positive_gap_means_too_optimistic_as_well() -> None:
    test = judge_test(PROBABILITIES, LABELS, ("cat", "dog"), "val_loss", 0.5, None)

    assert test.search_gap == pytest.approx(0.645575 - 0.5, abs=1e-5)
    assert test.repeats_gap is None


def test_an_answer_of_probability_zero_has_a_large_but_finite_loss() -> None:
    test = judge_test(
        np.array([[1.0, 0.0]], dtype=np.float32), np.array([1]), ("cat", "dog"), "val_accuracy", 0.9, None
    )

    assert 80 < test.loss < 90


def test_the_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_final(tmp_path) is None
    write_final(tmp_path, final_result())
    assert read_final(tmp_path) == final_result()


def test_a_tie_is_called_a_tie_in_words() -> None:
    result = final_result()

    assert verdict_text(result) == (
        "A tie: after 3 rounds, trials 2 and 4 cannot be distinguished; trial 4 is recommended because its model is "
        "the smallest of them."
    )
    large = dataclasses.replace(result, winner=2)  # as if trial 4 had too small a share of best rounds
    assert verdict_text(large).endswith("trial 2 is recommended because it has the best mean.")
    separated = dataclasses.replace(result, verdict="separated", tied=(4,))
    assert (
        verdict_text(separated) == "Trial 4 is the best: after 3 rounds it is clearly better than every other finalist."
    )
    left = dataclasses.replace(result, verdict="alone", finalists=result.finalists[1:])
    assert verdict_text(left) == (
        "After 3 rounds, only trial 4 of 2 finalists is left; trial 5 was dropped: behind after round 3 (paired "
        "t-test, 1%)."
    )
    alone = dataclasses.replace(result, verdict="alone", finalists=result.finalists[1:2])
    assert verdict_text(alone) == "Trial 4 is the only finalist; 3 rounds show how much its result varies."
    assert luck_text(result) == (
        "With new seeds and splits, it reached val_accuracy 0.8000 ± 0.0100 (standard deviation), 0.1000 worse than "
        "the 0.9000 in the search."
    )
    assert "0.1000 better than the 0.9000 in the search" in luck_text(dataclasses.replace(result, objective="val_loss"))
    assert gap_text(result).startswith(
        "Its score in the search is 0.1500 above its test score: within the test's 95 % interval, so there is no sign "
        "that the search was too optimistic."
    )
    far = dataclasses.replace(result, test=dataclasses.replace(result.test, search_gap=0.25))
    assert gap_text(far).startswith(
        "Its score in the search is 0.2500 above its test score: the search was too optimistic by this amount."
    )


def test_the_page_and_its_text_have_every_answer_and_escape_names() -> None:
    document = final_document(final_result(), (OPENING, OPENING), "", (("Ask it:", "python -m sweep.predict"),))
    page, text = to_html(document), to_markdown(document)

    assert [section.anchor for section in document.sections] == [
        "finalists",
        "test",
        "classes",
        "calibration",
        "errors",
        "model",
    ]
    assert "WARNING: the test set was opened 2 times" in text
    assert "| 5 | 0.5030 | 0.0060 | 3 | - | 0.8900 | 100 | behind after round 3" in text
    assert "&lt;dog&gt;" in page
    assert "<dog>" not in page


def test_the_card_has_data_recipe_metrics_and_limits() -> None:
    result = final_result()
    card = model_card(result, openings_text((OPENING,)))

    assert "digest of the training images: `" + "d" * 64 + "`" in card
    assert "accuracy 0.7500 (95 % Wilson interval 0.3006 to 0.9544)" in card
    assert "training.optimizer: adam" in card
    assert "0 0, 1 1" in card
    assert "Trained for 3 epochs, learning rates 0.1, 0.05." in card
    found = " ".join(limits(result))
    assert "The test set is small: the accuracy is only known to ±32.7 points." in found
    assert "Its probabilities may be unreliable: calibration error" in found
    sure = dataclasses.replace(result.test, low=0.74, high=0.76, confidence=0.95)
    assert "Its probabilities are on average" in " ".join(limits(dataclasses.replace(result, test=sure)))
    assert "Weak classes: \\<dog\\> (50.0%)." in found
    assert "It is not certain to be the best model of the search" in found
