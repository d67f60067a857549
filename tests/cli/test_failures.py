"""What the system refuses is one line and exit code 2; streams that are closed or lack a character stop nothing."""

import errno
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.cli import cli, failures
from kdbuild.cli.failures import describe, interruption
from kdbuild.console import progress, say
from reviews import make_reviews, write_tsv

LONG = "x" * 300
HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("a file")
    return folder / "file" / "run"


# Each fails for every user, root included.
UNUSABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "name too long": (lambda folder: folder / LONG, "Choose a shorter name."),
    "parent that is a file": (below_a_file, "A part of the path before the last is a file: check the path."),
}
COMMANDS: dict[str, Callable[[Path, Path, Path], tuple[str | Path, ...]]] = {
    "train, out": lambda data, run, path: ("train", data, "--out", path, *HARD),
    "init": lambda data, run, path: ("init", path),
    "export": lambda data, run, path: ("export", path),
    "export, out": lambda data, run, path: ("export", run, "--format", "tflite", "--out", path),
    "report": lambda data, run, path: ("report", path),
    "report, out": lambda data, run, path: ("report", run, "--out", path),
    "predict": lambda data, run, path: ("predict", path, "a text"),
    "distill": lambda data, run, path: ("distill", path),
    "train, data": lambda data, run, path: ("train", path, "--out", run.parent / "other", *HARD),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", UNUSABLE)
def test_paths_that_cannot_be_used(kind: str, command: str, finished_run: Path, tmp_path: Path) -> None:
    make, _ = UNUSABLE[kind]
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = run_cli(*COMMANDS[command](data, finished_run, path))
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("Error: "), lines
    assert not [line for line in lines[:-1] if line.startswith(("Error", "Traceback"))]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", UNUSABLE)
def test_the_line_names_the_path_and_the_way_out(kind: str, tmp_path: Path) -> None:
    make, way_out = UNUSABLE[kind]
    path = make(tmp_path)
    try:
        (path / ".stages").mkdir(parents=True)
    except OSError as error:
        line = describe(error, "train")
    assert line is not None
    assert line.startswith(f"{tmp_path}")
    assert line.endswith(way_out)


def _os_error(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), names[0], None, *names[1:])


LINES: dict[str, tuple[Exception, str | None]] = {
    "no permission": (
        _os_error(errno.EACCES, "/data/rows.tsv"),
        "/data/rows.tsv: can't be used (Permission denied). Check its permissions, or name another.",
    ),
    "read-only": (
        _os_error(errno.EROFS, "/run"),
        "/run: can't be used (Read-only file system). Choose a folder that can be written to.",
    ),
    "two files": (
        _os_error(errno.EIO, "/a.new", "/a"),
        "/a.new and /a: can't be used (Input/output error). Check the path and the disk.",
    ),
    "words alone": (
        OSError("Consistency check failed"),
        "the system refuses to read or write a file (Consistency check failed). Check the path and the disk.",
    ),
    "full disk": (
        _os_error(errno.ENOSPC, "/run"),
        "no space left on the disk. Free some, then run the same command again: it goes on where it stopped.",
    ),
    "file that ends": (
        EOFError("Compressed file ended before the end-of-stream marker was reached"),
        "a file that is read ends too soon (Compressed file ended before the end-of-stream marker was reached). "
        "Make or fetch it again.",
    ),
    "name that isn't UTF-8": (
        UnicodeEncodeError("utf-8", "caf\udce9/run", 3, 4, "surrogates not allowed"),
        "caf?/run: holds a name that isn't UTF-8, which can't be written down. Rename the file or folder.",
    ),
    "bug": (ValueError("something else"), None),
    "bug with characters": (UnicodeEncodeError("ascii", "caf\xe9", 3, 4, "ordinal not in range"), None),
}


@pytest.mark.parametrize("name", LINES)
def test_lines(name: str) -> None:
    error, line = LINES[name]
    assert describe(error, "train") == line


def test_only_runs_go_on() -> None:
    assert interruption("train") == "Interrupted. The same command goes on where it stopped."
    assert interruption("predict") == interruption("eval") == "Interrupted."
    assert describe(_os_error(errno.ENOSPC, "/a"), "export") == (
        "no space left on the disk. Free some, then run the same command again."
    )


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (EOFError("No data left in file"), "Error: a file that is read ends too soon (No data left in file). ", 2),
        (KeyboardInterrupt(), "Interrupted.\n", 130),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "Error: x: can't be used (Permission denied). ", 2),
    ],
)
def test_of_a_command(error: BaseException, said: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.commands, "predict", click.Command("predict", callback=fail))
    result = run_cli("predict")
    assert result.exit_code == code
    assert result.stderr.lstrip("\n").startswith(said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_os_error(errno.EFBIG, "/run/events"), "Warning: a log can't be written (File too large).\n"),
        (ValueError("a bug"), "shown: a bug\n"),
    ],
)
def test_of_a_thread(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "_show", lambda failure: say(f"shown: {failure.exc_value}"))
    failures.thread_failed(threading.ExceptHookArgs((type(error), error, None, None)))
    assert capsys.readouterr().err == said


def test_word_vectors_that_end_too_soon(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(b"a 1 2 3 4 5 6 7 8\n" * 1000)[:40])
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    result = run_cli("train", data, "--out", tmp_path / "run", "--embeddings", path, *SMALL_STUDENT)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {path}, after line 0: damaged gzip data (")
    assert "Interrupted" not in result.stderr


def kdbuild(*arguments: str | bytes | Path, shell: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run kdbuild in a process of its own, whose streams the shell has redirected."""
    line = f'exec "$@" {shell}'
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "kdbuild", *arguments]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **variables})


def test_closed_standard_input(artefact_folder: Path) -> None:
    result = kdbuild("predict", artefact_folder, shell="<&-")
    assert result.returncode == 2
    assert result.stderr.decode() == (
        'Error: standard input: is closed. Give texts, or pipe lines: kdbuild predict ARTEFACT "a text"\n'
    )


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_closed_standard_error(closed: str, artefact_folder: Path) -> None:
    result = kdbuild("predict", artefact_folder, "a fine film", shell=closed)
    assert result.returncode == 0
    assert result.stdout.decode().endswith("a fine film\n")
    assert kdbuild("predict", artefact_folder / "nowhere", "a text", shell=closed).returncode == 2


def test_closed_standard_output(artefact_folder: Path) -> None:
    result = kdbuild("predict", artefact_folder, "a fine film", shell=">&-")
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_encodings_that_lack_a_character(encoding: str, artefact_folder: Path) -> None:
    texts = ("日本 film", "a fine film")
    result = kdbuild("predict", artefact_folder, *texts, PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    result = kdbuild("predict", artefact_folder, "--json", *texts, PYTHONIOENCODING=encoding)
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == list(texts)


def test_texts_and_paths_that_are_not_utf8(artefact_folder: Path, tmp_path: Path) -> None:
    result = kdbuild("predict", artefact_folder, b"caf\xe9 film", PYTHONUTF8="1")
    assert result.stdout.decode().endswith("caf� film\n")
    result = kdbuild("predict", os.fsencode(tmp_path) + b"/caf\xe9", "a text", PYTHONUTF8="1")
    assert result.returncode == 2
    assert result.stderr.startswith(b"Error: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("part", ["data", "out", "folder of the data"])
def test_a_run_keeps_no_name_that_is_not_utf8(part: str, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    data = {"data": odd.with_suffix(".tsv"), "folder of the data": odd / "rows.tsv"}.get(part, tmp_path / "rows.tsv")
    write_tsv(data, make_reviews(60, seed=2))
    out = odd / "run" if part == "out" else tmp_path / "run"
    result = run_cli("train", data, "--out", out, *HARD)
    assert result.exit_code == 2
    named = os.fsencode(out if part == "out" else data).decode("utf-8", "replace")
    assert result.stderr == (
        f"Error: {named}: isn't UTF-8, as the names in a run must be. Rename the file or folder.\n"
    )
    assert not out.exists()


class Broken:
    """A stream whose reader has gone."""

    closed = False

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken()])
def test_work_goes_on_where_nobody_reads(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    say("a line")
    with progress("work", 2) as advance:
        advance(1, "")
