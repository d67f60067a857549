"""The process that one contender of a benchmark runs in: commands on standard input, answers on standard output.

Run by its path, also by the Python of another environment: it needs the standard library of Python 3.9 or newer, and
nothing of kdbuild. :mod:`kdbuild.measure.candidate_process` is the other end. Each command is a JSON object on a line,
``command`` and the arguments of the method of :class:`Worker` that it names; each answer is ``{"value": …}`` or
``{"error": {…}}``. When standard input ends, so does the process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TextIO

COMMANDS = ("prepare", "load", "texts", "first", "answers", "tokens", "time", "memory")


def time_calls(call: Callable[[Any], object], inputs: Sequence[Any]) -> list[tuple[int, object]]:
    """Nanoseconds and answer of a call for each input, after one call that isn't timed."""
    if inputs:
        call(inputs[0])
    calls = []
    # The garbage collector stays on: it runs in users' processes too, and a median doesn't see it.
    for value in inputs:
        start = time.perf_counter_ns()
        answer = call(value)
        calls.append((time.perf_counter_ns() - start, answer))
    return calls


class Worker:
    """What the process has loaded, and what it can be asked."""

    def __init__(self) -> None:
        self._loaded: Any = None
        self._texts: list[Any] = []

    def prepare(self, function: str, arguments: dict[str, Any], folders: list[str], threads: int) -> None:
        """Do what is to be done once before the contender can be loaded."""
        _find(function, folders)(**arguments, threads=threads)

    def load(self, function: str, arguments: dict[str, Any], folders: list[str], threads: int) -> dict[str, Any]:
        """Make the contender.

        Args:
            function: ``package.module:function``, its factory.
            arguments: what the factory is called with.
            folders: put in front of the places that modules are imported from.
            threads: given to the factory, too.
        """
        start = time.perf_counter()
        make = _find(function, folders)
        imported = time.perf_counter()
        self._loaded = make(**arguments, threads=threads)
        return {
            "import_seconds": imported - start,
            "load_seconds": time.perf_counter() - imported,
            "parameters": self._loaded.parameters,
            "size_bytes": self._loaded.size_bytes,
            "engine_bytes": getattr(self._loaded, "engine_bytes", None),
        }

    def texts(self, texts: list[Any]) -> None:
        """Keep the texts, or lists of two, that further commands name by their places."""
        self._texts = texts

    def first(self, text: Any) -> dict[str, Any]:
        """Answer one text or pair; the first call of a process is the slowest."""
        start = time.perf_counter()
        answer = self._loaded(text)
        return {"seconds": time.perf_counter() - start, "answer": int(answer)}

    def answers(self, indices: list[int]) -> list[int]:
        """The class of each text."""
        return [int(self._loaded(self._texts[i])) for i in indices]

    def tokens(self, indices: list[int]) -> list[int]:
        """Number of tokens of each text, as this contender counts them."""
        return [int(self._loaded.tokens(self._loaded.encode(self._texts[i]))) for i in indices]

    def time(self, indices: list[int], tokenization: bool) -> list[tuple[int, int]]:
        """Nanoseconds and class of each text, with or without making tokens of it."""
        texts = [self._texts[i] for i in indices]
        if tokenization:
            calls = time_calls(self._loaded, texts)
        else:
            calls = time_calls(self._loaded.run, [self._loaded.encode(text) for text in texts])
        return [(nanoseconds, int(answer)) for nanoseconds, answer in calls]  # type: ignore[call-overload]  # a class

    def memory(self) -> int | None:
        """The most memory that this process has had, in bytes; None where the system doesn't tell."""
        try:
            # Not getrusage: on Linux its figure starts at that of the process which started this one.
            with open("/proc/self/status", encoding="ascii", errors="replace") as status:
                return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        except (OSError, StopIteration):
            pass
        if sys.platform == "darwin":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return None


def _find(function: str, folders: list[str]) -> Any:
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def serve(commands: TextIO, answers: TextIO) -> None:
    """Answer commands until there are no more."""
    worker = Worker()
    for line in commands:
        request = json.loads(line)
        command = request.pop("command")
        if command not in COMMANDS:
            raise ValueError(f"no command {command!r}")
        answer: dict[str, Any]
        try:
            answer = {"value": getattr(worker, command)(**request)}
        except (Exception, SystemExit) as error:  # whatever a contender raises is the contender's failure
            traceback.print_exc()
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            kinds = [kind.__name__ for kind in type(error).__mro__]
            answer = {"error": {"reason": reason, "kinds": kinds}}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve on standard input and output, which are taken away from the contender: what it prints goes to standard error."""
    commands = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    # Python puts the folder of this file first among those it imports from, where its neighbours would hide other modules.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or os.curdir) != here]
    serve(commands, answers)


if __name__ == "__main__":
    main()
