"""Sets, trials and the file of results of the benchmark of accuracy."""

from pathlib import Path

import pytest

from benchmarks.accuracy.results import Results
from benchmarks.accuracy.sets import divided, labelled, write_whole_sentences
from benchmarks.accuracy.trials import MARKS, TRIALS, Trial
from kdbuild.quickstart.reviews import Review
from kdbuild.runtime.data.readers import read_rows

RATINGS = [Review(2.0, "Good."), Review(-0.5, "Bad."), Review(0.4, "So so."), Review(-3.0, "good."), Review(1.0, "")]


@pytest.mark.parametrize(
    ("has_neutral", "rows"),
    [
        (False, [("Good.", "positive"), ("Bad.", "negative")]),
        (True, [("Good.", "positive"), ("Bad.", "negative"), ("So so.", "neutral")]),
    ],
)
def test_ratings_become_classes(has_neutral: bool, rows: list[tuple[str, str]]) -> None:
    assert labelled(RATINGS, has_neutral=has_neutral) == rows


def test_a_share_of_each_class_is_held_out() -> None:
    rows = [(f"text {number}", "a" if number % 5 else "b") for number in range(50)]
    left, held_out = divided(rows, 0.2, seed=0)
    assert [sum(label == name for _, label in held_out) for name in "ab"] == [8, 2]
    assert sorted(left + held_out) == sorted(rows)
    assert divided(rows, 0.2, seed=0) == (left, held_out)
    assert divided(rows, 0.2, seed=1) != (left, held_out)


def test_a_trial_sets_options_of_the_student_and_of_its_training() -> None:
    options = Trial("a", {"hidden_size": 8, "learning_rate": 0.5}).train_options()
    assert (options.student.hidden_size, options.student.embedding_size) == (8, 64)
    assert (options.training.learning_rate, options.training.epochs) == (0.5, 2.0)


def test_all_trials_can_be_trained() -> None:
    every = (*TRIALS, *MARKS)
    assert len({trial.name for trial in every}) == len(every)
    for trial in every:
        trial.train_options()


def test_results_are_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert not Results(path).has("reviews")
    Results(path).put({"dev": 0.5}, "reviews", "small", "0")
    again = Results(path)
    assert again.has("reviews", "small", "0")
    assert not again.has("reviews", "small", "1")
    assert again.values["reviews"]["small"]["0"] == {"dev": 0.5}


def test_phrases_of_longer_rows_are_left_out(tmp_path: Path) -> None:
    sst2 = tmp_path / "sst2"
    sst2.mkdir()
    rows = [
        "a good film \t1",
        "good film\t1",
        "a good film , long\t1",
        "long\t0",
        "no film\t0",
        "bad\t0",
        "a\t0",
        "no\t0",
    ]
    for name in ("train", "dev"):
        (sst2 / f"{name}.tsv").write_text("sentence\tlabel\n" + "".join(f"{row}\n" for row in rows), "utf-8")
    folder = write_whole_sentences(sst2, tmp_path / "out")
    assert read_rows(folder / "train.tsv").texts == ["a good film , long", "no film", "bad"]
    assert len(read_rows(folder / "dev.tsv").texts) == len(rows)
