"""The APK as a zip file: written with fixed times and aligned data, and looked into afterwards.

What is stored without compression is mapped into memory from the APK itself, so its place in the file matters: Android wants
``resources.arsc`` at a multiple of 4 bytes and native libraries at one of a page. Pages are 4 KB or 16 KB; the model gets
the same place, so that an app may map it.
"""

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PAGE = 16_384
"""Largest page of an Android system, in bytes."""

_WORD = 4
_TIME = (1981, 1, 1, 1, 1, 2)
"""Time of every entry, as Android's own tools have it, so that the same content makes the same bytes."""
_ALIGNMENT_EXTRA = 0xD935
"""Android's number for the extra field that pads an entry; it holds the alignment and zeros."""


@dataclass(frozen=True)
class Entry:
    """A file to be packed."""

    name: str
    content: bytes
    alignment: int | None = None
    """Stored without compression at a multiple of so many bytes; None: compressed."""


def alignment_of(name: str) -> int | None:
    """How an entry of an APK must be aligned; None where it may be compressed."""
    if name.endswith((".so", ".kdb", ".tflite")):
        return PAGE
    return _WORD if name == "resources.arsc" else None


def write_archive(path: Path, entries: Sequence[Entry]) -> None:
    """Write a zip file whose bytes follow from the entries alone."""
    with path.open("wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, date_time=_TIME)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            if entry.alignment is None:
                info.compress_type = zipfile.ZIP_DEFLATED
            else:
                info.extra = _padding(stream.tell() + 30 + len(entry.name.encode()), entry.alignment)
            archive.writestr(info, entry.content, compresslevel=9)


def _padding(start: int, alignment: int) -> bytes:
    """The extra field that moves data from where it would start to a multiple of the alignment."""
    header = struct.calcsize("<HHH")
    zeros = -(start + header) % alignment
    return struct.pack("<HHH", _ALIGNMENT_EXTRA, zeros + 2, alignment) + bytes(zeros)


@dataclass(frozen=True)
class Packed:
    """An entry of an APK as it lies there."""

    name: str
    bytes: int
    """That it takes, compressed or not."""
    stored: bool
    """Whether it isn't compressed."""
    start: int
    """Where its data begins in the file."""


def read_entries(path: Path) -> list[Packed]:
    """The entries of a zip file, in their order."""
    with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
        return [
            Packed(info.filename, info.compress_size, info.compress_type == zipfile.ZIP_STORED, _start(stream, info))
            for info in archive.infolist()
        ]


def _start(stream: BinaryIO, info: zipfile.ZipInfo) -> int:
    stream.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", stream.read(4))
    return int(info.header_offset + 30 + name + extra)


def misaligned(entries: Sequence[Packed]) -> list[str]:
    """What Android couldn't map from an APK: names, and why, in words."""
    found = []
    for entry in entries:
        alignment = alignment_of(entry.name)
        if alignment is not None and not entry.stored:
            found.append(f"{entry.name} is compressed")
        elif alignment is not None and entry.start % alignment:
            found.append(f"{entry.name} starts at {entry.start:,}, no multiple of {alignment:,}")
    return found
