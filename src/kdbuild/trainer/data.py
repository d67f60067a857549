"""Labelled data: from the user's files to the two splits of a run folder."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.data import FORMATS, Rows, label_indices, read_rows, rows_from_records
from kdbuild.runtime.tokenizer import tokenize
from kdbuild.trainer.options import DataOptions
from kdbuild.trainer.run_folder import file_digest

MOST_HELD_OUT = 2000
"""Rows in a held-out split at most: enough for an interval of about ±1.3 points at 90 %."""


@dataclass(frozen=True)
class Split:
    """Texts, tokenised, with their class or their scores."""

    texts: list[str]
    """As the user wrote them, or, where ``tokenized``, tokens joined by spaces."""
    tokens: list[list[str]] = field(repr=False)
    targets: npt.NDArray[np.int64] = field(repr=False)
    """``[rows]``; the largest score where scores were given."""
    scores: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    """Raw logits, ``[rows, classes]``."""
    tokenized: bool = False
    """Whether the user gave tokens, special ones included."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> "Split":
        """The rows at these places."""
        return Split(
            [self.texts[row] for row in rows],
            [self.tokens[row] for row in rows],
            self.targets[np.asarray(rows, dtype=np.int64)],
            None if self.scores is None else self.scores[np.asarray(rows, dtype=np.int64)],
            self.tokenized,
        )


@dataclass(frozen=True)
class Data:
    """Both splits and the names of the classes."""

    labels: list[str]
    train: Split
    dev: Split
    warnings: list[str]
    """Oddities that were counted and left as they are, a line each."""


def data_files(path: Path) -> list[Path]:
    """The files that DATA means: itself, or the train and dev file in the folder.

    Raises:
        BadInputError: there is no such file, or no train file in the folder.
    """
    if not path.exists():
        raise BadInputError(f"{path}: no such file or folder. Check the path.")
    if path.is_file():
        return [path]
    found = {
        name: [path / f"{name}{suffix}" for suffix in (*FORMATS, ".parquet") if (path / f"{name}{suffix}").is_file()]
        for name in ("train", "dev")
    }
    for name, files in found.items():
        if len(files) > 1:
            raise BadInputError(f"{path}: has {files[0].name} and {files[1].name}. Keep one {name} file.")
    if not found["train"]:
        raise BadInputError(
            f"{path}: holds no train.tsv (or .csv, .jsonl, .parquet). Name the file itself, or rename it."
        )
    return found["train"] + found["dev"]


def digests(files: Sequence[Path]) -> dict[str, str]:
    """Name and SHA-256 of each file."""
    return {path.name: file_digest(path) for path in files}


def load_rows(path: Path) -> Rows:
    """Read one data file, Parquet through the ``datasets`` library."""
    if path.suffix.lower() != ".parquet":
        return read_rows(path)
    import pyarrow
    import pyarrow.parquet
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    try:
        # The library fails on a file without rows.
        if pyarrow.parquet.read_metadata(path).num_rows == 0:
            raise BadInputError(f"{path}: a header and no row. At least one row is needed.")
        table = Dataset.from_parquet(str(path), keep_in_memory=path.stat().st_size < 1 << 28)
    except (DatasetGenerationError, pyarrow.ArrowInvalid, OSError, ValueError) as error:
        raise BadInputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error
    names = {name: feature.int2str for name, feature in table.features.items() if hasattr(feature, "int2str")}

    def cell(name: str, value: object) -> str:
        if value is None or (name in names and value == -1):  # the hub's mark of a row without label
            return ""
        if name in names:
            return str(names[name](value))
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    records = (
        (number, {name: cell(name, value) for name, value in row.items()}) for number, row in enumerate(table, 1)
    )
    return rows_from_records(path, records)


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


def load_data(path: Path, options: DataOptions, teacher_names: Sequence[str] | None = None) -> Data:
    """Read the user's data, check it, and hold rows out if no dev file is there.

    Raises:
        BadInputError: the data can't be trained on; the message says why.
    """
    files = data_files(path)
    rows = [load_rows(file) for file in files]
    for file, part in zip(files, rows, strict=True):
        if part.labels is None and part.scores is None:
            raise BadInputError(f"{file}: has texts but neither 'label' nor 'scores'. Add one of these columns.")
    train = rows[0]
    if train.labels is not None:
        if len(set(train.labels)) < 2:
            raise BadInputError(
                f"{files[0]}: every row has the label {train.labels[0]!r}. Two classes at least are needed."
            )
        labels = label_names(set(train.labels), teacher_names)
    else:
        classes = len((train.scores or [[]])[0])
        if teacher_names and len(teacher_names) != classes:
            raise BadInputError(f"{files[0]}: {classes} scores a row, the teacher has {len(teacher_names)} classes.")
        labels = list(teacher_names or map(str, range(classes)))
    splits = [to_split(file, part, labels) for file, part in zip(files, rows, strict=True)]
    if len(splits) == 2:
        warnings = [*_conflicts(files[0].name, splits[0]), *_overlap(splits[0], splits[1])]
        return Data(labels, splits[0], splits[1], warnings)
    kept, held_out, dropped = hold_out(splits[0], options.holdout, options.seed)
    warnings = _conflicts(files[0].name, splits[0])
    if dropped:
        warnings.append(f"{dropped} rows left out of train: each is a phrase of a held-out row, or the same text.")
    return Data(labels, splits[0].take(kept), splits[0].take(held_out), warnings)


def to_split(path: Path, rows: Rows, labels: list[str]) -> Split:
    """Tokenise rows and find their classes.

    Raises:
        BadInputError: a label isn't among the labels, or the scores are of another number.
    """
    tokens = [text.split() if rows.tokenized else tokenize(text) for text in rows.texts]
    if rows.labels is not None:
        targets = np.array(label_indices(path, rows.labels, labels), dtype=np.int64)
        return Split(rows.texts, tokens, targets, tokenized=rows.tokenized)
    scores = np.array(rows.scores, dtype=np.float32)
    if scores.shape[1] != len(labels):
        raise BadInputError(f"{path}: {scores.shape[1]} scores a row for {len(labels)} classes. Write one per class.")
    return Split(rows.texts, tokens, scores.argmax(axis=1), scores, rows.tokenized)


def _conflicts(name: str, split: Split) -> list[str]:
    seen: dict[str, set[int]] = defaultdict(set)
    for tokens, target in zip(split.tokens, split.targets, strict=True):
        seen[" ".join(tokens)].add(int(target))
    count = sum(len(targets) > 1 for targets in seen.values())
    return [f"{name}: {count} texts stand there with different labels; all are kept."] if count else []


def _overlap(train: Split, dev: Split) -> list[str]:
    seen = set(map(" ".join, train.tokens))
    count = sum(" ".join(tokens) in seen for tokens in dev.tokens)
    return [f"{count} dev rows also stand in train: what is measured on dev is too good."] if count else []


def hold_out(split: Split, share: float, seed: int) -> tuple[list[int], list[int], int]:
    """Choose whole sentences to hold out, and the rows that may then be trained on.

    Data sets that are made of parsed sentences hold their phrases too; held out naively, nearly every row would still be
    read in training, inside another. Only rows that stand inside no other row are held out, as many of each class as its
    share of all rows asks for, and every row that is part of one of them, or equal to it, leaves train.

    Returns:
        Places of the train rows and of the held-out rows, ascending, and how many rows are in neither.

    Raises:
        BadInputError: there are too few rows to hold out one of each class.
    """
    wanted = min(round(share * len(split)), MOST_HELD_OUT)
    counts = Counter(split.targets.tolist())
    quota = {target: round(wanted * count / len(split)) for target, count in counts.items()}
    if min(quota.values()) < 1:
        rare = min(counts, key=counts.__getitem__)
        raise BadInputError(
            f"{counts[rare]} rows of the rarest class: too few to hold out {share:.0%} of them. Give a dev file or more rows."
        )
    sentences = [f" {' '.join(tokens)} " for tokens in split.tokens]
    contained = _Containment(split.tokens, sentences)
    held_out: list[int] = []
    taken: set[str] = set()
    for row in np.random.default_rng([seed, 0]).permutation(len(split)).tolist():
        target = int(split.targets[row])
        if quota[target] > 0 and split.tokens[row] and sentences[row] not in taken and contained.is_whole(row):
            quota[target] -= 1
            held_out.append(row)
            taken.add(sentences[row])
    if not held_out:
        raise BadInputError("no row stands outside all others: nothing can be held out. Give a dev file.")
    inside = _Containment([split.tokens[row] for row in held_out], [sentences[row] for row in held_out])
    rows_out = set(held_out)
    kept = [
        row
        for row in range(len(split))
        if row not in rows_out and not (split.tokens[row] and inside.holds(split.tokens[row], sentences[row]))
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
