"""The tokenizer in C gives what the one in Python gives, for any bytes, in constant memory and linear time."""

import random
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from fuzzed_texts import damaged, fuzzed
from kdbuild.runtime.text.tokenizer import tokenize
from native_tokenizer import TOKENIZER, UTF8, UTF16, WARNINGS, NativeTokenizer, run_compiler
from texts import CASES, FORMS, MARKS, TABLE, sst2_sentences

CONTEXTS = ["{0}", "a{0}b.{0}'{0}s", "\u0958{0}", "I{0}\u0307", "{0}\u0301\u0323", "'{0}s {0}'s 1{0}2 x.{0}. *{0}*"]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> NativeTokenizer:
    return NativeTokenizer(tmp_path_factory.mktemp("tokenizer"))


def expected(data: bytes, encoding: int) -> list[str]:
    """The tokens by the Python twin. A lone surrogate is one character in UTF-16, three invalid bytes in UTF-8."""
    if encoding == UTF16:
        return tokenize(data.decode("utf-16-le", "surrogatepass"))
    return tokenize(data.decode("utf-8", "replace"))


def check(native: NativeTokenizer, text: str) -> None:
    for encoding, name in ((UTF8, "utf-8"), (UTF16, "utf-16-le")):
        data = text.encode(name, "surrogatepass")
        assert native.tokens(data, encoding) == expected(data, encoding), (ascii(text), name)


@pytest.mark.parametrize("rule", CASES)
def test_rules(native: NativeTokenizer, rule: str) -> None:
    for text, tokens in CASES[rule]:
        if not any("\ud800" <= character <= "\udfff" for character in text):
            assert native.tokens(text.encode()) == tokens.split()
        check(native, text)


def check_code_points(native: NativeTokenizer, points: Iterable[int], contexts: list[str]) -> None:
    for context in contexts:
        text = " ".join(context.format(chr(point)) for point in points)
        data = text.encode("utf-16-le", "surrogatepass")
        got, want = native.tokens(data, UTF16), expected(data, UTF16)
        assert got == want, next(pair for pair in zip(got, want, strict=False) if pair[0] != pair[1])


def test_code_points_alone_and_within_a_word(native: NativeTokenizer) -> None:
    """The first ones, and all of which the table says anything, with the neighbours of its ranges."""
    points = {*range(0x3400), *TABLE.clean, *TABLE.to_ascii, *TABLE.lower, *map(ord, FORMS)}
    for start, end in zip(TABLE.separate_starts, TABLE.separate_ends, strict=True):
        points |= {start - 1, start, end, end + 1}
    check_code_points(native, sorted(points), CONTEXTS[:2])


@pytest.mark.slow
@pytest.mark.parametrize("plane", range(17))
def test_every_code_point_in_every_context(native: NativeTokenizer, plane: int) -> None:
    for first in range(plane << 16, (plane + 1) << 16, 0x1000):
        check_code_points(native, range(first, first + 0x1000), CONTEXTS)


def test_fuzzed_texts(native: NativeTokenizer) -> None:
    for text in fuzzed(random.Random(0), 3_000):
        check(native, text)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_million_fuzzed_texts(native: NativeTokenizer, seed: int) -> None:
    for text in fuzzed(random.Random(seed), 250_000):
        check(native, text)


def test_bytes_that_are_not_utf8(native: NativeTokenizer) -> None:
    for data in damaged(random.Random(0), 3_000):
        assert native.tokens(data) == expected(data, UTF8), data


def test_sst2(native: NativeTokenizer) -> None:
    sentences = sst2_sentences()[::10]
    if not sentences:
        pytest.skip("SST-2 isn't there")
    for sentence in sentences:
        assert native.tokens(sentence.encode()) == tokenize(sentence), sentence


def test_a_small_buffer_holds_the_beginning_of_each_token(native: NativeTokenizer) -> None:
    draw = random.Random(0)
    for data in [*damaged(draw, 1_000), *(text.encode("utf-8", "replace") for text in fuzzed(draw, 1_000))]:
        tokens = [token.encode() for token in expected(data, UTF8)]
        for capacity in (0, 1, 2, draw.randrange(3, 24)):
            assert native.measured(data, UTF8, capacity) == [(len(token), token[:capacity]) for token in tokens], data


def test_no_text_at_all(native: NativeTokenizer) -> None:
    assert native.tokens(b"") == native.tokens(b"", UTF16) == []


def test_the_state_is_small(native: NativeTokenizer) -> None:
    assert native.size <= 320


LONG = {
    "contractions": "a" + "'sn't've" * 9_000,
    "contractions that end in a word": "a" + "'sn't've" * 9_000 + "x",
    "contractions that aren't": "a-n't" * 9_000 + "'s",
    "initials": "a." * 20_000,
    "initials with a digit at the end": "a." * 20_000 + "1.",
    "full stops": "a" + "." * 40_000,
    "hyphens": "-" * 40_000,
    "asterisks": "*" * 40_000,
    "apostrophes": "'" * 40_001,
    "joined words": "x-y/z&'" * 6_000,
    "letters before a mark": "n" * 40_000 + "\u0301",
    "marks from the highest class down": "ae"
    + "".join(sorted(MARKS, key=TABLE.combining_class.__getitem__, reverse=True)) * 20,
    "marks in order": "a" + "\u0316" * 9_000 + "\u0301" * 9_000,
    "marks before any letter": "\u0301\u0316" * 9_000 + "a",
    "letters that compose": "\u0dd9\u0dcf\u0dca" * 6_000 + "\u09c7\u09be" * 6_000,
    "jamo": "\u1100\u1161\u11a8" * 6_000 + "\u1100" * 6_000 + "\u1161" * 6_000,
    "dropped": "e" + "\u200b" * 20_000 + "\u0301",
    "spaces": " \t\u3000" * 20_000 + "x",
    "typographic": "a’s…—”" * 6_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_in_linear_time(native: NativeTokenizer, text: str) -> None:
    check(native, text)
    data = text.encode()
    start = time.process_time()
    native.count(data)
    # The worst are runs of marks, read twice for each of 55 classes: 0.3 us a byte.
    assert time.process_time() - start < 10e-6 * len(data)


# The package ziglang has no AddressSanitizer.
SANITIZING = [path for name in ("gcc", "clang") if (path := shutil.which(name))][:1]
needs_sanitizers = pytest.mark.skipif(not SANITIZING, reason="needs gcc or clang")
MAIN = """
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

int main(void) {
    unsigned char head[4];
    while (fread(head, 1, 4, stdin) == 4) { /* encoding, capacity, units */
        size_t units = (size_t)head[2] | (size_t)head[3] << 8, capacity = head[1], count = 0;
        kdb_text text = {NULL, units, head[0]};
        void *data = units > 0 ? malloc(units << head[0]) : NULL;
        unsigned char *buffer = capacity > 0 ? (unsigned char *)malloc(capacity) : NULL;
        kdb_tokenizer tokenizer;
        kdb_token_text token;
        if (units > 0 && fread(data, (size_t)1 << head[0], units, stdin) != units) return 1;
        text.data = data;
        kdb_tokenizer_start(&tokenizer, &text, buffer, capacity);
        while (kdb_tokenizer_next(&tokenizer, &token)) count++;
        printf("%zu\\n", count);
        free(data);
        free(buffer);
    }
    return 0;
}
"""


def sanitized(folder: Path) -> Path:
    """Build a program under AddressSanitizer and UndefinedBehaviorSanitizer."""
    source, program = folder / "main.c", folder / "main"
    source.write_text(MAIN)
    options = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run_compiler(*options, source, *TOKENIZER, "-o", program, command=SANITIZING)
    return program


def check_sanitized(folder: Path, draw: random.Random, count: int) -> None:
    """No byte beyond a text or a buffer is touched: both are of their exact size."""
    records, counts = [], []
    texts = [(UTF8, data) for data in damaged(draw, count)]
    for text in fuzzed(draw, count):
        texts += [(UTF8, text.encode("utf-8", "surrogatepass")), (UTF16, text.encode("utf-16-le", "surrogatepass"))]
    for encoding, data in texts:
        units = len(data) >> encoding
        records.append(bytes([encoding, draw.choice((0, 1, 5, 64)), units & 255, units >> 8]) + data)
        counts.append(len(expected(data, encoding)))
    done = subprocess.run([str(sanitized(folder))], input=b"".join(records), capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert list(map(int, done.stdout.split())) == counts


@needs_sanitizers
def test_under_sanitizers(tmp_path: Path) -> None:
    check_sanitized(tmp_path, random.Random(0), 1_000)


@needs_sanitizers
@pytest.mark.slow
def test_many_texts_under_sanitizers(tmp_path: Path) -> None:
    check_sanitized(tmp_path, random.Random(1), 100_000)


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("source", TOKENIZER, ids=lambda source: source.name)
def test_is_valid_cpp_without_a_warning(source: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "object.o")
    subprocess.run(["c++", "-x", "c++", "-O1", *WARNINGS, "-c", str(source), "-o", output], check=True)
