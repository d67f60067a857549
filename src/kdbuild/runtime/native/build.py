"""Compiles the native engine: finds a C compiler, and makes one library of the sources in ``c``.

``path_NAME.c`` is compiled with the flags of its instruction set, all else without; what was compiled is told by
``KDB_HAVE_NAME``. Only the standard library is imported: building the package runs this module, too.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime.native.targets import COMMON, LONE, SMALL, SMALLEST, Flags, Target, host

SOURCES = Path(__file__).resolve().parent / "c"
"""The engine in C; the public header and what is common lie beside the paths."""
JAVA = SOURCES / "jni"
"""Its methods for Java."""
FREESTANDING = SOURCES / "freestanding"
"""What stands in for a C library."""
ZIG = "ziglang"
"""The package with a C compiler for every target."""
_PROBE = "#include <stdint.h>\nint32_t kdb_probe(int32_t x);\nint32_t kdb_probe(int32_t x) { return x + 1; }\n"


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Args:
        command: what runs it.
        is_zig: whether it compiles for any target and has its own notation; others compile for this machine.
    """

    command: tuple[str, ...]
    is_zig: bool

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return ZIG if self.is_zig else shlex.join(self.command)

    def flags(self, target: Target, *more: Flags) -> list[str]:
        """List the flags of an object: the common ones, the target's, and others."""
        named = (target.architecture.baseline, *more)
        own = [flag for flags in named for flag in (flags.zig if self.is_zig else flags.cc)]
        return [*self._triple(target), *COMMON, *target.flags, *own]

    def link_flags(self, target: Target) -> list[str]:
        """List the flags of the linker."""
        return [*self._triple(target), *target.link]

    def _triple(self, target: Target) -> list[str]:
        return ["-target", target.triple] if self.is_zig else []

    def run(self, arguments: Sequence[str | Path], scratch: Path) -> str:
        """Compile or link. Returns what the compiler says of an error; nothing if all is well.

        Args:
            arguments: all but the command.
            scratch: a folder for what zig keeps, which makes nothing faster here and would stay in the user's home.
        """
        command = [*self.command, *map(str, arguments)]
        env = {**os.environ, **dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), str(scratch / "zig"))}
        try:
            done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            return error.strerror or str(error)
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


def find_compiler(target: Target, *, pinned: bool = False) -> Compiler:
    """Find a compiler that works for a target.

    What ``CC`` names goes first, for the machine's own library. Then the package ziglang, which the release is compiled
    with: what is measured in a checkout is what others get. Then cc, gcc and clang, each tried on a few lines.

    Args:
        target: what is to be compiled for.
        pinned: take ziglang alone, as for a release.

    Raises:
        MissingExtraError: there is none.
        BadInputError: the one that ``CC`` names doesn't work.
    """
    local = target == host() and sys.platform != "win32" and not pinned
    if local and (chosen := shlex.split(os.environ.get("CC", ""))):
        compiler = Compiler(tuple(chosen), is_zig=False)
        if problem := _probe(compiler, target):
            raise BadInputError(
                f"CC={shlex.join(chosen)}: compiles nothing ({_gist(problem)}). Unset it, or name another."
            )
        return compiler
    if importlib.util.find_spec(ZIG):
        return Compiler((sys.executable, "-m", ZIG, "cc"), is_zig=True)
    if local:
        found = (Compiler((path,), is_zig=False) for name in ("cc", "gcc", "clang") if (path := shutil.which(name)))
        for compiler in found:
            if not _probe(compiler, target):
                return compiler
    from kdbuild.requirements import advice

    own = "no C compiler that works (cc, gcc, clang), and no ziglang" if local else "no ziglang"
    raise MissingExtraError(f"the native engine for {target.name} can't be built: {own}. {advice('cross', ZIG)}")


def build(
    target: Target,
    out: Path,
    compiler: Compiler | None = None,
    sources: Path = SOURCES,
    more: Sequence[str] = (),
) -> None:
    """Compile the engine and put the library into place, never half-written; several processes may do so at once.

    Args:
        target: what it is to run on.
        out: the library.
        compiler: what compiles it; the one of :func:`find_compiler` if None.
        sources: the folder of the C files.
        more: further flags of every object, such as warnings.

    Raises:
        MissingExtraError: there is no compiler.
        BadInputError: it doesn't compile, or can't be written.
    """
    compiler = compiler or find_compiler(target)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kdbuild-new-", dir=out.parent) as name:
            staging = Path(name)
            library = staging / target.library
            _link(target, compiler, _compile(target, compiler, staging, sources, more), library)
            library.chmod(0o644 if target.library.endswith(".wasm") else 0o755)
            os.replace(library, out)
    except OSError as error:
        raise BadInputError(
            f"{out}: can't be written ({error.strerror}). XDG_CACHE_HOME names another folder for kdbuild's cache."
        ) from error


def _compile(target: Target, compiler: Compiler, staging: Path, sources: Path, more: Sequence[str]) -> list[Path]:
    """Compile each source. Returns the objects."""
    paths = {
        name: flags
        for name, flags in target.architecture.paths.items()
        if (sources / f"path_{name}.c").is_file() and _has(compiler, target, flags)
    }
    have = [f"-DKDB_HAVE_{name.upper()}" for name in paths]
    hosted = [] if target.libc else ["-isystem", FREESTANDING]

    def compiled(source: Path, flags: Flags) -> Path:
        own = LONE if source.parent == FREESTANDING else ()
        result = staging / f"{source.stem}.o"
        arguments = [*compiler.flags(target, flags), *have, *hosted, *own, *more, "-c", source, "-o", result]
        _check(compiler, target, source.name, arguments, staging)
        return result

    jobs = list(_objects(target, sources, paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compiled, *zip(*jobs, strict=True)))


def _objects(target: Target, sources: Path, paths: Mapping[str, Flags]) -> Iterator[tuple[Path, Flags]]:
    """Yield each source of a target with the flags of its own."""
    for source in sorted(sources.glob("*.c")):
        path = source.stem.removeprefix("path_")
        if path == source.stem:
            yield source, SMALLEST.get(source.stem, SMALL)
        elif path in paths:
            yield source, paths[path]
    if target.java:
        for source in sorted((sources / JAVA.name).glob("*.c")):
            yield source, SMALLEST[source.stem]
    if not target.libc:
        for source in sorted(FREESTANDING.glob("*.c")):
            yield source, Flags()


def _link(target: Target, compiler: Compiler, objects: Sequence[Path], library: Path) -> None:
    stubs = [_stub(target, compiler, library.parent)] if target.stubs else []
    _check(
        compiler, target, library.name, [*compiler.link_flags(target), *objects, *stubs, "-o", library], library.parent
    )


def _stub(target: Target, compiler: Compiler, staging: Path) -> Path:
    """Make a C library that has the functions which are called, for the linker to see; the system has its own."""
    source, stub = staging / "stub.c", staging / "libc.so"
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in target.stubs), encoding="utf-8")
    flags = [*compiler.flags(target), "-fvisibility=default", "-shared", "-nostdlib", "-Wl,-soname,libc.so"]
    _check(compiler, target, stub.name, [*flags, source, "-o", stub], staging)
    return stub


def _check(compiler: Compiler, target: Target, what: str, arguments: Sequence[str | Path], scratch: Path) -> None:
    if problem := compiler.run(arguments, scratch):
        raise BadInputError(
            f"{what}: {compiler.name} can't build it for {target.name} ({_gist(problem)}). Try another compiler: set CC, or "
            "install kdbuild's extra 'cross'."
        )


def _has(compiler: Compiler, target: Target, flags: Flags) -> bool:
    """Tell whether a compiler knows an instruction set; the pinned one knows all."""
    return compiler.is_zig or not flags.cc or not _probe(compiler, target, flags)


def _probe(compiler: Compiler, target: Target, *more: Flags) -> str:
    """Compile and link a few lines. Returns what goes wrong; nothing if it works."""
    with tempfile.TemporaryDirectory(prefix="kdbuild-") as name:
        source = Path(name) / "probe.c"
        source.write_text(_PROBE, encoding="utf-8")
        flags = [*compiler.flags(target, *more), *compiler.link_flags(target)]
        return compiler.run([*flags, source, "-o", source.with_suffix(".so")], source.parent)


def _gist(problem: str) -> str:
    """The line of a compiler's output that says what is wrong."""
    lines = problem.splitlines()
    return next((line for line in lines if "error" in line), lines[0]).strip()
