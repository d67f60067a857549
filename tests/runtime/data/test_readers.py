"""Reading rows: the three formats, what is text in them whatever it looks like, and each error's message."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import (
    Columns,
    Rows,
    join_labels,
    label_indices,
    label_matrix,
    read_records,
    read_rows,
    read_text,
    rows_from_records,
    split_labels,
)

Read = Callable[[str, str | bytes], Rows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a file of this name and content."""

    def read(name: str, content: str | bytes) -> Rows:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_rows(path)

    return read


def test_tsv(read: Read) -> None:
    rows = read("rows.tsv", "sentence\tlabel\na fine film\t1\nA Dull Film .\t0\n")
    assert rows == Rows(["a fine film", "A Dull Film ."], ["1", "0"])
    assert len(rows) == 2
    assert not rows.tokenized


def test_columns_may_stand_in_any_order_beside_others(read: Read) -> None:
    assert read("rows.tsv", "id\tlabel\ttext\n7\tpos\tgood\n8\tneg\tbad\n") == Rows(["good", "bad"], ["pos", "neg"])
    assert read("rows.TSV", "text\nonly\ntexts\n") == Rows(["only", "texts"])


def test_scores(read: Read) -> None:
    rows = read("rows.tsv", "sentence\tscores\ngood\t-1.5 2\nbad\t1e1 -0.25\n")
    assert rows == Rows(["good", "bad"], scores=[[-1.5, 2.0], [10.0, -0.25]])
    # A label beside them is the truth, whatever the teacher says.
    both = read("rows.tsv", "text\tlabel\tscores\ngood\tpos\t1 2\nbad\tneg\t3 0.5\n")
    assert both == Rows(["good", "bad"], ["pos", "neg"], [[1.0, 2.0], [3.0, 0.5]])


def test_tokens_are_text_that_is_tokenised_already(read: Read) -> None:
    assert read("rows.tsv", "tokens\tscores\na <mask>\t1 2\n") == Rows(["a <mask>"], scores=[[1, 2]], tokenized=True)
    assert read("rows.jsonl", '{"tokens": ["a", "<mask>"]}\n') == Rows(["a <mask>"], tokenized=True)


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "NA",
        "None",
        "1.50",
        "#comment",
        '"quoted"',
        '"one quote',
        'a "" b',
        "back\\tslash",
        " spaces  kept ",
        "a\u2028b\u2029c\x85d",
        "a\vb\fc\x1cd\x1ee",
        "a\0b",
        "\ufeffmark",
        "naïve 😀",
        "",
    ],
    ids=ascii,
)
def test_text_is_taken_as_it_stands(read: Read, text: str) -> None:
    expected = Rows([text, "next"], ["NA", "null"])
    assert read("rows.tsv", f"sentence\tlabel\n{text}\tNA\nnext\tnull\n") == expected
    assert read("rows.tsv", f"sentence\tlabel\r\n{text}\tNA\r\nnext\tnull") == expected
    quoted = text.replace('"', '""')
    assert read("rows.csv", f'label,sentence\nNA,"{quoted}"\nnull,next\n') == expected
    assert read("rows.csv", f'label,sentence\r\nNA,"{quoted}"\r\nnull,next') == expected
    for ascii_only in (True, False):
        lines = [
            json.dumps({"sentence": text, "label": label}, ensure_ascii=ascii_only)
            for text, label in zip(expected.texts, ("NA", "null"), strict=True)
        ]
        assert read("rows.jsonl", "\n".join(lines) + "\n") == expected
        assert read("rows.jsonl", "\r\n".join(lines)) == expected


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl"])
def test_a_byte_order_mark_and_empty_lines_are_skipped(read: Read, suffix: str) -> None:
    content = {
        "tsv": "sentence\tlabel\n\na\t1\n\n\nb\t2\n\n",
        "csv": "sentence,label\n\na,1\n\n\nb,2\n\n",
        "jsonl": '{"sentence": "a", "label": "1"}\n\n  \n{"sentence": "b", "label": "2"}\n\n',
    }[suffix]
    assert read(f"rows.{suffix}", "\ufeff" + content) == Rows(["a", "b"], ["1", "2"])


def test_csv_quotes(read: Read) -> None:
    rows = read("rows.csv", '"text",label\n"well, ""really"" good",pos\n"two\nlines\r\nor three",neg\n')
    assert rows == Rows(['well, "really" good', "two\nlines\nor three"], ["pos", "neg"])
    limit = csv.field_size_limit()
    assert read("rows.csv", f"text\n{'word ' * 40_000}\n") == Rows(["word " * 40_000])
    assert csv.field_size_limit() == limit


def test_json_values_become_the_text_of_a_tsv(read: Read) -> None:
    content = '{"text": 1.5, "label": true}\n{"label": 1, "text": "a", "more": {"a": "b"}}\n{"text": ["x", 2], "label": "c"}\n'
    assert read("rows.jsonl", content) == Rows(["1.5", "a", "x 2"], ["true", "1", "c"])
    assert read("rows.jsonl", '{"text": null}\n') == Rows([""])
    assert read("rows.jsonl", '{"text": "a", "scores": [1, -2.5]}\n') == Rows(["a"], scores=[[1.0, -2.5]])
    # Halves of a pair, which UTF-8 can't hold, and a whole one.
    assert read("rows.jsonl", '{"text": "a\\ud800b\\udfff \\ud83d\\ude00"}\n') == Rows(["a\ufffdb\ufffd 😀"])


HEADER = "id\treview\tsentence\tstars\tlabel\treply"
ROW = "7\tin full\tin short\t5\tpos\tthanks"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (Columns(), Rows(["in short"], ["pos"])),
        (Columns(text="review"), Rows(["in full"], ["pos"])),
        (Columns(text="review", label="stars"), Rows(["in full"], ["5"])),
        (Columns(label="stars", pair="reply"), Rows(["in short"], ["5"], pairs=["thanks"])),
        (Columns(text="reply", pair="review", label="id"), Rows(["thanks"], ["7"], pairs=["in full"])),
    ],
)
def test_named_columns(tmp_path: Path, columns: Columns, expected: Rows) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    assert read_rows(path, columns) == expected


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(text="reviews"),
            "no column 'reviews'; its columns are 'id', 'review', 'sentence', 'stars', 'label', 'reply'. "
            "Did you mean 'review'?",
        ),
        (
            Columns(label="rating"),
            "no column 'rating'; its columns are 'id', 'review', 'sentence', 'stars', 'label', 'reply'. Name one of these.",
        ),
        (
            Columns(pair="Reply"),
            "no column 'Reply'; its columns are 'id', 'review', 'sentence', 'stars', 'label', 'reply'. Did you mean 'reply'?",
        ),
        (Columns(text="label"), "column 'label' can't hold both texts and labels. Name two columns."),
    ],
)
def test_named_columns_that_are_not_there(tmp_path: Path, columns: Columns, message: str) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    with pytest.raises(BadInputError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_rows(path, columns)


def test_only_columns_that_matter_are_checked(read: Read, tmp_path: Path) -> None:
    assert read("rows.jsonl", '{"text": "a", "x": 1}\n{"text": "b", "sentence": "c"}\n') == Rows(["a", "b"])
    (tmp_path / "rows.csv").write_text('text,label,kind\na,,x\nb,"c\nd",y\n')
    assert read_rows(tmp_path / "rows.csv", Columns(label="kind")) == Rows(["a", "b"], ["x", "y"])


def test_pairs(read: Read, tmp_path: Path) -> None:
    assert read("a.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\nc\t\t0\n") == Rows(
        ["a", "c"], ["1", "0"], pairs=["b", ""]
    )
    assert read("b.tsv", "sentence2\tsentence\nb\ta\n") == Rows(["a"], pairs=["b"])
    assert read("c.tsv", "tokens\tsentence2\na <mask>\tb\n") == Rows(["a <mask>"], tokenized=True, pairs=["b"])
    # Whoever wants the second texts alone names them.
    assert read_rows(tmp_path / "a.tsv", Columns(text="sentence2")) == Rows(["b", ""], ["1", "0"])
    assert read_rows(tmp_path / "b.tsv", Columns(pair="")) == Rows(["a"])
    with pytest.raises(BadInputError, match=r"its columns are 'sentence1', 'sentence2', 'label'\. The first line must"):
        read_rows(tmp_path / "a.tsv", Columns(pair=""))
    with pytest.raises(BadInputError, match=r"its columns are 'sentence1'\. The first line must name"):
        read("d.tsv", "sentence1\na\n")


def read_sets(path: Path, content: str) -> Rows:
    path.write_text(content)
    return read_rows(path, Columns(label="tags"), multi_label=True)


def test_several_labels(tmp_path: Path) -> None:
    expected = Rows(["a", "b", "c", "d"], ["funny|warm", "", "warm", "very funny|NA"])
    assert expected.labels is not None
    lines = zip(expected.texts, expected.labels, strict=True)
    tsv = "text\ttags\n" + "".join(f"{text}\t{labels}\n" for text, labels in lines)
    assert read_sets(tmp_path / "rows.tsv", tsv) == expected
    assert read_sets(tmp_path / "rows.csv", tsv.replace("\t", ",")) == expected
    strings = '{"text": "a", "tags": "funny|warm"}\n{"text": "b", "tags": null}\n'
    lists = '{"text": "c", "tags": ["warm"]}\n{"text": "d", "tags": ["very funny", "NA"]}\n'
    assert read_sets(tmp_path / "rows.jsonl", strings + lists) == expected
    assert read_sets(
        tmp_path / "more.jsonl", '{"text": "x", "tags": []}\n{"text": ["y", "z"], "tags": [1, 2]}\n'
    ) == Rows(["x", "y z"], ["", "1|2"])
    scored = read_sets(tmp_path / "scored.tsv", "text\ttags\tscores\na\t\t-1 2\n")
    assert scored == Rows(["a"], [""], [[-1.0, 2.0]])


def test_without_several_labels_the_separator_is_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "x||x"}\n{"text": "b", "label": ["p q|"]}\n')
    assert read_rows(path) == Rows(["a", "b"], ["x||x", "p q|"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "rows.tsv",
            "text\ttags\na\tx\nb\tx||y\n",
            ", line 3: labels 'x||y' hold an empty one. Write one '|' between two labels.",
        ),
        (
            "rows.tsv",
            "text\ttags\na\tx|\n",
            ", line 2: labels 'x|' hold an empty one. Write one '|' between two labels.",
        ),
        ("rows.tsv", "text\ttags\na\t|\n", ", line 2: labels '|' hold an empty one. Write one '|' between two labels."),
        ("rows.tsv", "text\ttags\na\tx|y|x\n", ", line 2: labels 'x|y|x' hold 'x' twice. Keep one."),
        ("rows.jsonl", '{"text": "a", "tags": ["x", "x"]}', ", line 1: labels 'x|x' hold 'x' twice. Keep one."),
        (
            "rows.jsonl",
            '{"text": "a", "tags": ["x", "y|z"]}',
            ", line 1: label 'y|z' holds '|', which separates labels. Rename it.",
        ),
        ("rows.jsonl", '{"text": "a", "tags": [""]}', ", line 1: a label in its list is empty. Leave it out."),
        ("rows.jsonl", '{"text": "a", "tags": ["x", null]}', ", line 1: a label in its list is empty. Leave it out."),
        (
            "rows.csv",
            'text,tags\na,"x|\ny"\n',
            ", line 3: label 'x|\\ny' holds a tab or line end. Use labels of one line.",
        ),
    ],
)
def test_errors_of_several_labels(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(f'{tmp_path / name}{message}')}$"):
        read_sets(tmp_path / name, content)


def test_records_may_come_from_anywhere() -> None:
    records = [(1, {"q": "a", "tags": "x|y"}), (2, {"q": "b", "tags": "", "more": "c"})]
    rows = rows_from_records("hub/data", iter(records), Columns(text="q", label="tags"), multi_label=True)
    assert rows == Rows(["a", "b"], ["x|y", ""])
    with pytest.raises(BadInputError, match=r"^hub/data, line 2: the label is empty\. Every row needs one\.$"):
        rows_from_records("hub/data", iter(records), Columns(text="q", label="tags"))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"))


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=5))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    contents = {
        "rows.tsv": "".join(f"{text}\tx\n" for text in ["text", *texts]).replace("text\tx", "text\tlabel", 1),
        "rows.jsonl": "".join(json.dumps({"text": text, "label": "x"}, ensure_ascii=False) + "\n" for text in texts),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode())
        assert read_rows(folder / name) == Rows(texts, ["x"] * len(texts))
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text", "label"], *([text, "x"] for text in texts)])
    assert read_rows(folder / "rows.csv") == Rows(texts, ["x"] * len(texts))


ERRORS: dict[str, tuple[str, str | bytes, str]] = {
    "unknown format": ("rows.txt", "x", ": unknown data format '.txt'. Use one of: .tsv, .csv, .jsonl."),
    "no format": ("rows", "x", ": unknown data format ''. Use one of: .tsv, .csv, .jsonl."),
    "empty": ("rows.tsv", "", ": the file is empty. A header and at least one row are needed."),
    "blank": ("rows.jsonl", " \n\n", ": the file is empty. A header and at least one row are needed."),
    "not UTF-8": (
        "rows.csv",
        b"text\ncaf\xe9\n",
        ": byte 8 is not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 rows.csv",
    ),
    "UTF-16": (
        "rows.tsv",
        "text\na\n".encode("utf-16"),
        ": is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 rows.tsv",
    ),
    "header alone": ("rows.tsv", "text\tlabel\n\n", ": a header and no row. At least one row is needed."),
    "no text column": (
        "rows.csv",
        "id,label,a,b,c,d\n1,2,3,4,5,6\n",
        ": its columns are 'id', 'label', 'a', 'b', 'c'. The first line must name a column 'sentence' or 'text'.",
    ),
    "no header": (
        "rows.tsv",
        "good\t1\nbad\t0\n",
        ": its columns are 'good', '1'. The first line must name a column 'sentence' or 'text'.",
    ),
    "too few tabs": (
        "rows.tsv",
        "text\tlabel\na\t1\n\nb\n",
        ", line 4: 0 tabs, the header has 1. Each row needs as many columns as the header.",
    ),
    "too many tabs": (
        "rows.tsv",
        "text\tlabel\na\t1\tx\n",
        ", line 2: 2 tabs, the header has 1. Each row needs as many columns as the header.",
    ),
    "too many commas": (
        "rows.csv",
        'text,label\n"a\nb",1\na, b,1\n',
        ", line 4: 3 columns, the header has 2. Quote texts that contain commas.",
    ),
    "text after a quote": (
        "rows.csv",
        'text,label\n"a"b,1\n',
        """, line 2: not valid CSV (',' expected after '"'). Check the quoting.""",
    ),
    "open quote": (
        "rows.csv",
        'text,label\n"a,1\nb,2\n',
        ", line 3: not valid CSV (unexpected end of data). Check the quoting.",
    ),
    "not JSON": (
        "rows.jsonl",
        '{"text": "a"}\n{"text": a}\n',
        ", line 2: not valid JSON (Expecting value: line 1 column 10 (char 9)). One object a line is needed.",
    ),
    "a JSON list": ("rows.jsonl", '["a"]\n', ", line 1: not a JSON object. One object a line is needed."),
    "another text column": (
        "rows.jsonl",
        '{"text": "a"}\n{"sentence": "a"}\n',
        ", line 2: no 'text'. Every row needs the same columns.",
    ),
    "empty label": ("rows.tsv", "text\tlabel\na\t1\nb\t\n", ", line 3: the label is empty. Every row needs one."),
    "null label": ("rows.jsonl", '{"text": "a", "label": null}', ", line 1: the label is empty. Every row needs one."),
    "label of two lines": (
        "rows.csv",
        'text,label\na,"x\ny"\n',
        ", line 3: label 'x\\ny' holds a tab or line end. Use labels of one line.",
    ),
    "labels that stop": (
        "rows.jsonl",
        '{"text": "a", "label": 1}\n{"text": "b"}\n',
        ", line 2: label and scores come and go. Every row needs the same columns.",
    ),
    "labels that start": (
        "rows.jsonl",
        '{"text": "a"}\n{"text": "b", "label": 1}\n',
        ", line 2: label and scores come and go. Every row needs the same columns.",
    ),
    "scores after labels": (
        "rows.jsonl",
        '{"text": "a", "label": 1}\n{"text": "b", "scores": [1, 2]}\n',
        ", line 2: label and scores come and go. Every row needs the same columns.",
    ),
    "scores that start": (
        "rows.jsonl",
        '{"text": "a", "label": 1}\n{"text": "b", "label": 1, "scores": [1, 2]}\n',
        ", line 2: label and scores come and go. Every row needs the same columns.",
    ),
    "labels that stop beside scores": (
        "rows.jsonl",
        '{"text": "a", "label": 1, "scores": [1, 2]}\n{"text": "b", "scores": [1, 2]}\n',
        ", line 2: label and scores come and go. Every row needs the same columns.",
    ),
    "empty label beside scores": (
        "rows.tsv",
        "text\tlabel\tscores\na\t\t1 2\n",
        ", line 2: the label is empty. Every row needs one.",
    ),
    "second texts that stop": (
        "rows.jsonl",
        '{"text": "a", "sentence2": "b"}\n{"text": "b"}\n',
        ", line 2: 'sentence2' comes and goes. Every row needs the same columns.",
    ),
    "second texts that start": (
        "rows.jsonl",
        '{"text": "a"}\n{"text": "b", "sentence2": "b"}\n',
        ", line 2: 'sentence2' comes and goes. Every row needs the same columns.",
    ),
    "scores that aren't numbers": (
        "rows.tsv",
        "text\tscores\na\t1 x\n",
        ", line 2: scores '1 x' aren't numbers separated by one space. Write one raw logit per class.",
    ),
    "scores with two spaces": (
        "rows.tsv",
        "text\tscores\na\t1  2\n",
        ", line 2: scores '1  2' aren't numbers separated by one space. Write one raw logit per class.",
    ),
    "empty scores": (
        "rows.tsv",
        "text\tscores\na\t\n",
        ", line 2: scores '' aren't numbers separated by one space. Write one raw logit per class.",
    ),
    "infinite scores": (
        "rows.tsv",
        "text\tscores\na\t1 -inf\n",
        ", line 2: scores '1 -inf' aren't finite. Write one raw logit per class.",
    ),
    "one score": (
        "rows.tsv",
        "text\tscores\na\t1\n",
        ", line 2: 1 scores instead of at least 2. Write one per class.",
    ),
    "another number of scores": (
        "rows.tsv",
        "text\tscores\na\t1 2\nb\t1 2 3\n",
        ", line 3: 3 scores instead of 2, as in the rows before. Write one per class.",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(read: Read, tmp_path: Path, name: str) -> None:
    file, content, message = ERRORS[name]
    with pytest.raises(BadInputError, match=f"^{re.escape(f'{tmp_path / file}{message}')}$"):
        read(file, content)


def test_json_that_is_too_deep_or_too_large_is_no_crash(read: Read) -> None:
    with pytest.raises(BadInputError, match=r"line 1: not valid JSON \(.*\)\. One object a line is needed\.$"):
        read("rows.jsonl", "[" * 100_000)
    with pytest.raises(BadInputError, match=r"line 1: not valid JSON \(.*\)\. One object a line is needed\.$"):
        read("rows.jsonl", f'{{"text": {"1" * 5_000}}}')


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"absent\.tsv: no such file\. Check the path\.$"):
        read_rows(tmp_path / "absent.tsv")
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(BadInputError, match=r"folder\.tsv: can't be read \(.+\)\. Check the path and its permissions"):
        read_rows(tmp_path / "folder.tsv")


def test_read_text_keeps_line_ends(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "x.txt") == "a\r\nb\rc\n"


def test_records_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"a\nb",1\n\nc,2\n')
    records = list(read_records(path))
    assert records == [(3, {"text": "a\nb", "label": "1"}), (5, {"text": "c", "label": "2"})]
    assert rows_from_records(path, records) == Rows(["a\nb", "c"], ["1", "2"])


@pytest.mark.parametrize(
    ("values", "labels", "indices"),
    [
        (["pos", "neg", "pos"], ["neg", "pos"], [1, 0, 1]),
        (["Pos", " neg"], ["neg", "pos"], [1, 0]),
        (["LABEL_1", "0", "1.0"], ["0", "1"], [1, 0, 1]),
        (["1", "label_0"], ["LABEL_0", "LABEL_1"], [1, 0]),
        (["1", "2"], ["2", "1"], [1, 0]),  # names are no places, even where they are numbers
        (["1"], ["0", "1", "2"], [1]),
        ([], ["neg", "pos"], []),
    ],
)
def test_label_indices(values: list[str], labels: list[str], indices: list[int]) -> None:
    assert label_indices("dev.tsv", values, labels) == indices


@pytest.mark.parametrize(
    ("values", "row", "wrong"),
    [
        (["0", "1"], 1, "0"),  # a number is no place
        (["pos", "1"], 2, "1"),
        (["neg", "po s"], 2, "po s"),
    ],
)
def test_unknown_labels(values: list[str], row: int, wrong: str) -> None:
    message = (
        f"dev.tsv, row {row}: label '{wrong}' is not one of 'neg', 'pos'. "
        "Correct the row or use data with the same labels."
    )
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        label_indices("dev.tsv", values, ["neg", "pos"])


def test_only_the_first_labels_of_many_are_named() -> None:
    with pytest.raises(BadInputError, match=r"label 'x' is not one of '0', .*'18', '19'\. Correct"):
        label_indices("dev.tsv", ["x"], list(map(str, range(1000))))


@pytest.mark.parametrize(
    ("cell", "labels"), [("", []), ("x", ["x"]), ("x|y z|0", ["x", "y z", "0"]), (" x |y", [" x ", "y"])]
)
def test_labels_of_a_cell(cell: str, labels: list[str]) -> None:
    assert split_labels(cell) == labels
    assert join_labels("rows", 1, labels) == cell


@pytest.mark.parametrize(
    ("values", "labels", "matrix"),
    [
        (["funny|warm", "", "warm"], ["funny", "warm", "long"], [[1, 1, 0], [0, 0, 0], [0, 1, 0]]),
        (["Warm|funny"], ["funny", "warm", "long"], [[1, 1, 0]]),
        (["2|1"], ["1", "2"], [[1, 1]]),  # names are no places, even where they are numbers
        (["0"], ["1", "0"], [[0, 1]]),
        (["", ""], ["funny", "warm"], [[0, 0], [0, 0]]),
    ],
)
def test_label_matrix(values: list[str], labels: list[str], matrix: list[list[int]]) -> None:
    result = label_matrix("dev.tsv", values, labels)
    assert result.tolist() == matrix
    assert result.dtype == np.int8


@pytest.mark.parametrize(
    ("values", "row", "wrong"),
    [
        (["funny", "warm|cold"], 2, "cold"),
        (["0|1"], 1, "0"),  # a number is no place
        (["funny", "", "warm|1"], 3, "1"),
    ],
)
def test_unknown_label_among_several(values: list[str], row: int, wrong: str) -> None:
    message = (
        f"dev.tsv, row {row}: label '{wrong}' is not one of 'funny', 'warm'. "
        "Correct the row or use data with the same labels."
    )
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        label_matrix("dev.tsv", values, ["funny", "warm"])
