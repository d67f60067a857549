"""The texts that model files are compared on, and what the student says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kdbuild.export.gates import MOST_TEXTS, Comparison, Logits, compare, probe_texts
from kdbuild.export.golden import Engine
from kdbuild.runtime.metrics import Targets
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import Student, student_logits

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ReferenceLogits:
    """What the student says of the first :data:`MOST_TEXTS` held-out texts, and of random ones of many lengths."""

    ask: Callable[[Sequence[Ids]], Logits]
    """Asks the student: token ids of texts to logits ``[texts, labels]``."""
    thresholds: Sequence[float] | None
    """For several labels: the probability from which each is given."""
    texts: list[Ids]
    """The held-out texts."""
    targets: Targets
    """The truth of the held-out texts."""
    logits: Logits
    """The student's answers to the held-out texts, ``[texts, labels]``."""
    probes: list[Ids]
    """Random texts."""
    probe_logits: Logits
    """The student's answers to the random texts, ``[texts, labels]``."""
    tokens: int | None = None
    """Where a file reads fewer tokens than the student: how many."""
    cut: int = 0
    """How many of the held-out texts have more tokens than that."""

    def truncated(self, tokens: int) -> "ReferenceLogits":
        """The same of the first tokens of each held-out text, and of the random texts that aren't longer."""
        logits = self.logits.copy()
        longer = [row for row, text in enumerate(self.texts) if len(text) > tokens]
        logits[longer] = self.ask([self.texts[row][:tokens] for row in longer])
        short = [row for row, text in enumerate(self.probes) if len(text) <= tokens]
        return replace(
            self,
            texts=[text[:tokens] for text in self.texts],
            logits=logits,
            probes=[self.probes[row] for row in short],
            probe_logits=self.probe_logits[short],
            tokens=tokens,
            cut=len(longer),
        )

    def mapped(self, change: Callable[[Logits], Logits]) -> "ReferenceLogits":
        """The same texts with other logits, such as those that can be read from probabilities."""
        return replace(self, logits=change(self.logits), probe_logits=change(self.probe_logits))


def reference_logits(
    student: Student, vocabulary: Vocabulary, held_out: Split, thresholds: Sequence[float] | None
) -> ReferenceLogits:
    """Have the student answer.

    Args:
        student: the trained student.
        vocabulary: its vocabulary.
        held_out: texts that it wasn't trained on.
        thresholds: for several labels: the probability from which each is given.
    """

    def ask(texts: Sequence[Ids]) -> Logits:
        # One text a batch: batches of another size round differently, by more than the files differ.
        return student_logits(student, [text.tolist() for text in texts], batch_size=1)

    held_out = held_out.take(range(min(len(held_out), MOST_TEXTS)))
    longest = student.config.max_tokens
    texts = [vocabulary.encode_tokens(tokens, longest).ids for tokens in held_out.tokens]
    probes = probe_texts(len(vocabulary), longest)
    return ReferenceLogits(ask, thresholds, texts, held_out.targets, ask(texts), probes, ask(probes))


def compare_file(reference: ReferenceLogits, engine: Engine) -> Comparison:
    """Ask a model file the same texts.

    Args:
        reference: what its format says that it is to be compared with.
        engine: what runs the file.
    """
    answers = np.stack([engine(text) for text in reference.texts])
    probe_answers = np.stack([engine(text) for text in reference.probes])
    comparison = compare(reference.logits, answers, reference.targets, reference.thresholds)
    return replace(
        comparison,
        length_difference=float(np.abs(reference.probe_logits - probe_answers).max()),
        tokens=reference.tokens,
        cut=reference.cut,
    )
