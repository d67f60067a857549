"""Where labelled data comes from: files of the user's, or a dataset of the Hugging Face hub."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.files import file_digest, fingerprint
from kdbuild.json_text import without_surrogates
from kdbuild.runtime.data.cells import check_doubled, label_cell
from kdbuild.runtime.data.readers import FORMATS, Columns, Record, Rows, read_rows, record_of_values, rows_from_records
from kdbuild.trainer.data.hub import hub_problem
from kdbuild.trainer.options import DataOptions

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")


@dataclass(frozen=True)
class Part:
    """Train or dev."""

    name: str
    """The name of the file, or of the hub's dataset with its split."""
    title: str
    """The same with the file's folder, for messages."""
    digest: str
    """What identifies its content."""
    read: Callable[[DataOptions], Rows]
    """Reads it, with these columns."""


@dataclass(frozen=True)
class Source:
    """Labelled data."""

    location: str
    """As a recipe names it: an absolute path, or a name of the hub."""
    parts: list[Part]
    """Train and, where there is one, dev."""

    @property
    def digests(self) -> dict[str, str]:
        """What identifies the data, by the name of the part."""
        return {part.name: part.digest for part in self.parts}


def open_source(name: str) -> Source:
    """Find the data that a user means: a file, a folder with a train and perhaps a dev file, or a dataset of the hub.

    Raises:
        BadInputError: there is no such thing.
    """
    path = Path(name)
    # Where the first part is a folder here, a path is meant.
    is_hub_name = _HUB_NAME.fullmatch(name) and path.suffix not in (*FORMATS, ".parquet") and not path.parent.is_dir()
    if not path.exists() and is_hub_name:
        return _hub_source(name)
    return Source(str(path.resolve()), [_file_part(file) for file in data_files(path)])


def rows_source(rows: Sequence[tuple[str, str]]) -> Source:
    """The data of (text, label) rows that a program has at hand.

    Raises:
        BadInputError: there are none, or one isn't a pair of strings.
    """
    for number, row in enumerate(rows, start=1):
        if not (isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(part, str) for part in row)):
            raise BadInputError(f"data, row {number}: {row!r} isn't a text and a label. Give pairs of strings.")
    if not rows:
        raise BadInputError("data: no rows. Give at least one text with its label.")

    # Strings of Python can hold half a surrogate pair, which no UTF-8 file can.
    labels = [
        label_cell("data", number, "label", label, multi_label=False) for number, (_, label) in enumerate(rows, 1)
    ]
    texts = [without_surrogates(text) for text, _ in rows]

    def read(options: DataOptions) -> Rows:
        return Rows(texts, labels)

    return Source("", [Part("rows", "rows", fingerprint([list(row) for row in rows]), read)])


def data_files(path: Path) -> list[Path]:
    """Return the files that DATA means: itself, or the train and dev file in the folder, of which dev may be called validation.

    Raises:
        BadInputError: there is no such file, or no train file in the folder.
    """
    if not path.exists():
        raise BadInputError(f"{path}: no such file or folder. Check the path.")
    if path.is_file():
        return [path]
    found = {
        part: [
            path / f"{name}{suffix}"
            for name in names
            for suffix in (*FORMATS, ".parquet")
            if (path / f"{name}{suffix}").is_file()
        ]
        for part, names in {"train": ("train",), "dev": ("dev", "validation", "valid", "val")}.items()
    }
    for name, files in found.items():
        if len(files) > 1:
            raise BadInputError(f"{path}: has {files[0].name} and {files[1].name}. Keep one {name} file.")
    if not found["train"]:
        raise BadInputError(
            f"{path}: holds no train.tsv (or .csv, .jsonl, .parquet). Name the file itself, or rename it."
        )
    return found["train"] + found["dev"]


def _file_part(path: Path) -> Part:
    return Part(path.name, str(path), file_digest(path), lambda options: load_rows(path, options))


def _columns(options: DataOptions) -> Columns:
    return Columns(options.text_column, options.pair_column, options.label_column)


def load_rows(path: Path, options: DataOptions) -> Rows:
    """Read one data file: Parquet with pyarrow, a part at a time, and no copy of it goes into a cache.

    Raises:
        BadInputError: it can't be read.
    """
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, ".parquet"):
        raise BadInputError(
            f"{path}: unknown data format '{path.suffix}'. Use one of: {', '.join(FORMATS)}, .parquet; or the name of a "
            "dataset of the Hugging Face hub."
        )
    if suffix != ".parquet":
        return read_rows(path, _columns(options), multi_label=options.multi_label)
    import pyarrow
    import pyarrow.parquet
    from datasets import Features

    try:
        file = pyarrow.parquet.ParquetFile(path)
        if file.metadata.num_rows == 0:
            raise BadInputError(f"{path}: a header and no row. At least one row is needed.")
        check_doubled(path, file.schema_arrow.names, _columns(options).read)
        features = Features.from_arrow_schema(file.schema_arrow)
        rows = (row for batch in file.iter_batches(1024) for row in batch.to_pylist())
        return _table_rows(str(path), rows, features, options)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, EOFError) as error:
        raise BadInputError(
            f"{path}: not a readable Parquet file ({(str(error).strip() or type(error).__name__).splitlines()[0]}). "
            "Write it again."
        ) from error


def _table_rows(name: str, rows: Iterable[dict[str, Any]], features: Any, options: DataOptions) -> Rows:
    """Read the rows of a table whose classes may be numbers with names, as the features of ``datasets`` say."""
    columns = _columns(options)
    naming = {column: _naming(feature) for column, feature in features.items() if column in columns.read}

    def records() -> Iterator[Record]:
        for number, row in enumerate(rows, 1):
            values = {column: naming[column](value) if column in naming else None for column, value in row.items()}
            yield record_of_values(name, number, values, columns, multi_label=options.multi_label)

    return rows_from_records(name, records(), columns, multi_label=options.multi_label)


def _naming(feature: Any) -> Callable[[Any], object]:
    """Return what turns a cell's numbers of classes into names."""
    if hasattr(feature, "int2str"):
        # -1 is the hub's mark of a row without label.
        return lambda value: None if value is None or value == -1 else feature.int2str(value)
    inner: Any = getattr(feature, "feature", None)
    if hasattr(inner, "int2str"):
        return lambda value: None if value is None else [inner.int2str(part) for part in value]
    return lambda value: value


def _hub_source(name: str) -> Source:
    """Load a dataset of the hub, by ``owner/name`` or ``owner/name:configuration``, from its cache where it is there."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    dataset, _, configuration = name.partition(":")
    if problem := hub_problem(dataset, "dataset"):
        raise BadInputError(
            f"--data {name}: no such file or folder here, and the Hugging Face hub doesn't give it ({problem}). "
            "Check the path or the name, and the network."
        )
    try:
        splits = load_dataset(dataset, configuration or None)
    except (OSError, ValueError, DatasetsError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInputError(
            f"--data {name}: no such file or folder here, and the Hugging Face hub doesn't give it ({reason}). "
            "Check the path or the name, and the network."
        ) from error
    if "train" not in splits:
        raise BadInputError(f"--data {name}: has no split 'train' but {', '.join(splits)}. Use another dataset.")
    dev = next((split for split in ("validation", "dev") if split in splits), None)

    def part(split: str) -> Part:
        table = splits[split]
        title = f"{name}/{split}"
        return Part(
            title, title, str(table._fingerprint), lambda options: _table_rows(title, table, table.features, options)
        )

    return Source(name, [part("train"), *([part(dev)] if dev else [])])
