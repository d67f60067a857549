"""``kdbuild teacher``, ``augment``, ``label``, ``distill``: the stages of ``kdbuild train``, one at a time."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdbuild.cli.options import StageCommand, stage_options, updated
from kdbuild.trainer.options import PERTURBATION_SECTIONS, TrainOptions

if TYPE_CHECKING:
    from kdbuild.trainer.run.runner import Run

_run_argument = click.argument("run", type=click.Path(path_type=Path, readable=False))
_KEPT = "the run's"


@click.command(cls=StageCommand)
@click.argument("data")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, readable=False),
    help="Run folder; an interrupted run goes on in it.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run that was made from other data.")
@stage_options("data", "teacher", "teacher_training", "machine")
def teacher(data: str, out: Path, overwrite: bool, **values: Any) -> None:
    r"""Read labelled text and fine-tune the teacher.

    This is the first stage of train.

    \b
    Example:
      kdbuild teacher reviews.tsv --out runs/reviews --teacher bert-base-uncased --teacher-epochs 2
    """
    options = updated(TrainOptions(), values)
    from kdbuild.cli.training_extra import require_training

    require_training()
    from kdbuild.trainer.run.folder import keep_former
    from kdbuild.trainer.run.start import start
    from kdbuild.trainer.training.processes import join_processes

    processes = join_processes()
    run = start(data, out, keep_former(options, out), overwrite=overwrite, processes=processes, stage="teacher")
    run.run(["teacher"])
    _next("teacher", run, processes.is_main)


@click.command(cls=StageCommand)
@_run_argument
@stage_options("augment", *PERTURBATION_SECTIONS, kept=_KEPT)
def augment(run: Path, **values: Any) -> None:
    r"""Make the transfer set of RUN from its training rows.

    The set holds the rows, copies of them by each perturbation named, and unlabelled text; what is there already is left out.

    \b
    Examples:
      kdbuild augment runs/reviews --perturb spans=30 --perturb article=5 --p-mask 0.2
      kdbuild augment runs/reviews --unlabelled more.txt --unlabelled archive.txt.gz --split-sentences
    """
    _run_stage("augment", run, values)


@click.command(cls=StageCommand)
@_run_argument
@stage_options("label", "machine", kept=_KEPT)
def label(run: Path, **values: Any) -> None:
    r"""Ask the teacher of RUN for its logits over the transfer set.

    \b
    Example:
      kdbuild label runs/reviews --label-batch-size 128
    """
    _run_stage("label", run, values)


@click.command(cls=StageCommand)
@_run_argument
@stage_options("student", "training", "machine", kept=_KEPT)
def distill(run: Path, **values: Any) -> None:
    r"""Train the student of RUN on the labelled transfer set.

    \b
    Examples:
      kdbuild distill runs/reviews
      kdbuild distill runs/reviews --embedding-size 48 --hidden-size 128 --epochs 2
    """
    _run_stage("distill", run, values)


def _run_stage(stage: str, path: Path, values: dict[str, Any]) -> None:
    from kdbuild.cli.training_extra import require_training

    require_training()
    from kdbuild.trainer.run.start import change_options
    from kdbuild.trainer.training.processes import join_processes

    processes = join_processes()
    run = change_options(path, lambda options: updated(options, values), processes, stage=stage)
    run.run([stage])
    _next(stage, run, processes.is_main)


def _next(stage: str, run: "Run", is_main: bool) -> None:
    """Name the command that goes on from a stage: the next one of this run, or the export."""
    if is_main:
        from kdbuild.trainer.run.following import export_command, no_export

        path = run.folder.path
        following = run.stages[run.stages.index(stage) + 1 :]
        if following:
            line = f"Next: kdbuild {following[0]} {shlex.quote(str(path))}"
        else:
            line = no_export(path) or f"Next: {export_command(path)}"
        click.echo(line, err=True)
