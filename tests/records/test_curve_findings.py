from __future__ import annotations

import math

from sweep.records.curve_findings import CurveFinding, judge_curves
from sweep.records.trial_result import EpochMetrics


def curve(*rows: tuple[float, float, float, float]) -> tuple[EpochMetrics, ...]:
    """Epochs of (loss, accuracy, val_loss, val_accuracy)."""
    return tuple(
        EpochMetrics(
            epoch=number,
            loss=row[0],
            accuracy=row[1],
            val_loss=row[2],
            val_accuracy=row[3],
            learning_rate=0.1,
            seconds=1,
        )
        for number, row in enumerate(rows, start=1)
    )


def found(epochs: tuple[EpochMetrics, ...], classes: int = 10) -> tuple[CurveFinding, ...]:
    return judge_curves(epochs, classes, images=1000)


GOOD = curve((1.5, 0.5, 1.4, 0.5), (0.9, 0.7, 0.9, 0.7), (0.5, 0.84, 0.6, 0.8), (0.3, 0.9, 0.55, 0.83))


def test_good_curves_have_no_finding() -> None:
    assert found(GOOD) == ()
    assert found(()) == ()


def test_a_validation_loss_that_rises_while_the_training_loss_falls_is_over_fitting() -> None:
    (finding,) = found(
        curve((1.5, 0.5, 1.4, 0.5), (0.9, 0.7, 1.0, 0.65), (0.4, 0.88, 1.2, 0.66), (0.1, 0.98, 1.75, 0.66))
    )

    assert str(finding) == (
        "over-fitting: accuracy 0.980 in training, 0.660 in validation after epoch 4; validation loss rose from 1.000 "
        "in epoch 2 to 1.750 while the training loss fell from 0.900 to 0.100; try more augmentation, dropout or "
        "weight decay, or a smaller model"
    )


def test_a_loss_that_rises_only_in_the_last_epoch_is_not_a_finding() -> None:
    rows = (0.9, 0.8, 0.8, 0.8), (0.5, 0.9, 0.5, 0.9), (0.2, 0.97, 0.08, 0.96), (0.1, 0.99, 0.2, 0.97)
    assert found(curve(*rows)) == ()


def test_a_training_accuracy_no_better_than_validation_that_still_rises_needs_more_epochs() -> None:
    (finding,) = found(
        curve((2.0, 0.25, 1.9, 0.3), (1.8, 0.35, 1.7, 0.4), (1.6, 0.42, 1.5, 0.46), (1.4, 0.5, 1.3, 0.54))
    )

    assert str(finding) == (
        "under-fitting: accuracy only 0.500 in training, 0.540 in validation, and the loss still fell by 13% after "
        "epoch 3; try more epochs"
    )


def test_a_training_accuracy_that_has_stopped_low_needs_a_larger_model() -> None:
    (finding,) = found(
        curve((2.0, 0.3, 1.9, 0.3), (1.5, 0.44, 1.5, 0.44), (1.41, 0.49, 1.4, 0.5), (1.4, 0.5, 1.4, 0.5))
    )

    assert finding.kind == "under-fitting"
    assert finding.words.endswith(
        "the loss fell by only 1% after epoch 3; try a larger model, less regularization, or a higher learning rate"
    )


def test_a_training_loss_that_jumps_up_and_down_has_too_high_a_rate() -> None:
    (finding,) = found(curve((2.0, 0.3, 2, 0.3), (3.0, 0.2, 3, 0.2), (1.5, 0.4, 2, 0.3), (2.5, 0.3, 2, 0.3)))

    assert str(finding) == (
        "rate too high: the training loss rose by more than 5% after 2 of 3 epochs, from 2.000 in epoch 1 to 3.000 in "
        "epoch 2 and 2.500 at the end; try a lower learning rate (it was 0.1 in epoch 2), warm-up or gradient clipping"
    )


def test_one_jump_in_many_epochs_is_an_accident() -> None:
    assert found((*GOOD[:2], *curve((1.0, 0.66, 1.0, 0.66)), *GOOD[2:])) == ()


CHANCE = (math.log(10), 0.1, math.log(10), 0.1)


def test_three_epochs_of_guessing_are_a_dead_start() -> None:
    (finding,) = found(curve(CHANCE, CHANCE, CHANCE, (1.5, 0.5, 1.5, 0.45)))

    assert finding.kind == "dead start"
    assert finding.words.startswith(
        "no better than guessing in the first 3 epochs: accuracy 0.100 (chance: 0.100), loss 2.303 "
        "(uniform guess: ln(10) = 2.303); try"
    )
    assert "in all 3 epochs" in found(curve(CHANCE, CHANCE, CHANCE))[0].words


def test_two_epochs_of_guessing_are_not_a_dead_start() -> None:
    assert found(curve(CHANCE, CHANCE, (1.5, 0.5, 1.5, 0.45), (1.2, 0.56, 1.3, 0.5), (0.9, 0.67, 1.2, 0.6))) == ()


def test_a_third_of_four_classes_is_better_than_guessing() -> None:
    assert found(curve(*[(1.386, 0.36, 1.386, 0.36)] * 3), classes=4) == ()
