"""Probabilities that mean what they say: a temperature, and a threshold below which the classifier abstains.

One temperature divides all logits (Guo et al. 2017, arXiv 1706.04599); it changes no answer. It is fitted on every second
held-out text, and what it does is measured on the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError, GateError
from kdbuild.export.gates import FEWEST_TEXTS
from kdbuild.runtime.arrays import Targets, evaluate_logits, sigmoid, softmax
from kdbuild.runtime.reliability import calibration

Logits = npt.NDArray[np.floating]

_LOWEST, _HIGHEST = 0.05, 20.0
"""Temperatures looked at; beyond them a student is broken rather than badly calibrated."""


@dataclass(frozen=True)
class Calibration:
    """What was fitted, and how it does on texts that it wasn't fitted on."""

    temperature: float
    threshold: float | None
    """The probability below which the classifier abstains; None: it always answers."""
    texts: int
    """On which the following was measured."""
    ece_before: float
    """Expected calibration error at temperature 1, 0 to 1."""
    ece_after: float
    precision: float | None
    """Share of right answers among those that reach the threshold, 0 to 1; None without a threshold or an answer."""
    coverage: float
    """Share of the texts that are answered."""


UNCALIBRATED = Calibration(1.0, None, 0, 0.0, 0.0, None, 1.0)
"""Stands in where there are too few texts to calibrate on."""


def calibrate(
    logits: Logits, targets: Targets, min_precision: float | None = None, *, temper: bool = True
) -> Calibration:
    """Fit a temperature, and, where a precision is wanted, the lowest threshold that reaches it.

    Args:
        logits: of the held-out texts, ``[texts, classes]``.
        targets: their classes ``[texts]``, or, of texts with several labels, 0 or 1 ``[texts, labels]``.
        min_precision: share of the answers that should be right, 0 to 1; for texts with one label.
        temper: fit the temperature; else it is 1.

    Raises:
        BadInputError: a precision is wanted of too few texts, or of texts with several labels.
        GateError: no threshold reaches the precision.
    """
    if min_precision is not None and targets.ndim == 2:
        raise BadInputError(
            "--min-precision: is for texts with one label; of several, each has its own threshold. Drop it."
        )
    if len(targets) < FEWEST_TEXTS:
        if min_precision is not None:
            raise BadInputError(
                f"--min-precision: needs {FEWEST_TEXTS} held-out texts, there are {len(targets)}. Use more dev rows."
            )
        return UNCALIBRATED
    fit, rest = slice(0, None, 2), slice(1, None, 2)
    temperature = fit_temperature(logits[fit], targets[fit]) if temper else 1.0
    threshold = None
    precision, coverage = None, 1.0
    if min_precision is not None:
        threshold = lowest_threshold(*_answers(logits[fit] / temperature, targets[fit]), min_precision)
        scores, right = _answers(logits[rest] / temperature, targets[rest])
        answered = scores >= threshold
        coverage = float(answered.mean())
        precision = float(right[answered].mean()) if answered.any() else None
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        texts=len(targets[rest]),
        ece_before=calibration(targets[rest], logits[rest]).ece,
        ece_after=calibration(targets[rest], logits[rest] / temperature).ece,
        precision=precision,
        coverage=coverage,
    )


def fit_temperature(logits: Logits, targets: Targets) -> float:
    """The temperature at which the cross-entropy is least, to three digits.

    The cross-entropy is convex in its inverse, so a golden-section search in the logarithm finds it.
    """

    def loss(log_temperature: float) -> float:
        return evaluate_logits(logits / np.exp(log_temperature), targets).loss

    shrink = (np.sqrt(5) - 1) / 2
    low, high = float(np.log(_LOWEST)), float(np.log(_HIGHEST))
    left, right = high - shrink * (high - low), low + shrink * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > 1e-4:
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - shrink * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + shrink * (high - low)
            loss_right = loss(right)
    return float(f"{np.exp((low + high) / 2):.3g}")


def _answers(logits: Logits, targets: Targets) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The probability of each text's answer, and whether it is right."""
    return softmax(logits).max(axis=1), logits.argmax(axis=1) == targets


def lowest_threshold(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], min_precision: float) -> float:
    """The lowest score from which on the share of right answers is as wanted.

    Args:
        scores: probabilities of answers, ``[texts]``.
        right: whether each is right.
        min_precision: wanted of the answers at or over the threshold, 0 to 1.

    Raises:
        GateError: there is none.
    """
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Only where the score falls can a threshold part the answers before from those behind.
    parted = np.append(np.diff(scores[order]) < 0, True)
    reached = np.flatnonzero(parted & (precision >= min_precision))
    if not len(reached):
        raise GateError(
            f"--min-precision {min_precision:g}: no threshold reaches it on {len(scores)} held-out texts, the surest "
            f"{int(parted.argmax()) + 1} are right by {precision[parted.argmax()]:.1%}. Lower it, or train a better student."
        )
    last = int(reached[-1])
    below = scores[order[last + 1]] if last + 1 < len(order) else 0.0
    return float(round((scores[order[last]] + below) / 2, 4))


def tempered_thresholds(thresholds: list[float], temperature: float) -> list[float]:
    """Thresholds for probabilities at a temperature that give the same labels as these do at temperature 1."""
    if temperature == 1:
        return thresholds
    logits = np.log(thresholds) - np.log1p(-np.array(thresholds))
    return [float(value) for value in sigmoid(logits / temperature)]
