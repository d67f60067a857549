"""Several students side by side: the article's three, repeated over seeds, resumable."""

import errno
import json
import os
import shutil
import statistics
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from commands import SMALL_STUDENT, run_cli
from kdbuild.trainer.run.ablation import _keep
from kdbuild.trainer.run.stages import LABEL_CACHE

pytestmark = pytest.mark.trains
NAMES = ["hard labels", "teacher's labels", "teacher's labels, augmented"]


def arguments(data: Path, teacher: Path, out: Path) -> tuple[str | Path, ...]:
    student = (*SMALL_STUDENT, "--rounds", "2", "--p-pos", "0", "--epochs", "2", "--learning-rate", "0.01")
    return ("train", data, "--out", out, "--teacher", teacher, *student, "--ablation", "--runs", "2")


@pytest.fixture(scope="module")
def folder(data_folder: Path, teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ablation") / "run"
    result = run_cli(*arguments(data_folder, teacher_folder, out))
    assert result.exit_code == 0, result.output
    assert result.stdout == (out / "ablation.md").read_text()
    return out


def test_three_students_of_two_seeds(folder: Path) -> None:
    found = json.loads((folder / "ablation.json").read_text())
    assert (found["dev_rows"], found["seeds"]) == (240, [0, 1])
    assert [student["name"] for student in found["students"]] == NAMES
    assert [student["epochs"] for student in found["students"]] == [3.0, 6.0, 2.0]
    hard, soft, augmented = found["students"]
    assert hard["transfer_sentences"] == soft["transfer_sentences"] == 400 < augmented["transfer_sentences"]
    for student in found["students"]:
        assert len(student["accuracy"]) == 2
        assert student["mean"] == pytest.approx(statistics.fmean(student["accuracy"]))
        assert student["deviation"] == pytest.approx(statistics.stdev(student["accuracy"]))
        assert student["cpu_seconds"] > 0
    assert found["teacher"]["n"] == 240


def test_seeds_make_different_students_and_are_kept(folder: Path) -> None:
    kept = sorted(path.name for path in (folder / "students").iterdir())
    assert kept == [
        *("hard-labels-0", "hard-labels-1", "teachers-labels-0", "teachers-labels-1"),
        *("teachers-labels-augmented-0", "teachers-labels-augmented-1"),
    ]
    weights = {name: load_file(folder / "students" / name / "model.safetensors")["hidden.weight"] for name in kept}
    assert len({value.tobytes() for value in weights.values()}) == 6


def test_run_folder_ends_with_the_student_of_a_plain_run(
    folder: Path, data_folder: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    plain = [part for part in arguments(data_folder, teacher_folder, tmp_path / "run") if part not in ("--ablation",)]
    # A text's logits depend a little on the batch that it was asked in, so both take the same.
    result = run_cli(*plain[: plain.index("--runs")], "--label-cache", folder / LABEL_CACHE)
    assert result.exit_code == 0, result.output
    ours, theirs = ((run / "student" / "model.safetensors").read_bytes() for run in (folder, tmp_path / "run"))
    assert ours == theirs


def test_table_and_plot(folder: Path) -> None:
    header, _, teacher, *students = (folder / "ablation.md").read_text().splitlines()
    assert header.startswith("| dev, 240 rows, 2 seeds | trained on | epochs | accuracy | macro-F1 | parameters |")
    assert teacher.startswith("| teacher | | |")
    assert [line.split(" | ")[0] for line in students] == [f"| {name}" for name in NAMES]
    assert all(" ± " in line for line in students)
    assert (folder / "plots" / "ablation.png").read_bytes()[:4] == b"\x89PNG"
    result = run_cli("report", folder)
    assert result.exit_code == 0, result.output
    assert "teacher&#x27;s labels, augmented" in (folder / "report.html").read_text()


def test_interrupted_ablation_goes_on(folder: Path, data_folder: Path, teacher_folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(folder, tmp_path / "run"))
    before = json.loads((out / "ablation.json").read_text())
    shutil.rmtree(out / "students" / "teachers-labels-augmented-0")
    (out / "ablation.json").unlink()
    result = run_cli(*arguments(data_folder, teacher_folder, out))
    assert result.exit_code == 0, result.output
    kept = [line for line in result.stderr.splitlines() if line.endswith("done before, kept") and ", seed" in line]
    assert len(kept) == 5
    after = json.loads((out / "ablation.json").read_text())
    for found in (before, after):
        for student in found["students"]:
            del student["cpu_seconds"]
    assert after == before


def test_one_student_over_seeds(data_folder: Path, tmp_path: Path) -> None:
    hard = (
        "--loss",
        "cross_entropy",
        "--embeddings",
        "random",
        *SMALL_STUDENT,
        "--epochs",
        "0.5",
        "--student-seed",
        "7",
    )
    result = run_cli("train", data_folder, "--out", tmp_path / "run", *hard, "--runs", "3")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "run" / "ablation.json").read_text())
    assert found["seeds"] == [7, 8, 9]
    assert [student["name"] for student in found["students"]] == ["student"]
    assert found["teacher"] == {}


def test_data_with_scores_has_no_teacher_to_do_without(tmp_path: Path) -> None:
    lines = [f"text {number}\t{number % 3 - 1:.6f} 0.500000" for number in range(60)]
    (tmp_path / "rows.tsv").write_text("sentence\tscores\n" + "".join(line + "\n" for line in lines))
    result = run_cli("train", tmp_path / "rows.tsv", "--out", tmp_path / "run", *SMALL_STUDENT, "--ablation")
    assert result.exit_code == 2
    message = "--ablation: the data brings its own scores, so there's no teacher to label anything. Drop it."
    assert result.stderr.splitlines()[-1] == f"Error: {message}"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_student_is_kept_with_or_without_hard_links(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    student, kept = tmp_path / "student", tmp_path / "students" / "student-0"
    (student / "logs").mkdir(parents=True)
    (student / "vocab.txt").write_text("film\n")
    (student / "logs" / "log.jsonl").write_text("{}\n")
    for seed in (0, 1):  # the second takes the first's place
        _keep(student, kept, {"seed": seed})
        files = {path.relative_to(kept).as_posix(): path.read_text() for path in kept.rglob("*") if path.is_file()}
        assert files == {"vocab.txt": "film\n", "logs/log.jsonl": "{}\n", "result.json": f'{{\n  "seed": {seed}\n}}\n'}
    assert [path.name for path in (tmp_path / "students").iterdir()] == ["student-0"]
