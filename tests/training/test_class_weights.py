from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from sweep.data.dataset import Dataset, Part
from sweep.records.trial_result import EpochMetrics
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import VggConfig
from sweep.training.tf_batches import Batches, balanced_weights
from sweep.training.train import train

PLAIN = TrialConfig(
    data=DataConfig(name="digits"),
    model=VggConfig(blocks=1, filters=(8,), dense_units=16, convolutions_per_block=1),
    training=TrainingConfig(epochs=6, learning_rate=0.003, batch_size=32),
    augmentation=AugmentationConfig(),
    objective="val_accuracy",
    seed=3,
)
BALANCED = replace(PLAIN, training=replace(PLAIN.training, class_weights="balanced"))


def go_on(metrics: EpochMetrics) -> bool:
    return metrics.epoch < 0


def test_a_class_with_fewer_images_has_a_larger_weight() -> None:
    assert balanced_weights(np.array([0] * 6 + [1] * 3 + [2]), 3).tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])


def test_every_image_comes_with_the_weight_of_its_class(digits: Dataset) -> None:
    weights = np.arange(10, dtype=np.float32)
    batches = Batches(digits.train, 10, 32, 5, weights)
    batches.start_epoch(2)
    for index in range(len(batches)):
        _, labels, given = batches[index]
        assert given.tolist() == labels.argmax(axis=1).tolist()


@pytest.fixture(scope="module")
def unbalanced(digits: Dataset) -> Dataset:
    """Digits 1 and 8: the training set has four ones and all eights."""
    chosen = np.isin(digits.train.labels, (1, 8))
    chosen[np.flatnonzero(digits.train.labels == 1)[4:]] = False

    def only(part: Part, mask: npt.NDArray[np.bool_]) -> Part:
        return Part(part.images, part.index[mask], (part.labels[mask] == 8).astype(np.int64))

    held = np.isin(digits.validation.labels, (1, 8))
    return replace(
        digits, train=only(digits.train, chosen), validation=only(digits.validation, held), classes=("one", "eight")
    )


@pytest.mark.slow
def test_balanced_training_weights_the_loss_and_learns_a_rare_class(unbalanced: Dataset) -> None:
    assert np.bincount(unbalanced.train.labels).tolist() == [4, 23]
    plain, balanced = train(PLAIN, unbalanced, go_on), train(BALANCED, unbalanced, go_on)
    assert plain.weights_digest != balanced.weights_digest
    # An epoch has one batch and both models start equal: only the class weights change the first loss.
    assert plain.epochs[0].loss != pytest.approx(balanced.epochs[0].loss, rel=1e-3)
    assert plain.epochs[0].accuracy == balanced.epochs[0].accuracy
    assert balanced.epochs[-1].val_accuracy > plain.epochs[-1].val_accuracy


@pytest.mark.slow
def test_balanced_weights_of_equal_classes_leave_the_loss_unchanged(digits: Dataset) -> None:
    first = np.concatenate([np.flatnonzero(digits.train.labels == label)[:20] for label in range(10)])
    equal = replace(digits, train=Part(digits.train.images, digits.train.index[first], digits.train.labels[first]))
    short = replace(PLAIN.training, epochs=2)
    plain = train(replace(PLAIN, training=short), equal, go_on)
    balanced = train(replace(PLAIN, training=replace(short, class_weights="balanced")), equal, go_on)
    assert [e.loss for e in balanced.epochs] == pytest.approx([e.loss for e in plain.epochs], rel=1e-5)
