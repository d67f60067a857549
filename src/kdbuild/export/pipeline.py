"""From a trained student to an artefact folder: write the model files, measure them, judge them, and only then keep them."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.export.formats.format import Content, Format
from kdbuild.export.formats.registry import FormatRow, check_settings, chosen_formats
from kdbuild.export.gates import Comparison, Limits, judge
from kdbuild.export.golden import golden_rows
from kdbuild.export.golden_texts import golden_texts
from kdbuild.export.model import StudentShape
from kdbuild.export.model_card import model_card
from kdbuild.export.parity import compare_file, reference_logits
from kdbuild.export.reference import ReferenceLogits
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.export.temperature import Calibration, calibrate, tempered_thresholds
from kdbuild.export.trained import Trained
from kdbuild.files import check_replaceable, staged_folder
from kdbuild.runtime.arrays import evaluate_logits
from kdbuild.runtime.artefact import (
    GOLDEN,
    LABELS,
    MANIFEST_DIGEST,
    MODEL_CARD,
    VOCABULARY,
    Artefact,
    Manifest,
    file_entry,
    files_of_artefact,
    write_manifest,
)
from kdbuild.runtime.decisions import threshold_logit
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.engines.registry import ENGINES, Engine, precision_of
from kdbuild.runtime.metrics import Metrics
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.trainer.run.following import predict_command


@dataclass(frozen=True)
class Export:
    """What an export made and measured."""

    folder: Path
    sizes: dict[str, int]
    """Bytes of each model file."""
    student: Metrics
    """The student in torch on the held-out texts."""
    comparisons: dict[str, Comparison]
    """Each model file against the student, on the held-out texts."""
    multi_label: bool
    """Whether a text may have several labels."""
    calibration: Calibration
    next_step: str
    """What people do with it: the end of a line that begins with ``Next:``."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Formats among those that ``all`` stands for that can't hold the student, with the reason."""
    bundle: tuple[Path, ...] = ()
    """The files of the bundle around the artefact, relative to the folder, where one was asked for."""

    def bundled(self, folder: Path, files: Sequence[Path], next_step: str) -> "Export":
        """The same export, once a bundle has been made of it."""
        return replace(self, folder=folder, bundle=tuple(files), next_step=next_step)


def export_student(
    trained: Trained,
    out: Path,
    *,
    formats: Sequence[str],
    quantize: bool,
    limits: Limits,
    keep_fp32: bool = True,
    temper: bool = True,
    min_precision: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Export:
    """Export a student as an artefact folder.

    Args:
        trained: the student, with the texts that its files are measured on.
        out: the artefact folder; missing, empty or an earlier artefact with nothing else in it, which is then replaced whole.
        formats: names in :data:`~kdbuild.export.formats.registry.FORMATS`; ``all`` means those that can hold the student.
        quantize: write int8 files beside the fp32 ones.
        limits: what the quality gates accept.
        keep_fp32: leave the fp32 files in the artefact; they are measured either way.
        temper: calibrate the probabilities by a temperature.
        min_precision: share of the answers that should be right, 0 to 1: where it can't be reached otherwise, the
            artefact abstains.
        settings: values of the options that formats bring, by name; None where one isn't given.

    Raises:
        BadInputError: a format can't hold the student, the options don't go together, or ``out`` holds something else.
        MissingExtraError: what writes or runs a format isn't installed.
        GateError: a file loses too much, or the precision can't be reached. Nothing is written then.
    """
    settings = settings or {}
    if not (quantize or keep_fp32):
        raise BadInputError("--no-quantize --no-fp32: leaves no model file. Drop one of them.")
    rows = chosen_formats(formats, quantize=quantize)
    shape = student_shape(trained.student, trained.vocabulary.version)
    opened, left_out = _open_formats(rows, shape, named=formats)
    check_settings([row for row, _ in opened], settings, quantize=quantize)
    for _, file_format in opened:
        file_format.check(shape, settings)
    if shape.multi_label and len(trained.thresholds or []) != len(trained.labels):
        raise BadInputError(
            f"{trained.title}: its student has {len(trained.thresholds or [])} thresholds for {len(trained.labels)} labels. "
            "Run distill again."
        )
    check_target(out)
    student = student_model(trained.student)
    # The student comes first: its temperature goes into the files that give probabilities.
    reference = reference_logits(trained.student, trained.vocabulary, trained.held_out, trained.thresholds)
    calibration = calibrate(reference.logits, reference.targets, min_precision, temper=temper)
    content = Content(
        student,
        shape,
        trained.vocabulary,
        trained.labels,
        calibration.temperature,
        calibration.threshold,
        _threshold_logits(trained),
        settings,
    )
    with staged_folder(out, MANIFEST_DIGEST, lambda: check_target(out)) as staging:
        manifest = _manifest(trained, shape, calibration)
        written = _write_models(opened, content, Artefact(staging, manifest), quantize=quantize)
        sizes = {model.file: (staging / model.file).stat().st_size for model in written}
        measured = _Measured(
            student=evaluate_logits(reference.logits, reference.targets, trained.thresholds),
            comparisons={model.file: _compare(model, content, reference) for model in written},
            calibration=calibration,
        )
        for name, comparison in measured.comparisons.items():
            judge(name, comparison, limits)
        if not keep_fp32:
            for model in written:
                if precision_of(model.file) == "fp32":
                    (staging / model.file).unlink()
        _finish(Artefact(staging, manifest), trained, content, written, measured)
    following = _next_step(Artefact.open(out))
    return Export(
        out, sizes, measured.student, measured.comparisons, shape.multi_label, calibration, following, left_out
    )


def _threshold_logits(trained: Trained) -> list[float] | None:
    """The logits from which labels are given; a temperature moves the probabilities, not these."""
    return None if trained.thresholds is None else [threshold_logit(value, 1.0) for value in trained.thresholds]


def _next_step(artefact: Artefact) -> str:
    """The command that asks the artefact, or verifies it where no engine answers."""
    command = predict_command(artefact.folder, pairs=artefact.manifest.pairs)
    uses = {ENGINES[file.engine].use: file.engine for file in artefact.manifest.models}
    if "auto" in uses:
        return command
    if "named" in uses:
        return f"{command} --engine {uses['named']}"
    return f"kdbuild verify {shlex.quote(str(artefact.folder))}"


def _open_formats(
    rows: Sequence[FormatRow], shape: StudentShape, *, named: Sequence[str]
) -> tuple[list[tuple[FormatRow, Format]], dict[str, str]]:
    """The formats that can hold the student, and why the others can't; one that is named must."""
    opened = [(row, row.open()) for row in rows]
    reasons = {
        row.name: reason for row, file_format in opened if (reason := file_format.unsupported(shape)) is not None
    }
    for name, reason in reasons.items():
        if name in named or len(reasons) == len(rows):
            raise BadInputError(
                f"--format {name}: can't express a student {reason}: kdbuild.trainer.student.bilstm.load_student."
            )
    return [(row, file_format) for row, file_format in opened if row.name not in reasons], reasons


def check_target(out: Path) -> None:
    """Make sure that an artefact can be written, or take the place of an earlier one.

    Args:
        out: missing, empty or an earlier artefact with nothing else in it.

    Raises:
        BadInputError: it holds something that no export wrote.
    """
    check_replaceable(out, "an artefact", lambda: files_of_artefact(out))


@dataclass(frozen=True)
class _WrittenModel:
    """A model file that was written, opened with the engine that runs it."""

    file: str
    row: FormatRow
    format: Format
    engine: Engine


def _write_models(
    formats: Sequence[tuple[FormatRow, Format]], content: Content, artefact: Artefact, *, quantize: bool
) -> list[_WrittenModel]:
    """Write the files of the formats into the artefact's folder, and open each."""
    written = []
    for row, file_format in formats:
        for file in row.files_of(quantize=quantize):
            (artefact.folder / file).write_bytes(file_format.write(content, precision_of(file)))
            written.append(_WrittenModel(file, row, file_format, open_engine(artefact, file)))
    return written


def _compare(model: _WrittenModel, content: Content, reference: ReferenceLogits) -> Comparison:
    return compare_file(model.format.reference(reference, content), model.engine)


@dataclass(frozen=True)
class _Measured:
    """The student and its files on the same held-out texts."""

    student: Metrics
    comparisons: dict[str, Comparison]
    calibration: Calibration


def _manifest(trained: Trained, shape: StudentShape, calibration: Calibration) -> Manifest:
    """What is known before anything is written; files and metrics are added then."""
    thresholds = (
        None if trained.thresholds is None else tempered_thresholds(trained.thresholds, calibration.temperature)
    )
    return Manifest.make(
        labels=list(trained.labels),
        max_tokens=shape.max_tokens,
        tokenizer={
            "version": trained.vocabulary.version,
            "unicode": UNICODE_VERSION,
            "sha256": trained.vocabulary.sha256,
        },
        files={},
        task="single" if thresholds is None else "multi",
        thresholds=thresholds,
        threshold=calibration.threshold,
        temperature=calibration.temperature,
        student=shape.to_manifest(),
        metrics={},
        provenance=trained.provenance,
        pairs=shape.pairs,
    )


def _finish(
    artefact: Artefact, trained: Trained, content: Content, written: Sequence[_WrittenModel], measured: _Measured
) -> None:
    """Write everything around the model files; the manifest and its digest come last."""
    folder, manifest, vocabulary = artefact.folder, artefact.manifest, trained.vocabulary
    (folder / VOCABULARY).write_bytes(vocabulary.to_bytes())
    (folder / LABELS).write_text("".join(label + "\n" for label in manifest.labels), encoding="utf-8")
    exact = [model.file for model in written if precision_of(model.file) == "fp32"]
    golden = golden_rows(
        lambda text: vocabulary.encode(text, manifest.max_tokens),
        {model.file: model.engine for model in written},
        manifest.labels,
        exact[0] if exact else written[0].file,
        golden_texts(vocabulary.version, pairs=manifest.pairs),
        thresholds=manifest.thresholds,
        temperature=manifest.temperature,
    )
    (folder / GOLDEN).write_bytes(golden)
    parts = {model.file: model.format.parts(content, precision_of(model.file)) for model in written}
    for path in sorted(folder.iterdir()):
        known = {"parts": parts[path.name]} if parts.get(path.name) else {}
        manifest.files[path.name] = file_entry(path.read_bytes()) | known
    manifest.metrics.update(_metrics(measured))
    card = model_card(manifest, trained.title).encode("utf-8")
    (folder / MODEL_CARD).write_bytes(card)
    manifest.files[MODEL_CARD] = file_entry(card)
    write_manifest(folder, manifest.to_bytes())
    Artefact.open(folder)  # what readers would refuse is refused here


def _metrics(measured: _Measured) -> dict[str, Any]:
    """The manifest's ``metrics``."""
    files = {
        name: _figures(comparison.metrics)
        | {
            "flip_rate": comparison.flip_rate,
            "class_losses": comparison.class_losses,
            "max_logit_difference": comparison.max_logit_difference,
            "mean_logit_difference": comparison.mean_logit_difference,
            "length_difference": comparison.length_difference,
        }
        | ({} if comparison.tokens is None else {"tokens": comparison.tokens, "cut": comparison.cut})
        for name, comparison in measured.comparisons.items()
    }
    held_out = {"n": measured.student.n, "student": _figures(measured.student), "files": files}
    return {"held_out": held_out, "calibration": asdict(measured.calibration)}


def _figures(metrics: Metrics) -> dict[str, Any]:
    return {
        "accuracy": metrics.accuracy,
        "interval": list(metrics.interval),
        "macro_f1": metrics.macro_f1,
        "micro_f1": metrics.micro_f1,
    }
