"""The finished run that an artefact is made of: its student, the texts to measure it on, and where it came from."""

import importlib.metadata
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import Vocabulary
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
        return list(config.thresholds or []) if config.multi_label else None


def trained_by(run_folder: Path) -> Trained:
    """The student of a run, with what its artefact needs.

    Raises:
        BadInputError: the run isn't finished.
    """
    run = open_run(RunFolder.open(run_folder))
    if not run.folder.is_done("distill", run.inputs("distill")):
        raise BadInputError(
            f"{run_folder}: its student isn't trained with these options. "
            f"Finish it with: kdbuild distill {shlex.quote(str(run_folder))}"
        )
    student, vocabulary = load_student(run.folder.output("distill"))
    # Train isn't needed, and would take long to tokenise.
    labels, dev = read_dev(run.folder.output("data"), multi_label=run.multi_label)
    return Trained(student, vocabulary, labels, dev, run.folder.path.resolve().name, _provenance(run))


def _provenance(run: Run) -> dict[str, Any]:
    """Where the student came from."""
    return {
        "kdbuild": __version__,
        "data": run.folder.data,
        "versions": package_versions(),
        "options": public_options(run.options, run.stages),
        "transfer_sentences": run.folder.record("augment").get("sentences"),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that have a part in a student, those that are installed."""
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
    sections |= set(options.perturbations()) if "augment" in stages else set()
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
