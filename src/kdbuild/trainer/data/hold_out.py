"""Which rows are held out where the data has no dev part: whole sentences, and nothing that train gives away."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.split import Split

MOST_HELD_OUT = 2000
"""Rows in a held-out split at most: enough for an interval of about ±1.3 points at 90 %."""


_TRIES = 20
"""Drawings, each by the next seed, until every class is on both sides."""


def hold_out(
    split: Split, share: float, seed: int, labels: Sequence[str] | None = None
) -> tuple[list[int], list[int], int]:
    """Choose whole sentences to hold out, and the rows that may then be trained on.

    Data sets that are made of parsed sentences hold their phrases too; held out naively, nearly every row would still be
    read in training, inside another. Only rows that stand inside no other row are held out, as many of each class, or of each
    of several labels, as its share of all rows asks for, and every row that is part of one of them, or equal to it, leaves
    train. A pair of texts is held out as one.

    Where texts may have several labels, one of a single row stays in train, and one may be missing from what is held out, if
    no drawing puts it there.

    Args:
        split: all rows.
        share: of the rows to hold out, 0 to 1.
        seed: of the drawing.
        labels: the names of the classes, for messages.

    Returns:
        Places of the train rows and of the held-out rows, ascending, and how many rows are in neither.

    Raises:
        BadInputError: a class can't be on both sides: it has too few rows, each stands inside a longer one, or what is held
            out holds the others; or a label of several would leave train.
    """
    wanted = min(round(share * len(split)), MOST_HELD_OUT)
    classes = [0] * len(split) if split.targets.ndim == 2 else split.targets.tolist()
    names = labels or [str(place) for place in range(1 + max(classes))]
    counts = Counter(classes)
    quota = {target: round(wanted * count / len(split)) for target, count in counts.items()}
    if min(quota.values()) < 1:
        rare = min(counts, key=counts.__getitem__)
        what = (
            f"label {names[rare]!r} has {counts[rare]} row{'s' * (counts[rare] != 1)}"
            if split.targets.ndim == 1
            else f"{len(split)} row{'s' * (len(split) != 1)}"
        )
        raise BadInputError(f"{what}: too few to hold out {share:.0%} of them. Give a dev file or more rows.")
    tokens = _joined_tokens(split)
    sentences = [f" {' '.join(row)} " for row in tokens]
    whole = _Whole(tokens, sentences)
    missing, best = "", None
    for number in range(_TRIES):
        order = np.random.default_rng([seed, 0, number] if number else [seed, 0]).permutation(len(split)).tolist()
        if split.targets.ndim == 2:
            held_out = _choose_sets(split.targets.astype(np.int64), order, wanted, whole)
        else:
            held_out = _choose(order, dict(quota), classes, whole)
        kept = _not_given_away(held_out, tokens, sentences)
        if problem := _missing(split, classes, held_out, kept, names):
            missing = problem
            continue
        lacking = _lacking(split.targets, held_out)
        if best is None or lacking < best[0]:
            best = lacking, kept, sorted(held_out), len(split) - len(kept) - len(held_out)
        if not lacking:
            break
    if best is None:
        raise BadInputError(missing)
    return best[1:]


def _choose(order: Sequence[int], quota: dict[int, int], classes: Sequence[int], whole: "_Whole") -> list[int]:
    """Take whole rows in this order until each class has its quota."""
    held_out: list[int] = []
    for row in order:
        if quota[classes[row]] > 0 and whole.take(row):
            quota[classes[row]] -= 1
            held_out.append(row)
    whole.taken.clear()
    return held_out


def _choose_sets(targets: npt.NDArray[np.int64], order: Sequence[int], wanted: int, whole: "_Whole") -> list[int]:
    """Take whole rows until each label has its share, the rarest label first (Sechidis, Tsoumakas & Vlahavas 2011).

    Of a label's rows those are taken first whose other labels need some, too; rows without a label are a kind of their own.
    A label of two rows or more gets one at least, and none loses its last row.
    """
    held = np.column_stack([targets, ~targets.any(axis=1)]).astype(np.int64)
    counts = held.sum(axis=0)
    need = np.maximum(np.rint(wanted * counts / len(held)).astype(np.int64), counts > 1)
    left = counts.copy()
    kinds = [np.flatnonzero(row) for row in held]
    held_out: list[int] = []
    shuffled = np.asarray(order)
    for label in np.argsort(counts, kind="stable").tolist():
        rows = shuffled[held[shuffled, label] == 1].tolist()
        for fits in (True, False):
            for row in rows:
                if need[label] <= 0:
                    break
                kind = kinds[row]
                if (fits and (need[kind] <= 0).any()) or (left[kind] <= 1).any() or not whole.take(row):
                    continue
                need[kind] -= 1
                left[kind] -= 1
                held_out.append(row)
    whole.taken.clear()
    return held_out


def _lacking(targets: npt.NDArray[Any], held_out: Sequence[int]) -> int:
    """Count the labels, of texts that may have several, that have two rows or more and none among those held out."""
    if targets.ndim == 1:
        return 0  # each class is there, or nothing was held out
    return int(((targets.sum(axis=0, dtype=np.int64) > 1) & ~targets[list(held_out)].any(axis=0)).sum())


def _not_given_away(held_out: Sequence[int], tokens: Sequence[list[str]], sentences: Sequence[str]) -> list[int]:
    """Return the rows that are neither held out nor part of one that is."""
    inside = _Containment([tokens[row] for row in held_out], [sentences[row] for row in held_out])
    rows_out = set(held_out)
    return [
        row
        for row in range(len(tokens))
        if row not in rows_out and not (tokens[row] and inside.holds(tokens[row], sentences[row]))
    ]


def _missing(
    split: Split, classes: Sequence[int], held_out: Sequence[int], kept: Sequence[int], names: Sequence[str]
) -> str:
    """Return what to say of the first class that is missing on a side, or nothing."""
    if not held_out:
        return "no row stands outside all others: nothing can be held out. Give a dev file."
    if split.targets.ndim == 2:
        gone = split.targets.any(axis=0) & ~split.targets[list(kept)].any(axis=0)
        if gone.any() or not kept:
            label = f"label {names[int(gone.argmax())]!r}" if gone.any() else "the data"
            return f"{label}: all its rows stand in what is held out, and none is left to train on. Give a dev file."
        return ""
    here, there = {classes[row] for row in kept}, {classes[row] for row in held_out}
    for target, count in sorted(Counter(classes).items()):
        if target not in there:
            return (
                f"label {names[target]!r}: each of its {count} rows has no text or stands inside a longer row, so none can "
                "be held out. Give a dev file."
            )
        if target not in here:
            return (
                f"label {names[target]!r}: its {count} rows are one text, or parts of those held out, and none is left to "
                "train on. Give a dev file or more rows."
            )
    return ""


def _joined_tokens(split: Split) -> list[list[str]]:
    """Return the tokens of each row; those of a pair are joined by what no token is, and a row of no token has none.

    An empty side of a pair counts as one empty token, so that such a pair isn't part of every pair with the other side.
    """
    if split.pair_tokens is None:
        return split.tokens
    pairs = zip(split.tokens, split.pair_tokens, strict=True)
    return [[*(first or [""]), "\t", *(second or [""])] if first or second else [] for first, second in pairs]


class _Whole:
    """Which rows stand inside no longer row, each looked at when it is asked for, and which texts are taken."""

    def __init__(self, tokens: Sequence[list[str]], sentences: Sequence[str]):
        self.tokens, self.sentences = tokens, sentences
        self._contained = _Containment(tokens, sentences)
        self._known: dict[int, bool] = {}
        self.taken: set[str] = set()

    def take(self, row: int) -> bool:
        """Take a row if it has a token, is whole, and no row of the same text was taken before."""
        if not self.tokens[row] or self.sentences[row] in self.taken:
            return False
        if row not in self._known:
            self._known[row] = self._contained.is_whole(row)
        if self._known[row]:
            self.taken.add(self.sentences[row])
        return self._known[row]


class _Containment:
    """Which rows hold a given row as a run of their tokens; a row is looked for where its rarest token stands."""

    def __init__(self, tokens: Sequence[list[str]], sentences: Sequence[str]):
        self._tokens, self._sentences = tokens, sentences
        self._rows_with: dict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(tokens):
            for word in set(words):
                self._rows_with[word].append(row)

    def is_whole(self, row: int) -> bool:
        """Tell whether no longer row holds this one."""
        sentence = self._sentences[row]
        return not any(
            sentence in self._sentences[other] and len(self._sentences[other]) > len(sentence)
            for other in self._candidates(self._tokens[row])
        )

    def holds(self, tokens: list[str], sentence: str) -> bool:
        """Tell whether a row holds this sentence or equals it."""
        return any(sentence in self._sentences[other] for other in self._candidates(tokens))

    def _candidates(self, tokens: list[str]) -> list[int]:
        return min((self._rows_with.get(word, []) for word in tokens), key=len)
