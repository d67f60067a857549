"""Data that brings scores beside options that name what would then not be read: refused, and nothing is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

import kdbuild
from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from reviews import make_reviews, write_tsv

SMALL = (*SMALL_STUDENT, "--epochs", "0.1")
REVIEWS = make_reviews(60, seed=5)
SCORED = [(text, label, "1 -1" if label == "neg" else "-1 1") for text, label in REVIEWS]


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    path = tmp_path / "rows.tsv"
    path.write_text("sentence\tlabel\tscores\n" + "".join("\t".join(row) + "\n" for row in SCORED))
    (tmp_path / "more.txt").write_text("a film\n")
    return path


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("train", "--teacher", "teacher"),
        ("train", "--unlabelled", "more.txt"),
        ("train", "--teacher", "bert-base-uncased"),
    ],
)
def test_what_would_be_dropped_is_refused(
    command: str, option: str, value: str, scored: Path, tmp_path: Path, teacher_folder: Path
) -> None:
    named = {"teacher": teacher_folder, "more.txt": tmp_path / "more.txt"}.get(value, value)
    result = run_cli(command, scored, "--out", tmp_path / "run", option, named, *SMALL)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {option} {named}: the data has a column 'scores', which is learned instead of a teacher's answers. Leave the "
        "option out, or rename the column to have a teacher answer.\n",
    )
    assert not (tmp_path / "run").exists()


def test_a_recipe_and_a_program_say_the_same(scored: Path, tmp_path: Path) -> None:
    message = "--teacher some/teacher: the data has a column 'scores'"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[teacher]\nteacher = "some/teacher"\n')
    result = run_cli("train", recipe, "--data", scored, "--out", tmp_path / "run")
    assert (result.exit_code, result.stderr.startswith(f"Error: {message}")) == (2, True)
    with pytest.raises(BadInputError, match=f"^{message}"):
        kdbuild.train(str(scored), out=tmp_path / "run", teacher="some/teacher")
    assert not (tmp_path / "run").exists()


def test_a_stage_that_scores_leave_out(scored: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    message = "not a stage of this run (the data brings its own scores). Its stages: data, distill.\n"
    result = run_cli("teacher", scored, "--out", run)
    assert (result.exit_code, result.stderr) == (2, f"Error: teacher: {message}")
    assert not run.exists()
    assert run_cli("train", scored, "--out", run, *SMALL).exit_code == 0
    options = (run / "options.json").read_bytes()
    for stage, given in (("augment", ["--rounds", "3"]), ("label", ["--label-batch-size", "3"])):
        result = run_cli(stage, run, *given)
        assert (result.exit_code, result.stderr) == (2, f"Error: {stage}: {message}")
        assert (run / "options.json").read_bytes() == options
    assert run_cli("distill", run, "--student-seed", "7").exit_code == 0


def test_what_hard_labels_leave_unread_is_said(scored: Path, tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "labels.tsv", REVIEWS)
    named = ("--teacher", "some/teacher", "--unlabelled", tmp_path / "more.txt")
    result = run_cli(
        "train", data, "--out", tmp_path / "run", "--loss", "cross_entropy", "--embeddings", "random", *named, *SMALL
    )
    assert result.exit_code == 0, result.output
    assert [line for line in result.stderr.splitlines() if line.startswith("Warning: --")] == [
        "Warning: --teacher some/teacher isn't read: --loss cross_entropy needs none.",
        f"Warning: --unlabelled {tmp_path / 'more.txt'} isn't read: --loss cross_entropy needs none.",
    ]


def test_strings_of_a_program_that_no_file_can_hold(tmp_path: Path) -> None:
    rows = [(f"{text}\ud800", label) for text, label in REVIEWS]
    flags: dict[str, Any] = {
        "loss": "cross_entropy",
        "embeddings": "random",
        "epochs": 0.1,
        "hidden_size": 8,
        "embedding_size": 8,
    }
    run = kdbuild.train(rows, out=tmp_path / "run", **flags)
    assert all(text.endswith("\ufffd") for text in run.data.train.texts)
    json.loads((tmp_path / "run" / "metrics.json").read_bytes())
    with pytest.raises(BadInputError, match=r"^data, line 1: label 'pos\ufffd' holds half a surrogate pair\."):
        kdbuild.train([("a", "pos\ud800"), ("b", "neg")], out=tmp_path / "other", **flags)
    assert not (tmp_path / "other").exists()
