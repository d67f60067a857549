"""Progress of long work, on standard error: a live bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[float, str], None]
"""Called with the amount of work done so far and a short remark."""

_SECONDS_BETWEEN_LINES = 10.0


def say(line: str) -> None:
    """Print one line of narration on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


@contextmanager
def progress(title: str, total: float) -> Iterator[Advance]:
    """Show work of a known amount with the time it has left."""
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[remark]}"),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(title, total=total, remark="")
            yield lambda done, remark: bar.update(task, completed=done, remark=remark)
        return
    started = last = time.monotonic()
    resumed_at: float | None = None

    def line(done: float, remark: str) -> None:
        nonlocal last, resumed_at
        resumed_at = done if resumed_at is None else resumed_at  # what an earlier process did took this one no time
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES and resumed_at < done <= total:
            last = now
            left = (now - started) * (total - done) / (done - resumed_at)
            say(f"{title}: {done / total:.0%}, {_clock(now - started)} gone, {_clock(left)} left  {remark}")

    yield line


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02}"
