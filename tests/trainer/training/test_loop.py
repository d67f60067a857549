"""The training loop: schedules, accumulation, the best checkpoint, early stopping, half-written checkpoints, processes."""

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard  # type: ignore[import-untyped]  # it has no types
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import BatchSampler
from transformers import TrainerState, TrainingArguments

from commands import FP32_OPTIONS, SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.options import TrainingOptions
from kdbuild.trainer.student.bilstm import Student, StudentConfig
from kdbuild.trainer.student.regularisation import RegularisedTexts
from kdbuild.trainer.training import loop
from kdbuild.trainer.training.batches import LengthSampler, SequenceDataset
from kdbuild.trainer.training.loop import curve_csv, fit, last_checkpoint, learning_rate_factor, say_idle_gpus
from kdbuild.trainer.training.losses import Objective
from shared_folders import ShareFolder


def factors(steps: int, at: list[int], steps_an_epoch: int = 10, **options: object) -> list[float]:
    factor = learning_rate_factor(TrainingOptions(**options), steps, steps_an_epoch)  # type: ignore[arg-type]  # a test's
    return [round(factor(step), 6) for step in at]


def test_warmup_schedule_climbs_and_falls_linearly() -> None:
    assert factors(100, [0, 5, 10, 55, 100], warmup_steps=10) == [0.0, 0.5, 1.0, 0.5, 0.0]


def test_warmup_as_a_share_of_all_steps() -> None:
    assert factors(100, [0, 3, 6, 53], warmup_steps=0.06) == [0.0, 0.5, 1.0, 0.5]


def test_warmup_is_never_more_than_half() -> None:
    assert factors(10, [0, 4, 5, 10], warmup_steps=100) == [0.0, 0.8, 1.0, 0.0]


def test_constant_schedule() -> None:
    assert factors(100, [0, 5, 10, 100], schedule="constant", warmup_steps=10) == [0.0, 0.5, 1.0, 1.0]
    assert factors(100, [0, 50], schedule="constant", warmup_steps=0) == [1.0, 1.0]


def test_cyclic_schedule_peaks_once_a_cycle() -> None:
    cyclic = factors(100, [0, 5, 10, 15, 20, 30, 40], schedule="cyclic", cycle_epochs=2.0)
    assert cyclic == [0.0, 0.5, 1.0, 0.5, 0.0, 1.0, 0.0]


def rows(count: int, seed: int = 0) -> SequenceDataset:
    """Texts of 1 to 5 ids whose class is whether the first id is 3."""
    draw = np.random.default_rng(seed)
    texts = [draw.integers(3, 5, size=draw.integers(1, 6)).tolist() for _ in range(count)]
    return SequenceDataset(texts, np.array([int(text[0] == 3) for text in texts]), pad_id=0)


def redrawn_rows(count: int) -> SequenceDataset:
    """Texts that every epoch cuts otherwise."""
    vocabulary = Vocabulary([*SPECIAL, "a", "ab", "##b"], 2)
    texts = [["ab"] * (1 + row % 4) + ["a"] * (row % 2) for row in range(count)]
    drawn = RegularisedTexts(texts, vocabulary, 16, 0.5, (0, 5, 0))
    return SequenceDataset(drawn.draw, np.arange(count) % 2, pad_id=0)


def train(
    tmp_path: Path, name: str, options: TrainingOptions, texts: SequenceDataset | None = None
) -> tuple[Student, list[dict[str, float]]]:
    torch.manual_seed(0)
    config = StudentConfig(vocab_size=6, embedding_size=4, hidden_size=4, classifier_size=4, dropout=0.0)
    student = Student(config)
    folder = tmp_path / name
    log = fit(
        name,
        student,
        texts or rows(64),
        rows(32, seed=1),
        options,
        Objective(),
        seed=0,
        device="cpu",
        checkpoints=folder / "checkpoints",
        board=folder / "board",
    )
    return student, log


pytestmark = pytest.mark.trains
FAST: dict[str, Any] = {"epochs": 4.0, "learning_rate": 0.02, "warmup_steps": 0.0, "dtype": "fp32"}


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Without length sorting mattering: a batch of all rows, or four accumulated quarters, take the same one step."""
    whole, _ = train(tmp_path, "whole", TrainingOptions(**FAST | {"epochs": 1.0}, batch_size=64))
    parts, log = train(tmp_path, "parts", TrainingOptions(**FAST | {"epochs": 1.0}, batch_size=16, accumulation=4))
    assert max(entry["step"] for entry in log) == 1
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("seen", [0, 1, 2, 8])
def test_a_batch_is_the_same_however_many_gpus_a_process_sees(
    seen: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, log = train(tmp_path, "one", TrainingOptions(**FAST, batch_size=16))
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: seen))
    sizes, of_student = set(), Student.forward

    def forward(self: Student, input_ids: torch.Tensor, **others: torch.Tensor) -> Any:
        sizes.add(len(input_ids))
        return of_student(self, input_ids, **others)

    monkeypatch.setattr(Student, "forward", forward)
    student, again = train(tmp_path, "several", TrainingOptions(**FAST, batch_size=16))
    assert sizes == {16, 32}  # of training, and all of dev
    assert [entry["step"] for entry in again] == [entry["step"] for entry in log]
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(
    ("place", "world_size", "said"), [("cuda:0", 1, True), ("cuda:0", 2, False), ("cpu", 1, False)]
)
def test_idle_gpus_are_said(
    place: str, world_size: int, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    say_idle_gpus("distill", torch.device(place), world_size)
    line = "distill: trains on one of 2 GPUs; for all: torchrun --nproc-per-node 2 -m kdbuild ...\n"
    assert capsys.readouterr().err == (line if said else "")


def test_evaluation_reports_loss_perplexity_accuracy_and_f1(tmp_path: Path) -> None:
    _, log = train(tmp_path, "run", TrainingOptions(**FAST, batch_size=16, evaluate_every=3))
    evaluated = [entry for entry in log if "eval_loss" in entry]
    assert [entry["step"] for entry in evaluated][:5] == [3, 6, 9, 12, 15]
    assert {"eval_loss", "eval_perplexity", "eval_accuracy", "eval_macro_f1"} <= evaluated[0].keys()
    assert evaluated[0]["eval_perplexity"] == pytest.approx(np.exp(evaluated[0]["eval_loss"]), rel=1e-4)


def test_best_weights_are_kept(tmp_path: Path) -> None:
    """With a learning rate that ruins them in the end, the best evaluation's weights come back."""
    options = TrainingOptions(
        **FAST | {"epochs": 10.0, "learning_rate": 0.3},
        schedule="constant",
        batch_size=16,
        evaluate_every=2,
        keep="best",
    )
    _, log = train(tmp_path, "run", options)
    *during, closing = [entry["eval_accuracy"] for entry in log if "eval_accuracy" in entry]
    assert closing == max(during)
    assert len(set(during)) > 1


def test_training_stops_early(tmp_path: Path) -> None:
    options = TrainingOptions(**FAST | {"epochs": 50.0}, batch_size=16, evaluate_every=4, patience=3)
    _, log = train(tmp_path, "run", options)
    evaluated = [(entry["step"], entry["eval_accuracy"]) for entry in log if "eval_accuracy" in entry]
    best = max(range(len(evaluated)), key=lambda place: evaluated[place][1])
    assert max(step for step, _ in evaluated) == evaluated[best][0] + 3 * 4 < 200


def test_half_written_checkpoints_are_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for step in (5, 20, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-5" / "complete").touch()
    (tmp_path / "checkpoint-20" / "complete").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"


def test_one_checkpoint_stays(tmp_path: Path) -> None:
    train(tmp_path, "run", TrainingOptions(**FAST, batch_size=16, checkpoint_every=5))
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-16"]


@pytest.mark.parametrize(("free", "expected"), [(1000, OSError), (10**9, RuntimeError)])
def test_full_disk_is_told_from_other_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, expected: type[Exception]
) -> None:
    """torch.save says only that a position in the file isn't what it should be."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 523328 vs 523216")

    monkeypatch.setattr(torch, "save", fail)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(expected) as caught:
        train(tmp_path, "run", TrainingOptions(**FAST, batch_size=16))
    if isinstance(caught.value, OSError):
        assert caught.value.errno == errno.ENOSPC


def test_tensorboard_has_the_curves(tmp_path: Path) -> None:
    train(tmp_path, "run", TrainingOptions(**FAST, batch_size=16))
    events = EventAccumulator(str(tmp_path / "run" / "board"))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "eval/accuracy", "eval/macro_f1"} <= set(events.Tags()["scalars"])
    assert max(event.step for event in events.Scalars("eval/accuracy")) == 16


def test_curve_as_csv() -> None:
    log = [
        {"step": 2, "epoch": 0.5, "loss": 0.7, "learning_rate": 0.1, "grad_norm": 1.0},
        {"step": 4, "epoch": 1.0, "eval_loss": 0.6, "eval_accuracy": 0.5, "eval_macro_f1": 0.4, "eval_perplexity": 1.8},
        {"step": 4, "epoch": 1.0, "train_runtime": 3.0},
    ]
    assert list(csv.reader(curve_csv(log).splitlines())) == [
        ["step", "epoch", "loss", "learning_rate", "eval_loss", "eval_accuracy", "eval_macro_f1", "eval_perplexity"],
        ["2", "0.5", "0.7", "0.1", "", "", "", ""],
        ["4", "1.0", "", "", "0.6", "0.5", "0.4", "1.8"],
    ]


def test_rows_are_drawn_by_their_weights() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0])
    drawn = np.zeros(4)
    sampler = LengthSampler(SequenceDataset([[3]] * 4, np.zeros(4, dtype=np.int64), 0, weights=weights), 2, 0)
    for epoch in range(500):
        sampler.set_epoch(epoch)
        drawn += np.bincount(list(sampler), minlength=4)
    assert drawn[[0, 3]].tolist() == [0, 0]
    assert drawn[2] / drawn.sum() == pytest.approx(0.75, abs=0.03)


def test_texts_that_are_redrawn_are_the_same_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within the third epoch of four, the same training ends at the very same weights."""
    options = TrainingOptions(**FAST, batch_size=16, checkpoint_every=5)
    undisturbed, _ = train(tmp_path, "whole", options, redrawn_rows(64))

    class Stopped(Exception):
        pass

    def stop(self: object, args: object, state: TrainerState, control: object, **_: object) -> None:
        if state.global_step == 11:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(loop._Narrator, "on_step_end", stop)
        with pytest.raises(Stopped):
            train(tmp_path, "stopped", options, redrawn_rows(64))
    checkpoints = tmp_path / "stopped" / "checkpoints"
    assert last_checkpoint(checkpoints) == checkpoints / "checkpoint-10"
    resumed, log = train(tmp_path, "stopped", options, redrawn_rows(64))
    assert max(entry["step"] for entry in log) == 16
    assert all(torch.equal(value, undisturbed.state_dict()[name]) for name, value in resumed.state_dict().items())
    texts = redrawn_rows(64)
    first = texts.lengths.tolist()
    texts.begin_epoch(2)
    assert texts.lengths.tolist() != first


def test_processes_share_batches_of_texts_that_are_redrawn() -> None:
    def batches(rank: int, processes: int) -> list[list[list[int]]]:
        texts = redrawn_rows(64)
        sampler = LengthSampler(texts, 16, seed=0)
        sampler.set_epoch(3)
        shard = BatchSamplerShard(BatchSampler(sampler, 16 // processes, False), processes, rank)
        return [[ids[mask == 1].tolist() for ids, mask in of_rows(texts, part)] for part in shard]

    def of_rows(texts: SequenceDataset, part: list[int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        batch = texts.__getitems__(part)
        return zip(batch["input_ids"], batch["attention_mask"], strict=True)

    shared = zip(batches(0, 2), batches(1, 2), strict=True)
    assert [first + second for first, second in shared] == batches(0, 1)


BOTH = """
import json, runpy, sys
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["kdbuild", *arguments]
    try:
        runpy.run_module("kdbuild", run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.fixture(scope="module")
def runs(data_folder: Path, encoder_folder: Path, teacher_folder: Path, share_folder: ShareFolder) -> Path:
    """The same runs by one process and by two: with a teacher that is fine-tuned here, and with one that was before.

    Each of the two imports torch once for both commands, which ``torchrun -m kdbuild`` would do for each.
    """
    augment = ("--rounds", "2", "--p-pos", "0")
    student = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0")
    given = ("train", str(data_folder), "--teacher", str(teacher_folder), *augment, *student, *FP32_OPTIONS)
    slow = ("--teacher-epochs", "6", "--teacher-learning-rate", "0.005", "--teacher-dtype", "fp32")
    tuned = ("teacher", str(data_folder), "--teacher", str(encoder_folder), *slow, "--device", "cpu")
    commands = {"given": given, "tuned": tuned}

    def fill(folder: Path) -> None:
        folder.mkdir()
        for name, arguments in commands.items():
            result = run_cli(*arguments, "--out", folder / f"{name}-1")
            assert result.exit_code == 0, result.output
        (folder / "both.py").write_text(BOTH)
        by_two = [[*arguments, "--out", str(folder / f"{name}-2")] for name, arguments in commands.items()]
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        process = subprocess.run(
            [*torchrun, str(folder / "both.py"), json.dumps(by_two)],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            timeout=600,
        )
        assert process.returncode == 0, process.stderr
        assert "Error" not in process.stderr

    return share_folder("processes", fill)


def test_two_processes_label_alike(runs: Path) -> None:
    one, two = ((runs / f"given-{count}" / "labels" / "logits.npy").read_bytes() for count in (1, 2))
    assert one == two
    assert len({(runs / f"given-{count}" / "transfer.tsv").read_bytes() for count in (1, 2)}) == 1


@pytest.mark.parametrize(("name", "stage"), [("given", "distill"), ("tuned", "teacher")])
def test_two_processes_train_alike(runs: Path, name: str, stage: str) -> None:
    accuracies = [
        json.loads((runs / f"{name}-{count}" / "metrics.json").read_text())[stage]["dev"]["accuracy"]
        for count in (1, 2)
    ]
    assert min(accuracies) > 0.9
    assert abs(accuracies[0] - accuracies[1]) < 0.03


def test_two_processes_keep_the_steps_of_one(runs: Path) -> None:
    logs = [json.loads((runs / f"given-{count}" / "student" / "log.json").read_text()) for count in (1, 2)]
    assert len({max(entry["step"] for entry in log) for log in logs}) == 1


def test_batches_that_processes_cant_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    message = "--batch-size 16: can't be shared by 3 processes. Use a multiple of 3."
    with pytest.raises(BadInputError, match=message):
        train(tmp_path, "run", TrainingOptions(**FAST, batch_size=16))
