"""A run through all stages, what reruns when options change, and what a kill leaves."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

import processes
from commands import SMALL_STUDENT, run_cli
from kdbuild.runtime.data.readers import read_rows
from reviews import write_tsv

pytestmark = pytest.mark.trains


def records(run: Path) -> dict[str, str]:
    return {path.stem: json.loads(path.read_text())["fingerprint"] for path in (run / ".stages").glob("*.json")}


def rerun(run: Path, data: Path, teacher: Path, *options: str) -> list[str]:
    """Run train again with the finished run's options and some others; the stages that it says were kept."""
    small = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0")
    base = ("--teacher", teacher, "--rounds", "2", "--p-pos", "0", *small)
    result = run_cli("train", data, "--out", run, *base, *options)
    assert result.exit_code == 0, result.output
    return [line.split(":")[0] for line in result.stderr.splitlines() if line.endswith("done before, kept")]


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_run_folder_holds_what_is_promised(finished_run: Path) -> None:
    names = {path.relative_to(finished_run).as_posix() for path in finished_run.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("tensorboard/student/events.out.tfevents.")}
    assert events
    answers = {name for name in names if name.startswith("label-cache/")}
    assert len(answers) == 1
    assert names - events - answers == {
        "options.json",
        "recipe.toml",
        "metrics.json",
        "metrics.csv",
        "misclassified.tsv",
        "transfer.tsv",
        "splits/train.tsv",
        "splits/dev.tsv",
        "splits/labels.txt",
        "teacher/dev.json",
        "labels/logits.npy",
        "labels/scores.tsv",
        "student/config.json",
        "student/model.safetensors",
        "student/vocab.txt",
        "student/log.json",
        "student/dev_logits.npy",
        "plots/reliability.png",
        ".stages/lock",
        "plots/learning_curve.png",
        "plots/confusion_matrix.png",
        *(f".stages/{stage}.json" for stage in ("data", "teacher", "augment", "label", "distill")),
    }
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert metrics["teacher"]["dev"]["accuracy"] > 0.95
    assert metrics["distill"]["dev"]["accuracy"] > 0.95
    assert metrics["distill"]["dev"]["n"] == 240
    options = json.loads((finished_run / "options.json").read_text())
    assert options["options"]["augment"]["rounds"] == 2
    assert [path.read_bytes()[:4] for path in sorted((finished_run / "plots").iterdir())] == [b"\x89PNG"] * 3


def test_scores_file_is_the_logits_of_the_transfer_set(finished_run: Path) -> None:
    rows = read_rows(finished_run / "labels" / "scores.tsv")
    logits = np.load(finished_run / "labels" / "logits.npy")
    assert rows.tokenized
    assert "tokens\n" + "".join(text + "\n" for text in rows.texts) == (finished_run / "transfer.tsv").read_text()
    np.testing.assert_allclose(np.array(rows.scores), logits, atol=5.1e-7)
    line = (finished_run / "labels" / "scores.tsv").read_text().splitlines()[1]
    assert line.split("\t")[1] == " ".join(f"{value:.6f}" for value in logits[0])


def test_same_command_again_runs_nothing(run: Path, data_folder: Path, teacher_folder: Path) -> None:
    before = (run / "student" / "model.safetensors").stat().st_mtime_ns
    assert rerun(run, data_folder, teacher_folder) == ["teacher", "augment", "label", "distill"]
    assert (run / "student" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--epochs", "1"), ["teacher", "augment", "label"]),
        (("--label-batch-size", "64"), ["teacher", "augment"]),
        (("--rounds", "1"), ["teacher"]),
    ],
)
def test_changed_options_rerun_what_depends_on_them(
    run: Path, data_folder: Path, teacher_folder: Path, options: tuple[str, ...], kept: list[str]
) -> None:
    assert rerun(run, data_folder, teacher_folder, *options) == kept


def test_killed_between_output_and_record_the_old_record_vouches_for_nothing(
    run: Path, data_folder: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New options make a new student; killed before that is recorded, the old options must train again."""
    from kdbuild import files
    from kdbuild.trainer.run import folder as run_folder

    class Killed(Exception):
        pass

    written = files.write_json

    def die_at_the_record(path: Path, value: object) -> None:
        if path.name == "distill.json":
            raise Killed
        written(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_json", die_at_the_record)
        with pytest.raises(Killed):
            rerun(run, data_folder, teacher_folder, "--epochs", "1")
    assert rerun(run, data_folder, teacher_folder) == ["teacher", "augment", "label"]


def test_stages_one_at_a_time_make_the_same_student(
    finished_run: Path, data_folder: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0")
    for command in (
        ("teacher", data_folder, "--out", run, "--teacher", teacher_folder),
        ("augment", run, "--perturb", "article", "--rounds", "2", "--p-pos", "0"),
        ("label", run),
        ("distill", run, *small),
    ):
        result = run_cli(*command)
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines()[-1].startswith("Next: kdbuild ")
    assert records(run) == records(finished_run)
    ours, theirs = (load_file(path / "student" / "model.safetensors") for path in (run, finished_run))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_stage_before_its_time_names_the_command_to_run(
    data_folder: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert run_cli("teacher", data_folder, "--out", run, "--teacher", teacher_folder).exit_code == 0
    result = run_cli("label", run)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {run}: stage 'augment' isn't done with these options, and 'label' reads its output. "
        f"Run first: kdbuild augment {run}\n"
    )


def test_teacher_is_fine_tuned_when_it_is_an_encoder(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ("--teacher", encoder_folder, "--teacher-epochs", "6", "--teacher-learning-rate", "0.01")
    result = run_cli("teacher", data_folder, "--out", run, *options)
    assert result.exit_code == 0, result.output
    assert json.loads((run / "metrics.json").read_text())["teacher"]["dev"]["accuracy"] > 0.9
    config = json.loads((run / "teacher" / "config.json").read_text())
    assert config["id2label"] == {"0": "neg", "1": "pos"}
    assert not (run / "teacher" / "checkpoints").exists()


def test_scores_need_no_teacher(finished_run: Path, data_folder: Path, tmp_path: Path) -> None:
    lines = (finished_run / "labels" / "scores.tsv").read_text().splitlines()
    rows = [(text, scores) for text, scores in (line.split("\t") for line in lines[1:])]
    data = tmp_path / "data"
    write_tsv(data / "train.tsv", rows, header="tokens\tscores")
    dev = [line.split("\t") for line in (data_folder / "dev.tsv").read_text().splitlines()[1:]]
    write_tsv(data / "dev.tsv", [(text, str(int(label == "pos"))) for text, label in dev])
    run = tmp_path / "run"
    result = run_cli("train", data, "--out", run, *SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01")
    assert result.exit_code == 0, result.output
    assert "the data brings scores and no teacher, so the word vectors start random" in result.stderr
    assert json.loads((run / "metrics.json").read_text())["distill"]["dev"]["accuracy"] > 0.9
    assert set(records(run)) == {"data", "distill"}


def test_hard_labels_need_no_teacher_either(data_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    hard = ("--loss", "cross_entropy", "--embeddings", "random", "--epochs", "8", "--learning-rate", "0.01")
    result = run_cli("train", data_folder, "--out", run, *SMALL_STUDENT, *hard)
    assert result.exit_code == 0, result.output
    assert json.loads((run / "metrics.json").read_text())["distill"]["dev"]["accuracy"] > 0.9


def test_three_classes_with_string_labels_out_of_one_csv(tmp_path: Path) -> None:
    words = {"bad": "awful", "fine": "decent", "good": "great"}
    rows = [f'"a {word} thing, number {n}",{label}' for n in range(60) for label, word in words.items()]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    run = tmp_path / "run"
    shape = (
        *SMALL_STUDENT,
        "--batch-size",
        "8",
        "--dropout",
        "0",
        "--classifier-size",
        "32",
        "--epochs",
        "20",
        "--learning-rate",
        "0.01",
    )
    hard = (*shape, "--loss", "cross_entropy", "--embeddings", "random", "--warmup-steps", "5")
    result = run_cli("train", tmp_path / "rows.csv", "--out", run, *hard)
    assert result.exit_code == 0, result.output
    assert (run / "splits" / "labels.txt").read_text() == "bad\nfine\ngood\n"
    dev = read_rows(run / "splits" / "dev.tsv")
    assert sorted(dev.labels or []) == ["bad"] * 6 + ["fine"] * 6 + ["good"] * 6
    assert json.loads((run / "metrics.json").read_text())["distill"]["dev"]["accuracy"] == 1.0


def die_after_three_shards() -> None:
    """Let this process be killed when it has labelled so much."""
    from kdbuild.trainer.teacher import label

    save = label._save

    def save_and_die(path: Path, values: npt.NDArray[np.generic]) -> None:
        save(path, values)
        if path.parent.name == "shards" and len(list(path.parent.glob("*.npy"))) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    label._save = save_and_die


def test_only_new_texts_are_asked(run: Path, tmp_path: Path) -> None:
    before = set(read_rows_of_transfer(run))
    assert run_cli("augment", run, "--rounds", "3").exit_code == 0
    result = run_cli("label", run)
    new = set(read_rows_of_transfer(run)) - before
    known = len(read_rows_of_transfer(run)) - len(new)
    assert known > 100 < len(new)
    assert f"{known:,} known before, {len(new):,} asked" in result.output
    assert json.loads((run / "metrics.json").read_text())["label"]["asked"] == len(new)
    # A shared folder is another one; naming it reruns nothing.
    shared = tmp_path / "shared"
    assert "label: done before, kept" in run_cli("label", run, "--label-cache", shared).output
    assert not shared.exists()
    for asked in (known + len(new), 0):
        (run / ".stages" / "label.json").unlink()
        assert f"{asked:,} asked" in run_cli("label", run).output


def test_a_damaged_answer_is_one_line(run: Path) -> None:
    path = next((run / "label-cache").rglob("*.npy"))
    path.write_bytes(path.read_bytes()[:-4])
    result = run_cli("label", run, "--label-batch-size", "3")
    assert result.exit_code == 2
    assert result.output.splitlines()[-1].startswith(f"Error: {path}: damaged, ")


def test_the_shared_folder_is_a_folder(run: Path) -> None:
    (run.parent / "file").touch()
    result = run_cli("label", run, "--label-cache", run.parent / "file")
    assert result.exit_code == 2
    assert (
        result.output.splitlines()[-1]
        == f"Error: --label-cache {run.parent / 'file'}: not a folder. Choose another name."
    )


def test_labelling_killed_goes_on_without_relabelling(run: Path) -> None:
    """A real kill -9, as soon as a few shards are there."""
    shutil.rmtree(run / "labels")
    shutil.rmtree(run / "label-cache")
    (run / ".stages" / "label.json").unlink()
    errors = run.with_name("errors")
    process = processes.start(["label", str(run), "--label-batch-size", "1"], errors, die_after_three_shards)
    process.join(timeout=300)
    assert process.exitcode == -signal.SIGKILL, errors.read_text()
    shards = run / "labels.partial" / "shards"
    assert not (run / "labels").exists()
    finished = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in shards.glob("*.npy")}
    wanted = len(read_rows_of_transfer(run))
    assert 16 * len(finished) == 3 * 16 < wanted

    from kdbuild.trainer.teacher import model as teacher

    asked: list[int] = []
    original = teacher.Teacher.logits

    def counting(self: teacher.Teacher, pieces: list[list[int]]) -> np.ndarray:
        asked.append(len(pieces))
        return original(self, pieces)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher.Teacher, "logits", counting)
        assert run_cli("label", run, "--label-batch-size", "1").exit_code == 0
    assert sum(asked) == wanted - 16 * len(finished)
    assert not (run / "labels" / "shards").exists()
    assert len(np.load(run / "labels" / "logits.npy")) == wanted


def read_rows_of_transfer(run: Path) -> list[str]:
    return (run / "transfer.tsv").read_text().splitlines()[1:]


def test_student_interrupted_ends_as_if_it_had_not_been(
    run: Path, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped between two checkpoints, the same command ends at the very same weights."""
    from kdbuild.trainer.training import loop as training

    small = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0.1", "--checkpoint-every", "30")
    whole = run_cli("distill", run, *small)
    assert whole.exit_code == 0, whole.output
    undisturbed = load_file(run / "student" / "model.safetensors")
    shutil.rmtree(run / "student")

    class Stopped(Exception):
        pass

    def stop(self: object, args: object, state: object, control: object, **_: object) -> None:
        if state.global_step == 47:  # type: ignore[attr-defined]  # a TrainerState
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(training._Narrator, "on_step_end", stop)
        with pytest.raises(Stopped):
            run_cli("distill", run, *small)
    assert (run / "student.partial" / "checkpoints" / "checkpoint-30").is_dir()
    assert run_cli("distill", run, *small).exit_code == 0
    resumed = load_file(run / "student" / "model.safetensors")
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], value)
