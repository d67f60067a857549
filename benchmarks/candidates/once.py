"""Folders that are made once, under a name that says of what."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def make_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Let a folder be filled aside and renamed into place, unless it is there.

    Args:
        folder: its name holds a fingerprint of all that it is made of.
        make: fills the folder that it is given.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            aside = folder.with_name(folder.name + ".partial")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            make(aside)
            os.replace(aside, folder)
    return folder
