"""What goes wrong outside: kills at any moment, a full disk, two processes in one folder. Nothing is lost, nothing is wrong."""

import errno
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

import processes
from commands import FP32_OPTIONS, SMALL_STUDENT, run_cli
from kdbuild.trainer.run.folder import RunFolder
from shared_folders import ShareFolder

STAGES = ("data", "teacher", "augment", "label", "distill")
LONG_ENOUGH_TO_HIT = (
    *("--teacher-epochs", "4", "--teacher-learning-rate", "0.005", "--teacher-batch-size", "8"),
    *("--teacher-checkpoint-every", "20", "--rounds", "6", "--p-pos", "0", "--label-batch-size", "2"),
    *(*SMALL_STUDENT, "--epochs", "4", "--learning-rate", "0.01", "--checkpoint-every", "20"),
)


def command(data: Path, encoder: Path, out: Path) -> list[str]:
    return ["train", str(data), "--out", str(out), "--teacher", str(encoder), *LONG_ENOUGH_TO_HIT, *FP32_OPTIONS]


def finish(arguments: list[str], errors: Path) -> None:
    process = processes.start(arguments, errors)
    process.join(timeout=300)
    assert process.exitcode == 0, errors.read_text()


def outcome(run: Path) -> tuple[str, dict[str, Any]]:
    """The student's weights by their hash, and all metrics but the seconds."""
    metrics = json.loads((run / "metrics.json").read_text())
    for stage in metrics.values():
        stage.pop("seconds", None)
    return hashlib.sha256((run / "student" / "model.safetensors").read_bytes()).hexdigest(), metrics


@pytest.fixture(scope="module")
def undisturbed(
    data_folder: Path, encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory, share_folder: ShareFolder
) -> Path:
    errors = tmp_path_factory.mktemp("undisturbed") / "errors"
    return share_folder("undisturbed", lambda run: finish(command(data_folder, encoder_folder, run), errors))


def seconds(run: Path, stage: str) -> float:
    return float(json.loads((run / ".stages" / f"{stage}.json").read_text()).get("seconds", 0.1))


def wait_for(reached: Callable[[], bool], process: ForkServerProcess) -> None:
    """Wait until a process has got somewhere; it is killed if it takes minutes."""
    deadline = time.monotonic() + 300
    while not reached():
        if time.monotonic() > deadline:
            kill(process)
            raise TimeoutError
        time.sleep(0.002)


def kill(process: ForkServerProcess) -> None:
    """Kill the process, and those that it has started."""
    assert process.pid is not None
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
    process.join()


def kill_during(arguments: list[str], run: Path, stage: str, after: float) -> bool:
    """Kill the command some seconds after a stage began; whether it was still running then."""
    process = processes.start(arguments, run.with_name("errors"))
    began, record = run / ".stages" / f"{stage}.partial", run / ".stages" / f"{stage}.json"
    wait_for(lambda: began.exists() or record.exists() or not process.is_alive(), process)
    time.sleep(after)
    running = process.is_alive()
    kill(process)
    return running


def check_kill(undisturbed: Path, data: Path, encoder: Path, run: Path, stage: str, share: float) -> None:
    arguments = command(data, encoder, run)
    after = share * max(0.1, seconds(undisturbed, stage))
    killed = kill_during(arguments, run, stage, after)
    finish(arguments, run.with_name("errors"))
    assert outcome(run) == outcome(undisturbed), f"killed {after:.2f} s into {stage} (still running: {killed})"
    leftovers = [path.name for path in run.rglob("*") if path.name.endswith((".partial", ".kdbuild-new"))]
    assert leftovers == []


@pytest.mark.parametrize(("stage", "share"), [("teacher", 0.6), ("label", 0.5), ("distill", 0.7)])
def test_killed_at_some_moments(
    undisturbed: Path, data_folder: Path, encoder_folder: Path, tmp_path: Path, stage: str, share: float
) -> None:
    check_kill(undisturbed, data_folder, encoder_folder, tmp_path / "run", stage, share)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_killed_at_a_random_moment(
    undisturbed: Path, data_folder: Path, encoder_folder: Path, tmp_path: Path, number: int
) -> None:
    """Twenty moments, spread over all stages; other ones on every day, named in the test's output."""
    seed = int(time.time() // 86_400) * 100 + number
    draw = random.Random(seed)
    check_kill(undisturbed, data_folder, encoder_folder, tmp_path / "run", STAGES[number % 5], draw.uniform(0, 1.1))


@pytest.mark.slow
def test_killed_again_and_again(undisturbed: Path, data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    """One run that is killed in every stage, some of them twice."""
    run = tmp_path / "run"
    arguments = command(data_folder, encoder_folder, run)
    for stage in ("data", "teacher", "teacher", "augment", "label", "label", "distill", "distill"):
        kill_during(arguments, run, stage, 0.4 * seconds(undisturbed, stage))
    finish(arguments, run.with_name("errors"))
    assert outcome(run) == outcome(undisturbed)


def stop_in_the_teacher_stage() -> None:
    """Let this process be stopped, not ended, when it fine-tunes."""
    from kdbuild.trainer import teacher

    teacher.fine_tune = lambda *_: signal.raise_signal(signal.SIGSTOP)  # type: ignore[assignment]  # it returns nothing


def test_second_process_in_a_run_folder_is_refused(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = command(data_folder, encoder_folder, run)
    first = processes.start(arguments, tmp_path / "errors of the first", stop_in_the_teacher_stage)
    wait_for(lambda: (run / ".stages" / "teacher.partial").exists() or not first.is_alive(), first)
    try:
        second = processes.start(arguments, tmp_path / "errors")
        second.join(timeout=300)
    finally:
        kill(first)
    message = f"{run}: another kdbuild is working in this run folder. Wait for it, or choose another folder."
    assert (tmp_path / "errors").read_text().splitlines()[-1] == f"Error: {message}"
    assert second.exitcode == 2
    # A killed process holds no lock.
    with RunFolder(run).locked():
        pass


FULL = "no space left on the disk. Free some, then run the same command again: it goes on where it stopped."


class _FullDisk:
    """Lets writes fail as on a full disk, from the first file on whose name holds a word."""

    def __init__(self, word: str, monkeypatch: pytest.MonkeyPatch):
        self._word, self._open = word, open
        monkeypatch.setattr("builtins.open", self)
        monkeypatch.setattr("io.open", self)

    def __call__(self, file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        if self._word in str(file) and set(mode) & set("wax"):
            # The kernel's own refusal: every write to this device fails for want of space.
            return self._open("/dev/full", mode, *arguments, **keywords)
        return self._open(file, mode, *arguments, **keywords)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, where every write finds the disk full")
@pytest.mark.parametrize("word", ["train.tsv", "transfer.partial", "scores.tsv", "student.partial/log.json"])
def test_full_disk_costs_nothing(
    undisturbed: Path,
    data_folder: Path,
    encoder_folder: Path,
    tmp_path: Path,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    arguments = command(data_folder, encoder_folder, run)
    with monkeypatch.context() as patch:
        _FullDisk(word, patch)
        result = run_cli(*arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and last.endswith(FULL), last
    assert run_cli(*arguments).exit_code == 0
    assert outcome(run) == outcome(undisturbed)


def test_errors_that_hide_a_full_disk_are_seen_through() -> None:
    from kdbuild.cli.failures import disk_is_full

    assert disk_is_full(OSError(errno.ENOSPC, "No space left on device"))
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert disk_is_full(wrapped)
    # The library that writes weights tells it in words only.
    assert disk_is_full(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert disk_is_full(OSError("28609 requested and 11232 written"))
    assert not disk_is_full(OSError(errno.EACCES, "Permission denied"))
    assert not disk_is_full(ValueError("something else"))
