"""How fast training is, against the plain way to do each of its jobs.

    python -m benchmarks.throughput --work WORK

Writes ``benchmarks/results/throughput.json`` and ``throughput.md``. Needs nothing but the quickstart's packages; three
minutes on one core.
"""

import sys
import time
from pathlib import Path
from typing import Any

import click

from kdbuild.cli.training_extra import require_training
from kdbuild.errors import KdbuildError

RESULTS = Path(__file__).parents[1] / "results"
_count = click.IntRange(min=1)


@click.command()
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for reviews and teacher; kept.")
@click.option("--out", default=RESULTS, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--rows", default=4000, show_default=True, type=_count, help="Reviews that are augmented.")
@click.option("--label", "labelled", default=1024, show_default=True, type=_count, help="Sentences to label.")
@click.option("--train", "trained", default=2048, show_default=True, type=_count, help="Sentences of an epoch.")
@click.option("--repeats", default=3, show_default=True, type=_count, help="Times that each job is done each way.")
@click.option("--threads", default=1, show_default=True, type=_count, help="That torch may use.")
def main(work: Path, out: Path, rows: int, labelled: int, trained: int, repeats: int, threads: int) -> None:
    """Reproduce benchmarks/results/throughput.md."""
    require_training()
    import torch

    from benchmarks.throughput import work as jobs
    from benchmarks.throughput.labelling import BATCH
    from benchmarks.throughput.report import page
    from kdbuild.files import write_atomically, write_json
    from kdbuild.measure.environment import environment
    from kdbuild.measure.reference_models.minilm import minilm_folder
    from kdbuild.quickstart.reviews import write_reviews
    from kdbuild.runtime.text.tokenizer import tokenize
    from kdbuild.trainer.options import ArticleOptions
    from kdbuild.trainer.transfer_set.tagging import tag

    torch.set_num_threads(threads)
    # Of one thread, what other programs take from it doesn't count.
    clock = time.process_time if threads == 1 else time.perf_counter
    work.mkdir(parents=True, exist_ok=True)
    reviews = write_reviews(work / "reviews", seed=0).train[:rows]
    tokens = [found for review in reviews if (found := tokenize(review.text))]
    spacy_model = ArticleOptions().spacy_model
    list(tag(tokens[:1], spacy_model, workers=1))  # loads the pipeline
    started = clock()
    tags = list(tag(tokens, spacy_model, workers=1))
    tagging_seconds = clock() - started
    augmented, transfer = jobs.augmentation(tokens, tags, tagging_seconds, rounds=repeats, clock=clock)
    click.echo(f"augmentation: {augmented}")
    teacher = jobs.teacher_folder(minilm_folder(), work / "teacher")
    result: dict[str, Any] = {
        "repeats": repeats,
        "augmentation": augmented,
    }
    sentences = jobs.sample(transfer, labelled)
    result["labelling"] = jobs.labelling(teacher, sentences, rounds=repeats, batch=BATCH, clock=clock)
    click.echo(f"labelling: {result['labelling']}")
    result["epoch"] = jobs.epoch(jobs.sample(transfer, trained), rounds=repeats, clock=clock)
    click.echo(f"epoch: {result['epoch']}")
    result["environment"] = environment(threads=threads)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "throughput.json", result)
    write_atomically(out / "throughput.md", page(result).encode())


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks.throughput")
    except KdbuildError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
