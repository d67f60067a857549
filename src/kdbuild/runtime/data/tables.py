"""Tables in text, a record a row: TSV and CSV, and which TSVs are quoted."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.cells import check_doubled

Record = tuple[int, dict[str, str]]
"""A line number, from 1, and the columns that stand there."""

_QUOTED = re.compile(r'"(?:[^"]|"")*"', re.DOTALL)
_CELL = re.compile(r'(?<![^\t\n])"(?:[^"]|"")*+"(?![^\t\r\n])', re.DOTALL)
_DOUBLED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"', re.DOTALL)


def is_quoted(text: str) -> bool:
    """Tell whether a text looks like a quoted cell, its own quotes doubled."""
    return _DOUBLED.fullmatch(text) is not None


def split_lines(text: str) -> list[str]:
    """Split at LF and CRLF; other characters that Unicode counts as line ends stay inside a text."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def read_tsv(path: Path, text: str, read: Collection[str], *, own: bool) -> Iterator[Record]:
    """Read a TSV; where all of it says that its cells are quoted, as a quoted one.

    Args:
        path: named in error messages.
        text: its content.
        read: the names of the columns that matter.
        own: kdbuild wrote it, which quotes nothing.

    Raises:
        BadInputError: rows have other numbers of columns than the header, or some cells are quoted and others aren't.
    """
    header, *lines = split_lines(text)
    names = header.split("\t")
    if not own and (_quotes_names(names) or _quotes_cells(path, text, lines, len(names))):
        yield from read_csv(path, text, read, "\t")
        return
    check_doubled(path, names, read)
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        cells = line.split("\t")
        if len(cells) != len(names):
            raise BadInputError(
                f"{path}, line {number}: {len(cells) - 1} tabs, the header has {len(names) - 1}. "
                "Each row needs as many columns as the header."
            )
        yield number, dict(zip(names, cells, strict=True))


def read_csv(path: Path, text: str, read: Collection[str], delimiter: str = ",") -> Iterator[Record]:
    """Read a table whose cells may be quoted.

    Args:
        path: named in error messages.
        text: its content.
        read: the names of the columns that matter.
        delimiter: what stands between two cells.

    Raises:
        BadInputError: the quoting is broken, or rows have other numbers of columns than the header.
    """
    # With their ends, which may stand inside a quoted text.
    reader = csv.reader([line + "\n" for line in split_lines(text)], strict=True, delimiter=delimiter)
    what = "commas" if delimiter == "," else "tabs"
    limit = csv.field_size_limit()  # 131,072 characters, less than 100,000 words
    csv.field_size_limit(max(limit, len(text)))
    try:
        names = next(reader)
        check_doubled(path, names, read)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise BadInputError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, the header has {len(names)}. "
                    f"Quote texts that contain {what}."
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise BadInputError(f"{path}, line {reader.line_num}: not valid CSV ({error}). Check the quoting.") from None
    finally:
        csv.field_size_limit(limit)


def _quotes_names(names: Sequence[str]) -> bool:
    """Whoever quotes the names of columns quotes the texts."""
    return all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)


def _quotes_cells(path: Path, text: str, lines: Sequence[str], columns: int) -> bool:
    """Tell whether cells are quoted where they need it, as programs do under a header that needs no quotes.

    They are where quotes inside of quoted cells are doubled or all cells of a row are quoted, and no quote stands elsewhere;
    or where rows have the header's number of columns only if tabs and line ends inside of quotes are text.

    Raises:
        BadInputError: quotes are doubled as in a quoted cell, and others stand outside of one.
    """
    quoted = bare = 0
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t") if line else [""] * columns
        if len(cells) != columns:
            return '"' in text and _is_quoted_throughout(path, text)
        if '"' not in line:
            continue
        if not all('"' not in cell or _QUOTED.fullmatch(cell) for cell in cells):
            bare = bare or number
        elif any(map(is_quoted, cells)) or (columns > 1 and all(map(_QUOTED.fullmatch, cells))):
            quoted = quoted or number
    if quoted and bare:
        raise BadInputError(
            f"{path}: line {quoted} is quoted, its own quotes doubled, and line {bare} has quotes outside of quoted cells. "
            "Write it as .csv or .jsonl, or all of it without quoting."
        )
    return quoted > 0


def _is_quoted_throughout(path: Path, text: str) -> bool:
    """Tell whether every quote belongs to a quoted cell, and all rows then have the header's number of columns."""
    if '"' in _CELL.sub("", text):
        return False
    try:
        for _ in read_csv(path, text, (), "\t"):
            pass
    except BadInputError:
        return False
    return True
