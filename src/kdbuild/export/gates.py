"""Quality gates: what a model file must not lose against the student, measured on held-out texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kdbuild.errors import GateError
from kdbuild.export.formats.registry import FORMATS
from kdbuild.export.reference import Logits, Row
from kdbuild.runtime.arrays import Targets, decide, evaluate_logits
from kdbuild.runtime.engines.registry import precision_of
from kdbuild.runtime.metrics import Metrics

MOST_TEXTS = 2000
FEWEST_TEXTS = 200
"""Below this many held-out texts a gate of about a point can't be judged: one text is half a point or more."""


@dataclass(frozen=True)
class Limits:
    """What is still accepted."""

    max_accuracy_loss: float = 0.010
    """Accuracy of the student in fp32 minus that of the file, 0 to 1."""
    max_flip_rate: float = 0.020
    """Share of texts whose label, or set of labels, differs from the student's, 0 to 1."""
    max_fp32_difference: float = 1e-4
    """Largest difference of a logit between the fp32 file and the student in torch."""


@dataclass(frozen=True)
class Comparison:
    """One model file against the student in torch, on the same texts."""

    metrics: Metrics
    """Metrics of the file's answers."""
    accuracy_loss: float
    """Student's accuracy minus the file's; negative where the file is better."""
    flip_rate: float
    """Share of texts with another label, or another set of labels, than the student's."""
    max_logit_difference: float
    mean_logit_difference: float
    class_losses: list[float]
    """By class, the student's recall minus the file's; 0 for a class that no text has."""
    length_difference: float = 0.0
    """Largest difference of a logit over random ids of lengths from 1 to 512 tokens, as far as the file reads; of pairs, both
    texts are such."""
    tokens: int | None = None
    """Where the file reads fewer tokens of a text than the student: how many. The student was given no more of them either."""
    cut: int = 0
    """Texts that have more."""


LENGTHS = (1, 2, 3, 5, 8, 13, 21, 32, 64, 128, 256, 512)
"""Tokens of the random texts that every file is compared on, whatever the held-out texts' lengths."""


def probe_texts(vocabulary: int, longest: int, *, pairs: bool = False) -> list[Row]:
    """Ids of texts of :data:`LENGTHS` tokens, as far as the student reads; always the same.

    Of pairs, the second texts have the same lengths, in another order: where the student reads more than one token, both texts
    of a pair differ in length, and each pair of lengths comes in both orders.
    """
    draw = np.random.default_rng(0)
    lengths = [length for length in LENGTHS if length <= longest]
    texts = [draw.integers(1, vocabulary, length, dtype=np.int32) for length in lengths]
    if not pairs:
        return [(text,) for text in texts]
    half = len(lengths) // 2
    return [
        (text, draw.integers(1, vocabulary, length, dtype=np.int32))
        for text, length in zip(texts, lengths[half:] + lengths[:half], strict=True)
    ]


def compare(
    reference: Logits, candidate: Logits, targets: Targets, thresholds: Sequence[float] | None = None
) -> Comparison:
    """Compare the logits of a file with the student's.

    Args:
        reference: the student's, ``[texts, labels]``.
        candidate: the file's, ``[texts, labels]``.
        targets: true classes ``[texts]``, or, of texts with several labels, 0 or 1 for each ``[texts, labels]``.
        thresholds: for several labels: the probability from which each is given.
    """
    metrics = evaluate_logits(candidate, targets, thresholds)
    difference = np.abs(reference - candidate)
    if targets.ndim == 2:
        flipped = (decide(reference, thresholds) != decide(candidate, thresholds)).any(axis=1)
    else:
        flipped = reference.argmax(axis=1) != candidate.argmax(axis=1)
    return Comparison(
        metrics=metrics,
        accuracy_loss=evaluate_logits(reference, targets, thresholds).accuracy - metrics.accuracy,
        flip_rate=float(flipped.mean()),
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        class_losses=(_recalls(reference, targets, thresholds) - _recalls(candidate, targets, thresholds)).tolist(),
    )


def _recalls(logits: Logits, targets: Targets, thresholds: Sequence[float] | None) -> npt.NDArray[np.float64]:
    """Compute the share of each class's texts that are given the class, ``[classes]``."""
    if targets.ndim == 2:
        true, given = targets == 1, decide(logits, thresholds)
    else:
        classes = np.arange(logits.shape[1])
        true, given = targets[:, None] == classes, logits.argmax(axis=1)[:, None] == classes
    return np.asarray((true & given).sum(axis=0) / np.maximum(1, true.sum(axis=0)))


def judge(name: str, comparison: Comparison, limits: Limits) -> None:
    """Let a file pass, or not.

    Args:
        name: the model file.
        comparison: the file against the student.
        limits: what is accepted.

    Raises:
        GateError: it loses or flips more than is accepted; NaN fails.
    """
    n = comparison.metrics.n
    low, high = comparison.metrics.interval
    on = f"on {n} held-out texts (accuracy {comparison.metrics.accuracy:.1%}, 95 % interval {low:.1%} to {high:.1%})"
    difference = float(np.max([comparison.max_logit_difference, comparison.length_difference]))
    if precision_of(name) == "fp32" and not difference <= limits.max_fp32_difference:
        raise GateError(
            f"{name}: a logit differs from the student's by {difference:.2g}, "
            f"limit {limits.max_fp32_difference:.2g}, {on}. Nothing was written; please report this as a bug."
        )
    if n < FEWEST_TEXTS:
        return
    if not comparison.accuracy_loss <= limits.max_accuracy_loss:
        raise GateError(
            f"{name}: loses {comparison.accuracy_loss * 100:.2f} points of accuracy, "
            f"limit {limits.max_accuracy_loss * 100:.2f}, {on}. "
            f"Nothing was written. Raise --max-accuracy-loss, train longer, or {_without(name)}."
        )
    if not comparison.flip_rate <= limits.max_flip_rate:
        raise GateError(
            f"{name}: changes the answer to {comparison.flip_rate:.2%} of the texts, "
            f"limit {limits.max_flip_rate:.2%}, {on}. "
            f"Nothing was written. Raise --max-flip-rate, train longer, or {_without(name)}."
        )


def _without(name: str) -> str:
    """How to export without a model file."""
    row = next(row for row in FORMATS if name in row.files)
    return "export with --no-quantize" if "fp32" in row.precisions else f"leave --format {row.name} out"
