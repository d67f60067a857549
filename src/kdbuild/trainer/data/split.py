"""Labelled data: from the user's files to the two splits of a run folder."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows, label_indices, label_matrix, split_labels
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.sources import Source
from kdbuild.trainer.options import DataOptions

MOST_HELD_OUT = 2000
"""Rows in a held-out split at most: enough for an interval of about ±1.3 points at 90 %."""


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

    def lines(self) -> list[str]:
        """Each row's tokens joined by spaces; the two texts of a pair with a tab between them."""
        if self.pair_tokens is None:
            return [" ".join(tokens) for tokens in self.tokens]
        pairs = zip(self.tokens, self.pair_tokens, strict=True)
        return [f"{' '.join(first)}\t{' '.join(second)}" for first, second in pairs]

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> "Split":
        """The rows at these places."""
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
    """The classes in order: the teacher's names where the data uses them or their numbers, else the data's own, sorted.

    Raises:
        BadInputError: the teacher has another number of classes.
    """
    ordered = sorted(values, key=lambda value: (0, int(value), value) if value.isdecimal() else (1, 0, value))
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


def load_data(source: Source, options: DataOptions, teacher_names: Sequence[str] | None = None) -> Data:
    """Read the user's data, check it, and hold rows out if it has no dev part.

    Args:
        source: train and, where there is one, dev.
        options: columns, several labels or one, and the share to hold out.
        teacher_names: the classes of a teacher that is fine-tuned already.

    Raises:
        BadInputError: the data can't be trained on; the message says why.
    """
    titles = [part.title for part in source.parts]
    rows = [part.read(options) for part in source.parts]
    for title, part in zip(titles, rows, strict=True):
        if part.labels is None and part.scores is None:
            raise BadInputError(
                f"{title}: has texts but neither '{options.label_column}' nor 'scores'. Add one of these columns."
            )
        if (part.pairs is None) != (rows[0].pairs is None):
            raise BadInputError(
                f"{title}: train and dev must both have '{options.pair_column}', or neither. Correct one of them."
            )
    labels = _labels(titles[0], rows[0], options, teacher_names)
    splits = [to_split(title, part, labels, options.multi_label) for title, part in zip(titles, rows, strict=True)]
    warnings = _conflicts(source.parts[0].name, splits[0])
    if len(splits) == 2:
        train, dev = splits
        return Data(labels, train, dev, [*warnings, *_overlap(train, dev)])
    kept, held_out, dropped = hold_out(splits[0], options.holdout, options.seed)
    if dropped:
        warnings.append(f"{dropped} rows left out of train: each is a phrase of a held-out row, or the same text.")
    return Data(labels, splits[0].take(kept), splits[0].take(held_out), warnings)


def _labels(name: str, train: Rows, options: DataOptions, teacher_names: Sequence[str] | None) -> list[str]:
    """The classes in order."""
    if train.labels is None:
        classes = len((train.scores or [[]])[0])
        if teacher_names and len(teacher_names) != classes:
            raise BadInputError(f"{name}: {classes} scores a row, the teacher has {len(teacher_names)} classes.")
        return list(teacher_names or map(str, range(classes)))
    if options.multi_label:
        values = {label for cell in train.labels for label in split_labels(cell)}
        if len(values) < 2:
            raise BadInputError(f"{name}: {len(values)} labels in all rows together. Two at least are needed.")
        return label_names(values, teacher_names)
    if len(set(train.labels)) < 2:
        raise BadInputError(f"{name}: every row has the label {train.labels[0]!r}. Two classes at least are needed.")
    return label_names(set(train.labels), teacher_names)


def to_split(name: str, rows: Rows, labels: list[str], multi_label: bool) -> Split:
    """Tokenise rows and find their classes.

    Args:
        name: of the rows, for messages.
        rows: texts with labels or scores.
        labels: the classes in order.
        multi_label: whether a text may have several.

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


def _conflicts(name: str, split: Split) -> list[str]:
    seen: dict[str, set[bytes]] = defaultdict(set)
    for line, target in zip(split.lines(), split.targets, strict=True):
        seen[line].add(target.tobytes())
    count = sum(len(targets) > 1 for targets in seen.values())
    return [f"{name}: {count} texts stand there with different labels; all are kept."] if count else []


def _overlap(train: Split, dev: Split) -> list[str]:
    seen = set(train.lines())
    count = sum(line in seen for line in dev.lines())
    return [f"{count} dev rows also stand in train: what is measured on dev is too good."] if count else []


def hold_out(split: Split, share: float, seed: int) -> tuple[list[int], list[int], int]:
    """Choose whole sentences to hold out, and the rows that may then be trained on.

    Data sets that are made of parsed sentences hold their phrases too; held out naively, nearly every row would still be
    read in training, inside another. Only rows that stand inside no other row are held out, as many of each class as its
    share of all rows asks for (of rows with several labels, as many as the share says), and every row that is part of one
    of them, or equal to it, leaves train. A pair of texts is held out as one.

    Returns:
        Places of the train rows and of the held-out rows, ascending, and how many rows are in neither.

    Raises:
        BadInputError: there are too few rows to hold out one of each class.
    """
    wanted = min(round(share * len(split)), MOST_HELD_OUT)
    classes = [0] * len(split) if split.targets.ndim == 2 else split.targets.tolist()
    counts = Counter(classes)
    quota = {target: round(wanted * count / len(split)) for target, count in counts.items()}
    if min(quota.values()) < 1:
        rare = min(counts, key=counts.__getitem__)
        raise BadInputError(
            f"{counts[rare]} rows of the rarest class: too few to hold out {share:.0%} of them. Give a dev file or more rows."
        )
    # A pair's texts are joined by what no token is.
    tokens = [line.replace("\t", " \t ").split(" ") if line.strip() else [] for line in split.lines()]
    sentences = [f" {' '.join(row)} " for row in tokens]
    contained = _Containment(tokens, sentences)
    held_out: list[int] = []
    taken: set[str] = set()
    for row in np.random.default_rng([seed, 0]).permutation(len(split)).tolist():
        target = classes[row]
        if quota[target] > 0 and tokens[row] and sentences[row] not in taken and contained.is_whole(row):
            quota[target] -= 1
            held_out.append(row)
            taken.add(sentences[row])
    if not held_out:
        raise BadInputError("no row stands outside all others: nothing can be held out. Give a dev file.")
    inside = _Containment([tokens[row] for row in held_out], [sentences[row] for row in held_out])
    rows_out = set(held_out)
    kept = [
        row
        for row in range(len(split))
        if row not in rows_out and not (tokens[row] and inside.holds(tokens[row], sentences[row]))
    ]
    return kept, sorted(held_out), len(split) - len(kept) - len(held_out)


class _Containment:
    """Which rows hold a given row as a run of their tokens; a row is looked for where its rarest token stands."""

    def __init__(self, tokens: Sequence[list[str]], sentences: Sequence[str]):
        self._tokens, self._sentences = tokens, sentences
        self._rows_with: dict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(tokens):
            for word in set(words):
                self._rows_with[word].append(row)

    def is_whole(self, row: int) -> bool:
        """Whether no longer row holds this one."""
        sentence = self._sentences[row]
        return not any(
            sentence in self._sentences[other] and len(self._sentences[other]) > len(sentence)
            for other in self._candidates(self._tokens[row])
        )

    def holds(self, tokens: list[str], sentence: str) -> bool:
        """Whether a row holds this sentence or equals it."""
        return any(sentence in self._sentences[other] for other in self._candidates(tokens))

    def _candidates(self, tokens: list[str]) -> list[int]:
        return min((self._rows_with.get(word, []) for word in tokens), key=len)
