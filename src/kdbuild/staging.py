"""Folders for what isn't finished yet, beside what it will replace, and the removal of those whose process was killed.

A process holds a lock on its folder, which the system lets go when the process ends, however it ends. A folder that nobody
holds is the leaving of a dead process. Where there are no such locks (Windows, some network file systems), leavings stay.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

NEW, OLD = ".kdbuild-new", ".kdbuild-old"
"""Marks of names that kdbuild uses while it replaces something; nobody else's files are called so."""
_RANDOM = "[a-z0-9_]{8}"
"""What ``mkdtemp`` adds to a prefix."""


@contextmanager
def staging_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a new empty folder for what will be called ``name``; removed in the end unless it was moved away.

    What killed processes left of that name goes first.

    Args:
        parent: the folder that it is made in.
        name: the file or folder that it is for; empty for ``parent`` itself.
    """
    remove_leavings(parent, name)
    folder, lock = _make(parent, f"{_hidden(name)}{NEW}-")
    try:
        yield folder
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def remove_leavings(parent: Path, name: str | None = None) -> None:
    """Remove the staging folders of processes that were killed; those of living ones stay.

    Args:
        parent: where to look; fine if it isn't there.
        name: what they were for; anything if None.
    """
    prefix = r"(\..+)?" if name is None else re.escape(_hidden(name))
    pattern = re.compile(f"{prefix}{re.escape(NEW)}-{_RANDOM}")
    try:
        found = [path for path in parent.iterdir() if pattern.fullmatch(path.name) and not path.is_symlink()]
    except OSError:
        return
    for folder in found:
        try:
            lock = _lock(folder)
        except OSError:
            continue
        if lock is not None:
            _remove(folder)
            os.close(lock)


def _hidden(name: str) -> str:
    return f".{name}" if name else ""


def _make(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Make a folder, and lock it if there are locks."""
    import tempfile

    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            return folder, _lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # another process came between and took it for a leaving


def _lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed or this process ends; None where that can't be done.

    Raises:
        OSError: another process holds it, or it has gone.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(folder)  # it may have gone before it was locked
    except (BlockingIOError, FileNotFoundError):
        os.close(handle)
        raise
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
