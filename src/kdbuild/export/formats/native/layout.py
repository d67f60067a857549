"""The file of the native engine, byte for byte as ``docs/native-format.md`` and ``runtime/native/c/model.h`` have it."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.export.quantize import quantize_rows

MAGIC = b"\x89KDB\r\n\x1a\n"
FORMAT_VERSION, ARITHMETIC_VERSION = 2, 1
HEADER, TRAILER, ALIGNMENT = 512, 128, 64
ROWS, GATES, GROUP = 16, 4, 4
MOST_LAYERS, MOST_VOCABULARY = 8, 1 << 20
_LARGEST_OF_4_BITS = 7
LABELS, TOKENS, INDEX, THRESHOLDS, EMBEDDING, EMBEDDING_SCALES, HEAD, GOLDEN, FIRST_LAYER = range(9)
SEVERAL_LABELS, PAIRS, MAX_POOLING, BUCKETS, FOUR_BITS = (1 << bit for bit in range(5))
_NAMES_A_GROUP, _TOKENS_A_BUCKET = 8, 8
_SPECIAL = 3
"""Ids that no text has."""

# What the engine accepts, so that no sum of its arithmetic overflows or gets so small that processors differ.
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-40, 2.0**20
SMALLEST_BIAS, LARGEST_BIAS = 2.0**-60, 2.0**40

Matrix = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int8]


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that isn't less."""
    return -(-value // multiple) * multiple


def blocked(rows: Integers, gates: int) -> Integers:
    """Reorder a matrix for the engine.

    Args:
        rows: ``[gates * units, columns]``; units and columns are padded with zeros to multiples of 16 and 4.
        gates: 1, or 4 for an LSTM's.

    Returns:
        ``[blocks, columns / 4, gates, 16, 4]``.
    """
    units = rows.shape[0] // gates
    padded = np.zeros((gates, round_up(units, ROWS), round_up(rows.shape[1], GROUP)), np.int8)
    padded[:, :units, : rows.shape[1]] = rows.reshape(gates, units, -1)
    split = padded.reshape(gates, -1, ROWS, padded.shape[2] // GROUP, GROUP)
    return np.ascontiguousarray(split.transpose(1, 3, 0, 2, 4))


def blocked_vector(values: npt.NDArray[np.generic], gates: int, filling: float) -> npt.NDArray[np.generic]:
    """The same order for one value a row, ``[blocks, gates, 16]``; ``filling`` for the padding."""
    units = len(values) // gates
    padded = np.full((gates, round_up(units, ROWS)), filling, values.dtype)
    padded[:, :units] = values.reshape(gates, units)
    return np.ascontiguousarray(padded.reshape(gates, -1, ROWS).transpose(1, 0, 2))


def quantized(matrix: Matrix) -> tuple[Integers, npt.NDArray[np.float32]]:
    """Int8 rows and their scales, within what the engine accepts; a smaller row is zero to any student."""
    integers, scales = quantize_rows(matrix)
    small = scales < SMALLEST_SCALE * 256  # room for the factors that go into it
    integers[small], scales[small] = 0, 1.0
    return integers, scales


def bias_of(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Biases as the engine accepts them."""
    return np.where(np.abs(values) < SMALLEST_BIAS, np.float32(0), values).astype(np.float32)


def offsets_of(integers: Integers) -> npt.NDArray[np.int32]:
    """What processors start from whose products take activations as unsigned, 128 too high: ``-128`` times each row's sum."""
    sums: npt.NDArray[np.int32] = integers.sum(axis=1, dtype=np.int32)
    return np.int32(-128) * sums


def names(values: Sequence[str]) -> bytes:
    """Offsets, then the names with a 0 byte after each."""
    encoded = [value.encode("utf-8") + b"\0" for value in values]
    start = 4 * (len(values) + 1)
    ends = start + np.cumsum([0, *map(len, encoded)])
    return ends.astype("<u4").tobytes() + b"".join(encoded)


def token_hash(token: bytes) -> int:
    """FNV-1a (Fowler, Noll, Vo), 32 bits."""
    value = 2166136261
    for byte in token:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def grouped_names(values: Sequence[str]) -> bytes:
    """An offset for every eighth name and one for the end, then the names with a 0 byte after each.

    Raises:
        BadInputError: a name holds such a byte itself.
    """
    for place, value in enumerate(values):
        if "\0" in value:
            raise BadInputError(
                f"vocabulary: token {place} ({value!r}) holds a null character, which no text's does. Remove it."
            )
    encoded = [value.encode("utf-8") + b"\0" for value in values]
    groups = [b"".join(encoded[first : first + _NAMES_A_GROUP]) for first in range(0, len(encoded), _NAMES_A_GROUP)]
    ends = 4 * (len(groups) + 1) + np.cumsum([0, *map(len, groups)])
    return ends.astype("<u4").tobytes() + b"".join(groups)


def index_size(tokens: int) -> int:
    """The bytes of the hash index of so many tokens."""
    found, number = tokens - _SPECIAL, _number(tokens).itemsize
    return (found // _TOKENS_A_BUCKET + 2 + found) * number + found


def hash_index(tokens: Sequence[str]) -> bytes:
    """Where each bucket begins; then of the tokens, bucket by bucket, their ids; then the low 8 bits of their hashes."""
    found = tokens[_SPECIAL:]
    buckets = len(found) // _TOKENS_A_BUCKET + 1
    hashes = np.array([token_hash(token.encode("utf-8")) for token in found], np.uint64)
    bucket = (hashes ^ hashes >> np.uint64(15)) * np.uint64(buckets) >> np.uint64(32)
    order = np.argsort(bucket, kind="stable")
    number = _number(len(tokens))
    starts = np.searchsorted(bucket[order], np.arange(buckets + 1))
    return (
        starts.astype(number).tobytes()
        + (order + _SPECIAL).astype(number).tobytes()
        + hashes[order].astype("u1").tobytes()
    )


def _number(tokens: int) -> "np.dtype[np.unsignedinteger[Any]]":
    return np.dtype("<u2" if tokens <= 1 << 16 else "<u4")


def vectors(table: Matrix, bits: int) -> tuple[bytes, bytes]:
    """Word vectors and their scales.

    Args:
        table: ``[tokens, columns]``.
        bits: 8, or 4 for values of 15 even steps, so that a scale is a bfloat16 number.
    """
    if bits == 8:
        integers, scales = quantized(table)
        return np.pad(integers, ((0, 0), (0, -table.shape[1] % GROUP))).tobytes(), scales.astype("<f4").tobytes()
    integers, scales = quantized_to_4_bits(table)
    padded = np.pad(integers, ((0, 0), (0, -table.shape[1] % (2 * GROUP)))) & 0x0F
    halves = padded.reshape(len(table), -1, 2, GROUP).astype(np.uint8)
    packed = halves[:, :, 0] | halves[:, :, 1] << 4
    return packed.tobytes(), (scales.view("<u4") >> 16).astype("<u2").tobytes()


def vectors_size(tokens: int, columns: int, bits: int) -> tuple[int, int]:
    """The bytes of word vectors, and of their scales."""
    return (
        (tokens * round_up(columns, GROUP), 4 * tokens)
        if bits == 8
        else (
            tokens * round_up(columns, 2 * GROUP) // 2,
            2 * tokens,
        )
    )


def quantized_to_4_bits(table: Matrix) -> tuple[Integers, npt.NDArray[np.float32]]:
    """Rows of -7 to 7 and their scales, which are bfloat16 numbers; what was rounded like that in training stays as it is."""
    exact = np.abs(table).max(axis=1, initial=0.0) / np.float32(_LARGEST_OF_4_BITS)
    bits = exact.astype("<f4").view("<u4")
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)  # to nearest, ties to even
    scales = rounded.astype("<u4").view("<f4").copy()
    small = scales < SMALLEST_SCALE
    scales[small] = 1.0
    steps = np.clip(np.rint(table / scales[:, None]), -_LARGEST_OF_4_BITS, _LARGEST_OF_4_BITS).astype(np.int8)
    steps[small] = 0
    return steps, scales


@dataclass
class Sections:
    """The sections of a file, by their numbers."""

    contents: dict[int, bytes] = field(default_factory=dict)

    def place(self) -> tuple[list[tuple[int, int]], bytes]:
        """Each section's offset and size, and what lies between header and trailer."""
        table = [(0, 0)] * (FIRST_LAYER + MOST_LAYERS)
        body = bytearray()
        for number in sorted(self.contents):
            content = self.contents[number]
            if content:
                table[number] = (HEADER + len(body), len(content))
            body += content
            body += bytes(round_up(len(body), ALIGNMENT) - len(body))
        return table, bytes(body)


@dataclass(frozen=True)
class Header:
    """The numbers of the header, in their order."""

    tokenizer: int
    unicode: int
    flags: int
    vocabulary: int
    embedding: int
    hidden: int
    layers: int
    classifier: int
    classes: int
    max_tokens: int
    longest_token: int
    golden: int
    temperature: float
    threshold: float


def pack(header: Header, sections: Sections) -> bytes:
    """The whole file."""
    table, body = sections.place()
    digest = hashlib.sha256(body).digest()
    numbers = (
        header.tokenizer, header.unicode, header.flags, header.vocabulary, header.embedding, header.hidden, header.layers,
        header.classifier, header.classes, header.max_tokens, header.longest_token, 0, header.golden,
    )  # fmt: skip
    start = MAGIC + struct.pack("<2I13II", FORMAT_VERSION, ARITHMETIC_VERSION, *numbers, 0)
    start += struct.pack("<2dQ", header.temperature, header.threshold, HEADER + len(body) + TRAILER)
    start += digest[:8] + bytes(16)
    start += b"".join(struct.pack("<2Q", *entry) for entry in table)
    start += bytes(HEADER - 64 - len(start)) + digest
    return start + hashlib.sha256(start).digest() + body + bytes(TRAILER)
