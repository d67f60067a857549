"""Labels as they stand in a cell: one, or, where a text may have several, all of them separated by ``|``."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SEPARATOR = "|"
"""Stands between the labels of a text."""


def split_labels(cell: str) -> list[str]:
    """The labels that stand in a cell; an empty one holds none."""
    return cell.split(SEPARATOR) if cell else []


def join_labels(path: Path | str, number: int, names: Iterable[str]) -> str:
    """The cell that holds these labels.

    Args:
        path: named in error messages.
        number: of the line, for error messages.
        names: the labels of a text.

    Raises:
        BadInputError: a label is empty or holds what separates labels.
    """
    labels = list(names)
    for label in labels:
        if not label:
            raise BadInputError(f"{path}, line {number}: a label in its list is empty. Leave it out.")
        if SEPARATOR in label:
            raise BadInputError(
                f"{path}, line {number}: label {label!r} holds '{SEPARATOR}', which separates labels. Rename it."
            )
    return SEPARATOR.join(labels)


def label_indices(path: Path | str, values: Sequence[str], labels: Sequence[str]) -> list[int]:
    """The place of each label in ``labels``, by its name; see :func:`name_key`.

    Raises:
        BadInputError: a label has none.
    """
    table = _places(values, labels)
    for row, value in enumerate(values, start=1):
        if value not in table:
            raise _unknown(path, row, value, labels)
    return [table[value] for value in values]


def label_sets(path: Path | str, values: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """The places in ``labels`` of those that each row's cell holds; by name.

    Raises:
        BadInputError: a cell holds another label.
    """
    names = [split_labels(value) for value in values]
    table = _places([name for row in names for name in row], labels)
    for row, held in enumerate(names, start=1):
        for name in held:
            if name not in table:
                raise _unknown(path, row, name, labels)
    return [[table[name] for name in held] for held in names]


def label_matrix(path: Path | str, values: Sequence[str], labels: Sequence[str]) -> "npt.NDArray[np.int8]":
    """Which of ``labels`` each row's cell holds, 0 or 1, ``[rows, labels]``; by name.

    Raises:
        BadInputError: a cell holds another label.
    """
    import numpy as np  # the runtime itself does without

    matrix = np.zeros((len(values), len(labels)), dtype=np.int8)
    for row, places in enumerate(label_sets(path, values, labels)):
        matrix[row, places] = 1
    return matrix


def name_key(label: str) -> str:
    """What two spellings of a name have in common: case, blanks, ``LABEL_`` and zeros at a number's end don't matter."""
    key = " ".join(unicodedata.normalize("NFC", label).split()).casefold()
    key = re.sub(r"^label_(?=[0-9]+$)", "", key)
    return key.rstrip("0").removesuffix(".") if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", key) else key


def _places(values: Iterable[str], labels: Sequence[str]) -> dict[str, int]:
    """The place of each value that is a label's name, or has what only one label has in common with it."""
    table = {name: index for index, name in enumerate(labels)}
    keys = [name_key(name) for name in labels]
    counts = Counter(keys)
    by_key = {key: index for index, key in enumerate(keys) if counts[key] == 1}
    for value in set(values) - table.keys():
        if (key := name_key(value)) in by_key:
            table[value] = by_key[key]
    return table


def _unknown(path: Path | str, row: int, value: str, labels: Sequence[str]) -> BadInputError:
    return BadInputError(
        f"{path}, row {row}: label {value!r} is not one of {', '.join(map(repr, labels[:20]))}. "
        "Correct the row or use data with the same labels."
    )
