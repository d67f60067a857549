"""A contender in a process of its own, as the benchmark sees it; :mod:`kdbuild.measure.worker` is the other end."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kdbuild.errors import KdbuildError
from kdbuild.measure import worker
from kdbuild.measure.benchmark.candidates import Contender
from kdbuild.measure.texts import Text

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""Variables that libraries take their number of threads from when they start."""
_CHUNK = 100
"""Texts that are asked for at once, so that a long list isn't taken for a hanging process."""
_GRACE = 5.0
"""Seconds that a process has to end by itself."""


class ContenderError(KdbuildError):
    """A contender can't be run, or its process ended or hangs; the message says which, without its name."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing
        """Whether it is only that something isn't installed."""


class Remote:
    """A process that runs a contender. It is killed when the ``with`` block ends in an error, whatever it is doing.

    Args:
        contender: what it is to run; :meth:`load` makes it.
        threads: that each of its calls may use.
        timeout: seconds that it may take for one answer, which can be that to 100 texts.

    Raises:
        ContenderError: the process can't be started.
    """

    def __init__(self, contender: Contender, *, threads: int, timeout: float) -> None:
        self.contender = contender
        self.started = time.perf_counter()
        """When the process was started, on the clock of ``perf_counter``."""
        self._threads = threads
        self._timeout = timeout
        self._log = tempfile.TemporaryFile()  # what it says on standard error; a pipe would fill up
        python = contender.python or sys.executable
        environment = os.environ | dict.fromkeys(_THREADS, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"}
        try:
            self._process = subprocess.Popen(
                [python, worker.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment,
                encoding="utf-8",
                # A group of its own: Ctrl-C is for the benchmark, which then ends the group with all that it started.
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise ContenderError(f"{python} can't be started ({error.strerror})") from error
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def prepare(self) -> None:
        """Do what has to be done once before the contender can be loaded."""
        self._ask("prepare", function=self.contender.prepare, **self._description)

    def load(self) -> dict[str, Any]:
        """Make the contender.

        Returns:
            ``import_seconds``, ``load_seconds``, ``parameters``, ``size_bytes`` and ``engine_bytes``.
        """
        made: dict[str, Any] = self._ask("load", function=self.contender.factory, **self._description)
        return made

    def first(self, text: Text) -> float:
        """Seconds that the contender takes for a text or a pair, as its process measures them."""
        return float(self._ask("first", text=text)["seconds"])

    def texts(self, texts: Sequence[Text]) -> None:
        """The texts that all further calls name by their places."""
        self._ask("texts", texts=list(texts))

    def answers(self, indices: Sequence[int]) -> list[int]:
        """The class of each text."""
        return self._in_chunks("answers", indices)

    def tokens(self, indices: Sequence[int]) -> list[int]:
        """Number of tokens of each text, as the contender counts them."""
        return self._in_chunks("tokens", indices)

    def time(self, indices: Sequence[int], *, tokenization: bool) -> list[tuple[int, int]]:
        """Nanoseconds and class of each text, after one call that isn't timed."""
        if not indices:
            return []
        calls = self._ask("time", indices=list(indices), tokenization=tokenization)
        return [(nanoseconds, answer) for nanoseconds, answer in calls]

    def memory(self) -> int | None:
        """The most memory that the process has had, in bytes; None where the system doesn't tell."""
        size: int | None = self._ask("memory")
        return size

    def close(self) -> None:
        """Let the process end; kill it if it doesn't."""
        self._hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self.kill()

    def kill(self) -> None:
        """End the process now, with all that it started."""
        if self._log.closed:  # ended already; its number may be another's by now
            return
        self._hang_up()
        if os.name == "posix":
            # macOS says that it isn't permitted where the group has ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        self._log.close()

    @property
    def _description(self) -> dict[str, Any]:
        return {
            "arguments": dict(self.contender.arguments),
            "folders": list(self.contender.folders),
            "threads": self._threads,
        }

    def _hang_up(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # a command may be left that nobody reads
                self._process.stdin.close()

    def _in_chunks(self, command: str, indices: Sequence[int]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(indices), _CHUNK):
            found += self._ask(command, indices=list(indices[start : start + _CHUNK]))
        return found

    def _read(self) -> None:
        """Pass answers on as they come, then an empty one: a pipe can't be read with a time limit everywhere."""
        stream = self._process.stdout
        if stream is not None:
            with stream:
                for line in stream:
                    self._answers.put(line)
        self._answers.put("")

    def _ask(self, command: str, **arguments: Any) -> Any:
        stream = self._process.stdin
        if stream is None or stream.closed or self._log.closed:
            raise ContenderError("its process was ended")
        try:
            stream.write(json.dumps({"command": command, **arguments}) + "\n")
            stream.flush()
            line = self._answers.get(timeout=self._timeout)
        except OSError:  # it is no longer there to read the command
            raise self._ended() from None
        except queue.Empty:
            self.kill()
            raise ContenderError(f"no answer to '{command}' within {self._timeout:g} s") from None
        if not line:
            raise self._ended()
        answer = json.loads(line)
        if "error" in answer:
            kinds = answer["error"]["kinds"]
            missing = "MissingExtraError" in kinds or "ModuleNotFoundError" in kinds
            raise ContenderError(answer["error"]["reason"], missing=missing)
        return answer["value"]

    def _ended(self) -> ContenderError:
        """How the process ended, and the last thing it said."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            return ContenderError("its process stopped answering")
        self._log.seek(0)
        said = [line.strip() for line in self._log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        last = f": {said[-1]}" if said else ""
        self.kill()
        if code < 0:
            why = " (as the system does when memory runs out)" if -code == signal.SIGKILL else ""
            name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
            return ContenderError(f"its process was killed by {name}{why}{last}")
        return ContenderError(f"its process ended with exit code {code}{last}")


@dataclass(frozen=True)
class RemoteTimer:
    """A contender in its process, for :func:`~kdbuild.measure.latency.measure_timers`."""

    remote: Remote
    """Loaded, and told the texts."""
    tokenization: bool
    """Whether making tokens of a text is timed, too."""
    nanoseconds: list[int] = field(default_factory=list)
    """Times of all timed calls."""

    def answers(self, indices: Sequence[int], /) -> list[int]:
        """The class of each text."""
        return self.remote.answers(indices)

    def time(self, indices: Sequence[int], /) -> list[tuple[int, int]]:
        """Nanoseconds and class of each text."""
        calls = self.remote.time(indices, tokenization=self.tokenization)
        self.nanoseconds.extend(nanoseconds for nanoseconds, _ in calls)
        return calls
