"""Probabilities against how often the answers are right, by hand."""

import numpy as np
import pytest

from kdbuild.runtime.reliability import Reliability, calibration, reliability


def test_reliability_by_hand() -> None:
    probabilities = np.array([0.0, 0.05, 0.3, 0.35, 0.95, 1.0])
    right = np.array([False, False, True, False, True, True])
    found = reliability(probabilities, right)
    assert found.edges == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert found.counts == (2, 0, 1, 1, 0, 0, 0, 0, 0, 2)
    assert found.confidence == pytest.approx((0.025, 0, 0.3, 0.35, 0, 0, 0, 0, 0, 0.975))
    assert found.accuracy == (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    # (2 · 0.025 + 0.7 + 0.35 + 2 · 0.025) / 6
    assert found.ece == pytest.approx(1.15 / 6)


def test_upper_edges_belong_to_their_bins() -> None:
    found = reliability(np.arange(1, 11) / 10, np.ones(10, dtype=bool))
    assert found.counts == (1,) * 10


def test_two_bins_exactly() -> None:
    right = np.array([True, False, True, True])
    found = reliability(np.array([0.5, 0.25, 0.75, 1.0]), right, bins=2)
    assert found == Reliability((0.0, 0.5, 1.0), (2, 2), (0.375, 0.875), (0.5, 1.0), 0.125)


def test_nothing_to_sort_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^probabilities \(0,\) and right \(0,\) must be of one length, not 0$"):
        reliability(np.array([]), np.array([], dtype=bool))
    with pytest.raises(ValueError, match=r"^probabilities \(2,\) and right \(1,\) must be"):
        reliability(np.array([0.5, 0.5]), np.array([True]))


def test_calibration_of_classes_takes_the_answer() -> None:
    # Softmax: 3/4 for the second class, 9/10 for the first one.
    logits = np.array([[0.0, np.log(3)], [np.log(9), 0.0]])
    found = calibration(np.array([1, 1]), logits)
    assert found.counts == (0, 0, 0, 0, 0, 0, 0, 1, 1, 0)
    assert found.accuracy == (0, 0, 0, 0, 0, 0, 0, 1.0, 0.0, 0)
    assert found.ece == pytest.approx((0.25 + 0.9) / 2)


def test_calibration_of_several_labels_takes_each() -> None:
    logits = np.array([[np.log(3), -np.log(3)]])
    found = calibration(np.array([[1, 0]]), logits)
    assert found.counts == (0, 0, 1, 0, 0, 0, 0, 1, 0, 0)
    assert found.accuracy == (0, 0, 0.0, 0, 0, 0, 0, 1.0, 0, 0)
    assert found.ece == pytest.approx(0.25)
