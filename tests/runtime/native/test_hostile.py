"""Damaged files are refused, whatever was damaged, and no text takes the whole call more than linear time."""

import hashlib
import random
import re
import struct
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzzing import model_files
from kdbuild.errors import BadInputError
from kdbuild.runtime.native.binding import NativeModel, aligned
from native_students import Shape, native_file, numbered, random_student

HEADER, TRAILER, DIGEST, SECTIONS = 512, 128, 448, 120
WHERE = Path("model_int8.kdb")
REFUSED = re.compile(
    r"model_int8\.kdb: (isn't a model of kdbuild|needs a newer version of kdbuild's library|has another size than its header "
    r"says|has a damaged header: its digest is wrong|is damaged: a size or a value is impossible, or a digest is wrong)\. "
    r"Export the model again\."
)


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """A file with one thing wrong."""
    content = bytearray(whole)
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.choice([1, 2, 4, 64, 1000]))
    match chance.randrange(8):
        case 0:
            content[start] ^= 1 << chance.randrange(8)
        case 1:
            content[start:end] = chance.randbytes(end - start)
        case 2:
            content[start:end] = bytes(end - start)
        case 3:
            del content[start:]
        case 4:
            content += chance.randbytes(chance.choice([1, 63, 64, 5000]))
        case 5:
            del content[start:end]
        case 6:  # two sections change places in the table
            one, other = (SECTIONS + 16 * number for number in chance.sample(range(9), 2))
            content[one : one + 16], content[other : other + 16] = content[other : other + 16], content[one : one + 16]
        case 7:  # or in the file
            half = (HEADER + len(content)) // 2 // 64 * 64
            size = min(half - HEADER, len(content) - TRAILER - half)
            content[HEADER : HEADER + size], content[half : half + size] = (
                content[half : half + size],
                content[HEADER : HEADER + size],
            )
    return bytes(content)


def repaired(content: bytes) -> bytes:
    """The same with digests, and a size, that are right."""
    file = bytearray(content)
    file[:8] = b"\x89KDB\r\n\x1a\n"
    file[88:96] = len(file).to_bytes(8, "little")
    file[DIGEST : DIGEST + 32] = hashlib.sha256(file[HEADER : len(file) - TRAILER]).digest()
    file[96:104] = file[DIGEST : DIGEST + 8]
    file[DIGEST + 32 : HEADER] = hashlib.sha256(file[: DIGEST + 32]).digest()
    return bytes(file)


def damaged_files(count: int) -> Iterator[bytes]:
    chance = random.Random(15)
    wholes = list(model_files().values())
    while count > 0:
        whole = chance.choice(wholes)
        content = damaged(whole, chance)
        if content != whole:
            count -= 1
            yield content


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_files_are_refused(count: int) -> None:
    for content in damaged_files(count):
        with pytest.raises(BadInputError) as caught:
            NativeModel(aligned(content), WHERE, verify=True)
        assert REFUSED.fullmatch(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_repaired_files_are_answered_or_refused(count: int, verify: bool) -> None:
    """The fuzzers do this under sanitizers; here, that what is answered can be read in Python."""
    answered = 0
    for content in damaged_files(count):
        if len(content) < HEADER + TRAILER:
            continue
        try:
            model = NativeModel(aligned(repaired(content)), WHERE, verify=verify)
        except BadInputError as refusal:
            assert REFUSED.fullmatch(str(refusal)), str(refusal)
            continue
        answered += 1
        answer = model.answer("w3 w5, w7!", "w4" if model.texts == 2 else "")
        assert len(answer.probabilities) == len(model.labels()) == model.classes
        assert len(model.vocabulary()) == model.vocabulary_size
        assert len(model.golden()) <= 1
    assert 0 < answered < count


def test_whole_files_are_whole() -> None:
    """Against the tests above passing because nothing is accepted."""
    for content in model_files().values():
        assert repaired(content) == content
        golden = NativeModel(aligned(content), WHERE, verify=True).golden()
        assert [entry.texts for entry in golden] in ([("w5 what?",)], [("w5 what?", "w3, w4 and w5")])


def test_half_a_golden_pair_is_refused() -> None:
    content = bytearray(model_files()["pairs"])
    golden, sizes = 64, SECTIONS + 16 * 7
    offset, _ = struct.unpack_from("<2Q", content, sizes)
    text, ids = struct.unpack_from("<2I", content, offset)
    classes = struct.unpack_from("<I", content, 48)[0]
    assert struct.unpack_from("<I", content, golden) == (2,)
    struct.pack_into("<I", content, golden, 1)
    struct.pack_into("<2Q", content, sizes, offset, 8 + 4 * ids + 4 * classes + (text + 3) // 4 * 4)
    with pytest.raises(BadInputError, match="is damaged: a size or a value is impossible"):
        NativeModel(aligned(repaired(bytes(content))), WHERE)


COMBINING = {unicodedata.combining(mark): mark for mark in map(chr, range(0x300, 0x3100))}
MARKS = "".join(COMBINING[number] for number in sorted(COMBINING, reverse=True) if number)
"""A mark of each combining class, in the order that takes most sorting."""
HOSTILE = {
    "one word": "a",
    "marks": "\u0301\u0323",
    "a starter and marks": "a\u0315\u0300\u05ae\u0301\u0323",
    "contractions": "n't'd've",
    "initials": "a.",
    "apostrophes": "'",
    "dropped": "\u200b\ufeff",
    "hangul": "\u1100\u1161\u11a8",
    "spaces": " \u2003",
    "full stops": ".",
    "joiners": "a-b/c&d'",
    "decomposed": "\u1f82",
    "brackets": "-lrb-",
    "surrogates": "\udc00",
    "marks of every class": MARKS,
    "a starter and marks of every class": "a" + MARKS,
}
"""What is repeated to a text of a megabyte."""


@pytest.mark.parametrize("kind", ["labels", "pieces"])
@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear(name: str, kind: str) -> None:
    """All of the text is read: more tokens than the model reads never come, or are cut where they do."""
    model = NativeModel(aligned(model_files()[kind]), WHERE)

    def seconds(size: int) -> float:
        text = HOSTILE[name] * (size // len(HOSTILE[name].encode("utf-8", "surrogatepass")))
        best = float("inf")
        for _ in range(3):
            start = time.thread_time()
            model.answer(text)
            best = min(best, time.thread_time() - start)
        return best

    short, long = seconds(1 << 17), seconds(1 << 20)
    assert long < 3 * 8 * short + 0.01, (short, long)
    assert long < 5


def test_many_tokens_take_linear_time() -> None:
    shape, vocabulary = Shape(4, 4, 4), numbered(12)
    content = native_file(random_student(shape, len(vocabulary)), shape, vocabulary, max_tokens=1_000_000)
    model = NativeModel(aligned(content), WHERE)
    times = []
    for count in (25_000, 200_000):
        start = time.thread_time()
        assert model.answer("w5 " * count).tokens == count
        times.append(time.thread_time() - start)
    assert times[1] < 3 * 8 * times[0] + 0.01, times
