"""``kdbuild predict``."""

import codecs
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from kdbuild.cli.choices import RegistryChoice
from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

    from kdbuild.runtime import Classifier, Explanation, Prediction
    from kdbuild.runtime.engines.registry import Precision

Command = TypeVar("Command", bound=Callable[..., Any])
_STRONG = 0.05
"""Change of probability from which a word is coloured fully."""


def _engines() -> list[str]:
    from kdbuild.runtime.engines.registry import ENGINES

    return ["auto", *(row.name for row in ENGINES if row.use != "verify")]


def _precisions() -> tuple[str, ...]:
    from kdbuild.runtime.engines.registry import PRECISIONS

    return PRECISIONS


def model_options(command: Command) -> Command:
    """The options that choose the model file and its engine."""
    for option in (
        click.option("--precision", type=RegistryChoice(_precisions), help="Model file to run.  [default: int8]"),
        click.option(
            "--engine",
            type=RegistryChoice(_engines),
            default="auto",
            show_default=True,
            help="What runs it: auto takes the fastest installed, of those whose files can't carry code.",
        ),
    ):
        command = option(command)
    return command


def load_classifier(
    folder: "str | Path",
    precision: "Precision | None",
    engine: str = "auto",
    threshold: float | None = None,
) -> "Classifier":
    """Load an artefact without its engine's start-up notes, which come with the first answer."""
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.runtime import Classifier

    with quiet_native_log():
        return Classifier.load(folder, precision=precision, engine=engine, threshold=threshold).warm_up()


@click.command()
@click.argument("artefact", type=click.Path(readable=False))
@click.argument("texts", nargs=-1)
@click.option(
    "--pair",
    "seconds",
    multiple=True,
    metavar="TEXT",
    help="Second text, where the artefact reads pairs; repeated, one for each of TEXTS.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of columns.")
@click.option("--explain", is_flag=True, help="Colour the words that the answer hangs on, or list their weights.")
@click.option("--threshold", type=float, help="Probability below which no label is given.  [default: the artefact's]")
@model_options
def predict(
    artefact: str,
    texts: tuple[str, ...],
    seconds: tuple[str, ...],
    as_json: bool,
    explain: bool,
    threshold: float | None,
    engine: str,
    precision: "Precision | None",
) -> None:
    r"""Classify TEXTS, or the lines of standard input.

    The ARTEFACT folder answers. Each answer is a label, its probability and the text. Where a text may have several
    labels, they are separated by |, with the probability of the likeliest; - stands for none. With --explain, each word is
    masked in turn: green ones speak for the label, red ones against it. An artefact that reads pairs takes the second texts
    by --pair, or after a tab in each line of standard input.

    \b
    Examples:
      kdbuild predict artefact "a warm , funny film" "two hours I won't get back"
      kdbuild predict artefact --json < reviews.txt
      kdbuild predict artefact --explain "a warm , funny film that goes on too long"
      kdbuild predict paraphrases "How old are you?" --pair "What is your age?"
    """
    # Python has no stream for a standard input that was closed.
    if not texts and sys.stdin is None:
        raise BadInputError('standard input: is closed. Give texts, or pipe lines: kdbuild predict ARTEFACT "a text"')
    classify = load_classifier(artefact, precision, engine, threshold)
    pairs = classify.manifest.pairs
    _check_pairs(artefact, texts, seconds, pairs)
    rows: Iterable[tuple[str, ...]] = zip(
        map(_argument, texts), *([map(_argument, seconds)] if pairs else []), strict=True
    )
    if not texts:
        if sys.stdin.isatty():
            what = (
                "pairs of texts from the terminal, a line each, a tab between both"
                if pairs
                else ("texts from the terminal, a line each")
            )
            click.echo(f"Reading {what}; end with Ctrl-D.", err=True)
        lines = _lines(sys.stdin.buffer)
        rows = map(_pair, lines, itertools.count(1)) if pairs else ((line,) for line in lines)
    width = max(map(len, classify.labels))
    for row in rows:
        explanation = classify.explain(*row) if explain else None
        answer = classify(*row) if explanation is None else explanation.prediction
        if as_json:
            click.echo(_json(answer, explanation))
        else:
            shown = "\t".join(row) if explanation is None else _coloured(explanation)
            click.echo(f"{_label(answer):<{width}}  {answer.score:.3f}  {shown}")


def _argument(text: str) -> str:
    """A text of the command line; its bytes that aren't UTF-8 become U+FFFD, as those of standard input do."""
    return os.fsencode(text).decode("utf-8", "replace")


def _check_pairs(artefact: str, texts: tuple[str, ...], seconds: tuple[str, ...], pairs: bool) -> None:
    """Check that there are as many second texts as first ones, or none where the artefact reads one text.

    Raises:
        BadInputError: there are not.
    """
    if seconds and not pairs:
        raise BadInputError(f"--pair {seconds[0]!r}: {artefact} reads one text. Leave it out.")
    if pairs and len(seconds) != len(texts):
        raise BadInputError(
            f"{artefact}: reads pairs of texts, and there are {len(texts)} first and {len(seconds)} second ones. "
            "Give --pair TEXT once for each of TEXTS."
        )


def _pair(line: str, number: int) -> tuple[str, ...]:
    """Both texts of a line.

    Raises:
        BadInputError: they can't be told apart.
    """
    texts = tuple(line.split("\t"))
    if len(texts) != 2:
        raise BadInputError(
            f"standard input, line {number}: {len(texts) - 1} tabs, and the artefact reads pairs of texts. "
            "Write both in a line, with one tab between them."
        )
    return texts


def _lines(stream: BinaryIO) -> Iterator[str]:
    """The texts of a stream, as soon as each is there; what isn't UTF-8 becomes U+FFFD instead of an error in its middle.

    Raises:
        BadInputError: its beginning is UTF-16, or it has no line end but CR.
    """
    from kdbuild.runtime.data.encoding import check_utf_16, cr_alone

    for number, line in enumerate(stream):
        if number == 0:
            check_utf_16("standard input", line, "FILE")
            if b"\r" in line.rstrip(b"\r") and not line.endswith(b"\n"):
                raise cr_alone("standard input")
            line = line.removeprefix(codecs.BOM_UTF8)
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _label(answer: "Prediction") -> str:
    if answer.labels is None:
        return answer.label or "-"
    from kdbuild.runtime.data.labels import SEPARATOR

    return SEPARATOR.join(answer.labels) or "-"


def _json(answer: "Prediction", explanation: "Explanation | None") -> str:
    from kdbuild.json_text import json_text

    values = answer._asdict()
    for name in ("labels", "second"):
        if values[name] is None:
            del values[name]
    if explanation is not None:
        values["explained"] = explanation.label
        for name, words in zip(("weights", "second_weights"), _weights(explanation), strict=False):
            values[name] = [[word, round(weight, 6)] for word, weight in words]
    # Elsewhere what the encoding lacks would become a question mark.
    takes_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json_text(values, ascii_only=not takes_all)


def _coloured(explanation: "Explanation") -> str:
    """The words: in colour on a terminal (click strips it elsewhere), and with the strongest one's weight in numbers."""
    return "\t".join(map(_coloured_words, _weights(explanation)))


def _weights(explanation: "Explanation") -> list[list[tuple[str, float]]]:
    """The words of each text with their weights."""
    words = [list(zip(explanation.tokens, explanation.weights, strict=True))]
    if explanation.second_tokens is not None and explanation.second_weights is not None:
        words.append(list(zip(explanation.second_tokens, explanation.second_weights, strict=True)))
    return words


def _coloured_words(words: "Iterable[tuple[str, float]]") -> str:
    parts = []
    for word, weight in words:
        if abs(weight) < _STRONG / 5:
            parts.append(word)
        else:
            colour = "green" if weight > 0 else "red"
            parts.append(
                click.style(word, fg=colour, bold=abs(weight) >= _STRONG) + click.style(f"({weight:+.2f})", fg=colour)
            )
    return " ".join(parts)
