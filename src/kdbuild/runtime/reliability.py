"""Calibration: whether answers given with a probability of 80 % are right in 80 % of the cases."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.arrays import sigmoid, softmax


@dataclass(frozen=True)
class Reliability:
    """How often answers of about the same probability were right."""

    edges: tuple[float, ...]
    """Edges of the bins, one more than there are bins. A bin holds its upper edge, the first one its lower edge (0) too."""
    counts: tuple[int, ...]
    """Answers in each bin."""
    confidence: tuple[float, ...]
    """Mean probability of each bin's answers; 0 where there are none."""
    accuracy: tuple[float, ...]
    """Share of each bin's answers that were right; 0 where there are none."""
    ece: float
    """Expected calibration error, 0 to 1: the mean gap between confidence and accuracy, bins weighted by their counts."""


def reliability(
    probabilities: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_], bins: int = 10
) -> Reliability:
    """Sort answers into bins of equal width by their probability (Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        probabilities: ``[answers]``, 0 to 1.
        right: ``[answers]``, whether each was right.
        bins: their number.

    Raises:
        ValueError: there are no answers, or ``probabilities`` and ``right`` differ in length.
    """
    if not len(probabilities) or probabilities.shape != right.shape:
        raise ValueError(f"probabilities {probabilities.shape} and right {right.shape} must be of one length, not 0")
    edges = np.arange(bins + 1) / bins
    places = np.maximum(np.searchsorted(edges, probabilities, side="left") - 1, 0)
    counts = np.bincount(places, minlength=bins)
    filled = np.maximum(counts, 1)
    confidence = np.bincount(places, weights=probabilities, minlength=bins) / filled
    accuracy = np.bincount(places, weights=right, minlength=bins) / filled
    return Reliability(
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        tuple(confidence.tolist()),
        tuple(accuracy.tolist()),
        float((np.abs(confidence - accuracy) * counts).sum() / counts.sum()),
    )


def calibration(targets: npt.NDArray[Any], logits: npt.NDArray[np.floating[Any]]) -> Reliability:
    """The reliability of a classifier's answers; where a text may have several labels, of every label on every text.

    Args:
        targets: the true classes ``[rows]``, or 0 or 1 for each label ``[rows, labels]``.
        logits: ``[rows, classes]``.
    """
    if targets.ndim == 2:
        return reliability(sigmoid(logits).ravel(), (targets == 1).ravel())
    return reliability(softmax(logits).max(axis=1), logits.argmax(axis=1) == targets)
