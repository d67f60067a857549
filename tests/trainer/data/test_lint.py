"""Oddities of labelled data: each kind on tiny tables, then the command: its report, its JSON, its exit codes."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from kdbuild.cli.lint import lint as command
from kdbuild.errors import BadInputError, GateError, KdbuildError, MissingExtraError
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.lint import Example, Finding, Lengths, Place, Report, lint
from kdbuild.trainer.data.split import Split
from reviews import write_tsv

LABELS = ["neg", "pos"]


def split(*rows: tuple[str, int]) -> Split:
    texts = [text for text, _ in rows]
    return Split(texts, [tokenize(text) for text in texts], np.array([target for _, target in rows], np.int64))


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


GOOD = [("a warm film", 1), ("a dull film", 0)]


def test_good_data() -> None:
    report = lint(split(*GOOD, ("fine", 1)), split(("another good one", 1)), LABELS)
    assert asdict(report) == {
        "train": {"rows": 3, "p50": 3, "p95": 3, "longest": 3},
        "dev": {"rows": 1, "p50": 3, "p95": 3, "longest": 3},
        "classes": [
            {"label": "neg", "train": 1, "train_share": 1 / 3, "dev": 0, "dev_share": 0.0},
            {"label": "pos", "train": 2, "train_share": 2 / 3, "dev": 1, "dev_share": 1.0},
        ],
        "imbalance": 2.0,
        "findings": [],
    }


def test_without_dev() -> None:
    report = lint(split(*GOOD), None, LABELS)
    assert report.dev is None
    assert asdict(report.classes[0]) == {
        "label": "neg",
        "train": 1,
        "train_share": 0.5,
        "dev": None,
        "dev_share": None,
    }


def test_lengths() -> None:
    report = lint(split(*[(" ".join(["word"] * count), count % 2) for count in range(1, 101)]), None, LABELS)
    assert report.train == Lengths(rows=100, p50=50, p95=95, longest=100)


def test_conflicts() -> None:
    rows = [("A  good film", 1), ("other", 0), ("a good film", 0), ("A good film", 1)]
    finding = lint(split(*rows), None, LABELS).findings[0]
    assert asdict(finding) == {
        "kind": "conflicts",
        "split": "train",
        "rows": 3,
        "summary": "1 text with different labels, in 3 rows",
        "advice": "Correct the labels, or drop the rows: a classifier gives each text one answer.",
        "examples": [
            {
                "text": "A  good film",
                "places": [
                    {"split": "train", "row": 1, "label": "pos"},
                    {"split": "train", "row": 3, "label": "neg"},
                ],
            }
        ],
    }


def test_duplicates() -> None:
    finding = only(lint(split(*GOOD, ("A warm film", 1), ("a WARM film", 1), ("a dull  film", 0)), None, LABELS))
    assert (finding.kind, finding.split, finding.rows) == ("duplicates", "train", 3)
    assert finding.summary == "3 rows whose text and label an earlier row has"
    assert finding.examples == [
        Example("a warm film", [Place("train", 1, "pos"), Place("train", 3, "pos"), Place("train", 4, "pos")]),
        Example("a dull film", [Place("train", 2, "neg"), Place("train", 5, "neg")]),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "summary"),
    [
        ('"She said ""no"""', "quoted", "1 row like quoted cells, their own quotes doubled"),
        ("['a', 'b']", "written", "1 row like a list or bytes as Python writes them"),
        ("b'a film'", "written", "1 row like a list or bytes as Python writes them"),
        ("NaN", "missing", "1 row of what programs write where there is nothing, such as nan and null"),
        (
            "ฉันชอบหนังเรื่องนี้มาก",
            "unspaced",
            "1 row whose words no blanks separate, and which come out as few tokens (Thai)",
        ),
        (
            "ငါဒီရုပ်ရှင်ကိုကြိုက်တယ်",
            "unspaced",
            "1 row whose words no blanks separate, and which come out as few tokens (Burmese)",
        ),
        (
            "ខ្ញុំចូលចិត្តភាពយន្តនេះ",
            "unspaced",
            "1 row whose words no blanks separate, and which come out as few tokens (Khmer)",
        ),
    ],
)
def test_texts_that_look_like_something_else(text: str, kind: str, summary: str) -> None:
    finding = only(lint(split(*GOOD, (text, 1)), None, LABELS, "words"))
    assert (finding.kind, finding.summary) == (kind, summary)
    assert finding.examples == [Example(text, [Place("train", 3, "pos")])]


@pytest.mark.parametrize(
    "text",
    [
        '"quoted"',
        'an "" and',
        "[sic] it's",
        "none of it",
        "ฉัน ชอบ หนัง เรื่อง นี้ มาก",
        "我喜欢这部电影我喜欢这部电影",
        "build b'x",
    ],
)
def test_texts_that_only_nearly_do(text: str) -> None:
    assert lint(split(*GOOD, (text, 1)), None, LABELS, "words").findings == []


@pytest.mark.parametrize("text", ["ฉันชอบหนังเรื่องนี้มาก", "ငါဒီရုပ်ရှင်ကိုကြိုက်တယ်", "ខ្ញុំចូលចិត្តភាពយន្តនេះ"])
def test_pieces_need_no_blanks(text: str) -> None:
    assert lint(split(*GOOD, (text, 1)), None, LABELS).findings == []


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        (["01", "1"], ["similar"]),
        (["spam", "spam."], ["similar"]),
        (["very bad", "very_bad"], ["similar"]),
        (["nan", "pos"], ["missing"]),
        (["none", "some"], []),
        (["-1", "1"], []),
        (["C", "C++"], []),
    ],
)
def test_labels_that_look_like_something_else(labels: list[str], kinds: list[str]) -> None:
    assert [finding.kind for finding in lint(split(*GOOD), None, labels).findings] == kinds


def test_three_examples_at_most() -> None:
    finding = only(lint(split(*[(f"text {row % 5}", row % 5 % 2) for row in range(20)]), None, LABELS))
    assert finding.rows == 15
    assert [(example.text, [place.row for place in example.places]) for example in finding.examples] == [
        ("text 0", [1, 6, 11]),
        ("text 1", [2, 7, 12]),
        ("text 2", [3, 8, 13]),
    ]


def test_both_splits_are_looked_through() -> None:
    report = lint(split(*GOOD), split(("x y", 1), ("x y", 1), ("x y", 0)), LABELS)
    assert [(finding.kind, finding.split, finding.rows) for finding in report.findings] == [
        ("conflicts", "dev", 3),
        ("duplicates", "dev", 1),
    ]


def test_overlap() -> None:
    dev = split(("A dull film", 0), ("a warm film", 0), ("new", 1), ("A dull film !", 0))
    finding = only(lint(split(*GOOD), dev, LABELS))
    assert (finding.kind, finding.split, finding.rows) == ("overlap", "dev", 2)
    assert finding.summary == "2 rows whose text train has too, 1 with another label"
    assert finding.examples == [
        Example("A dull film", [Place("dev", 1, "neg"), Place("train", 2, "neg")]),
        Example("a warm film", [Place("dev", 2, "neg"), Place("train", 1, "pos")]),
    ]


def test_contained() -> None:
    train = split(*GOOD, ("it is a warm film , they say", 1))
    dev = split(("Warm film", 1), ("film they", 0), ("dull", 0), ("dul", 0), ("a film", 0), ("warm film", 1))
    report = lint(train, dev, LABELS)
    finding = report.findings[-1]
    assert (finding.kind, finding.split, finding.rows) == ("contained", "dev", 3)
    assert finding.summary == "3 rows whose text is part of a longer one in train"
    assert finding.examples == [
        Example("Warm film", [Place("dev", 1, "pos"), Place("train", 1, "pos")]),
        Example("dull", [Place("dev", 3, "neg"), Place("train", 2, "neg")]),
    ]
    assert [finding.kind for finding in report.strict_findings] == ["duplicates"]  # of dev's


def test_empty_texts_are_no_duplicates() -> None:
    report = lint(split(*GOOD, ("", 0), ("\u200b ", 1)), split((" ", 1)), LABELS)
    assert [asdict(finding) for finding in report.findings] == [
        {
            "kind": "empty",
            "split": name,
            "rows": len(places),
            "summary": summary,
            "advice": "Drop these rows: a text without a token is read as one unknown word.",
            "examples": [
                {"text": text, "places": [{"split": name, "row": row, "label": label}]} for text, row, label in places
            ],
        }
        for name, summary, places in (
            ("train", "2 rows without a token", [("", 3, "neg"), ("\u200b ", 4, "pos")]),
            ("dev", "1 row without a token", [(" ", 1, "pos")]),
        )
    ]


@pytest.mark.parametrize(("tokens", "rows"), [(512, 0), (513, 1)])
def test_long_texts(tokens: int, rows: int) -> None:
    report = lint(split(*GOOD, ("so " * tokens, 0)), None, LABELS)
    assert [finding.rows for finding in report.findings] == [1] * rows
    assert [finding.summary for finding in report.findings] == ["1 row of more than 512 tokens"] * rows


def test_labels_that_train_lacks() -> None:
    dev = split(("one", 2), ("two", 0), ("three", 3), ("four", 2))
    report = lint(split(*GOOD), dev, ["neg", "pos", "so-so", "awful", "unused"])
    finding = only(report)
    assert (finding.kind, finding.split, finding.rows) == ("unseen", "dev", 3)
    assert finding.summary == "3 rows of labels that train lacks: 'so-so', 'awful'"
    assert [place.label for example in finding.examples for place in example.places] == ["so-so", "awful", "so-so"]
    assert report.imbalance == 1.0


@pytest.mark.parametrize(("most", "found"), [(9, []), (10, ["'pos' has 5.0 times the rows of 'neg'"])])
def test_skewed_classes(most: int, found: list[str]) -> None:
    rows = [(f"good {row}", 1) for row in range(most)] + [("bad 1", 0), ("bad 2", 0)]
    report = lint(split(*rows), None, LABELS)
    assert [finding.summary for finding in report.findings if finding.kind == "skewed"] == found
    assert report.imbalance == most / 2


def test_several_labels() -> None:
    texts = ["a", "b", "A", "a", "b"]
    targets = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], np.int8)
    report = lint(Split(texts, [tokenize(text) for text in texts], targets), None, ["x", "y", "z"])
    assert [(count.label, count.train, count.train_share) for count in report.classes] == [
        ("x", 3, 0.6),
        ("y", 2, 0.4),
        ("z", 0, 0.0),
    ]
    assert report.imbalance == 1.5
    conflicts, duplicates = report.findings
    assert conflicts.examples == [Example("a", [Place("train", 1, "x|y"), Place("train", 3, "x")])]
    assert duplicates.examples == [
        Example("a", [Place("train", 1, "x|y"), Place("train", 4, "x|y")]),
        Example("b", [Place("train", 2, "(none)"), Place("train", 5, "(none)")]),
    ]


def test_several_labels_that_train_lacks() -> None:
    train = Split(["a", "b"], [["a"], ["b"]], np.array([[1, 0, 0], [0, 1, 0]], np.int8))
    dev = Split(["c", "d"], [["c"], ["d"]], np.array([[1, 0, 1], [0, 1, 0]], np.int8))
    finding = only(lint(train, dev, ["x", "y", "z"]))
    assert (finding.kind, finding.rows, finding.summary) == ("unseen", 1, "1 row of labels that train lacks: 'z'")
    assert finding.examples == [Example("c", [Place("dev", 1, "x|z")])]


def pairs(*rows: tuple[str, str, int]) -> Split:
    first, second = [row[0] for row in rows], [row[1] for row in rows]
    return Split(
        first,
        [tokenize(text) for text in first],
        np.array([row[2] for row in rows], np.int64),
        pair_texts=second,
        pair_tokens=[tokenize(text) for text in second],
    )


def test_pairs() -> None:
    train = pairs(("a b", "c", 0), ("a", "b c", 1), ("A b", "c", 0), ("", "d", 0), ("e", " ", 1))
    dev = pairs(("a", "b c", 1), ("a", "c", 0), ("b", "c", 1))
    report = lint(train, dev, LABELS)
    assert report.train == Lengths(rows=5, p50=3, p95=3, longest=3)
    assert [(finding.kind, finding.split, finding.rows, finding.summary) for finding in report.findings] == [
        ("duplicates", "train", 1, "1 row whose text and label an earlier row has"),
        ("overlap", "dev", 1, "1 row whose text train has too, 0 with another label"),
        ("empty", "train", 2, "2 rows with a text without a token"),
    ]
    assert report.findings[1].examples == [Example("a\tb c", [Place("dev", 1, "pos"), Place("train", 2, "pos")])]


def run(*arguments: str | Path) -> tuple[str, KdbuildError | None]:
    """What the command prints, and the error that the group would print."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is None or isinstance(result.exception, KdbuildError):
        return result.output, result.exception
    raise result.exception


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    write_tsv(
        tmp_path / "train.tsv",
        [("A warm film", "pos"), ("a warm film", "neg"), ("the dull one", "neg"), ("The dull one", "neg"), ("", "pos")],
    )
    write_tsv(tmp_path / "dev.tsv", [("the dull one", "neg"), ("dull", "so-so"), ("so " * 60, "pos")])
    return tmp_path


REPORT = f"""\
train    5 rows; tokens a row: median 3, 95 % at most 3, the longest 3
dev      3 rows; tokens a row: median 3, 95 % at most 60, the longest 60

label             train             dev
neg           3   60.0%       1   33.3%
pos           2   40.0%       1   33.3%
so-so         0    0.0%       1   33.3%
the most frequent has 1.5 times the rows of the rarest

conflicts, train: 1 text with different labels, in 2 rows
  train row 1 (pos), train row 2 (neg): A warm film
  Correct the labels, or drop the rows: a classifier gives each text one answer.

duplicates, train: 1 row whose text and label an earlier row has
  train row 3 (neg), train row 4 (neg): the dull one
  Drop the repetitions, unless they are meant as a weight.

overlap, dev: 1 row whose text train has too, 0 with another label
  dev row 1 (neg), train row 3 (neg): the dull one
  Drop these rows from train or from dev: what is measured on dev is too good.

contained, dev: 1 row whose text is part of a longer one in train
  dev row 2 (so-so), train row 3 (neg): dull
  Look at some: if dev holds phrases of train's sentences, what is measured is too good. Keep sentences whole.

empty, train: 1 row without a token
  train row 5 (pos):{" "}
  Drop these rows: a text without a token is read as one unknown word.

unseen, dev: 1 row of labels that train lacks: 'so-so'
  dev row 2 (so-so): dull
  Add rows of these labels to train, or drop them from dev: they can't be learned.
"""


def test_report(odd: Path) -> None:
    assert run(odd) == (REPORT, None)


def test_report_on_good_data(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "rows.tsv", [("a warm film", "pos"), ("a dull film", "neg")])
    output = """\
train    2 rows; tokens a row: median 3, 95 % at most 3, the longest 3
dev      none: `kdbuild train` holds rows out

label             train
neg           1   50.0%
pos           1   50.0%
the most frequent has 1.0 times the rows of the rarest

nothing odd
"""
    assert run(path, "--strict") == (output, None)


def test_strict(odd: Path) -> None:
    output, error = run(odd, "--strict")
    assert output == REPORT
    assert isinstance(error, GateError)
    assert str(error) == (
        f"{odd}: conflicts in train (2), duplicates in train (1), overlap in dev (1). "
        "Correct these rows, or leave --strict out."
    )
    assert error.exit_code == 3


def test_strict_lets_what_may_be_meant_pass(tmp_path: Path) -> None:
    write_tsv(tmp_path / "train.tsv", [("a warm film", "pos"), ("a dull film", "neg"), ("", "neg")])
    write_tsv(tmp_path / "dev.tsv", [("warm", "so-so")])
    output, error = run(tmp_path, "--strict", "--json")
    assert [finding["kind"] for finding in json.loads(output)["findings"]] == ["contained", "empty", "unseen"]
    assert error is None


def test_json(odd: Path) -> None:
    output, error = run(odd, "--json")
    report = json.loads(output)
    assert error is None
    assert list(report) == ["train", "dev", "classes", "imbalance", "findings"]
    assert report["classes"][2] == {
        "label": "so-so",
        "train": 0,
        "train_share": 0.0,
        "dev": 1,
        "dev_share": pytest.approx(1 / 3),
    }
    assert [(finding["kind"], finding["rows"]) for finding in report["findings"]] == [
        ("conflicts", 2),
        ("duplicates", 1),
        ("overlap", 1),
        ("contained", 1),
        ("empty", 1),
        ("unseen", 1),
    ]


def test_long_texts_are_shortened_in_the_report(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "rows.tsv", [("word " * 20, "pos"), ("word " * 20, "pos"), ("x", "neg")])
    output, _ = run(path)
    assert "  train row 1 (pos), train row 2 (pos): " + "word " * 15 + "word…\n" in output


def test_columns_of_other_names_and_several_labels(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("body,topics\nno signal,network|phone\nNo signal,phone\nhello,\n")
    output, _ = run(path, "--text-column", "body", "--label-column", "topics", "--multi-label", "--json")
    report = json.loads(output)
    assert [(count["label"], count["train"]) for count in report["classes"]] == [("network", 1), ("phone", 2)]
    assert [finding["kind"] for finding in report["findings"]] == ["conflicts"]


def test_pairs_in_the_report(tmp_path: Path) -> None:
    rows = "a dog runs\tan animal moves\t1\na dog runs\tan animal moves\t1\na dog runs\tit sleeps\t0\n"
    path = tmp_path / "rows.tsv"
    path.write_text("premise\thypothesis\tlabel\n" + rows)
    output, _ = run(path, "--text-column", "premise", "--pair-column", "hypothesis")
    assert "  train row 1 (1), train row 2 (1): a dog runs | an animal moves\n" in output
    assert "conflicts" not in output


def test_scores(tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path / "rows.tsv", [("a film", "0.5 -1"), ("A film", "-2 3"), ("x", "1 0")], "sentence\tscores"
    )
    report = json.loads(run(path, "--json")[0])
    assert [(count["label"], count["train"]) for count in report["classes"]] == [("0", 2), ("1", 1)]
    assert [finding["kind"] for finding in report["findings"]] == ["conflicts"]


def test_numbers_in_dev_are_no_places(tmp_path: Path) -> None:
    write_tsv(tmp_path / "train.tsv", [("a", "neg"), ("b", "pos")])
    write_tsv(tmp_path / "dev.tsv", [("c", "1"), ("d", "1")])
    report = json.loads(run(tmp_path, "--json")[0])
    assert [(count["label"], count["dev"]) for count in report["classes"]] == [
        ("1", 2),
        ("neg", 0),
        ("pos", 0),
    ]
    assert [finding["kind"] for finding in report["findings"]] == ["unseen"]


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    table = pyarrow.table({"text": ["a film", "A film", "x"], "label": ["pos", "neg", "neg"]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    report = json.loads(run(tmp_path / "rows.parquet", "--json")[0])
    assert [(finding["kind"], finding["rows"]) for finding in report["findings"]] == [("conflicts", 2)]


def test_parquet_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "datasets", None)
    _, error = run(tmp_path / "rows.parquet")
    assert isinstance(error, MissingExtraError)
    assert str(error) == (
        "datasets can't be imported (import of datasets halted; None in sys.modules): this command needs it. "
        "Install it again: pip install --force-reinstall 'datasets>=4.0'"
    )


def test_pairs_in_one_file_only(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("sentence\tsentence2\tlabel\na\tb\tpos\nc\td\tneg\n")
    write_tsv(tmp_path / "dev.tsv", [("e", "pos")])
    _, error = run(tmp_path)
    assert isinstance(error, BadInputError)
    assert str(error) == (
        f"{tmp_path}: one of train.tsv and dev.tsv has 'sentence2'. Both need it, or neither may have it."
    )


def test_no_labels(tmp_path: Path) -> None:
    _, error = run(write_tsv(tmp_path / "rows.tsv", [("a", "5")], "sentence\tstars"))
    assert isinstance(error, BadInputError)
    assert str(error) == "rows.tsv: has texts but neither labels nor scores. Add one of these columns."


def test_missing_file(tmp_path: Path) -> None:
    _, error = run(tmp_path / "rows.tsv")
    assert isinstance(error, BadInputError)
    assert str(error) == f"{tmp_path / 'rows.tsv'}: no such file or folder. Check the path."
