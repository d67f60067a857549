"""Static word vectors of the same teacher, their mean, and logistic regression: what model2vec (MinishLab) makes of a teacher.

The vectors are those that the student starts from: each word through the teacher, PCA, frequency weights.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.text.vocabulary import UNK_ID, Encoding, Vocabulary

WEIGHTS, VOCABULARY = "weights.npz", "vocab.txt"
_SIZE, _C = 256, 10.0
"""Dimensions, and inverse strength of the regularisation: 80.1 % held out; 79.5 to 80.6 % for 128 to 384 and 1 to 100."""
_MAX_TOKENS = 512

Array = npt.NDArray[np.float32]


def feature(vectors: Array, ids: npt.NDArray[np.int32]) -> Array:
    """The mean vector of the words that are known, of length 1; zeros where none is."""
    known = ids[ids > UNK_ID]
    if not len(known):
        return np.zeros(vectors.shape[1], np.float32)
    mean = vectors[known].mean(axis=0)
    return np.asarray(mean / max(float(np.sqrt(mean @ mean)), 1e-9))


@dataclass(frozen=True)
class StaticModel:
    """Called on one text: our tokens, the mean of their vectors, index of the class."""

    vocabulary: Vocabulary
    vectors: Array
    """``[tokens, dimensions]``."""
    coefficients: Array
    """``[1, dimensions]`` for two classes, else ``[classes, dimensions]``."""
    intercept: Array
    """``[1]`` or ``[classes]``."""
    size_bytes: int
    """Of the files."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self.vectors.size + self.coefficients.size + self.intercept.size)

    def __call__(self, text: str) -> int:
        """The class of one text."""
        return self.run(self.encode(text))

    def encode(self, text: str) -> Encoding:
        """The tokens of one text."""
        return self.vocabulary.encode(text, _MAX_TOKENS)

    def run(self, encoded: Encoding) -> int:
        """The class of a text whose tokens are known."""
        scores = self.coefficients @ feature(self.vectors, np.asarray(encoded.ids)) + self.intercept
        return int(scores[0] > 0) if len(scores) == 1 else int(scores.argmax())

    def tokens(self, encoded: Encoding) -> int:
        """Number of tokens."""
        return encoded.token_count


def train(data: str, labels: list[str], teacher: str, out: Path) -> None:
    """Train it on a data folder.

    Args:
        data: folder with a train file.
        labels: the classes in order.
        teacher: local folder or name, as ``from_pretrained`` takes it.
        out: folder that gets :data:`WEIGHTS`, the vectors in half precision, and :data:`VOCABULARY`.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # it has no types

    from benchmarks.candidates.baselines.rows import read_data
    from kdbuild.trainer.student.embeddings import from_teacher
    from kdbuild.trainer.student.vocabulary import token_counts

    rows = read_data(data, labels).train
    vocabulary = Vocabulary.build(rows.tokens)
    exact = from_teacher(teacher, vocabulary, token_counts(vocabulary, rows.tokens), _SIZE, False, 0)
    stored = exact.astype(np.float16)
    vectors = stored.astype(np.float32)
    features = np.stack([feature(vectors, np.array(vocabulary.ids(tokens), np.int32)) for tokens in rows.tokens])
    model = LogisticRegression(C=_C, max_iter=2000).fit(features, rows.targets)
    coefficients, intercept = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    np.savez(out / WEIGHTS, vectors=stored, coefficients=coefficients, intercept=intercept)
    (out / VOCABULARY).write_bytes(vocabulary.to_bytes())


def prepare(*, folder: str, data: str, labels: list[str], teacher: str, threads: int) -> None:
    """Train it, unless the folder is there."""
    from benchmarks.candidates.once import make_once

    make_once(Path(folder), lambda out: train(data, labels, teacher, out))


def open_static(*, folder: str, data: str, labels: list[str], teacher: str, threads: int) -> StaticModel:
    """A contender of the benchmark: what :func:`prepare` left in the folder; one thread is enough for it."""
    files = [Path(folder) / name for name in (WEIGHTS, VOCABULARY)]
    with np.load(files[0]) as stored:
        arrays = {name: value.astype(np.float32) for name, value in stored.items()}
    return StaticModel(Vocabulary.load(files[1]), size_bytes=sum(file.stat().st_size for file in files), **arrays)
