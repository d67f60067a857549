"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.runtime.metrics import evaluate_logits, softmax, wilson_interval

LOG = math.log


def test_evaluate_logits() -> None:
    # Probabilities 3/4, 1/4; 1/5, 4/5; 1/2, 1/2 (the first of equals is the answer); 9/10, 1/10.
    logits = np.array([[LOG(3), 0], [0, LOG(4)], [0, 0], [LOG(9), 0]])
    metrics = evaluate_logits(logits, np.array([0, 1, 1, 1]))
    assert metrics.n == 4
    assert metrics.accuracy == 0.5
    assert metrics.confusion == [[1, 0], [2, 1]]
    # Class 0: precision 1/3, recall 1. Class 1: precision 1, recall 1/3.
    assert metrics.macro_f1 == pytest.approx(0.5)
    assert metrics.loss == pytest.approx(-(LOG(3 / 4) + LOG(4 / 5) + LOG(1 / 2) + LOG(1 / 10)) / 4)
    assert metrics.perplexity == pytest.approx((4 / 3 * 5 / 4 * 2 * 10) ** (1 / 4))
    assert metrics.interval == pytest.approx((0.1500, 0.8500), abs=5e-5)


def test_macro_f1_of_classes_that_are_never_answered_or_never_occur() -> None:
    logits = np.eye(4)[[0, 0, 1, 1, 0]]
    metrics = evaluate_logits(logits, np.array([0, 0, 1, 0, 2]))
    assert metrics.confusion == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # 2·2/(3+3), 2·1/(2+1), 0 for the class that is never answered; the fourth doesn't count.
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert metrics.accuracy == 0.6


def test_all_right_and_all_wrong() -> None:
    right = evaluate_logits(np.array([[9.0, 0.0], [0.0, 9.0]]), np.array([0, 1]))
    assert (right.accuracy, right.macro_f1, right.confusion) == (1.0, 1.0, [[1, 0], [0, 1]])
    wrong = evaluate_logits(np.array([[0.0, 9.0], [9.0, 0.0]]), np.array([0, 1]))
    assert (wrong.accuracy, wrong.macro_f1, wrong.confusion) == (0.0, 0.0, [[0, 1], [1, 0]])


def test_large_logits_overflow_nowhere() -> None:
    metrics = evaluate_logits(np.array([[1000.0, 0.0], [-1000.0, 0.0]], np.float32), np.array([0, 0]))
    assert metrics.loss == 500
    assert metrics.perplexity == pytest.approx(math.exp(500))
    assert softmax(np.array([3e38, -3e38], np.float32)).tolist() == [1.0, 0.0]


def test_small_losses_are_not_lost_in_float32() -> None:
    metrics = evaluate_logits(np.array([[20.0, 0.0]], np.float32), np.array([0]))
    assert metrics.loss == pytest.approx(math.exp(-20), rel=1e-6)


def test_softmax() -> None:
    probabilities = softmax(np.array([[0, LOG(3)], [1000, 1000]], np.float32))
    assert probabilities.dtype == np.float64
    assert probabilities.tolist() == [pytest.approx([0.25, 0.75]), [0.5, 0.5]]
    assert softmax(np.array([LOG(1), LOG(2), LOG(5)])).tolist() == pytest.approx([0.125, 0.25, 0.625])


# Newcombe 1998, Statistics in Medicine 17, table I (method 3), and the limits of all and none.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0000),
        (0, 1, 0.0, 0.7935),
    ],
)
def test_wilson_interval(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_is_symmetric(shares: tuple[int, int]) -> None:
    right, n = shares
    low, high = wilson_interval(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    assert wilson_interval(n - right, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    # Its ends are where the share lies 1.96 standard errors away.
    for end in (low, high):
        assert abs(right / n - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / n), abs=1e-7)


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.floats(-9, 9), min_size=3, max_size=3), st.integers(0, 2)), min_size=1))
def test_metrics_by_their_definitions(rows: list[tuple[list[float], int]]) -> None:
    logits, targets = np.array([row for row, _ in rows]), np.array([target for _, target in rows])
    metrics = evaluate_logits(logits, targets)
    answers = [max(range(3), key=row.__getitem__) for row, _ in rows]
    pairs = list(zip(targets.tolist(), answers, strict=True))
    assert metrics.confusion == [[pairs.count((target, answer)) for answer in range(3)] for target in range(3)]
    assert metrics.accuracy == sum(target == answer for target, answer in pairs) / len(rows)
    scores = []
    for name in {name for pair in pairs for name in pair}:
        hits = pairs.count((name, name))
        precision = hits / max(answers.count(name), 1)
        recall = hits / max(targets.tolist().count(name), 1)
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert metrics.macro_f1 == pytest.approx(sum(scores) / len(scores))
    losses = [LOG(sum(map(math.exp, row))) - row[target] for row, target in rows]
    assert metrics.loss == pytest.approx(sum(losses) / len(losses), abs=1e-12)
