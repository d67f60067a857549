"""Programs in C that call the native engine's library as it is released, here or in the emulated system."""

import shutil
import subprocess
import sys
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.native.build import SOURCES
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.native.targets import TARGETS, host

TRIPLES = {
    "linux-x86_64": ("x86_64-linux-gnu.2.17", "x86_64"),
    "linux-aarch64": ("aarch64-linux-gnu.2.31", "generic"),
    "linux-armv7l": ("arm-linux-gnueabihf.2.31", "cortex_a8"),
    # glibc for processors without floating point passes floats as Android does, and loads the same library.
    "android-armeabi-v7a": ("arm-linux-gnueabi.2.31", "cortex_a8"),
}
"""What a program is compiled for that calls the library of a target: zig's triple and processor."""


def compile_program(source: Path, target: str, folder: Path) -> Path:
    """Compile a program into a folder, beside the library.

    Args:
        source: a file in C, which includes ``kdbuild.h``.
        target: of :data:`TRIPLES`.
        folder: it must exist.

    Raises:
        BadInputError: it doesn't compile.
        MissingExtraError: the library isn't there, nor is a compiler.
    """
    library, program = folder / TARGETS[target].library, folder / source.stem
    shutil.copy(library_path(target), library)
    triple, processor = TRIPLES[target]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", triple, f"-mcpu={processor}"]
    if TARGETS[target] == host():
        # zig makes a C library first, which takes half a minute.
        command = next(([path] for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), command)
    flags = ["-std=c11", "-O2", f"-I{SOURCES}", "-Wl,-rpath,$ORIGIN"]
    done = subprocess.run(
        [*command, *flags, source, library, "-o", program], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise BadInputError(
            f"{source.name}: can't be compiled for {target} ({reason[0]}). Install ziglang, or a C compiler."
        )
    return program
