"""``kdbuild export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdbuild.cli.choices import RegistryChoice

if TYPE_CHECKING:
    from kdbuild.export.pipeline import Export


def _names() -> list[str]:
    from kdbuild.export.bundles.registry import BUNDLES
    from kdbuild.export.formats.registry import FORMATS

    return [*FORMATS.names, *BUNDLES.names, "all"]


class _ExportCommand(click.Command):
    """A command with the options that formats and bundles bring, looked up when arguments are parsed or help is shown."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from kdbuild.export.bundles.registry import BUNDLES
        from kdbuild.export.formats.registry import FORMATS

        *own, help_option = super().get_params(ctx)
        brought = [
            click.Option([option.flag, option.name], type=option.kind, help=option.help)
            for row in (*FORMATS, *BUNDLES)
            for option in row.options
        ]
        return [*own, *brought, help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        from kdbuild.export.bundles.registry import BUNDLES
        from kdbuild.export.formats.registry import FORMATS

        with formatter.section("Formats"):
            formatter.write_dl([(row.name, row.help) for row in (*FORMATS, *BUNDLES)])


@click.command(cls=_ExportCommand)
@click.argument("run", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, readable=False),
    help="Artefact folder, replaced whole.  [default: RUN/artefact; of a bundle: RUN/ and its name]",
)
@click.option(
    "--format",
    "names",
    type=RegistryChoice(_names),
    multiple=True,
    default=("all",),
    show_default=True,
    help="Formats of the model files, listed below; may be repeated. all means all that can hold the student. "
    "A bundle writes no artefact but what goes around one.",
)
@click.option("--fp32/--no-fp32", default=True, show_default=True, help="Without: an artefact for apps that ship int8.")
@click.option(
    "--quantize/--no-quantize", default=True, show_default=True, help="Write int8 files beside the fp32 ones."
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
@click.option(
    "--calibrate/--no-calibrate",
    default=True,
    show_default=True,
    help="Fit a temperature on half of the held-out texts, so that probabilities are shares of right answers.",
)
@click.option(
    "--min-precision",
    type=float,
    help="Percent of the answers that should be right: the artefact abstains where it isn't sure enough.",
)
def export(
    run: Path,
    out: Path | None,
    names: tuple[str, ...],
    quantize: bool,
    fp32: bool,
    max_accuracy_loss: float,
    max_flip_rate: float,
    calibrate: bool,
    min_precision: float | None,
    **settings: Any,
) -> None:
    r"""Write the student of RUN as an artefact folder.

    The folder holds model files, the frozen vocabulary, a manifest and golden vectors. The model files are compared with
    the student on up to 2,000 held-out texts first; where one loses too much, nothing is written and the exit code is 3.
    Probabilities are calibrated on half of these texts.

    \b
    Examples:
      kdbuild export runs/reviews
      kdbuild export runs/reviews --format tflite --quantize
      kdbuild export runs/reviews --format mediapipe --mediapipe-tokens 128
      kdbuild export runs/reviews --format aar --group com.example --artifact reviews --out for-android
      kdbuild export runs/reviews --out artefact --max-flip-rate 1 --min-precision 95
    """
    from kdbuild.cli.training_extra import require_students

    require_students("export")
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.export.run import export_run

    with quiet_native_log():
        made = export_run(
            run,
            out=out,
            formats=names,
            quantize=quantize,
            fp32=fp32,
            max_accuracy_loss=max_accuracy_loss,
            max_flip_rate=max_flip_rate,
            calibrate=calibrate,
            min_precision=min_precision,
            **settings,
        )
    _print(made)
    for path in made.bundle:
        click.echo(f"{made.folder / path}")
    click.echo(f"Next: {made.next_step}")


def _print(made: "Export") -> None:
    from kdbuild.export.gates import FEWEST_TEXTS

    low, high = made.student.interval
    found = f"{made.student.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
    if made.multi_label:
        found += f" with all labels right, micro-F1 {made.student.micro_f1:.3f}, macro-F1 {made.student.macro_f1:.3f}"
    click.echo(f"{made.student.n} held-out texts; student {found}")
    micro = f"{'micro-F1':>10}" if made.multi_label else ""
    click.echo(
        f"{'file':<24}{'size':>10}{'accuracy':>10}{micro}{'flips':>8}{'worst class':>13}"
        f"{'max |Δlogit|':>14}{'mean':>9}{'1-512 tokens':>14}"
    )
    for name, comparison in made.comparisons.items():
        micro = f"{comparison.metrics.micro_f1:>10.3f}" if made.multi_label else ""
        click.echo(
            f"{name:<24}{made.sizes[name] / 1e6:>7.2f} MB{comparison.metrics.accuracy:>10.1%}{micro}"
            f"{comparison.flip_rate:>8.2%}{-100 * max(comparison.class_losses):>+13.1f}"
            f"{comparison.max_logit_difference:>14.2g}{comparison.mean_logit_difference:>9.2g}"
            f"{comparison.length_difference:>14.2g}"
        )
    for name, reason in made.left_out.items():
        click.echo(f"{name}: left out, as it can't express a student {reason}")
    for name, comparison in made.comparisons.items():
        if comparison.cut:
            click.echo(
                f"{name}: reads the first {comparison.tokens} tokens; {comparison.cut} of the texts have more, and it was "
                "compared with what the student says of these"
            )
    calibration = made.calibration
    if made.student.n < FEWEST_TEXTS:
        click.echo(
            f"Warning: under {FEWEST_TEXTS} held-out texts the quality gates can't judge, and nothing is calibrated; "
            "nothing was refused.",
            err=True,
        )
    elif calibration.temperature != 1:
        click.echo(
            f"temperature {calibration.temperature:g}: expected calibration error {calibration.ece_before:.1%} -> "
            f"{calibration.ece_after:.1%} on the {calibration.texts} texts that it wasn't fitted on"
        )
    if calibration.threshold is not None:
        right = "none" if calibration.precision is None else f"{calibration.precision:.1%} of these right"
        click.echo(f"threshold {calibration.threshold:g}: answers {calibration.coverage:.1%} of them, {right}")
