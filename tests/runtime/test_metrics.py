"""Metrics against values worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.runtime.arrays import best_given, best_thresholds, decide, evaluate_logits, sigmoid, softmax
from kdbuild.runtime.metrics import ClassCounts, LabelCounts, Metrics, wilson_interval

LOG = math.log


def logit(probability: float) -> float:
    return LOG(probability / (1 - probability))


def test_evaluate_logits() -> None:
    # Probabilities 3/4, 1/4; 1/5, 4/5; 1/2, 1/2 (the first of equals is the answer); 9/10, 1/10.
    logits = np.array([[LOG(3), 0], [0, LOG(4)], [0, 0], [LOG(9), 0]])
    metrics = evaluate_logits(logits, np.array([0, 1, 1, 1]))
    assert metrics.n == 4
    assert metrics.accuracy == 0.5
    assert metrics.confusion == [[1, 0], [2, 1]]
    # Class 0: precision 1/3, recall 1. Class 1: precision 1, recall 1/3.
    assert metrics.macro_f1 == pytest.approx(0.5)
    assert metrics.micro_f1 == 0.5
    assert metrics.loss == pytest.approx(-(LOG(3 / 4) + LOG(4 / 5) + LOG(1 / 2) + LOG(1 / 10)) / 4)
    assert metrics.perplexity == pytest.approx((4 / 3 * 5 / 4 * 2 * 10) ** (1 / 4))
    assert metrics.interval == pytest.approx((0.1500, 0.8500), abs=5e-5)


def test_macro_f1_of_classes_that_are_never_answered_or_never_occur() -> None:
    logits = np.eye(4)[[0, 0, 1, 1, 0]]
    metrics = evaluate_logits(logits, np.array([0, 0, 1, 0, 2]))
    assert metrics.confusion == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    # 2·2/(3+3), 2·1/(2+1), 0 for the class that is never answered; the fourth doesn't count.
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert metrics.accuracy == metrics.micro_f1 == 0.6


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


SETS = np.array(
    [[logit(0.9), logit(0.2)], [logit(0.6), logit(0.5)], [logit(0.3), logit(0.1)], [logit(0.2), logit(0.7)]]
)
TRUE = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.int8)


def test_evaluate_several_labels() -> None:
    # Given: the first label to texts 1 and 2, the second to texts 2 (0.5 is enough) and 4.
    metrics = evaluate_logits(SETS, TRUE)
    assert metrics.n == 4
    assert metrics.accuracy == 0.5  # texts 1 and 4; text 2 has one too many, text 3 lacks one
    assert metrics.interval == pytest.approx((0.1500, 0.8500), abs=5e-5)
    assert metrics.confusion == [[1, 0, 1, 2], [2, 1, 0, 1]]
    assert metrics.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert metrics.micro_f1 == pytest.approx(6 / 8)
    right = [0.9, 0.8, 0.6, 0.5, 0.3, 0.9, 0.8, 0.7]
    assert metrics.loss == pytest.approx(-sum(map(LOG, right)) / 8)
    assert metrics.perplexity == pytest.approx(math.prod(right) ** (-1 / 8))
    assert evaluate_logits(SETS, TRUE.astype(float)) == metrics


def test_thresholds_decide_but_do_not_touch_the_loss() -> None:
    metrics = evaluate_logits(SETS, TRUE, [0.25, 0.6])
    assert metrics.confusion == [[1, 0, 0, 3], [3, 0, 0, 1]]
    assert (metrics.accuracy, metrics.macro_f1, metrics.micro_f1) == (1.0, 1.0, 1.0)
    assert metrics.loss == evaluate_logits(SETS, TRUE).loss
    # One label missed everywhere, the other given everywhere.
    metrics = evaluate_logits(SETS, TRUE, [0.95, 0.05])
    assert metrics.confusion == [[1, 0, 3, 0], [0, 3, 0, 1]]
    assert metrics.macro_f1 == pytest.approx((0 + 2 / 5) / 2)
    assert metrics.micro_f1 == pytest.approx(2 / 8)
    assert metrics.accuracy == 0.25  # the fourth alone


def test_labels_that_never_occur() -> None:
    targets = np.array([[1, 0, 0], [0, 0, 0]])
    metrics = evaluate_logits(np.array([[2.0, -2.0, -2.0], [-2.0, -2.0, 2.0]]), targets)
    assert metrics.confusion == [[1, 0, 0, 1], [2, 0, 0, 0], [1, 1, 0, 0]]
    # 1, not counted, and 0 of the label that is given and shouldn't be.
    assert metrics.macro_f1 == 0.5
    assert metrics.micro_f1 == pytest.approx(2 / 3)
    # Nothing to find, and nothing given: all right.
    metrics = evaluate_logits(np.full((2, 3), -1.0), np.zeros((2, 3), int))
    assert (metrics.accuracy, metrics.macro_f1, metrics.micro_f1) == (1.0, 1.0, 1.0)


def test_large_logits_of_several_labels_overflow_nowhere() -> None:
    metrics = evaluate_logits(np.array([[1000.0, -1000.0], [-3e38, 3e38]], np.float32), np.array([[0, 0], [0, 1]]))
    assert metrics.loss == 250
    assert evaluate_logits(np.array([[-1000.0]], np.float32), np.array([[1]])).perplexity == math.inf
    small = evaluate_logits(np.array([[20.0, -20.0]], np.float32), np.array([[1, 0]]))
    assert small.loss == pytest.approx(math.exp(-20), rel=1e-6)


@pytest.mark.parametrize(
    ("targets", "thresholds", "message"),
    [
        ([0, 1, 0, 1], [0.5, 0.5], "thresholds are for texts with several labels"),
        ([[1, 0]], None, r"targets \(1, 2\) for logits \(4, 2\): one 0 or 1 for each logit is needed"),
        ([[1, 0], [0, 2], [0, 0], [0, 0]], None, "one 0 or 1 for each logit is needed"),
        ([[1, 0], [0, 0.3], [0, 0], [0, 0]], None, "one 0 or 1 for each logit is needed"),
    ],
)
def test_targets_of_another_kind(targets: list[object], thresholds: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_logits(SETS, np.array(targets), thresholds)


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.floats(-40, 40), min_size=3, max_size=3), st.integers(0, 2)), min_size=1))
def test_counting_text_by_text_gives_the_same(rows: list[tuple[list[float], int]]) -> None:
    counts = ClassCounts(3)
    for logits, target in rows:
        counts.add(logits, [target])
    whole = evaluate_logits(np.array([row for row, _ in rows]), np.array([target for _, target in rows]))
    assert_same(counts.metrics(), whole)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.floats(-40, 40), min_size=3, max_size=3), st.sets(st.integers(0, 2))), min_size=1)
)
def test_counting_sets_text_by_text_gives_the_same(rows: list[tuple[list[float], set[int]]]) -> None:
    thresholds = [0.5, 0.25, 0.9]
    counts = LabelCounts(thresholds)
    for logits, true in rows:
        counts.add(logits, true)
    targets = np.array([[place in true for place in range(3)] for _, true in rows], dtype=np.int8)
    assert_same(counts.metrics(), evaluate_logits(np.array([row for row, _ in rows]), targets, thresholds))


def assert_same(metrics: Metrics, whole: Metrics) -> None:
    """But for the order in which losses are summed."""
    assert metrics.loss == pytest.approx(whole.loss, rel=1e-12, abs=1e-15)
    assert metrics.perplexity == pytest.approx(whole.perplexity, rel=1e-9)
    assert replace(metrics, loss=0.0, perplexity=0.0) == replace(whole, loss=0.0, perplexity=0.0)


def test_large_logits_overflow_nowhere_text_by_text() -> None:
    classes, labels = ClassCounts(2), LabelCounts([0.5])
    classes.add([-1000.0, 0.0], [0])
    labels.add([-1000.0], [0])
    assert (classes.metrics().loss, classes.metrics().perplexity) == (1000, math.inf)
    assert (labels.metrics().loss, labels.metrics().perplexity) == (1000, math.inf)


def test_sigmoid() -> None:
    values = sigmoid(np.array([0, LOG(3), -LOG(3), 1000, -1000, 3e38, -3e38], np.float32))
    assert values.dtype == np.float64
    assert values.tolist() == pytest.approx([0.5, 0.75, 0.25, 1, 0, 1, 0], abs=1e-7)
    assert sigmoid(np.array([-40.0]))[0] == pytest.approx(math.exp(-40), rel=1e-12)


def test_a_label_is_given_from_its_threshold_on() -> None:
    logits = np.array([[0.0, LOG(3)], [-1e-9, LOG(2)]])
    assert decide(logits).tolist() == [[True, True], [False, True]]
    assert decide(logits, [0.5, 0.7]).tolist() == [[True, True], [False, False]]
    assert best_given(logits[0], decide(logits[0])) == 1
    assert best_given(logits[0], np.array([True, False])) == 0
    assert best_given(logits[0], np.array([False, False])) is None
    # Both probabilities are 1 in float64; the logits still tell them apart.
    assert best_given(np.array([40.0, 50.0]), np.array([True, True])) == 1


@pytest.mark.parametrize(
    ("probabilities", "true", "threshold"),
    [
        # The two largest are right: midway between the second and the third.
        ([0.9, 0.6, 0.3, 0.1], [1, 1, 0, 0], 0.45),
        # F1 of the first alone 2/3, of two 1/2, of three 4/5, of all 2/3.
        ([0.9, 0.8, 0.4, 0.1], [1, 0, 1, 0], 0.25),
        # All are right: midway between the lowest and 0.
        ([0.3, 0.2], [1, 1], 0.1),
        # The lowest alone is right, and can't be had alone.
        ([0.9, 0.8, 0.2], [0, 0, 1], 0.1),
        # Of the first, and of all: 2/3 each; 0.6 is nearer to 0.5 than 0.05.
        ([0.8, 0.4, 0.3, 0.1], [1, 0, 0, 1], 0.6),
        # Equal probabilities can't be told apart.
        ([0.7, 0.7, 0.2], [1, 0, 0], 0.45),
        # Nothing to be found.
        ([0.9, 0.6], [0, 0], 0.5),
        # More decimals, where fewer don't separate.
        ([0.30001, 0.3, 0.2], [1, 0, 0], 0.300005),
        ([1 / 3, 0.2], [1, 0], 0.2667),
    ],
)
def test_best_threshold_by_hand(probabilities: list[float], true: list[int], threshold: float) -> None:
    logits = np.array([[logit(probability)] for probability in probabilities])
    assert best_thresholds(logits, np.array(true)[:, None]) == [threshold]


def test_best_thresholds_are_one_a_label() -> None:
    thresholds = best_thresholds(SETS, TRUE)
    # Of 0.2, 0.3 and 0.5, 0.7; all right either way.
    assert thresholds == [0.25, 0.6]
    assert evaluate_logits(SETS, TRUE, thresholds).macro_f1 == 1.0


def test_best_thresholds_lie_between_0_and_1() -> None:
    # Probabilities that are 0 or 1 in float64: there is nothing between 0 and 0, or beyond 1.
    assert best_thresholds(np.array([[-1000.0], [-1000.0]]), np.array([[1], [0]])) == [0.5]
    assert best_thresholds(np.array([[1000.0], [1000.0]]), np.array([[1], [0]])) == [0.5]
    (threshold,) = best_thresholds(np.array([[30.0], [28.0]]), np.array([[1], [0]]))
    assert sigmoid(np.array([28.0]))[0] < threshold < 1
    (threshold,) = best_thresholds(np.array([[-700.0], [-710.0]]), np.array([[1], [0]]))
    assert 0 < threshold <= sigmoid(np.array([-700.0]))[0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_is_better_than_the_best(rows: list[tuple[float, bool]]) -> None:
    logits, true = np.array([[value] for value, _ in rows]), np.array([[int(right)] for _, right in rows])

    def f1(threshold: float) -> float:
        given = [value >= threshold for value in sigmoid(logits)[:, 0]]
        hits = sum(a and b for a, b in zip(given, true[:, 0].tolist(), strict=True))
        return float(2 * hits / (sum(given) + int(true.sum()))) if true.sum() else 0.0

    (threshold,) = best_thresholds(logits, true)
    assert 0 < threshold < 1
    assert f1(threshold) == max(map(f1, [0.0, *sigmoid(logits)[:, 0].tolist(), 1.0]))
    if not true.any():
        assert threshold == 0.5
