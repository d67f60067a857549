"""What a search shows while it goes on: a live table on a terminal, a plain line a student elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kdbuild.console import say, shown_above
from kdbuild.search.journal import Trial
from kdbuild.search.outcome import in_units
from kdbuild.search.space import describe, options_at
from kdbuild.trainer.options import TrainOptions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_ROWS = 12


class Board:
    """The students tried so far.

    Args:
        base: the run's options.
        console: where the table goes; standard error if None.
    """

    def __init__(self, base: TrainOptions, console: "Console | None" = None):
        self._base, self._console = base, console
        self._trials: list[Trial] = []
        self._is_live = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the block runs, if this is a terminal."""
        with shown_above(self.table, self._console) as self._is_live:
            yield

    def add(self, trial: Trial, *, new: bool = True) -> None:
        """Add a student; what was trained earlier isn't said again."""
        self._trials.append(trial)
        if new and not self._is_live:
            say(self.line(trial))

    def line(self, trial: Trial) -> str:
        """Return a student as a line of a log."""
        return f"trial {trial.number}: {', '.join(self._cells(trial)[1:])}"

    def table(self) -> "Table":
        """Return the latest students and the best, as a table."""
        from rich.table import Table

        table = Table("trial", "student", "size", "agreement", "latency", "time", box=None, pad_edge=False)
        best = max(self._trials, key=lambda one: one.agreement, default=None)
        rows = self._trials[-_ROWS:]
        for trial in rows if best is None or best in rows else [best, *rows[1:]]:
            table.add_row(*self._cells(trial), style="bold" if trial is best else "")
        return table

    def _cells(self, trial: Trial) -> tuple[str, ...]:
        shape = describe(options_at(self._base, trial.point))
        latency = "" if trial.latency_ms is None else f"{trial.latency_ms:.3f} ms"
        figures = (in_units(trial.size), f"{trial.agreement:.2%}", latency, f"{trial.seconds:.0f} s")
        return (str(trial.number), shape, *figures)
