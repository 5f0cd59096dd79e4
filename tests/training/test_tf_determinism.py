from __future__ import annotations

import keras
import numpy as np

from sweep.records.seeds import Purpose, derive
from sweep.training.tf_batches import Batches, one_hot
from sweep.training.tf_determinism import digest, epoch_order, is_generator_state, seed_generators


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    assert epoch_order(8, seed=3, epoch=2).tolist() == epoch_order(8, seed=3, epoch=2).tolist()
    assert epoch_order(8, seed=3, epoch=2).tolist() != epoch_order(8, seed=3, epoch=3).tolist()
    assert sorted(epoch_order(8, seed=3, epoch=2).tolist()) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_derived_seeds_stay_what_they_are_because_records_rely_on_them() -> None:
    assert derive(0, Purpose.TRIAL, 0) == LITERAL_SEED
    assert 0 <= derive(2**32 - 1, 5) < 2**31


LITERAL_SEED = 937182424


def test_one_purpose_never_gets_the_numbers_of_another() -> None:
    assert len({derive(0, purpose, number) for purpose in Purpose for number in range(200)}) == 11 * 200


def test_generators_are_set_from_seed_and_epoch_whatever_was_drawn_before() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)])
    ones = np.ones((2, 4), np.float32)

    seed_generators(model, seed=1, epoch=2)
    first = np.asarray(model(ones, training=True))
    model(ones, training=True)
    seed_generators(model, seed=1, epoch=2)
    again = np.asarray(model(ones, training=True))
    seed_generators(model, seed=1, epoch=3)
    other = np.asarray(model(ones, training=True))

    assert np.array_equal(first, again)
    assert len([variable for variable in model.variables if is_generator_state(variable)]) == 2
    states = [np.asarray(v).tolist() for v in model.variables if is_generator_state(v)]
    assert states[0] != states[1]
    assert other.shape == first.shape


def test_the_digest_sees_type_shape_and_every_byte() -> None:
    zeros = np.zeros((2, 3), np.float32)

    assert digest([zeros]) == digest([zeros.copy()])
    assert len({digest([a]) for a in (zeros, zeros.reshape(3, 2), zeros.astype(np.float64), zeros + 1e-45)}) == 4


def test_one_hot_rows_have_a_single_one() -> None:
    assert one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_an_epoch_shows_every_image_once_and_its_own_label(digits: object) -> None:
    part = digits.train  # type: ignore[attr-defined]
    batches = Batches(part, 10, batch_size=32, seed=5)
    batches.start_epoch(4)

    seen = [batches[index] for index in range(len(batches))]

    assert [len(images) for images, _ in seen] == [32] * 7 + [16]
    order = epoch_order(240, seed=5, epoch=4)
    assert np.array_equal(np.concatenate([images for images, _ in seen]), part.batch(order))
    assert np.concatenate([labels for _, labels in seen]).argmax(axis=1).tolist() == part.labels[order].tolist()
