"""``kdbuild init``."""

import shlex
from pathlib import Path

import click

from kdbuild.errors import BadInputError


@click.command()
@click.argument("recipe", default="recipe.toml", type=click.Path(path_type=Path, readable=False))
@click.option("--data", default="reviews.tsv", show_default=True, help="Labelled data that the recipe names.")
@click.option("--out", default="runs/reviews", show_default=True, help="Run folder that it names.")
@click.option(
    "--from", "base", default="default", show_default=True, help="Recipe to start from: default, article, small."
)
def init(recipe: Path, data: str, out: str, base: str) -> None:
    r"""Write a commented RECIPE with every option of train.

    \b
    Examples:
      kdbuild init
      kdbuild init mine.toml --data tickets.csv --out runs/tickets --from small
    """
    import os

    from kdbuild.files import FULL, write_atomically
    from kdbuild.trainer.options import TrainOptions
    from kdbuild.trainer.recipe import read_recipe, recipe_toml

    if os.path.lexists(recipe):
        raise BadInputError(f"{recipe}: is there already. Choose another name, or remove it first.")
    options = TrainOptions.from_dict(read_recipe(base).sections, base)
    text = recipe_toml(options, source=data, out=out, commented=True)
    try:
        write_atomically(
            recipe,
            f"# What `kdbuild train` reads. Lines with a single # before an option show its default.\n{text}".encode(),
        )
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInputError(f"{recipe}: can't be written ({error.strerror}). Choose another place.") from error
    click.echo(f"Wrote {recipe}. Next: kdbuild train {shlex.quote(str(recipe))}", err=True)
