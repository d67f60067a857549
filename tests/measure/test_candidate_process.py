"""A contender's process: what it is asked and answers, how it fails, and that nothing of it stays behind."""

import io
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import pytest

from kdbuild.measure import worker
from kdbuild.measure.benchmark.candidates import Contender
from kdbuild.measure.candidate_process import ContenderError, Remote, RemoteTimer
from processes import is_alive
from toys import toy

TEXTS = ["one", "one two", "one two three"]


def start(contender: Contender, threads: int = 1, timeout: float = 300.0) -> Remote:
    return Remote(contender, threads=threads, timeout=timeout)


def loaded_size(contender: Contender, threads: int = 1) -> int:
    """What the contender gives as its size, which some of the toys find out."""
    with start(contender, threads) as remote:
        return int(remote.load()["size_bytes"])


def test_a_contender_is_loaded_asked_and_timed() -> None:
    with start(toy("toy", arguments={"classes": 3, "size_bytes": 42})) as remote:
        made = remote.load()
        assert (made["parameters"], made["size_bytes"]) == (7, 42)
        assert 0 < made["import_seconds"] < 300
        assert 0 <= made["load_seconds"] < 300
        assert 0 < remote.first("one two") < 300
        remote.texts(TEXTS)
        assert remote.answers([0, 1, 2]) == [1, 2, 0]
        assert remote.tokens([2, 0]) == [3, 1]
        assert remote.time([], tokenization=True) == []
        memory = remote.memory()
        assert memory is not None
        assert 1_000_000 < memory < 200_000_000


def test_many_answers_are_asked_for_in_parts() -> None:
    texts = ["word " * number for number in range(250)]
    with start(toy("toy", arguments={"classes": 1000})) as remote:
        remote.load()
        remote.texts(texts)
        assert remote.answers(range(250)) == list(range(250))


@pytest.mark.parametrize("tokenization", [True, False])
def test_times_are_nanoseconds(tokenization: bool) -> None:
    with start(toy("toy", arguments={"seconds": 0.003})) as remote:
        remote.load()
        remote.texts(TEXTS)
        timer = RemoteTimer(remote, tokenization)
        assert timer.answers([0, 1]) == [1, 0]
        calls = timer.time([2, 1, 2])
        assert [answer for _, answer in calls] == [1, 0, 1]
        assert all(3e6 <= nanoseconds < 3e11 for nanoseconds, _ in calls)


def test_without_tokenisation_only_run_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any]] = []

    class Loaded:
        def __call__(self, text: str) -> int:
            calls.append(("call", text))
            return 5

        def encode(self, text: str) -> str:
            calls.append(("encode", text))
            return text.upper()

        def run(self, encoded: str) -> int:
            calls.append(("run", encoded))
            return 6

    served = worker.Worker()
    monkeypatch.setattr(served, "_loaded", Loaded())
    served.texts(["a", "b"])
    assert [answer for _, answer in served.time([1, 0], tokenization=False)] == [6, 6]
    assert calls == [("encode", "b"), ("encode", "a"), ("run", "B"), ("run", "B"), ("run", "A")]
    calls.clear()
    assert [answer for _, answer in served.time([0], tokenization=True)] == [5]
    assert calls == [("call", "a"), ("call", "a")]


def test_what_a_contender_prints_does_not_reach_the_answers() -> None:
    with start(toy("toy", "chatty")) as remote:
        remote.load()
        remote.texts(TEXTS)
        assert remote.answers([0, 1, 2]) == [1, 0, 1]


@pytest.mark.parametrize(
    "variable", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
)
def test_threads_are_limited(variable: str) -> None:
    assert loaded_size(toy("toy", "threads_given", arguments={"variable": variable}), threads=3) == 3003


@pytest.mark.parametrize(("module", "expected"), [("latency", 0), ("doctor", 0), ("kdbuild", 1)])
def test_modules_beside_the_worker_hide_no_others(module: str, expected: int) -> None:
    assert loaded_size(toy("toy", "can_import", arguments={"module": module})) == expected


def test_another_python_needs_no_kdbuild(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    assert loaded_size(toy("toy", "can_import", arguments={"module": "kdbuild"}, python=python)) == 0
    with start(toy("toy", python=python)) as remote:
        remote.load()
        remote.texts(TEXTS)
        assert [answer for _, answer in remote.time([0, 1], tokenization=True)] == [1, 0]


def test_memory_is_that_of_the_process_alone() -> None:
    with start(toy("toy", "hoarder", arguments={"megabytes": 300})) as remote:
        remote.load()
        memory = remote.memory()
    assert memory is not None
    assert 300_000_000 < memory < 400_000_000  # this process, with torch in it, has more


def test_what_has_to_be_prepared_is_prepared_in_another_process(tmp_path: Path) -> None:
    contender = toy("toy", "read_file", prepare="toys:write_file", arguments={"file": str(tmp_path / "made")})
    with start(contender) as remote:
        remote.prepare()
    assert loaded_size(contender) == 12345
    with start(contender) as remote, pytest.raises(ContenderError, match="made is there already"):
        remote.prepare()


@pytest.mark.parametrize(
    ("contender", "message", "missing"),
    [
        (toy("x", "broken"), "the weights are gone", False),
        (toy("x", "leaves"), "no licence", False),
        (toy("x", "missing"), "No module named 'nosuch'", True),
        (toy("x", "nothing"), "module 'toys' has no attribute 'nothing'", False),
        (toy("x", factory="word_count", folders=()), "No module named 'toys'", True),
        (toy("x", arguments={"colour": 1}), "word_count() got an unexpected keyword argument 'colour'", False),
        (toy("x", python="/nosuch/python"), "/nosuch/python can't be started (No such file or directory)", False),
        (toy("x", python="/bin/false"), "its process ended with exit code 1", False),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_line(contender: Contender, message: str, missing: bool) -> None:
    with pytest.raises(ContenderError) as raised, start(contender) as remote:
        remote.load()
    assert str(raised.value) == message
    assert raised.value.missing is missing


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("raises", "had enough"),
        ("dies", "its process ended with exit code 3: last words"),
        ("is killed", "its process was killed by SIGKILL (as the system does when memory runs out)"),
        ("hangs", "no answer to 'answers' within 5 s"),
    ],
)
def test_what_fails_on_the_way_is_told_in_a_line(then: str, message: str) -> None:
    with start(toy("toy", "mood", arguments={"calls": 2, "then": then}), timeout=5) as remote:
        remote.load()
        remote.texts(TEXTS)
        assert remote.answers([0, 1]) == [1, 0]
        with pytest.raises(ContenderError) as raised:
            remote.answers([0])
        assert str(raised.value) == message
        if then == "raises":  # the process is well
            assert remote.memory() is not None
        else:
            with pytest.raises(ContenderError, match="its process was ended"):
                remote.memory()


@pytest.mark.parametrize("way", ["close", "kill", "error", "end"])
def test_no_process_stays_behind(tmp_path: Path, way: str) -> None:
    file = tmp_path / "numbers"
    contender = toy("toy", "with_child", arguments={"file": str(file)})
    if way == "error":
        with pytest.raises(KeyboardInterrupt), start(contender) as remote:
            remote.load()
            raise KeyboardInterrupt
    else:
        with start(contender) as remote:
            remote.load()
            if way == "close":
                remote.close()
            elif way == "kill":
                remote.kill()
    pids = [int(number) for number in file.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [is_alive(pid) for pid in pids] == [False, False]


def test_process_ends_with_its_input() -> None:
    done = subprocess.run([sys.executable, worker.__file__], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_unknown_commands_are_a_bug() -> None:
    with pytest.raises(ValueError, match="no command 'eval'"):
        worker.serve(io.StringIO(json.dumps({"command": "eval"}) + "\n"), io.StringIO())


def test_import_needs_the_standard_library_alone() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import worker; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code, os.path.dirname(worker.__file__)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "worker" in done.stdout.split()
    assert not {"numpy", "click", "kdbuild"} & set(done.stdout.split())
