"""What goes wrong outside: kills at any moment, a full disk, two processes in one folder. Nothing is lost, nothing is wrong."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL_STUDENT, run_cli
from kdbuild.trainer.run.folder import RunFolder

STAGES = ("data", "teacher", "augment", "label", "distill")
LONG_ENOUGH_TO_HIT = (
    *("--teacher-epochs", "4", "--teacher-learning-rate", "0.005", "--teacher-batch-size", "8"),
    *("--teacher-checkpoint-every", "20", "--rounds", "6", "--p-pos", "0", "--label-batch-size", "2"),
    *(*SMALL_STUDENT, "--epochs", "4", "--learning-rate", "0.01", "--checkpoint-every", "20"),
)


def command(data: Path, encoder: Path, out: Path) -> list[str]:
    options = ["--teacher", str(encoder), *LONG_ENOUGH_TO_HIT]
    return [sys.executable, "-m", "kdbuild", "train", str(data), "--out", str(out), *options]


def start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        arguments,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def finish(arguments: list[str]) -> None:
    process = start(arguments)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def outcome(run: Path) -> tuple[str, dict[str, Any]]:
    """The student's weights by their hash, and all metrics but the seconds."""
    metrics = json.loads((run / "metrics.json").read_text())
    for stage in metrics.values():
        stage.pop("seconds", None)
    return hashlib.sha256((run / "student" / "model.safetensors").read_bytes()).hexdigest(), metrics


@pytest.fixture(scope="module")
def undisturbed(data_folder: Path, encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(command(data_folder, encoder_folder, run))
    return run


def seconds(run: Path, stage: str) -> float:
    return float(json.loads((run / ".stages" / f"{stage}.json").read_text()).get("seconds", 0.1))


def kill_during(arguments: list[str], run: Path, stage: str, after: float) -> bool:
    """Kill the command some seconds after a stage began; whether it was still running then."""
    process = start(arguments)
    began, record = run / ".stages" / f"{stage}.partial", run / ".stages" / f"{stage}.json"
    deadline = time.monotonic() + 120
    while not began.exists() and not record.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(after)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


def check_kill(undisturbed: Path, data: Path, encoder: Path, run: Path, stage: str, share: float) -> None:
    arguments = command(data, encoder, run)
    after = share * max(0.1, seconds(undisturbed, stage))
    killed = kill_during(arguments, run, stage, after)
    finish(arguments)
    assert outcome(run) == outcome(undisturbed), f"killed {after:.2f} s into {stage} (still running: {killed})"
    leftovers = [path.name for path in run.rglob("*") if path.name.endswith((".partial", ".new"))]
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
    finish(arguments)
    assert outcome(run) == outcome(undisturbed)


def test_second_process_in_a_run_folder_is_refused(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = command(data_folder, encoder_folder, run)
    first = start(arguments)
    deadline = time.monotonic() + 120
    while not (run / ".stages" / "teacher.partial").exists():
        assert time.monotonic() < deadline and first.poll() is None
        time.sleep(0.01)
    try:
        os.killpg(first.pid, signal.SIGSTOP)  # or it might be done before the second has started
        second = start(arguments)
        _, errors = second.communicate(timeout=120)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    message = f"{run}: another kdbuild is working in this run folder. Wait for it, or choose another folder."
    assert errors.decode().splitlines()[-1] == f"Error: {message}"
    assert second.returncode == 2
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
    arguments = command(data_folder, encoder_folder, run)[3:]
    with monkeypatch.context() as patch:
        _FullDisk(word, patch)
        result = run_cli(*arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and last.endswith(FULL), last
    assert run_cli(*arguments).exit_code == 0
    assert outcome(run) == outcome(undisturbed)


def test_errors_that_hide_a_full_disk_are_seen_through() -> None:
    from kdbuild.cli import disk_is_full

    assert disk_is_full(OSError(errno.ENOSPC, "No space left on device"))
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert disk_is_full(wrapped)
    # The library that writes weights tells it in words only.
    assert disk_is_full(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    assert disk_is_full(OSError("28609 requested and 11232 written"))
    assert not disk_is_full(OSError(errno.EACCES, "Permission denied"))
    assert not disk_is_full(ValueError("something else"))
