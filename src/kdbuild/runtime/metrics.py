"""What is said of a classifier's answers: accuracy with its interval, macro-F1, loss, perplexity, confusion."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]


def softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Metrics:
    """Agreement of logits with true labels."""

    n: int
    """Number of texts."""
    accuracy: float
    """Share of texts answered right, 0 to 1."""
    interval: tuple[float, float]
    """95 % Wilson interval of the accuracy."""
    macro_f1: float
    """Mean over the classes of the harmonic mean of precision and recall, 0 to 1; a class that occurs in neither the
    labels nor the answers doesn't count."""
    loss: float
    """Mean cross-entropy, in nats."""
    perplexity: float
    """``exp(loss)``."""
    confusion: list[list[int]]
    """Number of texts by true label (row) and answer (column)."""


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def evaluate_logits(logits: Floats, targets: Ints) -> Metrics:
    """Compare logits ``[texts, classes]`` with true classes ``[texts]``."""
    classes = logits.shape[1]
    answers = logits.argmax(axis=1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (targets, answers), 1)
    hits = np.diag(confusion)
    occurrences = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurring = occurrences > 0
    right = int(hits.sum())
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = float(-log_probability[np.arange(len(targets)), targets].mean())
    with np.errstate(over="ignore"):
        perplexity = float(np.exp(loss))  # infinite beyond 709 nats
    return Metrics(
        n=len(targets),
        accuracy=right / len(targets),
        interval=wilson_interval(right, len(targets)),
        macro_f1=float((2 * hits[occurring] / occurrences[occurring]).mean()),
        loss=loss,
        perplexity=perplexity,
        confusion=confusion.tolist(),
    )
