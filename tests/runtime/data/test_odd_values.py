"""Values that were once read as something else without a word: read in their one right way, or refused by name."""

import re
from pathlib import Path

import pytest

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Columns, Rows, read_rows
from kdbuild.runtime.data.spelling import one_spelling


def load(path: Path, content: str, *, multi_label: bool = False) -> Rows:
    path.write_text(content, encoding="utf-8")
    return one_spelling(path, read_rows(path, multi_label=multi_label), multi_label=multi_label)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "text\tlabel\ttext\na\tx\tb\n", ", line 1: 2 columns are named 'text'. Rename or drop all but one."),
        ("a.csv", "label,text,label\nx,a,y\n", ", line 1: 2 columns are named 'label'. Rename or drop all but one."),
        (
            "a.jsonl",
            '{"text": "a"}\n{"text": "a", "text": "b"}\n',
            ", line 2: 2 columns are named 'text'. Rename or drop all but one.",
        ),
        (
            "a.jsonl",
            '{"text": {"en": "a"}, "label": "x"}\n',
            ", line 1: 'text' holds an object, not a text. Write its parts into columns of their own.",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": {"id": 1}}\n',
            ", line 1: 'label' holds an object, not a text. Write its parts into columns of their own.",
        ),
        (
            "a.jsonl",
            '{"text": ["a", ["b"]], "label": "x"}\n',
            ", line 1: 'text' holds lists in a list. Write one text a row.",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": ["x", "y"]}\n',
            ", line 1: 'label' is a list of 2 labels. Add --multi-label, or give each text one label.",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": []}\n',
            ", line 1: 'label' is a list of 0 labels. Add --multi-label, or give each text one label.",
        ),
        ("a.jsonl", '{"text": "a", "label": NaN}\n', ", line 1: the label is empty. Every row needs one."),
        ("a.jsonl", '{"text": "a", "label": Infinity}\n', ", line 1: label inf isn't finite. Correct the row."),
        (
            "a.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": true}\n',
            ": labels 'true' and '1' stand side by side, booleans and numbers. Write one kind throughout.",
        ),
        (
            "a.csv",
            "text,label\na,True\nb,1.0\nc,1\n",
            ": labels 'True' and '1' stand side by side, booleans and numbers. Write one kind throughout.",
        ),
        (
            "a.tsv",
            "text\tlabel\na\tpos\nb\tPos\nc\tpos\nd\tneg\n",
            ": labels 'Pos' (1 rows) and 'pos' (2 rows) differ in case alone. "
            "Write one of them throughout, or rename one.",
        ),
        ("a.tsv", "text\tlabel\na\tx\nb\t \n", ": label ' ' is blank. Every row needs a label."),
        (
            "a.csv",
            "text,label\na,x\nb,\"['x', 'y']\"\n",
            ", row 2: label \"['x', 'y']\" is written as a list. Add --multi-label, or give each text one label.",
        ),
        (
            "a.csv",
            "text,label\nb,['x' 'y']\n",
            ", row 1: label \"['x' 'y']\" is written as a list. Add --multi-label, or give each text one label.",
        ),
    ],
)
def test_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(f'{tmp_path / name}{message}')}$"):
        load(tmp_path / name, content)


@pytest.mark.parametrize(
    ("name", "content", "labels"),
    [
        ("a.tsv", "text\tlabel\na\tpos\nb\tpos \nc\t very  bad\nd\tvery bad\n", ["pos", "pos", "very bad", "very bad"]),
        ("a.tsv", "text\tlabel\na\tcaf\u00e9\nb\tcafe\u0301\n", ["café", "café"]),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 1.0}\n{"text": "c", "label": "1"}\n', ["1"] * 3),
        ("a.csv", "text,label\na,0.5\nb,0.50\nc,-1.0\nd,-1\n", ["0.5", "0.5", "-1", "-1"]),
        ("a.jsonl", '{"text": "a", "label": ["x"]}\n{"text": "b", "label": ["y"]}\n', ["x", "y"]),
        ("a.jsonl", '{"text": "a", "label": true}\n{"text": "b", "label": false}\n', ["true", "false"]),
        # What differs in no such way is left alone.
        (
            "a.tsv",
            "text\tlabel\na\tpos \nb\tNeg\nc\t1.0\nd\t2.0\ne\t01\nf\t[spam]\n",
            "pos |Neg|1.0|2.0|01|[spam]".split("|"),
        ),
    ],
)
def test_labels_of_one_reading(tmp_path: Path, name: str, content: str, labels: list[str]) -> None:
    assert load(tmp_path / name, content).labels == labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("\"['x', 'y']\"", "x|y"),
        ('"[""x"", ""y""]"', "x|y"),
        ('"[""x"",""y""]"', "x|y"),
        ("\"['it''s']\"", None),
        ("\"['x', 'x']\"", "x"),
        ('"[1, 2]"', "1|2"),
        ("[]", ""),
        ("['x' 'y']", None),
        ("[x]", "[x]"),
        ("x|x ", "x"),
    ],
)
def test_sets_of_labels(tmp_path: Path, cell: str, labels: str | None) -> None:
    content = f"text,label\na,{cell}\nb,x\n"
    if labels is None:
        with pytest.raises(
            BadInputError, match=r"aren't a list as Python or JSON writes it\. Write '\|' between labels"
        ):
            load(tmp_path / "a.csv", content, multi_label=True)
    else:
        assert load(tmp_path / "a.csv", content, multi_label=True).labels == [labels, "x"]


def test_what_is_not_read_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id\ttext\tid\tlabel\n1\ta\t2\tx\n")
    assert read_rows(tmp_path / "a.tsv") == Rows(["a"], ["x"])
    (tmp_path / "b.jsonl").write_text(
        '{"text": "a", "body": {"x": 1, "x": 2}, "body": NaN, "label": ["x", "y"], "kind": 3}\n'
    )
    assert read_rows(tmp_path / "b.jsonl", Columns(label="kind")) == Rows(["a"], ["3"])


def test_nothing_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": NaN, "label": "x"}\n{"text": null, "label": "y"}\n')
    assert read_rows(tmp_path / "a.jsonl") == Rows(["", ""], ["x", "y"])


def test_tsv_whose_header_is_quoted_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('"text"\t"label"\n"She said ""no"""\t"x"\n"two\nlines, a\ttab"\t"y"\n')
    assert read_rows(tmp_path / "a.tsv") == Rows(['She said "no"', "two\nlines, a\ttab"], ["x", "y"])
