"""``kdbuild eval``."""

from pathlib import Path
from typing import Literal

import click

from kdbuild.cli.predict import load_classifier, precision_option


@click.command("eval")
@click.argument("artefact", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@precision_option
def evaluate(artefact: Path, data: Path, as_json: bool, precision: Literal["int8", "fp32"] | None) -> None:
    r"""Compare an ARTEFACT folder's answers with the labels of DATA, a TSV, CSV or JSONL file.

    \b
    Examples:
      kdbuild eval artefact dev.tsv
      kdbuild eval artefact dev.tsv --precision fp32 --json
    """
    import json
    from dataclasses import asdict

    from kdbuild.runtime.data import read_rows
    from kdbuild.runtime.evaluation import evaluate as evaluate_classifier

    rows = read_rows(data)
    classify = load_classifier(artefact, precision)
    result = evaluate_classifier(classify, rows, data)
    if as_json:
        values = asdict(result)
        click.echo(json.dumps(values.pop("metrics") | values))
        return
    metrics = result.metrics
    low, high = metrics.interval
    click.echo(f"model        {classify.model_file}")
    click.echo(f"texts        {metrics.n}")
    click.echo(f"accuracy     {metrics.accuracy:.2%}  (95 % interval {low:.2%} to {high:.2%})")
    click.echo(f"macro-F1     {metrics.macro_f1:.4f}")
    click.echo(f"loss         {metrics.loss:.4f} nats")
    click.echo(f"perplexity   {metrics.perplexity:.4f}")
    click.echo(f"OOV rate     {result.oov_rate:.2%} of tokens")
    click.echo(f"truncated    {result.truncated}")
    click.echo(f"throughput   {result.texts_per_second:,.0f} texts/s, one at a time")
    click.echo("confusion    (rows: true label, columns: answer)")
    width = max(8, *map(len, classify.labels)) + 2
    click.echo(" " * 13 + " " * width + "".join(f"{label:>{width}}" for label in classify.labels))
    for label, row in zip(classify.labels, metrics.confusion, strict=True):
        click.echo(" " * 13 + f"{label:<{width}}" + "".join(f"{count:>{width}}" for count in row))
