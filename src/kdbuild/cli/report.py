"""``kdbuild report``."""

from pathlib import Path

import click

from kdbuild.errors import require


@click.command()
@click.argument("run", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--out", type=click.Path(path_type=Path, readable=False), help="HTML file to write.  [default: RUN/report.html]"
)
def report(run: Path, out: Path | None) -> None:
    r"""Write a page about the student of RUN.

    The page shows figures, pictures, mistakes, and what the student was made from. It is one HTML file that needs no
    network, to be kept, mailed or printed.

    \b
    Examples:
      kdbuild report runs/reviews
      kdbuild report runs/reviews --out reviews.html
    """
    require("matplotlib", "train")
    from kdbuild.trainer.report.page import write_report

    click.echo(write_report(run, out))
