"""``kdbuild train``."""

from pathlib import Path
from typing import Any

import click

from kdbuild.cli.options import pick, stage_options
from kdbuild.trainer.options import (
    AugmentOptions,
    DataOptions,
    LabelOptions,
    StudentOptions,
    TeacherOptions,
    TrainOptions,
)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Run folder; an interrupted run goes on in it."
)
@click.option("--overwrite", is_flag=True, help="Replace a run that was made from other data.")
@stage_options(DataOptions, TeacherOptions, AugmentOptions, LabelOptions, StudentOptions)
def train(data: Path, out: Path, overwrite: bool, **values: Any) -> None:
    r"""Distil a student from labelled text and a teacher.

    DATA is a folder with train.tsv and dev.tsv, or one TSV, CSV, JSONL or Parquet file, of which some rows are then
    held out. Columns: 'sentence' or 'text', and 'label' or 'scores' (raw logits separated by a space; these need no
    teacher).

    \b
    Examples:
      kdbuild train reviews.tsv --out runs/reviews
      kdbuild train data/sst2 --out runs/sst2 --teacher models/bert-sst2 --rounds 20
      kdbuild train data/sst2 --out runs/hard --loss cross_entropy --epochs 5
    """
    from kdbuild.cli.training_extra import require_training
    from kdbuild.trainer.progress import say

    options = TrainOptions(
        data=pick(DataOptions, values),
        teacher=pick(TeacherOptions, values),
        augment=pick(AugmentOptions, values),
        label=pick(LabelOptions, values),
        student=pick(StudentOptions, values),
    )
    require_training()
    from kdbuild.trainer.pipeline import start

    start(data, out, options, overwrite=overwrite).run()
    say(f"Next: kdbuild export {out} --format tflite --quantize")
