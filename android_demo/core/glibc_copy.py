"""Android's TensorFlow Lite library on a Linux desktop: a copy that the GNU C library loads, for tests.

Android's C library isn't the desktop's, and a library made for one names symbols that the other lacks. What the tests run
is therefore no file that a phone runs, but a copy in which

* the names of Android's system libraries are taken out of the list of what must be loaded, since the desktop's libraries
  of these names are others, and loaded already;
* symbols have no versions any more, since Android's are called otherwise;
* what only Android's C library has comes from ``src/test/native/bionic_shim.c``, which is loaded first.

Its code and constants are untouched, byte for byte, so what it computes is what Android's library computes.
"""

import struct
from pathlib import Path

from kdbuild.errors import BadInputError

SHIM = Path(__file__).resolve().parent / "src" / "test" / "native" / "bionic_shim.c"

_PT_DYNAMIC = 2
_DT_NULL, _DT_NEEDED = 0, 1
_DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = (
    *(0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD),
    *(0x6FFFFFFE, 0x6FFFFFFF),
)
_TAKEN_OUT = (_DT_NEEDED, _DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM)
_DT_LOOS = 0x6000000D
"""The first tag left to operating systems, which the GNU loader gives no meaning."""


def glibc_copy(library: bytes) -> bytes:
    """The copy of an Android library; nothing but tags in its dynamic section differs.

    Args:
        library: a 64-bit little-endian ELF file.

    Raises:
        BadInputError: it isn't one.
    """
    if library[:6] != b"\x7fELF\x02\x01":
        raise BadInputError("The library is no 64-bit little-endian ELF file. Take it from Android's archive.")
    copy = bytearray(library)
    (headers,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    for number in range(count):
        kind, _, offset = struct.unpack_from("<IIQ", library, headers + number * size)
        if kind == _PT_DYNAMIC:
            while (tag := struct.unpack_from("<Q", library, offset)[0]) != _DT_NULL:
                if tag in _TAKEN_OUT:
                    struct.pack_into("<Q", copy, offset, _DT_LOOS)
                offset += 16
            return bytes(copy)
    raise BadInputError("The library has no dynamic section. Take it from Android's archive.")
