"""What is said of a classifier's answers: accuracy with its interval, F1, loss, perplexity, confusion; without numpy.

Texts with one label each are answered by the largest logit, texts with any number of labels by every label whose
probability, a logistic function of its own logit, reaches the label's threshold.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kdbuild.runtime.decisions import argmax, sigmoid


@dataclass(frozen=True)
class Metrics:
    """Agreement of logits with true labels."""

    n: int
    """Number of texts."""
    accuracy: float
    """Share of texts answered right, 0 to 1; of several labels, exactly the true ones must be given."""
    interval: tuple[float, float]
    """95 % Wilson interval of the accuracy."""
    macro_f1: float
    """Mean over the labels of the harmonic mean of precision and recall, 0 to 1; a label that occurs in neither the truth
    nor the answers doesn't count. 1 where none occurs: nothing was to be found, and nothing was given."""
    micro_f1: float
    """The same of all labels counted together; equal to the accuracy where each text has one label."""
    loss: float
    """Mean cross-entropy, in nats: of a text, or, with several labels, of the decision on one label of a text."""
    perplexity: float
    """``exp(loss)``."""
    confusion: list[list[int]]
    """Number of texts by true label (row) and answer (column). With several labels a row is a label's true negatives,
    false positives, false negatives and true positives."""


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def metrics_of_counts(
    right: int, n: int, hits: Sequence[int], occurrences: Sequence[int], loss: float, confusion: list[list[int]]
) -> Metrics:
    """Metrics from counts.

    Args:
        right: texts answered right.
        n: texts.
        hits: for each label, how often it is in truth and answer.
        occurrences: for each label, how often it is in the truth, and in the answers, together.
        loss: mean cross-entropy, in nats.
        confusion: see :class:`Metrics`.
    """
    scores = [2 * hit / count for hit, count in zip(hits, occurrences, strict=True) if count]
    try:
        perplexity = math.exp(loss)
    except OverflowError:  # beyond 709 nats
        perplexity = math.inf
    return Metrics(
        n=n,
        accuracy=right / n,
        interval=wilson_interval(right, n),
        macro_f1=math.fsum(scores) / len(scores) if scores else 1.0,
        micro_f1=2 * sum(hits) / sum(occurrences) if scores else 1.0,
        loss=loss,
        perplexity=perplexity,
        confusion=confusion,
    )


class ClassCounts:
    """What is counted of texts with one label each.

    Args:
        classes: the number of labels.
    """

    def __init__(self, classes: int):
        self._confusion = [[0] * classes for _ in range(classes)]
        self._losses: list[float] = []

    def add(self, logits: Sequence[float], true: Collection[int]) -> None:
        """Count a text by its logits ``[labels]`` and the place of its true label alone."""
        (target,) = true
        self._confusion[target][argmax(logits)] += 1
        highest = max(logits)
        total = sum(math.exp(logit - highest) for logit in logits)
        self._losses.append(math.log(total) - (logits[target] - highest))

    def metrics(self) -> Metrics:
        """Metrics of all texts that were counted, at least one."""
        rows, n = self._confusion, len(self._losses)
        hits = [row[place] for place, row in enumerate(rows)]
        columns = [sum(column) for column in zip(*rows, strict=True)]
        occurrences = [sum(row) + column for row, column in zip(rows, columns, strict=True)]
        return metrics_of_counts(sum(hits), n, hits, occurrences, math.fsum(self._losses) / n, rows)


class LabelCounts:
    """What is counted of texts that may have several labels.

    Args:
        thresholds: the probability from which each label is given.
    """

    def __init__(self, thresholds: Sequence[float]):
        self._thresholds = thresholds
        self._confusion = [[0] * 4 for _ in thresholds]
        self._losses: list[float] = []
        self._right = 0

    def add(self, logits: Sequence[float], true: Collection[int]) -> None:
        """Count a text by its logits ``[labels]`` and the places of its true labels."""
        losses, right = [], True
        for place, (logit, probability) in enumerate(zip(logits, sigmoid(logits), strict=True)):
            has, given = place in true, probability >= self._thresholds[place]
            self._confusion[place][2 * has + given] += 1
            right = right and has == given
            # log(1 + exp(x)) of x = the logit, negative for a true label: exp overflows for none.
            losses.append(max(-logit if has else logit, 0.0) + math.log1p(math.exp(-abs(logit))))
        self._losses.append(math.fsum(losses) / len(losses))
        self._right += right

    def metrics(self) -> Metrics:
        """Metrics of all texts that were counted, at least one."""
        rows, n = self._confusion, len(self._losses)
        occurrences = [2 * hits + missed + wrong for _, wrong, missed, hits in rows]
        hits = [row[3] for row in rows]
        return metrics_of_counts(self._right, n, hits, occurrences, math.fsum(self._losses) / n, rows)
