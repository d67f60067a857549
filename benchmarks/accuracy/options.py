"""Options of commands that train students on reviews."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).resolve().parents[1] / "results"
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def review_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what :class:`~benchmarks.accuracy.reviews.Reviews` reads, and where the word vectors come from."""
    options: list[Callable[[Any], Any]] = [
        click.option("--sst2", required=True, type=FOLDER, help="Folder of train.tsv and dev.tsv."),
        click.option("--unlabelled", required=True, type=FILE, help="Sentences, a line each, gzipped."),
        click.option(
            "--logits", required=True, type=FILE, help="The teacher's, of the distinct tokenised lines of both."
        ),
        click.option(
            "--vectors", required=True, type=FOLDER, help="A teacher whose word vectors the students start from."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
