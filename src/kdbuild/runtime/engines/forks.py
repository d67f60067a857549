"""What keeps a loaded model whole: its file is read, not mapped, and in a process that was forked it is opened anew.

A lock that another thread of the parent held would never be released in the child, and an interpreter that was in the middle
of a call, or whose threads aren't there any more, can't go on. An engine whose locks aren't its own, but those of its
library, can't be made new: a fork waits until nothing is in a call of it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
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


_LONGEST_CALL = 5.0
"""Seconds that a fork waits; a signal handler that forks in the middle of a call of its own thread would wait for ever."""


class Calls:
    """Keeps calls and forks apart: a fork waits for the end of those under way, and those that come meanwhile for the fork.

    Takes 3 us a call.
    """

    def __init__(self) -> None:
        self._begin_anew()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(before=self._hold, after_in_parent=self._go_on, after_in_child=self._begin_anew)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Make a call of the block, which mustn't hold another."""
        with self._changed:
            while self._forks:
                self._changed.wait()
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _hold(self) -> None:
        self._changed.acquire()
        self._forks += 1
        self._changed.wait_for(lambda: not self._under_way, _LONGEST_CALL)

    def _go_on(self) -> None:
        self._forks -= 1
        self._changed.notify_all()
        self._changed.release()

    def _begin_anew(self) -> None:
        self._changed, self._under_way, self._forks = Condition(), 0, 0


_ENGINES: "WeakSet[Renewable]" = WeakSet()
_LEFT: list[object] = []


def renew_after_fork(engine: Renewable) -> None:
    """Have an engine made new in every process that is forked from this one."""
    _ENGINES.add(engine)


def _renew() -> None:
    _LEFT.extend(engine.renew() for engine in list(_ENGINES))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)
