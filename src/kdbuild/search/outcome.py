"""What a search leaves: a table of its trials, a picture, the chosen student's recipe, and a summary."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.ticker import FuncFormatter, LogLocator

from kdbuild.drawing import LIGHT, Target, Theme, drawing
from kdbuild.files import write_atomically
from kdbuild.search.journal import Trial
from kdbuild.search.space import SPACE, describe, options_at
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.recipe import recipe_toml


@dataclass(frozen=True)
class Finalist:
    """A student that was trained in full."""

    trial: Trial
    """Its short training."""
    size: int
    agreement: float
    latency_ms: float | None
    accuracy: float
    """On dev, 0 to 1."""
    interval: Sequence[float]
    """Its 95 % interval."""


@dataclass(frozen=True)
class Outcome:
    """What a search found."""

    folder: Path
    trials: list[Trial]
    passed_over: Mapping[str, int]
    """Proposals that weren't trained, by reason."""
    finalists: list[Finalist]
    chosen: Finalist | Trial | None
    """A trial where there was no time to train a finalist in full; None where none is accurate enough."""
    held_out: int
    """Texts that agreement is measured on."""
    command: str
    """What trains the chosen student."""


def in_units(size: int) -> str:
    """Write a number of bytes in kB or MB."""
    return f"{size / 1e6:.2f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def trials_tsv(trials: Sequence[Trial], base: TrainOptions) -> str:
    """Write all trained students as a table, a line each."""
    names = [dimension.name for dimension in SPACE]
    lines = ["\t".join(["trial", *names, "bytes", "agreement", "latency_ms", "seconds", "reused"])]
    for trial in trials:
        options = options_at(base, trial.point)
        values = [getattr(getattr(options, dimension.section), dimension.name) for dimension in SPACE]
        latency = "" if trial.latency_ms is None else f"{trial.latency_ms:.4f}"
        cells = [
            trial.number,
            *values,
            trial.size,
            f"{trial.agreement:.5f}",
            latency,
            f"{trial.seconds:.1f}",
            trial.reused,
        ]
        lines.append("\t".join(map(str, cells)))
    return "".join(line + "\n" for line in lines)


def pareto(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that no other beats in agreement at the same size or less, the smallest first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda one: (one.size, -one.agreement)):
        if not front or trial.agreement > front[-1].agreement:
            front.append(trial)
    return front


def draw_pareto(
    trials: Sequence[Trial], finalists: Sequence[Finalist], max_size: int | None, target: Target, theme: Theme = LIGHT
) -> None:
    """Draw agreement over size, coloured by latency, with the line of what no other student beats.

    Args:
        trials: those that were trained.
        finalists: those that were trained in full.
        max_size: bytes; the budget's line.
        target: where the picture goes.
        theme: its colours.
    """
    with drawing(target, theme, 6.4, 4.2) as figure:
        axes = figure.subplots()
        front = pareto(trials)
        axes.step(
            [one.size for one in front], [100 * one.agreement for one in front],
            where="post", color=theme.muted, linewidth=1, label="best up to this size",
        )  # fmt: skip
        sizes, agreements = [one.size for one in trials], [100 * one.agreement for one in trials]
        latencies = [one.latency_ms for one in trials if one.latency_ms is not None]
        if len(latencies) == len(trials):
            points = axes.scatter(sizes, agreements, c=latencies, cmap="viridis", label="trial")
            figure.colorbar(points, ax=axes, label="milliseconds a text, native engine")
        else:
            axes.scatter(sizes, agreements, color=theme.blue, label="trial")
        if finalists:
            axes.scatter(
                [one.size for one in finalists], [100 * one.agreement for one in finalists],
                marker="*", s=130, color=theme.orange, label="trained in full",
            )  # fmt: skip
        if max_size is not None:
            axes.axvline(max_size, color=theme.orange, linestyle="--", linewidth=1, label="--max-size")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: in_units(round(value))))
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axes.set_xlabel("model_int8.kdb, vocabulary included")
        axes.set_ylabel("agreement with the teacher, %")
        axes.set_title("Students tried")
        figure.legend(loc="outside lower center", ncols=4)  # wherever it stood among the points, it would hide some


def write_trials(folder: Path, trials: Sequence[Trial], base: TrainOptions) -> None:
    """Write ``trials.tsv``."""
    write_atomically(folder / "trials.tsv", trials_tsv(trials, base).encode())


def write_recipe(folder: Path, run: Path, options: TrainOptions, source: str) -> str:
    """Write ``recipe.toml``.

    Args:
        folder: where it goes.
        run: the run folder.
        options: the chosen student's.
        source: where the run's data lies, if that is known.

    Returns:
        The command that trains the student: in the run itself, which has the teacher, the transfer set and the labels.
    """
    path = folder / "recipe.toml"
    write_atomically(path, recipe_toml(options, source=source or None).encode())
    data = "" if source else " --data DATA"
    return f"kdbuild train {shlex.quote(str(path))}{data} --out {shlex.quote(str(run))}"


def summary(outcome: Outcome, base: TrainOptions, min_accuracy: float | None) -> list[str]:
    """Say what was found, in lines that fit one screen."""
    passed = ", ".join(f"{count} {why}" for why, count in outcome.passed_over.items())
    lines = [f"{len(outcome.trials)} students trained shortly" + (f"; not trained: {passed}" if passed else "")]
    for one in outcome.finalists:
        mark = "*" if one is outcome.chosen else " "
        low, high = one.interval
        speed = "" if one.latency_ms is None else f", {one.latency_ms:.3f} ms"
        lines.append(
            f"{mark} {describe(options_at(base, one.trial.point))}: {in_units(one.size)}, {one.agreement:.1%} as the "
            f"teacher, dev {one.accuracy:.1%} ({low:.1%} to {high:.1%}){speed}"
        )
    chosen = outcome.chosen
    if isinstance(chosen, Trial):
        lines.append(
            f"* {describe(options_at(base, chosen.point))}: {in_units(chosen.size)}, {chosen.agreement:.1%} as the teacher "
            "after a short training; there was no time to train a student in full"
        )
    elif chosen is not None:
        lines.append(
            f"* chosen, of {len(outcome.finalists)} trained in full; agreement on {outcome.held_out:,} held-out texts"
        )
        if min_accuracy is not None:
            lines.append(f"  at least {min_accuracy:g} % on dev, which was asked for, was checked for these alone")
    return lines
