"""Contenders of a benchmark that need the standard library alone, so that any Python can run them, and some that fail."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = str(Path(__file__).parent)
"""What a process imports this module from."""


class WordCount:
    """Answers with the number of words, modulo ``classes``; slower by ``seconds`` a text."""

    parameters: int | None = 7

    def __init__(self, classes: int, seconds: float, size_bytes: int) -> None:
        self.classes = classes
        self.seconds = seconds
        self.size_bytes = size_bytes

    def __call__(self, text: str) -> int:
        return self.run(self.encode(text))

    def encode(self, text: str) -> list[str]:
        return text.split()

    def run(self, encoded: list[str]) -> int:
        if self.seconds:
            time.sleep(self.seconds)
        return len(encoded) % self.classes

    def tokens(self, encoded: list[str]) -> int:
        return len(encoded)


def word_count(*, threads: int, classes: int = 2, seconds: float = 0.0, size_bytes: int = 1000) -> WordCount:
    return WordCount(classes, seconds, size_bytes)


class Chatty(WordCount):
    """Writes to standard output in every way there is, and reads standard input."""

    def run(self, encoded: list[str]) -> int:
        print("through Python")
        os.write(1, b"through the descriptor\n")
        subprocess.run([sys.executable, "-c", "print('through a child')"], check=True)
        return len(sys.stdin.read()) + super().run(encoded)


def chatty(*, threads: int) -> Chatty:
    return Chatty(2, 0.0, 1)


class Mood(WordCount):
    """Well until its ``calls``-th answer."""

    def __init__(self, calls: int, then: str) -> None:
        super().__init__(2, 0.0, 1)
        self.calls = calls
        self.then = then

    def run(self, encoded: list[str]) -> int:
        self.calls -= 1
        if self.calls >= 0:
            return super().run(encoded)
        if self.then == "dies":
            print("last words", file=sys.stderr)
            os._exit(3)
        elif self.then == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.then == "hangs":
            time.sleep(600)
        elif self.then == "raises":
            raise ValueError("had enough\nof this")
        return 1 - super().run(encoded)  # changes its mind


def mood(*, threads: int, calls: int, then: str) -> Mood:
    return Mood(calls, then)


def broken(*, threads: int) -> WordCount:
    """Fails to load."""
    raise RuntimeError("the weights are gone")


def leaves(*, threads: int) -> WordCount:
    sys.exit("no licence")


def missing(*, threads: int) -> WordCount:
    import nosuch  # type: ignore[import-not-found]  # that is the point

    made: WordCount = nosuch.make()
    return made


class Report(WordCount):
    """Its answer is a number found out about its process."""

    def __init__(self, found: int) -> None:
        super().__init__(2, 0.0, found)


def threads_given(*, threads: int, variable: str) -> Report:
    """The size says how many threads its call may use: 1000 as an argument and 1 in the environment."""
    return Report(1000 * threads + int(os.environ[variable]))


def can_import(*, threads: int, module: str) -> Report:
    return Report(int(importlib.util.find_spec(module) is not None))


class Hoarder(WordCount):
    """Holds memory."""

    def __init__(self, megabytes: int) -> None:
        super().__init__(2, 0.0, 1)
        self.held = b"\1" * 1_000_000 * megabytes


def hoarder(*, threads: int, megabytes: int) -> Hoarder:
    return Hoarder(megabytes)


def with_child(*, threads: int, file: str) -> WordCount:
    """Starts a process that outlives it, and writes both numbers to a file."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(file).write_text(f"{os.getpid()} {child.pid}")
    return WordCount(2, 0.0, 1)


def write_file(*, threads: int, file: str) -> None:
    """Prepares: leaves a file for the factory."""
    if Path(file).exists():
        raise FileExistsError(f"{file} is there already")
    Path(file).write_text("12345")


def read_file(*, threads: int, file: str) -> WordCount:
    return WordCount(2, 0.0, int(Path(file).read_text()))


def toy(name: str, factory: str = "word_count", **changes: Any) -> Any:
    """A contender of this module: its name, one of the factories above, and other fields of ``Contender``."""
    from kdbuild.measure.benchmark.candidates import Contender

    return Contender(
        **{"name": name, "family": "baseline", "factory": f"toys:{factory}", "folders": (FOLDER,), **changes}
    )
