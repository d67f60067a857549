"""Files and folders that are replaced: what a kill leaves, what is in the way, and that nobody else's files are lost."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kdbuild.cli.failures import disk_is_full
from kdbuild.errors import BadInputError
from kdbuild.files import (
    check_replaceable,
    foreign_file,
    interrupted_fill,
    link_or_copy,
    repair_folder,
    staged_folder,
    write_atomically,
)

OLD = {"a.txt": "old a", "gone/b.txt": "old b", "digest": "old"}
NEW = {"a.txt": "new a", "more/c.txt": "new c", "digest": "new"}


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def read(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def replace(target: Path) -> None:
    with staged_folder(target, "digest") as staging:
        make(staging, NEW)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _refuse_rename(monkeypatch: pytest.MonkeyPatch, target: Path, number: int) -> None:
    rename = Path.rename

    def refuse(path: Path, to: Path) -> Path:
        if path == target:
            raise OSError(number, os.strerror(number))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse)


def _mount_point(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    _refuse_rename(monkeypatch, target, errno.EBUSY)
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == target)


def _read_only_parent(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    # Not by permissions: root may write anywhere.
    _refuse_rename(monkeypatch, target, errno.EACCES)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != target.parent)


IN_THE_WAY: dict[str, Callable[[pytest.MonkeyPatch, Path], None]] = {
    "nothing": lambda monkeypatch, target: None,
    "the working folder": lambda monkeypatch, target: monkeypatch.chdir(target),
    "a mount point": _mount_point,
    "a bind mount of the same file system": lambda patch, target: _refuse_rename(patch, target, errno.EBUSY),
    "another file system below": lambda patch, target: _refuse_rename(patch, target, errno.EXDEV),
    "a parent that can't be written to": _read_only_parent,
}


@pytest.mark.parametrize("old", [OLD, {}], ids=["full", "empty"])
@pytest.mark.parametrize("name", IN_THE_WAY)
def test_folder_is_replaced_whatever_is_in_the_way(
    name: str, old: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o750)
    make(target, old)
    IN_THE_WAY[name](monkeypatch, target)
    replace(target)
    assert read(target) == NEW
    assert names(target) == ["a.txt", "digest", "more"]
    assert names(tmp_path) == ["target"]
    assert target.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_target_stays_when_the_block_fails(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = make(tmp_path / "target", OLD)
    IN_THE_WAY[name](monkeypatch, target)
    with pytest.raises(KeyboardInterrupt), staged_folder(target, "digest") as staging:
        make(staging, NEW)
        raise KeyboardInterrupt
    assert read(target) == OLD
    assert names(tmp_path) == ["target"]


def test_working_folder_is_the_same_one_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path / "target", OLD))
    replace(Path("."))
    assert read(Path(".")) == NEW


@pytest.mark.parametrize("old", [OLD, None], ids=["target is there", "target is missing"])
def test_link_stays_and_its_target_is_replaced(old: dict[str, str] | None, tmp_path: Path) -> None:
    if old is not None:
        make(tmp_path / "elsewhere" / "real", old)
    (tmp_path / "link").symlink_to("elsewhere/real")
    replace(tmp_path / "link")
    assert os.readlink(tmp_path / "link") == "elsewhere/real"
    assert read(tmp_path / "elsewhere" / "real") == NEW
    assert (names(tmp_path), names(tmp_path / "elsewhere")) == (["elsewhere", "link"], ["real"])


KILLED = """
import os, sys
from pathlib import Path
from kdbuild import files

calls = 0
def killing(function, kill_at):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == kill_at:
            os._exit(9)
        return function(*arguments, **options)
    return call

target, where, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if where == "fill":
    os.chdir(target)
with files.staged_folder(target, "digest") as staging:
    for name, content in {"a.txt": "new a", "more/c.txt": "new c", "digest": "new"}.items():
        (staging / name).parent.mkdir(exist_ok=True)
        (staging / name).write_text(content)
    if where == "move":
        Path.rename = killing(Path.rename, at)
        files._remove_quietly = killing(files._remove_quietly, at)
    else:
        Path.unlink = killing(Path.unlink, at)
        os.replace = killing(os.replace, at)
        files.remove = killing(files.remove, at)
"""


def kill(target: Path, where: str, at: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), where, str(at)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (9, b"")


@pytest.mark.parametrize(("at", "left"), [(1, OLD), (2, OLD), (3, NEW)])
def test_kill_while_folders_move_is_repaired(at: int, left: dict[str, str], tmp_path: Path) -> None:
    target = make(tmp_path / "target", OLD)
    kill(target, "move", at)
    assert target.exists() == (at != 2)
    repair_folder(target)
    assert read(target) == left
    replace(target)
    assert read(target) == NEW
    assert not (tmp_path / ".target.kdbuild-old").exists()


FILLED = [".kdbuild-fill", "a.txt", "digest", "gone/b.txt", "more/c.txt"]


@pytest.mark.parametrize("at", range(1, 8))
def test_kill_while_a_folder_is_filled_is_known(at: int, tmp_path: Path) -> None:
    target = make(tmp_path / "target", OLD)
    kill(target, "fill", at)
    # The digest goes first and comes last, so it never vouches for a mixture.
    digest = {1: "old", 6: "new", 7: "new"}.get(at)
    assert ((target / "digest").read_text() if (target / "digest").exists() else None) == digest
    assert sorted({*(interrupted_fill(target) or []), ".kdbuild-fill"}) == FILLED
    assert foreign_file(target, interrupted_fill(target) or []) is None
    check_replaceable(target, "ours", list)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(target)
        replace(target)
    assert read(target) == NEW
    assert names(target) == ["a.txt", "digest", "more"]


FOREIGN: dict[str, tuple[str, str]] = {
    "a file": ("notes.txt", "notes.txt"),
    "a hidden file": (".gitignore", ".gitignore"),
    "a hidden folder": (".git/config", ".git"),
    "a file in a folder of ours": ("gone/notes.txt", "gone/notes.txt"),
    "a folder in a folder of ours": ("gone/more/notes.txt", "gone/more"),
    "a folder with the name of a file of ours": ("extra/digest", "extra"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others_stop_a_replacement(name: str, tmp_path: Path) -> None:
    written, found = FOREIGN[name]
    target = make(tmp_path / "target", {**OLD, written: "precious"})
    with pytest.raises(BadInputError) as refused:
        check_replaceable(target, "ours", lambda: OLD)
    assert str(refused.value) == (
        f"--out {target}: holds {found}, which no export wrote. Move it away, or choose another folder."
    )
    assert (target / written).read_text() == "precious"


def test_empty_folder_of_others_stops_a_replacement(tmp_path: Path) -> None:
    target = make(tmp_path / "target", OLD)
    (target / "empty").mkdir()
    assert foreign_file(target, OLD) == "empty"


def test_file_that_appears_meanwhile_stops_a_replacement(tmp_path: Path) -> None:
    target = make(tmp_path / "target", OLD)
    check = lambda: check_replaceable(target, "ours", lambda: OLD)  # noqa: E731
    with pytest.raises(BadInputError, match=r"holds notes\.txt"), staged_folder(target, "digest", check) as staging:
        make(staging, NEW)
        (target / "notes.txt").write_text("precious")
    assert read(target) == {**OLD, "notes.txt": "precious"}
    assert names(tmp_path) == ["target"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "target"
    with pytest.raises(BadInputError) as refused:
        replace(target)
    assert str(refused.value) == f"{target}: can't be made (File exists). Choose another folder."


def test_full_disk_is_not_called_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(OSError, match="No space left"):
        replace(tmp_path / "target")


def test_file_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert names(tmp_path) == ["link", "real"]


def test_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_neighbour_of_a_written_file_stays(tmp_path: Path) -> None:
    (tmp_path / "page.html.new").write_text("precious")
    write_atomically(tmp_path / "page.html", b"new")
    assert read(tmp_path) == {"page.html": "new", "page.html.new": "precious"}


LIMITED = """
import resource, sys
from pathlib import Path
from kdbuild.cli.failures import disk_is_full
from kdbuild.files import write_atomically

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), bytes(10_000))
except OSError as error:
    print(error.errno, disk_is_full(error))
"""


def test_limit_on_the_size_of_a_file_is_told_like_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{errno.EFBIG} True\n", "")
    assert read(tmp_path) == {"file": "old"}
    assert disk_is_full(RuntimeError("Error while serializing: I/O error: File too large (os error 27)"))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK])
def test_file_is_copied_where_there_are_no_hard_links(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    make(tmp_path, {"a": "content", "b": "other"})
    link_or_copy(tmp_path / "a", tmp_path / "c")
    with pytest.raises(FileExistsError):
        link_or_copy(tmp_path / "a", tmp_path / "b")
    assert read(tmp_path) == {"a": "content", "b": "other", "c": "content"}
