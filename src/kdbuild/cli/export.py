"""``kdbuild export``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    from kdbuild.export.pipeline import Export


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Artefact folder, replaced whole.  [default: RUN/artefact; of android: RUN/android]",
)
@click.option(
    "--format",
    "names",
    type=click.Choice(["tflite", "onnx", "torchscript", "mediapipe", "android", "all"]),
    multiple=True,
    default=("all",),
    show_default=True,
    help="Of the model files; may be repeated. MediaPipe's file is int8 alone: with --no-quantize, all leaves it out. "
    "android writes no artefact but a folder for an app: assets, a jar, examples in Kotlin and Java.",
)
@click.option(
    "--mediapipe-tokens",
    type=int,
    help="Tokens that MediaPipe's file reads of a text.  [default: 64, or --max-tokens of the student if that is less]",
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
    mediapipe_tokens: int | None,
    quantize: bool,
    fp32: bool,
    max_accuracy_loss: float,
    max_flip_rate: float,
    calibrate: bool,
    min_precision: float | None,
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
      kdbuild export runs/reviews --format android --out for-my-app
      kdbuild export runs/reviews --out artefact --max-flip-rate 1 --min-precision 95
    """
    import tempfile

    if not max_accuracy_loss >= 0 or not max_flip_rate >= 0:
        raise BadInputError(
            "--max-accuracy-loss and --max-flip-rate: must be 0 or more, in percent. Correct the value."
        )
    if min_precision is not None and not 0 < min_precision <= 100:
        raise BadInputError(f"--min-precision {min_precision:g}: out of range. Use a percentage from over 0 to 100.")
    from kdbuild.cli.training_extra import require_students

    require_students("export")
    from kdbuild.android.library import check_library, write_library
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.export.formats.registry import ANDROID, check_mediapipe, chosen_formats, is_for_android
    from kdbuild.export.gates import Limits
    from kdbuild.export.pipeline import export_student, trained_by
    from kdbuild.runtime.artefact import MODEL_FILES

    for_android = is_for_android(names)
    formats = chosen_formats(["tflite"] if for_android else names, quantize=quantize)
    check_mediapipe(formats, mediapipe_tokens, quantize=quantize)
    library = (out or run / ANDROID) if for_android else None
    if library is not None:
        check_library(library)
    with quiet_native_log(), tempfile.TemporaryDirectory(prefix="kdbuild-export-") as aside:
        made = export_student(
            trained_by(run),
            Path(aside) / "artefact" if for_android else out or run / "artefact",
            formats=formats,
            quantize=quantize,
            keep_fp32=fp32,
            limits=Limits(max_accuracy_loss=max_accuracy_loss / 100, max_flip_rate=max_flip_rate / 100),
            temper=calibrate,
            min_precision=None if min_precision is None else min_precision / 100,
            mediapipe_tokens=mediapipe_tokens,
        )
        written = [] if library is None else write_library(made.folder, library)
    _print(made)
    if library is not None:
        for path in written:
            click.echo(f"{library / path}")
        click.echo(f"Next: put them into your app, as {library / 'README.md'} says")
    else:
        runs_here = any((made.folder / name).exists() for name in MODEL_FILES)
        following = f'predict {made.folder} "your text"' if runs_here else f"verify {made.folder}"
        click.echo(f"Next: kdbuild {following}")


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
