"""``python -m benchmarks.candidates.naive``: the environments of the converters, and exporting a student in them."""

import sys
from pathlib import Path

import click

from benchmarks.candidates.naive.environments import ENVIRONMENTS, naive_cache, set_up
from benchmarks.candidates.naive.exports import export_naively, exports_of
from kdbuild.errors import BadInputError, KdbuildError

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=naive_cache,
    help="Where the environments lie; by default a folder in the user's cache.",
)
names_argument = click.argument("names", nargs=-1, type=click.Choice(list(ENVIRONMENTS)))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def naive() -> None:
    """Export a student as one would without kdbuild."""


@naive.command()
@names_argument
@cache_option
def setup(names: tuple[str, ...], cache: Path) -> None:
    """Make the environments NAMES, all by default: keras takes 1.6 GB, litert-torch, with a CUDA build of torch, 7 GB."""
    for name in names or ENVIRONMENTS:
        click.echo(f"{name}: {set_up(ENVIRONMENTS[name], cache)}")


@naive.command()
@click.argument("student", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@names_argument
@cache_option
def export(student: Path, out: Path, names: tuple[str, ...], cache: Path) -> None:
    """Export the STUDENT of a run's folder into OUT, in the environments NAMES or in all."""
    for name in names or ENVIRONMENTS:
        if not ENVIRONMENTS[name].folder(cache).is_dir():
            raise BadInputError(f"{name}: not set up. Run: python -m benchmarks.candidates.naive setup {name}")
        folder = export_naively(student, name, cache, exports_of(student, name, out))
        for file in sorted(folder.glob("*.tflite")):
            click.echo(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    try:
        naive(prog_name="python -m benchmarks.candidates.naive")
    except KdbuildError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
