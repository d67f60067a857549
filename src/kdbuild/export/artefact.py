"""From a run folder to an artefact folder: write the model files, measure them, judge them, and only then keep them."""

import hashlib
import importlib.metadata
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdbuild import __version__
from kdbuild.errors import BadInputError
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
from kdbuild.trainer.pipeline import Run
from kdbuild.trainer.run_folder import RunFolder
from kdbuild.trainer.student import Student, load_student, student_logits

FP32 = "model_fp32.tflite"
_VERSIONED = ("torch", "transformers", "numpy", "ai-edge-litert")


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


def export_run(run_folder: Path, out: Path, *, quantize: bool, limits: Limits, keep_fp32: bool = True) -> Export:
    """Export a run's student as TFLite files in an artefact folder.

    Args:
        run_folder: a finished run.
        out: the artefact folder; missing, empty or an earlier artefact, which is then replaced whole.
        quantize: write the int8 file beside the fp32 one.
        limits: of the quality gates.
        keep_fp32: leave the fp32 file in the artefact; it is measured either way.

    Raises:
        BadInputError: the run isn't finished, or ``out`` holds something else.
        GateError: a file loses too much. Nothing is written then.
    """
    run = Run(RunFolder.open(run_folder))
    if not run.folder.is_done("distill", run.inputs("distill")):
        raise BadInputError(
            f"{run_folder}: its student isn't trained with these options. Finish it with: kdbuild distill {run_folder}"
        )
    if not (quantize or keep_fp32):
        raise BadInputError("--no-quantize --no-fp32: leaves no model file. Drop one of them.")
    _check_target(out)
    student, vocabulary = load_student(run.folder.output("distill"))
    weights = student_weights(student)
    models = {FP32: write_tflite(weights, quantize=False)}
    if quantize:
        models["model_int8.tflite"] = write_tflite(weights, quantize=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, content in models.items():
            (aside / name).write_bytes(content)
        engines = {name: TFLiteEngine(aside / name) for name in models}
        reference, comparisons = _measure(run, student, vocabulary, engines)
        for name, comparison in comparisons.items():
            judge(name, comparison, limits)
        if not keep_fp32:
            (aside / FP32).unlink()
        _finish(aside, run, student, vocabulary, engines, reference, comparisons)
        aside.chmod(0o755)  # mkdtemp made it private
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Export(out, {name: len(content) for name, content in models.items()}, reference, comparisons)


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


def _measure(
    run: Run, student: Student, vocabulary: Vocabulary, engines: dict[str, TFLiteEngine]
) -> tuple[Metrics, dict[str, Comparison]]:
    """The student and each file on the same held-out texts, the first :data:`MOST_TEXTS` of dev."""
    dev = run.data.dev.take(range(min(len(run.data.dev), MOST_TEXTS)))
    ids = [vocabulary.ids(tokens[: student.config.max_tokens]) or [UNK_ID] for tokens in dev.tokens]
    # One text a batch: batches of another size round differently, by more than the files differ.
    reference = student_logits(student, ids, batch_size=1)
    arrays = [np.array(text, dtype=np.int32) for text in ids]
    comparisons = {
        name: compare(reference, np.stack([engine(text) for text in arrays]), dev.targets)
        for name, engine in engines.items()
    }
    return evaluate_logits(reference, dev.targets), comparisons


def _finish(
    aside: Path,
    run: Run,
    student: Student,
    vocabulary: Vocabulary,
    engines: dict[str, TFLiteEngine],
    reference: Metrics,
    comparisons: dict[str, Comparison],
) -> None:
    """Write everything around the model files; the manifest and its digest come last."""
    labels, config = run.data.labels, student.config
    (aside / VOCABULARY).write_bytes(vocabulary.to_bytes())
    (aside / LABELS).write_text("".join(label + "\n" for label in labels), encoding="utf-8")
    golden = golden_rows(lambda text: vocabulary.encode(text, config.max_tokens), dict(engines), labels, FP32)
    (aside / GOLDEN).write_bytes(golden)
    manifest = Manifest(
        labels=list(labels),
        max_tokens=config.max_tokens,
        tokenizer={"version": VERSION, "unicode": unicode_table().version, "sha256": vocabulary.sha256},
        files={path.name: file_entry(path.read_bytes()) for path in sorted(aside.iterdir())},
        student={
            "architecture": "bilstm",
            "vocabulary": len(vocabulary),
            "embedding_size": config.embedding_size,
            "hidden_size": config.hidden_size,
            "classifier_size": config.classifier_size,
            "parameters": sum(parameter.numel() for parameter in student.parameters()),
        },
        metrics=_metrics(reference, comparisons),
        provenance=_provenance(run),
    )
    card = model_card(manifest, run.folder.path.resolve().name).encode("utf-8")
    (aside / MODEL_CARD).write_bytes(card)
    manifest.files[MODEL_CARD] = file_entry(card)
    content = manifest.to_bytes()
    (aside / MANIFEST).write_bytes(content)
    (aside / MANIFEST_DIGEST).write_text(hashlib.sha256(content).hexdigest() + "\n", encoding="ascii")


def _metrics(reference: Metrics, comparisons: dict[str, Comparison]) -> dict[str, Any]:
    """The manifest's ``metrics``."""
    held_out: dict[str, Any] = {"n": reference.n, "student": _accuracy(reference)}
    for name, comparison in comparisons.items():
        held_out["int8" if "int8" in name else "fp32"] = _accuracy(comparison.metrics) | {
            "flip_rate": comparison.flip_rate,
            "max_logit_difference": comparison.max_logit_difference,
            "mean_logit_difference": comparison.mean_logit_difference,
        }
    return {"held_out": held_out}


def _accuracy(metrics: Metrics) -> dict[str, Any]:
    return {"accuracy": metrics.accuracy, "interval": list(metrics.interval), "macro_f1": metrics.macro_f1}


def _provenance(run: Run) -> dict[str, Any]:
    """Where the student came from; names of folders are shortened, so that no one's paths are published."""
    options = run.options.to_dict()
    options["teacher"]["teacher"] = _public_name(options["teacher"]["teacher"])
    options["augment"]["spacy_model"] = _public_name(options["augment"]["spacy_model"])
    return {
        "kdbuild": __version__,
        "data": run.folder.data,
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONED},
        "options": {name: values for name, values in options.items() if name in (*run.stages, "student")},
        "transfer_sentences": run.folder.record("augment").get("sentences"),
    }


def _public_name(name: str) -> str:
    """A model's name; of a folder, which needn't be here any more, only the last part."""
    is_folder = Path(name).is_dir() or Path(name).is_absolute() or name.startswith(".")
    return Path(name).name if is_folder else name
