"""``kdbuild inspect``."""

from pathlib import Path

import click


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the overview.")
def inspect(artefact: Path, as_json: bool) -> None:
    r"""Show what an ARTEFACT folder holds.

    Shown are its files, the weight of each part of a model, operators, what was measured at export, and provenance.

    \b
    Examples:
      kdbuild inspect artefact
      kdbuild inspect artefact --json
    """
    import json
    from dataclasses import asdict

    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.requirements import remedy
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import is_installed
    from kdbuild.runtime.inspection import model_sizes

    opened = Artefact.open(artefact)
    manifest = opened.manifest
    sizes = model_sizes(opened)
    graphs = [name for name in manifest.files if name.endswith(".tflite") and opened.read(name)]
    counted = is_installed("tflite")
    with quiet_native_log():
        operators = {name: _operators(opened.folder / name) for name in graphs} if counted else {}
    if as_json:
        values = asdict(manifest) | {"sizes": [asdict(size) for size in sizes], "operators": operators}
        click.echo(json.dumps(values, ensure_ascii=False, sort_keys=True))
        return
    click.echo(f"format       {manifest.format_version}")
    click.echo(f"labels       {', '.join(manifest.labels)} ({manifest.task})")
    tokenizer = manifest.tokenizer
    click.echo(f"tokenizer    version {tokenizer['version']}, Unicode {tokenizer.get('unicode')}")
    click.echo(f"max tokens   {manifest.max_tokens:,}")
    click.echo(f"temperature  {manifest.temperature:g}")
    if manifest.threshold is not None:
        click.echo(f"threshold    {manifest.threshold:g}")
    if manifest.thresholds is not None:
        click.echo(f"thresholds   {', '.join(f'{value:.3g}' for value in manifest.thresholds)}")
    for name, value in manifest.student.items():
        click.echo(f"{name.replace('_', ' '):<18}{value:,}" if isinstance(value, int) else f"{name:<18}{value}")
    click.echo(f"\n{'file':<24}{'bytes':>12}{'embedding':>12}{'recurrent':>12}{'classifier':>12}{'graph':>9}")
    parts = {size.file: size for size in sizes}
    for name, entry in sorted(manifest.files.items()):
        line = f"{name:<24}{entry['bytes']:>12,}"
        if name in parts:
            size = parts[name]
            line += f"{size.embedding:>12,}{size.recurrent:>12,}{size.classifier:>12,}{size.graph:>9,}"
        click.echo(line)
    for name, counts in operators.items():
        shown = ", ".join(f"{operator} {count}" for operator, count in counts.items())
        click.echo(f"\noperators of {name}, outside its loop: {shown}")
    if graphs and not counted:
        click.echo(f"\noperators of {', '.join(graphs)}: not counted, as LiteRT isn't installed: {remedy('tflite')}")
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
        click.echo(f"  {name}: {json.dumps(value, ensure_ascii=False)}")


def _operators(path: Path) -> dict[str, int]:
    """How often each operator stands in the main graph of a TFLite file."""
    from collections import Counter

    from kdbuild.runtime.engines.tflite import operators

    return dict(sorted(Counter(operators(path)).items()))
