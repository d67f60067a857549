"""Labelled rows, tokenised, with their classes: the two splits that everything is trained and measured on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows, label_indices, label_matrix
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.texts import RowText


@dataclass(frozen=True)
class Split:
    """Texts, tokenised, with their class, their labels or their scores."""

    texts: list[str]
    """As the user wrote them, or, where ``tokenized``, tokens joined by spaces."""
    tokens: list[list[str]] = field(repr=False)
    targets: npt.NDArray[Any] = field(repr=False)
    """Classes, int64 ``[rows]``; or, where a text may have several labels, 0 or 1, int8 ``[rows, classes]``. Those of the
    largest, or the positive, scores where only scores were given."""
    scores: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    """A teacher's raw logits, ``[rows, classes]``."""
    tokenized: bool = False
    """Whether the user gave tokens, special ones included."""
    pair_texts: list[str] | None = field(default=None, repr=False)
    """The second texts of pairs."""
    pair_tokens: list[list[str]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def row_texts(self) -> list[RowText]:
        """Return each row's text, or both its texts."""
        if self.pair_tokens is None:
            return [RowText(" ".join(tokens)) for tokens in self.tokens]
        pairs = zip(self.tokens, self.pair_tokens, strict=True)
        return [RowText(" ".join(first), " ".join(second)) for first, second in pairs]

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> "Split":
        """Return the rows at these places."""
        places = np.asarray(rows, dtype=np.int64)
        return Split(
            [self.texts[row] for row in rows],
            [self.tokens[row] for row in rows],
            self.targets[places],
            None if self.scores is None else self.scores[places],
            self.tokenized,
            None if self.pair_texts is None else [self.pair_texts[row] for row in rows],
            None if self.pair_tokens is None else [self.pair_tokens[row] for row in rows],
        )


@dataclass(frozen=True)
class Data:
    """Both splits and the names of the classes."""

    labels: list[str]
    train: Split
    dev: Split
    warnings: list[str] = field(default_factory=list)
    """Oddities that were counted and left as they are, a line each."""

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self.train.targets.ndim == 2

    @property
    def pairs(self) -> bool:
        """Whether a row has two texts."""
        return self.train.pair_tokens is not None


def label_names(values: set[str], teacher_names: Sequence[str] | None) -> list[str]:
    """Order the classes: the teacher's names where the data uses them or their numbers, else the data's own, sorted.

    Raises:
        BadInputError: the teacher has another number of classes.
    """

    def place(value: str) -> tuple[int, int, str]:
        # Python turns no more than 4,300 digits into a number.
        return (0, int(value), value) if value.isdecimal() and len(value) <= 1000 else (1, 0, value)

    ordered = sorted(values, key=place)
    if not teacher_names:
        return ordered
    if values <= set(teacher_names):
        return list(teacher_names)
    if len(values) != len(teacher_names):
        raise BadInputError(
            f"the data has {len(values)} labels ({', '.join(ordered[:5])}) and the teacher {len(teacher_names)} classes. "
            "Use a teacher for these labels, or an encoder that is fine-tuned here."
        )
    return list(teacher_names) if ordered == [str(index) for index in range(len(ordered))] else ordered


def to_split(name: str, rows: Rows, labels: list[str], multi_label: bool) -> Split:
    """Tokenise rows and find their classes.

    Args:
        name: what messages call the rows.
        rows: texts with labels or scores.
        labels: the classes in order.
        multi_label: whether a text may have several labels.

    Raises:
        BadInputError: a label isn't among the labels, or the scores are of another number.
    """

    def tokens(texts: list[str]) -> list[list[str]]:
        return [text.split() if rows.tokenized else tokenize(text) for text in texts]

    scores = None if rows.scores is None else np.array(rows.scores, dtype=np.float32)
    if scores is not None and scores.shape[1] != len(labels):
        raise BadInputError(f"{name}: {scores.shape[1]} scores a row for {len(labels)} classes. Write one per class.")
    if rows.labels is not None:
        targets: npt.NDArray[Any] = (
            label_matrix(name, rows.labels, labels)
            if multi_label
            else np.array(label_indices(name, rows.labels, labels), dtype=np.int64)
        )
    elif scores is not None:
        targets = (scores > 0).astype(np.int8) if multi_label else scores.argmax(axis=1)
    else:
        raise BadInputError(f"{name}: has texts but neither labels nor scores. Add one of these columns.")
    return Split(
        rows.texts,
        tokens(rows.texts),
        targets,
        scores,
        rows.tokenized,
        rows.pairs,
        None if rows.pairs is None else tokens(rows.pairs),
    )
