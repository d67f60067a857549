"""The search: short trainings of students within a budget, then full ones of the best."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kdbuild.console import say
from kdbuild.errors import BadInputError, GateError
from kdbuild.files import fingerprint, staged_folder, write_json
from kdbuild.search.budget import Budget
from kdbuild.search.journal import Journal, Trial
from kdbuild.search.material import HELD_OUT, PROXY, Material, check_run, read_material
from kdbuild.search.outcome import Finalist, Outcome, draw_pareto, in_units, write_recipe, write_trials
from kdbuild.search.space import SMALLEST, SPACE, describe, nearest_point, options_at
from kdbuild.search.students import Measured, Students, discard
from kdbuild.search.terminal import Board
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.runner import Run

FOLDER = "search"
"""In the run folder."""
_FRUITLESS = 200
"""Proposals in a row that aren't trained, after which there is nothing more to be found."""
_ORDINARY_VOCABULARY = 15_000


@dataclass(frozen=True)
class Limits:
    """How far a search goes."""

    trials: int = 40
    """Students trained shortly, those of earlier calls included."""
    finalists: int = 3
    """Students trained in full."""
    seconds: float | None = None
    """Time of this call; None: whatever it takes."""


def search(run: Run, budget: Budget, limits: Limits, seed: int = 0) -> Outcome:
    """Find the best student within a budget, or go on finding it.

    Writes ``search/`` in the run folder: the journal, ``trials.tsv``, ``pareto.png``, the finalists and ``recipe.toml``.

    Args:
        run: one whose teacher, transfer set and labels are made.
        budget: what the student may cost.
        limits: how far to go.
        seed: determines what is held out and which students are tried.

    Raises:
        BadInputError: the run has no labels or too few texts, another process works in it, or no student of the space is
            within the budget.
        GateError: no student that was trained in full is accurate enough.
    """
    check_run(run)
    with run.folder.locked():
        return _Search(run, budget, limits, seed).run()


class _Search:
    """One call of :func:`search`."""

    def __init__(self, run: Run, budget: Budget, limits: Limits, seed: int):
        self._run, self._budget, self._limits = run, budget, limits
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._folder = run.folder.path / FOLDER
        discard(self._folder / "trial")  # of a process that was killed
        self._material: Material = read_material(run, seed)
        self._students = Students(run, self._material)
        self._key = _key(run, seed)
        largest = float("inf") if budget.max_size is None else budget.max_size
        name = f"{budget.max_size} {budget.max_drop}"
        self._journal = Journal(self._folder / "journal.log", self._key, name, seed, largest)
        self._board = Board(run.options)

    def run(self) -> Outcome:
        """Try students, then train the best in full; what is known is written even if that is interrupted."""
        finalists: list[Finalist] = []
        try:
            with self._board.shown():
                self._explore()
                finalists = self._train_finalists()
        finally:
            self._write(finalists)
        return self._conclude(finalists)

    def _explore(self) -> None:
        for trial in self._journal.trials():
            self._board.add(trial, new=False)
        if self._journal.is_empty():
            words = self._run.folder.record("distill").get("vocabulary", _ORDINARY_VOCABULARY)
            self._journal.enqueue(nearest_point(self._run.options, words))
        smallest = self._students.size(options_at(self._run.options, SMALLEST))
        if self._budget.max_size is not None and smallest > self._budget.max_size:
            raise BadInputError(
                f"--max-size {in_units(self._budget.max_size)}: the smallest student that is looked at has "
                f"{in_units(smallest)}. Allow a larger one."
            )
        fruitless, failure = 0, None
        while fruitless < _FRUITLESS and self._own_trials() < self._limits.trials:
            if self._budget.ceiling(self._journal.trials()) <= smallest:
                break
            proposal = self._journal.ask()
            options = options_at(self._run.options, proposal.params)
            if (why := self._reason_to_pass_over(options, proposal.params)) is not None:
                self._journal.pass_over(proposal, why, self._students.size(options))
                fruitless += 1
                continue
            if not self._has_time(options):
                self._journal.pass_over(proposal, "without time left", self._students.size(options))
                break
            folder = self._folder / "trial"
            try:
                measured = self._students.train(options, self._material.proxy, folder)
            except BadInputError as error:  # such as a training that diverges: the next one may not
                self._journal.fail(proposal)
                say(f"trial {proposal.number}: failed: {error}")
                failure, fruitless = error, fruitless + 1
                continue
            except BaseException:
                self._journal.fail(proposal)
                raise
            finally:
                discard(folder)
            fruitless = 0
            self._journal.complete(proposal, measured.agreement, self._facts(options, measured))
            self._board.add(self._journal.trials()[-1])
        if not self._journal.trials():
            raise failure or BadInputError(self._nothing_found())

    def _own_trials(self) -> int:
        return sum(not trial.reused for trial in self._journal.trials())

    def _reason_to_pass_over(self, options: TrainOptions, point: dict[str, int]) -> str | None:
        """Say why a student isn't worth a training, if it isn't; none is trained for it."""
        if self._students.unsupported(options) is not None:
            return "of no file format"
        trials = self._journal.trials()
        if self._students.size(options) >= self._budget.ceiling(trials):
            return "over the budget"
        return "tried before" if any(trial.point == point for trial in trials) else None

    def _facts(self, options: TrainOptions, measured: Measured) -> dict[str, float | None]:
        return {
            "size": self._students.size(options),
            "seconds": measured.seconds,
            "work": self._students.work(options, len(self._material.proxy.texts)),
            "latency_ms": measured.latency_ms,
        }

    def _predicted(self, options: TrainOptions, texts: int) -> float:
        """Predict the seconds of a training, as slow as the slowest so far; 0 if there was none."""
        rate = max((trial.seconds / trial.work for trial in self._journal.trials()), default=0.0)
        return rate * self._students.work(options, texts)

    def _full_training(self, trial: Trial) -> float:
        """Predict the seconds of a student's full training."""
        return self._predicted(options_at(self._run.options, trial.point), len(self._material.rows.texts))

    def _has_time(self, options: TrainOptions) -> bool:
        """Tell whether a short training can end in time, and after it a full one, unless that takes half of all time."""
        if self._deadline is None or self._limits.seconds is None:
            return True
        best = self._budget.acceptable(self._journal.trials())[:1]
        reserved = sum(map(self._full_training, best)) if self._limits.finalists else 0.0
        if reserved > self._limits.seconds / 2:
            reserved = 0.0
        predicted = self._predicted(options, len(self._material.proxy.texts))
        return time.monotonic() + predicted + reserved <= self._deadline

    def _train_finalists(self) -> list[Finalist]:
        found = []
        for trial in self._budget.finalists(self._journal.trials(), self._limits.finalists):
            folder = self._folder / "finalists" / fingerprint(self._key, trial.point)[:12]
            kept = folder / "result.json"
            if not kept.is_file():
                late = self._deadline is not None and time.monotonic() + self._full_training(trial) > self._deadline
                if late:
                    say(f"search: no time to train {describe(options_at(self._run.options, trial.point))} in full")
                    continue
                self._train_in_full(trial, folder)
            found.append(Finalist(trial, **json.loads(kept.read_bytes())))
        return found

    def _train_in_full(self, trial: Trial, folder: Path) -> None:
        options = options_at(self._run.options, trial.point)
        say(f"search: {describe(options)}, trained in full")
        unfinished = folder.with_name(f"{folder.name}.partial")  # where an interrupted training goes on
        measured = self._students.train(options, self._material.rows, unfinished)
        with staged_folder(folder, "result.json") as staging:
            for path in unfinished.iterdir():
                path.rename(staging / path.name)
            facts = {
                "size": self._students.size(options),
                "agreement": measured.agreement,
                "latency_ms": measured.latency_ms,
                "accuracy": measured.dev.accuracy,
                "interval": measured.dev.interval,
            }
            write_json(staging / "result.json", facts)
        discard(unfinished)

    def _write(self, finalists: Sequence[Finalist]) -> None:
        trials = self._journal.trials()
        if trials:
            write_trials(self._folder, trials, self._run.options)
            draw_pareto(trials, finalists, self._budget.max_size, self._folder / "pareto.png")

    def _conclude(self, finalists: list[Finalist]) -> Outcome:
        trials, least = self._journal.trials(), self._budget.min_accuracy
        if least is not None:
            self._check_accuracy(finalists, least)
        accurate = [one for one in finalists if least is None or 100 * one.accuracy >= least]
        good: Sequence[Finalist | Trial] = self._budget.acceptable(accurate)
        chosen = (good or self._budget.acceptable(trials))[0]
        point = (chosen.trial if isinstance(chosen, Finalist) else chosen).point
        options = options_at(self._run.options, point)
        command = write_recipe(self._folder, self._run.folder.path, options, self._run.folder.location)
        return Outcome(
            self._folder, trials, self._journal.counts(), finalists, chosen, len(self._material.held_out), command
        )

    def _check_accuracy(self, finalists: Sequence[Finalist], least: float) -> None:
        """Refuse a search none of whose finalists is accurate enough.

        Raises:
            GateError: that is so.
        """
        best = max((100 * one.accuracy for one in finalists), default=None)
        if best is None:
            raise GateError(
                f"--min-accuracy {least:g}: there was no time to train a student in full, which alone tells. Raise --max-time."
            )
        if best < least:
            raise GateError(
                f"--min-accuracy {least:g}: the best of {len(finalists)} students trained in full answers {best:.1f} % of dev "
                "right. Allow a larger --max-size, or lower it."
            )

    def _nothing_found(self) -> str:
        passed = ", ".join(f"{count} {why}" for why, count in self._journal.counts().items())
        return f"search: no student was trained ({passed}). Allow a larger --max-size or a longer --max-time."


def _key(run: Run, seed: int) -> str:
    """Return what trials have to share to be comparable: data, teacher, transfer set, other options, space and seed."""
    rest = options_at(run.options, SMALLEST)  # the same for all students
    space = [(dimension.name, list(map(str, dimension.values))) for dimension in SPACE]
    machine = replace(rest.training, checkpoint_every=500)
    return fingerprint(
        run.inputs("label"),
        rest.student.under_first_names(),
        machine.under_first_names(),
        space,
        [HELD_OUT, PROXY],
        seed,
    )[:12]
