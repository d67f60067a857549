"""Text in, label out: an artefact folder with its tokenizer and engine, ready to answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import LABELS, VOCABULARY, Artefact, Manifest
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.metrics import best_given, sigmoid, softmax
from kdbuild.runtime.normalize import unicode_table
from kdbuild.runtime.tokenizer import Encoding, Vocabulary

Precision = Literal["int8", "fp32"]


@dataclass(frozen=True)
class Prediction:
    """The answer to one text."""

    text: str
    label: str | None
    """The label with the highest score; None where the text may have several labels and is given none."""
    score: float
    """Its probability, 0 to 1; the highest of all where no label is given."""
    scores: dict[str, float]
    """The probability of each label: together 1, or, where a text may have several, each by itself."""
    tokens: int
    """How many tokens were read."""
    truncated: bool
    """Whether the text had more tokens than the artefact reads."""
    oov_rate: float
    """The share of the tokens read that aren't in the vocabulary, 0 to 1."""
    labels: list[str] | None = None
    """Where a text may have several labels, all that are given, in the artefact's order; None where it has one."""


class Classifier:
    """A classifier loaded from an artefact folder; make one with :meth:`load`.

    Calls are independent of each other; one instance serves one thread at a time.
    """

    def __init__(self, manifest: Manifest, vocabulary: Vocabulary, engine: TFLiteEngine, model_file: str):
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.engine = engine
        self.model_file = model_file
        self.labels = tuple(manifest.labels)
        self._thresholds = None if manifest.thresholds is None else np.array(manifest.thresholds)

    @classmethod
    def load(cls, folder: str | Path, *, precision: Precision | None = None, threads: int = 1) -> "Classifier":
        """Load an artefact and check every file that is read.

        Args:
            folder: what ``kdbuild export`` wrote.
            precision: which model file to run; int8 where there is one if None.
            threads: how many threads a call may use.

        Raises:
            BadInputError: the artefact is damaged, incomplete, or of an unknown version.
            MissingExtraError: no engine that runs the model is installed.
        """
        artefact = Artefact.open(Path(folder))
        manifest = artefact.manifest
        if list(artefact.read_lines(LABELS)) != manifest.labels:
            raise BadInputError(
                f"{artefact.folder / LABELS}: its labels aren't the manifest's. Export the artefact again."
            )
        vocabulary = Vocabulary(artefact.read_lines(VOCABULARY))
        if vocabulary.sha256 != manifest.tokenizer.get("sha256"):
            raise BadInputError(
                f"{artefact.folder / VOCABULARY}: isn't the tokenizer's vocabulary. Export the artefact again."
            )
        if manifest.tokenizer.get("unicode") != unicode_table().version:
            raise BadInputError(
                f"{artefact.folder}: its tokenizer uses Unicode {manifest.tokenizer.get('unicode')} tables, this kdbuild "
                f"{unicode_table().version}. Export the artefact again with this version."
            )
        name = artefact.model_file(precision)
        artefact.read(name)  # checks it
        engine = TFLiteEngine(artefact.folder / name, threads)
        if engine.vocabulary_size != len(vocabulary):
            raise BadInputError(
                f"{artefact.folder}: {len(vocabulary)} tokens in {VOCABULARY} for {engine.vocabulary_size} embedding rows in "
                f"{name}. Export the artefact again."
            )
        return cls(manifest, vocabulary, engine, name)

    @overload
    def __call__(self, texts: str) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is an Iterable of str, too

    @overload
    def __call__(self, texts: Sequence[str] | Iterable[str]) -> list[Prediction]: ...

    def __call__(self, texts: str | Iterable[str]) -> Prediction | list[Prediction]:
        """Classify one text, or each of several."""
        if isinstance(texts, str):
            return self._answer(texts)
        return [self._answer(text) for text in texts]

    def encode(self, text: str) -> Encoding:
        """The token ids that the engine is given for a text."""
        return self.vocabulary.encode(text, self.manifest.max_tokens)

    def logits(self, text: str) -> npt.NDArray[np.float32]:
        """The model's raw logits, ``[classes]``."""
        return self.engine(self.encode(text).ids)

    def _answer(self, text: str) -> Prediction:
        encoding = self.encode(text)
        return self._prediction(text, encoding, self.engine(encoding.ids))

    def _prediction(self, text: str, encoding: Encoding, logits: npt.NDArray[np.float32]) -> Prediction:
        given: list[str] | None = None
        best: int | None
        if self._thresholds is None:
            probabilities = softmax(logits / self.manifest.temperature)
            best = int(logits.argmax())
        else:
            probabilities = sigmoid(logits / self.manifest.temperature)
            reached = probabilities >= self._thresholds
            given = [label for label, yes in zip(self.labels, reached.tolist(), strict=True) if yes]
            best = best_given(logits, reached)
        scores: list[float] = probabilities.tolist()
        return Prediction(
            text=text,
            label=None if best is None else self.labels[best],
            score=max(scores) if best is None else scores[best],
            scores=dict(zip(self.labels, scores, strict=True)),
            tokens=len(encoding.tokens),
            truncated=encoding.truncated,
            oov_rate=encoding.oov_rate,
            labels=given,
        )
