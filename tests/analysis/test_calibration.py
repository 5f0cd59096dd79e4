from __future__ import annotations

import numpy as np
import pytest

from sweep.analysis.calibration import calibrate, probabilities_of, wilson


def test_the_wilson_interval_matches_the_textbook() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81 of 263, and 0 of 20.
    assert (round(wilson(81, 263).low, 4), round(wilson(81, 263).high, 4)) == (0.2553, 0.3662)
    assert (round(wilson(0, 20).low, 4), round(wilson(0, 20).high, 4)) == (0.0, 0.1611)
    assert wilson(81, 263).value == 81 / 263
    with pytest.raises(ValueError, match="not less than 1"):
        wilson(0, 0)


def test_the_wilson_interval_stays_between_0_and_1() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


def test_a_model_whose_confidence_equals_its_accuracy_has_no_error() -> None:
    probabilities = np.array([[0.75, 0.25]] * 4)
    found = calibrate(probabilities, np.array([0, 0, 0, 1]))

    assert found.error == pytest.approx(0.0)
    assert found.confidence == 0.75
    assert len(found.bins) == 15


def test_the_calibration_error_is_weighted_by_the_images_of_a_bin() -> None:
    # Three answers at 0.9, one right: a gap of 0.9 - 1/3; one answer at 0.5 that is right: a gap of 0.5.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    found = calibrate(probabilities, np.array([0, 1, 1, 0]))

    assert found.error == pytest.approx((3 * (0.9 - 1 / 3) + 1 * 0.5) / 4)
    assert [b.images for b in found.bins if b.images] == [1, 3]
    assert [round(b.accuracy, 4) for b in found.bins if b.accuracy is not None] == [1.0, 0.3333]


def test_full_confidence_belongs_to_the_last_bin_and_empty_bins_have_no_accuracy() -> None:
    found = calibrate(np.array([[1.0, 0.0]]), np.array([0]))

    assert found.bins[-1].images == 1
    assert found.bins[0].accuracy is None
    assert found.error == 0.0


def test_logits_become_probabilities() -> None:
    found = probabilities_of(np.array([[0.0, np.log(3.0)], [1000.0, 0.0]]), logits=True)

    assert found.round(6).tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert probabilities_of(np.array([[0.2, 0.8]]), logits=False).tolist() == [[0.2, 0.8]]
