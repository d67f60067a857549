"""What keeps a loaded model whole: its file is read, not mapped, and in a process that was forked it is opened anew.

A lock that another thread of the parent held would never be released in the child, and an interpreter that was in the middle
of a call, or whose threads aren't there any more, can't go on.
"""

import os
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from kdbuild.errors import BadInputError


def read_model(path: Path) -> bytes:
    """Read a model file.

    Raises:
        BadInputError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: can't be read ({error.strerror}). Export the model again.") from error


class Renewable(Protocol):
    """An engine that can be made new from what it keeps of its file."""

    def renew(self) -> object:
        """Let the next call open the model again.

        Returns:
            What is to be kept alive: freeing it might wait for threads that aren't there.
        """
        ...


_ENGINES: "WeakSet[Renewable]" = WeakSet()
_LEFT: list[object] = []


def renew_after_fork(engine: Renewable) -> None:
    """Have an engine made new in every process that is forked from this one."""
    _ENGINES.add(engine)


def _renew() -> None:
    _LEFT.extend(engine.renew() for engine in list(_ENGINES))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)
