"""Labels as they stand in a cell: one, or, where a text may have several, all of them separated by ``|``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError

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
    """The place of each label in ``labels``; numbers count as places when none of them is a name.

    Raises:
        BadInputError: a label is neither.
    """
    table = _places(values, labels)
    for row, value in enumerate(values, start=1):
        if value not in table:
            raise _unknown(path, row, value, labels)
    return [table[value] for value in values]


def label_matrix(path: Path | str, values: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.int8]:
    """Which of ``labels`` each row's cell holds, 0 or 1, ``[rows, labels]``; numbers count as in :func:`label_indices`.

    Raises:
        BadInputError: a cell holds another label.
    """
    names = [split_labels(value) for value in values]
    table = _places([name for row in names for name in row], labels)
    matrix = np.zeros((len(values), len(labels)), dtype=np.int8)
    for row, held in enumerate(names):
        for name in held:
            if name not in table:
                raise _unknown(path, row + 1, name, labels)
            matrix[row, table[name]] = 1
    return matrix


def _places(values: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    by_name = {name: index for index, name in enumerate(labels)}
    by_number = {str(index): index for index in range(len(labels))}
    return by_number if not any(value in by_name for value in values) else by_name


def _unknown(path: Path | str, row: int, value: str, labels: Sequence[str]) -> BadInputError:
    return BadInputError(
        f"{path}, row {row}: label {value!r} is not one of {', '.join(map(repr, labels[:20]))}. "
        "Correct the row or use data with the same labels."
    )
