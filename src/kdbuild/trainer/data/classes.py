"""Whose place a label has among the classes: in order of its own, or as a fine-tuned teacher has them.

A teacher's classes are matched by their names, else by what it answers on labelled rows, never by place.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.json_text import without_surrogates
from kdbuild.runtime.data.labels import SEPARATOR, name_key

OVER_MAJORITY = 0.10
"""By how much an assignment must agree with more rows than the commonest label has."""
OVER_RUNNER_UP = 0.05
"""By how much it must agree with more rows than any other."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_INTEGER = re.compile(r"[-+]?\d+")


def ordered(values: Collection[str]) -> list[str]:
    """Sort labels: numbers by value and before names, names by code point."""

    def key(value: str) -> tuple[int, Decimal, str]:
        return (0, Decimal(value), value) if _NUMBER.fullmatch(value) else (1, Decimal(0), value)

    return sorted(values, key=key)


def check_names(names: Sequence[str], *, multi_label: bool) -> None:
    """Check the names that a teacher's configuration has for its classes, as labels are checked.

    Raises:
        BadInputError: one is empty, of several lines, not UTF-8, or another's; or it holds what separates labels.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip() or not {"\t", "\n", "\r"}.isdisjoint(name):
            why = "is empty" if not name.strip() else "holds a tab or line end"
        elif name != without_surrogates(name):
            why = "holds half a surrogate pair"
        elif multi_label and SEPARATOR in name:
            why = f"holds '{SEPARATOR}', which separates labels"
        elif (key := name_key(name)) in seen:
            why = f"is that of another class, {seen[key]!r}"
        else:
            seen[key] = name
            continue
        raise BadInputError(f"the teacher's class name {name!r} {why}. Correct id2label in its config.json.")


def match_by_name(values: Collection[str], names: Sequence[str]) -> list[str] | None:
    """Return the labels in the order of a teacher's classes, spelt as the data does; None if their names don't say it.

    Case, blanks and ``LABEL_`` don't matter. Integers are matched with classes that are only numbered, both in numeric order.

    Args:
        values: the labels of the data.
        names: those of the teacher's classes, of which the data may lack some.
    """
    if set(values) <= set(names):
        return list(names)
    by_key = {name_key(value): value for value in values}
    keys = [name_key(name) for name in names]
    if by_key.keys() <= set(keys) and len(by_key) == len(values) and len(set(keys)) == len(keys):
        return [by_key.get(key, name) for key, name in zip(keys, names, strict=True)]
    numbered = set(keys) == set(map(str, range(len(keys))))
    if numbered and len(values) == len(keys) and all(map(_INTEGER.fullmatch, values)):
        in_order = ordered(values)
        return [in_order[int(key)] for key in keys]
    return None


@dataclass(frozen=True)
class Assignment:
    """Which label each class of a teacher stands for, as labelled rows suggest it."""

    labels: list[str]
    """In the order of the teacher's classes."""
    agreement: float
    """Share of the rows whose label is that of the class with the highest logit, 0 to 1."""
    runner_up: float
    """The same of the next best assignment."""
    majority: float
    """Share of the rows that have the commonest label."""

    @property
    def is_plain(self) -> bool:
        """Whether the rows leave no doubt."""
        return self.agreement >= self.majority + OVER_MAJORITY and self.agreement >= self.runner_up + OVER_RUNNER_UP


def assign(labels: Sequence[str], targets: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]) -> Assignment:
    """Find the assignment of labels to classes with which most rows agree.

    Args:
        labels: as many as there are classes.
        targets: the rows' labels, as places among them, ``[rows]``.
        logits: the teacher's, ``[rows, classes]``.
    """
    count = len(labels)
    agree = np.zeros((count, count))
    """Rows by their answer and their label."""
    np.add.at(agree, (logits.argmax(axis=1), targets), 1)
    best = _best(agree)
    total = agree[np.arange(count), best].sum()
    runner_up = 0.0
    for place in range(count):
        without = agree.copy()
        without[place, best[place]] = -len(targets)
        other = _best(without)
        runner_up = max(runner_up, float(without[np.arange(count), other].sum()))
    rows = len(targets)
    majority = np.bincount(targets).max()
    return Assignment([labels[place] for place in best], float(total / rows), runner_up / rows, float(majority / rows))


def _best(gain: npt.NDArray[np.float64]) -> list[int]:
    """Return the column of each row in the permutation of the largest gain (Kuhn 1955, in Jonker & Volgenant's form)."""
    count = len(gain)
    cost = np.zeros((count + 1, count + 1))
    cost[1:, 1:] = -gain
    rows, columns = np.zeros(count + 1), np.zeros(count + 1)
    row_of, way = np.zeros(count + 1, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    for row in range(1, count + 1):
        row_of[0], column = row, 0
        least, used = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=np.bool_)
        while row_of[column]:
            used[column] = True
            here = row_of[column]
            reduced = cost[here] - rows[here] - columns
            better = ~used & (reduced < least)
            better[0] = False
            least[better], way[better] = reduced[better], column
            free = np.where(used, np.inf, least)
            free[0] = np.inf
            column, delta = int(free.argmin()), free.min()
            rows[row_of[used]] += delta
            columns[used] -= delta
            least[~used] -= delta
        while column:
            row_of[column] = row_of[way[column]]
            column = int(way[column])
    result = [0] * count
    for column in range(1, count + 1):
        result[int(row_of[column]) - 1] = column - 1
    return result
