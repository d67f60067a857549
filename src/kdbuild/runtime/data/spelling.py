"""Labels that are one and the same, spelt in several ways: made one where there is one right reading, else refused."""

import ast
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.labels import SEPARATOR, join_labels, split_labels
from kdbuild.runtime.data.readers import Rows

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_BOOLEANS = ("true", "false")
_QUOTED_LIST = re.compile(r"\[\s*(['\"]).*\1\s*\]", re.DOTALL)


def one_spelling(path: Path | str, rows: Rows, *, multi_label: bool) -> Rows:
    """Give each label one spelling.

    Labels that differ in blanks or in how Unicode composes a letter get the plainest spelling, numbers of one value the
    shortest, booleans of several spellings that of JSON; lists as Python and JSON write them are sets of labels. Labels of
    which no other differs so stay as they are.

    Args:
        path: named in error messages.
        rows: what was read.
        multi_label: a text may have several labels.

    Raises:
        BadInputError: labels differ in case alone, booleans stand beside numbers, a label is blank, or a list stands where
            one label is needed.
    """
    if rows.labels is None:
        return rows
    cells = unlisted(path, rows.labels, multi_label=multi_label)
    names = Counter(name for cell in cells for name in (split_labels(cell) if multi_label else [cell]))
    spelling = _spellings(path, names)
    if spelling:
        changed = {cell: _respelt(cell, spelling, multi_label=multi_label) for cell in set(cells)}
        cells = [changed[cell] for cell in cells]
    return rows if cells == rows.labels else replace(rows, labels=cells)


def unlisted(path: Path | str, cells: list[str], *, multi_label: bool) -> list[str]:
    """Read labels that are written as a list in a cell, such as ``['a', 'b']``.

    Raises:
        BadInputError: such a list can't be read, or one label is needed.
    """
    lists = {cell: _listed(cell) for cell in set(cells) if cell.startswith("[") and cell.endswith("]")}
    found = []
    for row, cell in enumerate(cells, start=1):
        names = lists.get(cell)
        if names is None and (cell not in lists or not _QUOTED_LIST.fullmatch(cell)):
            found.append(cell)
        elif not multi_label:
            raise BadInputError(
                f"{path}, row {row}: label {cell!r} is written as a list. Add --multi-label, or give each text one label."
            )
        elif names is None:
            raise BadInputError(
                f"{path}, row {row}: labels {cell!r} aren't a list as Python or JSON writes it. "
                f"Write '{SEPARATOR}' between labels."
            )
        else:
            found.append(join_labels(path, row, dict.fromkeys(names)))
    return found


def _listed(cell: str) -> list[str] | None:
    """The members of a list, where Python or JSON would write just that list in just that way."""
    readers: tuple[tuple[Callable[[str], object], Callable[[object], str]], ...] = (
        (ast.literal_eval, repr),
        (json.loads, json.dumps),
        (json.loads, lambda value: json.dumps(value, ensure_ascii=False)),
        (json.loads, lambda value: json.dumps(value, separators=(",", ":"))),
        (json.loads, lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))),
    )
    for read, write in readers:
        try:
            value = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if (
            isinstance(value, list)
            and all(isinstance(part, str | int | float) for part in value)
            and write(value) == cell
        ):
            return [str(part) for part in value]
    return None


def _spellings(path: Path | str, names: Mapping[str, int]) -> dict[str, str]:
    """Return the spelling of each label that is to have another."""
    spelling = _one_a_group(names, lambda name: " ".join(unicodedata.normalize("NFC", name).split()))
    truths = {name for name in names if name.strip().casefold() in _BOOLEANS}
    if len({(name.islower(), name.isupper()) for name in truths}) > 1:
        spelling |= {name: name.strip().casefold() for name in truths}
    if "" in spelling.values() or any(name and not name.strip() for name in names):
        blank = next(name for name in names if name and not name.strip())
        raise BadInputError(f"{path}: label {blank!r} is blank. Every row needs a label.")
    plain = {spelling.get(name, name) for name in names}
    numbers = [name for name in plain if _NUMBER.fullmatch(name)]
    values = _one_a_group(numbers, lambda name: min((n for n in numbers if Decimal(n) == Decimal(name)), key=len))
    folded: dict[str, list[str]] = defaultdict(list)
    for name in sorted(plain):
        folded[name.casefold()].append(name)
    for same in folded.values():
        if len(same) > 1:
            rows = [sum(count for name, count in names.items() if spelling.get(name, name) == one) for one in same[:2]]
            raise BadInputError(
                f"{path}: labels {same[0]!r} ({rows[0]:,} rows) and {same[1]!r} ({rows[1]:,} rows) differ in case alone. "
                "Write one of them throughout, or rename one."
            )
    truths = {name for name in plain if name.casefold() in _BOOLEANS}
    digits = sorted(name for name in plain if values.get(name, name) in ("0", "1"))
    if truths and digits:
        raise BadInputError(
            f"{path}: labels {min(truths)!r} and {digits[0]!r} stand side by side, booleans and numbers. "
            "Write one kind throughout."
        )
    both = {name: values.get(spelling.get(name, name), spelling.get(name, name)) for name in names}
    return {name: other for name, other in both.items() if name != other}


def _one_a_group(names: Iterable[str], key: Callable[[str], str]) -> dict[str, str]:
    """Return the key of each name that shares it with another name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return {name: common for common, same in groups.items() if len(same) > 1 for name in same if name != common}


def _respelt(cell: str, spelling: Mapping[str, str], *, multi_label: bool) -> str:
    if not multi_label:
        return spelling.get(cell, cell)
    return SEPARATOR.join(dict.fromkeys(spelling.get(name, name) for name in split_labels(cell)))
