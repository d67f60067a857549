"""How accurate students are.

    python -m benchmarks.accuracy reviews --sst2 $SST2_DIR --unlabelled imdb.txt.gz --logits logits.npy --vectors $TEACHER_DIR

Writes its results after each student, and goes on from there. ``benchmarks/results/accuracy.md`` tells what the trials mean.
"""

from pathlib import Path

import click

from benchmarks.accuracy.options import RESULTS, review_options
from benchmarks.accuracy.results import Results
from benchmarks.accuracy.trials import MARKS, TRIALS


@click.group()
def main() -> None:
    """Reproduce benchmarks/results/accuracy.json and sst2-best.json."""


@main.command()
@review_options
@click.option(
    "--what", type=click.Choice(["trials", "marks"]), default="trials", show_default=True, help="Which students."
)
@click.option("--only", multiple=True, help="Students to train; all if none is named.")
@click.option("--work", default=Path("runs/accuracy"), type=click.Path(path_type=Path), help="For what is trained.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the results.")
def reviews(
    sst2: Path,
    unlabelled: Path,
    logits: Path,
    vectors: Path,
    what: str,
    only: tuple[str, ...],
    work: Path,
    out: Path | None,
) -> None:
    """Students of SST-2 and unlabelled review sentences: trials, or the marks."""
    from benchmarks.accuracy.reviews import Reviews, taught

    chosen, file = (TRIALS, "accuracy.json") if what == "trials" else (MARKS, "sst2-best.json")
    results = Results(out or RESULTS / file)
    data = Reviews(sst2, unlabelled, logits)
    work.mkdir(parents=True, exist_ok=True)
    for trial in chosen:
        for seed in range(trial.seeds) if not only or trial.name in only else ():
            if not results.has("reviews", trial.name, str(seed)):
                with taught(trial.train_options(), data, None, seed, vectors, work) as student:
                    results.put(student.quality(), "reviews", trial.name, str(seed))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.accuracy")
