"""Students of SST-2 and unlabelled review sentences, taught by logits that are at hand."""

import gzip
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.typos import one_each
from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.export.trained import Trained, package_versions, public_options
from kdbuild.files import file_digest
from kdbuild.runtime import Classifier
from kdbuild.runtime.data.readers import read_rows
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import UNK_ID, Vocabulary
from kdbuild.trainer.data.split import Data, Split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.student.bilstm import Student, load_student, student_logits
from kdbuild.trainer.student.distill import distill
from kdbuild.trainer.student.training_set import TrainingSet
from kdbuild.trainer.training.losses import UNKNOWN
from kdbuild.trainer.training.processes import ALONE
from kdbuild.version import __version__

HELD_OUT = 10_000
"""Unlabelled sentences that no student is trained on: agreement with the teacher is measured on them."""
LABELS = ["negative", "positive"]


class Reviews:
    """SST-2 with its dev set, and sentences with a teacher's logits.

    Args:
        sst2: folder of ``train.tsv`` and ``dev.tsv``.
        unlabelled: sentences, a line each, gzipped.
        logits: of the distinct lines of both, as tokens joined by spaces, ``[lines, 2]``.
    """

    def __init__(self, sst2: Path, unlabelled: Path, logits: Path):
        self.teacher = logits.stem
        self.digests = {path.name: file_digest(path) for path in (sst2 / "train.tsv", sst2 / "dev.tsv", unlabelled)}
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

    @cached_property
    def held_out(self) -> tuple[list[list[str]], npt.NDArray[np.float32]]:
        """The tokens and the teacher's logits of the sentences that no student is trained on."""
        places = self.order[:HELD_OUT]
        return [self.lines[place].split() for place in places], self.logits[places]

    def training_set(self, unlabelled: int | None) -> tuple[TrainingSet, Split]:
        """Return what a student learns, and the training rows.

        Args:
            unlabelled: sentences beside the training rows; None: all that aren't held out.
        """
        end = None if unlabelled is None else HELD_OUT + unlabelled
        chosen = np.concatenate([np.arange(self.rows), self.order[HELD_OUT:end]])
        texts = [RowText(self.lines[place]) for place in chosen]
        logits = self.logits[chosen]
        train = _split([text.first.split() for text in texts[: self.rows]], logits[: self.rows].argmax(axis=1))
        return TrainingSet(texts, np.full(len(texts), UNKNOWN), logits, range(0)), train


def _split(tokens: list[list[str]], targets: npt.NDArray[Any]) -> Split:
    return Split([" ".join(row) for row in tokens], tokens, targets)


@dataclass(frozen=True)
class Taught:
    """A student that was trained on reviews."""

    student: Student
    vocabulary: Vocabulary
    reviews: Reviews
    options: TrainOptions
    texts: int
    """That it was trained on."""
    folder: Path
    """Where files may be written until it is left."""

    def logits(self, texts: Sequence[Sequence[str]]) -> npt.NDArray[np.float32]:
        """Return logits ``[texts, 2]`` of texts' tokens, in fp32."""
        ids = [self.vocabulary.text_ids(tokens, self.student.config.max_tokens) for tokens in texts]
        return student_logits(self.student, ids)

    def right(self, texts: Sequence[Sequence[str]]) -> float:
        """Return the share of right answers where the texts are dev's, changed or not."""
        return float((self.logits(texts).argmax(axis=1) == self.reviews.dev.targets).mean())

    def quality(self) -> dict[str, Any]:
        """Measure it.

        Returns:
            Shares of dev's rows that are right, in fp32, with a typing error each, and in the native engine's int8 file;
            agreement with the teacher and mean squared error on held-out sentences; ids a word; bytes of the file.
        """
        tokens, theirs = self.reviews.held_out
        ours = self.logits(tokens)
        shape = student_shape(self.student)
        content = Content(student_model(self.student), shape, self.vocabulary, LABELS, 1.0)
        file = self.folder / "model_int8.kdb"
        file.write_bytes(Native().write(content, "int8"))
        answers = [answer.label for answer in Classifier.load(file)(list(self.reviews.dev.texts))]
        dev = [self.vocabulary.ids(row) for row in self.reviews.dev.tokens]
        return {
            "dev": self.right(self.reviews.dev.tokens),
            "dev, a typo a text": self.right(one_each(self.reviews.dev.tokens, 0)),
            "dev, int8": float(np.mean([LABELS.index(str(answer)) for answer in answers] == self.reviews.dev.targets)),
            "agreement": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
            "mse": float(((ours - theirs) ** 2).mean()),
            "ids a word": sum(len(self.vocabulary.ids(row)) for row in tokens) / sum(map(len, tokens)),
            "dev texts with an unknown id": float(np.mean([UNK_ID in ids for ids in dev])),
            "bytes": file.stat().st_size,
            "parameters": shape.parameters,
            "vocabulary": len(self.vocabulary),
        }

    def export(self, out: Path) -> None:
        """Export the student as an artefact folder, in the native format."""
        labels = replace(self.options.teacher, teacher=(self.reviews.teacher,))
        provenance = {
            "kdbuild": __version__,
            "data": self.reviews.digests,
            "versions": package_versions(),
            "options": public_options(replace(self.options, teacher=labels), ("label", "distill")),
            "transfer_sentences": self.texts,
        }
        trained = Trained(self.student, self.vocabulary, LABELS, self.reviews.dev, out.name, provenance)
        export_student(trained, out, formats=["native"], quantize=True, limits=Limits())


@contextmanager
def taught(
    options: TrainOptions, reviews: Reviews, unlabelled: int | None, seed: int, vectors: Path, work: Path
) -> Iterator[Taught]:
    """Train a student; its folder is removed at the end.

    Args:
        options: those of the student and its training count.
        reviews: the data.
        unlabelled: sentences beside the training rows; None: all that aren't held out.
        seed: of its weights, dropout and batches.
        vectors: folder of the teacher whose word vectors it starts from.
        work: folder for what is trained.
    """
    rows, train = reviews.training_set(unlabelled)
    folder = Path(tempfile.mkdtemp(dir=work))
    (folder / "student").mkdir()
    try:
        distill(
            Data(LABELS, train, reviews.dev),
            rows,
            options,
            seed=seed,
            teacher=str(vectors),
            extra_words=[],
            folder=folder / "student",
            run_folder=folder,
            processes=ALONE,
        )
        yield Taught(*load_student(folder / "student"), reviews, options, len(rows.texts), folder)
    finally:
        shutil.rmtree(folder)
