"""``kdbuild eval``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdbuild.cli.columns import label_option, text_options
from kdbuild.cli.predict import load_classifier, model_options

if TYPE_CHECKING:
    from kdbuild.runtime.engines.registry import Precision

_MOST_CLASSES = 100
"""Classes up to which the whole matrix is shown."""
_MOST_SHOWN = 50
"""Confusions, and labels of texts that may have several, that are listed at most."""


@click.command("eval")
@click.argument("artefact", type=click.Path(path_type=Path, readable=False))
@click.argument("data", type=click.Path(path_type=Path, readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@text_options
@label_option
@model_options
def evaluate(
    artefact: Path,
    data: Path,
    as_json: bool,
    text_column: str,
    pair_column: str,
    label_column: str,
    engine: str,
    precision: "Precision | None",
) -> None:
    r"""Compare an ARTEFACT folder's answers with the labels of DATA.

    DATA is a TSV, CSV or JSONL file, with a column of second texts where the artefact reads pairs. Where a text may have
    several labels, they are separated by |, and the accuracy is the share of texts that are given exactly the true ones.
    The OOV rate is the share of unknown tokens or, where the artefact cuts words into pieces, of unknown pieces.

    \b
    Examples:
      kdbuild eval artefact dev.tsv
      kdbuild eval artefact dev.tsv --precision fp32 --json
    """
    from dataclasses import asdict, replace

    from kdbuild.json_text import json_text
    from kdbuild.runtime.data.readers import Columns, read_rows
    from kdbuild.runtime.evaluation import evaluate as evaluate_classifier
    from kdbuild.runtime.text.encoding import WORDS

    classify = load_classifier(artefact, precision, engine)
    thresholds = classify.manifest.thresholds
    columns = Columns(text_column, pair_column, label_column)
    rows = read_rows(data, columns, multi_label=thresholds is not None)
    result = evaluate_classifier(classify, rows, data)
    if as_json:
        many = thresholds is None and len(classify.labels) > _MOST_CLASSES
        # Of 1,500 classes the matrix is 7 MB of zeros, which take seconds to copy.
        shown = replace(result, metrics=replace(result.metrics, confusion=[])) if many else result
        values = asdict(shown)
        values = values.pop("metrics") | values
        if many:
            del values["confusion"]
            values["confusions"] = list(_confusions(classify.labels, result.metrics.confusion))
        click.echo(json_text(values, ascii_only=True))
        return
    metrics = result.metrics
    low, high = metrics.interval
    click.echo(f"model        {classify.model_file}")
    click.echo(f"texts        {metrics.n}")
    click.echo(f"accuracy     {metrics.accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%})")
    click.echo(f"macro-F1     {metrics.macro_f1:.4f}")
    if thresholds is not None:
        click.echo(f"micro-F1     {metrics.micro_f1:.4f}")
    click.echo(f"loss         {metrics.loss:.4f} nats")
    click.echo(f"perplexity   {metrics.perplexity:.4f}")
    unit = "tokens" if classify.manifest.tokenizer["version"] == WORDS else "pieces"
    click.echo(f"OOV rate     {result.oov_rate:.2%} of {unit}")
    click.echo(f"truncated    {result.truncated}")
    click.echo(f"throughput   {result.texts_per_second:,.0f} texts/s, one at a time")
    if thresholds is None:
        _print_confusion(classify.labels, metrics.confusion)
    else:
        _print_labels(classify.labels, thresholds, metrics.confusion)


def _confusions(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> Iterator[tuple[str, str, int]]:
    """The true label, the answer and the count of what was answered wrong, the most frequent first."""
    found = [
        (count, true, answer)
        for true, row in enumerate(confusion)
        for answer, count in enumerate(row)
        if count and true != answer
    ]
    for count, true, answer in sorted(found, key=lambda item: (-item[0], *item[1:])):
        yield labels[true], labels[answer], count


def _print_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> None:
    if len(labels) > _MOST_CLASSES:
        wrong = list(_confusions(labels, confusion))
        click.echo(f"confusions   ({len(wrong)}; the {_MOST_SHOWN} most frequent at most)")
        for true, answer, count in wrong[:_MOST_SHOWN]:
            click.echo(f"{count:>12} {true} answered as {answer}")
        return
    click.echo("confusion    (rows: true label, columns: answer)")
    width = max(8, *map(len, labels)) + 2
    click.echo(" " * 13 + " " * width + "".join(f"{label:>{width}}" for label in labels))
    for label, row in zip(labels, confusion, strict=True):
        click.echo(" " * 13 + f"{label:<{width}}" + "".join(f"{count:>{width}}" for count in row))


def _print_labels(labels: Sequence[str], thresholds: Sequence[float], confusion: Sequence[Sequence[int]]) -> None:
    """A row for each label; a share that has nothing to be a share of is a dash."""
    click.echo("labels       (texts that have it, that are given it, and both)")
    width = max(8, *map(len, labels)) + 2
    columns = ("threshold", "true", "given", "both", "precision", "recall", "F1")
    click.echo(" " * 13 + " " * width + "".join(f"{column:>11}" for column in columns))
    rows = list(zip(labels, thresholds, confusion, strict=True))
    if len(rows) > _MOST_CLASSES:
        rows = sorted(rows, key=lambda row: -sum(row[2][1:]))[:_MOST_SHOWN]  # those that occur or are given most
    for label, threshold, (_, wrong, missed, hits) in rows:
        shares = ((hits, hits + wrong), (hits, hits + missed), (2 * hits, 2 * hits + wrong + missed))
        cells = [f"{threshold:.4g}", *map(str, (hits + missed, hits + wrong, hits))]
        cells += [f"{part / whole:.4f}" if whole else "-" for part, whole in shares]
        click.echo(" " * 13 + f"{label:<{width}}" + "".join(f"{cell:>11}" for cell in cells))
