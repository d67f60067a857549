"""Reading text with labels or scores: TSV, CSV and JSONL, with the standard library alone.

A row is a text, or a pair of texts, with a label (a string), with a teacher's scores (one raw logit per class, separated by
one space), with both, or with neither. Where a text may have several labels, they stand in one cell, separated by ``|``.
Texts and labels are taken as they stand: ``null`` and ``NA`` are text, and TSV has no quoting unless its header or its cells
say so (see :mod:`kdbuild.runtime.data.tables`).
"""

import difflib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.cells import check_doubled, label_cell, text_cell
from kdbuild.runtime.data.encoding import cr_alone, read_text
from kdbuild.runtime.data.labels import SEPARATOR, join_labels, label_indices, label_matrix, split_labels
from kdbuild.runtime.data.tables import Record, read_csv, read_tsv, split_lines

__all__ = [
    "COLUMNS",
    "FIRST_OF_PAIR",
    "FORMATS",
    "TEXT_COLUMNS",
    "Columns",
    "Record",
    "Rows",
    "join_labels",
    "label_indices",
    "label_matrix",
    "read_records",
    "read_rows",
    "read_text",
    "rows_from_records",
    "split_labels",
]

TEXT_COLUMNS = ("sentence", "text", "tokens")
"""Names of the text column; ``tokens`` says that the text is tokenised already, special tokens included."""
FIRST_OF_PAIR = "sentence1"
"""Another name of the text column, in data of pairs."""
SCORES = "scores"
"""Name of the column of a teacher's logits."""
FORMATS = (".tsv", ".csv", ".jsonl")


@dataclass(frozen=True)
class Columns:
    """Names of the columns that matter. One that isn't the default has to be there."""

    text: str = ""
    """Name of the column of texts; empty: the one of :data:`TEXT_COLUMNS` or, in data of pairs, :data:`FIRST_OF_PAIR` that is
    there."""
    pair: str = "sentence2"
    """Name of the column of second texts; empty: none are read."""
    label: str = "label"
    """Name of the column of labels."""

    @property
    def read(self) -> frozenset[str]:
        """All the names that may matter."""
        return frozenset({self.text, self.pair, self.label, *TEXT_COLUMNS, FIRST_OF_PAIR, SCORES} - {""})


COLUMNS = Columns()


@dataclass(frozen=True)
class Rows:
    """Texts with what is known of them."""

    texts: list[str]
    labels: list[str] | None = None
    """The truth; where a text may have several labels, each row's cell with all of them (see :func:`split_labels`)."""
    scores: list[list[float]] | None = field(default=None, repr=False)
    """A teacher's raw logits, ``[rows][classes]``."""
    tokenized: bool = False
    """Whether the texts are tokens joined by spaces."""
    pairs: list[str] | None = None
    """Second texts, where the rows are pairs."""
    columns: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """The names of all columns, where they are known; for messages."""

    def __len__(self) -> int:
        return len(self.texts)


def read_rows(path: Path, columns: Columns = COLUMNS, *, multi_label: bool = False, own: bool = False) -> Rows:
    """Read a data file; its ending says which format it is in.

    Args:
        path: a TSV, CSV or JSONL file.
        columns: where in a row its parts stand.
        multi_label: a text may have several labels, or none. In JSONL they may also be a list.
        own: whether kdbuild wrote it; see :func:`read_records`.

    Raises:
        BadInputError: the file is missing, empty, malformed, or not UTF-8, or a column isn't there; the message names the
            line.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInputError(f"{path}: unknown data format '{suffix}'. Use one of: {', '.join(FORMATS)}.")
    records = read_records(path, columns, multi_label=multi_label, own=own)
    return rows_from_records(path, records, columns, multi_label=multi_label)


def read_records(
    path: Path, columns: Columns = COLUMNS, *, multi_label: bool = False, own: bool = False
) -> Iterator[Record]:
    """The records of a TSV, CSV or JSONL file.

    Args:
        path: names the format by its ending.
        columns: which of them are read; what stands in others is no matter.
        multi_label: whether a JSON list in the column of the labels is a set of them.
        own: whether kdbuild wrote it: quotes in such a TSV are text, wherever they stand.
    """
    text = read_text(path)
    if not text.strip():
        raise BadInputError(f"{path}: the file is empty. A header and at least one row are needed.")
    header = text.partition("\n")[0].removesuffix("\r")
    if path.suffix.lower() in (".tsv", ".csv"):
        if not header.strip():
            raise BadInputError(f"{path}: its first line is blank. Begin with the header, which names the columns.")
    if "\r" in (header if path.suffix.lower() in (".tsv", ".csv") or "\n" not in text else ""):
        raise cr_alone(path)
    match path.suffix.lower():
        case ".tsv":
            return read_tsv(path, text, columns.read, own=own)
        case ".csv":
            return read_csv(path, text, columns.read)
        case _:
            return _jsonl(path, text, columns, multi_label)


class _Object(dict[str, object]):
    """A JSON object that remembers its names as they stand there."""

    def __init__(self, pairs: list[tuple[str, object]]):
        super().__init__(pairs)
        self.names = None if len(self) == len(pairs) else [name for name, _ in pairs]


def _jsonl(path: Path, text: str, columns: Columns, multi_label: bool) -> Iterator[Record]:
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, object_pairs_hook=_Object)
        except (ValueError, RecursionError) as error:
            raise BadInputError(
                f"{path}, line {number}: not valid JSON ({error}). One object a line is needed."
            ) from None
        if not isinstance(value, _Object):
            raise BadInputError(f"{path}, line {number}: not a JSON object. One object a line is needed.")
        if value.names:
            check_doubled(path, value.names, columns.read, number)
        yield record_of_values(path, number, value, columns, multi_label=multi_label)


def record_of_values(
    path: Path | str, number: int, values: Mapping[str, object], columns: Columns, *, multi_label: bool
) -> Record:
    """Return the record that values of JSON or Parquet make; those of columns that aren't read are left empty.

    Raises:
        BadInputError: a value has no reading as text, as a label or as labels.
    """
    record = dict.fromkeys(values, "")
    for column in columns.read & values.keys():
        value = values[column]
        if column == columns.label:
            record[column] = label_cell(path, number, column, value, multi_label=multi_label)
        else:
            record[column] = text_cell(path, number, column, value)
    return number, record


def rows_from_records(
    path: Path | str, records: Iterable[Record], columns: Columns = COLUMNS, *, multi_label: bool = False
) -> Rows:
    """Pick the texts, the labels and the scores out of records, and check them.

    Args:
        path: named in error messages.
        records: all with the same columns, as far as they matter.
        columns: where in a record its parts stand.
        multi_label: a text may have several labels, or none.

    Raises:
        BadInputError: no row, no text column or no column of a given name, a label that is empty or more than a cell of a
            TSV, a set of labels with an empty one or with one twice, scores that aren't finite numbers or differ in number.
    """
    texts: list[str] = []
    pairs: list[str] = []
    labels: list[str] = []
    scores: list[list[float]] = []
    text_column, pair_column = "", None
    names: tuple[str, ...] = ()
    for number, record in records:
        if not texts:
            text_column, pair_column = _text_columns(path, record, columns)
            names = tuple(record)
        if text_column not in record:
            raise BadInputError(f"{path}, line {number}: no '{text_column}'. Every row needs the same columns.")
        texts.append(record[text_column])
        if pair_column in record:
            pairs.append(record[pair_column])
        if SCORES in record:
            scores.append(_scores(path, number, record[SCORES], len(scores[0]) if scores else None))
        if columns.label in record:
            labels.append(_label(path, number, record[columns.label], multi_label))
        if len(pairs) not in (0, len(texts)):
            raise BadInputError(
                f"{path}, line {number}: '{pair_column}' comes and goes. Every row needs the same columns."
            )
        if len(labels) not in (0, len(texts)) or len(scores) not in (0, len(texts)):
            raise BadInputError(
                f"{path}, line {number}: label and scores come and go. Every row needs the same columns."
            )
    if not texts:
        raise BadInputError(f"{path}: a header and no row. At least one row is needed.")
    return Rows(texts, labels or None, scores or None, text_column == "tokens", pairs or None, names)


def _text_columns(path: Path | str, record: Collection[str], columns: Columns) -> tuple[str, str | None]:
    """The column of the texts, and that of the second texts, where they are to be read."""
    for name, default in ((columns.text, ""), (columns.pair, Columns.pair), (columns.label, Columns.label)):
        if name not in ("", default, *record):
            near = difflib.get_close_matches(name, record, n=1)
            way_out = f"Did you mean '{near[0]}'?" if near else "Name one of these."
            raise BadInputError(f"{path}: no column '{name}'; its columns are {_named(record, 20)}. {way_out}")
    # Whoever takes the second texts of pairs for the texts doesn't want pairs.
    pair = columns.pair if columns.pair not in ("", columns.text) else None
    names = [columns.text] if columns.text else [*TEXT_COLUMNS, *([FIRST_OF_PAIR] if pair in record else [])]
    found = [name for name in names if name in record and name != pair]
    if len(found) > 1:
        found = [name for name in found if name != columns.label]
    if len(found) > 1:
        raise BadInputError(
            f"{path}: columns {_named(found, 4)} may each hold the texts. Name the one that does: --text-column {found[0]}"
        )
    if found == [columns.label]:
        raise BadInputError(f"{path}: column '{found[0]}' can't hold both texts and labels. Name two columns.")
    if found:
        return found[0], pair
    if hint := _hint(str(path), list(record)):
        raise BadInputError(f"{path}: {hint}")
    raise BadInputError(
        f"{path}: its columns are {_named(record, 5)}. The first line must name a column 'sentence' or 'text'."
    )


def _hint(path: str, names: list[str]) -> str:
    """Return what is probably wrong with a header that names no text, and the way out; empty if it can't be told."""
    suffix, alone = path[-4:].lower(), len(names) == 1
    if alone and suffix == ".csv" and "\t" in names[0]:
        return "its columns are separated by tabs. Rename it to .tsv, or save it with commas."
    if alone and suffix in (".csv", ".tsv") and ";" in names[0]:
        return "its columns are separated by semicolons. Save it with commas (.csv) or tabs (.tsv)."
    if alone and suffix == ".tsv" and "," in names[0]:
        return "its columns are separated by commas. Rename it to .csv."
    for name in names:
        if name != name.strip() and name.strip() in (*TEXT_COLUMNS, FIRST_OF_PAIR):
            return f"its column {name!r} has a space in its name. Remove the space from the header."
    return ""


def _named(columns: Iterable[str], most: int) -> str:
    return ", ".join(map(repr, list(columns)[:most]))


def _label(path: Path | str, number: int, cell: str, multi_label: bool) -> str:
    if not {"\t", "\n", "\r"}.isdisjoint(cell):
        raise BadInputError(f"{path}, line {number}: label {cell!r} holds a tab or line end. Use labels of one line.")
    if not multi_label:
        if not cell:
            raise BadInputError(f"{path}, line {number}: the label is empty. Every row needs one.")
        return cell
    names = split_labels(cell)
    if "" in names:
        raise BadInputError(
            f"{path}, line {number}: labels {cell!r} hold an empty one. Write one '{SEPARATOR}' between two labels."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInputError(f"{path}, line {number}: labels {cell!r} hold {twice!r} twice. Keep one.")
    return cell


def _scores(path: Path | str, number: int, cell: str, classes: int | None) -> list[float]:
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
