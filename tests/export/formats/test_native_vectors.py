"""What the native file holds of word vectors and of the vocabulary."""

import hashlib

import numpy as np
import pytest
import torch

from kdbuild.errors import BadInputError
from kdbuild.export.formats.native import layout
from kdbuild.runtime.native.binding import NativeModel, aligned
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.student.rounding import rounded_to_4_bits
from native_former import as_format_1
from native_students import Shape, native_file, numbered, random_student

TINY = Shape(2, 1, 1)


def test_two_vectors_of_4_bits_byte_by_byte() -> None:
    table = np.array([[7, -7, 1, 0, 2, 3, -1, -2, 5], [0.5, 0, 0, -3.5, 0, 0, 0, 0, 1]], np.float32)
    packed, scales = layout.vectors(table, 4)
    # Columns 0 to 3 are the low halves of four bytes, 4 to 7 the high ones; then the ninth, and zeros.
    assert packed.hex() == "2739f1e0" + "05000000" + "01000009" + "02000000"
    assert scales.hex() == "803f" + "003f"  # 1 and 0.5, the upper halves of floats


def test_vectors_rounded_in_training_are_stored_exactly() -> None:
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randn(2000, 33, generator=generator) * torch.rand(2000, 1, generator=generator) * 5
    drawn[7] = 0
    table = rounded_to_4_bits(drawn).numpy()
    integers, scales = layout.quantized_to_4_bits(table)
    np.testing.assert_array_equal(integers * scales[:, None], table)
    assert (integers.min(), integers.max(), integers[7].any()) == (-7, 7, False)
    assert np.abs(table - drawn.numpy()).max() <= np.abs(drawn.numpy()).max() / 7 / 2 * 1.01


def test_vectors_that_were_not_rounded_are_rounded_the_same_way() -> None:
    drawn = torch.randn(500, 12, generator=torch.Generator().manual_seed(4))
    integers, scales = layout.quantized_to_4_bits(drawn.numpy())
    np.testing.assert_array_equal(integers * scales[:, None], rounded_to_4_bits(drawn).numpy())


@pytest.mark.parametrize("size", [3, 4, 10, 11, 12, 900, 65_536, 65_537, 70_001])
def test_every_token_is_found(size: int) -> None:
    """Around the sizes at which a group of names, a bucket or the width of a number ends."""
    vocabulary = numbered(size)
    model = NativeModel(
        aligned(native_file(random_student(TINY, size), TINY, vocabulary)), "model_int8.kdb", verify=True
    )
    assert model.vocabulary() == list(vocabulary.tokens)
    places = sorted({3, 4, size // 2, size - 2, size - 1} | set(range(3, size, 997))) if size > 4 else range(3, size)
    for place in places:
        assert list(model.ids(vocabulary.tokens[place])[0]) == [place]
    assert list(model.ids(f"w{size}")[0]) == [1]


def test_files_of_format_1_answer_as_those_of_format_2() -> None:
    shape, vocabulary = Shape(9, 7, 5), numbered(700)
    file = native_file(random_student(shape, 700), shape, vocabulary, golden=[("w1 w2",)])
    former = as_format_1(file)
    assert len(former) - len(file) > 700 * 4
    one, two = (NativeModel(aligned(content), "model_int8.kdb", verify=True) for content in (former, file))
    assert one.vocabulary() == two.vocabulary()
    assert [entry.texts for entry in one.golden()] == [("w1 w2",)]
    for text in ("w1 w2 w650 and w3", "", "w699 w700 " * 40):
        assert one.answer(text) == two.answer(text)


def test_flags_of_format_2_are_refused_in_format_1() -> None:
    file = bytearray(native_file(random_student(TINY, 12), TINY, numbered(12)))
    file[8] = 1
    file[480:512] = hashlib.sha256(file[:480]).digest()
    with pytest.raises(BadInputError, match="is damaged: a size or a value is impossible"):
        NativeModel(aligned(bytes(file)), "model_int8.kdb")


def test_a_token_with_a_null_character_is_refused() -> None:
    vocabulary = Vocabulary([*SPECIAL, "fine", "bad\0"])
    with pytest.raises(BadInputError, match=r"^vocabulary: token 4 \('bad\\x00'\) holds a null character"):
        native_file(random_student(TINY, 5), TINY, vocabulary)
