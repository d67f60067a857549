"""``kdbuild predict``."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from kdbuild.runtime import Classifier

precision_option = click.option(
    "--precision", type=click.Choice(["int8", "fp32"]), help="Model file to run.  [default: int8]"
)


def load_classifier(folder: Path, precision: Literal["int8", "fp32"] | None) -> "Classifier":
    """Load an artefact without its engine's start-up notes, which come with the first answer."""
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.runtime import Classifier

    with quiet_native_log():
        classifier = Classifier.load(folder, precision=precision)
        classifier("")
    return classifier


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of columns.")
@precision_option
def predict(artefact: Path, texts: tuple[str, ...], as_json: bool, precision: Literal["int8", "fp32"] | None) -> None:
    r"""Classify TEXTS, or the lines of standard input, with an ARTEFACT folder.

    Each answer is a label, its probability and the text. Where a text may have several labels, they are separated by |,
    with the probability of the likeliest; - stands for none.

    \b
    Examples:
      kdbuild predict artefact "a warm , funny film" "two hours I won't get back"
      kdbuild predict artefact --json < reviews.txt
    """
    import json
    from dataclasses import asdict

    from kdbuild.runtime.labels import SEPARATOR

    classify = load_classifier(artefact, precision)
    lines: Iterable[str] = texts
    if not texts:
        if sys.stdin.isatty():
            click.echo("Reading texts from the terminal, a line each; end with Ctrl-D.", err=True)
        # Read as bytes: what isn't UTF-8 becomes U+FFFD instead of an error in the middle of a stream.
        lines = (line.decode("utf-8", "replace").rstrip("\r\n") for line in sys.stdin.buffer)
    width = max(map(len, classify.labels))
    for line in lines:
        answer = classify(line)
        if as_json:
            values = asdict(answer)
            if answer.labels is None:
                del values["labels"]
            click.echo(json.dumps(values, ensure_ascii=False))
        else:
            label = answer.label if answer.labels is None else SEPARATOR.join(answer.labels) or "-"
            click.echo(f"{label:<{width}}  {answer.score:.3f}  {answer.text}")
