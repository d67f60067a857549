"""``kdbuild train``."""

import shlex
from pathlib import Path
from typing import Any

import click

from kdbuild.cli.options import SECTIONS, StageCommand, given, stage_options, updated
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import TrainOptions


@click.command(cls=StageCommand)
@click.argument("source", metavar="[DATA|RECIPE.toml]", required=False)
@click.option("--data", help="Labelled data, where the argument is a recipe.")
@click.option("--recipe", metavar="NAME|FILE", help="Options to start from: default, article, small, or a TOML file.")
@click.option(
    "--out", type=click.Path(path_type=Path, readable=False), help="Run folder; an interrupted run goes on in it."
)
@click.option("--overwrite", is_flag=True, help="Replace a run that was made from other data.")
@click.option("--ablation", is_flag=True, help="Train three students: on hard labels, on the teacher's, and augmented.")
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="Repeat over this many seeds.")
@stage_options(*SECTIONS)
def train(
    source: str | None,
    data: str | None,
    recipe: str | None,
    out: Path | None,
    overwrite: bool,
    ablation: bool,
    runs: int,
    **values: Any,
) -> None:
    r"""Distil a student from labelled text and a teacher.

    DATA is a folder with train.tsv and dev.tsv; or one TSV, CSV, JSONL or Parquet file, of which some rows are then held
    out; or a dataset of the Hugging Face hub (OWNER/NAME, or OWNER/NAME:CONFIGURATION). Columns: 'sentence' or 'text';
    'sentence2' for pairs; 'label', or 'scores' (raw logits separated by a space; these need no teacher). A recipe sets
    any of the options below; those given here win.

    \b
    Examples:
      kdbuild train reviews.tsv --out runs/reviews
      kdbuild train recipe.toml --student-seed 1 --out runs/again
      kdbuild train data/sst2 --out runs/sst2 --teacher models/bert-sst2 --perturb spans=20 --perturb article=5
      kdbuild train --data stanfordnlp/sst2 --recipe article --out runs/article
      kdbuild train data/sst2 --out runs/ablation --ablation --runs 3
      torchrun --nproc-per-node 2 -m kdbuild train data/sst2 --out runs/sst2
    """
    from kdbuild.trainer.recipe import read_recipe

    if source is not None and source.endswith(".toml"):
        if recipe is not None:
            raise BadInputError(f"{source} and --recipe {recipe}: two recipes. Give one of them.")
        recipe, source = source, None
    if source is not None and data is not None:
        raise BadInputError(f"{source} and --data {data}: two sets of data. Give one of them.")
    read = read_recipe(recipe) if recipe is not None else None
    options = TrainOptions()
    if read is not None:
        options = TrainOptions.from_dict(read.sections, str(recipe))
        data = source or data or read.source
        out = out or (Path(read.out) if read.out else None)
    data = source or data
    options = updated(options, values)
    if data is None:
        raise BadInputError("train: no data. Give a file, a folder or a hub name: kdbuild train DATA --out RUN.")
    if out is None:
        raise BadInputError(
            f"train: no run folder. Add one: kdbuild train {shlex.quote(str(recipe or data))} --out RUN."
        )
    from kdbuild.cli.training_extra import require_training

    require_training()
    from kdbuild.console import say
    from kdbuild.trainer.training.processes import join_processes

    if recipe is not None:
        from kdbuild.trainer.run.folder import RunFolder
        from kdbuild.trainer.run.written import check_inputs

        # An ablation keeps the options of one student after the other, and --overwrite removes them first.
        again = not (overwrite or ablation or runs > 1)
        if not (again and RunFolder(out).keeps(Path(recipe), options, data)):
            check_inputs(out, [(str(recipe), Path(recipe))])
    if recipe is None:
        from kdbuild.trainer.run.folder import keep_former

        options = keep_former(options, out, given(values))
    processes = join_processes()
    if ablation or runs > 1:
        from kdbuild.trainer.run.ablation import ablate, table

        result = ablate(data, out, options, ablation=ablation, runs=runs, overwrite=overwrite, processes=processes)
        if processes.is_main:
            click.echo(table(result), nl=False)
    else:
        from kdbuild.trainer.run.start import start

        start(data, out, options, overwrite=overwrite, processes=processes).run()
    if processes.is_main:
        from kdbuild.trainer.run.following import export_command, no_export

        reason = no_export(out)
        then = f", then: {export_command(out)}" if reason is None else f". {reason}"
        say(f"Next: kdbuild report {shlex.quote(str(out))}{then}")
