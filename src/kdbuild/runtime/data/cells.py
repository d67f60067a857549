"""Values of JSON and Parquet as the strings that a TSV would hold, where they have one right reading."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.json_text import without_surrogates
from kdbuild.runtime.data.labels import join_labels

_SCALARS = (str, bool, int, float, type(None))
_SCALAR_MODULES = ("datetime", "decimal", "numpy", "pandas")
"""Packages whose values are dates, times and numbers."""


def check_doubled(path: Path | str, names: Sequence[str], read: Collection[str], number: int = 1) -> None:
    """Refuse a column that is read and has two places.

    Args:
        path: named in the message.
        names: of all columns, as they stand there.
        read: the names that matter.
        number: of the line, for the message.

    Raises:
        BadInputError: one of the names that matter stands there twice.
    """
    if len(set(names)) == len(names):
        return
    for name in names:
        if name in read and names.count(name) > 1:
            raise BadInputError(
                f"{path}, line {number}: {names.count(name)} columns are named '{name}'. Rename or drop all but one."
            )


def text_cell(path: Path | str, number: int, column: str, value: object) -> str:
    """Return a value of a column of texts or scores; nothing, and a number that is none, are an empty string.

    Args:
        path: named in error messages.
        number: of the line, for error messages.
        column: the name of the column, for error messages.
        value: of JSON or Parquet; a list is joined by spaces.

    Raises:
        BadInputError: the value has parts with names, or lists in lists, or bytes that aren't UTF-8.
    """
    if isinstance(value, bytes):  # what some writers of Parquet make of strings
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadInputError(
                f"{path}, line {number}: '{column}' holds bytes that aren't UTF-8. Write it as strings."
            ) from None
    if isinstance(value, list | tuple):
        parts = [part if isinstance(part, bytes) else _scalar(path, number, column, part) for part in value]
        return " ".join(text_cell(path, number, column, part) if part == part else "nan" for part in parts)
    value = _scalar(path, number, column, value)
    if value is None or value != value:  # NaN
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"  # as JSON spells it
    text = value if isinstance(value, str) else str(value)
    # JSON can spell half a surrogate pair, which no UTF-8 file can hold.
    return without_surrogates(text)


def label_cell(path: Path | str, number: int, column: str, value: object, *, multi_label: bool) -> str:
    """Return a value of the column of labels, in which a list is a set of labels.

    Args:
        path: named in error messages.
        number: of the line, for error messages.
        column: the name of the column, for error messages.
        value: of JSON or Parquet.
        multi_label: a text may have several labels.

    Raises:
        BadInputError: as in :func:`text_cell`; or there are several labels and one is needed.
    """
    if isinstance(value, list | tuple):
        names = [_one_label(path, number, column, part) for part in value]
        if multi_label:
            return join_labels(path, number, names)
        if len(names) != 1:
            raise BadInputError(
                f"{path}, line {number}: '{column}' is a list of {len(names)} labels. "
                "Add --multi-label, or give each text one label."
            )
        return names[0]
    return _one_label(path, number, column, value)


def _one_label(path: Path | str, number: int, column: str, value: object) -> str:
    cell = text_cell(path, number, column, value)
    if isinstance(value, float) and math.isinf(value):
        raise BadInputError(f"{path}, line {number}: label {cell} isn't finite. Correct the row.")
    if isinstance(value, str) and "\ufffd" in cell and "\ufffd" not in value:
        raise BadInputError(f"{path}, line {number}: label {cell!r} holds half a surrogate pair. Correct the row.")
    return cell


def _scalar(path: Path | str, number: int, column: str, value: object) -> object:
    if isinstance(value, dict):
        raise BadInputError(
            f"{path}, line {number}: '{column}' holds an object, not a text. Write its parts into columns of their own."
        )
    if isinstance(value, list | tuple):
        raise BadInputError(f"{path}, line {number}: '{column}' holds lists in a list. Write one text a row.")
    if not isinstance(value, _SCALARS) and type(value).__module__.split(".")[0] not in _SCALAR_MODULES:
        raise BadInputError(
            f"{path}, line {number}: '{column}' holds a {type(value).__name__}, not a text. Name a column of texts."
        )
    return value
