"""Skewed classes: how many rows each has, and what makes them count alike."""

from typing import Any

import numpy as np
import numpy.typing as npt


def class_counts(targets: npt.NDArray[Any], classes: int) -> npt.NDArray[np.int64]:
    """Count the rows of each class, ``[classes]``.

    Args:
        targets: classes ``[rows]``, or 0 or 1 ``[rows, classes]``; those that aren't known count nowhere.
        classes: the number of classes.
    """
    if targets.ndim == 2:
        return np.asarray((targets == 1).sum(axis=0))
    return np.bincount(targets[targets >= 0], minlength=classes)


def class_weights(targets: npt.NDArray[Any], classes: int) -> tuple[float, ...]:
    """Weights for the cross-entropy: the inverse of a class's share, so that balanced classes get 1.

    For several labels a text, the weight of a label's positives: negatives to positives, at most 100.
    """
    counts = class_counts(targets, classes)
    if targets.ndim == 2:
        return tuple(np.clip((len(targets) - counts) / np.maximum(counts, 1), 0.01, 100).tolist())
    return tuple((counts.sum() / (classes * np.maximum(counts, 1))).tolist())


def row_weights(targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return how often to draw each row, relative to the others, so that classes come equally often.

    For several labels a text, a row counts as its rarest label; rows without any are a class of their own.
    """
    if targets.ndim == 2:
        counts = (targets == 1).sum(axis=0)
        rarity = np.where(targets == 1, counts, len(targets) + 1)
        classes = np.where((targets == 1).any(axis=1), rarity.argmin(axis=1), targets.shape[1])
    else:
        classes = targets
    return np.asarray(1 / np.bincount(classes)[classes])
