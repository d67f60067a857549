"""What the student says of the texts that files are measured on, and how a file is held to it."""

from collections.abc import Sequence

import numpy as np
import pytest

from kdbuild.export.parity import compare_file, reference_logits
from kdbuild.export.reference import Logits, ReferenceLogits
from kdbuild.runtime.golden import Engine
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import Student, student_logits
from students import random_torch_student

WORDS = Vocabulary(["<pad>", "<unk>", "<mask>", *(f"w{number}" for number in range(37))])
TOKENS = [["w1", "w2", "w3", "w4", "w5"], ["w6"], ["other"], [], ["w7", "w8", "w9"]]
IDS = [[4, 5, 6, 7, 8], [9], [1], [1], [10, 11, 12]]


@pytest.fixture(scope="module")
def student() -> Student:
    return random_torch_student(max_tokens=64)


@pytest.fixture(scope="module")
def reference(student: Student) -> ReferenceLogits:
    held_out = Split([" ".join(tokens) for tokens in TOKENS], TOKENS, np.array([0, 1, 2, 0, 1]))
    return reference_logits(student, WORDS, held_out, None)


def asking(student: Student, shift: float = 0.0) -> Engine:
    """An engine without any error, but for a shift of the first logit."""

    def engine(ids: Sequence[int], second: Sequence[int] | None = None) -> Logits:
        seconds = None if second is None else [list(map(int, second))]
        logits: Logits = student_logits(student, [list(map(int, ids))], second=seconds)[0] + np.array([shift, 0, 0], np.float32)
        return logits

    return engine


def test_the_student_answers_held_out_and_random_texts(student: Student, reference: ReferenceLogits) -> None:
    assert [ids.tolist() for (ids,) in reference.texts] == IDS
    assert [len(ids) for (ids,) in reference.probes] == [1, 2, 3, 5, 8, 13, 21, 32, 64]
    for (ids,), logits in zip(
        reference.texts + reference.probes, [*reference.logits, *reference.probe_logits], strict=True
    ):
        assert logits.tolist() == student_logits(student, [ids.tolist()])[0].tolist()


def test_texts_are_cut_at_what_the_student_reads() -> None:
    short = random_torch_student(max_tokens=3)
    found = reference_logits(short, WORDS, Split(["w1 w2 w3 w4"], [["w1", "w2", "w3", "w4"]], np.array([0])), None)
    assert [ids.tolist() for (ids,) in found.texts] == [[4, 5, 6]]
    assert [len(ids) for (ids,) in found.probes] == [1, 2, 3]


def test_a_cut_asks_the_student_again(student: Student, reference: ReferenceLogits) -> None:
    cut = reference.truncated(3)
    assert [ids.tolist() for (ids,) in cut.texts] == [[4, 5, 6], *IDS[1:]]
    assert cut.logits[0].tolist() == student_logits(student, [[4, 5, 6]])[0].tolist() != reference.logits[0].tolist()
    assert cut.logits[1:].tolist() == reference.logits[1:].tolist()
    assert [len(ids) for (ids,) in cut.probes] == [1, 2, 3]
    assert cut.probe_logits.tolist() == reference.probe_logits[:3].tolist()
    assert cut.targets is reference.targets
    whole = reference.truncated(64)
    assert whole.logits.tolist() == reference.logits.tolist()
    assert len(whole.probes) == 9


def test_files_are_compared_on_both_kinds_of_text(student: Student, reference: ReferenceLogits) -> None:
    exact = compare_file(reference, asking(student))
    assert (exact.max_logit_difference, exact.length_difference, exact.tokens, exact.cut) == (0.0, 0.0, None, 0)
    assert exact.metrics.n == 5
    shifted = compare_file(reference, asking(student, 0.25))
    assert shifted.max_logit_difference == pytest.approx(0.25, abs=1e-6)
    assert shifted.length_difference == pytest.approx(0.25, abs=1e-6)
