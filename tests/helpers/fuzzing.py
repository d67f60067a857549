"""Compiles the native engine's fuzzers under sanitizers, and runs them for as long as one likes.

    python tests/helpers/fuzzing.py SECONDS [NAME ...]
    python tests/helpers/fuzzing.py keep

The first runs libFuzzer on each of them (clang with its compiler-rt), starting from the kept corpus; what it finds is under
``build/fuzz``. Where there is no libFuzzer, a driver of our own changes inputs at random, and follows no coverage. The second
makes the corpus anew of what the first found.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kdbuild.runtime.native.build import SOURCES
from kdbuild.runtime.native.targets import find_target
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_former import as_format_1
from native_students import Shape, native_file, numbered, random_student

ROOT = Path(__file__).resolve().parents[2]
FUZZERS = ROOT / "tests" / "runtime" / "native" / "fuzz"
CORPUS = FUZZERS / "corpus.tar.xz"
"""Inputs that reach as much as all that were ever tried, one behind the other: they have much in common."""
NAMES = ("load", "tokens", "answer")
MOST_BYTES = {"load": 8192, "tokens": 256, "answer": 256}
"""Of an input."""
SHAPES = {
    "tiny": Shape(3, 2, 3),
    "max": Shape(6, 5, 18, classes=3, pooling="max"),
    "layers": Shape(5, 3, 4, layers=2),
    "pairs": Shape(4, 4, 5, join="pair"),
    "labels": Shape(9, 17, 8, classes=4, multi_label=True),
    "pieces": Shape(3, 2, 3),
    "pairs of pieces": Shape(4, 4, 5, join="pair"),
    "4 bits of pieces": Shape(13, 2, 3, vector_bits=4),
    "former": Shape(3, 2, 3),
    "former pieces": Shape(3, 2, 3),
}
"""Of the models that answer, one for each way through the engine; former ones are files of format 1."""
CUT = Vocabulary(
    [*SPECIAL, *"w ##w w3 ##3 ##34 w34 www ##www 3 ##́ ' ##'s n't 漢 漢字 ##字 ก ##ก กข a ##aก ... wwwwwwww".split()],
    PIECES,
)
"""Of the models that cut words into pieces: small enough for windows that a fuzzer's texts don't fit into."""
BAD_ACCESS = "-fsanitize=address,undefined,float-cast-overflow"
RACES = "-fsanitize=thread"
_FLAGS = ("-std=gnu11", "-O1", "-g", "-ffp-contract=off", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all")
_STRICT = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


@dataclass(frozen=True)
class Sanitizer:
    """A compiler and the flags of what it checks."""

    compiler: str
    flags: tuple[str, ...]

    @property
    def has_libfuzzer(self) -> bool:
        """Whether programs have libFuzzer's main function."""
        return any("fuzzer" in flag for flag in self.flags)

    def works(self, folder: Path, *flags: str) -> bool:
        """Whether a program compiles, with more flags, and runs."""
        probe, program = folder / "probe.c", folder / "probe"
        main = (
            "int LLVMFuzzerTestOneInput(void) { return 0; }" if self.has_libfuzzer else "int main(void) { return 0; }"
        )
        probe.write_text(main + "\n", encoding="utf-8")
        options = ["-runs=0"] if self.has_libfuzzer else []
        return (
            not self.compile([*flags, str(probe), "-o", str(program)]) and not _run([str(program), *options]).returncode
        )

    def compile(self, arguments: Sequence[str]) -> str:
        """Returns what the compiler says of an error; nothing if all is well."""
        done = _run([self.compiler, *_FLAGS, *self.flags, f"-I{SOURCES}", f"-I{FUZZERS}", *arguments])
        return done.stderr or f"exit status {done.returncode}" if done.returncode else ""


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)


def find_sanitizer(folder: Path, checks: str, libfuzzer: bool = False) -> Sanitizer | None:
    """The first compiler that can check what is asked for; None if there is none."""
    names = ["clang", *(f"clang-{version}" for version in range(22, 12, -1))]
    if not libfuzzer:
        names = ["gcc", *names]
    for name in filter(shutil.which, names):
        found = Sanitizer(name, (f"{checks},fuzzer",) if libfuzzer else (checks,))
        if found.works(folder):
            return found
    return None


def compile_engine(sanitizer: Sanitizer, folder: Path) -> list[Path]:
    """Compile the engine's objects, with every path that the compiler knows."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = find_target().architecture.paths
    known = {name: flags.cc for name, flags in paths.items() if sanitizer.works(folder, *flags.cc)}
    have = tuple(f"-DKDB_HAVE_{name.upper()}" for name in known)

    def compiled(source: Path) -> Path | None:
        name = source.stem.removeprefix("path_")
        if name != source.stem and name not in known:
            return None
        out = folder / f"{source.stem}.o"
        problem = sanitizer.compile([*known.get(name, have), "-c", str(source), "-o", str(out)])
        if problem:
            raise RuntimeError(problem)
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [path for path in pool.map(compiled, sorted(SOURCES.glob("*.c"))) if path]


def compile_program(sanitizer: Sanitizer, engine: Sequence[Path], sources: Sequence[Path], out: Path) -> Path:
    """Compile a program that uses the engine."""
    problem = sanitizer.compile([*map(str, [*sources, *engine]), "-lm", "-pthread", "-o", str(out)])
    if problem:
        raise RuntimeError(problem)
    return out


def compile_fuzzer(sanitizer: Sanitizer, engine: Sequence[Path], name: str, folder: Path) -> Path:
    """Compile one of the fuzzers."""
    shared = ["fuzz.c", "repair.c", *([] if sanitizer.has_libfuzzer else ["driver.c"])]
    return compile_program(sanitizer, engine, [FUZZERS / source for source in (f"{name}.c", *shared)], folder / name)


@cache
def model_files() -> dict[str, bytes]:
    """A small model of each kind, with a golden text or pair."""

    def written(name: str, shape: Shape) -> bytes:
        vocabulary = CUT if "pieces" in name else numbered(12)
        golden = [("w5 what?",) if shape.join == "single" else ("w5 what?", "w3, w4 and w5")]
        file = native_file(random_student(shape, len(vocabulary)), shape, vocabulary, max_tokens=40, golden=golden)
        return as_format_1(file) if "former" in name else file

    return {name: written(name, shape) for name, shape in SHAPES.items()}


def prepare(name: str, folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The corpus of a fuzzer, unpacked, and the environment that it runs in."""
    inputs, models = folder / "corpus" / name, folder / "models"
    inputs.mkdir(parents=True, exist_ok=True)
    models.mkdir(exist_ok=True)
    for model, content in model_files().items():
        (models / f"{model}.kdb").write_bytes(content)
        if name == "load":
            (inputs / model).write_bytes(content)
    with tarfile.open(CORPUS) as corpus:
        for member in corpus:
            if member.name.startswith(f"{name}/") and (file := corpus.extractfile(member)):
                (inputs / Path(member.name).name).write_bytes(file.read())
    names = ":".join(str(models / f"{model}.kdb") for model in SHAPES)
    return sorted(inputs.iterdir()), {**os.environ, **_STRICT, "KDB_FUZZ_MODELS": names}


def run_driver(program: Path, name: str, folder: Path, *, seconds: int = 0, runs: int = 0) -> str:
    """Replay the corpus and change it at random. Returns what is wrong, with its input; nothing if all is well."""
    inputs, environment = prepare(name, folder)
    done = _run([str(program), str(seconds), str(runs), *map(str, inputs)], environment)
    return done.stderr or f"exit status {done.returncode}" if done.returncode else ""


def run_libfuzzer(program: Path, name: str, folder: Path, seconds: int) -> str:
    """Fuzz, and keep what is new beside the corpus. Returns libFuzzer's report; raises where something is wrong."""
    inputs, environment = prepare(name, folder)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES[name]}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/{name}-",
    ]
    done = _run([str(program), str(inputs[0].parent), *options], environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    return done.stderr


def keep(programs: Mapping[str, Path], folder: Path) -> None:
    """Make the corpus anew, of what was kept and what was found since: the fewest inputs that reach as much."""
    with tarfile.open(folder / CORPUS.name, "w:xz", preset=9) as corpus:
        for name, program in programs.items():
            inputs, environment = prepare(name, folder)
            chosen = folder / "chosen" / name
            shutil.rmtree(chosen, ignore_errors=True)
            chosen.mkdir(parents=True)
            done = _run([str(program), "-set_cover_merge=1", str(chosen), str(inputs[0].parent)], environment)
            if done.returncode:
                raise RuntimeError(done.stderr[-4000:])
            for path in sorted(chosen.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
                member = tarfile.TarInfo(f"{name}/{path.name[:16]}")
                member.size = path.stat().st_size
                with path.open("rb") as content:
                    corpus.addfile(member, content)
    shutil.move(folder / CORPUS.name, CORPUS)


def programs_in(folder: Path, names: Sequence[str]) -> tuple[dict[str, Path], bool]:
    """Compile fuzzers with what there is. Returns them, and whether they are libFuzzer's."""
    folder.mkdir(parents=True, exist_ok=True)
    sanitizer = find_sanitizer(folder, BAD_ACCESS, libfuzzer=True) or find_sanitizer(folder, BAD_ACCESS)
    if sanitizer is None:
        sys.exit(
            "Error: no compiler here has sanitizers. Install clang with compiler-rt, or gcc with libasan and libubsan."
        )
    engine = compile_engine(sanitizer, folder / "engine")
    return {name: compile_fuzzer(sanitizer, engine, name, folder) for name in names}, sanitizer.has_libfuzzer


def main(folder: Path, *arguments: str) -> None:
    """Fuzz, or keep what was found."""
    command, *names = arguments
    programs, has_libfuzzer = programs_in(folder, names or NAMES)
    if command == "keep":
        if not has_libfuzzer:
            sys.exit("Error: keep: libFuzzer tells what an input reaches. Install clang with compiler-rt.")
        keep(programs, folder)
        return
    seconds = int(command)
    for name, program in programs.items():
        if has_libfuzzer:
            report = run_libfuzzer(program, name, folder, seconds)
            print(name, *(line for line in report.splitlines() if "number_of_executed_units" in line))
        elif problem := run_driver(program, name, folder, seconds=seconds):
            sys.exit(problem)
        else:
            print(name, "is clean; it followed no coverage, for want of clang's libFuzzer")


if __name__ == "__main__":
    main(ROOT / "build" / "fuzz", *sys.argv[1:])
