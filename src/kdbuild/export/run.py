"""Exporting a run: what ``kdbuild export`` and ``kdbuild.export_run`` do with their options."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError, nearest
from kdbuild.export.bundles.registry import BUNDLES, BundleRow, chosen_bundle
from kdbuild.export.formats.registry import FORMATS, check_settings, chosen_formats
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import Export, export_student
from kdbuild.export.trained import trained_by
from kdbuild.trainer.run.written import EXPORTS, written_name

__all__ = ["Export", "export_run"]


def export_run(
    run: Path,
    *,
    out: Path | None = None,
    formats: Sequence[str] = ("all",),
    quantize: bool = True,
    fp32: bool = True,
    max_accuracy_loss: float = 1.0,
    max_flip_rate: float = 2.0,
    calibrate: bool = True,
    min_precision: float | None = None,
    **settings: Any,
) -> Export:
    """Export the student of a run as an artefact folder, or as a bundle around one.

    Args:
        run: the run folder.
        out: the artefact folder, replaced whole; ``RUN/artefact``, or for a bundle ``RUN/`` and its name, if None.
        formats: formats of the model files, ``all``, or one bundle.
        quantize: write int8 files beside the fp32 ones.
        fp32: leave the fp32 files in the artefact.
        max_accuracy_loss: points of held-out accuracy, 0 to 100, that int8 may lose.
        max_flip_rate: percent of held-out texts whose label, or set of labels, int8 may change.
        calibrate: fit a temperature on half of the held-out texts.
        min_precision: percent of the answers that should be right: the artefact abstains where it isn't sure enough.
        settings: options that formats and bundles bring.

    Raises:
        BadInputError: the run isn't finished, or the options can't be used.
        MissingExtraError: what writes or runs a format isn't installed.
        GateError: a file loses too much, or the precision can't be reached. Nothing is written then.
    """
    if not max_accuracy_loss >= 0 or not max_flip_rate >= 0:
        raise BadInputError(
            "--max-accuracy-loss and --max-flip-rate: must be 0 or more, in percent. Correct the value."
        )
    if min_precision is not None and not 0 < min_precision <= 100:
        raise BadInputError(f"--min-precision {min_precision:g}: out of range. Use a percentage from over 0 to 100.")
    known = [option.name for brings in (*FORMATS, *BUNDLES) for option in brings.options]
    for name in settings:
        if name not in known:
            raise BadInputError(f"export_run({name}=…): no such option. {nearest(name, [*_OPTIONS, *known])}")
    row = chosen_bundle(formats)
    names = row.formats if row else formats
    of_bundle = _bundle_settings(row, settings)
    settings = {name: value for name, value in settings.items() if name not in _OF_BUNDLES}
    check_settings(chosen_formats(names, quantize=quantize), settings, quantize=quantize)
    target = out or run / (row.name if row else "artefact")
    inside = written_name(run, target)
    if inside not in (None, *EXPORTS):
        raise BadInputError(
            f"--out {target}: lies in {run / str(inside)}, which the run writes. Choose another folder."
        )
    bundle = row.open() if row else None
    if bundle is not None:
        bundle.check(target, **of_bundle)
    with tempfile.TemporaryDirectory(prefix="kdbuild-export-") as scratch:
        made = export_student(
            trained_by(run),
            Path(scratch) / "artefact" if bundle else target,
            formats=names,
            quantize=quantize,
            keep_fp32=fp32,
            limits=Limits(max_accuracy_loss=max_accuracy_loss / 100, max_flip_rate=max_flip_rate / 100),
            temper=calibrate,
            min_precision=None if min_precision is None else min_precision / 100,
            settings=settings,
        )
        if bundle is None:
            return made
        return made.bundled(target, bundle.write(made.folder, target, **of_bundle), bundle.next_step(target))


def _bundle_settings(chosen: BundleRow | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the bundle that is written, those that are given.

    Raises:
        BadInputError: one belongs to another bundle.
    """
    found = {name: value for name, value in settings.items() if name in _OF_BUNDLES and value is not None}
    for name, value in found.items():
        row, option = _OF_BUNDLES[name]
        if row is not chosen:
            raise BadInputError(
                f"{option.flag} {value}: no {row.name} is written. Add --format {row.name}, or drop it."
            )
    return found


_OF_BUNDLES = {option.name: (row, option) for row in BUNDLES for option in row.options}
_OPTIONS = ("quantize", "fp32", "max_accuracy_loss", "max_flip_rate", "calibrate", "min_precision")
