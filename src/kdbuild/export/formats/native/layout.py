"""The file of the native engine, byte for byte as ``docs/native-format.md`` and ``runtime/native/c/model.h`` have it."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kdbuild.export.quantize import quantize_rows

MAGIC = b"\x89KDB\r\n\x1a\n"
FORMAT_VERSION = ARITHMETIC_VERSION = 1
HEADER, TRAILER, ALIGNMENT = 512, 128, 64
ROWS, GATES, GROUP = 16, 4, 4
MOST_LAYERS, MOST_VOCABULARY = 8, 1 << 20
LABELS, TOKENS, INDEX, THRESHOLDS, EMBEDDING, EMBEDDING_SCALES, HEAD, GOLDEN, FIRST_LAYER = range(9)
SEVERAL_LABELS, PAIRS, MAX_POOLING = 1, 2, 4

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


def index_bits(tokens: int) -> int:
    """The number of bits of a slot's number in the hash index of so many tokens; at most four fifths are taken."""
    return max(4, int(tokens * 1.25).bit_length())


def hash_index(tokens: Sequence[str], first: int = 3) -> bytes:
    """A table with open addressing: an id in a slot's low 20 bits, 12 bits of its token's hash above them; 0: empty.

    Args:
        tokens: the vocabulary.
        first: the ids below it are never looked up.
    """
    bits = index_bits(len(tokens))
    slots, mask = np.zeros(1 << bits, "<u4"), (1 << bits) - 1
    for number, token in enumerate(tokens[first:], start=first):
        value = token_hash(token.encode("utf-8"))
        slot = (value ^ value >> 15) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = number | (value >> 20) << 20
    return slots.tobytes()


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
    index_bits: int
    golden: int
    temperature: float
    threshold: float


def pack(header: Header, sections: Sections) -> bytes:
    """The whole file."""
    table, body = sections.place()
    digest = hashlib.sha256(body).digest()
    numbers = (
        header.tokenizer, header.unicode, header.flags, header.vocabulary, header.embedding, header.hidden, header.layers,
        header.classifier, header.classes, header.max_tokens, header.longest_token, header.index_bits, header.golden,
    )  # fmt: skip
    start = MAGIC + struct.pack("<2I13II", FORMAT_VERSION, ARITHMETIC_VERSION, *numbers, 0)
    start += struct.pack("<2dQ", header.temperature, header.threshold, HEADER + len(body) + TRAILER)
    start += digest[:8] + bytes(16)
    start += b"".join(struct.pack("<2Q", *entry) for entry in table)
    start += bytes(HEADER - 64 - len(start)) + digest
    return start + hashlib.sha256(start).digest() + body + bytes(TRAILER)
