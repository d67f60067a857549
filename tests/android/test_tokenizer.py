"""The tokenizer in Java against the one in Python: the same words, pieces and ids, of both versions."""

import ast
import random
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from android_java import Java
from android_vocabularies import HARD
from kdbuild.runtime.text.encoding import PIECES as PIECES_VERSION
from kdbuild.runtime.text.encoding import UNK_ID, Encoding
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from texts import CASES, FORMS, MARKS, PIECES, SENTENCES, mutated, random_text, sst2_sentences

pytestmark = pytest.mark.android

DEMO = Path(__file__).resolve().parents[2] / "android_demo"
WORDS = Vocabulary.load(DEMO / "models" / "sst2" / "vocab.txt")


class Twin:
    """Java's tokenizer, asked about Python's encodings."""

    def __init__(self, java: Java, folder: Path) -> None:
        self._java = java
        self._path = folder / "vocab.txt"

    def compare(self, vocabulary: Vocabulary, texts: Iterable[str], most: Callable[[int], int] = lambda _: 512) -> str:
        """What Java says of Python's answers to texts, each cut to ``most`` ids by its number."""
        limits = ((as_java_has_it(text), most(number)) for number, text in enumerate(texts))
        return self.judge(vocabulary, ((text, limit, vocabulary.encode(text, limit)) for text, limit in limits))

    def judge(self, vocabulary: Vocabulary, answers: Iterable[tuple[str, int, Encoding]]) -> str:
        """What it says of texts that are cut to so many ids, with their encodings."""
        self._path.write_bytes(vocabulary.to_bytes())
        given = b"".join([*(record(*answer) for answer in answers), struct.pack(">i", -1)])
        return self._java("dev.kdbuild.core.TokenizerTwin", self._path, str(vocabulary.version), given=given)


@pytest.fixture
def twin(java: Java, tmp_path: Path) -> Twin:
    return Twin(java, tmp_path)


def as_java_has_it(text: str) -> str:
    """The text as UTF-16: two halves of a pair that stand side by side are one character there."""
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


def record(text: str, most: int, encoding: Encoding) -> bytes:
    """A text with its encoding, as ``TokenizerTwin`` reads it."""
    units = text.encode("utf-16-be", "surrogatepass")
    words = " ".join(encoding.tokens).encode("utf-16-be")
    parts = [struct.pack(">i", len(units) // 2), units, struct.pack(">ii", most, len(words) // 2), words]
    for numbers in (encoding.pieces, encoding.ids):
        parts += [struct.pack(">i", len(numbers)), np.asarray(numbers, ">i4").tobytes()]
    return b"".join([*parts, struct.pack(">i", encoding.truncated)])


def fuzz_texts(seed: int, count: int) -> Iterator[str]:
    """Random code points of all planes, marks in disorder, what rules look at, and real sentences, changed a little."""
    draw = random.Random(seed)
    sentences = sst2_sentences() or SENTENCES
    for number in range(count):
        match number % 5:
            case 0:
                yield random_text(draw)
            case 1:
                yield mutated(draw, draw.choice(SENTENCES))
            case 2:
                marks = draw.choice((FORMS, MARKS, "aeE\u1100\u1161\u11a8\u0301\u0323\u0345 '."))
                yield "".join(draw.choice(marks) for _ in range(draw.randint(1, 12)))
            case _:
                yield mutated(draw, draw.choice(sentences))


def lengths(seed: int) -> Callable[[int], int]:
    """Limits drawn at random, most of which cut texts."""
    draw = random.Random(seed)
    return lambda _: draw.choice((1, 2, 5, 512))


def test_java_gives_the_tokens_of_the_rules(twin: Twin) -> None:
    texts = [text for rule in CASES.values() for text, _ in rule]
    assert len(texts) > 70
    assert twin.compare(WORDS, texts) == f"{len(texts)} texts, 0 differ\n"


def test_java_gives_pythons_tokens_to_20_000_texts(twin: Twin) -> None:
    assert twin.compare(WORDS, fuzz_texts(1, 20_000), lengths(2)) == "20000 texts, 0 differ\n"


@pytest.mark.parametrize("name", HARD)
def test_java_gives_pythons_pieces(name: str, twin: Twin) -> None:
    vocabulary = HARD[name].vocabulary
    texts = [*HARD[name].texts(3, 8_000), *fuzz_texts(4, 2_000)]
    assert twin.compare(vocabulary, texts, lengths(5)) == "10000 texts, 0 differ\n"


def test_the_hard_vocabularies_cut_words_and_leave_some_unknown() -> None:
    for name, (vocabulary, _) in HARD.items():
        encodings = [vocabulary.encode(text, 512) for text in HARD[name].texts(3, 2_000)]
        assert sum(encoding.ids.count(UNK_ID) for encoding in encodings) > 100, name
        if name == "unspaced":  # each piece is a word
            words = [word for encoding in encodings for word in encoding.tokens]
            assert sum(len(word) > 1 and word in vocabulary for word in words) > 100
        elif name != "none":
            assert sum(count > 1 for encoding in encodings for count in encoding.pieces) > 100, name


def test_a_wrong_piece_is_found(twin: Twin) -> None:
    vocabulary = Vocabulary([*SPECIAL, "film", "##s"], PIECES_VERSION)
    right = Encoding(array("i", [3, 4, 1]), ["films", "x"], [2, 1], False)
    assert twin.judge(vocabulary, [("Films x", 8, right)]) == "1 texts, 0 differ\n"
    wrong = [
        right._replace(ids=array("i", [3, 3, 1])),
        right._replace(tokens=["film", "sx"]),
        right._replace(pieces=[1, 2]),
        right._replace(truncated=True),
    ]
    said = twin.judge(vocabulary, [("Films x", 8, encoding) for encoding in wrong]).splitlines()
    assert said[-1] == "4 texts, 4 differ"
    assert said[0] == "text 1 Films x: films x [2, 1] [3, 4, 1] instead of films x [2, 1] [3, 3, 1]; cut false"


def code_points(first: int, last: int) -> list[str]:
    """Every code point alone and within words, sixteen a text."""
    chunks = [f"{c} a{c}b.{c}'{c}s" for c in map(chr, range(first, last + 1))]
    return [" ".join(chunks[start : start + 16]) for start in range(0, len(chunks), 16)]


def characters_of(first: int, last: int) -> Vocabulary:
    """Code points in turn as a word, as a continuation, as both, and not at all."""
    marks = (("",), ("##",), ("", "##"), ())
    points = [point for point in range(first, last + 1) if chr(point) not in " \n" and not 0xD800 <= point < 0xE000]
    return Vocabulary(
        [*SPECIAL, *(f"{mark}{chr(point)}" for point in points for mark in marks[point % 4])], PIECES_VERSION
    )


# Where scripts, marks, punctuation and symbols lie.
BLOCKS = [(0, 0x33FF), (0xA640, 0xABFF), (0xD7A0, 0x119FF), (0x1D000, 0x1FFFF)]


@pytest.mark.parametrize(("first", "last"), BLOCKS)
def test_java_gives_pythons_tokens_to_code_points(first: int, last: int, twin: Twin) -> None:
    texts = code_points(first, last)
    assert twin.compare(WORDS, texts) == f"{len(texts)} texts, 0 differ\n"
    assert twin.compare(characters_of(first, last), texts) == f"{len(texts)} texts, 0 differ\n"


@pytest.mark.slow
def test_java_gives_pythons_tokens_to_every_code_point(twin: Twin) -> None:
    for plane in range(17):
        texts = code_points(plane << 16, (plane << 16) + 0xFFFF)
        assert twin.compare(WORDS, texts) == "4096 texts, 0 differ\n"
        vocabulary = characters_of(plane << 16, (plane << 16) + 0xFFFF)
        assert twin.compare(vocabulary, texts) == "4096 texts, 0 differ\n"


def some_cut(number: int) -> int:
    """A limit that cuts every seventh text."""
    return 4 if number % 7 == 0 else 512


@pytest.mark.slow
def test_java_gives_pythons_tokens_to_a_million_texts(twin: Twin) -> None:
    for part in range(20):
        said = twin.compare(WORDS, fuzz_texts(1000 + part, 50_000), some_cut)
        assert said == "50000 texts, 0 differ\n", part


@pytest.mark.slow
@pytest.mark.parametrize("name", HARD)
def test_java_gives_pythons_pieces_to_a_million_texts(name: str, twin: Twin) -> None:
    """A seventh of them for each vocabulary."""
    for part in range(3):
        texts = [*HARD[name].texts(part, 40_000), *fuzz_texts(2000 + part, 8_000)]
        assert twin.compare(HARD[name].vocabulary, texts, some_cut) == "48000 texts, 0 differ\n", part


def test_java_takes_linear_time(twin: Twin) -> None:
    # Quadratic time would be minutes.
    endless = [
        "\u0301\u0323" * 200_000,
        "a" * 400_000,
        "a-" * 200_000,
        ".'" * 200_000,
        "n't" * 130_000,
        "e\u0301" * 200_000,
    ]
    assert twin.compare(WORDS, endless) == "6 texts, 0 differ\n"


def test_java_cuts_endless_words_in_linear_time(twin: Twin) -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "##aa", "##b", "漢字", "字漢字", "ก"], PIECES_VERSION)
    n = 250_000
    encodings = {
        "a" + "aa" * 2 * n: Encoding(array("i", [3, *[4] * 2 * n]), ["a" + "aa" * 2 * n], [2 * n + 1], False),
        "a" + "b" * 4 * n: Encoding(array("i", [3, *[5] * 4 * n]), ["a" + "b" * 4 * n], [4 * n + 1], False),
        "x" * 4 * n: Encoding(array("i", [UNK_ID]), ["x" * 4 * n], [1], False),
        "ax" * 2 * n: Encoding(array("i", [3, UNK_ID] * 2 * n), ["ax" * 2 * n], [4 * n], False),
        "漢字" * 2 * n: Encoding(array("i", [6] * 2 * n), ["漢字"] * 2 * n, [1] * 2 * n, False),
        "漢 字 " * 2 * n: Encoding(array("i", [6] * 2 * n), ["漢字"] * 2 * n, [1] * 2 * n, False),
        "語" * 4 * n: Encoding(array("i", [UNK_ID]), ["語" * 4 * n], [1], False),
        "aก" * 2 * n: Encoding(array("i", [3, 8] * 2 * n), ["a", "ก"] * 2 * n, [1] * 4 * n, False),
    }
    answers = [(text, 4 * n + 1, encoding) for text, encoding in encodings.items()]
    assert twin.judge(vocabulary, answers) == "8 texts, 0 differ\n"


def test_java_cuts_no_further_than_it_reads(twin: Twin) -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "##b"], PIECES_VERSION)
    answers = [
        ("a" + "b" * count, 3, Encoding(array("i", [3, 4, 4]), ["abb"], [3], count > 2)) for count in (2, 3, 10**6)
    ]
    assert twin.judge(vocabulary, answers) == "3 texts, 0 differ\n"


def test_java_knows_pythons_typography() -> None:
    """The characters that become ASCII stand in the code of both: every one of Python's is in the texts compared."""
    tree = ast.parse((DEMO.parent / "src/kdbuild/runtime/text/normalize.py").read_text(encoding="utf-8"))
    (mapping,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_ASCII"
    )
    characters = ast.literal_eval(mapping)
    assert len(characters) == 20
    assert all(ord(character) <= 0x33FF for character in characters)
    assert set(PIECES) & set(characters)
