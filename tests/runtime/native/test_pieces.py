"""Words are cut into pieces in C as in Python, for any bytes and length, in constant memory and linear time."""

import random
import time
from collections.abc import Iterable

import pytest

from fuzzed_texts import damaged
from kdbuild.errors import BadInputError
from kdbuild.runtime.native.binding import NativeModel, aligned
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.normalize import normalize
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_pieces import UTF8, UTF16, VOCABULARIES, NativeReader, drawn_vocabulary, encoded, expected, texts_of
from native_students import Shape, native_file, random_student
from texts import CASES

LENGTHS = (64, 64, 1, 2, 7)
"""How many ids are read of a text."""


def check(reader: NativeReader, vocabulary: Vocabulary, text: str, max_tokens: int) -> None:
    for data, encoding in encoded(text):
        assert reader.read(data, encoding) == expected(vocabulary, data, encoding, max_tokens), (ascii(text), encoding)


def check_fuzzed(draw: random.Random, vocabulary: Vocabulary, count: int) -> None:
    for max_tokens in LENGTHS:
        reader = NativeReader(vocabulary, max_tokens)
        for text in texts_of(draw, vocabulary, count // len(LENGTHS)):
            check(reader, vocabulary, text, max_tokens)


@pytest.mark.parametrize(
    ("name", "text", "words", "pieces", "entries"),
    [
        ("overlapping", "unaffable", ["unaffable"], [2], "unaff ##able"),
        ("overlapping", "aaaaaaaaaaaaa zq", ["aaaaaaaaaaaaa", "zq"], [3, 1], "aaaaaaaa ##aaaa ##a <unk>"),
        ("single characters in one form", "ab ba zz漢 漢漢字", ["ab", "ba", "zz", "漢", "漢", "漢", "字"],
         [2, 2, 1, 1, 1, 1, 1], "a ##b ##b a <unk> 漢 漢 漢 ##字"),
        ("scripts without spaces", "漢字漢字 カタカナー", ["漢字", "漢字", "カタカナー"], [1, 1, 1], "漢字 漢字 カタカナー"),
        ("mixed scripts", "abกa 漢 a", ["abก", "a", "漢", "a"], [1, 1, 1, 1], "abก a <unk> a"),
        ("no entry", "a b-c 漢字", ["a", "b-c", "漢字"], [1, 1, 1], "<unk> <unk> <unk>"),
        ("no entry", " \u200b", [], [], "<unk>"),
    ],
)  # fmt: skip
def test_rules(name: str, text: str, words: list[str], pieces: list[int], entries: str) -> None:
    vocabulary = VOCABULARIES[name]
    found = NativeReader(vocabulary).read(text.encode())
    assert [vocabulary.tokens[number] for number in found.ids] == entries.split()
    assert (found.tokens, found.pieces, found.truncated) == (words, pieces, False)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_fuzzed_texts(name: str) -> None:
    check_fuzzed(random.Random(name), VOCABULARIES[name], 500)


def test_fuzzed_vocabularies() -> None:
    draw = random.Random(0)
    for _ in range(10):
        check_fuzzed(draw, drawn_vocabulary(draw), 200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_million_fuzzed_texts(seed: int) -> None:
    draw = random.Random(seed)
    for vocabulary in VOCABULARIES.values():
        check_fuzzed(draw, vocabulary, 5_000)
    for _ in range(130):
        check_fuzzed(draw, drawn_vocabulary(draw), 500)


def check_code_points(points: Iterable[int]) -> None:
    """Every code point alone, beside others of its kind, within a word, and where it is an entry in one form."""
    text = "".join(f"{chr(point)} {chr(point)}{chr(point)} a{chr(point)}b{chr(point)} " for point in points)
    characters = [chr(point) for point in points if point % 3 == 0 and normalize(chr(point)) == chr(point) != " "]
    forms = [("" if ord(character) % 2 else "##") + character for character in characters]
    vocabulary = Vocabulary(list(dict.fromkeys([*SPECIAL, "a", "##b", *forms])), PIECES)
    reader = NativeReader(vocabulary, 100_000)
    for data, encoding in encoded(text):
        got, want = reader.read(data, encoding), expected(vocabulary, data, encoding, 100_000)
        assert got == want, next(pair for pair in zip(got.tokens, want.tokens, strict=False) if pair[0] != pair[1])


@pytest.mark.parametrize(
    "first", [0x0, 0xE00, 0x1000, 0x1700, 0x1900, 0x3000, 0xF900, 0x1B000, 0x1F000, 0x20000, 0x3FF80]
)
def test_code_points(first: int) -> None:
    """Where scripts without spaces are, and a few others."""
    check_code_points(range(first, first + 0x200))


@pytest.mark.slow
@pytest.mark.parametrize("plane", range(17))
def test_every_code_point(plane: int) -> None:
    for first in range(plane << 16, (plane + 1) << 16, 0x1000):
        check_code_points(range(first, first + 0x1000))


@pytest.mark.parametrize("name", VOCABULARIES)
def test_bytes_that_are_not_utf8(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    reader = NativeReader(vocabulary)
    for data in damaged(random.Random(name), 500):
        for text, encoding in ((data, UTF8), (data[: len(data) & ~1], UTF16)):
            assert reader.read(text, encoding) == expected(vocabulary, text, encoding), text


@pytest.mark.parametrize("rule", CASES)
def test_texts_of_every_rule(rule: str) -> None:
    for vocabulary in VOCABULARIES.values():
        reader = NativeReader(vocabulary)
        for text, _ in CASES[rule]:
            check(reader, vocabulary, text, 64)


REPEATED = ["x", "y", "é", "漢", "ก", "漢字", "a.", "*", "xé", "ab", "z", "カタz", "aกa", "😀", "x漢", "漢 "]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_length_around_the_window(name: str) -> None:
    """What is cut goes through a window of twice the longest entry, 80 bytes and more with the long ones."""
    vocabulary = VOCABULARIES[name]
    reader = NativeReader(vocabulary, 200)
    for part in REPEATED:
        for count in range(1, 110):
            text = part * count
            assert reader.read(text.encode()) == vocabulary.encode(text, 200), (part, count)
            behind = f"{text}zz b {text}"
            assert reader.read(behind.encode()) == vocabulary.encode(behind, 200), (part, count)


def test_at_most_so_many_ids() -> None:
    """A text is truncated where there is a further piece, not where an unknown one is long."""
    vocabulary = VOCABULARIES["short"]
    reader = NativeReader(vocabulary, 3)
    a, b = 3, 4
    for text, ids, words, pieces, truncated in [
        ("abb", [a, b, b], ["abb"], [3], False),
        ("abbb", [a, b, b], ["abb"], [3], True),
        ("abb a", [a, b, b], ["abb"], [3], True),
        ("ab" + "z" * 500, [a, b, 1], ["ab" + "z" * 500], [3], False),
        ("ab" + "z" * 500 + "b", [a, b, 1], ["ab" + "z" * 500], [3], True),
        ("abb" + "漢" * 500, [a, b, b], ["abb"], [3], True),
    ]:
        found = reader.read(text.encode())
        assert (found.ids.tolist(), found.tokens, found.pieces, found.truncated) == (ids, words, pieces, truncated)


def test_scratch_depends_on_the_model_alone() -> None:
    """Room for 64 ids, the sizes of their words and the ids of one word, and three times the longest entry."""
    assert NativeReader(VOCABULARIES["no entry"]).scratch < 4_000
    reader = NativeReader(VOCABULARIES["long"])
    assert reader.scratch < 4_000
    reader.read(b"x" * 1_000_000)


MEGABYTE = 1 << 20
LONG = {
    "one word of known characters": "ab" * (MEGABYTE // 2),
    "one word of unknown characters": "z" * MEGABYTE,
    "one word of both": "abz" * (MEGABYTE // 3),
    "one word of long entries that almost match": ("x" * 39 + "z") * (MEGABYTE // 40),
    "unknown characters of a script without spaces": "山" * (MEGABYTE // 3),
    "known characters of a script without spaces": "漢" * (MEGABYTE // 3),
    "characters of a script without spaces, apart": "漢 " * (MEGABYTE // 4),
    "one word of a script without spaces": "ก" * (MEGABYTE // 3),
    "asterisks": "*" * MEGABYTE,
    "initials": "a." * (MEGABYTE // 2),
    "marks": "a" + "\u0316\u0301" * (MEGABYTE // 4),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_megabyte_takes_linear_time(text: str) -> None:
    data = text.encode()
    for name in ("long", "short"):
        reader = NativeReader(VOCABULARIES[name], 1_000_000)
        start = time.thread_time()
        reader.read(data)
        # Three times through the text, and of 40 bytes each is looked up at every byte at worst: 0.3 us a byte and time.
        assert time.thread_time() - start < 10e-6 * len(data)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts(text: str) -> None:
    part = text[: 1 << 15]
    for name in ("long", "short"):
        for max_tokens in (3, 1 << 15):
            reader = NativeReader(VOCABULARIES[name], max_tokens)
            assert reader.read(part.encode()) == VOCABULARIES[name].encode(part, max_tokens)


def file_of(vocabulary: Vocabulary) -> bytes:
    shape = Shape(3, 2, 3)
    return native_file(random_student(shape, len(vocabulary)), shape, vocabulary)


def test_the_file_has_the_tokenizer_of_its_vocabulary() -> None:
    for version in (1, 2):
        file = file_of(Vocabulary([*SPECIAL, "a", "##bcdefgh"], version))
        assert int.from_bytes(file[16:20], "little") == version
        assert int.from_bytes(file[56:60], "little") == len("##bcdefgh")
        assert NativeModel(aligned(file), "model").tokenizer_version == version


def test_marks_mean_nothing_in_version_1() -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "##b", "漢字", "漢"])
    reader = NativeReader(vocabulary)
    found = reader.read("ab a 漢字 zz".encode())
    assert (found.ids.tolist(), found.tokens, found.pieces) == ([1, 3, 6, 1, 1], ["ab", "a", "漢", "字", "zz"], [1] * 5)


@pytest.mark.parametrize("piece", ["##", "##B", "##\u00a0", "##e\u0301", "##漢字"], ids=ascii)
def test_pieces_that_no_text_has_are_refused(piece: str) -> None:
    with pytest.raises(BadInputError, match=r"^vocabulary holds '##.*Rebuild the vocabulary\.$"):
        file_of(Vocabulary([*SPECIAL, "a", piece], PIECES))
