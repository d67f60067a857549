"""Text in, label out: an artefact folder with its tokenizer and engine, ready to answer."""

import os
import stat
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, overload

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import LABELS, VOCABULARY, Artefact, Manifest, is_kind
from kdbuild.runtime.decisions import argmax, sigmoid, softmax
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.engines.registry import ENGINES, Engine, Precision, text_engine
from kdbuild.runtime.text.encoding import MASK_ID, Encoding

if TYPE_CHECKING:
    from pathlib import Path

    from kdbuild.runtime.engines.registry import Logits, TokenIds
    from kdbuild.runtime.text.vocabulary import Vocabulary

Pair = tuple[str, str]


class Prediction(NamedTuple):
    """The answer to one text, or to one pair of texts."""

    text: str
    label: str | None
    """The label with the highest score; None where it is below the threshold, or the text may have several labels and is
    given none."""
    score: float
    """Its probability, 0 to 1; the highest of all where no label is given."""
    scores: dict[str, float]
    """The probability of each label: together 1, or, where a text may have several, each by itself."""
    tokens: int
    """How many tokens were read, of both texts of a pair; with tokenizer version 2, which cuts words, how many pieces."""
    truncated: bool
    """Whether a text had more of them than the artefact reads."""
    oov_rate: float
    """The share of those read that are unknown, 0 to 1."""
    labels: list[str] | None = None
    """Where a text may have several labels, all that are given, in the artefact's order; None where it has one."""
    second: str | None = None
    """The second text of a pair."""


class Explanation(NamedTuple):
    """Which words an answer hangs on."""

    prediction: Prediction
    label: str
    """The label that is explained: the prediction's, or the likeliest where it abstains."""
    tokens: list[str]
    """The words that were read; in a script without spaces, the pieces."""
    weights: list[float]
    """For each, how much the label's probability falls when it is masked, all its pieces together, -1 to 1."""
    second_tokens: list[str] | None = None
    """The words of a pair's second text."""
    second_weights: list[float] | None = None
    """The same for each of these."""


class Classifier:
    """A classifier loaded from an artefact folder; make one with :meth:`load`.

    Calls are independent of each other, and may come from several threads, and from processes that were forked. A copy or
    a pickle of it loads the same folder again. What becomes of the folder afterwards doesn't change its answers.
    """

    def __init__(
        self,
        manifest: Manifest,
        vocabulary: "Vocabulary | Callable[[], Vocabulary]",
        engine: Engine,
        model_file: str,
        threshold: float | None = None,
        threads: int = 1,
    ):
        self.manifest = manifest
        self._vocabulary = vocabulary
        self.engine = engine
        self.model_file = model_file
        self.labels = tuple(manifest.labels)
        self._threshold = manifest.threshold if threshold is None else threshold
        self._own_threshold = self._threshold == manifest.threshold
        self._reader = text_engine(engine)
        self._pairs = manifest.pairs
        self._threads = threads
        self._loaded_with: dict[str, Any] | None = None

    @property
    def vocabulary(self) -> "Vocabulary":
        """The vocabulary; an engine that reads text itself doesn't need it, so it may be read only now."""
        if callable(self._vocabulary):
            self._vocabulary = self._vocabulary()
        return self._vocabulary

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
        folder: "str | Path",
        *,
        engine: str = "auto",
        precision: Precision | None = None,
        threads: int = 1,
        threshold: float | None = None,
        public_key: "str | bytes | Path | None" = None,
    ) -> Self:
        """Load an artefact and check every file that is read.

        Args:
            folder: what ``kdbuild export`` wrote, or its ``model_int8.kdb`` alone, wherever that lies.
            engine: what runs the model, as ``kdbuild predict --engine`` names it; ``auto`` takes the fastest that is
                installed. ``torchscript`` must be asked for by name: its files can carry code.
            precision: which model file to run; int8 where there is one if None.
            threads: how many threads a call may use: side by side on the texts of a list where the engine reads text itself,
                else on each text.
            threshold: the probability below which an answer's label is None, instead of the artefact's own.
            public_key: of who must have signed the native model: a file, or its content in PEM or DER. The bytes in memory
                are checked that are then used.

        Raises:
            BadInputError: the artefact is damaged, incomplete, of an unknown version, or not signed with this key; or the
                threshold is out of range.
            MissingExtraError: no engine that runs the model is installed.
        """
        if threshold is not None and not 0 <= threshold < 1:
            raise BadInputError(f"threshold {threshold}: out of range. Use a probability from 0 to below 1.")
        path = os.fspath(folder)
        if is_kind(path, stat.S_ISREG):
            made = _from_file(cls, path, engine, precision, threads, threshold)
        else:
            made = _from_folder(cls, path, engine, precision, threads, threshold)
        if public_key is not None:
            made._check_signature(public_key)
        made._loaded_with = {
            "folder": os.path.join(os.getcwd(), path),  # another process may work elsewhere
            "engine": engine,
            "precision": precision,
            "threads": threads,
            "threshold": threshold,
            "public_key": public_key,
        }
        return made

    def _check_signature(self, public_key: "str | bytes | Path") -> None:
        """Refuse a model that isn't signed with a key."""
        from kdbuild.runtime.engines.native import NativeEngine
        from kdbuild.runtime.signature import check_signature, load_public_key

        if not isinstance(self.engine, NativeEngine):
            raise BadInputError(f"{self.model_file}: can't be signed, as native files can. Use engine='native'.")
        check_signature(self.engine.model.content, load_public_key(public_key), self.model_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the model; the classifier can't answer any more."""
        self.engine, self._reader = _Closed(), None

    def warm_up(self) -> Self:
        """Answer once, so that the first real call is as fast as the others."""
        self.engine(*[array("i", [MASK_ID])] * (2 if self._pairs else 1))
        return self

    @overload
    def __call__(self, texts: str, second: str | None = None) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is a Sequence of str, too

    @overload
    def __call__(self, texts: Sequence[str] | Sequence[Pair]) -> list[Prediction]: ...

    @overload
    def __call__(self, texts: Iterator[str] | Iterator[Pair]) -> Iterator[Prediction]: ...

    def __call__(
        self, texts: str | Sequence[str] | Sequence[Pair] | Iterator[str] | Iterator[Pair], second: str | None = None
    ) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Classify one text, each of several, or a stream: an iterator's answers come one by one.

        Where the artefact reads pairs, ``classify(text, second)`` classifies one, and each of several is ``(text, second)``.

        Raises:
            BadInputError: the artefact reads pairs and is given a text alone, or reads one text and is given a pair.
        """
        if isinstance(texts, str):
            return self._answer(texts, second)
        if second is not None:
            raise BadInputError("second: belongs to one text. Give several pairs as a list of (text, second).")
        if isinstance(texts, Iterator):
            return map(self._answer_row, texts)
        if self._threads > 1 and self._reader is not None and len(texts) > 1:
            return self._side_by_side(texts)
        return [self._answer_row(row) for row in texts]

    def _side_by_side(self, texts: Sequence[str] | Sequence[Pair]) -> list[Prediction]:
        """Classify texts in several threads, each a run of neighbours."""
        from concurrent.futures import ThreadPoolExecutor  # 8 ms to import, and one text doesn't need it

        size = -(-len(texts) // self._threads)
        runs = [texts[start : start + size] for start in range(0, len(texts), size)]
        with ThreadPoolExecutor(self._threads) as pool:
            return [
                answer for run in pool.map(lambda run: [self._answer_row(row) for row in run], runs) for answer in run
            ]

    def explain(self, text: str, second: str | None = None) -> Explanation:
        """Find the words that an answer hangs on: each is masked in turn (Zeiler & Fergus 2014 did so with pixels).

        Takes a call of the engine for each word; of a pair, those of both texts.

        Raises:
            BadInputError: the artefact reads pairs and is given a text alone, or reads one text and is given a pair.
        """
        self._check(text, second)
        encodings = [self.encode(text)] if second is None else [self.encode(text), self.encode(second)]
        if self._reader is not None:
            prediction = self._answer(text, second)
            label = self._likeliest(prediction)
            weights = self._reader.explain(text, self.labels.index(label), second or "")
        else:
            prediction = self._prediction(text, second, encodings)
            label = self._likeliest(prediction)
            weights = [
                prediction.scores[label] - self._prediction(text, second, masked).scores[label]
                for masked in _with_masks(encodings)
            ]
        words = len(encodings[0].tokens)
        if second is None:
            return Explanation(prediction, label, encodings[0].tokens, weights)
        tokens = [encoding.tokens for encoding in encodings]
        return Explanation(prediction, label, tokens[0], weights[:words], tokens[1], weights[words:])

    @staticmethod
    def _likeliest(prediction: Prediction) -> str:
        return prediction.label or max(prediction.scores, key=prediction.scores.__getitem__)

    def encode(self, text: str) -> Encoding:
        """The token ids that the engine is given for a text, as one of a pair or alone."""
        if self._reader is not None:
            return self._reader.encode(text)
        return self.vocabulary.encode(text, self.manifest.max_tokens)

    def logits(self, text: str, second: str | None = None) -> "Logits":
        """The model's raw logits, ``[classes]``, of a text or a pair.

        Raises:
            BadInputError: the artefact reads pairs and is given a text alone, or reads one text and is given a pair.
        """
        self._check(text, second)
        return self.engine(*(self.encode(part).ids for part in (text, second) if part is not None))

    def _check(self, text: str, second: str | None) -> None:
        """Check that there are as many texts as the artefact reads.

        Raises:
            BadInputError: there are not.
        """
        if (second is not None) == self._pairs:
            return
        if self._pairs:
            raise BadInputError(
                f"{self.model_file}: reads pairs of texts, and {text[:60]!r} has no second one. Give both of them."
            )
        raise BadInputError(
            f"{self.model_file}: reads one text, and {text[:60]!r} has a second one. Give each of them alone."
        )

    def _answer_row(self, row: str | Pair) -> Prediction:
        return self._answer(row) if isinstance(row, str) else self._answer(*row)

    def _answer(self, text: str, second: str | None = None) -> Prediction:
        if (second is None) == self._pairs:
            self._check(text, second)
        if self._reader is None:
            encodings = [self.encode(text)] if second is None else [self.encode(text), self.encode(second)]
            return self._prediction(text, second, encodings)
        answer = self._reader.answer(text) if second is None else self._reader.answer(text, second)
        best: int | None = answer.label
        if not self._own_threshold and answer.given is None:
            best = argmax(answer.logits)
            if answer.probabilities[best] < (self._threshold or 0.0):
                best = None
        elif best == -1:
            best = None
        counts = answer.tokens, answer.unknown, answer.truncated
        return self._labelled(text, second, best, answer.probabilities, answer.given, *counts)

    def _prediction(self, text: str, second: str | None, encodings: Sequence[Encoding]) -> Prediction:
        """Ask an engine that reads ids."""
        logits = [float(logit) for logit in self.engine(*(encoding.ids for encoding in encodings))]
        given: list[bool] | None = None
        best: int | None = argmax(logits)
        if self.manifest.thresholds is None:
            probabilities = softmax(logits, self.manifest.temperature)
            if self._threshold is not None and probabilities[best or 0] < self._threshold:
                best = None
        else:
            probabilities = sigmoid(logits, self.manifest.temperature)
            given = [value >= limit for value, limit in zip(probabilities, self.manifest.thresholds, strict=True)]
            reached = [place for place, yes in enumerate(given) if yes]
            best = max(reached, key=logits.__getitem__) if reached else None
        return self._labelled(text, second, best, probabilities, given, *read_counts(encodings))

    def _labelled(
        self,
        text: str,
        second: str | None,
        best: int | None,
        probabilities: list[float],
        given: list[bool] | None,
        tokens: int,
        unknown: int,
        truncated: bool,
    ) -> Prediction:
        return Prediction(
            text,
            None if best is None else self.labels[best],
            max(probabilities) if best is None else probabilities[best],
            dict(zip(self.labels, probabilities, strict=True)),
            tokens,
            truncated,
            unknown / tokens if tokens else 0.0,
            None if given is None else [label for label, yes in zip(self.labels, given, strict=True) if yes],
            second,
        )


def read_counts(encodings: Sequence[Encoding]) -> tuple[int, int, bool]:
    """Count what was read of the texts of a call: tokens, how many of them are unknown, and whether a text was cut."""
    return (
        sum(encoding.token_count for encoding in encodings),
        sum(encoding.unknown_count for encoding in encodings),
        any(encoding.truncated for encoding in encodings),
    )


def _with_masks(encodings: Sequence[Encoding]) -> Iterator[list[Encoding]]:
    """Yield the texts of a call with one word masked, for each word in turn."""
    for number, encoding in enumerate(encodings):
        place = 0
        for pieces in encoding.pieces:
            ids = encoding.ids[:]
            ids[place : place + pieces] = array("i", [MASK_ID]) * pieces
            place += pieces
            yield [*encodings[:number], encoding._replace(ids=ids), *encodings[number + 1 :]]


C = TypeVar("C", bound=Classifier)


def _from_folder(
    cls: type[C], folder: str, engine: str, precision: Precision | None, threads: int, threshold: float | None
) -> C:
    artefact = Artefact.open(folder)
    manifest = artefact.manifest
    if list(artefact.read_lines(LABELS)) != manifest.labels:
        raise BadInputError(f"{artefact.folder / LABELS}: its labels aren't the manifest's. Export the artefact again.")
    file = artefact.model_file(precision, None if engine == "auto" else engine)
    name = file.name
    if not ENGINES[file.engine].checks:
        artefact.check(name)
    opened = open_engine(artefact, name, threads)
    vocabulary = partial(_vocabulary, artefact, opened, name)
    return cls(manifest, vocabulary if text_engine(opened) else vocabulary(), opened, name, threshold, threads)


def _vocabulary(artefact: Artefact, engine: Engine, name: str) -> "Vocabulary":
    """Read the vocabulary of an artefact, which must be the tokenizer's and the model's."""
    from kdbuild.runtime.text.normalize import UNICODE_VERSION
    from kdbuild.runtime.text.vocabulary import Vocabulary

    tokenizer = artefact.manifest.tokenizer
    vocabulary = Vocabulary(artefact.read_lines(VOCABULARY), tokenizer["version"])
    if vocabulary.sha256 != tokenizer.get("sha256"):
        raise BadInputError(
            f"{artefact.folder / VOCABULARY}: isn't the tokenizer's vocabulary. Export the artefact again."
        )
    if tokenizer.get("unicode") != UNICODE_VERSION:
        raise BadInputError(
            f"{artefact.folder}: its tokenizer uses Unicode {tokenizer.get('unicode')} tables, this kdbuild "
            f"{UNICODE_VERSION}. Export the artefact again with this version."
        )
    if engine.vocabulary_size != len(vocabulary):
        raise BadInputError(
            f"{artefact.folder}: {len(vocabulary)} tokens in {VOCABULARY} for {engine.vocabulary_size} embedding rows in "
            f"{name}. Export the artefact again."
        )
    return vocabulary


def _from_file(
    cls: type[C], path: str, engine: str, precision: Precision | None, threads: int, threshold: float | None
) -> C:
    """A classifier of the one file that holds everything."""
    from kdbuild.runtime.engines.native import manifest_of, open_native_file

    if engine not in ("auto", "native") or precision == "fp32":
        raise BadInputError(
            f"{path}: is a file for the native engine, in int8. Give the artefact's folder for another one."
        )
    opened = open_native_file(path)
    return cls(manifest_of(opened.model), opened.vocabulary, opened, os.path.basename(path), threshold, threads)


class _Closed:
    """Stands in for the engine of a classifier that was closed."""

    name = version = ""
    vocabulary_size = 0

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> "Logits":
        raise RuntimeError("the classifier was closed: load it again")
