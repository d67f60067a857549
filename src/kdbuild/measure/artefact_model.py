"""A model file of an artefact as a contender of the benchmark; imports no more than an application does."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.measure.texts import Text, texts_of
from kdbuild.runtime import Classifier
from kdbuild.runtime.arrays import decide
from kdbuild.runtime.artefact import VOCABULARY
from kdbuild.runtime.engines.registry import ENGINES, find_model_file
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.text.vocabulary import Encoding


@dataclass(frozen=True)
class ArtefactModel:
    """Called on one text, or on one pair: the place of its label; of several labels, a number whose bit i is label i."""

    classify: Classifier
    """Never abstains: an answer that isn't given can't be right."""
    places: dict[str, int]
    """Index of each label."""
    parameters: int | None
    """As the manifest says."""
    size_bytes: int
    """Bytes of the model file, and of the vocabulary where the file doesn't hold it."""
    engine_bytes: int | None
    """Bytes of the engine as it is installed here; None where it can't be told."""

    def __call__(self, text: Text) -> int:
        """The class of one text or pair."""
        answer = self.classify(*texts_of(text))
        if answer.labels is not None:
            return sum(1 << self.places[label] for label in answer.labels)
        return self.places[str(answer.label)]

    def encode(self, text: Text) -> list[Encoding]:
        """The tokens of one text, or of both of a pair."""
        return [self.classify.encode(part) for part in texts_of(text)]

    def run(self, encoded: Sequence[Encoding]) -> int:
        """The class of a text or pair whose tokens are known."""
        logits = np.asarray(self.classify.engine(*(part.ids for part in encoded)), np.float32)
        manifest = self.classify.manifest
        if manifest.thresholds is None:
            return int(logits.argmax())
        return label_set(decide(logits / manifest.temperature, manifest.thresholds))

    def tokens(self, encoded: Sequence[Encoding]) -> int:
        """Number of tokens that are read; of a student that reads pieces of words, of pieces."""
        return sum(part.token_count for part in encoded)


def label_set(given: npt.NDArray[Any]) -> int:
    """A set of labels as a number: bit i is label i.

    Args:
        given: 0 or 1 for each label, ``[labels]``.
    """
    return sum(1 << int(place) for place in np.flatnonzero(given))


def open_model(*, folder: str, file: str, threads: int) -> ArtefactModel:
    """Load a model file of an artefact.

    Raises:
        BadInputError: the artefact or the file is damaged.
        MissingExtraError: the file's engine isn't installed.
    """
    known = find_model_file(file)
    if known is None:
        raise BadInputError(f"{file}: no engine runs such a file. Name a model file of the artefact.")
    shipped = [file] if ENGINES[known.engine].holds_vocabulary else [file, VOCABULARY]
    classify = Classifier.load(folder, engine=known.engine, precision=known.precision, threads=threads, threshold=0.0)
    return ArtefactModel(
        classify,
        {label: place for place, label in enumerate(classify.labels)},
        classify.manifest.student.get("parameters"),
        sum((Path(folder) / name).stat().st_size for name in shipped),
        engine_bytes(known.engine),
    )


def engine_bytes(name: str) -> int | None:
    """Bytes of an engine as it is installed: kdbuild's own is one library, others are packages.

    Args:
        name: the engine's.

    Returns:
        None if no package says what its files are.
    """
    row = ENGINES[name]
    if not row.modules:
        return library_path().stat().st_size
    module = next(module for module in row.modules if find_spec(module) is not None)
    for package in packages_distributions().get(module, ()):
        places = [Path(str(file.locate())) for file in distribution(package).files or ()]
        if places:
            return sum(place.stat().st_size for place in places if place.is_file())
    return None
