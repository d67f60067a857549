"""``kdbuild teacher``, ``augment``, ``label``, ``distill``: the stages of ``kdbuild train``, one at a time."""

from pathlib import Path
from typing import Any

import click

from kdbuild.cli.options import pick, stage_options, update
from kdbuild.trainer.options import (
    AugmentOptions,
    DataOptions,
    LabelOptions,
    StudentOptions,
    TeacherOptions,
    TrainOptions,
)

_run_argument = click.argument("run", type=click.Path(path_type=Path))


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Run folder; an interrupted run goes on in it."
)
@click.option("--overwrite", is_flag=True, help="Replace a run that was made from other data.")
@stage_options(DataOptions, TeacherOptions)
def teacher(data: Path, out: Path, overwrite: bool, **values: Any) -> None:
    r"""Read labelled text and fine-tune the teacher: the first stage of train.

    \b
    Example:
      kdbuild teacher reviews.tsv --out runs/reviews --teacher bert-base-uncased --teacher-epochs 2
    """
    options = TrainOptions(data=pick(DataOptions, values), teacher=pick(TeacherOptions, values))
    from kdbuild.cli.training_extra import require_training

    require_training()
    from kdbuild.trainer.pipeline import start

    start(data, out, options, overwrite=overwrite).run(["teacher"])
    click.echo(f"Next: kdbuild augment {out}", err=True)


@click.command()
@_run_argument
@stage_options(AugmentOptions, kept=True)
def augment(run: Path, **values: Any) -> None:
    r"""Make the transfer set of RUN: perturbed copies of its training rows.

    \b
    Example:
      kdbuild augment runs/reviews --rounds 20 --p-mask 0.1
    """
    _run_stage("augment", run, values)
    click.echo(f"Next: kdbuild label {run}", err=True)


@click.command()
@_run_argument
@stage_options(LabelOptions, kept=True)
def label(run: Path, **values: Any) -> None:
    r"""Ask the teacher of RUN for its logits over the transfer set.

    \b
    Example:
      kdbuild label runs/reviews --label-batch-size 128
    """
    _run_stage("label", run, values)
    click.echo(f"Next: kdbuild distill {run}", err=True)


@click.command()
@_run_argument
@stage_options(StudentOptions, kept=True)
def distill(run: Path, **values: Any) -> None:
    r"""Train the student of RUN on the labelled transfer set.

    \b
    Examples:
      kdbuild distill runs/reviews
      kdbuild distill runs/reviews --embedding-size 48 --hidden-size 128 --epochs 2
    """
    _run_stage("distill", run, values)
    click.echo(f"Next: kdbuild export {run} --format tflite --quantize", err=True)


def _run_stage(stage: str, path: Path, values: dict[str, Any]) -> None:
    from kdbuild.cli.training_extra import require_training

    require_training()
    from kdbuild.trainer.pipeline import change_options

    change_options(path, lambda options: _updated(options, stage, values)).run([stage])


def _updated(options: TrainOptions, stage: str, values: dict[str, Any]) -> TrainOptions:
    from dataclasses import replace

    section = "student" if stage == "distill" else stage
    return replace(options, **{section: update(getattr(options, section), values)})
