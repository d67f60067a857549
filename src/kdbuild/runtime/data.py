"""Reading text with labels or scores: TSV, CSV and JSONL, with the standard library alone.

A row is a text with a label (a string), or a text with scores (one raw logit per class, separated by one space), or a
text alone. Texts and labels are taken as they stand: TSV has no quoting, and ``null`` and ``NA`` are text.
"""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdbuild.errors import BadInputError

TEXT_COLUMNS = ("sentence", "text", "tokens")
"""Names of the text column; ``tokens`` says that the text is tokenised already, special tokens included."""
FORMATS = (".tsv", ".csv", ".jsonl")


@dataclass(frozen=True)
class Rows:
    """Texts with what is known of them."""

    texts: list[str]
    labels: list[str] | None = None
    scores: list[list[float]] | None = field(default=None, repr=False)
    """Raw logits, ``[rows][classes]``."""
    tokenized: bool = False
    """Whether the texts are tokens joined by spaces."""

    def __len__(self) -> int:
        return len(self.texts)


def read_rows(path: Path) -> Rows:
    """Read a data file; its ending says which format it is in.

    Raises:
        BadInputError: the file is missing, empty, malformed, or not UTF-8; the message names the line.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInputError(f"{path}: unknown data format '{suffix}'. Use one of: {', '.join(FORMATS)}.")
    return rows_from_records(path, read_records(path))


def read_text(path: Path) -> str:
    """A whole UTF-8 file, line ends as they stand; its absence or another encoding is the user's error."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise BadInputError(f"{path}: can't be read ({error.strerror}). Check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}: byte {error.start} is not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 {path.name}"
        ) from None


Record = tuple[int, dict[str, str]]
"""A line number, from 1, and the columns that stand there."""


def read_records(path: Path) -> Iterator[Record]:
    """The records of a TSV, CSV or JSONL file."""
    text = read_text(path)
    if not text.strip():
        raise BadInputError(f"{path}: the file is empty. A header and at least one row are needed.")
    match path.suffix.lower():
        case ".tsv":
            return _tsv(path, text)
        case ".csv":
            return _csv(path, text)
        case _:
            return _jsonl(path, text)


def _lines(text: str) -> list[str]:
    """Lines ended by LF or CRLF; other characters that Unicode counts as line ends stay inside a text."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _tsv(path: Path, text: str) -> Iterator[Record]:
    header, *lines = _lines(text)
    names = header.split("\t")
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


def _csv(path: Path, text: str) -> Iterator[Record]:
    # With their ends, which may stand inside a quoted text.
    reader = csv.reader([line + "\n" for line in _lines(text)], strict=True)
    limit = csv.field_size_limit(len(text))  # 131,072 characters otherwise, less than 100,000 words
    try:
        names = next(reader)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise BadInputError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, the header has {len(names)}. "
                    "Quote texts that contain commas."
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise BadInputError(f"{path}, line {reader.line_num}: not valid CSV ({error}). Check the quoting.") from None
    finally:
        csv.field_size_limit(limit)


def _jsonl(path: Path, text: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInputError(
                f"{path}, line {number}: not valid JSON ({error}). One object a line is needed."
            ) from None
        if not isinstance(value, dict):
            raise BadInputError(f"{path}, line {number}: not a JSON object. One object a line is needed.")
        yield number, {key: _cell(cell) for key, cell in value.items()}


def _cell(value: object) -> str:
    """A JSON value as the string that a TSV would hold; ``null`` is an empty one."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = value if isinstance(value, str) else json.dumps(value)
    # JSON can spell half a surrogate pair, which no UTF-8 file can hold.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def rows_from_records(path: Path, records: Iterable[Record]) -> Rows:
    """Pick the text and the label or scores out of records, and check them.

    Raises:
        BadInputError: no row, no text column, a label that is empty or more than a cell of a TSV, scores that aren't
            finite numbers or differ in number.
    """
    texts: list[str] = []
    labels: list[str] = []
    scores: list[list[float]] = []
    text_column = ""
    for number, record in records:
        if not texts:
            text_column = _text_column(path, record)
        if text_column not in record:
            raise BadInputError(f"{path}, line {number}: no '{text_column}'. Every row needs the same columns.")
        texts.append(record[text_column])
        if "scores" in record:
            scores.append(_scores(path, number, record["scores"], len(scores[0]) if scores else None))
        elif "label" in record:
            if not record["label"]:
                raise BadInputError(f"{path}, line {number}: the label is empty. Every row needs one.")
            if not {"\t", "\n", "\r"}.isdisjoint(record["label"]):
                raise BadInputError(
                    f"{path}, line {number}: label {record['label']!r} holds a tab or line end. Use labels of one line."
                )
            labels.append(record["label"])
        if len(labels) not in (0, len(texts)) or len(scores) not in (0, len(texts)):
            raise BadInputError(
                f"{path}, line {number}: label and scores come and go. Every row needs the same columns."
            )
    if not texts:
        raise BadInputError(f"{path}: a header and no row. At least one row is needed.")
    return Rows(texts, labels or None, scores or None, tokenized=text_column == "tokens")


def _text_column(path: Path, record: dict[str, str]) -> str:
    for name in TEXT_COLUMNS:
        if name in record:
            return name
    columns = ", ".join(map(repr, list(record)[:5]))
    raise BadInputError(f"{path}: its columns are {columns}. The first line must name a column 'sentence' or 'text'.")


def _scores(path: Path, number: int, cell: str, classes: int | None) -> list[float]:
    try:
        values = [float(value) for value in cell.split(" ")]
    except ValueError:
        raise BadInputError(
            f"{path}, line {number}: scores {cell!r} aren't numbers separated by one space. Write one raw logit per class."
        ) from None
    if not all(map(math.isfinite, values)):
        raise BadInputError(f"{path}, line {number}: scores {cell!r} aren't finite. Write one raw logit per class.")
    if len(values) < 2 or (classes is not None and len(values) != classes):
        wanted = f"{classes}, as in the rows before" if classes else "at least 2"
        raise BadInputError(f"{path}, line {number}: {len(values)} scores instead of {wanted}. Write one per class.")
    return values


def label_indices(path: Path | str, values: Sequence[str], labels: Sequence[str]) -> list[int]:
    """The place of each label in ``labels``; numbers count as places when none of them is a name.

    Raises:
        BadInputError: a label is neither.
    """
    by_name = {name: index for index, name in enumerate(labels)}
    by_number = {str(index): index for index in range(len(labels))}
    table = by_number if not any(value in by_name for value in values) else by_name
    for row, value in enumerate(values, start=1):
        if value not in table:
            raise BadInputError(
                f"{path}, row {row}: label {value!r} is not one of {', '.join(map(repr, labels[:20]))}. "
                "Correct the row or use data with the same labels."
            )
    return [table[value] for value in values]
