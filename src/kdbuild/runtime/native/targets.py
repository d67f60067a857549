"""For what the native engine is compiled, and with which flags: one table.

Every path must give the same bits, so nothing is left to a compiler's defaults: products and sums aren't contracted, and
the processor is named, never that of the machine at hand. Only the standard library is imported: building the package
reads this module, too.
"""

import platform
import struct
import sys
from collections.abc import Mapping
from typing import NamedTuple

from kdbuild.errors import BadInputError, nearest

COMMON = (
    "-std=c11",
    "-O2",
    "-g0",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-fno-stack-protector",
    "-fno-unwind-tables",  # nothing is thrown, and on 32-bit ARM they ask for a C++ library
    "-fno-asynchronous-unwind-tables",
    "-DKDB_SHARED",
)
"""Flags of every object, whichever the compiler."""

LONE = ("-ffreestanding", "-fno-builtin")
"""Flags of memcpy and memset themselves: no loop in them may become a call to them."""


class Flags(NamedTuple):
    """Flags in the notation of zig and in that of gcc and clang."""

    zig: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()


def _both(*flags: str) -> Flags:
    return Flags(flags, flags)


SMALL = Flags(zig=("-fno-vectorize", "-fno-slp-vectorize"), cc=("-fno-tree-vectorize",))
"""Flags of what is no path: vectorised, it gets 4 kB longer and no faster."""
SMALLEST = dict.fromkeys(("model", "reading", "jni"), Flags(zig=(*SMALL.zig, "-Os"), cc=(*SMALL.cc, "-Os")))
"""Flags of the sources, by name, that no time goes into: optimised for size, they are a third shorter."""


class Architecture(NamedTuple):
    """A family of processors."""

    baseline: Flags
    """What every object may use."""
    paths: Mapping[str, Flags]
    """What ``path_NAME.c`` may use beyond that, by NAME."""


PLAIN = {"plain": Flags()}
# Without -mfma: a fused product would be rounded once instead of twice.
X86_64 = Architecture(
    Flags(zig=("-mcpu=x86_64",), cc=("-march=x86-64",)),
    {
        **PLAIN,
        "sse41": _both("-msse4.1"),
        "avx2": _both("-mavx2"),
        "avx_vnni": _both("-mavx2", "-mavxvnni"),
        "avx512_vnni": _both("-mavx2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"),
    },
)
ARM64 = Architecture(
    Flags(zig=("-mcpu=generic",), cc=("-march=armv8-a",)),
    {
        **PLAIN,
        "neon": Flags(),
        "dotprod": Flags(zig=("-mcpu=generic+dotprod",), cc=("-march=armv8.2-a+dotprod",)),
        "i8mm": Flags(zig=("-mcpu=generic+dotprod+i8mm",), cc=("-march=armv8.2-a+dotprod+i8mm",)),
    },
)
ARMV7 = Architecture(
    Flags(zig=("-mcpu=cortex_a8", "-mfpu=neon"), cc=("-march=armv7-a", "-mfpu=neon")), {**PLAIN, "neon": Flags()}
)
# Code is downloaded with the page, so all is small but what the time goes into. Beside vectors, plain C only runs for
# comparison.
_FAST = _both("-O2")
WASM = Architecture(Flags(zig=("-mcpu=generic", "-Os")), {"plain": _FAST})
WASM_SIMD = Architecture(Flags(zig=("-mcpu=generic", "-msimd128", "-Os")), {"plain": Flags(), "wasm_simd": _FAST})

_ELF = ("-shared", "-nostdlib", "-s", "-Wl,-soname,libkdbuild.so", "-Wl,-z,defs", "-Wl,--build-id=none")
_ANDROID = (*_ELF, "-Wl,-z,max-page-size=16384", "-Wl,--no-as-needed")
_WASM = (
    "-nostdlib",
    "-s",
    "-Wl,--no-entry",
    "-Wl,--export-dynamic",
    "-Wl,--export=__heap_base",
    "-Wl,-z,stack-size=65536",
)
_DLL = ("-shared", "-nostdlib", "-s")
_UNWIND = ("-funwind-tables", "-fasynchronous-unwind-tables")  # Windows unwinds through C, too


class Target(NamedTuple):
    """Something that the engine runs on.

    Args:
        name: its name, also of its folder.
        architecture: its processors.
        triple: what zig calls it.
        library: the file's name.
        link: flags of the linker.
        flags: more flags of every object.
        tag: of wheels with this library, the last part of the name; empty where no Python runs.
        libc: whether the system's C library is linked; else memcpy and memset are the engine's own.
        stubs: functions of the system's C library that the engine calls all the same: it is named, not searched.
        java: whether a Java virtual machine may load it.
    """

    name: str
    architecture: Architecture
    triple: str
    library: str
    link: tuple[str, ...]
    flags: tuple[str, ...] = ()
    tag: str = ""
    libc: bool = False
    stubs: tuple[str, ...] = ()
    java: bool = False


def _linux(machine: str, architecture: Architecture, triple: str, *flags: str) -> Target:
    """No library is needed, so one file serves glibc and musl."""
    tag = f"manylinux_2_17_{machine}.manylinux2014_{machine}.musllinux_1_1_{machine}"
    return Target(f"linux-{machine}", architecture, triple, "libkdbuild.so", _ELF, (*flags, "-fPIC"), tag, java=True)


def _android(abi: str, architecture: Architecture, triple: str, *flags: str, stubs: tuple[str, ...] = ()) -> Target:
    flags = (*flags, "-fPIC")
    return Target(f"android-{abi}", architecture, triple, "libkdbuild.so", _ANDROID, flags, stubs=stubs, java=True)


def _macos(machine: str, architecture: Architecture, triple: str, tag: str) -> Target:
    link = ("-shared", "-nostdlib", "-lSystem", "-Wl,-install_name,@rpath/libkdbuild.dylib")
    return Target(f"macos-{machine}", architecture, triple, "libkdbuild.dylib", link, ("-fPIC",), tag, libc=True)


_ALL = (
    _linux("x86_64", X86_64, "x86_64-linux-gnu"),
    _linux("aarch64", ARM64, "aarch64-linux-gnu"),
    _linux("armv7l", ARMV7, "arm-linux-gnueabihf")._replace(java=False),  # there are few virtual machines for it
    _macos("x86_64", X86_64, "x86_64-macos.11.0", "macosx_11_0_x86_64"),
    _macos("arm64", ARM64, "aarch64-macos.11.0", "macosx_11_0_arm64"),
    Target("windows-amd64", X86_64, "x86_64-windows-gnu", "kdbuild.dll", _DLL, _UNWIND, tag="win_amd64"),
    Target(
        "windows-arm64", ARM64, "aarch64-windows-gnu", "kdbuild.dll", (*_DLL, "-lkernel32"), _UNWIND, tag="win_arm64"
    ),
    _android("arm64-v8a", ARM64, "aarch64-linux-android", stubs=("getauxval",)),
    # Android hands over floats in integer registers. zig leaves NEON out where the triple says so, but not where a flag does.
    _android("armeabi-v7a", ARMV7, "arm-linux-musleabihf", "-mfloat-abi=softfp"),
    _android("x86_64", X86_64, "x86_64-linux-musl"),
    Target("wasm", WASM, "wasm32-freestanding", "kdbuild.wasm", _WASM),
    Target("wasm-simd", WASM_SIMD, "wasm32-freestanding", "kdbuild.wasm", _WASM),
)
TARGETS = {target.name: target for target in _ALL}
"""All targets by name: ``linux-x86_64``, ``android-arm64-v8a``, ``wasm-simd``."""
PORTABLE = tuple(target.name for target in _ALL if not target.tag)
"""Those that no Python runs on: their libraries are in every release's wheel, since apps and pages are made anywhere."""

_BITS = 8 * struct.calcsize("P")
_MACHINES_32 = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
"""What a 32-bit Python runs on, by the kernel's machine."""


def host() -> Target | None:
    """Return the target of the running Python, if it is among them."""
    machine = platform.machine()
    if _BITS == 32:
        machine = _MACHINES_32.get(machine, machine)
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    return TARGETS.get(f"{system}-{machine.lower() if system == 'windows' else machine}")


def find_target(name: str = "") -> Target:
    """Return a target by its name; without one, that of this machine.

    Raises:
        BadInputError: there is none.
    """
    if name and name not in TARGETS:
        raise BadInputError(f"target {name}: unknown. {nearest(name, TARGETS)}")
    target = TARGETS[name] if name else host()
    if target is None:
        raise BadInputError(
            f"{platform.system()} on {platform.machine()}: the native engine isn't made for it. Install another engine, "
            "such as that of kdbuild's extra 'onnx'."
        )
    return target
