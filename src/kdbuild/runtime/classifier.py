"""Text in, label out: an artefact folder with its tokenizer and engine, ready to answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import LABELS, VOCABULARY, Artefact, Manifest
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.engines.registry import Engine, Precision
from kdbuild.runtime.metrics import best_given, sigmoid, softmax
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.vocabulary import MASK_ID, Encoding, Vocabulary


@dataclass(frozen=True)
class Prediction:
    """The answer to one text."""

    text: str
    label: str | None
    """The label with the highest score; None where it is below the threshold, or the text may have several labels and is
    given none."""
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


@dataclass(frozen=True)
class Explanation:
    """Which tokens an answer hangs on."""

    prediction: Prediction
    label: str
    """The label that is explained: the prediction's, or the likeliest where it abstains."""
    tokens: list[str]
    """Those that were read."""
    weights: list[float]
    """For each token, how much the label's probability falls when the token is masked, -1 to 1."""


class Classifier:
    """A classifier loaded from an artefact folder; make one with :meth:`load`.

    Calls are independent of each other, and may come from several threads, and from processes that were forked. A copy or
    a pickle of it loads the same folder again. What becomes of the folder afterwards doesn't change its answers.
    """

    def __init__(
        self,
        manifest: Manifest,
        vocabulary: Vocabulary,
        engine: Engine,
        model_file: str,
        threshold: float | None = None,
    ):
        self.manifest = manifest
        self.vocabulary = vocabulary
        self.engine = engine
        self.model_file = model_file
        self.labels = tuple(manifest.labels)
        self._thresholds = None if manifest.thresholds is None else np.array(manifest.thresholds)
        self._threshold = manifest.threshold if threshold is None else threshold
        self._loaded_with: dict[str, Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how a copy is made, or what was pickled is made again: by loading.

        Raises:
            TypeError: it wasn't made by :meth:`load`, or it was closed.
        """
        if self._loaded_with is None or isinstance(self.engine, _Closed):
            raise TypeError(
                "a classifier can be copied or pickled when Classifier.load made it, and until it is closed"
            )
        return partial(type(self).load, **self._loaded_with), ()

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        engine: str = "auto",
        precision: Precision | None = None,
        threads: int = 1,
        threshold: float | None = None,
    ) -> Self:
        """Load an artefact and check every file that is read.

        Args:
            folder: what ``kdbuild export`` wrote.
            engine: what runs the model, as ``kdbuild predict --engine`` names it; ``auto`` takes the fastest that is
                installed. ``torchscript`` must be asked for by name: its files can carry code.
            precision: which model file to run; int8 where there is one if None.
            threads: how many threads a call may use.
            threshold: the probability below which an answer's label is None, instead of the artefact's own.

        Raises:
            BadInputError: the artefact is damaged, incomplete, or of an unknown version; or the threshold is out of range.
            MissingExtraError: no engine that runs the model is installed.
        """
        if threshold is not None and not 0 <= threshold < 1:
            raise BadInputError(f"threshold {threshold}: out of range. Use a probability from 0 to below 1.")
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
        if manifest.tokenizer.get("unicode") != UNICODE_VERSION:
            raise BadInputError(
                f"{artefact.folder}: its tokenizer uses Unicode {manifest.tokenizer.get('unicode')} tables, this kdbuild "
                f"{UNICODE_VERSION}. Export the artefact again with this version."
            )
        name = artefact.model_file(precision, None if engine == "auto" else engine).name
        artefact.check(name)
        opened = open_engine(artefact, name, threads)
        if opened.vocabulary_size != len(vocabulary):
            raise BadInputError(
                f"{artefact.folder}: {len(vocabulary)} tokens in {VOCABULARY} for {opened.vocabulary_size} embedding rows in "
                f"{name}. Export the artefact again."
            )
        made = cls(manifest, vocabulary, opened, name, threshold)
        made._loaded_with = {
            "folder": Path(folder).absolute(),  # another process may work elsewhere
            "engine": engine,
            "precision": precision,
            "threads": threads,
            "threshold": threshold,
        }
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the model; the classifier can't answer any more."""
        self.engine = _Closed()

    def warm_up(self) -> Self:
        """Answer once, so that the first real call is as fast as the others."""
        self.engine(np.array([MASK_ID], dtype=np.int32))
        return self

    @overload
    def __call__(self, texts: str) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is a Sequence of str, too

    @overload
    def __call__(self, texts: Sequence[str]) -> list[Prediction]: ...

    @overload
    def __call__(self, texts: Iterator[str]) -> Iterator[Prediction]: ...

    def __call__(
        self, texts: str | Sequence[str] | Iterator[str]
    ) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Classify one text, each of several, or a stream: an iterator's answers come one by one."""
        if isinstance(texts, str):
            return self._answer(texts)
        if isinstance(texts, Iterator):
            return map(self._answer, texts)
        return [self._answer(text) for text in texts]

    def explain(self, text: str) -> Explanation:
        """Find the tokens that an answer hangs on: each is masked in turn (Zeiler & Fergus 2014 did so with pixels).

        Takes a call of the engine for each token.
        """
        encoding = self.encode(text)
        prediction = self._prediction(text, encoding, self.engine(encoding.ids))
        label = (
            max(prediction.scores, key=prediction.scores.__getitem__) if prediction.label is None else prediction.label
        )
        weights = []
        for place in range(len(encoding.tokens)):
            ids = encoding.ids.copy()
            ids[place] = MASK_ID
            weights.append(prediction.scores[label] - self._prediction(text, encoding, self.engine(ids)).scores[label])
        return Explanation(prediction, label, encoding.tokens, weights)

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
            if self._threshold is not None and probabilities[best] < self._threshold:
                best = None
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


class _Closed:
    """Stands in for the engine of a classifier that was closed."""

    name = version = ""
    vocabulary_size = 0

    def __call__(self, ids: npt.NDArray[np.int32], /) -> npt.NDArray[np.float32]:
        raise RuntimeError("the classifier was closed: load it again")
