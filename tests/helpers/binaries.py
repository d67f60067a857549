"""What a library says of itself: read here, so that the tests need no tool of the system."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _SONAME = 1, 5, 14
_DYNSYM = 11


@dataclass(frozen=True)
class Elf:
    """A shared library of Linux or Android, little-endian.

    Args:
        alignment: the smallest of the segments that are loaded, in bytes.
        needed: the libraries that are loaded with it.
        exported: the names that others may call.
        imported: the names that others must have.
    """

    machine: int
    flags: int
    alignment: int
    name: str
    needed: frozenset[str]
    exported: frozenset[str]
    imported: frozenset[str]


def read_elf(path: Path) -> Elf:
    data = path.read_bytes()
    assert data[:4] == b"\x7fELF" and data[5] == 1
    wide = data[4] == 2
    machine = struct.unpack_from("<H", data, 18)[0]
    start = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)[0]
    flags, _, size, count = struct.unpack_from("<IHHH", data, 48 if wide else 36)
    # type, offset, address, bytes in the file, alignment
    segments: list[list[int]] = []
    for at in range(start, start + count * size, size):
        values = struct.unpack_from("<IIQQQQQQ" if wide else "<IIIIIIII", data, at)
        segments.append([values[index] for index in ((0, 2, 3, 5, 7) if wide else (0, 1, 2, 4, 7))])
    loads = [segment for segment in segments if segment[0] == _LOAD]

    def in_file(address: int) -> int:
        return next(offset + address - low for _, offset, low, length, _ in loads if low <= address < low + length)

    ((_, begin, _, length, _),) = [segment for segment in segments if segment[0] == _DYNAMIC]
    entries = list(struct.iter_unpack("<QQ" if wide else "<II", data[begin : begin + length]))
    place = dict(entries)
    strings = in_file(place[_STRTAB])

    def text(offset: int) -> str:
        start = strings + offset
        return data[start : data.index(b"\0", start)].decode()

    exported, imported = set[str](), set[str]()
    for name, section in _symbols(data, wide):
        (exported if section else imported).add(text(name))
    return Elf(
        machine,
        flags,
        min(segment[4] for segment in loads),
        text(place[_SONAME]),
        frozenset(text(value) for tag, value in entries if tag == _NEEDED),
        frozenset(exported),
        frozenset(imported),
    )


def _symbols(data: bytes, wide: bool) -> Iterator[tuple[int, int]]:
    """Yield name and section of each dynamic symbol; the first of the table is none."""
    start = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    size, count = struct.unpack_from("<HH", data, 58 if wide else 46)
    for at in range(start, start + size * count, size):
        kind = struct.unpack_from("<I", data, at + 4)[0]
        if kind == _DYNSYM:
            begin, length = struct.unpack_from("<QQ" if wide else "<II", data, at + (24 if wide else 16))
            table = data[begin : begin + length]
            yield from list(struct.iter_unpack("<I2xH16x" if wide else "<I10xH", table))[1:]


def wasm_exports(path: Path) -> set[str]:
    """The names that a WebAssembly module exports; it may import nothing."""
    data = path.read_bytes()
    assert data[:8] == b"\0asm\1\0\0\0"
    at, names = 8, set[str]()
    while at < len(data):
        section = data[at]
        length, at = _leb(data, at + 1)
        assert section != 2, "imports"
        if section == 7:
            count, inside = _leb(data, at)
            for _ in range(count):
                size, inside = _leb(data, inside)
                names.add(data[inside : inside + size].decode())
                _, inside = _leb(data, inside + size + 1)
        at += length
    return names


def _leb(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
