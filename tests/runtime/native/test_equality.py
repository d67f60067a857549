"""The native engine gives the same bits on every instruction set, processor and system, however the caller's is set up."""

import json
import shutil
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.arm64.cpus import CPUS
from benchmarks.arm64.emulator import Emulator, arm64_cache
from benchmarks.arm64.programs import TRIPLES, compile_program
from kdbuild.runtime.native.binding import NativeModel, aligned, paths
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.native.targets import host
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.pieces import CONTINUED
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_reference import reference_logits
from native_replay import FOLDER, Command, answers, fuzzed_texts, in_node, run_here, write_texts
from native_students import Shape, native_file, numbered, random_student

ARTEFACT = Path(__file__).parents[3] / "android_demo" / "models" / "sst2"
HERE = target.name if (target := host()) else ""
FEW, SOME, MANY = 100, 1_000, 20_000

SHAPES = [
    Shape(300, 300, 400),
    Shape(48, 128, 128),
    Shape(1, 1, 1),
    Shape(7, 5, 3, classes=3, pooling="max"),
    Shape(9, 17, 33, classes=5, layers=3),
    Shape(33, 15, 16, classes=17, layers=2, pooling="max"),
    Shape(8, 16, 16, classes=2, layers=2, pooling="max", join="pair"),
    Shape(5, 18, 21, classes=3, join="pair"),
    *(Shape(width, 16, 16, vector_bits=4) for width in (1, 4, 5, 8, 12, 33, 64)),
]
REPLAYED = {
    "default": Shape(300, 300, 400),
    "big": Shape(100, 104, 120),
    "small": Shape(24, 48, 40),
    "odd": Shape(19, 21, 23, classes=3),
    "several": Shape(13, 21, 19, classes=6, multi_label=True),
    "max": Shape(18, 20, 33, classes=4, pooling="max"),
    "layers": Shape(22, 19, 17, layers=2),
    "pairs": Shape(12, 22, 31, classes=3, join="pair"),
    "pieces": Shape(11, 20, 17, classes=3),
    "4 bits": Shape(21, 16, 16, vector_bits=4),
}
QUICK = [name for name in REPLAYED if name not in ("default", "big")]
"""What plain C answers some texts with in no time, and an emulator in a minute."""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_path_equals_the_reference(shape: Shape) -> None:
    vocabulary = numbered(60)
    student = random_student(shape, len(vocabulary))
    content = aligned(native_file(student, shape, vocabulary))
    models = {path: NativeModel(content, Path("model"), verify=True, path=path) for path in paths()}
    assert "plain" in models
    for count in (1, 2, 3, 7, 8, 9, 16, 23, 33):
        ids = [(7 * count + 11 * place + place * place) % len(vocabulary) for place in range(count)]
        texts = [ids, [*ids[1:], 4, 3]] if shape.join == "pair" else [ids]
        wanted = array("f", reference_logits(student, *texts).tobytes()).tobytes()
        for path, model in models.items():
            assert model.logits(*texts).tobytes() == wanted, (path, count)


@pytest.fixture(scope="module")
def words() -> list[str]:
    return (ARTEFACT / "vocab.txt").read_text(encoding="utf-8").split("\n")[:3000]


@pytest.fixture(scope="module")
def golden_texts() -> list[str]:
    """The golden texts of the repository's artefact."""
    lines = (ARTEFACT / "golden.jsonl").read_bytes().splitlines()
    return [json.loads(line)["text"] for line in lines]


def pieces_of(words: list[str]) -> Vocabulary:
    """Half of the words, and pieces of all: their ends, and characters of many scripts."""
    ends = {CONTINUED + word[at:] for word in words[3::7] for at in (1, 2, 4) if word[at:]}
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    characters = {
        *letters,
        *(CONTINUED + letter for letter in letters),
        *"漢画日本カタひら語",
        "映画",
        "カタカナ",
        "ภาษา",
        "ไทย",
    }
    known = words[3::2]
    return Vocabulary([*SPECIAL, *known, *sorted((ends | characters).difference(known))], PIECES)


@pytest.fixture(scope="module")
def models(words: list[str], golden_texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the students, by name."""
    folder, files = tmp_path_factory.mktemp("models"), {}
    for name, shape in REPLAYED.items():
        vocabulary = pieces_of(words) if name == "pieces" else Vocabulary(words)
        student = random_student(shape, len(vocabulary))
        texts = golden_texts[:40]
        golden = [(text,) for text in texts] if shape.join == "single" else list(zip(texts, texts[::-1], strict=True))
        files[name] = folder / f"{name}.kdb"
        files[name].write_bytes(native_file(student, shape, vocabulary, golden=golden))
    return files


WriteTexts = Callable[[int], Path]


@pytest.fixture(scope="module")
def texts(words: list[str], golden_texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> WriteTexts:
    """Write the golden texts, of which some do for few, and so many fuzzed ones."""
    folder = tmp_path_factory.mktemp("texts")
    golden = [(0, text.encode("utf-8", "surrogatepass")) for text in golden_texts]

    def write(count: int) -> Path:
        path = folder / f"{count}.texts"
        if not path.is_file():
            every = {MANY: 1, 0: 9}.get(count, 3)
            write_texts(path, [*golden[::every], *fuzzed_texts(count, words[3:])])
        return path

    return write


Program = Callable[[str], Path]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program and the library of a target, compiled once."""
    made: dict[str, Path] = {}

    def compiled(target: str) -> Path:
        if target != HERE:
            pytest.importorskip("ziglang")
        if target not in made:
            made[target] = compile_program(FOLDER / "replay.c", target, tmp_path_factory.mktemp(target))
        return made[target]

    return compiled


class Wanted:
    """The answers of plain C here, which others must equal."""

    def __init__(self, program: Program, models: dict[str, Path], texts: WriteTexts):
        self._program, self._models, self._texts = program, models, texts
        self._made: dict[tuple[str, int], array[int]] = {}

    def __call__(self, name: str, count: int) -> "array[int]":
        key = name, count
        if key not in self._made:
            path, golden, found = answers(
                run_here, self._program(HERE), self._models[name], self._texts(count), "plain"
            )
            assert (path, golden) == ("plain", 40)
            assert len(found) > count
            assert len(set(found)) > len(found) / 4  # it is no constant that is compared
            self._made[key] = found
        return self._made[key]

    def check(
        self, command: Command, program: Path, name: str, count: int, path: str | None, *, hostile: bool = False
    ) -> str:
        """Replay elsewhere, and compare. Returns the path that answered."""
        answering, golden, found = answers(
            command, program, self._models[name], self._texts(count), path, hostile=hostile
        )
        wanted = self(name, count)
        assert len(found) == len(wanted)
        different = [place for place, (one, other) in enumerate(zip(found, wanted, strict=True)) if one != other]
        assert different == []
        assert golden == 40
        assert path in (None, answering)
        return answering


@pytest.fixture(scope="module")
def wanted(program: Program, models: dict[str, Path], texts: WriteTexts) -> Wanted:
    return Wanted(program, models, texts)


here = pytest.mark.skipif(HERE not in TRIPLES, reason="the program is compiled for Linux")
node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
PATHS_HERE = paths() if HERE in TRIPLES else []


@here
@pytest.mark.parametrize("hostile", [False, True], ids=["usual state", "another rounding, flushing"])
@pytest.mark.parametrize("path", PATHS_HERE)
def test_paths_of_this_processor(path: str, hostile: bool, wanted: Wanted, program: Program) -> None:
    for name in QUICK:
        assert wanted.check(run_here, program(HERE), name, FEW, path, hostile=hostile) == path


@here
@node
@pytest.mark.parametrize(("target", "path"), [("wasm", "plain"), ("wasm-simd", "plain"), ("wasm-simd", "wasm-simd")])
def test_webassembly(target: str, path: str, wanted: Wanted) -> None:
    pytest.importorskip("ziglang")
    for name in QUICK:
        assert wanted.check(in_node, library_path(target), name, FEW, path) == path


@here
@node
def test_webassembly_takes_its_best_path(wanted: Wanted) -> None:
    assert wanted.check(in_node, library_path("wasm-simd"), "odd", FEW, None) == "wasm-simd"


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """The emulated system, which must be set up."""
    return Emulator.open(arm64_cache())


ARM64_PATHS = {
    "cortex-a53": ["plain", "neon"],
    "cortex-a55": ["plain", "neon", "dotprod"],
    "cortex-a76": ["plain", "neon", "dotprod"],
    "max": ["plain", "neon", "dotprod", "i8mm"],
}


def replay_all(wanted: Wanted, command: Command, program: Path, path: str, best: str) -> None:
    """Many texts with one model, some with each, few where the processor's state is another one or the model is large."""
    wanted.check(command, program, "odd", MANY, path)
    for name in QUICK:
        wanted.check(command, program, name, SOME, path)
        wanted.check(command, program, name, FEW, path, hostile=True)
    for name in ("big", "default"):
        wanted.check(command, program, name, FEW if name == "big" else 0, path)
    assert wanted.check(command, program, "odd", FEW, None) == best


@here
@pytest.mark.arm64
@pytest.mark.parametrize(("cpu", "path"), [(cpu, path) for cpu, paths in ARM64_PATHS.items() for path in paths])
def test_arm64(cpu: str, path: str, wanted: Wanted, program: Program, emulator: Emulator) -> None:
    assert cpu in CPUS
    replay_all(
        wanted,
        lambda program, arguments: emulator.command(cpu, arguments, program=program),
        program("linux-aarch64"),
        path,
        ARM64_PATHS[cpu][-1],
    )


@here
@pytest.mark.arm64
@pytest.mark.parametrize("path", ["plain", "neon"])
@pytest.mark.parametrize(("target", "system"), [("linux-armv7l", "armhf"), ("android-armeabi-v7a", "armel")])
def test_arm32(target: str, system: str, path: str, wanted: Wanted, program: Program, emulator: Emulator) -> None:
    """Android's library, too: glibc for processors without floating point loads it, and passes floats as Android does."""
    replay_all(
        wanted,
        lambda program, arguments: emulator.command_32(system, program, arguments),
        program(target),
        path,
        "neon",
    )


@here
@pytest.mark.arm64
@pytest.mark.parametrize("path", PATHS_HERE)
def test_many_texts_here(path: str, wanted: Wanted, program: Program) -> None:
    replay_all(wanted, run_here, program(HERE), path, PATHS_HERE[-1])


@here
@node
@pytest.mark.arm64
@pytest.mark.parametrize(("target", "path"), [("wasm", "plain"), ("wasm-simd", "wasm-simd")])
def test_many_texts_in_webassembly(target: str, path: str, wanted: Wanted) -> None:
    wanted.check(in_node, library_path(target), "odd", MANY, path)
    for name in REPLAYED:
        wanted.check(in_node, library_path(target), name, 0 if name == "default" else SOME, path)
