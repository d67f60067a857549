"""What users get wrong: each time exit code 2, one line that says what, why and the way out, and nothing written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertConfig, BertForSequenceClassification

from commands import SMALL_STUDENT, run_cli
from reviews import make_reviews, write_tsv

REVIEWS = make_reviews(60, seed=2)
HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")


def _text(content: str | bytes) -> Callable[[Path], Path]:
    """A maker of a data file with this content."""

    def make(folder: Path) -> Path:
        path = folder / "rows.tsv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def _rows(*extra: str) -> Callable[[Path], Path]:
    """A maker of a good data file with some lines more."""
    return _text("sentence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in REVIEWS) + "\n".join(extra))


def _scores(last: str) -> Callable[[Path], Path]:
    return _text(
        "sentence\tscores\n" + "".join(f"text {n}\t{n % 3 - 1:.6f} 0.500000\n" for n in range(60)) + last + "\n"
    )


def _dev(*lines: str) -> Callable[[Path], Path]:
    """A maker of a folder with a good train file and this dev file."""

    def make(folder: Path) -> Path:
        write_tsv(folder / "data" / "train.tsv", REVIEWS)
        (folder / "data" / "dev.tsv").write_text("\n".join(lines) + "\n")
        return folder / "data"

    return make


BAD_DATA: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing file": (lambda folder: folder / "rows.tsv", "no such file or folder. Check the path."),
    "empty file": (_text(""), "the file is empty. A header and at least one row are needed."),
    "header only": (_text("sentence\tlabel\n"), "a header and no row. At least one row is needed."),
    "row without a tab": (_rows("no tab here"), "line 62: 0 tabs, the header has 1. Each row needs as many columns"),
    "row with two tabs": (_rows("one\ttwo\tthree"), "line 62: 2 tabs, the header has 1."),
    "empty label": (_rows("a text\t"), "line 62: the label is empty. Every row needs one."),
    "no header": (
        _text("a fine film\tpos\na dull film\tneg\n"),
        "The first line must name a column 'sentence' or 'text'.",
    ),
    "not UTF-8": (_text(b"sentence\tlabel\ncaf\xe9\tpos\n"), "byte 18 is not UTF-8. Convert it first"),
    "one class only": (_text("sentence\tlabel\na\tpos\nb\tpos\n"), "every row has the label 'pos'."),
    "neither label nor scores": (_text("sentence\tstars\na\t5\n"), "has texts but neither 'label' nor 'scores'."),
    "too few rows to hold out": (_text("sentence\tlabel\na b\tpos\nc d\tneg\n"), "too few to hold out 10% of them."),
    "label outside the set": (
        _dev("sentence\tlabel", "a film\tmaybe"),
        "row 1: label 'maybe' is not one of 'neg', 'pos'.",
    ),
    "scores of the wrong count": (
        _scores("text\t0.1 0.2 0.3"),
        "line 62: 3 scores instead of 2, as in the rows before.",
    ),
    "NaN scores": (_scores("text\tnan 0.5"), "line 62: scores 'nan 0.5' aren't finite."),
    "scores that aren't numbers": (
        _scores("text\t0.1  0.5"),
        "line 62: scores '0.1  0.5' aren't numbers separated by one",
    ),
    "unknown format": (lambda folder: _rows()(folder).rename(folder / "rows.xlsx"), "unknown data format '.xlsx'."),
    "folder without train": (lambda folder: folder, "holds no train.tsv"),
}


def assert_refused(arguments: list[str | Path], message: str, out: Path) -> None:
    existed = out.exists()
    result = run_cli(*arguments)
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Error: ")
    assert message in lines[0]
    assert result.stdout == ""
    assert out.exists() == existed


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused(name: str, tmp_path: Path) -> None:
    make, message = BAD_DATA[name]
    out = tmp_path / "run"
    assert_refused(["train", make(tmp_path), "--out", out, *HARD], message, out)


BAD_OPTIONS = {
    "negative rounds": (["--rounds", "-1"], "--rounds -1: out of range. Use a value at least 0."),
    "probability over 1": (["--p-mask", "1.5"], "--p-mask 1.5: out of range. Use a value from 0 to 1."),
    "probabilities over 1 together": (["--p-mask", "0.6", "--p-pos", "0.6"], "together over 1. Lower one of them."),
    "NaN": (["--p-ng", "nan"], "--p-ng nan: out of range. Use a value from 0 to 1."),
    "no epochs of the teacher": (["--teacher-epochs", "0"], "--teacher-epochs 0.0: out of range."),
    "no epochs": (["--epochs", "0"], "--epochs 0.0: out of range."),
    "unknown loss": (["--loss", "hinge"], "Invalid value for '--loss': 'hinge' is not one of 'mse', 'kl_div',"),
    "not a number": (["--rounds", "many"], "Invalid value for '--rounds': 'many' is not a valid integer."),
    "unknown option": (["--runds", "2"], "No such option"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_are_refused(name: str, tmp_path: Path) -> None:
    options, message = BAD_OPTIONS[name]
    out = tmp_path / "run"
    assert_refused(["train", _rows()(tmp_path), "--out", out, *options], message, out)


def test_teacher_folder_without_config(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    out = tmp_path / "run"
    message = f"--teacher {teacher}: the folder has no config.json. Name a folder made by save_pretrained."
    assert_refused(["train", _rows()(tmp_path), "--out", out, "--teacher", teacher], message, out)


def test_teacher_folder_that_is_not_there(tmp_path: Path) -> None:
    out = tmp_path / "run"
    teacher = tmp_path / "nowhere"
    message = f"--teacher {teacher}: no such folder. Check the path."
    assert_refused(["train", _rows()(tmp_path), "--out", out, "--teacher", teacher], message, out)


def test_teacher_with_another_number_of_classes(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    config = BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    config.num_labels = 3
    BertForSequenceClassification(config).save_pretrained(teacher)
    out = tmp_path / "run"
    message = "the data has 2 labels (neg, pos) and the teacher 3 classes."
    assert_refused(["train", _rows()(tmp_path), "--out", out, "--teacher", teacher], message, out)


def test_teacher_that_knows_nothing_of_the_data(teacher_folder: Path, tmp_path: Path) -> None:
    swapped = [(text, "neg" if label == "pos" else "pos") for text, label in make_reviews(300, seed=3)]
    out = tmp_path / "run"
    result = run_cli("train", write_tsv(tmp_path / "rows.tsv", swapped), "--out", out, "--teacher", teacher_folder)
    assert result.exit_code == 2
    assert "below chance + 5 points. Are its classes in another order?" in result.stderr.splitlines()[-1]
    assert not (out / "teacher").exists()


def test_out_that_is_no_run_of_ours(tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in ([], ["--overwrite"]):
        message = f"{out}: not a run folder of kdbuild (no options.json of ours). Choose another folder."
        assert_refused(["train", _rows()(tmp_path), "--out", out, *HARD, *overwrite], message, out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_out_made_from_other_data_needs_overwrite(finished_run: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = (out / "options.json").read_bytes()
    message = f"--out {out}: was made from other data (train.tsv, dev.tsv). Choose another folder, or add --overwrite"
    assert_refused(["train", _rows()(tmp_path), "--out", out, *HARD], message, out)
    assert (out / "options.json").read_bytes() == before
    result = run_cli("train", _rows()(tmp_path), "--out", out, *HARD, "--overwrite")
    assert result.exit_code == 0, result.output
    assert list(json.loads((out / "options.json").read_text())["files"]) == ["rows.tsv"]
    assert not (out / "transfer.tsv").exists()


def test_conflicting_labels_and_overlap_are_counted_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_tsv(data / "train.tsv", [*REVIEWS, (REVIEWS[0][0], "neg"), (REVIEWS[0][0], "pos")])
    write_tsv(data / "dev.tsv", REVIEWS[:3])
    result = run_cli("train", data, "--out", tmp_path / "run", *HARD)
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("Warning")]
    assert warnings == [
        "Warning: train.tsv: 1 text stands there with different labels; all rows are kept. Where a stage reads a text once, "
        "its commonest label counts, and of equally common ones none.",
        "Warning: 3 dev rows also stand in train: what is measured on dev is too good.",
    ]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["data"]["warnings"] == [
        line.removeprefix("Warning: ") for line in warnings
    ]


def test_export_of_an_unfinished_run(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    shutil.rmtree(run / "student")
    out = tmp_path / "artefact"
    message = f"{run}: its student isn't trained with these options. Finish it with: kdbuild distill {run}"
    assert_refused(["export", run, "--out", out], message, out)


def test_export_into_something_else(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    message = f"--out {out}: holds something that isn't an artefact. Choose another folder."
    assert_refused(["export", finished_run, "--out", out], message, out)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_predict_on_a_folder_that_is_no_artefact(tmp_path: Path) -> None:
    message = f"{tmp_path}: not an artefact (no manifest.json). Make one with: kdbuild export RUN --out {tmp_path}"
    assert_refused(["predict", tmp_path, "text"], message, tmp_path / "nothing")


def test_eval_with_labels_of_another_set(artefact_folder: Path, tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "rows.tsv", [("a film", "maybe")])
    message = "row 1: label 'maybe' is not one of 'neg', 'pos'."
    assert_refused(["eval", artefact_folder, path], message, tmp_path / "nothing")


def test_stages_on_a_folder_that_is_no_run(tmp_path: Path) -> None:
    for stage in ("augment", "label", "distill", "export"):
        message = f"{tmp_path / 'run'}: no such run folder. Make one with: kdbuild train DATA"
        assert_refused([stage, tmp_path / "run"], message, tmp_path / "run")
