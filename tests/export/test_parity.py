"""What the student says of the texts that files are measured on, and how a file is held to it."""

from collections.abc import Sequence

import numpy as np
import pytest

from kdbuild.export.gates import probe_texts
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
        logits: Logits = student_logits(student, [list(map(int, ids))], second=seconds)[0] + np.array(
            [shift, 0, 0], np.float32
        )
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


@pytest.fixture(scope="module")
def student_of_pairs() -> Student:
    return random_torch_student(max_tokens=64, pairs=True)


@pytest.fixture(scope="module")
def reference_of_pairs(student_of_pairs: Student) -> ReferenceLogits:
    texts = [" ".join(tokens) for tokens in TOKENS]
    held_out = Split(texts, TOKENS, np.array([0, 1, 2, 0, 1]), pair_texts=texts[::-1], pair_tokens=TOKENS[::-1])
    return reference_logits(student_of_pairs, WORDS, held_out, None)


def test_pairs_are_asked_with_both_texts(student_of_pairs: Student, reference_of_pairs: ReferenceLogits) -> None:
    found = reference_of_pairs
    assert [[ids.tolist() for ids in row] for row in found.texts] == [
        list(row) for row in zip(IDS, IDS[::-1], strict=True)
    ]
    lengths = [tuple(len(ids) for ids in row) for row in found.probes]
    assert lengths == [(1, 8), (2, 13), (3, 21), (5, 32), (8, 64), (13, 1), (21, 2), (32, 3), (64, 5)]
    for row, logits in zip(found.texts + found.probes, [*found.logits, *found.probe_logits], strict=True):
        one, other = (ids.tolist() for ids in row)
        assert logits.tolist() == student_logits(student_of_pairs, [one], second=[other])[0].tolist()
    exact = compare_file(found, asking(student_of_pairs))
    assert (exact.max_logit_difference, exact.length_difference) == (0.0, 0.0)


def test_swapped_texts_are_another_answer(student_of_pairs: Student, reference_of_pairs: ReferenceLogits) -> None:
    engine = asking(student_of_pairs)
    swapped = compare_file(reference_of_pairs, lambda ids, second: engine(second, ids))
    assert swapped.length_difference > 0.1


def test_random_pairs_differ_in_length_whatever_the_student_reads() -> None:
    for longest in (2, 3, 16, 40, 512):
        lengths = [tuple(map(len, row)) for row in probe_texts(40, longest, pairs=True)]
        assert all(one != other for one, other in lengths)
        assert sorted(one for one, _ in lengths) == sorted(other for _, other in lengths)
        alone = [(len(text),) for (text,) in probe_texts(40, longest)]
        assert alone == [(one,) for one, _ in lengths]


def test_both_texts_are_cut(reference_of_pairs: ReferenceLogits) -> None:
    cut = reference_of_pairs.truncated(3)
    assert [ids.tolist() for ids in cut.texts[0]] == [IDS[0][:3], IDS[4]]
    assert [ids.tolist() for ids in cut.texts[4]] == [IDS[4], IDS[0][:3]]
    assert cut.cut == 2
    assert {max(map(len, row)) for row in cut.probes} <= {1, 2, 3}
