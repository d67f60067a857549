"""Probabilities, decisions and metrics of many texts at once, as numpy arrays: what training and exporting need.

What an answer needs is in :mod:`~kdbuild.runtime.decisions` and :mod:`~kdbuild.runtime.metrics`, without numpy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.metrics import Metrics, metrics_of_counts

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Targets = npt.NDArray[Any]
"""The truth: classes ``[texts]``, or, of texts with several labels, 0 or 1 for each ``[texts, labels]``."""

_DECIMALS = 4
"""Decimals of a threshold, where so many tell its neighbours apart."""


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


def sigmoid(logits: Floats) -> npt.NDArray[np.float64]:
    """The probability of each logit by itself, in float64."""
    values = logits.astype(np.float64)
    exponents = np.exp(-np.abs(values))  # of a negative number, so that nothing overflows
    return np.asarray(np.where(values < 0, exponents, 1.0) / (1.0 + exponents))


def decide(logits: Floats, thresholds: Sequence[float] | None = None) -> Bools:
    """Which labels are given, ``[..., labels]``: those whose probability is at or over its threshold, 0.5 by default."""
    return np.asarray(sigmoid(logits) >= (0.5 if thresholds is None else np.array(thresholds)))


def best_given(logits: Floats, given: Bools) -> int | None:
    """The place of the largest of one text's logits among the labels given; None where none is."""
    return int(np.where(given, logits, -np.inf).argmax()) if given.any() else None


def evaluate_logits(logits: Floats, targets: Targets, thresholds: Sequence[float] | None = None) -> Metrics:
    """Compare logits with the truth.

    Args:
        logits: ``[texts, labels]``.
        targets: the true classes ``[texts]``, or 0 or 1 for each label ``[texts, labels]``.
        thresholds: with 0 and 1, the probability from which each label is given; 0.5 if None.

    Raises:
        ValueError: the targets are of neither kind, or thresholds are given for classes.
    """
    if targets.ndim == 2:
        return _evaluate_sets(logits, targets, thresholds)
    if thresholds is not None:
        raise ValueError("thresholds are for texts with several labels, and each of these targets is one class")
    classes = logits.shape[1]
    answers = logits.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (targets, answers), 1)
    hits = np.diag(confusion)
    occurrences = confusion.sum(axis=0) + confusion.sum(axis=1)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = float(-log_probability[np.arange(len(targets)), targets].mean())
    return metrics_of_counts(
        int(hits.sum()), len(targets), hits.tolist(), occurrences.tolist(), loss, confusion.tolist()
    )


def _evaluate_sets(logits: Floats, targets: Targets, thresholds: Sequence[float] | None) -> Metrics:
    if targets.shape != logits.shape or not np.isin(targets, (0, 1)).all():
        raise ValueError(f"targets {targets.shape} for logits {logits.shape}: one 0 or 1 for each logit is needed")
    true, given = targets.astype(np.bool_), decide(logits, thresholds)
    hits = (true & given).sum(axis=0)
    missed, wrong = true.sum(axis=0) - hits, given.sum(axis=0) - hits
    confusion = np.stack([len(true) - hits - missed - wrong, wrong, missed, hits], axis=1)
    right = int((true == given).all(axis=1).sum())
    # log(1 + exp(x)) of x = the logit, negative for a true label: exp overflows for none.
    x = np.where(true, -1.0, 1.0) * logits.astype(np.float64)
    loss = float((np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))).mean())
    occurrences = 2 * hits + missed + wrong
    return metrics_of_counts(right, len(true), hits.tolist(), occurrences.tolist(), loss, confusion.tolist())


def best_thresholds(logits: Floats, targets: Targets) -> list[float]:
    """For each label, the threshold of its probability that gives the highest F1 on these texts.

    Candidates lie midway between neighbouring probabilities, and between 0 and the lowest. Of equally good ones, that
    nearest to 0.5 is taken. They are rounded, but never past a neighbour, and lie between 0 and 1, both excluded.

    Args:
        logits: ``[texts, labels]``.
        targets: the truth, 0 or 1, ``[texts, labels]``.

    Returns:
        The thresholds, ``[labels]``; 0.5 for a label that no text has.
    """
    return [
        _best_threshold(probabilities, true)
        for probabilities, true in zip(sigmoid(logits).T, targets.T.astype(np.bool_), strict=True)
    ]


def _best_threshold(probabilities: npt.NDArray[np.float64], true: Bools) -> float:
    order = np.argsort(probabilities, kind="stable")
    highs, starts = np.unique(probabilities[order], return_index=True)
    lows = np.concatenate([[0.0], highs[:-1]])
    middles = (lows + highs) / 2
    # Not where probabilities are 0, 1 or neighbours in float64, with no number between.
    possible = (lows < middles) & (middles < 1)
    if not true.any() or not possible.any():
        return 0.5
    hits = true[order][::-1].cumsum()[::-1][starts]  # among the texts from each start on, which get the label
    scores = np.where(possible, 2 * hits / (len(true) - starts + true.sum()), -1.0)
    best = np.flatnonzero(scores == scores.max())
    rounded = [_round(float(middles[place]), float(lows[place]), float(highs[place])) for place in best]
    return min(rounded, key=lambda threshold: (abs(threshold - 0.5), threshold))


def _round(value: float, low: float, high: float) -> float:
    """The value with as few decimals, from four on, as leave it over ``low`` and not over ``high``, and under 1."""
    for decimals in range(_DECIMALS, 17):
        rounded = round(value, decimals)
        if low < rounded <= high and rounded < 1:
            return rounded
    return value
