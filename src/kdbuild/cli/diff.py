"""``kdbuild diff``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdbuild.cli.columns import text_options
from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    from kdbuild.runtime import Classifier

_SHOWN = 10


@click.command()
@click.argument("old", type=click.Path(path_type=Path, readable=False))
@click.argument("new", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--data", type=click.Path(path_type=Path, readable=False), help="Texts to ask both.  [default: OLD's golden texts]"
)
@text_options
def diff(old: Path, new: Path, data: Path | None, text_column: str, pair_column: str) -> None:
    r"""Show what changed between two artefact folders.

    Shown are files, tokenizer, labels and vocabulary that differ, and which texts are answered otherwise.

    \b
    Examples:
      kdbuild diff artefact artefact-new
      kdbuild diff artefact artefact-new --data dev.tsv
    """
    import json

    from kdbuild.cli.predict import load_classifier
    from kdbuild.runtime.artefact import GOLDEN, Artefact
    from kdbuild.runtime.data.readers import Columns, read_rows
    from kdbuild.runtime.evaluation import check_texts, row_texts

    folders = [Artefact.open(old), Artefact.open(new)]
    _check_pairs(old, new, [folder.manifest.pairs for folder in folders])
    before, after = load_classifier(old, None), load_classifier(new, None)
    names = sorted({name for folder in folders for name in folder.manifest.files})
    for name in names:
        entries = [folder.manifest.files.get(name) for folder in folders]
        if entries[0] != entries[1]:
            sizes = [f"{entry['bytes']:,}" if entry else "none" for entry in entries]
            click.echo(f"{name:<24}{sizes[0]:>12} -> {sizes[1]} bytes")
    versions = [folder.manifest.tokenizer["version"] for folder in folders]
    if versions[0] != versions[1]:
        click.echo(f"{'tokenizer':<24}version {versions[0]} -> {versions[1]}")
    _say_lists("labels", before.labels, after.labels)
    _say_lists("vocabulary", before.vocabulary.tokens, after.vocabulary.tokens)
    if data is not None:
        rows = read_rows(data, Columns(text_column, pair_column), multi_label=before.manifest.thresholds is not None)
        check_texts(rows, before.manifest, data)
        texts = row_texts(rows)
    else:
        # Split at line feeds alone: the texts hold other characters that end lines.
        golden = map(json.loads, folders[0].read(GOLDEN).decode().removesuffix("\n").split("\n"))
        keys = ("text", "text2") if before.manifest.pairs else ("text",)
        texts = [tuple(row[key] for key in keys) for row in golden]
    _say_flips(texts, before, after)


def _check_pairs(old: Path, new: Path, pairs: list[bool]) -> None:
    """Check that the same texts can be asked of both.

    Raises:
        BadInputError: one reads pairs, and the other one text.
    """
    if pairs[0] != pairs[1]:
        reading = ["pairs of texts" if is_paired else "one text" for is_paired in pairs]
        raise BadInputError(
            f"{new}: reads {reading[1]}, and {old} reads {reading[0]}: their answers can't be compared. Give two of a kind."
        )


def _say_lists(title: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    if old == new:
        return
    gone, come = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    if not gone and not come:
        click.echo(f"{title:<24}the same in another order")
        return
    for sign, words in (("-", gone), ("+", come)):
        if words:
            more = f", and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
            click.echo(f"{title:<24}{sign} {', '.join(words[:_SHOWN])}{more}")


def _say_flips(texts: list[tuple[str, ...]], old: "Classifier", new: "Classifier") -> None:
    flips = []
    for row in texts:
        before, after = old(*row), new(*row)
        if (before.label, before.labels) != (after.label, after.labels):
            flips.append((row, before, after))
    rows = "pairs" if old.manifest.pairs else "texts"
    click.echo(f"{'answers':<24}{len(flips):,} of {len(texts):,} {rows} are answered otherwise")
    for row, before, after in flips[: 2 * _SHOWN]:
        shown = [answer.labels if answer.labels is not None else answer.label for answer in (before, after)]
        said = " ".join(repr(text[:80]) for text in row)
        click.echo(f"  {shown[0]} ({before.score:.3f}) -> {shown[1]} ({after.score:.3f})  {said}")
