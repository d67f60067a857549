"""The students of a search: what each would weigh, its training, and what it is worth once it is trained."""

import math
import shutil
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.formats.native.size import native_bytes
from kdbuild.export.model import StudentShape
from kdbuild.export.student_model import config_shape, student_model, student_shape
from kdbuild.measure.latency import measure_latency
from kdbuild.runtime.metrics import Metrics
from kdbuild.runtime.native.binding import NativeModel, aligned
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.search.material import Material, agreement
from kdbuild.search.space import SPACE
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.runner import Run
from kdbuild.trainer.run.stages import student_seed
from kdbuild.trainer.student.bilstm import Student, load_student, student_logits
from kdbuild.trainer.student.distill import distill, student_config
from kdbuild.trainer.student.embeddings import Array, initial_embedding
from kdbuild.trainer.student.training_set import TrainingSet
from kdbuild.trainer.student.vocabulary import Encoder, build_vocabulary, token_counts
from kdbuild.trainer.student.word_vectors import read_word_list
from kdbuild.trainer.training.processes import ALONE

_OVERHEAD = 100_000
"""Products of a token that would take as long as what a step costs whatever the student's shape."""
_TIMED_TEXTS, _ROUNDS = 40, 5


@dataclass(frozen=True)
class Measured:
    """What a trained student is worth."""

    agreement: float
    """The share of held-out texts that it answers as the teacher does, 0 to 1."""
    latency_ms: float | None
    """Median time of a dev text in the native engine on this machine; None for pairs of texts."""
    seconds: float
    """Its training took."""
    dev: Metrics


class Students:
    """Weighs and trains students of one run; word vectors and vocabularies are made once each.

    Args:
        run: whose teacher, data and options they share.
        material: what they learn from and are judged on.
    """

    def __init__(self, run: Run, material: Material):
        self._run, self._material = run, material
        self._teacher = run.teacher_folder
        self._vocabularies: dict[int, Vocabulary] = {}
        self._vectors: dict[int, Array] = {}

    def unsupported(self, options: TrainOptions) -> str | None:
        """Say why the native file can't hold a student; None if it can."""
        return Native().unsupported(self._shape(options))

    def size(self, options: TrainOptions) -> int:
        """Compute the bytes of a student's native file, ``model_int8.kdb``."""
        return native_bytes(self._shape(options), self.vocabulary(options), self._run.data.labels)

    def work(self, options: TrainOptions, texts: int) -> float:
        """Estimate the work of a training in products, which its time follows.

        Args:
            options: the student's.
            texts: how many it is trained on.
        """
        student, hidden = options.student, options.student.hidden_size
        inputs = [student.embedding_size, *[2 * hidden] * (student.layers - 1)]
        products = sum(8 * hidden * (size + hidden) for size in inputs)
        steps = max(1, math.ceil(options.training.epochs * texts / options.training.batch_size))
        return float(steps * (products + _OVERHEAD))

    def vocabulary(self, options: TrainOptions) -> Vocabulary:
        """Build a student's vocabulary, the very one that a run with these options has."""
        size = options.student.max_vocab
        if size not in self._vocabularies:
            everything = self._material.everything
            self._vocabularies[size] = build_vocabulary(
                everything.texts, everything.unperturbed(), self._train_tokens, self._extra_words, options.student
            )
        return self._vocabularies[size]

    def train(self, options: TrainOptions, rows: TrainingSet, folder: Path) -> Measured:
        """Train a student and measure it.

        Args:
            options: its own.
            rows: what it is trained on.
            folder: gets the student; a training that was interrupted there goes on.

        Raises:
            BadInputError: the training diverges, or the options can't be used.
        """
        begun, vocabulary = time.monotonic(), self.vocabulary(options)
        folder.mkdir(parents=True, exist_ok=True)
        if options.student.embeddings == "teacher" and not (folder / "initial.npy").exists():
            unfinished = folder / "initial.new.npy"
            np.save(unfinished, self._initial(options, vocabulary), allow_pickle=False)
            unfinished.rename(folder / "initial.npy")
        distilled = distill(
            self._run.data,
            rows,
            options,
            seed=student_seed(options),
            teacher=self._teacher,
            extra_words=self._extra_words,
            folder=folder,
            run_folder=folder,
            processes=ALONE,
            vocabulary=vocabulary,
        )
        assert distilled is not None  # there is one process
        seconds = time.monotonic() - begun
        student, vocabulary = load_student(folder)
        return Measured(
            self._agreement(student, vocabulary), self._latency(student, vocabulary), seconds, distilled.dev
        )

    @cached_property
    def _train_tokens(self) -> list[list[str]]:
        train = self._run.data.train
        return [*train.tokens, *(train.pair_tokens or [])]

    @cached_property
    def _extra_words(self) -> list[str]:
        named = self._run.options.student.extra_words
        return list(read_word_list(Path(named))) if named else []

    def _shape(self, options: TrainOptions) -> StudentShape:
        vocabulary = self.vocabulary(options)
        config = student_config(options.student, self._run.data, len(vocabulary))
        return config_shape(config, parameters=0, tokenizer=vocabulary.version)  # no size follows from their number

    def _initial(self, options: TrainOptions, vocabulary: Vocabulary) -> Array:
        """Return word vectors from the teacher, ``[tokens, embedding_size]``.

        The widest ones are made once a vocabulary, which takes the teacher's time: they are principal components, of which
        narrower vectors are the first, scaled to the same deviation.
        """
        key, size = options.student.max_vocab, options.student.embedding_size
        if key not in self._vectors:
            widest = next(max(dimension.values) for dimension in SPACE if dimension.name == "embedding_size")
            wide = replace(options.student, embedding_size=widest)
            counts = token_counts(vocabulary, self._train_tokens)
            self._vectors[key] = initial_embedding(
                vocabulary, counts, wide, student_seed(options), self._teacher, options.training.dtype,
                options.machine.device,
            )  # fmt: skip
        whole = self._vectors[key]
        ordinary = slice(len(SPECIAL), None)
        narrow = whole[:, :size]
        return np.asarray(narrow * (whole[ordinary].std() / narrow[ordinary].std()), dtype=np.float32)

    def _agreement(self, student: Student, vocabulary: Vocabulary) -> float:
        material, encode = self._material, Encoder(vocabulary, student.config.max_tokens)
        first = list(encode(text.first.split() for text in material.held_out))
        second = None
        if self._run.data.pairs:
            second = list(encode((text.second or "").split() for text in material.held_out))
        logits = student_logits(student, first, second=second)
        return agreement(logits, material.answers, multi_label=self._run.data.multi_label)

    def _latency(self, student: Student, vocabulary: Vocabulary) -> float | None:
        """Measure the median time of a dev text in the native engine, in milliseconds."""
        if self._run.data.pairs:
            return None
        labels, shape = self._run.data.labels, student_shape(student, vocabulary.version)
        thresholds = [0.0] * len(labels) if shape.multi_label else None
        content = Content(student_model(student), shape, vocabulary, labels, 1.0, threshold_logits=thresholds)
        model = NativeModel(aligned(Native().write(content, "int8")), Path("model_int8.kdb"))
        texts = self._run.data.dev.texts[:_TIMED_TEXTS]
        return measure_latency({"student": model.answer}, texts, rounds=_ROUNDS)["student"].median_ms


def discard(folder: Path) -> None:
    """Remove a student that only its figures are kept of."""
    shutil.rmtree(folder, ignore_errors=True)
