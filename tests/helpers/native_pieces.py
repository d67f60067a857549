"""Vocabularies with which cutting words into pieces may go wrong, and the native engine that reads texts with them."""

import ctypes
import random
from array import array
from collections.abc import Iterator, Sequence

from fuzzed_texts import ALPHABETS, fuzzed
from kdbuild.runtime.native.binding import aligned, library
from kdbuild.runtime.text.encoding import PIECES, Encoding
from kdbuild.runtime.text.pieces import CONTINUED, is_unspaced
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_students import Shape, native_file, random_student

UTF8, UTF16 = 0, 1
CODECS = ("utf-8", "utf-16-le")
_TINY = Shape(2, 2, 2)


def _vocabulary(entries: str) -> Vocabulary:
    return Vocabulary([*SPECIAL, *entries.split()], PIECES)


VOCABULARIES = {
    "overlapping": _vocabulary(
        "un una unaff aff ##aff ##aff.able ##able ##f ##fa ##ffable ##fable a ##a aa ##aa aaaa ##aaaa aaaaaaaa n't ##'s 's "
        "##n't ##-x x- - ##- ##. ... -- ** ##1,0 1 ##0 '' ``"
    ),
    "single characters in one form": _vocabulary(
        "a c e é 漢 ー # ### ##b ##d ##n ##\u0301 ##字 ##ก ##ิ ##' ##😀 ##ｶ . ##ſ"
    ),
    "scripts without spaces": _vocabulary(
        "漢字 漢 字漢字 カ カタ タカナ カタカナー ー ひら がな ก ส สวัส ดี สวัสดี ກ က្ក ##漢 々 你好 你 𠀀 𠀀𠀁 ##𠀁"
    ),
    "mixed scripts": _vocabulary("aก กa ##aก a ##b ก ##ก กข abก 漢a ##b漢 b漢 한국 ##어 한 ##국 ##한 д ##д ##дa aд"),
    "long": _vocabulary(
        f"{'x' * 40} ##{'x' * 38} x ##x {'y' * 39} ##{'y' * 37} ##{'é' * 19} {'é' * 20} {'漢' * 13} 漢 {'漢' * 12} {'ก' * 13} "
        f"{'a.' * 20} {'*' * 40} {'*' * 39} {'x' * 39}é ##{'x' * 36}é"
    ),
    "short": _vocabulary("a ##b"),
    "no entry": Vocabulary(SPECIAL, PIECES),
}
"""Of version 2, each with a weakness of its own to look for."""


def drawn_vocabulary(draw: random.Random) -> Vocabulary:
    """Words of fuzzed texts, and parts of them, in either form."""
    entries = set()
    for text in fuzzed(draw, 60):
        for word in tokenize(text)[:6]:
            if draw.random() < 0.3:
                entries.add(word)
            start = draw.randrange(len(word))
            part = word[start : draw.randrange(start, len(word)) + 1]
            continues = draw.random() < 0.5 and not (len(part) > 1 and is_unspaced(part[0]))
            entries.add(CONTINUED + part if continues else part)
    return Vocabulary([*SPECIAL, *sorted(entries.difference(SPECIAL))], PIECES)


def texts_of(draw: random.Random, vocabulary: Vocabulary, count: int) -> Iterator[str]:
    """Entries beside one another and mixed with other characters, repeated now and then, and texts of every kind."""
    entries = [token.removeprefix(CONTINUED) for token in vocabulary.tokens[len(SPECIAL) :]] or ["a"]
    for text in fuzzed(draw, count):
        if draw.random() < 0.3:
            yield text
            continue
        parts = draw.choices(entries, k=draw.randint(1, 8))
        if draw.random() < 0.5:
            parts += draw.choices(draw.choice(ALPHABETS), k=draw.randint(1, 4))
            draw.shuffle(parts)
        yield draw.choice(("", "", "", " ")).join(parts) * draw.choice((1, 1, 1, 1, 2, 9))


class _Text(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("length", ctypes.c_size_t), ("encoding", ctypes.c_int))


class NativeReader:
    """A tiny model that reads texts with a vocabulary, called as C calls it."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int = 64):
        self._library = library()
        self._content = aligned(
            native_file(random_student(_TINY, len(vocabulary)), _TINY, vocabulary, max_tokens=max_tokens)
        )
        self._model = ctypes.create_string_buffer(64)
        self._counts = array("I", [0] * 4)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._content))
        assert self._library.kdb_open(self._model, start, len(self._content), 1) == 0
        self._scratch = ctypes.create_string_buffer(self._library.kdb_scratch_size(self._model))
        self._ids = array("i", [0] * max_tokens)
        self._words = array("i", [0] * max_tokens)
        self._room = ctypes.create_string_buffer(1 << 12)

    @property
    def scratch(self) -> int:
        """Bytes of scratch."""
        return len(self._scratch)

    def read(self, data: bytes, encoding: int = UTF8) -> Encoding:
        """Read bytes as a text."""
        text = ctypes.byref(_Text(data, len(data) >> encoding, encoding))
        (ids, size), (words, _) = self._ids.buffer_info(), self._words.buffer_info()
        call = self._library, self._model, self._scratch
        found = call[0].kdb_ids(*call[1:], text, ids, size, self._counts.buffer_info()[0])
        count = call[0].kdb_words(*call[1:], text, words, size)
        written = call[0].kdb_tokens(*call[1:], text, self._room, len(self._room))
        if written > len(self._room):
            self._room = ctypes.create_string_buffer(written)
            assert call[0].kdb_tokens(*call[1:], text, self._room, written) == written
        tokens, unknown, truncated = self._counts[1:]
        result = Encoding(
            self._ids[:found],
            self._room.raw[:written].decode("utf-8").split("\n")[:-1],
            self._words[:count].tolist(),
            truncated != 0,
        )
        assert tokens == result.token_count
        assert unknown == (result.ids.count(1) if tokens else 0)
        return result


def expected(vocabulary: Vocabulary, data: bytes, encoding: int, max_tokens: int = 64) -> Encoding:
    """What Python reads. A lone surrogate is one character in UTF-16, three invalid bytes in UTF-8."""
    text = data.decode("utf-16-le", "surrogatepass") if encoding == UTF16 else data.decode("utf-8", "replace")
    return vocabulary.encode(text, max_tokens)


def encoded(text: str) -> Sequence[tuple[bytes, int]]:
    """A text as bytes and their encoding: UTF-8 and UTF-16."""
    return [(text.encode(codec, "surrogatepass"), encoding) for encoding, codec in enumerate(CODECS)]
