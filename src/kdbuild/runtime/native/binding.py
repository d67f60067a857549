"""The native engine's library, called through ctypes: text in, label out; nothing but the standard library is needed.

Calls let other threads run. Each takes a workspace of its own from a pool, so that any number may run side by side.
"""

import ctypes
import os
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.encoding import WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from kdbuild.runtime.engines.registry import TokenIds

_ALIGNMENT = 64
_HUGE_PAGE = 2 << 20
_VERIFY, _PATH_SHIFT = 1, 8
PATHS = ("plain", "sse41", "avx2", "avx-vnni", "avx512-vnni", "neon", "dotprod", "i8mm", "wasm-simd")
"""Names of the instruction sets that the library has code for, in the order of its numbers."""


class _Text(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("length", ctypes.c_size_t), ("encoding", ctypes.c_int))


class _Answer(ctypes.Structure):
    _fields_ = (
        ("label", ctypes.c_int32),
        ("tokens", ctypes.c_uint32),
        ("unknown", ctypes.c_uint32),
        ("truncated", ctypes.c_uint32),
    )


class _Model(ctypes.Structure):
    _fields_ = (("file", ctypes.c_void_p), ("path", ctypes.c_void_p), ("reserved", ctypes.c_void_p * 2))


_pointer, _size, _uint = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "kdb_open": (ctypes.c_int, (_pointer, _pointer, _size, ctypes.c_uint)),
    "kdb_scratch_size": (_size, (_pointer,)),
    "kdb_classes": (_uint, (_pointer,)),
    "kdb_texts": (_uint, (_pointer,)),
    "kdb_max_tokens": (_uint, (_pointer,)),
    "kdb_vocabulary": (_uint, (_pointer,)),
    "kdb_version": (ctypes.c_uint64, (_pointer,)),
    "kdb_tokenizer_version": (_uint, (_pointer,)),
    "kdb_path": (ctypes.c_int, (_pointer,)),
    "kdb_calibration": (None, (_pointer,) * 3),
    "kdb_thresholds": (_pointer, (_pointer,)),
    "kdb_label": (_pointer, (_pointer, ctypes.c_int32, _pointer)),
    "kdb_token": (_pointer, (_pointer, _uint, _pointer)),
    "kdb_classify": (ctypes.c_int, (_pointer,) * 6),
    "kdb_decide": (ctypes.c_int32, (_pointer, _pointer, _pointer, _pointer)),
    "kdb_ids": (_uint, (_pointer, _pointer, _pointer, _pointer, _uint, _pointer)),
    "kdb_words": (_uint, (_pointer, _pointer, _pointer, _pointer, _uint)),
    "kdb_logits": (ctypes.c_int, (_pointer, _pointer, _pointer, _uint, _pointer, _uint, _pointer)),
    "kdb_explain": (_uint, (_pointer, _pointer, _pointer, ctypes.c_int32, _pointer, _pointer, _pointer)),
    "kdb_tokens": (_size, (_pointer, _pointer, _pointer, _pointer, _size)),
    "kdb_message": (ctypes.c_char_p, (ctypes.c_int,)),
    "kdb_paths": (ctypes.c_uint, ()),
    "kdb_golden_count": (_uint, (_pointer,)),
    "kdb_golden": (ctypes.c_int, (_pointer, _uint, _pointer, _pointer, _pointer, _pointer)),
}


@cache
def library() -> ctypes.CDLL:
    """The library, loaded once a process.

    Raises:
        MissingExtraError: it can't be had here.
    """
    from kdbuild.runtime.native.library import library_file

    loaded = ctypes.CDLL(library_file())
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def paths() -> list[str]:
    """The instruction sets that this processor and the library have; the last is the fastest."""
    bits = library().kdb_paths()
    return [name for number, name in enumerate(PATHS) if bits >> number & 1]


class Answer(NamedTuple):
    """What the library says of a text."""

    label: int
    """The label's place; -1 where none is given."""
    probabilities: list[float]
    """Probability of each label, 0 to 1."""
    logits: list[float]
    tokens: int
    """Tokens read."""
    unknown: int
    """Tokens read that aren't in the vocabulary."""
    truncated: bool
    """Whether there were more tokens than the model reads."""
    given: list[bool] | None = None
    """Where a text may have several labels: which are given."""

    @property
    def oov_rate(self) -> float:
        """The share of tokens that aren't in the vocabulary, 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0


class Golden(NamedTuple):
    """A text, or a pair of texts, with the answer that every processor must give."""

    texts: tuple[str, ...]
    ids: "tuple[array[int], ...]"
    """Token ids of each text, ``[tokens]``."""
    logits: "array[float]"


class _Workspace:
    """What one call needs for itself."""

    def __init__(self, size: int, classes: int, texts: int):
        self._scratch = ctypes.create_string_buffer(size)
        self.texts = (_Text * texts)()
        self.answer = _Answer()
        self.logits = (ctypes.c_float * classes)()
        self.probabilities = (ctypes.c_double * classes)()
        # Addresses, so that nothing is converted on each call.
        self.scratch = ctypes.addressof(self._scratch)
        self.arguments = (
            self.scratch,
            ctypes.addressof(self.texts),
            ctypes.addressof(self.answer),
            ctypes.addressof(self.logits),
            ctypes.addressof(self.probabilities),
        )

    def read(self, text: str, place: int = 0) -> None:
        """Take a text for the next call, as the first or second one."""
        entry = self.texts[place]
        entry.data = encoded = utf8(text)
        entry.length = len(encoded)


class NativeModel:
    """A model in memory.

    Args:
        content: the file's bytes; see :func:`read_aligned`.
        source: named in error messages.
        verify: check the digest of everything and every value, which takes some milliseconds, not the header alone.
        path: the instruction set to use, one of :func:`paths`; the fastest if None.

    Raises:
        BadInputError: it isn't a whole model, or asks for more than this library has.
        MissingExtraError: the library can't be had here.
    """

    def __init__(self, content: memoryview, source: "str | Path", *, verify: bool = False, path: str | None = None):
        self._library = library()
        self._content = content
        self._held = _Model()
        self._model = ctypes.addressof(self._held)
        start = ctypes.addressof(ctypes.c_char.from_buffer(content)) if len(content) else None
        flags = _VERIFY if verify else 0
        if path is not None:
            flags |= (1 + PATHS.index(path)) << _PATH_SHIFT
        code = self._library.kdb_open(self._model, start, len(content), flags)
        if code:
            reason = self._library.kdb_message(code).decode()
            raise BadInputError(f"{source}: {reason}. Export the model again.")
        self.path = PATHS[self._library.kdb_path(self._model)]
        self.classes: int = self._library.kdb_classes(self._model)
        self.texts: int = self._library.kdb_texts(self._model)
        self.max_tokens: int = self._library.kdb_max_tokens(self._model)
        self.vocabulary_size: int = self._library.kdb_vocabulary(self._model)
        self.version: int = self._library.kdb_version(self._model)
        self.tokenizer_version: int = self._library.kdb_tokenizer_version(self._model)
        self._scratch_size: int = self._library.kdb_scratch_size(self._model)
        temperature, threshold = ctypes.c_double(), ctypes.c_double()
        self._library.kdb_calibration(self._model, ctypes.addressof(temperature), ctypes.addressof(threshold))
        self.temperature = temperature.value
        self.threshold = threshold.value or None
        limits = self._library.kdb_thresholds(self._model)
        self.threshold_logits = None if limits is None else list((ctypes.c_float * self.classes).from_address(limits))
        self._idle: list[_Workspace] = []
        self._classify: Callable[..., int] = self._library.kdb_classify

    @property
    def content(self) -> memoryview:
        """The file's bytes, as they are used."""
        return self._content

    def _workspace(self) -> _Workspace:
        try:
            return self._idle.pop()  # one step for the interpreter: no two threads get the same
        except IndexError:
            return _Workspace(self._scratch_size, self.classes, self.texts)

    def answer(self, text: str, second: str = "") -> Answer:
        """Classify a text, or, where the model reads pairs, two, by the model's own thresholds."""
        workspace = self._workspace()
        workspace.read(text)
        if self.texts > 1:
            workspace.read(second, 1)
        self._classify(self._model, *workspace.arguments)
        found, logits, limits = workspace.answer, workspace.logits[:], self.threshold_logits
        result = Answer(
            found.label,
            workspace.probabilities[:],
            logits,
            found.tokens,
            found.unknown,
            found.truncated != 0,
            None if limits is None else [logit >= limit for logit, limit in zip(logits, limits, strict=True)],
        )
        self._idle.append(workspace)
        return result

    def logits(self, ids: "TokenIds", second: "TokenIds | None" = None) -> "array[float]":
        """Compute the logits ``[classes]`` of token ids ``[tokens]``; ``second`` are those of a pair's other text.

        Raises:
            ValueError: there are none or too many, or one isn't in the vocabulary; or of a model of pairs there is no second
                text, or of another one there is.
        """
        if (second is None) != (self.texts == 1):
            raise ValueError(f"{1 if second is None else 2} texts for a model that reads {self.texts}")
        workspace = self._workspace()
        given, other = _unsigned(ids), _unsigned(() if second is None else second)
        code = self._library.kdb_logits(
            self._model,
            workspace.scratch,
            *given.buffer_info(),
            *other.buffer_info(),
            ctypes.addressof(workspace.logits),
        )
        result = array("f", workspace.logits)
        self._idle.append(workspace)
        if code:
            counts = len(given) if second is None else f"{len(given)} and {len(other)}"
            raise ValueError(
                f"{counts} token ids, which must be 1 to {self.max_tokens}, each below {self.vocabulary_size}"
            )
        return result

    def ids(self, text: str) -> tuple["array[int]", bool]:
        """Token ids of a text, and whether it had more tokens than the model reads."""
        workspace = self._workspace()
        workspace.read(text)
        _, texts, answer, *_ = workspace.arguments
        capacity, count = 0, min(self.max_tokens, workspace.texts[0].length + 1)
        while count > capacity:
            capacity = count
            room = array("I", bytes(4 * capacity))
            address = room.buffer_info()[0]
            count = self._library.kdb_ids(self._model, workspace.scratch, texts, address, capacity, answer)
        truncated = workspace.answer.truncated != 0
        self._idle.append(workspace)
        return array("i", room[:count]), truncated

    def explain(self, text: str, label: int = -1, second: str = "") -> list[float]:
        """Tell how much the probability of a label falls where each word is masked, ``[words of all texts]``.

        Args:
            text: the text, or a pair's first.
            label: the label's place; the likeliest if -1.
            second: a pair's other text.
        """
        workspace = self._workspace()
        workspace.read(text)
        if self.texts > 1:
            workspace.read(second, 1)
        # No byte becomes more than two characters.
        most: int = sum(min(self.max_tokens, 2 * entry.length) for entry in workspace.texts)
        weights = (ctypes.c_double * most)()
        _, texts, answer, logits, _ = workspace.arguments
        count = self._library.kdb_explain(
            self._model, workspace.scratch, texts, label, answer, logits, ctypes.addressof(weights)
        )
        self._idle.append(workspace)
        return weights[:count]

    def tokens(self, text: str) -> list[str]:
        """The words that are read of a text, as the library cuts it."""
        workspace = self._workspace()
        workspace.read(text)
        size, needed = 0, 2 * workspace.texts[0].length + 64
        while needed > size:
            size = needed
            room = ctypes.create_string_buffer(size)
            needed = self._library.kdb_tokens(
                self._model, workspace.scratch, workspace.arguments[1], ctypes.addressof(room), size
            )
        self._idle.append(workspace)
        return room.raw[:needed].decode("utf-8").split("\n")[:-1]

    def pieces(self, text: str, words: int) -> list[int]:
        """How many ids each word of a text has, of which there are so many."""
        if self.tokenizer_version == WORDS:
            return [1] * words
        workspace = self._workspace()
        workspace.read(text)
        counts = (ctypes.c_uint32 * words)()
        self._library.kdb_words(self._model, workspace.scratch, workspace.arguments[1], ctypes.addressof(counts), words)
        self._idle.append(workspace)
        return counts[:]

    def labels(self) -> list[str]:
        """The names of the classes, in the order of the logits."""
        return [self._name(self._library.kdb_label, number) for number in range(self.classes)]

    def vocabulary(self) -> list[str]:
        """All tokens, in the order of their ids."""
        return [self._name(self._library.kdb_token, number) for number in range(self.vocabulary_size)]

    def _name(self, function: Callable[..., int], number: int) -> str:
        length = _size()
        address = function(self._model, number, ctypes.addressof(length))
        return ctypes.string_at(address, length.value).decode("utf-8", "replace")

    def golden(self) -> list[Golden]:
        """The texts in the file, or pairs of them, with the answers that every processor must give."""
        found = []
        for first in range(0, self._library.kdb_golden_count(self._model), self.texts):
            texts, ids, logits = zip(*map(self._golden_text, range(first, first + self.texts)), strict=True)
            found.append(Golden(texts, ids, logits[0]))
        return found

    def _golden_text(self, number: int) -> "tuple[str, array[int], array[float]]":
        """One text of the file, its ids, and the logits of it or of its pair."""
        text, count, ids, logits = _Text(), _uint(), _pointer(), _pointer()
        references = [ctypes.addressof(value) for value in (text, ids, count, logits)]
        self._library.kdb_golden(self._model, number, *references)
        data = _pointer.from_buffer(text).value
        return (
            ctypes.string_at(data or 0, text.length).decode("utf-8", "replace") if text.length else "",
            array("i", ctypes.string_at(ids.value or 0, 4 * count.value)),
            array("f", ctypes.string_at(logits.value or 0, 4 * self.classes)),
        )


def _unsigned(ids: "TokenIds") -> "array[int]":
    """Token ids as the library takes them; a negative one becomes one that no vocabulary has."""
    numbers = array("I")
    if isinstance(ids, array):
        numbers.frombytes(ids.tobytes())
    else:
        numbers.extend(int(number) & 0xFFFFFFFF for number in ids)
    return numbers


def utf8(text: str) -> bytes:
    """The text's bytes; a lone surrogate, which has none, becomes U+FFFD as in the tokenizer."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text).encode()


def read_aligned(path: "str | Path") -> memoryview:
    """Read a file to where the engine can use it: in memory, from a multiple of 64 bytes on.

    Raises:
        BadInputError: it can't be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            content = _room(size)
            read = 0
            while read < size and (got := file.readinto(content[read:])):
                read += got
    except OSError as error:
        raise BadInputError(f"{path}: can't be read ({error.strerror}). Export the model again.") from error
    return content[:read]


def aligned(content: bytes) -> memoryview:
    """A copy where the engine can use it."""
    view = _room(len(content))
    view[:] = content
    return view


def _room(size: int) -> memoryview:
    """Memory where the engine can use it; in huge pages, where they are to be had, which come in a quarter of the time."""
    if size >= _HUGE_PAGE and sys.platform == "linux":
        from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap

        pages = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        with suppress(OSError):  # a kernel without them
            pages.madvise(MADV_HUGEPAGE)
        return memoryview(pages)
    room = bytearray(size + _ALIGNMENT)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(room)) % _ALIGNMENT
    return memoryview(room)[start : start + size]
