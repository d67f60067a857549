"""Word vectors from text files: fastText's ``.vec`` and word2vec's text format (both with a header), and GloVe's (without).

A row is a word and its numbers, separated by one space; GloVe's words may contain spaces themselves. Files ending in
``.gz`` are unpacked on the way.

Also here: what is done about words without a vector, and the user's own list of words.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Generator, Sequence
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from kdbuild.console import progress
from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import read_text
from kdbuild.runtime.text.normalize import normalize
from kdbuild.runtime.text.tokenizer import tokenize

Array = npt.NDArray[np.float32]

_HEADER = re.compile(rb"(\d{1,18}) ([1-9]\d{0,8})")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")
_LARGEST = float(np.finfo(np.float32).max)
_LONGEST_LINE = 1 << 20
"""Bytes that are read of each of the first two lines, so that a binary file isn't searched whole for a line end."""
_LINES_BETWEEN_REPORTS = 1 << 14
_MISSING, _NORMALISED, _EXACT = 0, 1, 2


def read_word_vectors(path: Path, words: Sequence[str], size: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Read the vectors of some words, line by line; other words' numbers are counted, not read.

    A word takes the first row that bears it as it stands, else the first whose word becomes it by the tokenizer's
    normalisation: ``the`` may come from ``The``, and ``''`` from a double quote.

    A generated file of 200,000 rows of 300 numbers (452 MB, in the page cache) takes 0.9 s when one of its words is
    wanted and 1.9 s when 13,500 are: 220,000 lines a second, and 0.08 ms for each row taken (median of five runs on one
    core of an AMD EPYC).

    Args:
        path: the file.
        words: distinct tokens.
        size: dimensions wanted.

    Returns:
        Vectors ``[words, size]``, zero where there is none, and which words have one, ``[words]``.

    Raises:
        BadInputError: the file can't be read, its vectors are of another size, a row is malformed, or it has none of the
            words; the message names the line.
    """
    rows = {word: row for row, word in enumerate(words)}
    vectors = np.zeros((len(words), size), dtype=np.float32)
    fits = bytearray(len(words))  # how well the row fits that each word has taken so far
    for number, word, values in _rows(path, size):
        row, fit = rows.get(word), _EXACT
        if row is None:
            row, fit = rows.get(normalize(word)), _NORMALISED
        if row is not None and fits[row] < fit:
            vectors[row] = _vector(path, number, values)
            fits[row] = fit
    if not any(fits):
        raise BadInputError(
            f"{path}: has none of the {len(words)} words of the vocabulary. Use word vectors of the data's language."
        )
    return vectors, np.frombuffer(fits, dtype=np.uint8) != _MISSING


def check_word_vectors(path: Path, size: int) -> None:
    """Read the first row alone, so that a wrong file or size is found before hours of training.

    Raises:
        BadInputError: the file can't be read, or its first row isn't a word and this many numbers.
    """
    rows = _rows(path, size)
    for number, _, values in rows:
        _vector(path, number, values)
        break
    rows.close()


def _rows(path: Path, size: int) -> Generator[tuple[int, str, bytes], None, None]:
    """Line number, word and numbers of each row, the numbers as they stand there but as many as they should be."""
    number = count = 0
    announced: int | None = None
    try:
        with path.open("rb") as file, progress("word vectors", path.stat().st_size, "bytes") as advance:
            stream: BinaryIO = BufferedReader(gzip.GzipFile(fileobj=file)) if path.suffix.lower() == ".gz" else file
            for number, line in enumerate(chain(_head(path, stream), stream), start=1):
                row = line.rstrip(b" \r\n")
                if number == 1:
                    header = _HEADER.fullmatch(row)
                    _check_size(path, int(header[2]) if header else _dimensions(path, row, size), size)
                    if header:
                        announced = int(header[1])
                        continue
                separators = row.count(b" ")
                if separators == size:
                    word, _, values = row.partition(b" ")
                elif row:
                    word, values = _divide(path, number, row, size, whole=line.endswith(b"\n"))
                else:
                    continue
                count += 1
                try:
                    yield number, word.decode(), values
                except UnicodeDecodeError as error:
                    # word2vec cuts long words at a byte, inside a character; such a word is no token of ours.
                    if error.reason != "unexpected end of data":
                        raise BadInputError(
                            f"{path}, line {number}: the word {word!r} is not UTF-8. "
                            f"Convert the file first, for example: iconv -f LATIN1 -t UTF-8 {path.name}"
                        ) from None
                if number % _LINES_BETWEEN_REPORTS == 0:
                    advance(file.tell(), f"{count:,} rows")
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. Check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInputError(
            f"{path}, after line {number}: damaged gzip data ({error}). Download the file again."
        ) from error
    except OSError as error:
        raise BadInputError(f"{path}: can't be read ({error.strerror}). Check the path and its permissions.") from error
    if announced is not None and announced != count:
        raise BadInputError(
            f"{path}, line 1: announces {announced} rows, {count} follow. Download the file again, or correct the line."
        )


def _head(path: Path, stream: BinaryIO) -> list[bytes]:
    """Return the first two lines, after a look at whether this is text."""
    lines = [stream.readline(_LONGEST_LINE) for _ in range(2)]
    for number, line in enumerate(lines, start=1):
        if len(line) == _LONGEST_LINE or _BINARY.search(line):
            raise BadInputError(
                f"{path}, line {number}: binary data instead of words and numbers. "
                "Unpack archives first; of fastText and word2vec models use the text format."
            )
    if not lines[0]:
        raise BadInputError(f"{path}: the file is empty. A word and its numbers a line are needed.")
    return [lines[0].removeprefix(codecs.BOM_UTF8), *filter(None, lines[1:])]


def _dimensions(path: Path, row: bytes, size: int) -> int:
    """Count the numbers of the first row of a file without a header."""
    _, *values = row.split(b" ")
    if not values:
        raise BadInputError(
            f"{path}, line 1: no numbers. A line is a word and its numbers, separated by one space each."
        )
    if len(values) > size and not _NUMBER.fullmatch(values[-size - 1]):
        values = values[-size:]  # the word has spaces
    return len(_vector(path, 1, b" ".join(values)))


def _check_size(path: Path, dimensions: int, size: int) -> None:
    if dimensions != size:
        raise BadInputError(
            f"{path}, line 1: its vectors have {dimensions} dimensions, --embedding-size asks for {size}. "
            f"Use --embedding-size {dimensions}, or another file."
        )


def _divide(path: Path, number: int, row: bytes, size: int, *, whole: bool) -> tuple[bytes, bytes]:
    """Word and numbers of a row that has another number of spaces than of dimensions."""
    found = row.count(b" ")
    if found < size and not whole:
        raise BadInputError(
            f"{path}, line {number}: the last line is cut off after {found} of {size} numbers. Download the file again."
        )
    word = row.rsplit(b" ", size)[0]
    if found < size or _NUMBER.fullmatch(word.rpartition(b" ")[2]):
        raise BadInputError(
            f"{path}, line {number}: {found} numbers instead of {size}. Correct the line, or download the file again."
        )
    return word.rstrip(b" "), row[len(word) + 1 :]


def _vector(path: Path, number: int, values: bytes) -> Array:
    """Return the numbers of a row."""
    fields = values.split(b" ")
    try:
        vector = np.array(list(map(float, fields)))
    except ValueError:
        vector = np.array([np.nan])
    if np.all(np.abs(vector) <= _LARGEST):  # NaN is not
        return vector.astype(np.float32)
    wrong = next(field for field in fields if not _is_finite(field))
    raise BadInputError(
        f"{path}, line {number}: {wrong.decode(errors='replace')!r} is not a finite number. "
        "Correct the line, or download the file again."
    )


def _is_finite(field: bytes) -> bool:
    """Tell whether it is a number that a 32-bit float can hold."""
    try:
        return abs(float(field)) <= _LARGEST
    except ValueError:
        return False


def fill_missing(vectors: Array, found: npt.NDArray[np.bool_], seed: int) -> Array:
    """Give words without a vector a random one: uniform, its variance that of the found vectors' entries.

    So do Kim 2014 (arXiv 1408.5882), section 3.1.

    Args:
        vectors: ``[words, size]``.
        found: which words have one, ``[words]``; at least one of them.
        seed: determines the random ones.

    Returns:
        All vectors, ``[words, size]``.
    """
    bound = np.sqrt(3 * np.var(vectors[found], dtype=np.float64))  # the variance of U(-a, a) is a² / 3
    filled = vectors.copy()
    filled[~found] = np.random.default_rng([seed, 3]).uniform(-bound, bound, (int((~found).sum()), vectors.shape[1]))
    return filled


def coverage(found: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Measure how much has a vector.

    Args:
        found: which words have one, ``[words]``.
        counts: how often each word occurs, ``[words]``; at least one of them does.

    Returns:
        The share of the words, and the share of the running tokens, 0 to 1.
    """
    return float(found.mean()), float(counts[found].sum() / counts.sum())


def read_word_list(path: Path) -> list[str]:
    """Read words that the user wants in the vocabulary: UTF-8, a token a line, in any case; blank lines are skipped.

    Returns:
        The words as the tokenizer writes them, each once, in the order of the file.

    Raises:
        BadInputError: the file can't be read, holds no word, or has a line that isn't exactly one token.
    """
    words: dict[str, None] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        text, tokens = line.strip(), tokenize(line)
        if len(tokens) != 1:
            many = f"{len(tokens)} tokens ({', '.join(tokens)})" if tokens else "no token"
            way_out = "Write each on a line of its own, or drop the line." if tokens else "Drop the line."
            raise BadInputError(f"{path}, line {number}: {text!r} is {many}. {way_out}")
        words[tokens[0]] = None
    if not words:
        raise BadInputError(f"{path}: holds no word. Write one a line.")
    return list(words)
