"""TF-IDF of words and pairs of words, and logistic regression: trained by scikit-learn, answered by numpy, as an app would."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.text.tokenizer import tokenize

WEIGHTS, NGRAMS = "weights.npz", "ngrams.txt"
_C = 10.0
"""Inverse strength of the regularisation; held-out accuracy was 81.3 %, and 79.8 to 81.4 % for 1 to 100."""

Array = npt.NDArray[np.float32]


def ngrams(tokens: Sequence[str]) -> list[str]:
    """The tokens, and each two neighbours with a space between them, which no token has."""
    return [*tokens, *(f"{first} {second}" for first, second in pairwise(tokens))]


@dataclass(frozen=True)
class TfidfModel:
    """Called on one text: our tokens, their weights, index of the class."""

    places: dict[str, int]
    """Of the n-grams."""
    idf: Array
    """Inverse document frequency, ``[ngrams]``."""
    coefficients: Array
    """``[1, ngrams]`` for two classes, else ``[classes, ngrams]``."""
    intercept: Array
    """``[1]`` or ``[classes]``."""
    size_bytes: int
    """Of the files."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.idf.size + self.coefficients.size + self.intercept.size)

    def __call__(self, text: str) -> int:
        """The class of one text."""
        return self.run(tokenize(text))

    def encode(self, text: str) -> list[str]:
        """The tokens of one text."""
        return tokenize(text)

    def run(self, encoded: list[str]) -> int:
        """The class of a text whose tokens are known."""
        counts = Counter(self.places[ngram] for ngram in ngrams(encoded) if ngram in self.places)
        known = np.fromiter(counts.keys(), np.int64, len(counts))
        frequencies = np.fromiter(counts.values(), np.float32, len(counts))
        weights = (1 + np.log(frequencies)) * self.idf[known]
        length = float(np.sqrt(weights @ weights)) or 1.0
        scores = self.coefficients[:, known] @ weights / length + self.intercept
        return int(scores[0] > 0) if len(scores) == 1 else int(scores.argmax())

    def tokens(self, encoded: list[str]) -> int:
        """Number of tokens."""
        return len(encoded)


def train(data: str, labels: list[str], out: Path) -> None:
    """Train it on a data folder.

    Args:
        data: folder with a train file.
        labels: the classes in order.
        out: folder that gets :data:`WEIGHTS` and :data:`NGRAMS`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # it has no types
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # it has no types

    from benchmarks.candidates.baselines.rows import read_data

    rows = read_data(data, labels).train
    vectorizer = TfidfVectorizer(analyzer=ngrams, sublinear_tf=True)
    features = vectorizer.fit_transform(rows.tokens)
    model = LogisticRegression(C=_C, max_iter=1000).fit(features, rows.targets)
    arrays: dict[str, Any] = {
        "idf": vectorizer.idf_.astype(np.float32),
        "coefficients": model.coef_.astype(np.float32),
        "intercept": model.intercept_.astype(np.float32),
    }
    np.savez(out / WEIGHTS, **arrays)
    (out / NGRAMS).write_text("\n".join(vectorizer.get_feature_names_out()), encoding="utf-8")


def prepare(*, folder: str, data: str, labels: list[str], threads: int) -> None:
    """Train it, unless the folder is there."""
    from benchmarks.candidates.once import make_once

    make_once(Path(folder), lambda out: train(data, labels, out))


def open_tfidf(*, folder: str, data: str, labels: list[str], threads: int) -> TfidfModel:
    """A contender of the benchmark: what :func:`prepare` left in the folder; one thread is enough for it."""
    files = [Path(folder) / name for name in (WEIGHTS, NGRAMS)]
    with np.load(files[0]) as stored:
        arrays = dict(stored)
    words = files[1].read_text(encoding="utf-8").split("\n")
    places = dict(zip(words, range(len(words)), strict=True))
    return TfidfModel(places, size_bytes=sum(file.stat().st_size for file in files), **arrays)
