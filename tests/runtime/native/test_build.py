"""How the engine's library is compiled; a few lines of C stand for the engine."""

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

from binaries import read_elf, wasm_exports
from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime.native import build as building
from kdbuild.runtime.native.build import Compiler, build, find_compiler
from kdbuild.runtime.native.targets import PORTABLE, TARGETS, Target, find_target, host
from small_engine import BITS, write_small_engine

GCC = shutil.which("gcc")
COMPILERS = {
    "ziglang": Compiler((sys.executable, "-m", "ziglang", "cc"), is_zig=True),
    "gcc": Compiler((str(GCC),), is_zig=False),
}
X86, ARM32, ARM64 = 62, 40, 183
MACHINES = {
    "linux-x86_64": X86,
    "linux-aarch64": ARM64,
    "linux-armv7l": ARM32,
    "android-arm64-v8a": ARM64,
    "android-armeabi-v7a": ARM32,
    "android-x86_64": X86,
}
SOFT_FLOAT, HARD_FLOAT = 0x200, 0x400
EXPORTED = {"kdb_built", "kdb_step", "kdb_copy"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_engine(tmp_path_factory.mktemp("engine") / "c")


@pytest.fixture
def here() -> Target:
    return find_target()


@pytest.mark.parametrize("name", MACHINES)
def test_elf(name: str, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "library.so"
    build(TARGETS[name], out, COMPILERS["ziglang"], sources)
    assert [path.name for path in tmp_path.iterdir()] == ["library.so"]
    library = read_elf(out)
    assert library.machine == MACHINES[name]
    assert library.name == "libkdbuild.so"
    has_libc = name == "android-arm64-v8a"
    assert library.needed == ({"libc.so"} if has_libc else set())
    asks_the_system = library.machine == ARM64
    assert library.imported == ({"getauxval"} if asks_the_system else set())
    assert library.exported == EXPORTED | ({"kdb_processor"} if asks_the_system else set())
    if name.startswith("android"):
        assert library.alignment == 16384
    if library.machine == ARM32:
        wanted = SOFT_FLOAT if name.startswith("android") else HARD_FLOAT
        assert library.flags & (SOFT_FLOAT | HARD_FLOAT) == wanted


@pytest.mark.parametrize("name", ["wasm", "wasm-simd"])
def test_wasm(name: str, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "library.wasm"
    build(TARGETS[name], out, COMPILERS["ziglang"], sources)
    assert wasm_exports(out) - {"__stack_pointer"} == {*EXPORTED, "memory", "__heap_base"}


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        ("macos-x86_64", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01"),
        ("macos-arm64", b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01"),
        ("windows-amd64", b"PE\0\0\x64\x86"),
        ("windows-arm64", b"PE\0\0\x64\xaa"),
    ],
)
def test_macos_and_windows(name: str, magic: bytes, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "library"
    build(TARGETS[name], out, COMPILERS["ziglang"], sources)
    data = out.read_bytes()
    start = data.index(b"PE\0\0") if magic.startswith(b"PE") else 0
    assert data[start : start + len(magic)] == magic
    for symbol in EXPORTED:
        assert symbol.encode() in data


KILOBYTES = {"linux-x86_64": 120, "android-x86_64": 120, "windows-amd64": 120, "macos-x86_64": 120}
# Its segments begin at multiples of 16 kB.
KILOBYTES["macos-arm64"] = 128
# With the methods for Java; the vocabulary's two indexes and vectors of 4 bits took the others over 80.
KILOBYTES |= dict.fromkeys(("android-arm64-v8a", "android-armeabi-v7a", "linux-aarch64", "linux-armv7l"), 84)


OFTEN = {"android-arm64-v8a", "linux-armv7l", "wasm-simd"}
"""Between them all instruction sets that this machine may lack; the others are built by the slow suite."""


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in TARGETS]
)
def test_the_engine_itself(name: str, tmp_path: Path) -> None:
    """It is as small as is said, needs nothing, and exports what its header declares."""
    header = (building.SOURCES / "kdbuild.h").read_text(encoding="utf-8")
    declared = set(re.findall(r"^KDB_API [^;(]*?(kdb_\w+)\(", header, flags=re.MULTILINE))
    assert {"kdb_open", "kdb_classify", "kdb_golden"} <= declared
    if TARGETS[name].java:
        methods = re.findall(
            r"^DECLARED\(\w+, (\w+),", (building.JAVA / "jni.c").read_text("utf-8"), flags=re.MULTILINE
        )
        assert {"open", "logits", "ids"} <= set(methods)
        declared |= {f"Java_dev_kdbuild_core_NativeEngine_{method}" for method in methods}
    out = tmp_path / "library"
    build(TARGETS[name], out, COMPILERS["ziglang"])
    assert out.stat().st_size <= 1000 * KILOBYTES.get(name, 80)
    if name.startswith("wasm"):
        assert wasm_exports(out) - {"memory", "__heap_base", "__stack_pointer"} == declared
    elif name in MACHINES:
        library = read_elf(out)
        assert library.exported == declared
        assert library.needed == ({"libc.so"} if name == "android-arm64-v8a" else set())
        assert library.imported <= {"getauxval"}


@pytest.mark.skipif(sys.platform != "linux", reason="what is asked of a compiler on Linux")
@pytest.mark.parametrize(
    "name", ["ziglang", pytest.param("gcc", marks=pytest.mark.skipif(GCC is None, reason="no gcc"))]
)
def test_library_of_this_machine(name: str, here: Target, sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "library.so"
    build(here, out, COMPILERS[name], sources)
    elf = read_elf(out)
    assert elf.needed == set()
    assert elf.exported - {"kdb_processor"} == EXPORTED
    library = ctypes.CDLL(str(out))
    built = {path for path, bit in BITS.items() if library.kdb_built() & bit}
    if name == "ziglang":
        assert built == set(here.architecture.paths)
    else:
        assert {"plain"} <= built <= set(here.architecture.paths)
    library.kdb_step.restype = ctypes.c_float
    library.kdb_step.argtypes = [ctypes.c_float] * 3
    # (1 + 2^-12)^2 is 1 + 2^-11 + 2^-24; rounded at once, that is 1 + 2^-11.
    assert library.kdb_step(1 + 2**-12, 1 + 2**-12, -(1 + 2**-11)) == 0
    text = bytes(range(256)) * 3
    copy = ctypes.create_string_buffer(len(text))
    library.kdb_copy(copy, text, ctypes.c_size_t(len(text)))
    assert copy.raw == text


@pytest.mark.skipif(sys.platform == "win32", reason="ziglang alone compiles there")
def test_a_compiler_that_knows_no_instruction_set(here: Target, sources: Path, tmp_path: Path) -> None:
    """It leaves out the paths that it can't compile, and says so to the others."""
    real = shutil.which("cc") or pytest.skip("no cc")
    old = tmp_path / "old-cc"
    old.write_text(
        f'#!/bin/sh\ncase "$*" in *-mavxvnni*|*avx512*|*i8mm*) echo "error: unrecognized option" >&2; exit 1;; esac\n'
        f'exec {real} "$@"\n',
        encoding="utf-8",
    )
    old.chmod(0o755)
    out = tmp_path / "library.so"
    build(here, out, Compiler((str(old),), is_zig=False), sources)
    library = ctypes.CDLL(str(out))
    built = {path for path, bit in BITS.items() if library.kdb_built() & bit}
    assert built == set(here.architecture.paths) - {"avx_vnni", "avx512_vnni", "i8mm"}


@pytest.mark.parametrize("flag", ["-ffast-math", "-march=x86-64-v2"])
@pytest.mark.skipif(GCC is None or host() != TARGETS["linux-x86_64"], reason="flags of gcc on x86-64")
def test_flags_that_change_bits_are_seen(flag: str, sources: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^main\.c: .*gcc can't build it for linux-x86_64 \(.*error: #error"):
        build(TARGETS["linux-x86_64"], tmp_path / "out.so", COMPILERS["gcc"], sources, more=[flag])
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_compile_is_said_in_one_line(here: Target, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "wrong.c").write_text("int f(void) { return nothing; }\n", encoding="utf-8")
    out = tmp_path / "out" / "library.so"
    with pytest.raises(BadInputError) as caught:
        build(here, out, COMPILERS["ziglang"], folder)
    line = str(caught.value)
    assert re.fullmatch(
        rf"wrong\.c: ziglang can't build it for {here.name} \(.*wrong\.c:1:22: error: use of undeclared identifier "
        r"'nothing'\)\. Try another compiler: set CC, or install kdbuild's extra 'cross'\.",
        line,
    )
    assert list(out.parent.iterdir()) == []


def without_ziglang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any compiler; the folder where commands are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    without_ziglang(monkeypatch)
    return folder


def test_no_compiler(bare: Path, here: Target) -> None:
    with pytest.raises(MissingExtraError) as caught:
        find_compiler(here)
    assert str(caught.value).startswith(
        f"the native engine for {here.name} can't be built: no C compiler that works (cc, gcc, clang), and no ziglang. "
    )
    with pytest.raises(MissingExtraError, match=r"for android-x86_64 can't be built: no ziglang\. "):
        find_compiler(TARGETS["android-x86_64"])


@pytest.mark.skipif(sys.platform == "win32", reason="ziglang alone compiles there")
def test_a_compiler_that_does_not_work_is_passed_over(bare: Path, here: Target) -> None:
    real = shutil.which("cc", path=os.defpath) or pytest.skip("no cc")
    (bare / "cc").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (bare / "cc").chmod(0o755)
    with pytest.raises(MissingExtraError):
        find_compiler(here)
    # Compilers look for their own parts along PATH, too.
    (bare / "gcc").write_text(f'#!/bin/sh\nPATH={os.defpath} exec {real} "$@"\n', encoding="utf-8")
    (bare / "gcc").chmod(0o755)
    assert find_compiler(here) == Compiler((str(bare / "gcc"),), is_zig=False)


def test_ziglang_goes_before_others_and_behind_cc(here: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    assert find_compiler(here) == COMPILERS["ziglang"]
    if shutil.which("cc"):
        monkeypatch.setenv("CC", "cc -O2")
        assert find_compiler(here) == Compiler(("cc", "-O2"), is_zig=False)
    assert find_compiler(here, pinned=True) == COMPILERS["ziglang"]
    assert find_compiler(TARGETS["wasm"]) == COMPILERS["ziglang"]


def test_cc_that_does_not_work(here: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(BadInputError) as caught:
        find_compiler(here)
    assert str(caught.value) == (
        "CC=no-such-compiler -O2: compiles nothing (No such file or directory). Unset it, or name another."
    )


def test_targets() -> None:
    assert {*PORTABLE} == {name for name in TARGETS if name.startswith(("android", "wasm"))}
    with pytest.raises(BadInputError) as caught:
        find_target("linux-x86")
    assert str(caught.value) == "target linux-x86: unknown. Did you mean 'linux-x86_64'?"


@pytest.mark.parametrize(
    ("system", "machine", "bits", "expected"),
    [
        ("linux", "x86_64", 64, "linux-x86_64"),
        ("linux", "aarch64", 64, "linux-aarch64"),
        ("linux", "aarch64", 32, "linux-armv7l"),
        ("linux", "armv7l", 32, "linux-armv7l"),
        ("darwin", "arm64", 64, "macos-arm64"),
        ("win32", "AMD64", 64, "windows-amd64"),
        ("win32", "ARM64", 64, "windows-arm64"),
        ("linux", "x86_64", 32, None),
        ("linux", "riscv64", 64, None),
    ],
)
def test_host(system: str, machine: str, bits: int, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from kdbuild.runtime.native import targets

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(targets, "_BITS", bits)
    found = host()
    assert (found.name if found else None) == expected
    if not found:
        with pytest.raises(
            BadInputError, match=rf"on {machine}: the native engine isn't made for it\. Install another"
        ):
            find_target()
