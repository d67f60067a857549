"""The same value in CSV, TSV, JSONL and Parquet is the same text and the same class, or refused in all of them."""

import datetime
import decimal
import json
import re
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.labels import label_indices, name_key
from kdbuild.runtime.data.readers import Rows
from kdbuild.runtime.data.spelling import one_spelling
from kdbuild.trainer.data.load import load_data
from kdbuild.trainer.data.sources import load_rows, open_source
from kdbuild.trainer.options import DataOptions

NAN = float("nan")


def load(path: Path) -> Rows:
    return one_spelling(path, load_rows(path, DataOptions()), multi_label=False)


def write_all(folder: Path, column: str, cells: list[str], json_values: list[Any], parquet: list[Any]) -> list[Path]:
    """Files of each format with a column of these values beside one of another text."""
    other = "label" if column == "text" else "text"
    paths = [folder / name for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet")]
    for path, separator in zip(paths, ",\t", strict=False):
        path.write_text(f"{column}{separator}{other}\n" + "".join(f"{cell}{separator}o\n" for cell in cells))
    paths[2].write_text("".join(json.dumps({column: value, other: "o"}) + "\n" for value in json_values))
    pyarrow.parquet.write_table(pyarrow.table({column: parquet, other: ["o"] * len(parquet)}), paths[3])
    return paths


DAY = datetime.date(2024, 1, 31)
SAME: dict[str, tuple[list[str], list[Any], list[Any]]] = {
    "integers": (["0", "12", "-3"], [0, 12, -3], [0, 12, -3]),
    "whole floats": (["1.0", "-2.0"], [1.0, -2.0], [1.0, -2.0]),
    "floats": (["0.5", "1e-07"], [0.5, 1e-07], [0.5, 1e-07]),
    "booleans": (["true", "false"], [True, False], [True, False]),
    "strings": (["NA", "None", "nan"], ["NA", "None", "nan"], ["NA", "None", "nan"]),
    "bytes": (["é", "b"], ["é", "b"], ["é".encode(), b"b"]),
    "dates": (["2024-01-31"], ["2024-01-31"], [DAY]),
    "times": (["2024-01-31 08:05:00"], ["2024-01-31 08:05:00"], [datetime.datetime(2024, 1, 31, 8, 5)]),
    "decimals": (["1.50", "-0.25"], ["1.50", "-0.25"], [decimal.Decimal("1.50"), decimal.Decimal("-0.25")]),
    "lists of one": (["a", "b"], [["a"], ["b"]], [["a"], ["b"]]),
}


@pytest.mark.parametrize("column", ["text", "label"])
@pytest.mark.parametrize("kind", SAME)
def test_one_value_one_text(kind: str, column: str, tmp_path: Path) -> None:
    cells, *others = SAME[kind]
    for path in write_all(tmp_path, column, cells, *others):
        rows = load(path)
        assert (rows.texts if column == "text" else rows.labels) == cells, path.name


ONE_CLASS: dict[str, tuple[list[str], list[Any], list[Any]]] = {
    # What pandas writes of booleans and of integers beside missing values.
    "booleans": (["True", "False"], [True, False], [True, False]),
    "booleans of a spreadsheet": (["TRUE", "FALSE"], [True, False], [True, False]),
    "whole floats": (["1", "0"], [1.0, 0], [1.0, 0.0]),
    "integers": (["1.0", "0.0"], [1, 0], [1, 0]),
}


@pytest.mark.parametrize("kind", ONE_CLASS)
def test_one_value_one_class(kind: str, tmp_path: Path) -> None:
    files = [load(path).labels or [] for path in write_all(tmp_path, "label", *ONE_CLASS[kind])]
    for labels in files:
        assert list(map(name_key, labels)) == list(map(name_key, files[0]))
        # What was trained on one file answers the others.
        for other in files:
            assert label_indices("a", labels, other) == [0, 1]


@pytest.mark.parametrize(("train", "dev"), [("csv", "jsonl"), ("parquet", "csv"), ("jsonl", "parquet")])
def test_train_and_dev_of_two_formats(train: str, dev: str, tmp_path: Path) -> None:
    for part, ending in (("train", train), ("dev", dev)):
        paths = write_all(tmp_path, "label", ["True", "False"] * 2, [True, False] * 2, [True, False] * 2)
        for path in paths:
            if path.suffix == f".{ending}":
                path.rename(tmp_path / f"{part}.{ending}")
    data = load_data(open_source(str(tmp_path)), DataOptions())
    assert len(data.labels) == 2
    assert data.train.targets.tolist() == data.dev.targets.tolist()


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["True", "true", "False"], ["true", "true", "false"]),
        (["TRUE", "true", "False"], ["true", "true", "false"]),
        (["True", "False"], ["True", "False"]),
        (["True ", "True", "maybe"], ["True", "True", "maybe"]),
        (["True", "true ", "maybe"], ["true", "true", "maybe"]),
    ],
)
def test_booleans_of_several_spellings(cells: list[str], labels: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "".join(f"o\t{cell}\n" for cell in cells))
    assert load(tmp_path / "a.tsv").labels == labels


@pytest.mark.parametrize("missing", [None, NAN], ids=str)
def test_no_label(missing: float | None, tmp_path: Path) -> None:
    for path in write_all(tmp_path, "label", ["x", ""], ["x", missing], [1.0, missing]):
        with pytest.raises(BadInputError, match=r", line [23]: the label is empty\. Every row needs one\.$"):
            load(path)


@pytest.mark.parametrize("missing", [None, NAN], ids=str)
def test_no_text(missing: float | None, tmp_path: Path) -> None:
    for path in write_all(tmp_path, "text", ["x", ""], ["x", missing], [1.0, missing]):
        assert load(path).texts[1] == "", path.name


def test_nothing_in_a_list_is_no_token(tmp_path: Path) -> None:
    *_, lines, table = write_all(tmp_path, "tokens", ["a"], [["a", None, True]], [["a", None, "true"]])
    for path in (lines, table):
        rows = load_rows(path, DataOptions(text_column="tokens"))
        assert (rows.texts[0].split(), rows.tokenized) == (["a", "true"], True)


@pytest.mark.parametrize("value", ["a\ud800", ["\udc00"]])
def test_half_a_surrogate_pair(value: str | list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": value, "label": "x"}) + "\n")
    assert load(path).texts[0].endswith("\ufffd")
    path.write_text(json.dumps({"text": "a", "label": value}) + "\n")
    with pytest.raises(
        BadInputError, match=r", line 1: label 'a?\ufffd' holds half a surrogate pair\. Correct the row\.$"
    ):
        load(path)
    # Spelt out, it is a character like any.
    path.write_text(json.dumps({"text": "a", "label": "a\ufffd"}) + "\n")
    assert load(path).labels == ["a\ufffd"]


def test_values_that_are_none_of_these(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": {"a": 1}}\n')
    with pytest.raises(BadInputError, match=f"^{re.escape(str(path))}, line 1: 'label' holds an object"):
        load(path)
