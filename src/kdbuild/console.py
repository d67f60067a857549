"""Progress of long work, on standard error: a live line on a terminal, a plain line now and then elsewhere."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

Advance = Callable[[float, str], None]
"""Called with the amount of work done so far and a short remark."""

_SECONDS_BETWEEN_LINES = 10.0
_TITLE = 10
_BARS = (40, 30, 20, 14, 10, 6)
"""Lengths of the bar; few, so that it doesn't twitch with every digit beside it."""


def say(line: str) -> None:
    """Print one line of narration on standard error; while a bar is shown, above it.

    Work goes on where nobody reads it any more: standard error may be closed, or a pipe whose other end has gone.
    """
    if not _speaks() or sys.stderr is None:
        return
    # A live display stands in for sys.stderr, and prints what is written there above itself.
    with suppress(OSError, ValueError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


@contextmanager
def progress(title: str, total: float, unit: str = "rows", console: "Console | None" = None) -> Iterator[Advance]:
    """Show how far work of a known amount is, how fast it goes and what time it has left.

    Without rich there are plain lines on a terminal, too: no command fails for want of a bar.

    Args:
        title: of the work.
        total: amount of work.
        unit: what the amount counts, in the plural; for the rate.
        console: where the live line goes; standard error if None.
    """
    work = _Work(title, total, unit, monotonic())
    if _boards:
        with _boards[-1].showing(work):
            yield work.advance
        return
    # Rich takes FORCE_COLOR for a terminal, too; a log file isn't one.
    if console is None and _speaks() and _on_terminal():
        console = _terminal()
    if console is not None and console.is_interactive:
        from rich.live import Live

        # Standard output is the command's result: it goes through the display only if it would else run into it.
        with Live(work, console=console, refresh_per_second=8, redirect_stdout=sys.stdout.isatty()):
            yield work.advance
        return
    said = work.started

    def advance(done: float, remark: str) -> None:
        nonlocal said
        work.advance(done, remark)
        if monotonic() - said >= _SECONDS_BETWEEN_LINES:
            said = monotonic()
            say(work.line())

    yield advance


@contextmanager
def shown_above(render: "Callable[[], RenderableType]", console: "Console | None" = None) -> Iterator[bool]:
    """Show something on a terminal, and below it the bar of whatever is done meanwhile; elsewhere nothing.

    Yields whether it is shown.

    Args:
        render: returns what is shown; asked some times a second.
        console: where it goes; standard error if None.
    """
    if console is None and _speaks() and _on_terminal():
        console = _terminal()
    if console is None or not console.is_interactive:
        yield False
        return
    from rich.live import Live

    board = _Board(render)
    _boards.append(board)
    try:
        with Live(board, console=console, refresh_per_second=4, redirect_stdout=sys.stdout.isatty()):
            yield True
    finally:
        _boards.remove(board)


def _on_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def _terminal() -> "Console | None":
    """Open standard error with rich; None where rich isn't installed."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(stderr=True)


def _speaks() -> bool:
    """Whether this is the first of the processes that a launcher started, or the only one."""
    return os.environ.get("RANK", "0") == "0"


@dataclass
class _Work:
    """How far the work is; rendered as one line that fits."""

    title: str
    total: float
    unit: str
    started: float
    """Seconds on the monotonic clock."""
    done: float = 0.0
    remark: str = ""
    first: tuple[float, float] | None = None
    """When the first report came, and the amount that was done then, maybe by an earlier process."""
    latest: float = 0.0
    """When the latest report came."""

    def advance(self, done: float, remark: str) -> None:
        """Report the amount done so far."""
        self.done, self.remark, self.latest = min(done, self.total), remark, monotonic()
        self.first = self.first or (self.latest, self.done)

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return self.done / self.total if self.total else 1.0

    def _parts(self) -> dict[str, str]:
        """What is known, by name."""
        parts = {"share": f"{self.share:.0%}"}
        begun, at = self.first or (0.0, 0.0)
        if self.done > at and self.latest > begun:
            rate = (self.done - at) / (self.latest - begun)
            parts["rate"] = f"{_number(rate)} {self.unit}/s"
            if self.done < self.total:
                # Time goes on between reports.
                left = (self.total - self.done) / rate - (monotonic() - self.latest)
                parts["left"] = f"{_clock(max(0.0, left))} left"
        parts["gone"] = _clock(monotonic() - self.started)
        parts["remark"] = self.remark
        return {name: part for name, part in parts.items() if part}

    def line(self) -> str:
        """For where nothing can be overwritten."""
        parts = self._parts()
        shown = [parts[name] for name in ("share", "rate") if name in parts]
        shown.append(f"{parts['gone']} gone")
        shown += [parts[name] for name in ("left", "remark") if name in parts]
        return f"{self.title}: {', '.join(shown)}"

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        parts, width = self._parts(), options.max_width
        parts["share"] = f"{parts['share']:>4}"
        order = ("share", "rate", "gone", "left", "remark")

        def rest() -> str:
            return "  ".join(parts[name] for name in order if name in parts)

        title = f"{self.title:<{_TITLE}} "
        # What can best be done without goes first.
        for name in ("gone", "rate", "left"):
            if len(title) + _BARS[-1] + 1 + len(rest()) > width:
                parts.pop(name, None)
        line = Text(title, no_wrap=True)
        room = width - len(title) - 1 - len(rest())
        if bar := next((length for length in _BARS if length <= room), 0):
            full = round(bar * self.share)
            done, todo = ("#", "-") if options.ascii_only else ("━", "╌")
            line.append(done * full, "cyan").append(todo * (bar - full), "dim").append(" ")
        line.append(rest())
        line.truncate(width, overflow="crop" if options.ascii_only else "ellipsis")
        yield line


class _Board:
    """What stands above the bar, and the work that the bar is of."""

    def __init__(self, render: "Callable[[], RenderableType]"):
        self._render = render
        self._work: list[_Work] = []

    @contextmanager
    def showing(self, work: _Work) -> Iterator[None]:
        """Show the bar of a piece of work while the block runs."""
        self._work.append(work)
        try:
            yield
        finally:
            self._work.remove(work)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        yield self._render()
        yield from self._work[-1:]


_boards: list[_Board] = []
"""Those that are shown; bars go to the last."""


def _number(value: float) -> str:
    """A rate in few characters."""
    if value >= 1e6:
        return f"{value / 1e6:,.1f}M"
    if value >= 1e5:
        return f"{value / 1e3:,.0f}k"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
