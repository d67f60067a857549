"""A run with several teachers: each is made ready and asked by its own, and the student learns their mean."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import SMALL_STUDENT, run_cli
from kdbuild.trainer.data.texts import columns, parse_line
from kdbuild.trainer.report.facts import read_facts
from kdbuild.trainer.teacher.model import Teacher

SMALL = (*SMALL_STUDENT, "--rounds", "1", "--p-pos", "0", "--epochs", "1", "--label-dtype", "fp32")
FINE_TUNING = ("--teacher-epochs", "6", "--teacher-learning-rate", "3e-3")


@pytest.fixture(scope="module")
def turned(teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher like the other one, three times as sure, whose classes are in the other order and spelt otherwise."""
    folder = Path(shutil.copytree(teacher_folder, tmp_path_factory.mktemp("teachers") / "turned"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {"0": "POS", "1": "NEG"}, "label2id": {"POS": 0, "NEG": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = (3 * weights[name].flip(0)).contiguous()
    torch.manual_seed(1)
    weights["bert.pooler.dense.bias"] += torch.randn_like(weights["bert.pooler.dense.bias"]) / 2
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def run(
    data_folder: Path,
    teacher_folder: Path,
    turned: Path,
    encoder_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A whole run of three teachers, the last of which is fine-tuned in it."""
    folder = tmp_path_factory.mktemp("several") / "run"
    teachers = ("--teacher", teacher_folder, "--teacher", turned, "--teacher", encoder_folder)
    result = run_cli("train", data_folder, "--out", folder, *teachers, *FINE_TUNING, *SMALL)
    assert result.exit_code == 0, result.output
    return folder


def answers(folder: Path, run: Path) -> np.ndarray:
    """What a teacher says of the transfer set."""
    texts = [parse_line(line) for line in (run / "transfer.tsv").read_text().splitlines()[1:]]
    teacher = Teacher(folder, max_pieces=256)
    return np.asarray(teacher.logits(teacher.encode(*columns(texts))))


def test_the_labels_are_the_mean(run: Path, teacher_folder: Path, turned: Path) -> None:
    first, second = answers(teacher_folder, run), answers(turned, run)[:, ::-1]
    third = answers(run / "teacher" / "3", run)
    weights = json.loads((run / "metrics.json").read_text())["label"]["weights"]
    margins = [one[:, 1] - one[:, 0] for one in (first, second, third)]
    expected = sum(weight * margin for weight, margin in zip(weights, margins, strict=True))
    logits = np.load(run / "labels" / "logits.npy", allow_pickle=False)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], expected, atol=1e-4)
    assert weights[0] / weights[1] > 2  # the second is about three times as sure
    assert (np.sign(expected) == np.sign(margins[0])).mean() > 0.9
    assert sorted(path.name for path in (run / "labels").iterdir()) == ["logits.npy", "scores.tsv"]


def test_what_is_said_of_them(run: Path, teacher_folder: Path, turned: Path, encoder_folder: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    named = metrics["teacher"]["teachers"]
    assert [one["teacher"] for one in named] == [str(teacher_folder), str(turned), str(encoder_folder)]
    assert named[0]["accuracy"] == metrics["teacher"]["dev"]["accuracy"] > 0.95
    assert metrics["label"]["weighted_on"] == "equal"
    assert metrics["label"]["dev"]["accuracy"] > 0.95
    facts = read_facts(run)
    assert facts.teacher == f"{teacher_folder.name} and turned and {encoder_folder.name}"
    assert facts.teacher_accuracy == metrics["label"]["dev"]["accuracy"]
    assert run_cli("report", run).exit_code == 0
    page = (run / "report.html").read_text()
    assert "turned alone" in page
    assert "teachers' accuracy together" in page or "teachers&#x27; accuracy together" in page


def test_nothing_runs_again_and_other_weights_ask_nobody(run: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(run, tmp_path / "run"))
    kept = run_cli("train", "--recipe", run / "recipe.toml", "--out", again)
    assert kept.exit_code == 0, kept.output
    for stage in ("teacher", "augment", "label", "distill"):
        assert f"{stage}: done before, kept" in kept.output
    weighted = run_cli("label", again, "--teacher-weights", "dev")
    assert weighted.exit_code == 0, weighted.output
    assert weighted.output.count(", 0 asked") == 3
    assert "weighted on it" in weighted.output


def test_a_teacher_that_is_ready_is_not_made_again(
    data_folder: Path, encoder_folder: Path, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kdbuild.trainer.teacher import fine_tune

    made: list[str] = []
    original = fine_tune.fine_tune

    def stopped(data: object, name: str, *arguments: object) -> object:
        made.append(name)
        if len(made) == 2:
            raise KeyboardInterrupt
        return original(data, name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fine_tune, "fine_tune", stopped)
    other = shutil.copytree(encoder_folder, tmp_path / "other")
    command = ("teacher", data_folder, "--out", tmp_path / "run", "--teacher", encoder_folder, "--teacher", other)
    assert run_cli(*command, *FINE_TUNING).exit_code != 0
    result = run_cli(*command, *FINE_TUNING)
    assert result.exit_code == 0, result.output
    assert made == [str(encoder_folder), str(other), str(other)]
    assert json.loads((tmp_path / "run" / "options.json").read_text())["options"]["teacher"]["teacher"] == made[:2]


def test_other_classes_are_one_line(data_folder: Path, teacher_folder: Path, turned: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(turned, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"id2label": {"0": "yes", "1": "no"}}))
    result = run_cli("train", data_folder, "--out", tmp_path / "run", "--teacher", teacher_folder, "--teacher", other)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        f"Error: --teacher {other}: its classes (yes, no) aren't those of the other teachers and the data (neg, pos). "
        "Use teachers whose classes have the same names."
    )
    assert not (tmp_path / "run").exists()


def test_a_teacher_is_named_once(data_folder: Path, teacher_folder: Path, tmp_path: Path) -> None:
    result = run_cli(
        "teacher", data_folder, "--out", tmp_path / "run", "--teacher", teacher_folder, "--teacher", teacher_folder
    )
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: --teacher {teacher_folder}: named twice. Name each teacher once."
