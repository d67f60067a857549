"""From data files to two splits: formats, the order of labels, what is counted, what is held out, what is refused."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows
from kdbuild.trainer.data.hold_out import MOST_HELD_OUT, hold_out
from kdbuild.trainer.data.load import load_data, make_data, read_parts
from kdbuild.trainer.data.sources import data_files, load_rows, open_source
from kdbuild.trainer.data.split import Data, Split, to_split
from kdbuild.trainer.data.store import read_splits, write_splits
from kdbuild.trainer.options import DataOptions

OPTIONS = DataOptions()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder into which the ``datasets`` library converts Parquet files."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def write_parquet(path: Path, columns: dict[str, list[Any]]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def refused(message: str) -> AbstractContextManager[pytest.ExceptionInfo[BadInputError]]:
    """Expect exactly this message."""
    return pytest.raises(BadInputError, match=f"^{re.escape(message)}$")


def as_lists(split: Split) -> tuple[list[str], list[int], list[list[float]] | None]:
    return split.texts, split.targets.tolist(), None if split.scores is None else split.scores.tolist()


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["train.tsv"], ["train.tsv"]),
        (["dev.tsv", "test.tsv", "train.tsv"], ["train.tsv", "dev.tsv"]),
        (["train.tsv", "validation.csv", "test.tsv"], ["train.tsv", "validation.csv"]),
        (["train.tsv", "val.jsonl"], ["train.tsv", "val.jsonl"]),
        (["train.parquet", "dev.jsonl", "train.txt", "notes.csv"], ["train.parquet", "dev.jsonl"]),
    ],
)
def test_files_of_a_folder(tmp_path: Path, there: list[str], found: list[str]) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert data_files(tmp_path) == [tmp_path / name for name in found]


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.csv", "text,label")
    write(tmp_path / "dev.tsv", "sentence\tlabel")
    assert data_files(path) == [path]


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ([], "{}: holds no train.tsv (or .csv, .jsonl, .parquet). Name the file itself, or rename it."),
        (["dev.tsv"], "{}: holds no train.tsv (or .csv, .jsonl, .parquet). Name the file itself, or rename it."),
        (["train.jsonl", "train.csv"], "{}: has train.csv and train.jsonl. Keep one train file."),
        (["train.tsv", "dev.tsv", "validation.tsv"], "{}: has dev.tsv and validation.tsv. Keep one dev file."),
        (["train.tsv", "dev.tsv", "dev.parquet"], "{}: has dev.tsv and dev.parquet. Keep one dev file."),
    ],
)
def test_files_that_are_missing_or_too_many(tmp_path: Path, there: list[str], message: str) -> None:
    for name in there:
        (tmp_path / name).touch()
    with refused(message.format(tmp_path)):
        data_files(tmp_path)


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with refused(f"{tmp_path}/absent: no such file or folder. Check the path."):
        data_files(tmp_path / "absent")


def test_digests(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "abc")
    write(tmp_path / "dev.tsv")
    assert open_source(str(tmp_path)).digests == {
        "train.tsv": "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb",
        "dev.tsv": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }


def test_labels(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "sentence\tlabel", "It's GOOD\tpos", "null\tneg", "\tneg", "NA \tpos")
    write(tmp_path / "dev.tsv", "label\tsentence", "pos\tfine, really")
    data = load_data(open_source(str(tmp_path)), OPTIONS)
    assert data.labels == ["neg", "pos"]
    assert as_lists(data.train) == (["It's GOOD", "null", "", "NA "], [1, 0, 0, 1], None)
    assert data.train.tokens == [["it", "'s", "good"], ["null"], [], ["na"]]
    assert data.train.targets.dtype == np.int64
    assert as_lists(data.dev) == (["fine, really"], [1], None)
    assert data.dev.tokens == [["fine", ",", "really"]]
    assert data.warnings == ["train has labels that dev lacks: 'neg'. How well they are learned isn't measured."]
    assert (len(data.train), len(data.dev)) == (4, 1)


def test_scores(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "sentence\tscores", "good\t-1.500000 2.250000", "bad\t3.000000 -0.000001")
    write(tmp_path / "dev.tsv", "sentence\tlabel", "fine\t1")
    data = load_data(open_source(str(tmp_path)), OPTIONS)
    assert data.labels == ["0", "1"]
    assert as_lists(data.train) == (["good", "bad"], [1, 0], [[-1.5, 2.25], [3.0, float(np.float32(-0.000001))]])
    assert data.train.scores is not None
    assert data.train.scores.dtype == np.float32
    assert as_lists(data.dev) == (["fine"], [1], None)


def test_scores_with_a_teachers_names(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "sentence\tscores", "good\t0 1 0", "bad\t1 0 0")
    write(tmp_path / "dev.tsv", "sentence\tscores", "fine\t0 0 9")
    data = load_data(open_source(str(tmp_path)), OPTIONS, ["neg", "pos", "so-so"])
    assert data.labels == ["neg", "pos", "so-so"]
    assert data.train.targets.tolist() == [1, 0]
    assert data.dev.targets.tolist() == [2]
    with refused(f"{tmp_path}/train.tsv: 3 scores a row, the teacher has 2 classes."):
        load_data(open_source(str(tmp_path)), OPTIONS, ["neg", "pos"])


def test_tokens_are_not_cut_again(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "tokens\tscores", "a <mask> don't\t0 1", "<mask>  x\t1 0")
    write(tmp_path / "dev.tsv", "sentence\tscores", "a <mask> don't\t0 1")
    data = load_data(open_source(str(tmp_path)), OPTIONS)
    assert data.train.tokens == [["a", "<mask>", "don't"], ["<mask>", "x"]]
    assert data.dev.tokens == [["a", "<", "mask", ">", "do", "n't"]]
    assert (data.train.tokenized, data.dev.tokenized) == (True, False)


def test_parquet_is_read_like_the_other_formats(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet", {"text": ["It's", "null", ""], "label": ["x", "NA", "y z"], "n": [1, 2, 3]}
    )
    assert load_rows(path, OPTIONS) == Rows(["It's", "null", ""], ["x", "NA", "y z"])
    path = write_parquet(tmp_path / "b.parquet", {"sentence": ["a", "b"], "label": [0, 12]})
    assert load_rows(path, OPTIONS) == Rows(["a", "b"], ["0", "12"])
    path = write_parquet(tmp_path / "c.parquet", {"text": ["a", "b"], "scores": [[-1.5, 2], [1e-7, 1e300]]})
    assert load_rows(path, OPTIONS) == Rows(["a", "b"], scores=[[-1.5, 2.0], [1e-7, 1e300]])
    path = write_parquet(tmp_path / "d.parquet", {"tokens": [["a", "<mask>"], ["b"]], "label": ["x", "y"]})
    assert load_rows(path, OPTIONS) == Rows(["a <mask>", "b"], ["x", "y"], tokenized=True)


def class_label_file(path: Path, targets: list[int | None]) -> Path:
    """As the hub stores labelled data: numbers, and their names in the schema."""
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["pos", "neg"]))
    datasets.Dataset.from_dict({"text": ["a"] * len(targets), "label": targets}, features=features).to_parquet(path)
    return path


def test_parquet_with_named_classes(tmp_path: Path) -> None:
    assert load_rows(class_label_file(tmp_path / "a.parquet", [0, 1, 0]), OPTIONS) == Rows(
        ["a"] * 3, ["pos", "neg", "pos"]
    )


@pytest.mark.parametrize("missing", [None, -1])
def test_parquet_without_a_rows_label(tmp_path: Path, missing: int | None) -> None:
    path = class_label_file(tmp_path / "a.parquet", [0, missing])
    with refused(f"{path}, line 2: the label is empty. Every row needs one."):
        load_rows(path, OPTIONS)


def test_parquet_with_nulls(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": [None, "b"], "label": ["x", "y"]})
    assert load_rows(path, OPTIONS) == Rows(["", "b"], ["x", "y"])
    path = write_parquet(tmp_path / "b.parquet", {"text": ["a", "b"], "label": [1, None]})
    with refused(f"{path}, line 2: the label is empty. Every row needs one."):
        load_rows(path, OPTIONS)
    path = write_parquet(tmp_path / "c.parquet", {"text": ["a", "b"], "scores": [[0.5, None], [0.5, 0.5]]})
    with refused(
        f"{path}, line 1: scores '0.5 ' aren't numbers separated by one space. Write one raw logit per class."
    ):
        load_rows(path, OPTIONS)


def test_parquet_of_bytes(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["é".encode(), b"b"], "label": [b"x", b"y"]})
    assert load_rows(path, OPTIONS) == Rows(["é", "b"], ["x", "y"])
    path = write_parquet(tmp_path / "b.parquet", {"text": [b"caf\xe9"], "label": [b"x"]})
    with refused(f"{path}, line 1: 'text' holds bytes that aren't UTF-8. Write it as strings."):
        load_rows(path, OPTIONS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"text": [{"en": "a"}], "label": ["x"]},
            ", line 1: 'text' holds an object, not a text. Write its parts into columns of their own.",
        ),
        (
            {"text": ["a"], "label": [["x", "y"]]},
            ", line 1: 'label' is a list of 2 labels. Add --multi-label, or give each text one label.",
        ),
        ({"text": ["a"], "label": [float("nan")]}, ", line 1: the label is empty. Every row needs one."),
    ],
)
def test_parquet_of_other_values(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    path = write_parquet(tmp_path / "a.parquet", columns)
    with refused(f"{path}{message}"):
        load_rows(path, OPTIONS)


def test_parquet_of_doubled_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = [pyarrow.array(["a"]), pyarrow.array(["x"]), pyarrow.array(["y"])]
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(columns, names=["text", "label", "label"]), path)
    with refused(f"{path}, line 1: 2 columns are named 'label'. Rename or drop all but one."):
        load_rows(path, OPTIONS)


def test_columns_of_parquet_that_are_not_read_are_no_matter(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet", {"text": ["a"], "label": ["x"], "meta": [{"a": b"\xe9"}], "raw": [b"\xe9"]}
    )
    assert load_rows(path, OPTIONS) == Rows(["a"], ["x"])


def test_a_script_without_blanks_is_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "sentence\tlabel", "ฉันชอบหนังเรื่องนี้มาก\tpos", "ฉันไม่ชอบหนังเรื่องนี้\tneg")
    write(tmp_path / "dev.tsv", "sentence\tlabel", "ฉันชอบหนังเรื่องนี้\tpos", "bad\tneg")
    source = open_source(str(tmp_path))
    assert make_data(source, read_parts(source, OPTIONS), OPTIONS, in_words=True).warnings == [
        "train.tsv: 2 of 2 texts are in Thai, whose words no blanks separate: a sentence comes out as one token, of which "
        "nothing can be learned. Use --tokenizer pieces, or put blanks between the words."
    ]
    assert load_data(source, OPTIONS).warnings == []


def truncated(path: Path) -> Path:
    """Intact at its end, where the schema stands, and overwritten in the middle."""
    write_parquet(path, {"text": [f"text {number}" for number in range(1000)], "label": ["x", "y"] * 500})
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)
    return path


def test_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for content in (b"", b"sentence\tlabel\n"):
        path.write_bytes(content)
        with pytest.raises(BadInputError, match=rf"^{path}: not a readable Parquet file \(.+\)\. Write it again\.$"):
            load_rows(path, OPTIONS)
    path = truncated(tmp_path / "b.parquet")
    with pytest.raises(BadInputError, match=rf"^{path}: not a readable Parquet file \(.+\)\. Write it again\.$"):
        load_rows(path, OPTIONS)
    path = write_parquet(tmp_path / "c.parquet", {"text": [], "label": []})
    with refused(f"{path}: a header and no row. At least one row is needed."):
        load_rows(path, OPTIONS)
    path = write_parquet(tmp_path / "d.parquet", {"review": ["a"], "stars": [1]})
    with refused(f"{path}: its columns are 'review', 'stars'. The first line must name a column 'sentence' or 'text'."):
        load_rows(path, OPTIONS)


def test_conflicts_and_overlap_are_counted(tmp_path: Path) -> None:
    # Compared as the student reads them: tokenised.
    train = ["It's good\t1", "it 's GOOD\t0", "bad\t0", "bad\t0", "a b\t0", "a b\t1", "a b\t1"]
    write(tmp_path / "train.tsv", "sentence\tlabel", *train)
    write(tmp_path / "dev.tsv", "sentence\tlabel", "BAD\t0", "bad\t1", "a b c\t0")
    data = load_data(open_source(str(tmp_path)), OPTIONS)
    assert data.warnings == [
        "train.tsv: 2 texts stand there with different labels; all rows are kept. Where a stage reads a text once, "
        "its commonest label counts, and of equally common ones none.",
        "2 dev rows also stand in train: what is measured on dev is too good.",
    ]
    assert len(data.train) == 7


def test_rows_left_out_are_counted(tmp_path: Path) -> None:
    rows = [f"whole sentence {n}\t{n % 2}" for n in range(10)] + [f"sentence {n}\t{n % 2}" for n in range(10)]
    path = write(tmp_path / "all.tsv", "sentence\tlabel", *rows, "whole\t0", "whole\t1")
    data = load_data(open_source(str(path)), DataOptions(holdout=0.2))
    assert data.warnings == [
        "all.tsv: 1 text stands there with different labels; all rows are kept. Where a stage reads a text once, its "
        "commonest label counts, and of equally common ones none.",
        "6 rows left out of train: each is a phrase of a held-out row, or the same text.",
    ]
    assert (len(data.train), len(data.dev)) == (12, 4)
    assert sorted(data.dev.targets.tolist()) == [0, 0, 1, 1]
    numbers = {text.split()[-1] for text in data.dev.texts}
    assert all(text.startswith("whole sentence ") for text in data.dev.texts)
    assert not numbers & {text.split()[-1] for text in data.train.texts}


TWO = ["sentence\tlabel", "a\tx", "b\ty"]


@pytest.mark.parametrize(
    ("train", "dev", "teacher", "message"),
    [
        (
            ["sentence\tlabel", "a\tx", "b\tx"],
            TWO,
            None,
            "{}/train.tsv: every row has the label 'x'. Two classes at least are needed.",
        ),
        (
            ["sentence", "a", "b"],
            TWO,
            None,
            "{}/train.tsv: has texts but neither 'label' nor 'scores'. Add one of these columns.",
        ),
        (
            TWO,
            ["sentence\tlogits", "a\t1"],
            None,
            "{}/dev.tsv: has texts but neither 'label' nor 'scores'. Its columns are 'sentence', 'logits': name the one with "
            "the labels, --label-column NAME.",
        ),
        (
            TWO,
            ["sentence\tlabel", "a\tx", "b\tz"],
            None,
            "{}/dev.tsv, row 2: label 'z' is not one of 'x', 'y'. Correct the row or use data with the same labels.",
        ),
        (
            TWO,
            ["sentence\tscores", "a\t1 2 3"],
            None,
            "{}/dev.tsv: 3 scores a row for 2 classes. Write one per class.",
        ),
        (
            TWO,
            TWO,
            ["p", "q", "r"],
            "the data has 2 labels (x, y) and the teacher 3 classes. "
            "Use a teacher for these labels, or an encoder that is fine-tuned here.",
        ),
        (
            TWO,
            None,
            None,
            "label 'x' has 1 row: too few to hold out 10% of them. Give a dev file or more rows.",
        ),
    ],
)
def test_refused(
    tmp_path: Path, train: list[str], dev: list[str] | None, teacher: list[str] | None, message: str
) -> None:
    write(tmp_path / "train.tsv", *train)
    if dev:
        write(tmp_path / "dev.tsv", *dev)
    with refused(message.format(tmp_path)):
        load_data(open_source(str(tmp_path)), OPTIONS, teacher)


def make_split(rows: Sequence[tuple[str, int]]) -> Split:
    texts = [text for text, _ in rows]
    return Split(texts, [text.split() for text in texts], np.array([target for _, target in rows], dtype=np.int64))


def test_hold_out_is_stratified_and_seeded() -> None:
    split = make_split([(f"row {n}", 0 if n < 60 else 1 if n < 90 else 2) for n in range(100)])
    kept, held_out, dropped = hold_out(split, 0.2, seed=0)
    assert Counter(split.targets[held_out].tolist()) == {0: 12, 1: 6, 2: 2}
    assert (sorted(kept + held_out), dropped) == (list(range(100)), 0)
    assert (kept, held_out) == (sorted(kept), sorted(held_out))
    assert hold_out(split, 0.2, seed=0) == (kept, held_out, dropped)
    assert hold_out(split, 0.2, seed=1)[1] != held_out


def test_hold_out_has_a_largest_size() -> None:
    split = make_split([(f"row {n}", n % 2) for n in range(5000)])
    kept, held_out, _ = hold_out(split, 0.5, seed=0)
    assert MOST_HELD_OUT == 2000
    assert (len(kept), Counter(split.targets[held_out].tolist())) == (3000, {0: 1000, 1: 1000})


def test_identical_texts_are_on_one_side() -> None:
    split = make_split([(f"row {n % 50}", n % 2) for n in range(200)])
    kept, held_out, dropped = hold_out(split, 0.1, seed=3)
    texts = {split.texts[row] for row in held_out}
    assert len(texts) == len(held_out) == 20
    assert not texts & {split.texts[row] for row in kept}
    assert dropped == 60  # the other three of each held-out text


def test_only_whole_sentences_are_held_out_and_their_phrases_dropped() -> None:
    rows = [("a b c d", 0), ("b c", 0), ("d", 0), ("a c", 1), ("e f", 1), ("e", 1), ("", 0), ("a b", 0)]
    split = make_split(rows)
    for seed in range(20):
        kept, held_out, dropped = hold_out(split, 0.25, seed)
        # "a c" is no phrase of "a b c d": its words aren't neighbours there.
        assert held_out in ([0, 3], [0, 4])
        assert kept == ([4, 5, 6] if held_out == [0, 3] else [3, 6])
        assert dropped == 8 - len(kept) - 2


@pytest.mark.parametrize(
    ("rows", "share", "message"),
    [
        (
            [("a", 0), *((f"b {n}", 1) for n in range(9))],
            0.1,
            "label '0' has 1 row: too few to hold out 10% of them. Give a dev file or more rows.",
        ),
        (
            [("", 0), ("", 1)] * 5,
            0.5,
            "no row stands outside all others: nothing can be held out. Give a dev file.",
        ),
        # One text, thirty times.
        (
            [*(("hello", 0) for _ in range(30)), *((f"b {n}", 1) for n in range(30))],
            0.1,
            "label '0': its 30 rows are one text, or parts of those held out, and none is left to train on. "
            "Give a dev file or more rows.",
        ),
        # Greetings that also end longer rows.
        (
            [*((f"hello {n}", 0) for n in range(10)), *((f"b {n} hello {n % 10}", 1) for n in range(30))],
            0.2,
            "label '0': each of its 10 rows has no text or stands inside a longer row, so none can be held out. "
            "Give a dev file.",
        ),
        # All rows are one of two texts: all of train would go.
        (
            [("a", 0), ("b", 1)] * 10,
            0.1,
            "label '0': its 10 rows are one text, or parts of those held out, and none is left to train on. "
            "Give a dev file or more rows.",
        ),
    ],
)
def test_nothing_to_hold_out(rows: list[tuple[str, int]], share: float, message: str) -> None:
    with refused(message):
        hold_out(make_split(rows), share, seed=0)


def test_every_class_is_on_both_sides_where_another_drawing_does_it() -> None:
    # Class 0 has two texts of its own; what is left of it stands inside one of the rows of class 1.
    rows = [("x y", 0), *[("z", 0)] * 9, ("a z", 1), *((f"b {n}", 1) for n in range(9))]
    for seed in range(20):
        kept, held_out, _ = hold_out(make_split(rows), 0.1, seed)
        for side in (kept, held_out):
            assert {rows[row][1] for row in side} == {0, 1}


def test_no_label_of_several_leaves_train() -> None:
    targets = np.array([[1, int(n == 7)] for n in range(40)], dtype=np.int8)
    split = Split([f"row {n}" for n in range(40)], [["row", str(n)] for n in range(40)], targets)
    for seed in range(20):
        kept, held_out, _ = hold_out(split, 0.5, seed)
        assert 7 in kept
        assert len(held_out) == 20


def test_labels_of_several_that_can_not_stay_are_named() -> None:
    targets = np.array([[1, 0]] * 5 + [[0, 1]] * 5, dtype=np.int8)
    split = Split(["a"] * 5 + ["b"] * 5, [["a"]] * 5 + [["b"]] * 5, targets)
    with refused("label 'p': all its rows stand in what is held out, and none is left to train on. Give a dev file."):
        hold_out(split.take([0, 1, 2, 5, 6, 7, 8, 9]), 0.25, 0, ["p", "q"])


def test_dev_with_labels_that_train_lacks_is_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", *TWO)
    write(tmp_path / "dev.tsv", "sentence\tlabel", "d\tz", "e\tx")
    assert load_data(open_source(str(tmp_path)), OPTIONS, ["x", "y", "z"]).warnings == [
        "dev has labels that train lacks: 'z'. They can't be learned.",
        "train has labels that dev lacks: 'y'. How well they are learned isn't measured.",
    ]


def is_within(phrase: list[str], tokens: list[str]) -> bool:
    """Whether a row holds another as a run of its tokens, word by word."""
    return any(tokens[at : at + len(phrase)] == phrase for at in range(len(tokens) - len(phrase) + 1))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=5).map(" ".join), st.integers(0, 2)), min_size=2
    ),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.integers(0, 5),
)
def test_hold_out_by_brute_force(rows: list[tuple[str, int]], share: float, seed: int) -> None:
    split = make_split(rows)
    wanted = round(share * len(rows))
    counts = Counter(target for _, target in rows)
    quota = {target: round(Fraction(wanted * count, len(rows))) for target, count in counts.items()}
    if min(quota.values()) < 1 or not any(split.tokens):
        with pytest.raises(BadInputError):
            hold_out(split, share, seed)
        return
    try:
        kept, held_out, dropped = hold_out(split, share, seed)
    except BadInputError as error:
        assert re.match(r"label '\d': (its \d+ rows are one text|each of its \d+ rows has no text)", str(error))
        return
    for side in (kept, held_out):
        assert {int(split.targets[row]) for row in side} == set(counts)
    whole = [
        row
        for row, tokens in enumerate(split.tokens)
        if tokens and not any(len(other) > len(tokens) and is_within(tokens, other) for other in split.tokens)
    ]
    texts = {split.texts[row] for row in held_out}
    assert set(held_out) <= set(whole)
    assert len(texts) == len(held_out)
    for target, count in quota.items():
        found = sum(split.targets[row] == target for row in held_out)
        others = {split.texts[row] for row in whole if split.targets[row] == target} - texts
        # As many as asked for, or all that there are.
        assert found == count or (found < count and not others)
    assert kept == [
        row
        for row, tokens in enumerate(split.tokens)
        if row not in held_out and not (tokens and any(is_within(tokens, split.tokens[other]) for other in held_out))
    ]
    assert held_out == sorted(held_out)
    assert len(kept) + len(held_out) + dropped == len(rows)


def test_splits_are_written_in_the_seed_format(tmp_path: Path) -> None:
    train = Split(["It's  a\tb\n", "null"], [["…"], ["…"]], np.array([1, 0]))
    dev = Split(["x"], [["…"]], np.array([1]), np.array([[-1.5, 1e-7, 1234.5678914]], dtype=np.float32))
    write_splits(tmp_path / "new" / "splits", Data(["neg", "pos é", "NA"], train, dev, []))
    assert {path.name: path.read_bytes().decode() for path in (tmp_path / "new" / "splits").iterdir()} == {
        "labels.txt": "neg\npos é\nNA\n",
        "train.tsv": "sentence\tlabel\nIt's  a b \tpos é\nnull\tneg\n",
        "dev.tsv": "sentence\tlabel\tscores\nx\tpos é\t-1.500000 0.000000 1234.567871\n",
    }


def from_labels(text: str) -> Rows:
    return Rows([text, "b"], ["x\u2028", "1"])


def from_scores(text: str) -> Rows:
    return Rows([text, "b"], scores=[[0.5, -1.25], [3.0, 4.0]])


def from_tokens(text: str) -> Rows:
    return Rows([f"{text} <mask> don't", "<pad>"], ["x\u2028", "1"], tokenized=True)


@pytest.mark.parametrize("make", [from_labels, from_scores, from_tokens])
@pytest.mark.parametrize("text", ["", " a\x1cb ", "é\u2028c\x85d\u3000e", 'It\'s <mask>, "quoted"', "\ufeffa\x0bb"])
def test_splits_are_read_as_they_were(tmp_path: Path, make: Callable[[str], Rows], text: str) -> None:
    labels = ["1", "x\u2028"]
    split = to_split("rows.tsv", make(text), labels, False)
    write_splits(tmp_path, Data(labels, split, split.take([1, 0]), ["a warning"]))
    again = read_splits(tmp_path, multi_label=False)
    assert (again.labels, again.warnings) == (labels, [])
    assert again.train.tokens == split.tokens
    assert again.dev.tokens == split.tokens[::-1]
    assert as_lists(again.train) == as_lists(split)
    assert as_lists(again.dev) == as_lists(split.take([1, 0]))
    assert again.train.tokenized == again.dev.tokenized == split.tokenized
