"""Native files of format 1, as kdbuild wrote them before there was another."""

import hashlib
import struct

import numpy as np

from kdbuild.export.formats.native.layout import INDEX, TOKENS, Sections, names, token_hash

_HEADER, _TRAILER, _TABLE, _SECTIONS = 512, 128, 120, 16
_FORMAT, _FLAGS, _VOCABULARY, _INDEX_BITS, _SIZE, _VERSION, _DIGEST, _OWN_DIGEST = 8, 24, 28, 60, 88, 96, 448, 480
_BUCKETS, _FOUR_BITS = 8, 16


def as_format_1(file: bytes) -> bytes:
    """Write a file of format 2 with vectors of 8 bits as format 1: an offset a name, and a hash index of slots."""
    (flags,) = struct.unpack_from("<I", file, _FLAGS)
    assert flags & _BUCKETS and not flags & _FOUR_BITS
    table = struct.iter_unpack("<2Q", file[_TABLE : _TABLE + 16 * _SECTIONS])
    contents = {number: file[offset : offset + size] for number, (offset, size) in enumerate(table) if size}
    (count,) = struct.unpack_from("<I", file, _VOCABULARY)
    (start,) = struct.unpack_from("<I", contents[TOKENS])
    tokens = contents[TOKENS][start:].split(b"\0")[:count]
    bits = max(4, int(count * 1.25).bit_length())
    contents[TOKENS] = names([token.decode("utf-8") for token in tokens])
    contents[INDEX] = _slots(tokens, bits)
    places, body = Sections(contents).place()
    header = bytearray(file[:_HEADER])
    for place, number in ((_FORMAT, 1), (_FLAGS, flags - _BUCKETS), (_INDEX_BITS, bits)):
        struct.pack_into("<I", header, place, number)
    struct.pack_into("<Q", header, _SIZE, _HEADER + len(body) + _TRAILER)
    struct.pack_into("<32Q", header, _TABLE, *(value for place in places for value in place))
    digest = hashlib.sha256(body).digest()
    header[_VERSION : _VERSION + 8], header[_DIGEST : _DIGEST + 32] = digest[:8], digest
    header[_OWN_DIGEST:] = hashlib.sha256(header[:_OWN_DIGEST]).digest()
    return bytes(header) + body + bytes(_TRAILER)


def _slots(tokens: list[bytes], bits: int) -> bytes:
    """Open addressing: an id in a slot's low 20 bits, 12 bits of its token's hash above them; 0: empty."""
    slots, mask = np.zeros(1 << bits, "<u4"), (1 << bits) - 1
    for number, token in enumerate(tokens[3:], start=3):
        value = token_hash(token)
        slot = (value ^ value >> 15) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = number | (value >> 20) << 20
    return slots.tobytes()
