"""What killed processes leave beside their targets: the next one removes it, and nothing that somebody still uses."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kdbuild import staging
from kdbuild.files import staged_folder
from kdbuild.staging import remove_leavings, staging_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="leavings are told by locks that Windows doesn't have")

WRITES = """
import os, sys, time
from pathlib import Path
from kdbuild.files import staged_folder

target = Path(sys.argv[1])
if sys.argv[2] == "inside":
    os.chdir(target)
with staged_folder(target, "digest") as staging:
    (staging / "half").write_text("a half")
    print(staging.name, flush=True)
    time.sleep(600)
"""


@contextmanager
def writer(target: Path, where: str = "beside") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of replacing a folder, and its staging folder."""
    if where == "inside":
        target.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WRITES, str(target), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        try:
            yield process, (target if where == "inside" else target.parent) / name
        finally:
            process.kill()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def replace(target: Path) -> None:
    with staged_folder(target, "digest") as folder:
        (folder / "digest").write_text("new")


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("then", ["beside", "inside"])
@pytest.mark.parametrize("where", ["beside", "inside"])
def test_leavings_of_killed_processes_go(
    where: str, then: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "my target [1]"
    target.mkdir()
    for _ in range(2):
        with writer(target, where) as (process, left):
            kill(process)
        assert (left / "half").read_text() == "a half"
    if then == "inside":
        monkeypatch.chdir(target)
    replace(target)
    assert everything(tmp_path) == [target.name, f"{target.name}/digest"]


def test_process_that_was_killed_while_it_replaced_a_missing_folder(tmp_path: Path) -> None:
    with writer(tmp_path / "target") as (process, _):
        kill(process)
    assert len(everything(tmp_path)) == 2
    replace(tmp_path / "target")
    assert everything(tmp_path) == ["target", "target/digest"]


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_folder_of_a_living_process_stays(where: str, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with writer(tmp_path / "target", where) as (_, used):
        remove_leavings(used.parent)
        remove_leavings(tmp_path, "target")
        assert (used / "half").read_text() == "a half"
        if where == "beside":
            replace(tmp_path / "target")
            assert (used / "half").read_text() == "a half"


def test_folders_of_this_process_stay(tmp_path: Path) -> None:
    with staging_folder(tmp_path, "target") as first, staging_folder(tmp_path, "target") as second:
        assert first.is_dir()
        assert second.is_dir()
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        ".other.kdbuild-new-abcdefgh",
        ".target.kdbuild-new-",
        ".target.kdbuild-new-notes",
        ".target.kdbuild-new-abcdefgh.txt",
        ".target.kdbuild-old",
        "target.kdbuild-new-abcdefgh",
        "target.kdbuild-new",
        ".kdbuild-new-abcdefgh",
    ],
)
def test_other_names_stay(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "notes").touch()
    remove_leavings(tmp_path, "target")
    assert everything(tmp_path) == [name, f"{name}/notes"]


def _file(path: Path) -> None:
    path.write_text("precious")


def _link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize("make", [_file, _link])
def test_what_is_no_folder_stays(make: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    make(tmp_path / ".target.kdbuild-new-abcdefgh")
    before = everything(tmp_path)
    remove_leavings(tmp_path, "target")
    assert everything(tmp_path) == before


def test_all_of_a_folder(tmp_path: Path) -> None:
    for name in (".kdbuild-new-abcdefgh", ".target.kdbuild-new-abcdefgh", ".a b.kdbuild-new-12345678", "kept"):
        (tmp_path / name).mkdir()
    remove_leavings(tmp_path)
    assert everything(tmp_path) == ["kept"]
    remove_leavings(tmp_path / "nowhere")


@pytest.mark.parametrize("reason", ["no module", "no such locks"])
def test_where_there_are_no_locks_leavings_stay(reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, operation: int) -> None:
        raise OSError(95, os.strerror(95))

    if reason == "no module":
        monkeypatch.setattr(staging, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / ".target.kdbuild-new-abcdefgh").mkdir()
    replace(tmp_path / "target")
    assert everything(tmp_path) == [".target.kdbuild-new-abcdefgh", "target", "target/digest"]


def test_folder_that_another_process_takes_for_a_leaving_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come between the folder and its lock: before the lock is asked for, or while it holds the lock itself."""
    lock, calls = staging._lock, iter(("removed", "held"))
    with ExitStack() as held:

        def come_between(folder: Path) -> int | None:
            happens = next(calls, None)
            if happens == "removed":
                folder.rmdir()
            if happens == "held":
                handle = lock(folder)
                assert handle is not None
                held.callback(os.close, handle)
            return lock(folder)

        monkeypatch.setattr(staging, "_lock", come_between)
        with staging_folder(tmp_path, "target") as folder:
            assert folder.is_dir()
            assert len(everything(tmp_path)) == 2  # what the other is about to remove, and this one
    monkeypatch.undo()
    remove_leavings(tmp_path, "target")
    assert everything(tmp_path) == []
