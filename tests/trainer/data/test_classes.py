"""Which label is which class: the order of labels, matching with a teacher's names, and what labelled rows suggest."""

import itertools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.classes import assign, match_by_name, ordered
from kdbuild.trainer.data.load import load_data, make_data, read_parts
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.options import DataOptions

OPTIONS = DataOptions()


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ("neg pos", "neg pos"),
        ("b a C é", "C a b é"),
        ("10 9 1", "1 9 10"),
        ("2 b 10 a -1 01 1", "-1 01 1 2 10 a b"),
        ("0.5 -0.5 10 -10 2", "-10 -0.5 0.5 2 10"),
        ("+1 -1 0", "-1 0 +1"),
    ],
)
def test_order_of_labels(values: str, labels: str) -> None:
    assert ordered(set(values.split())) == labels.split()


@pytest.mark.parametrize(
    ("values", "teacher", "labels"),
    [
        # All or some of the names: the teacher's order.
        ("neg pos", "pos neg", "pos neg"),
        ("neg", "pos neg so-so", "pos neg so-so"),
        ("1 0", "1 0", "1 0"),
        # Case and LABEL_ don't matter; the data's spelling is kept.
        ("Neg pos", "POS NEG", "pos Neg"),
        ("LABEL_1 LABEL_0", "0 1", "LABEL_0 LABEL_1"),
        ("0 1", "LABEL_0 LABEL_1", "0 1"),
        ("1.0 0.0", "0 1", "0.0 1.0"),
        # Integers in numeric order, where the classes are only numbered.
        ("3 1 2", "0 1 2", "1 2 3"),
        ("-1 1 0", "LABEL_0 LABEL_1 LABEL_2", "-1 0 1"),
        # Never by place.
        ("0 1", "neg pos", None),
        ("1 2", "neg pos", None),
        ("good bad", "0 1", None),
        ("pos bad", "pos neg", None),
        ("1 2", "0 1 2", "0 1 2"),
    ],
)
def test_matching_by_name(values: str, teacher: str, labels: str | None) -> None:
    assert match_by_name(set(values.split()), teacher.split()) == (None if labels is None else labels.split())


@pytest.mark.parametrize("seed", range(20))
def test_the_best_assignment_and_the_next_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, rows = int(rng.integers(2, 6)), 60
    targets = rng.integers(0, count, rows)
    logits = rng.normal(size=(rows, count)).astype(np.float32)
    logits[np.arange(rows), rng.permutation(count)[targets]] += 1
    answers = logits.argmax(axis=1)
    every = sorted(
        float(np.mean(np.array(places)[answers] == targets)) for places in itertools.permutations(range(count))
    )
    found = assign([str(place) for place in range(count)], targets, logits)
    assert found.agreement == pytest.approx(every[-1])
    assert found.runner_up == pytest.approx(every[-2])
    assert np.mean(np.array(list(map(int, found.labels)))[answers] == targets) == pytest.approx(every[-1])


def source(tmp_path: Path, *rows: str) -> Path:
    (tmp_path / "train.tsv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    (tmp_path / "dev.tsv").write_text("".join(f"{row}\n" for row in rows[:5]), encoding="utf-8")
    return tmp_path


def answering(right: float, *, swapped: bool) -> "tuple[list[str], list[int]]":
    """Rows of labels 0 and 1, 60 of 0, and a teacher's classes for them."""
    labels = [int(number >= 60) for number in range(100)]
    wrong = set(range(0, 100, round(1 / (1 - right))))
    return ["sentence\tlabel", *(f"t{n} x\t{label}" for n, label in enumerate(labels))], [
        label ^ swapped ^ (n in wrong) for n, label in enumerate(labels)
    ]


@pytest.mark.parametrize(("swapped", "labels"), [(False, ["0", "1"]), (True, ["1", "0"])])
def test_classes_that_labelled_rows_suggest(tmp_path: Path, swapped: bool, labels: list[str]) -> None:
    rows, answers = answering(0.9, swapped=swapped)

    def ask(split: Split) -> npt.NDArray[np.float32]:
        return np.eye(2, dtype=np.float32)[[answers[int(text.split()[0][1:])] for text in split.texts]]

    opened = open_source(str(source(tmp_path, *rows)))
    data = make_data(opened, read_parts(opened, OPTIONS), OPTIONS, ["bad", "good"], ask)
    assert data.labels == labels
    assert data.warnings[0] == (
        "the teacher's classes (bad, good) aren't named like the labels (0, 1); as 90.0% of 100 rows suggest, "
        f"'{labels[0]}' is 'bad', '{labels[1]}' is 'good'."
    )


def test_classes_that_labelled_rows_leave_open(tmp_path: Path) -> None:
    rows, answers = answering(2 / 3, swapped=False)

    def ask(split: Split) -> npt.NDArray[np.float32]:
        return np.eye(2, dtype=np.float32)[[answers[int(text.split()[0][1:])] for text in split.texts]]

    opened = open_source(str(source(tmp_path, *rows)))
    message = (
        "the teacher's classes (bad, good) aren't named like the labels (0, 1), and 100 rows don't say which is which: the "
        "best assignment agrees with 66.0% of them, the next with 34.0%, and the commonest label has 60.0%. "
        "Rename the labels, or use an encoder that is fine-tuned here."
    )
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        make_data(opened, read_parts(opened, OPTIONS), OPTIONS, ["bad", "good"], ask)


TWO = ("sentence\tlabel", "a\tx", "b\ty")


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (TWO, ["x", ""], "the teacher's class name '' is empty. Correct id2label in its config.json."),
        (
            TWO,
            ["x", "y\nz"],
            "the teacher's class name 'y\\nz' holds a tab or line end. Correct id2label in its config.json.",
        ),
        (
            TWO,
            ["x", "X"],
            "the teacher's class name 'X' is that of another class, 'x'. Correct id2label in its config.json.",
        ),
        (
            TWO,
            ["x", "y\ud800"],
            "the teacher's class name 'y\\ud800' holds half a surrogate pair. Correct id2label in its config.json.",
        ),
        (
            TWO,
            ["p", "q"],
            "the teacher's classes (p, q) aren't named like the labels (x, y). "
            "Rename the labels, or use an encoder that is fine-tuned here.",
        ),
        (
            ("sentence\tlabel", *(f"{label}\t{label}" for label in "abcd12")),
            ["neg", "pos"],
            "the data has 6 labels (1, 2, a, b, c) and the teacher 2 classes. "
            "Use a teacher for these labels, or an encoder that is fine-tuned here.",
        ),
        (
            ("sentence\tlabel\tscores", "a\tx\t0 1", "b\ty\t1 0", "c\ty\t0 1"),
            None,
            "{}/train.tsv: the highest score is that of the label in 33.3% of the rows, less than by chance. "
            "Write the scores in the labels' order: sorted, or as the teacher has its classes.",
        ),
    ],
)
def test_refused(tmp_path: Path, rows: tuple[str, ...], names: list[str] | None, message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(message.format(tmp_path))}$"):
        load_data(open_source(str(source(tmp_path, *rows))), OPTIONS, names)


def test_scores_of_several_labels_in_another_order(tmp_path: Path) -> None:
    rows = ("sentence\tlabel\tscores", "a\tx\t-3 3", "b\ty\t3 -3", "c\tx|y\t1 1")
    with pytest.raises(BadInputError, match="labels that are given have lower scores than the others"):
        load_data(open_source(str(source(tmp_path, *rows))), DataOptions(multi_label=True))


def test_a_teachers_names_decide_the_order(tmp_path: Path) -> None:
    folder = source(tmp_path, "sentence\tlabel", "a\tneg", "b\tpos", "c\tneg")
    (folder / "dev.tsv").write_text("sentence\tlabel\nd\tNEG\ne\tpos\n")
    data = load_data(open_source(str(folder)), OPTIONS, ["POS", "neg"])
    assert data.labels == ["pos", "neg"]
    assert data.train.targets.tolist() == [1, 0, 1]
    assert data.dev.targets.tolist() == [1, 0]
