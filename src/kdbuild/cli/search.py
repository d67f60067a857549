"""``kdbuild search``."""

from pathlib import Path

import click

from kdbuild.errors import require


@click.command()
@click.argument("run", type=click.Path(path_type=Path, readable=False))
@click.option("--max-size", metavar="SIZE", help="Largest native file, vocabulary included: 300kB, 1MB.")
@click.option(
    "--max-drop",
    type=float,
    metavar="POINTS",
    help="Take the smallest student that agrees with the teacher on at most so many points fewer than the best found.",
)
@click.option(
    "--min-accuracy",
    type=float,
    metavar="PERCENT",
    help="Accuracy on dev that the chosen student needs, or nothing is chosen.",
)
@click.option("--max-time", metavar="TIME", help="Begin nothing that would end later than this: 2h, 45m.")
@click.option(
    "--trials",
    default=40,
    show_default=True,
    type=click.IntRange(1),
    help="Students trained shortly, those of earlier calls included.",
)
@click.option(
    "--finalists", default=3, show_default=True, type=click.IntRange(1), help="Students trained in full at the end."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of what is tried and held out."
)
def search(
    run: Path,
    max_size: str | None,
    max_drop: float | None,
    min_accuracy: float | None,
    max_time: str | None,
    trials: int,
    finalists: int,
    seed: int,
) -> None:
    r"""Find the best student of RUN within a budget.

    The budget is a size, of which the best student is wanted, or a loss, within which the smallest is. RUN brings teacher,
    transfer set and labels. Students are trained shortly, and the best in full; the same command goes on where it stopped.
    Everything is written to RUN/search.

    \b
    Examples:
      kdbuild search runs/reviews --max-size 1MB
      kdbuild search runs/reviews --max-size 300kB --max-time 2h --min-accuracy 88
      kdbuild search runs/reviews --max-drop 1.0 --trials 60
    """
    from kdbuild.cli.training_extra import require_training

    require_training("search")
    require("optuna", "search")
    from kdbuild.console import say
    from kdbuild.search.budget import Budget, parse_size, parse_time
    from kdbuild.search.outcome import summary
    from kdbuild.search.search import Limits
    from kdbuild.search.search import search as find
    from kdbuild.trainer.run.folder import RunFolder
    from kdbuild.trainer.run.runner import open_run

    budget = Budget(None if max_size is None else parse_size(max_size), max_drop, min_accuracy)
    limits = Limits(trials, finalists, None if max_time is None else parse_time(max_time))
    opened = open_run(RunFolder.open(run))
    outcome = find(opened, budget, limits, seed)
    for line in summary(outcome, opened.options, min_accuracy):
        click.echo(line)
    say(f"Next: {outcome.command}")
