"""Several teachers as one: their logits on a common scale, and averaged.

A text's logits are centred, since a softmax doesn't see what all classes have in common, and divided by the teacher's root
mean square on dev: else the most confident teacher would have the most to say. Their weighted mean, at the teachers' mean
scale, is a logarithmic opinion pool (Genest & Zidek 1986), the normalised product of the teachers' probabilities. Where a
text may have several labels, each logit is a class's own, and nothing is centred.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.classes import match_by_name
from kdbuild.trainer.teacher.model import class_names

_STEPS = 500
"""Steps of the search for weights; with a step size that grows and shrinks, far fewer suffice."""

Logits = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]


def class_columns(name: str, labels: Sequence[str]) -> list[int]:
    """Return where a teacher's logits have each label's, ``[classes]``; in order for one that is fine-tuned here.

    Args:
        name: what ``from_pretrained`` takes.
        labels: the data's, in the order of the first teacher's classes.

    Raises:
        BadInputError: its classes are others.
    """
    names = class_names(name)
    if names is None:
        return list(range(len(labels)))
    matched = match_by_name(labels, names)
    if matched is None or sorted(matched) != sorted(labels):
        raise BadInputError(
            f"--teacher {name}: its classes ({', '.join(names)}) aren't those of the other teachers and the data "
            f"({', '.join(labels)}). Use teachers whose classes have the same names."
        )
    return [matched.index(label) for label in labels]


def weigh(dev: Sequence[Logits], targets: npt.NDArray[np.int64] | npt.NDArray[np.float64], chosen: str) -> Weights:
    """Return what each teacher's centred logits are multiplied by, ``[teachers]``.

    Args:
        dev: each teacher's logits on dev, ``[rows, classes]``.
        targets: the truth of dev, ``[rows]``, or for several labels a text ``[rows, classes]``.
        chosen: ``equal``, or ``dev`` for the shares whose mean has the least cross-entropy on dev.
    """
    several = targets.ndim == 2
    logits = np.stack([centred(one, multi_label=several) for one in dev]).astype(np.float64)
    scales = np.sqrt((logits**2).mean(axis=(1, 2)))
    factors = scales.mean() / np.maximum(scales, np.finfo(np.float32).tiny)
    shares = np.full(len(dev), 1 / len(dev))
    if chosen == "dev":
        shares = _best_shares(logits * factors[:, None, None], targets)
    return np.asarray(shares * factors)


def centred(logits: Logits, *, multi_label: bool) -> Logits:
    """Return logits ``[rows, classes]`` whose mean over the classes is 0, if a text has one label."""
    return logits if multi_label else logits - logits.mean(axis=1, keepdims=True)


def combine(answers: Sequence[Logits], weights: Weights, *, multi_label: bool) -> Logits:
    """Return the ensemble's logits ``[rows, classes]``, given those of each teacher and :func:`weigh`'s weights."""
    total = np.zeros(answers[0].shape, dtype=np.float32)
    for logits, weight in zip(answers, weights, strict=True):
        total += np.float32(weight) * centred(logits, multi_label=multi_label)
    return total


def _best_shares(logits: npt.NDArray[np.float64], targets: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Weights:
    """Minimise a convex function of shares that sum up to 1, by exponentiated gradients (Kivinen & Warmuth 1997)."""
    several = targets.ndim == 2
    truth = targets.astype(np.float64) if several else np.eye(logits.shape[2])[targets.astype(np.int64)]
    shares, step = np.full(len(logits), 1 / len(logits)), 1.0
    loss, slope = _cross_entropy(shares, logits, truth, several)
    for _ in range(_STEPS):
        tried = shares * np.exp(-step * (slope - slope.min()))
        tried /= tried.sum()
        new_loss, new_slope = _cross_entropy(tried, logits, truth, several)
        if new_loss <= loss:
            shares, loss, slope, step = tried, new_loss, new_slope, 1.5 * step
        else:
            step /= 3
    return shares


def _cross_entropy(
    shares: Weights, logits: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], several: bool
) -> tuple[float, Weights]:
    """Return the mean cross-entropy of the shared logits, and its derivative by the shares."""
    mean = np.tensordot(shares, logits, 1)
    if several:
        loss = (np.logaddexp(0, mean) - truth * mean).sum(axis=1).mean()
        probabilities = np.exp(-np.logaddexp(0, -mean))
    else:
        top = mean.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(mean - top).sum(axis=1, keepdims=True)) + top
        loss, probabilities = (normaliser[:, 0] - (truth * mean).sum(axis=1)).mean(), np.exp(mean - normaliser)
    return float(loss), np.tensordot(logits, probabilities - truth, 2) / len(truth)
