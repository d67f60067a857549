"""What the student is trained on: the labelled rows, or the transfer set with the teacher's logits."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import RowText, RowTexts
from kdbuild.trainer.training.losses import UNKNOWN


@dataclass(frozen=True)
class TrainingSet:
    """Texts with what is to be learned of them."""

    texts: RowTexts
    """None of them without a token."""
    targets: npt.NDArray[Any]
    """As in :class:`Split`; ``UNKNOWN`` for perturbed copies and unlabelled texts."""
    logits: npt.NDArray[np.float32] | None
    """The teacher's, ``[texts, classes]``."""
    perturbed: range
    """Places of the perturbed copies."""

    def unperturbed(self) -> Iterator[RowText]:
        """Yield the texts that people wrote."""
        before = islice(self.texts, self.perturbed.start)
        return chain(before, islice(self.texts, self.perturbed.stop, None))

    def apparent_targets(self) -> npt.NDArray[Any]:
        """Return the texts' targets, with the teacher's answers where they aren't known."""
        if self.logits is None:
            return self.targets
        if self.targets.ndim == 2:
            return np.where(self.targets == UNKNOWN, self.logits > 0, self.targets)
        return np.where(self.targets == UNKNOWN, self.logits.argmax(axis=1), self.targets)


def labelled_rows(train: Split, *, use_scores: bool) -> TrainingSet:
    """Make a training set of the labelled rows that have a token.

    Args:
        train: the rows.
        use_scores: learn the scores that the rows bring, beside their labels.
    """
    texts = train.row_texts()
    rows = [row for row, text in enumerate(texts) if text.first or text.second]
    scores = train.scores[rows] if use_scores and train.scores is not None else None
    return TrainingSet([texts[row] for row in rows], train.targets[rows], scores, range(0))


def transfer_rows(
    texts: RowTexts, logits: npt.NDArray[np.float32], perturbed: range, train: Split, *, use_labels: bool
) -> TrainingSet:
    """Make a training set of the transfer set.

    Args:
        texts: those of the transfer set.
        logits: the teacher's, ``[texts, classes]``.
        perturbed: places of the perturbed copies.
        train: the labelled rows.
        use_labels: learn the labels of the texts that are labelled rows, too; otherwise no target is known. Of a text with
            different labels, the commonest is; where several are, none.
    """
    if not use_labels:
        shape = logits.shape if train.targets.ndim == 2 else logits.shape[:1]
        return TrainingSet(texts, np.full(shape, UNKNOWN), logits, perturbed)
    known = _one_target_a_text(train)
    unknown = np.full_like(train.targets[0], UNKNOWN)
    targets = np.stack([known.get(text, unknown) for text in texts])
    return TrainingSet(texts, targets, logits, perturbed)


def _one_target_a_text(train: Split) -> dict[RowText, npt.NDArray[Any]]:
    """Return the commonest target of each text that has one."""
    votes: dict[RowText, Counter[bytes]] = defaultdict(Counter)
    for text, target in zip(train.row_texts(), train.targets, strict=True):
        votes[text][target.tobytes()] += 1
    known = {}
    for text, counts in votes.items():
        (best, count), *others = counts.most_common(2)
        if not others or others[0][1] < count:
            known[text] = np.frombuffer(best, train.targets.dtype).reshape(train.targets.shape[1:])
    return known
