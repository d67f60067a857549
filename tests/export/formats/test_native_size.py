"""The size of a native file, known before there are weights, is the file's."""

import pytest

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.formats.native.size import native_bytes
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.text.vocabulary import PIECES, SPECIAL, WORDS, Vocabulary
from students import PIECES as TOKENS
from students import random_torch_student

LABELS = ["no", "yes", "so"]
WORD = Vocabulary([*SPECIAL, *(f"wörd{number}" for number in range(1500))], WORDS)
PIECE = Vocabulary(TOKENS, PIECES)
SHAPES: dict[str, tuple[Vocabulary, dict[str, object]]] = {
    "words": (WORD, {}),
    "pieces": (PIECE, {"max_tokens": 7}),
    "odd widths": (PIECE, {"embedding_size": 17, "hidden_size": 33, "classifier_size": 5}),
    "of blocks": (PIECE, {"embedding_size": 32, "hidden_size": 48, "classifier_size": 64}),
    "factors": (PIECE, {"embedding_size": 24, "factor_size": 6}),
    "two channels": (PIECE, {"channels": 2}),
    "pairs": (PIECE, {"pairs": True, "hidden_size": 18}),
    "4 bits": (PIECE, {"embedding_size": 20, "vector_bits": 4}),
    "4 bits of two channels": (WORD, {"embedding_size": 9, "channels": 2, "vector_bits": 4}),
    "two layers": (PIECE, {"layers": 2, "hidden_size": 18}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_computed_size_is_that_of_the_file(name: str) -> None:
    vocabulary, shape = SHAPES[name]
    student = random_torch_student(vocab_size=len(vocabulary), **shape)
    found = student_shape(student, vocabulary.version)
    content = Content(student_model(student), found, vocabulary, LABELS, 1.0)
    assert native_bytes(found, vocabulary, LABELS) == len(Native().write(content, "int8"))


def test_size_counts_the_bytes_of_names() -> None:
    student = random_torch_student(vocab_size=len(PIECE))
    shape = student_shape(student, PIECE.version)
    longer = ["no", "yes", "so" + "o" * 640]
    assert native_bytes(shape, PIECE, longer) - native_bytes(shape, PIECE, LABELS) == 640
