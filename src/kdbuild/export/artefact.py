"""From a run folder to an artefact folder: write the model files, measure them, judge them, and only then keep them."""

import hashlib
import importlib.metadata
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdbuild import __version__
from kdbuild.errors import BadInputError
from kdbuild.export.formats import check_expressible
from kdbuild.export.gates import MOST_TEXTS, Comparison, Limits, compare, judge
from kdbuild.export.golden import golden_rows
from kdbuild.export.model_card import model_card
from kdbuild.export.student_weights import student_weights
from kdbuild.export.tflite import write_tflite
from kdbuild.runtime.artefact import (
    GOLDEN,
    LABELS,
    MANIFEST,
    MANIFEST_DIGEST,
    MODEL_CARD,
    VOCABULARY,
    Artefact,
    Manifest,
    file_entry,
)
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.metrics import Metrics, evaluate_logits
from kdbuild.runtime.normalize import unicode_table
from kdbuild.runtime.tokenizer import UNK_ID, VERSION, Vocabulary
from kdbuild.trainer.data import Split
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run import Run
from kdbuild.trainer.run_folder import RunFolder
from kdbuild.trainer.student import Student, load_student, student_logits

FP32 = "model_fp32.tflite"
_VERSIONED = ("torch", "transformers", "numpy", "ai-edge-litert")
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


def export_run(run_folder: Path, out: Path, *, quantize: bool, limits: Limits, keep_fp32: bool = True) -> Export:
    """Export a run's student as TFLite files in an artefact folder.

    Args:
        run_folder: a finished run.
        out: the artefact folder; missing, empty or an earlier artefact, which is then replaced whole.
        quantize: write the int8 file beside the fp32 one.
        limits: of the quality gates.
        keep_fp32: leave the fp32 file in the artefact; it is measured either way.

    Raises:
        BadInputError: the run isn't finished, its student has an option that the format can't express, or ``out`` holds
            something else.
        GateError: a file loses too much. Nothing is written then.
    """
    run = Run(RunFolder.open(run_folder))
    if not run.folder.is_done("distill", run.inputs("distill")):
        raise BadInputError(
            f"{run_folder}: its student isn't trained with these options. Finish it with: kdbuild distill {run_folder}"
        )
    if not (quantize or keep_fp32):
        raise BadInputError("--no-quantize --no-fp32: leaves no model file. Drop one of them.")
    student, vocabulary = load_student(run.folder.output("distill"))
    trained = Trained(
        student, vocabulary, run.data.labels, run.data.dev, run.folder.path.resolve().name, _provenance(run)
    )
    return export_student(trained, out, quantize=quantize, limits=limits, keep_fp32=keep_fp32)


def export_student(trained: Trained, out: Path, *, quantize: bool, limits: Limits, keep_fp32: bool = True) -> Export:
    """Export a student; see :func:`export_run`."""
    config = trained.student.config
    check_expressible("tflite", config)
    if config.multi_label and len(config.thresholds or []) != len(trained.labels):
        raise BadInputError(
            f"{trained.title}: its student has {len(config.thresholds or [])} thresholds for {len(trained.labels)} labels. "
            "Run distill again."
        )
    _check_target(out)
    weights = student_weights(trained.student)
    models = {FP32: write_tflite(weights, quantize=False)}
    if quantize:
        models["model_int8.tflite"] = write_tflite(weights, quantize=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, content in models.items():
            (aside / name).write_bytes(content)
        engines = {name: TFLiteEngine(aside / name) for name in models}
        reference, comparisons = _measure(trained, engines)
        for name, comparison in comparisons.items():
            judge(name, comparison, limits)
        if not keep_fp32:
            (aside / FP32).unlink()
        _finish(aside, trained, engines, reference, comparisons)
        aside.chmod(0o755)  # mkdtemp made it private
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sizes = {name: len(content) for name, content in models.items()}
    return Export(out, sizes, reference, comparisons, trained.thresholds is not None)


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


def _measure(trained: Trained, engines: dict[str, TFLiteEngine]) -> tuple[Metrics, dict[str, Comparison]]:
    """The student and each file on the same held-out texts, the first :data:`MOST_TEXTS` of them."""
    student, vocabulary, thresholds = trained.student, trained.vocabulary, trained.thresholds
    held_out = trained.held_out.take(range(min(len(trained.held_out), MOST_TEXTS)))
    ids = [vocabulary.ids(tokens[: student.config.max_tokens]) or [UNK_ID] for tokens in held_out.tokens]
    # One text a batch: batches of another size round differently, by more than the files differ.
    reference = student_logits(student, ids, batch_size=1)
    arrays = [np.array(text, dtype=np.int32) for text in ids]
    comparisons = {
        name: compare(reference, np.stack([engine(text) for text in arrays]), held_out.targets, thresholds)
        for name, engine in engines.items()
    }
    return evaluate_logits(reference, held_out.targets, thresholds), comparisons


def _finish(
    aside: Path,
    trained: Trained,
    engines: dict[str, TFLiteEngine],
    reference: Metrics,
    comparisons: dict[str, Comparison],
) -> None:
    """Write everything around the model files; the manifest and its digest come last."""
    labels, vocabulary, max_tokens = trained.labels, trained.vocabulary, trained.student.config.max_tokens
    (aside / VOCABULARY).write_bytes(vocabulary.to_bytes())
    (aside / LABELS).write_text("".join(label + "\n" for label in labels), encoding="utf-8")
    golden = golden_rows(
        lambda text: vocabulary.encode(text, max_tokens), dict(engines), labels, FP32, thresholds=trained.thresholds
    )
    (aside / GOLDEN).write_bytes(golden)
    manifest = Manifest(
        labels=list(labels),
        max_tokens=max_tokens,
        tokenizer={"version": VERSION, "unicode": unicode_table().version, "sha256": vocabulary.sha256},
        files={path.name: file_entry(path.read_bytes()) for path in sorted(aside.iterdir())},
        task="single" if trained.thresholds is None else "multi",
        thresholds=trained.thresholds,
        student=_shape(trained.student),
        metrics=_metrics(reference, comparisons),
        provenance=trained.provenance,
    )
    card = model_card(manifest, trained.title).encode("utf-8")
    (aside / MODEL_CARD).write_bytes(card)
    manifest.files[MODEL_CARD] = file_entry(card)
    content = manifest.to_bytes()
    (aside / MANIFEST).write_bytes(content)
    (aside / MANIFEST_DIGEST).write_text(hashlib.sha256(content).hexdigest() + "\n", encoding="ascii")
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


def _metrics(reference: Metrics, comparisons: dict[str, Comparison]) -> dict[str, Any]:
    """The manifest's ``metrics``."""
    held_out: dict[str, Any] = {"n": reference.n, "student": _figures(reference)}
    for name, comparison in comparisons.items():
        held_out["int8" if "int8" in name else "fp32"] = _figures(comparison.metrics) | {
            "flip_rate": comparison.flip_rate,
            "max_logit_difference": comparison.max_logit_difference,
            "mean_logit_difference": comparison.mean_logit_difference,
        }
    return {"held_out": held_out}


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
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONED},
        "options": public_options(run.options, run.stages),
        "transfer_sentences": run.folder.record("augment").get("sentences"),
    }


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
