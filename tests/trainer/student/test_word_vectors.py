"""Reading word vectors: every format, which row a word takes, what is refused; random ones; the user's word list."""

import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from kdbuild.console import Advance
from kdbuild.errors import BadInputError
from kdbuild.trainer.student import word_vectors
from kdbuild.trainer.student.word_vectors import (
    check_word_vectors,
    coverage,
    fill_missing,
    read_word_list,
    read_word_vectors,
)

GLOVE = b"the 1 2\nfilm 0.5 -.25\n"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path, words: Sequence[str], size: int = 2) -> tuple[list[list[float]], list[bool]]:
    vectors, found = read_word_vectors(path, words, size)
    assert (vectors.dtype.name, found.dtype.name, vectors.shape) == ("float32", "bool", (len(words), size))
    return vectors.tolist(), found.tolist()


def refused(message: str) -> AbstractContextManager[pytest.ExceptionInfo[BadInputError]]:
    """Expect exactly this message."""
    return pytest.raises(BadInputError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        b"2 2\n" + GLOVE,
        b"2 2\nthe 1 2 \nfilm 0.5 -.25 \n",  # fastText ends its rows with a space
        b"2 2\r\nthe 1 2\r\nfilm 0.5 -2.5e-1\r\n",
        b"\xef\xbb\xbfthe 1 2\nfilm 0.5 -.25",
        b"the 1 2\n\nfilm 0.5 -.25\n\n",
    ],
    ids=["GloVe", "word2vec", "fastText", "CRLF", "byte order mark, no last line end", "blank lines"],
)
@pytest.mark.parametrize("name", ["words.vec", "words.txt.gz"])
def test_formats(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    assert read(path, ["film", "a", "the"]) == ([[0.5, -0.25], [0, 0], [1, 2]], [True, False, True])


def test_words_with_spaces_have_their_row_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path / "glove.txt", b"at home 1 2\n. . . 3 4\nhome 5 6\nat 3rd 7 8\nto  9 10\n")
    words = ["home", "at home", ". . .", "at 3rd", "at", "to"]
    assert read(path, words) == (
        [[5, 6], [1, 2], [3, 4], [7, 8], [0, 0], [9, 10]],
        [True, True, True, True, False, True],
    )


@pytest.mark.parametrize(
    ("content", "vector"),
    [
        (b"The 1 1\nthe 2 2\n", [2, 2]),
        (b"the 2 2\nThe 1 1\n", [2, 2]),
        (b"THE 3 3\nThe 1 1\n", [3, 3]),
        (b"the 2 2\nthe 4 4\n", [2, 2]),
    ],
    ids=["exact after another", "exact before another", "first of two other cases", "first of two"],
)
def test_which_row_a_word_takes(tmp_path: Path, content: bytes, vector: list[float]) -> None:
    assert read(write(tmp_path / "words.vec", content), ["the"]) == ([vector], [True])


def test_other_spellings_of_a_token_are_found(tmp_path: Path) -> None:
    # Capital sigma is lowered without regard to its place, e + combining acute is one letter, " is '' to the tokenizer.
    path = write(tmp_path / "words.vec", 'ΟΔΟΣ 1 1\nCafe\u0301 2 2\n" 3 3\nö’s 4 4\n'.encode())
    assert read(path, ["οδοσ", "café", "''", "ö's"]) == ([[1, 1], [2, 2], [3, 3], [4, 4]], [True] * 4)


def test_a_word_that_word2vec_cut_inside_a_character_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "words.vec", b"2 2\ncaf\xc3 1 1\nthe 2 2\n")
    assert read(path, ["the", "caf"]) == ([[2, 2], [0, 0]], [True, False])


def test_one_dimension_and_a_word_of_digits(tmp_path: Path) -> None:
    assert read(write(tmp_path / "glove.txt", b"1 0.5\n2 0.25\n"), ["1", "2"], size=1) == (
        [[0.5], [0.25]],
        [True, True],
    )


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str | float, float | str]] = []

    @contextmanager
    def listen(title: str, total: float, unit: str) -> Iterator[Advance]:
        told.append((f"{title}, {unit}", total))
        yield lambda done, remark: told.append((done, remark))

    monkeypatch.setattr(word_vectors, "progress", listen)
    monkeypatch.setattr(word_vectors, "_LINES_BETWEEN_REPORTS", 2)
    read(write(tmp_path / "words.vec", b"a 1 1\nb 2 2\nc 3 3\n"), ["c"])
    assert told == [("word vectors, bytes", 18), (12, "2 rows")]


def _error(path: Path, words: Sequence[str] = ("the", "film")) -> str:
    with pytest.raises(BadInputError) as error:
        read_word_vectors(path, words, 2)
    return str(error.value).replace(str(path), "FILE")


NOT_TEXT = (
    "binary data instead of words and numbers. "
    "Unpack archives first; of fastText and word2vec models use the text format."
)
REFUSED = {
    "empty": (b"", "FILE: the file is empty. A word and its numbers a line are needed."),
    "word2vec's binary format": (b"2 2\nthe \0\0\x80\x3f\0\0\0\x40", f"FILE, line 2: {NOT_TEXT}"),
    "an archive": (b"PK\x03\x04\n", f"FILE, line 1: {NOT_TEXT}"),
    "no line end in a megabyte": (b"a" * (1 << 20) + b" 1 2\n", f"FILE, line 1: {NOT_TEXT}"),
    "Latin-1": (
        b"the 1 2\n\xe9t\xe9 1 2\n",
        r"FILE, line 2: the word b'\xe9t\xe9' is not UTF-8. "
        "Convert the file first, for example: iconv -f LATIN1 -t UTF-8 words.vec",
    ),
    "words alone": (
        b"the\nfilm\n",
        "FILE, line 1: no numbers. A line is a word and its numbers, separated by one space each.",
    ),
    "running text": (
        b"the film is good\n",
        "FILE, line 1: 'is' is not a finite number. Correct the line, or download the file again.",
    ),
    "other size, no header": (
        b"the 1 2 3\nfilm 1 2 3\n",
        "FILE, line 1: its vectors have 3 dimensions, --embedding-size asks for 2. Use --embedding-size 3, or another file.",
    ),
    "other size, header": (
        b"2 50\nthe 1 2\n",
        "FILE, line 1: its vectors have 50 dimensions, --embedding-size asks for 2. "
        "Use --embedding-size 50, or another file.",
    ),
    "row too short": (
        b"the 1 2\nfilm 1\na 1 2\n",
        "FILE, line 2: 1 numbers instead of 2. Correct the line, or download the file again.",
    ),
    "row too long": (
        b"2 2\nthe 1 2\nfilm 1 2 3\n",
        "FILE, line 3: 3 numbers instead of 2. Correct the line, or download the file again.",
    ),
    "row too short, of a word that isn't needed": (
        b"the 1 2\nother 1\nfilm 1 2\n",
        "FILE, line 2: 1 numbers instead of 2. Correct the line, or download the file again.",
    ),
    "last line cut off": (
        b"2 2\nthe 1 2\nfilm 0.",
        "FILE, line 3: the last line is cut off after 1 of 2 numbers. Download the file again.",
    ),
    "cut off between lines": (
        b"3 2\nthe 1 2\nfilm 1 2\n",
        "FILE, line 1: announces 3 rows, 2 follow. Download the file again, or correct the line.",
    ),
    "header alone": (
        b"3 2\n",
        "FILE, line 1: announces 3 rows, 0 follow. Download the file again, or correct the line.",
    ),
    "no number": (
        b"2 2\nthe 1 2\nfilm 1 2,5\n",
        "FILE, line 3: '2,5' is not a finite number. Correct the line, or download the file again.",
    ),
    "NaN": (
        b"the 1 2\nfilm nan 2\n",
        "FILE, line 2: 'nan' is not a finite number. Correct the line, or download the file again.",
    ),
    "infinity": (
        b"the 1 2\nfilm 1 -inf\n",
        "FILE, line 2: '-inf' is not a finite number. Correct the line, or download the file again.",
    ),
    "over the largest 32-bit float": (
        b"the 1 2\nfilm 1 1e39\n",
        "FILE, line 2: '1e39' is not a finite number. Correct the line, or download the file again.",
    ),
    "two spaces between numbers": (
        b"the 1 2\nfilm 1  2\n",
        "FILE, line 2: 3 numbers instead of 2. Correct the line, or download the file again.",
    ),
    "none of the words": (
        b"der 1 2\n",
        "FILE: has none of the 2 words of the vocabulary. Use word vectors of the data's language.",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert _error(write(tmp_path / "words.vec", content)) == message


def test_the_first_row_alone_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "words.vec", b"9 2\nthe 1 2\nfilm 1\n")
    check_word_vectors(path, 2)
    with refused(
        f"{path}, line 1: its vectors have 2 dimensions, --embedding-size asks for 300. "
        "Use --embedding-size 2, or another file."
    ):
        check_word_vectors(path, 300)
    path.write_bytes(b"9 2\nthe 1 x\n")
    with refused(f"{path}, line 2: 'x' is not a finite number. Correct the line, or download the file again."):
        check_word_vectors(path, 2)


def test_missing_file(tmp_path: Path) -> None:
    assert _error(tmp_path / "words.vec") == "FILE: no such file. Check the path."


def test_folder(tmp_path: Path) -> None:
    assert _error(tmp_path) == "FILE: can't be read (Is a directory). Check the path and its permissions."


def test_damaged_gzip(tmp_path: Path) -> None:
    rows = b"".join(b"word%d %f %f\n" % (number, number / 7, number / 11) for number in range(30000))
    packed = gzip.compress(b"the 1 2\n" + rows)
    cut = write(tmp_path / "cut.gz", packed[: len(packed) // 2])
    message = _error(cut)
    assert re.fullmatch(
        r"FILE, after line \d{4,5}: damaged gzip data \(Compressed file ended before the end-of-stream marker was reached\)\. "
        r"Download the file again\.",
        message,
    )
    flipped = bytearray(packed)
    flipped[-8] ^= 1  # its checksum
    assert re.match(
        r"FILE, after line \d{5}: damaged gzip data \(CRC check failed",
        _error(write(tmp_path / "c.gz", bytes(flipped))),
    )
    assert _error(write(tmp_path / "text.gz", GLOVE)) == (
        "FILE, after line 0: damaged gzip data (Not a gzipped file (b'th')). Download the file again."
    )


def test_words_without_a_vector_get_random_ones_of_the_same_variance() -> None:
    rng = np.random.default_rng(1)
    vectors = np.zeros((4000, 50), np.float32)
    found = np.arange(4000) % 4 == 0
    vectors[found] = rng.normal(0.5, 0.3, (1000, 50))
    before = vectors.copy()
    filled = fill_missing(vectors, found, seed=7)
    assert np.array_equal(vectors, before)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[found], vectors[found])
    drawn, deviation = filled[~found], vectors[found].std()
    assert drawn.std() == pytest.approx(deviation, rel=0.005)
    assert drawn.mean() == pytest.approx(0, abs=0.002)
    assert np.abs(drawn).max() == pytest.approx(deviation * 3**0.5, rel=0.001)  # the end of a uniform distribution
    assert np.array_equal(fill_missing(vectors, found, seed=7), filled)
    assert not np.array_equal(fill_missing(vectors, found, seed=8)[~found], drawn)


def test_random_vectors_are_these() -> None:
    vectors = np.array([[1, -1], [0, 0], [0, 0]], np.float32)
    filled = fill_missing(vectors, np.array([True, False, False]), seed=0)
    bound = 3**0.5  # the variance of 1 and -1 is 1
    expected = np.random.default_rng([0, 3]).uniform(-bound, bound, 4)
    assert filled.ravel().tolist() == pytest.approx([1, -1, *expected.tolist()])


def test_coverage() -> None:
    assert coverage(np.array([True, False, True, False]), np.array([6, 1, 3, 0])) == (0.5, 0.9)


def test_word_list(tmp_path: Path) -> None:
    path = write(tmp_path / "words.txt", "\ufeffStreaming\r\n\n  Café \nstreaming\nrock-n-roll\n...\n".encode())
    assert read_word_list(path) == ["streaming", "café", "rock-n-roll", "..."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word. Write one a line."),
        (b"\n \n", "holds no word. Write one a line."),
        (b"\xe9t\xe9\n", "byte 0 is not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 words.txt"),
    ],
)
def test_refused_word_lists(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "words.txt", content)
    with refused(f"{path}: {message}"):
        read_word_list(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("New York", "'New York' is 2 tokens (new, york). Write each on a line of its own, or drop the line."),
        ("don't", "\"don't\" is 2 tokens (do, n't). Write each on a line of its own, or drop the line."),
        ("<mask>", "'<mask>' is 3 tokens (<, mask, >). Write each on a line of its own, or drop the line."),
        ("\u200b", r"'\u200b' is no token. Drop the line."),
    ],
)
def test_lines_that_are_not_one_token(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "words.txt", f"good\n\n{line}\n".encode())
    with refused(f"{path}, line 3: {message}"):
        read_word_list(path)


def test_missing_word_list(tmp_path: Path) -> None:
    with refused(f"{tmp_path / 'words.txt'}: no such file. Check the path."):
        read_word_list(tmp_path / "words.txt")
