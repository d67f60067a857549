"""Whether a model file answers as the student: both are asked the same texts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdbuild.export.gates import MOST_TEXTS, Comparison, Logits, compare, probe_texts
from kdbuild.export.reference import Ids, ReferenceLogits
from kdbuild.runtime.golden import Engine
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import Student, student_logits


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
    texts = [np.array(vocabulary.encode_tokens(tokens, longest).ids, np.int32) for tokens in held_out.tokens]
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
