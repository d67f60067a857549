"""``kdbuild lint``."""

from typing import TYPE_CHECKING, Any

import click

from kdbuild.cli.options import StageCommand, stage_options, updated
from kdbuild.errors import BadInputError, GateError, require
from kdbuild.trainer.options import DataOptions, TrainOptions

if TYPE_CHECKING:
    from kdbuild.runtime.data.readers import Rows
    from kdbuild.trainer.data.lint import Example, Lengths, Report
    from kdbuild.trainer.data.split import Split

_LONGEST_TEXT = 80


@click.command(cls=StageCommand)
@click.argument("data")
@stage_options("data", only=("text_column", "pair_column", "label_column", "multi_label"))
@stage_options("student", only=("tokenizer",))
@click.option("--strict", is_flag=True, help="Exit code 3 if there are conflicts, duplicates or an overlap.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def lint(data: str, strict: bool, as_json: bool, **values: Any) -> None:
    r"""Say what is odd in labelled DATA, before it is trained on.

    DATA is what `kdbuild train` takes. Looked for: texts with two labels, repeated rows, dev rows that stand in train or
    inside one of its rows, texts without a token or longer than the student reads, texts and labels that look like quoted
    cells, lists, bytes or nothing, labels nearly alike or that train lacks, skewed classes; with --tokenizer words, also
    words that no blanks separate.

    \b
    Examples:
      kdbuild lint reviews.tsv
      kdbuild lint data/sst2 --strict
      kdbuild lint tickets.csv --text-column body --label-column topics --multi-label --json
    """
    from dataclasses import asdict

    from kdbuild.json_text import json_text

    require("numpy", "lint")
    from kdbuild.trainer.data.lint import lint as look_through

    options = updated(TrainOptions(), values)
    report = look_through(*_load(data, options.data), options.student.tokenizer)
    if as_json:
        click.echo(json_text(asdict(report)))
    else:
        _print(report)
    if strict and report.strict_findings:
        found = ", ".join(f"{finding.kind} in {finding.split} ({finding.rows:,})" for finding in report.strict_findings)
        raise GateError(f"{data}: {found}. Correct these rows, or leave --strict out.")


def _load(data: str, options: DataOptions) -> "tuple[Split, Split | None, list[str]]":
    """Train, dev if there is one, and the labels of both in order.

    Raises:
        BadInputError: the data can't be read.
    """
    from kdbuild.runtime.data.labels import name_key
    from kdbuild.runtime.data.spelling import one_spelling
    from kdbuild.trainer.data.classes import ordered
    from kdbuild.trainer.data.sources import open_source
    from kdbuild.trainer.data.split import to_split

    try:
        parts = open_source(data).parts
        if any(part.name.endswith(".parquet") for part in parts):
            import datasets

            datasets.disable_progress_bars()
        rows = {part.name: part.read(options) for part in parts}
    except ModuleNotFoundError as error:
        # Parquet files and the hub's datasets need more than the other formats.
        require(error.name or "datasets", "train")
        raise
    if len({part.pairs is None for part in rows.values()}) == 2:
        raise BadInputError(
            f"{data}: one of {' and '.join(rows)} has '{options.pair_column}'. Both need it, or neither may have it."
        )
    rows = {name: one_spelling(name, part, multi_label=options.multi_label) for name, part in rows.items()}
    values = [_labels(part, options.multi_label) for part in rows.values()]
    # What train lacks is to be reported, not refused.
    known = {name_key(label) for label in values[0]}
    labels = ordered(
        values[0].union(*({label for label in part if name_key(label) not in known} for part in values[1:]))
    )
    train, *dev = (to_split(name, part, labels, options.multi_label) for name, part in rows.items())
    return train, dev[0] if dev else None, labels


def _labels(rows: "Rows", multi_label: bool) -> set[str]:
    """The labels that rows have, or the numbers of their scores."""
    from kdbuild.runtime.data.readers import split_labels

    if rows.labels is None:
        return set(map(str, range(len((rows.scores or [[]])[0]))))
    return {label for cell in rows.labels for label in (split_labels(cell) if multi_label else [cell])}


def _print(report: "Report") -> None:
    """The report, for people."""
    _print_lengths("train", report.train)
    if report.dev:
        _print_lengths("dev", report.dev)
    else:
        click.echo("dev      none: `kdbuild train` holds rows out")
    width = max(5, *(len(count.label) for count in report.classes)) + 2
    click.echo(f"\n{'label':<{width}}{'train':>16}{'dev':>16}" if report.dev else f"\n{'label':<{width}}{'train':>16}")
    for count in report.classes:
        dev = "" if count.dev is None else f"{count.dev:>8,}{count.dev_share:>8.1%}"
        click.echo(f"{count.label:<{width}}{count.train:>8,}{count.train_share:>8.1%}{dev}")
    click.echo(f"the most frequent has {report.imbalance:.1f} times the rows of the rarest")
    for finding in report.findings:
        click.echo(f"\n{finding.kind}, {finding.split}: {finding.summary}")
        for example in finding.examples:
            click.echo(f"  {_shown(example)}")
        click.echo(f"  {finding.advice}")
    if not report.findings:
        click.echo("\nnothing odd")


def _print_lengths(name: str, lengths: "Lengths") -> None:
    rows = "1 row" if lengths.rows == 1 else f"{lengths.rows:,} rows"
    click.echo(
        f"{name:<9}{rows}; tokens a row: median {lengths.p50}, 95 % at most {lengths.p95}, the longest {lengths.longest}"
    )


def _shown(example: "Example") -> str:
    places = ", ".join(f"{place.split} row {place.row} ({place.label})" for place in example.places)
    text = " | ".join(example.text.split("\t"))
    return f"{places}: {text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + '…'}"
