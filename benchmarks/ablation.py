"""The article's ablation over several seeds, with a student of about a megabyte, on SST-2.

    python benchmarks/ablation.py --data $SST2_DIR --teacher $TEACHER_DIR --work runs/ablation

The same as ``kdbuild train $SST2_DIR --recipe small --ablation --runs 3``, with the circumstances written down. Resumable.
Writes ``benchmarks/results/ablation.json``, ``ablation.md`` and ``ablation.png``.
"""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from kdbuild.cli.training_extra import require_training
from kdbuild.measure.environment import environment
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.recipe import read_recipe
from kdbuild.trainer.run.ablation import ablate, table

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--data", required=True, help="Folder with train.tsv and dev.tsv.")
@click.option("--teacher", required=True, help="A teacher fine-tuned on them.")
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Run folder.")
@click.option("--runs", default=3, show_default=True, help="Seeds.")
@click.option("--first-seed", default=0, show_default=True, help="The lowest of the seeds.")
@click.option("--remark", default="", help="A sentence for the page, on the circumstances of the run.")
def main(data: str, teacher: str, work: Path, runs: int, first_seed: int, remark: str) -> None:
    """Reproduce benchmarks/results/ablation.md."""
    require_training()
    options = TrainOptions().updated(read_recipe("small").sections, "small")
    options = replace(
        options,
        teacher=replace(options.teacher, teacher=(teacher,)),
        student=replace(options.student, student_seed=first_seed),
    )
    found = ablate(data, work, options, ablation=True, runs=runs)
    circumstances: dict[str, Any] = environment(threads=1)
    content = asdict(found) | {"environment": circumstances, "remark": remark}
    (RESULTS / "ablation.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shutil.copy(work / "plots" / "ablation.png", RESULTS / "ablation.png")
    page = [
        "# SST-2, a student of about a megabyte",
        "",
        f"Teacher: `{Path(teacher).name}`. Recipe `small`: 48 dimensions, 128 units, classifier of 128. CPU time: torch, one",
        "text at a time, one thread. Mean ± standard deviation over the seeds of the student's weights, dropout and batches.",
        "",
        table(found).rstrip(),
        "",
        "![accuracies of the students](ablation.png)",
        "",
        f"Machine: {circumstances['cpu']}, torch {circumstances['packages']['torch']}. {remark}".rstrip(),
        "",
        "```",
        f"python benchmarks/ablation.py --data $SST2_DIR --teacher $TEACHER_DIR --work runs/ablation --runs {runs}"
        + (f" --first-seed {first_seed}" if first_seed else ""),
        "```",
    ]
    (RESULTS / "ablation.md").write_text("".join(line + "\n" for line in page), encoding="utf-8")
    click.echo(table(found))


if __name__ == "__main__":
    main()
