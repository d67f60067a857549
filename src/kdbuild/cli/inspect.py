"""``kdbuild inspect``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.signature import Signature

_PARTS = ("embedding", "recurrent", "classifier", "vocabulary")


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path, readable=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the overview.")
def inspect(artefact: Path, as_json: bool) -> None:
    r"""Show what an ARTEFACT folder holds.

    Shown are its files, the weight of each part of a model, operators, what was measured at export, and provenance.

    \b
    Examples:
      kdbuild inspect artefact
      kdbuild inspect artefact --json
    """
    from dataclasses import asdict

    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.json_text import json_text
    from kdbuild.requirements import remedy
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import ENGINES
    from kdbuild.runtime.inspection import model_sizes, vocabulary_counts
    from kdbuild.runtime.text.encoding import WORDS

    opened = Artefact.open(artefact)
    manifest = opened.manifest
    sizes = model_sizes(opened)
    counts = vocabulary_counts(opened)
    with quiet_native_log():
        counted = {file.name: _operators(opened, file.name) for file in manifest.models}
        operators = {name: found for name, found in counted.items() if found}
    signature = _signature(opened)
    if as_json:
        listed = [{"file": size.file, **size.parts, "graph": size.graph} for size in sizes]
        values = manifest._asdict() | {
            "sizes": listed,
            "operators": operators,
            "vocabulary": asdict(counts),
            "signature": signature and {"key": signature.key_id, "serial": signature.serial},
        }
        click.echo(json_text(values, sort_keys=True))
        return
    click.echo(f"format       {manifest.format_version}")
    click.echo(f"labels       {', '.join(manifest.labels)} ({manifest.task})")
    if manifest.pairs:
        click.echo("texts        pairs: one network reads both, and the classifier compares what it made of them")
    version = manifest.tokenizer["version"]
    entries = f"{counts.words:,} words" + (f" and {counts.pieces:,} pieces that continue one" if counts.pieces else "")
    click.echo(f"tokenizer    version {version}, Unicode {manifest.tokenizer.get('unicode')}, {entries}")
    each = " of each text" if manifest.pairs else ""
    click.echo(f"max tokens   {manifest.max_tokens:,}{'' if version == WORDS else ' pieces'}{each}")
    click.echo(f"temperature  {manifest.temperature:g}")
    if manifest.threshold is not None:
        click.echo(f"threshold    {manifest.threshold:g}")
    if manifest.thresholds is not None:
        click.echo(f"thresholds   {', '.join(f'{value:.3g}' for value in manifest.thresholds)}")
    for name, value in manifest.student.items():
        click.echo(f"{name.replace('_', ' '):<18}{value:,}" if isinstance(value, int) else f"{name:<18}{value}")
    shown = [part for part in _PARTS if any(part in size.parts for size in sizes)]
    click.echo(f"\n{'file':<24}{'bytes':>12}{''.join(f'{part:>12}' for part in shown)}{'graph':>9}")
    parts = {size.file: size for size in sizes}
    for name, entry in sorted(manifest.files.items()):
        line = f"{name:<24}{entry['bytes']:>12,}"
        if name in parts:
            size = parts[name]
            line += "".join(f"{size.parts.get(part, 0):>12,}" for part in shown) + f"{size.graph:>9,}"
        click.echo(line)
    if signature is not None:
        click.echo(f"\nsigned with the key {signature.key_id}, serial {signature.serial}; kdbuild verify checks it")
    for name, found in operators.items():
        listing = ", ".join(f"{operator} {count}" for operator, count in found.items())
        click.echo(f"\noperators of {name}, outside its loop: {listing}")
    for file in manifest.models:
        row = ENGINES[file.engine]
        if row.operators and not row.is_installed:
            click.echo(
                f"\noperators of {file.name}: not counted, as no engine for it is installed: {remedy(row.extra)}"
            )
    held_out = manifest.metrics.get("held_out", {})
    for name, figures in {"student": held_out.get("student"), **held_out.get("files", {})}.items():
        if figures:
            click.echo(f"\n{name}: accuracy {figures['accuracy']:.2%} on {held_out['n']:,} held-out texts", nl=False)
            if "flip_rate" in figures:
                click.echo(f", {figures['flip_rate']:.2%} answered otherwise than by the student", nl=False)
            if "tokens" in figures:
                click.echo(f", of {figures['tokens']:,} tokens each at most", nl=False)
    click.echo("\n\nprovenance")
    for name, value in manifest.provenance.items():
        click.echo(f"  {name}: {json_text(value)}")


def _signature(artefact: "Artefact") -> "Signature | None":
    """Read the signature of the native model, unchecked, if there is one."""
    from kdbuild.runtime.signature import MODEL, read_signature

    return read_signature(artefact.read(MODEL)) if MODEL in artefact.manifest.files else None


def _operators(artefact: "Artefact", file: str) -> dict[str, int]:
    """How often each operator stands in the main graph of a model file; empty where its engine can't tell."""
    from collections import Counter

    from kdbuild.runtime.engines.open import main_operators

    artefact.check(file)
    return dict(sorted(Counter(main_operators(artefact, file)).items()))
