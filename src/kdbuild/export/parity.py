"""The texts that model files are measured on, with the student's answers to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kdbuild.export.gates import MOST_TEXTS, Comparison, Logits, compare, random_texts
from kdbuild.export.golden import Engine
from kdbuild.runtime.engines.mediapipe import MediaPipeEngine
from kdbuild.runtime.metrics import Targets
from kdbuild.runtime.text.tokenizer import UNK_ID, Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import Student, student_logits

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Answered:
    """What the student says of the first :data:`MOST_TEXTS` held-out texts, and of random ones of many lengths."""

    student: Student
    thresholds: Sequence[float] | None
    """For several labels: the probability from which each is given."""
    texts: list[Ids]
    """Of held-out texts."""
    targets: Targets
    """The truth of the held-out texts."""
    logits: Logits
    """Of the held-out texts, ``[texts, labels]``."""
    drawn: list[Ids]
    """Random texts."""
    drawn_logits: Logits

    def cut(self, tokens: int) -> "Answered":
        """The same of the first tokens of each held-out text, and of the random texts that aren't longer."""
        logits = self.logits.copy()
        longer = [row for row, text in enumerate(self.texts) if len(text) > tokens]
        logits[longer] = _logits(self.student, [self.texts[row][:tokens] for row in longer])
        short = [row for row, text in enumerate(self.drawn) if len(text) <= tokens]
        return replace(
            self,
            texts=[text[:tokens] for text in self.texts],
            logits=logits,
            drawn=[self.drawn[row] for row in short],
            drawn_logits=self.drawn_logits[short],
        )


def ask_student(
    student: Student, vocabulary: Vocabulary, held_out: Split, thresholds: Sequence[float] | None
) -> Answered:
    """Have the student answer.

    Args:
        student: the trained student.
        vocabulary: its vocabulary.
        held_out: texts that it wasn't trained on.
        thresholds: for several labels: the probability from which each is given.
    """
    held_out = held_out.take(range(min(len(held_out), MOST_TEXTS)))
    longest = student.config.max_tokens
    texts = [np.array(vocabulary.ids(tokens[:longest]) or [UNK_ID], dtype=np.int32) for tokens in held_out.tokens]
    drawn = random_texts(len(vocabulary), longest)
    logits, drawn_logits = _logits(student, texts), _logits(student, drawn)
    return Answered(student, thresholds, texts, held_out.targets, logits, drawn, drawn_logits)


def compare_file(answered: Answered, engine: Engine) -> Comparison:
    """Ask a model file the same texts; MediaPipe's only as much of them as it reads."""
    if not isinstance(engine, MediaPipeEngine):
        return _compare(answered, engine)
    cut = answered.cut(engine.tokens)
    expected = replace(cut, logits=engine.expected(cut.logits), drawn_logits=engine.expected(cut.drawn_logits))
    longer = sum(len(text) > engine.tokens for text in answered.texts)
    return replace(_compare(expected, engine), tokens=engine.tokens, cut=longer)


def _compare(answered: Answered, engine: Engine) -> Comparison:
    answers = np.stack([engine(text) for text in answered.texts])
    drawn_answers = np.stack([engine(text) for text in answered.drawn])
    comparison = compare(answered.logits, answers, answered.targets, answered.thresholds)
    return replace(comparison, length_difference=float(np.abs(answered.drawn_logits - drawn_answers).max()))


def _logits(student: Student, texts: Sequence[Ids]) -> Logits:
    """The student's logits, ``[texts, labels]``."""
    # One text a batch: batches of another size round differently, by more than the files differ.
    return student_logits(student, [text.tolist() for text in texts], batch_size=1)
