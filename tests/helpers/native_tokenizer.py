"""The native engine's tokenizer, compiled by itself and called through ctypes."""

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kdbuild.runtime.native.build import SOURCES, find_compiler
from kdbuild.runtime.native.targets import find_target

TOKENIZER = [
    SOURCES / name for name in ("tokenizer.c", "normalize.c", "unicode.c", "unicode_tables.c", "utf.c", "ascii.c")
]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
UTF8, UTF16 = 0, 1

# Every token with its whole length before it: 8 bytes, then as many bytes as fit into the buffer.
SHIM = """
#include "text.h"

size_t shim_size(void) { return sizeof(kdb_tokenizer); }

size_t shim_tokens(const void *data, size_t length, int encoding, size_t capacity, unsigned char *buffer, unsigned char *out) {
    kdb_text text = {data, length, encoding};
    kdb_tokenizer tokenizer;
    kdb_token_text token;
    unsigned char *start = out;
    kdb_tokenizer_start(&tokenizer, &text, buffer, capacity);
    while (kdb_tokenizer_next(&tokenizer, &token)) {
        for (int i = 0; i < 8; i++) *out++ = (unsigned char)((uint64_t)token.length >> 8 * i);
        for (size_t i = 0; i < token.length && i < capacity; i++) *out++ = token.bytes[i];
    }
    return (size_t)(out - start);
}

size_t shim_count(const void *data, size_t length, int encoding, size_t capacity, unsigned char *buffer) {
    kdb_text text = {data, length, encoding};
    kdb_tokenizer tokenizer;
    kdb_token_text token;
    size_t count = 0;
    kdb_tokenizer_start(&tokenizer, &text, buffer, capacity);
    while (kdb_tokenizer_next(&tokenizer, &token)) count++;
    return count;
}
"""


def run_compiler(*arguments: str | Path, command: Sequence[str] = ()) -> None:
    """Compile as the engine is, but with a C library and all warnings."""
    command = command or find_compiler(find_target()).command
    flags = ["-std=c11", *WARNINGS, f"-I{SOURCES}"]
    done = subprocess.run([*command, *flags, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class NativeTokenizer:
    """The compiled tokenizer."""

    def __init__(self, folder: Path, *options: str):
        shim = folder / "shim.c"
        shim.write_text(SHIM)
        library = folder / "library.so"
        run_compiler("-O2", "-fPIC", "-shared", *options, shim, *TOKENIZER, "-o", library)
        self.library = ctypes.CDLL(str(library))
        self.library.shim_tokens.restype = self.library.shim_size.restype = ctypes.c_size_t
        self.library.shim_count.restype = ctypes.c_size_t

    @property
    def size(self) -> int:
        """Bytes of the tokenizer's struct."""
        return int(self.library.shim_size())

    def measured(self, data: bytes, encoding: int = UTF8, capacity: int | None = None) -> list[tuple[int, bytes]]:
        """Every token's whole length, and its first `capacity` bytes."""
        units = len(data) // (2 if encoding == UTF16 else 1)
        room = 2 * len(data) + 8 if capacity is None else capacity
        # No character becomes more than 3 bytes of one token or 9 of several, each with its length.
        out = ctypes.create_string_buffer(12 * len(data) + 16 * (3 * units + 1))
        source = ctypes.create_string_buffer(data, len(data)) if data else None
        buffer = ctypes.create_string_buffer(room) if room else None
        size = self.library.shim_tokens(source, ctypes.c_size_t(units), encoding, ctypes.c_size_t(room), buffer, out)
        content, at, tokens = out.raw[:size], 0, []
        while at < size:
            length = int.from_bytes(content[at : at + 8], "little")
            kept = min(length, room)
            tokens.append((length, content[at + 8 : at + 8 + kept]))
            at += 8 + kept
        return tokens

    def tokens(self, data: bytes, encoding: int = UTF8) -> list[str]:
        """The tokens."""
        return [token.decode("utf-8") for _, token in self.measured(data, encoding)]

    def count(self, data: bytes, encoding: int = UTF8, capacity: int = 64) -> int:
        """How many tokens there are, which takes the tokenizer's time alone."""
        units = len(data) // (2 if encoding == UTF16 else 1)
        buffer = ctypes.create_string_buffer(capacity)
        return int(self.library.shim_count(data, ctypes.c_size_t(units), encoding, ctypes.c_size_t(capacity), buffer))
