"""How the segments of a native library are aligned, which decides whether systems with 16 KB pages load it."""

import struct

from kdbuild.errors import BadInputError

_PT_LOAD = 1


def load_alignment(library: bytes, name: str) -> int:
    """The smallest alignment of the segments that a loader maps, in bytes.

    Args:
        library: an ELF file, little-endian as on every Android.
        name: for messages.

    Raises:
        BadInputError: it isn't one, or has no such segment.
    """
    try:
        if library[:4] != b"\x7fELF" or library[5] != 1:
            raise ValueError
        if library[4] == 2:
            (start,) = struct.unpack_from("<Q", library, 32)
            size, count = struct.unpack_from("<HH", library, 54)
            layout, place = "<Q", 48
        else:
            (start,) = struct.unpack_from("<I", library, 28)
            size, count = struct.unpack_from("<HH", library, 42)
            layout, place = "<I", 28
        headers = [start + number * size for number in range(count)]
        loaded = [header for header in headers if struct.unpack_from("<I", library, header)[0] == _PT_LOAD]
        return int(min(struct.unpack_from(layout, library, header + place)[0] for header in loaded))
    except (ValueError, IndexError, struct.error):
        raise BadInputError(f"{name}: no native library of Android's. Take it from an Android archive.") from None
