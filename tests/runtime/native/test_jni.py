"""The engine's methods for Java, called from C with a table of functions of its own: here, and on emulated ARM processors."""

import random
import struct
import subprocess
from pathlib import Path

import pytest

from benchmarks.arm64.cpus import CPUS
from benchmarks.arm64.emulator import Emulator, arm64_cache
from benchmarks.arm64.programs import TRIPLES, compile_program
from fuzzed_texts import fuzzed
from kdbuild.runtime.native.binding import NativeModel, read_aligned
from kdbuild.runtime.native.targets import TARGETS, host
from native_replay import FOLDER

MODEL = Path(__file__).parents[3] / "android_demo" / "models" / "sst2-300kB" / "model_int8.kdb"
HERE = target.name if (target := host()) else ""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The golden texts of a model and others, lone surrogates among them, and what Python's engine answers."""
    model = NativeModel(read_aligned(MODEL), MODEL)
    chosen = [entry.texts[0] for entry in model.golden()]
    chosen += [*fuzzed(random.Random(19), 300), "", "a\ud800b\udc00", "film " * 600]
    path, wanted = tmp_path_factory.mktemp("jni") / "texts", b""
    content = struct.pack("<I", len(chosen))
    for text in chosen:
        units = text.encode("utf-16-le", "surrogatepass")
        content += struct.pack("<I", len(units) // 2) + units
        answer, ids = model.answer(text), list(model.ids(text)[0])
        wanted += struct.pack(f"<{len(ids) + 4}I", len(ids), *ids, answer.tokens, answer.unknown, int(answer.truncated))
        wanted += struct.pack("<2f", *answer.logits)
    path.write_bytes(content)
    return path, wanted


@pytest.mark.skipif(HERE not in TRIPLES or not TARGETS[HERE].java, reason="the program is compiled for Linux")
def test_here(texts: tuple[Path, bytes], tmp_path: Path) -> None:
    program = compile_program(FOLDER / "jni.c", HERE, tmp_path)
    subprocess.run([program, MODEL, texts[0], tmp_path / "out"], check=True)
    assert (tmp_path / "out").read_bytes() == texts[1]


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """The emulated system, which must be set up."""
    return Emulator.open(arm64_cache())


@pytest.mark.arm64
@pytest.mark.parametrize("cpu", CPUS)
def test_on_arm64(cpu: str, texts: tuple[Path, bytes], emulator: Emulator, tmp_path: Path) -> None:
    program = compile_program(FOLDER / "jni.c", "linux-aarch64", tmp_path)
    subprocess.run(emulator.command(cpu, [MODEL, texts[0], tmp_path / "out"], program=program), check=True)
    assert (tmp_path / "out").read_bytes() == texts[1]


@pytest.mark.arm64
def test_androids_library_on_armv7(texts: tuple[Path, bytes], emulator: Emulator, tmp_path: Path) -> None:
    program = compile_program(FOLDER / "jni.c", "android-armeabi-v7a", tmp_path)
    subprocess.run(emulator.command_32("armel", program, [MODEL, texts[0], tmp_path / "out"]), check=True)
    assert (tmp_path / "out").read_bytes() == texts[1]
