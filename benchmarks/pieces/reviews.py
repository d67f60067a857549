"""Students of SST-2 and unlabelled review sentences, taught by logits that are at hand."""

import gzip
import shutil
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.pieces.setups import Setup
from benchmarks.pieces.typos import in_share, one_each
from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.data.readers import read_rows
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.split import Data, Split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions, TrainingOptions, TrainOptions
from kdbuild.trainer.student.bilstm import load_student, student_logits
from kdbuild.trainer.student.distill import distill
from kdbuild.trainer.student.training_set import TrainingSet
from kdbuild.trainer.training.losses import UNKNOWN
from kdbuild.trainer.training.processes import ALONE

HELD_OUT = 10_000
"""Unlabelled sentences that no student is trained on: agreement with the teacher is measured on them."""


class Reviews:
    """SST-2 with its dev set, and sentences with a teacher's logits.

    Args:
        sst2: folder of ``train.tsv`` and ``dev.tsv``.
        unlabelled: sentences, a line each, gzipped.
        logits: of the distinct lines of both, as tokens joined by spaces, ``[lines, 2]``.
    """

    def __init__(self, sst2: Path, unlabelled: Path, logits: Path):
        with gzip.open(unlabelled, "rt", encoding="utf-8") as stream:
            sentences = [line.rstrip("\n") for line in stream]
        rows, dev = (read_rows(sst2 / f"{name}.tsv") for name in ("train", "dev"))
        lines = dict.fromkeys(filter(None, (" ".join(tokenize(text)) for text in rows.texts)))
        self.rows = len(lines)
        lines.update(dict.fromkeys(filter(None, (" ".join(tokenize(text)) for text in sentences))))
        self.lines = list(lines)
        self.logits = np.load(logits, allow_pickle=False).astype(np.float32)
        if len(self.logits) != len(self.lines):
            raise ValueError(f"{logits}: {len(self.logits)} rows for {len(self.lines)} lines")
        self.dev = _split([tokenize(text) for text in dev.texts], np.array([int(label) for label in dev.labels or ()]))

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The unlabelled lines in random order; the first are held out."""
        return self.rows + np.random.default_rng(1).permutation(len(self.lines) - self.rows)

    def training_set(self, unlabelled: int) -> tuple[TrainingSet, Split]:
        """Return what a student learns, and the training rows."""
        chosen = np.concatenate([np.arange(self.rows), self.order[HELD_OUT : HELD_OUT + unlabelled]])
        texts = [RowText(self.lines[place]) for place in chosen]
        logits = self.logits[chosen]
        train = _split([text.first.split() for text in texts[: self.rows]], logits[: self.rows].argmax(axis=1))
        return TrainingSet(texts, np.full(len(texts), UNKNOWN), logits, range(0)), train


def _split(tokens: list[list[str]], targets: npt.NDArray[Any]) -> Split:
    return Split([" ".join(row) for row in tokens], tokens, targets)


def measure(setup: Setup, seed: int, reviews: Reviews, teacher: Path, work: Path) -> dict[str, Any]:
    """Train a student and measure it.

    Args:
        setup: what to train.
        seed: of its weights, dropout and batches.
        reviews: the data.
        teacher: whose word vectors it starts from.
        work: folder for what is trained; removed again.

    Returns:
        Shares of dev's rows that are right, as they are and with typing errors; agreement with the teacher and mean squared
        error on held-out sentences; ids a word; bytes of the int8 native file.
    """
    rows, train = reviews.training_set(setup.unlabelled)
    options = TrainOptions(
        student=StudentOptions(
            tokenizer=setup.tokenizer,
            max_vocab=setup.max_vocab,
            piece_dropout=setup.piece_dropout,
            embedding_size=setup.embedding_size,
            hidden_size=setup.hidden_size,
            classifier_size=setup.classifier_size,
            pooling=setup.pooling,
        ),
        training=TrainingOptions(epochs=setup.epochs, evaluate_every=100_000, checkpoint_every=100_000),
    )
    folder = Path(tempfile.mkdtemp(dir=work))
    (folder / "student").mkdir()
    try:
        distill(
            Data(["negative", "positive"], train, reviews.dev),
            rows,
            options,
            seed=seed,
            teacher=str(teacher),
            extra_words=[],
            folder=folder / "student",
            run_folder=folder,
            processes=ALONE,
        )
        student, vocabulary = load_student(folder / "student")
    finally:
        shutil.rmtree(folder)

    def logits(texts: Sequence[Sequence[str]]) -> npt.NDArray[np.float32]:
        return student_logits(student, [vocabulary.text_ids(tokens, student.config.max_tokens) for tokens in texts])

    def right(texts: Sequence[Sequence[str]]) -> float:
        return float((logits(texts).argmax(axis=1) == reviews.dev.targets).mean())

    held = reviews.order[:HELD_OUT]
    tokens = [reviews.lines[place].split() for place in held]
    theirs, ours = reviews.logits[held], logits(tokens)
    content = Content(student_model(student), student_shape(student), vocabulary, ["negative", "positive"], 1.0)
    dev = reviews.dev.tokens
    return {
        "dev": right(dev),
        "dev, a typo a text": right(one_each(dev, 0)),
        "dev, typos in 10 % of the words": right(in_share(dev, 0.1, 0)),
        "agreement": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
        "mse": float(((ours - theirs) ** 2).mean()),
        "ids a word": sum(len(vocabulary.ids(row)) for row in tokens) / sum(map(len, tokens)),
        "dev texts with an unknown id": float(np.mean([1 in vocabulary.ids(row) for row in dev])),
        "bytes": len(Native().write(content, "int8")),
        "vocabulary": len(vocabulary),
    }
