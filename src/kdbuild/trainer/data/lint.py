"""What is odd in labelled data: contradictions, repetitions, rows of dev that train gives away, texts that can't be meant.

Two rows have the same text when their tokens are the same. All checks together take time linear in the number of tokens:
0.7 s for 100,000 rows of 20 tokens with 5,000 rows of dev, on one server core, after 2 to 3 s of reading and tokenising.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.data.labels import SEPARATOR
from kdbuild.runtime.data.tables import is_quoted
from kdbuild.trainer.data.containment import find_runs
from kdbuild.trainer.data.oddities import (
    is_missing,
    is_missing_label,
    is_written_value,
    similar_labels,
    unspaced_script,
)
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions

MOST_TOKENS = StudentOptions().max_tokens
"""Tokens that a text is cut to by default."""
MOST_EXAMPLES = 3
"""The most examples that a finding shows."""
SKEWED = 5.0
"""Ratio of the most frequent class to the rarest from which it is worth a word."""
NO_LABEL = "(none)"
"""Stands for the labels of a row that has none, where a text may have several."""

Kind = Literal[
    "conflicts",
    "duplicates",
    "overlap",
    "contained",
    "empty",
    "long",
    "unspaced",
    "quoted",
    "written",
    "missing",
    "similar",
    "unseen",
    "skewed",
]
STRICT: tuple[Kind, ...] = ("conflicts", "duplicates", "overlap")
"""What ``--strict`` doesn't let pass: each is a mistake, or at least falsifies what is measured."""
_ADVICE: dict[Kind, str] = {
    "conflicts": "Correct the labels, or drop the rows: a classifier gives each text one answer.",
    "duplicates": "Drop the repetitions, unless they are meant as a weight.",
    "overlap": "Drop these rows from train or from dev: what is measured on dev is too good.",
    "contained": "Look at some: if dev holds phrases of train's sentences, what is measured is too good. Keep sentences whole.",
    "empty": "Drop these rows: a text without a token is read as one unknown word.",
    "long": "What is decided after the limit isn't read: raise --max-tokens, or shorten the texts.",
    "unspaced": "Use --tokenizer pieces, or put blanks between the words: a sentence that is one token is an unknown word.",
    "quoted": "Write the texts without the quotes, unless they are meant: a quoted cell was quoted again.",
    "written": "Write the text itself, or one text a row.",
    "missing": "Drop these rows, or leave the cell empty, if nothing was meant.",
    "similar": "Write one of them throughout, if they are one label.",
    "unseen": "Add rows of these labels to train, or drop them from dev: they can't be learned.",
    "skewed": "Look at the macro-F1 beside the accuracy, and try --balance weights.",
}


@dataclass(frozen=True)
class Place:
    """Where a row stands."""

    split: str
    """``train`` or ``dev``."""
    row: int
    """From 1; a header isn't counted."""
    label: str
    """The row's label; several are joined by ``|``."""


@dataclass(frozen=True)
class Example:
    """Rows that show a finding."""

    text: str
    """As it stands in the first of the rows; the two texts of a pair with a tab between them."""
    places: list[Place]
    """Where all the rows shown stand, those in another split last."""


@dataclass(frozen=True)
class Finding:
    """One kind of oddity."""

    kind: Kind
    split: str
    """``train`` or ``dev``: whose rows are counted."""
    rows: int
    """Number of rows concerned."""
    summary: str
    advice: str
    examples: list[Example]
    """The first ones in the order of the data, :data:`MOST_EXAMPLES` at most."""


@dataclass(frozen=True)
class Lengths:
    """How long a split's texts are, in tokens; of pairs, both texts together."""

    rows: int
    p50: int
    p95: int
    longest: int


@dataclass(frozen=True)
class ClassCount:
    """Rows of a class; a row with several labels counts for each of them."""

    label: str
    train: int
    train_share: float
    """0 to 1, of train's rows."""
    dev: int | None
    """None where there is no dev."""
    dev_share: float | None


@dataclass(frozen=True)
class Report:
    """What was found."""

    train: Lengths
    dev: Lengths | None
    classes: list[ClassCount]
    imbalance: float
    """Rows of the most frequent class in train divided by those of the rarest that has any."""
    findings: list[Finding]

    @property
    def strict_findings(self) -> list[Finding]:
        """Those that ``--strict`` doesn't let pass."""
        return [finding for finding in self.findings if finding.kind in STRICT]


def lint(train: Split, dev: Split | None, labels: list[str], tokenizer: str = StudentOptions().tokenizer) -> Report:
    """Look a data set through, every check on every split that it applies to.

    Args:
        train: the rows to train on.
        dev: the rows to measure on, if they are apart already.
        labels: the classes in order; all that either split has.
        tokenizer: what the student will read; pieces need no blanks between words.
    """
    train_part = _Part("train", train, labels)
    dev_part = None if dev is None else _Part("dev", dev, labels)
    parts = [train_part] if dev_part is None else [train_part, dev_part]
    findings = [finding for check in (_conflicts, _duplicates) for part in parts for finding in check(part)]
    if dev_part is not None:
        findings += [*_overlap(train_part, dev_part), *_contained(train_part, dev_part)]
    single = [_empty, _long, *([_unspaced] if tokenizer == "words" else []), _quoted, _written, _missing]
    findings += [finding for check in single for part in parts for finding in check(part)]
    findings += [finding for part in parts for finding in _similar(part)]
    if dev_part is not None:
        findings += _unseen(train_part, dev_part)
    findings += _skewed(train_part)
    in_train = train_part.counts_and_shares()
    in_dev: Sequence[tuple[int | None, float | None]] = [(None, None)] * len(labels)
    if dev_part is not None:
        in_dev = dev_part.counts_and_shares()
    return Report(
        train=train_part.lengths(),
        dev=None if dev_part is None else dev_part.lengths(),
        classes=[ClassCount(label, *here, *there) for label, here, there in zip(labels, in_train, in_dev, strict=True)],
        imbalance=train_part.imbalance,
        findings=findings,
    )


class _Part:
    """A split with what all checks need."""

    def __init__(self, name: str, split: Split, labels: Sequence[str]):
        self.name, self.split, self.labels = name, split, labels
        self.targets: list[Any] = [
            tuple(target) if isinstance(target, list) else target for target in split.targets.tolist()
        ]
        """The rows' labels, in a form that can be compared and put into sets."""
        pairs, texts = split.pair_tokens, split.row_texts()
        self.is_empty = [not text.is_complete for text in texts]
        self.rows_of: dict[RowText, list[int]] = defaultdict(list)
        """Rows by their tokens, those without a token left out."""
        for row, text in enumerate(texts):
            if text.is_complete:
                self.rows_of[text].append(row)
        self.token_counts = np.array([len(tokens) for tokens in split.tokens])
        """``[rows]``; of both texts of a pair together."""
        if pairs is not None:
            self.token_counts += [len(tokens) for tokens in pairs]
        held = split.targets if split.targets.ndim == 2 else split.targets[:, None] == np.arange(len(labels))
        self.holds: npt.NDArray[np.bool_] = held.astype(np.bool_)
        """Which labels each row has, ``[rows, classes]``."""
        self.class_counts = self.holds.sum(axis=0)
        """Rows of each class, ``[classes]``."""

    def counts_and_shares(self) -> list[tuple[int, float]]:
        """Return the rows of each class, and their share of all rows."""
        return [(count, count / len(self.split)) for count in self.class_counts.tolist()]

    @property
    def imbalance(self) -> float:
        counts = self.class_counts[self.class_counts > 0]
        return float(counts.max() / counts.min()) if len(counts) else 1.0

    def lengths(self) -> Lengths:
        p50, p95 = np.quantile(self.token_counts, [0.5, 0.95], method="inverted_cdf")
        return Lengths(len(self.split), int(p50), int(p95), int(self.token_counts.max()))

    def place(self, row: int) -> Place:
        names = [label for label, held in zip(self.labels, self.holds[row], strict=True) if held]
        return Place(self.name, row + 1, SEPARATOR.join(names) or NO_LABEL)

    def example(self, rows: Sequence[int], *others: Place) -> Example:
        """These rows, and places elsewhere."""
        text, pairs = self.split.texts[rows[0]], self.split.pair_texts
        whole = text if pairs is None else f"{text}\t{pairs[rows[0]]}"
        return Example(whole, [*map(self.place, rows), *others])

    def finding(self, kind: Kind, rows: int, summary: str, examples: Iterable[Example] = ()) -> Iterator[Finding]:
        """Yield one finding, or none where no row is concerned."""
        if rows:
            yield Finding(kind, self.name, rows, summary, _ADVICE[kind], list(islice(examples, MOST_EXAMPLES)))


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _conflicts(part: _Part) -> Iterator[Finding]:
    groups = [rows for rows in part.rows_of.values() if len({part.targets[row] for row in rows}) > 1]
    rows = sum(map(len, groups))
    texts = "1 text" if len(groups) == 1 else f"{len(groups):,} texts"
    # The first row of each label, as a dictionary keeps the last value that it is given.
    shown = (sorted({part.targets[row]: row for row in reversed(group)}.values()) for group in groups)
    return part.finding("conflicts", rows, f"{texts} with different labels, in {_rows(rows)}", map(part.example, shown))


def _duplicates(part: _Part) -> Iterator[Finding]:
    same: dict[tuple[RowText, Any], list[int]] = defaultdict(list)
    for line, rows in part.rows_of.items():
        for row in rows if len(rows) > 1 else ():
            same[line, part.targets[row]].append(row)
    repeated = [rows for rows in same.values() if len(rows) > 1]
    count = sum(len(rows) - 1 for rows in repeated)
    examples = (part.example(rows[:MOST_EXAMPLES]) for rows in repeated)
    return part.finding("duplicates", count, f"{_rows(count)} whose text and label an earlier row has", examples)


def _overlap(train: _Part, dev: _Part) -> Iterator[Finding]:
    groups = [(here, train.rows_of[line]) for line, here in dev.rows_of.items() if line in train.rows_of]
    count = sum(len(here) for here, _ in groups)
    contradicted = sum(
        dev.targets[row] not in {train.targets[other] for other in there} for here, there in groups for row in here
    )
    summary = f"{_rows(count)} whose text train has too, {contradicted:,} with another label"
    examples = (dev.example(here[:1], train.place(there[0])) for here, there in groups)
    return dev.finding("overlap", count, summary, examples)


def _contained(train: _Part, dev: _Part) -> Iterator[Finding]:
    """Find texts that train has inside a longer one; pairs are left out, whose texts often recur by design."""
    if dev.split.pair_tokens is not None:
        return iter(())
    groups = [rows for line, rows in dev.rows_of.items() if line not in train.rows_of]
    found = find_runs([dev.split.tokens[rows[0]] for rows in groups], train.split.tokens)
    held = [(groups[index], found[index]) for index in sorted(found)]
    count = sum(len(here) for here, _ in held)
    examples = (dev.example(here[:1], train.place(there)) for here, there in held)
    return dev.finding("contained", count, f"{_rows(count)} whose text is part of a longer one in train", examples)


def _empty(part: _Part) -> Iterator[Finding]:
    rows = [row for row, empty in enumerate(part.is_empty) if empty]
    what = "without a token" if part.split.pair_tokens is None else "with a text without a token"
    return part.finding("empty", len(rows), f"{_rows(len(rows))} {what}", (part.example([row]) for row in rows))


def _long(part: _Part) -> Iterator[Finding]:
    rows = np.flatnonzero(part.token_counts > MOST_TOKENS).tolist()
    summary = f"{_rows(len(rows))} of more than {MOST_TOKENS} tokens"
    return part.finding("long", len(rows), summary, (part.example([row]) for row in rows))


def _unspaced(part: _Part) -> Iterator[Finding]:
    pairs: Sequence[list[str]] = part.split.pair_tokens or [[]] * len(part.split)
    scripts = [unspaced_script([*here, *there]) for here, there in zip(part.split.tokens, pairs, strict=True)]
    rows = [row for row, script in enumerate(scripts) if script]
    names = ", ".join(sorted({script for script in scripts if script}))
    summary = f"{_rows(len(rows))} whose words no blanks separate, and which come out as few tokens ({names})"
    return part.finding("unspaced", len(rows), summary, (part.example([row]) for row in rows))


def _looking(part: _Part, test: Callable[[str], bool], of_label: Callable[[str], bool] | None = None) -> list[int]:
    """Return the rows with a text, or a label, that passes a test, the same for both if only one is given."""
    odd = [(of_label or test)(label) for label in part.labels]
    by_label = np.asarray(part.holds[:, odd].any(axis=1))
    pairs: Sequence[str] = part.split.pair_texts or [""] * len(part.split)
    rows = enumerate(zip(part.split.texts, pairs, by_label, strict=True))
    return [row for row, (text, pair, is_odd) in rows if is_odd or test(text) or test(pair)]


def _quoted(part: _Part) -> Iterator[Finding]:
    rows = _looking(part, is_quoted)
    summary = f"{_rows(len(rows))} like quoted cells, their own quotes doubled"
    return part.finding("quoted", len(rows), summary, (part.example([row]) for row in rows))


def _written(part: _Part) -> Iterator[Finding]:
    rows = _looking(part, is_written_value)
    summary = f"{_rows(len(rows))} like a list or bytes as Python writes them"
    return part.finding("written", len(rows), summary, (part.example([row]) for row in rows))


def _missing(part: _Part) -> Iterator[Finding]:
    rows = _looking(part, is_missing, is_missing_label)
    summary = f"{_rows(len(rows))} of what programs write where there is nothing, such as nan and null"
    return part.finding("missing", len(rows), summary, (part.example([row]) for row in rows))


def _similar(part: _Part) -> Iterator[Finding]:
    used = [label for label, count in zip(part.labels, part.class_counts.tolist(), strict=True) if count]
    for same in similar_labels(used):
        rows = np.flatnonzero(part.holds[:, [label in same for label in part.labels]].any(axis=1)).tolist()
        firsts = [next(row for row in rows if part.holds[row, part.labels.index(label)]) for label in same]
        names = ", ".join(map(repr, same))
        yield from part.finding(
            "similar", len(rows), f"labels nearly alike: {names}", [part.example([row]) for row in sorted(set(firsts))]
        )


def _unseen(train: _Part, dev: _Part) -> Iterator[Finding]:
    unseen = (train.class_counts == 0) & (dev.class_counts > 0)
    rows = np.flatnonzero(dev.holds[:, unseen].any(axis=1)).tolist()
    names = ", ".join(repr(label) for label, lacking in zip(dev.labels, unseen, strict=True) if lacking)
    summary = f"{_rows(len(rows))} of labels that train lacks: {names}"
    return dev.finding("unseen", len(rows), summary, (dev.example([row]) for row in rows))


def _skewed(part: _Part) -> Iterator[Finding]:
    if part.imbalance < SKEWED:
        return iter(())
    counted = sorted(
        (count, label) for label, count in zip(part.labels, part.class_counts.tolist(), strict=True) if count
    )
    summary = f"{counted[-1][1]!r} has {part.imbalance:.1f} times the rows of {counted[0][1]!r}"
    return part.finding("skewed", counted[0][0], summary)
