"""``kdbuild export``."""

from pathlib import Path

import click

from kdbuild.errors import BadInputError, require


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Artefact folder, replaced whole.  [default: RUN/artefact]"
)
@click.option(
    "--format", "format_", type=click.Choice(["tflite", "onnx", "torchscript"]), default="tflite", show_default=True
)
@click.option("--fp32/--no-fp32", default=True, show_default=True, help="Without: an artefact for apps that ship int8.")
@click.option(
    "--quantize/--no-quantize", default=True, show_default=True, help="Write the int8 file beside the fp32 one."
)
@click.option(
    "--max-accuracy-loss", default=1.0, show_default=True, help="Points of held-out accuracy that int8 may lose."
)
@click.option(
    "--max-flip-rate",
    default=2.0,
    show_default=True,
    help="Percent of held-out texts whose label, or set of labels, int8 may change.",
)
def export(
    run: Path,
    out: Path | None,
    format_: str,
    quantize: bool,
    fp32: bool,
    max_accuracy_loss: float,
    max_flip_rate: float,
) -> None:
    r"""Write the student of RUN as an artefact folder: model files, frozen vocabulary, manifest, golden vectors.

    The files are compared with the student on up to 2,000 held-out texts first; where int8 loses too much, nothing is
    written and the exit code is 3.

    \b
    Examples:
      kdbuild export runs/reviews --format tflite --quantize
      kdbuild export runs/reviews --out artefact --max-flip-rate 1
    """
    if format_ != "tflite":
        raise BadInputError(f"--format {format_}: not written by this version yet. Use --format tflite.")
    if not max_accuracy_loss >= 0 or not max_flip_rate >= 0:
        raise BadInputError(
            "--max-accuracy-loss and --max-flip-rate: must be 0 or more, in percent. Correct the value."
        )
    from kdbuild.cli.training_extra import require_training

    require_training()
    for module in ("ai_edge_litert", "flatbuffers"):
        require(module, "export")
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.export.artefact import export_run
    from kdbuild.export.gates import FEWEST_TEXTS, Limits

    with quiet_native_log():
        made = export_run(
            run,
            out or run / "artefact",
            quantize=quantize,
            keep_fp32=fp32,
            limits=Limits(max_accuracy_loss=max_accuracy_loss / 100, max_flip_rate=max_flip_rate / 100),
        )
    low, high = made.student.interval
    found = f"{made.student.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
    if made.multi_label:
        found += f" with all labels right, micro-F1 {made.student.micro_f1:.3f}, macro-F1 {made.student.macro_f1:.3f}"
    click.echo(f"{made.student.n} held-out texts; student {found}")
    micro = f"{'micro-F1':>10}" if made.multi_label else ""
    click.echo(f"{'file':<20}{'size':>10}{'accuracy':>10}{micro}{'flips':>8}{'max |Δlogit|':>14}{'mean':>9}")
    for name, comparison in made.comparisons.items():
        micro = f"{comparison.metrics.micro_f1:>10.3f}" if made.multi_label else ""
        click.echo(
            f"{name:<20}{made.sizes[name] / 1e6:>7.2f} MB{comparison.metrics.accuracy:>10.1%}{micro}"
            f"{comparison.flip_rate:>8.2%}"
            f"{comparison.max_logit_difference:>14.2g}{comparison.mean_logit_difference:>9.2g}"
        )
    if made.student.n < FEWEST_TEXTS:
        click.echo(
            f"Warning: under {FEWEST_TEXTS} held-out texts the quality gates can't judge; nothing was refused.",
            err=True,
        )
    click.echo(f'Next: kdbuild predict {made.folder} "your text"')
