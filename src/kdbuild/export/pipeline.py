"""From a run folder to an artefact folder: write the model files, measure them, judge them, and only then keep them."""

import importlib.metadata
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.export.formats.registry import (
    Content,
    FormatName,
    check_expressible,
    check_mediapipe,
    require_format,
    tokens_for_mediapipe,
    write_models,
)
from kdbuild.export.gates import Comparison, Limits, judge
from kdbuild.export.golden import Engine, golden_rows
from kdbuild.export.model_card import model_card
from kdbuild.export.parity import ask_student, compare_file
from kdbuild.export.student_weights import student_weights
from kdbuild.export.temperature import Calibration, calibrate, tempered_thresholds
from kdbuild.runtime.artefact import (
    GOLDEN,
    LABELS,
    MEDIAPIPE_MODEL,
    MODEL_CARD,
    VOCABULARY,
    Artefact,
    Manifest,
    file_entry,
    write_manifest,
)
from kdbuild.runtime.metrics import Metrics, evaluate_logits
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.tokenizer import VERSION, Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.store import read_dev
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.folder import RunFolder
from kdbuild.trainer.run.runner import Run, open_run
from kdbuild.trainer.student.bilstm import Student, load_student
from kdbuild.version import __version__

_VERSIONED = ("torch", "transformers", "numpy", "ai-edge-litert", "onnx", "onnxruntime")
_FILE_OPTIONS = ("unlabelled", "extra_words", "embeddings")
"""Options that may name the user's files, also by relative paths."""


@dataclass(frozen=True)
class Trained:
    """What an artefact is made of."""

    student: Student
    vocabulary: Vocabulary
    labels: list[str]
    """In the order of the logits."""
    held_out: Split
    """Texts that the files are measured on, not trained on."""
    title: str
    """What the model card calls the model."""
    provenance: dict[str, Any]
    """What the manifest says of where the student came from."""

    @property
    def thresholds(self) -> list[float] | None:
        """Where a text may have several labels, the probability from which each is given."""
        config = self.student.config
        return list(config.thresholds) if config.multi_label else None


@dataclass(frozen=True)
class Export:
    """What an export made and measured."""

    folder: Path
    sizes: dict[str, int]
    """Bytes of each model file."""
    student: Metrics
    """Of the student in torch, on the held-out texts."""
    comparisons: dict[str, Comparison]
    """Each model file against the student, on the held-out texts."""
    multi_label: bool
    """Whether a text may have several labels."""
    calibration: Calibration


def trained_by(run_folder: Path) -> Trained:
    """The student of a run, with what its artefact needs.

    Raises:
        BadInputError: the run isn't finished.
    """
    run = open_run(RunFolder.open(run_folder))
    if not run.folder.is_done("distill", run.inputs("distill")):
        raise BadInputError(
            f"{run_folder}: its student isn't trained with these options. Finish it with: kdbuild distill {run_folder}"
        )
    student, vocabulary = load_student(run.folder.output("distill"))
    # Train isn't needed, and would take long to tokenise.
    labels, dev = read_dev(run.folder.output("data"), multi_label=run.multi_label)
    return Trained(student, vocabulary, labels, dev, run.folder.path.resolve().name, _provenance(run))


def export_student(
    trained: Trained,
    out: Path,
    *,
    formats: Sequence[FormatName],
    quantize: bool,
    limits: Limits,
    keep_fp32: bool = True,
    temper: bool = True,
    min_precision: float | None = None,
    mediapipe_tokens: int | None = None,
) -> Export:
    """Export a student as an artefact folder.

    Args:
        trained: the student, with the texts that its files are measured on.
        out: the artefact folder; missing, empty or an earlier artefact, which is then replaced whole.
        formats: of the model files.
        quantize: write int8 files beside the fp32 ones.
        limits: of the quality gates.
        keep_fp32: leave the fp32 files in the artefact; they are measured either way.
        temper: calibrate the probabilities by a temperature.
        min_precision: share of the answers that should be right, 0 to 1: where it can't be reached otherwise, the
            artefact abstains.
        mediapipe_tokens: how many tokens MediaPipe's file reads of a text; None: 64, or as many as the student.

    Raises:
        BadInputError: the student has an option that a format can't express, the options don't go together, or ``out``
            holds something else.
        MissingExtraError: what writes or runs a format isn't installed.
        GateError: a file loses too much, or the precision can't be reached. Nothing is written then.
    """
    if not (quantize or keep_fp32):
        raise BadInputError("--no-quantize --no-fp32: leaves no model file. Drop one of them.")
    check_mediapipe(formats, mediapipe_tokens, quantize=quantize)
    config = trained.student.config
    for file_format in formats:
        require_format(file_format)
        check_expressible(file_format, config)
    mediapipe_tokens = tokens_for_mediapipe(mediapipe_tokens, config)
    if config.multi_label and len(config.thresholds or []) != len(trained.labels):
        raise BadInputError(
            f"{trained.title}: its student has {len(config.thresholds or [])} thresholds for {len(trained.labels)} labels. "
            "Run distill again."
        )
    _check_target(out)
    weights = student_weights(trained.student)
    # The student comes first: its temperature goes into the files that give probabilities.
    answered = ask_student(trained.student, trained.vocabulary, trained.held_out, trained.thresholds)
    calibration = calibrate(answered.logits, answered.targets, min_precision, temper=temper)
    content = Content(
        weights=weights,
        vocabulary=trained.vocabulary,
        labels=trained.labels,
        temperature=calibration.temperature,
        multi_label=config.multi_label,
        mediapipe_tokens=mediapipe_tokens,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        engines: dict[str, Engine] = {}
        for file_format in formats:
            engines |= write_models(file_format, content, aside, quantize=quantize)
        sizes = {name: (aside / name).stat().st_size for name in engines}
        measured = _Measured(
            student=evaluate_logits(answered.logits, answered.targets, trained.thresholds),
            comparisons={name: compare_file(answered, engine) for name, engine in engines.items()},
            calibration=calibration,
        )
        for name, comparison in measured.comparisons.items():
            judge(name, comparison, limits)
        if not keep_fp32:
            for name in engines:
                if "fp32" in name:
                    (aside / name).unlink()
        _finish(aside, trained, engines, measured)
        aside.chmod(0o755)  # mkdtemp made it private
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Export(out, sizes, measured.student, measured.comparisons, config.multi_label, calibration)


def _check_target(out: Path) -> None:
    """Refuse to replace anything but an artefact."""
    if out.exists() and not out.is_dir():
        raise BadInputError(f"--out {out}: not a folder. Choose another name.")
    if out.exists() and any(out.iterdir()):
        try:
            Artefact.open(out)
        except BadInputError as error:
            raise BadInputError(
                f"--out {out}: holds something that isn't an artefact. Choose another folder."
            ) from error


@dataclass(frozen=True)
class _Measured:
    """The student and its files on the same held-out texts."""

    student: Metrics
    comparisons: dict[str, Comparison]
    calibration: Calibration


def _finish(aside: Path, trained: Trained, engines: Mapping[str, Engine], measured: _Measured) -> None:
    """Write everything around the model files; the manifest and its digest come last."""
    labels, vocabulary, max_tokens = trained.labels, trained.vocabulary, trained.student.config.max_tokens
    temperature = measured.calibration.temperature
    thresholds = None if trained.thresholds is None else tempered_thresholds(trained.thresholds, temperature)
    (aside / VOCABULARY).write_bytes(vocabulary.to_bytes())
    (aside / LABELS).write_text("".join(label + "\n" for label in labels), encoding="utf-8")
    golden = golden_rows(
        lambda text: vocabulary.encode(text, max_tokens),
        engines,
        labels,
        next((name for name in engines if "fp32" in name), MEDIAPIPE_MODEL),
        thresholds=thresholds,
        temperature=temperature,
    )
    (aside / GOLDEN).write_bytes(golden)
    manifest = Manifest(
        labels=list(labels),
        max_tokens=max_tokens,
        tokenizer={"version": VERSION, "unicode": UNICODE_VERSION, "sha256": vocabulary.sha256},
        files={path.name: file_entry(path.read_bytes()) for path in sorted(aside.iterdir())},
        task="single" if thresholds is None else "multi",
        thresholds=thresholds,
        threshold=measured.calibration.threshold,
        temperature=temperature,
        student=_shape(trained.student),
        metrics=_metrics(measured),
        provenance=trained.provenance,
    )
    card = model_card(manifest, trained.title).encode("utf-8")
    (aside / MODEL_CARD).write_bytes(card)
    manifest.files[MODEL_CARD] = file_entry(card)
    write_manifest(aside, manifest.to_bytes())
    Artefact.open(aside)  # what readers would refuse is refused here


def _shape(student: Student) -> dict[str, Any]:
    """The manifest's ``student``."""
    config = student.config
    return {
        "architecture": "bilstm",
        "vocabulary": config.vocab_size,
        "embedding_size": config.embedding_size,
        "factor_size": config.factor_size,
        "channels": config.channels,
        "layers": config.layers,
        "hidden_size": config.hidden_size,
        "pooling": config.pooling,
        "classifier_size": config.classifier_size,
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
    }


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


def _provenance(run: Run) -> dict[str, Any]:
    """Where the student came from."""
    return {
        "kdbuild": __version__,
        "data": run.folder.data,
        "versions": _versions(),
        "options": public_options(run.options, run.stages),
        "transfer_sentences": run.folder.record("augment").get("sentences"),
    }


def _versions() -> dict[str, str]:
    """Of the packages that had a part in it, those that are installed."""
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def public_options(options: TrainOptions, stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The options that made a student, by section, without anyone's paths: folders and files keep their last part.

    Args:
        options: of the run.
        stages: those that it needed.
    """
    sections = {*stages, "student", "training"} | ({"teacher_training"} if "teacher" in stages else set())
    return {
        section: {name: _public(name, value) for name, value in values.items()}
        for section, values in options.to_dict().items()
        if section in sections
    }


def _public(name: str, value: Any) -> Any:
    """The value of an option; of a folder or file, which needn't be here any more, only the last part."""
    if isinstance(value, list):
        return [_public(name, part) for part in value]
    if not isinstance(value, str):
        return value
    is_path = name in _FILE_OPTIONS or Path(value).is_dir() or Path(value).is_absolute() or value.startswith(".")
    return Path(value).name if is_path else value
