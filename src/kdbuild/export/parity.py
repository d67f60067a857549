"""Whether a model file answers as the student: both are asked the same texts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kdbuild.export.gates import MOST_TEXTS, Comparison, compare, probe_texts
from kdbuild.export.reference import Logits, ReferenceLogits, Row
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
    pairs = student.config.pairs

    def ask(rows: Sequence[Row]) -> Logits:
        first, second = ([row[place].tolist() for row in rows] for place in (0, -1))
        # One row a batch: batches of another size round differently, by more than the files differ.
        return student_logits(student, first, batch_size=1, second=second if pairs else None)

    held_out = held_out.take(range(min(len(held_out), MOST_TEXTS)))
    longest = student.config.max_tokens
    columns = [held_out.tokens] if held_out.pair_tokens is None else [held_out.tokens, held_out.pair_tokens]
    texts = [
        tuple(np.array(vocabulary.encode_tokens(tokens, longest).ids, np.int32) for tokens in row)
        for row in zip(*columns, strict=True)
    ]
    probes = probe_texts(len(vocabulary), longest, pairs=pairs)
    return ReferenceLogits(ask, thresholds, texts, held_out.targets, ask(texts), probes, ask(probes))


def compare_file(reference: ReferenceLogits, engine: Engine) -> Comparison:
    """Ask a model file the same texts.

    Args:
        reference: what its format says that it is to be compared with.
        engine: what runs the file.
    """
    answers = np.stack([engine(*row) for row in reference.texts])
    probe_answers = np.stack([engine(*row) for row in reference.probes])
    comparison = compare(reference.logits, answers, reference.targets, reference.thresholds)
    return replace(
        comparison,
        length_difference=float(np.abs(reference.probe_logits - probe_answers).max()),
        tokens=reference.tokens,
        cut=reference.cut,
    )
