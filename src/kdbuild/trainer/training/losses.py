"""What the student is trained to minimise; the teacher's fine-tuning uses the cross-entropy alone.

All are means over a batch. For several labels a text, each label is a question of its own (sigmoid instead of softmax).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kdbuild.trainer.options import StudentOptions

UNKNOWN = -100
"""Target of a row whose label isn't known: a perturbed copy. PyTorch's cross-entropy leaves it out."""


def mse(logits: Tensor, teacher: Tensor) -> Tensor:
    """Compute the mean squared difference of logits, both ``[batch, classes]`` (Tang et al. 2019; Ba & Caruana 2014)."""
    return functional.mse_loss(logits, teacher)


def kl_div(logits: Tensor, teacher: Tensor, temperature: float, *, multi_label: bool) -> Tensor:
    """Compute the divergence of the student's softened probabilities from the teacher's, times the temperature's square.

    Hinton et al. 2015 (arXiv 1503.02531), section 2: softened probabilities have gradients that shrink with 1/T², so the
    loss is multiplied by T² and its weight against a cross-entropy doesn't depend on T. The article's reference
    implementation divides by T² instead, which shrinks the gradients a second time.

    Args:
        logits: the student's, ``[batch, classes]``.
        teacher: the teacher's logits.
        temperature: divides both.
        multi_label: one divergence a label, averaged over the labels, instead of one over all classes.
    """
    student, teacher = logits / temperature, teacher / temperature
    if multi_label:
        given = teacher.sigmoid()
        divergence = given * (functional.logsigmoid(teacher) - functional.logsigmoid(student)) + (1 - given) * (
            functional.logsigmoid(-teacher) - functional.logsigmoid(-student)
        )
        return divergence.mean() * temperature**2
    log_student, log_teacher = student.log_softmax(1), teacher.log_softmax(1)
    return functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2


def cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the mean cross-entropy over the rows whose label is known; 0 if none is.

    Args:
        logits: ``[batch, classes]``.
        targets: classes ``[batch]``, or, for several labels a text, 0 or 1 ``[batch, classes]``; :data:`UNKNOWN` where the
            label isn't known.
        class_weights: ``[classes]``: weights of the classes in the mean, or, for several labels, of a label's positives.
    """
    if targets.ndim == 2:
        known = targets[:, 0] != UNKNOWN
        if not known.any():
            return logits.sum() * 0
        given = targets[known].to(logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits[known], given, pos_weight=class_weights)
    if not (targets != UNKNOWN).any():
        return logits.sum() * 0
    return functional.cross_entropy(logits, targets, weight=class_weights, ignore_index=UNKNOWN)


@dataclass(frozen=True)
class Objective:
    """The loss of a batch: ``alpha`` times the teacher's loss plus ``1 - alpha`` times the cross-entropy.

    A batch without the teacher's logits is judged by the cross-entropy alone.
    """

    loss: str = "cross_entropy"
    temperature: float = 1.0
    alpha: float = 1.0
    class_weights: tuple[float, ...] | None = None

    @classmethod
    def of(cls, options: StudentOptions, class_weights: tuple[float, ...] | None) -> "Objective":
        """Return the loss of a student."""
        return cls(options.loss, options.temperature, options.alpha, class_weights)

    def __call__(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Compute the loss of logits ``[batch, classes]``, given ``labels`` and, if there is a teacher, ``teacher_logits``."""
        logits, targets = logits.float(), batch["labels"]
        teacher = batch.get("teacher_logits")
        if teacher is None or self.loss == "cross_entropy":
            return self._cross_entropy(logits, targets)
        if self.loss == "mse":
            distillation = mse(logits, teacher)
        else:
            distillation = kl_div(logits, teacher, self.temperature, multi_label=targets.ndim == 2)
        if self.alpha == 1:
            return distillation
        return self.alpha * distillation + (1 - self.alpha) * self._cross_entropy(logits, targets)

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights = None if self.class_weights is None else torch.tensor(self.class_weights, device=logits.device)
        return cross_entropy(logits, targets, weights)
