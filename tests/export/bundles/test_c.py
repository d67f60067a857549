"""The bundle for C: what it holds and replaces, and that compilers take it and give the answers that Python gives."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from artefacts import flip
from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.bundles.c import CSource
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.files import file_digest
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.native.targets import TARGETS, host
from kdbuild.sums import SUMS
from shared_folders import ShareFolder
from students import word_spotter

TEXTS = ["a funny film", "a warm , warm and funny film", "nothing", "", "naïve 電影 \N{FACE WITH TEARS OF JOY} funny"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
MODEL = "artefact/model_int8.kdb"
ROOT = Path(__file__).resolve().parents[3]
CMAKE, VALGRIND = shutil.which("cmake"), shutil.which("valgrind")
needs_cmake = pytest.mark.skipif(CMAKE is None or sys.platform != "linux", reason="no CMake, or its generator")
CONSUMER = """
#include <cstdio>
#include <cstring>
#include <vector>
#include "kdbuild.h"
#include "kdbuild_model.h"

int main(int, char **arguments) {
    kdb_model model;
    if (kdb_open(&model, kdbuild_model, kdbuild_model_size, KDB_VERIFY) != KDB_OK) return 1;
    std::vector<char> scratch(kdb_scratch_size(&model));
    const kdb_text text = {arguments[1], std::strlen(arguments[1]), KDB_UTF8};
    kdb_answer answer;
    kdb_classify(&model, scratch.data(), &text, &answer, nullptr, nullptr);
    std::puts(kdb_label(&model, answer.label, nullptr));
}
"""
CONSUMER_BUILD = """
cmake_minimum_required(VERSION 3.16)
project(consumer CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(kdbuild REQUIRED)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE kdbuild::kdbuild kdbuild::model)
"""
PARENT = """
cmake_minimum_required(VERSION 3.16)
project(parent C)
set(CMAKE_UNITY_BUILD ON)
add_subdirectory(BUNDLE kdbuild)
add_executable(kdbuild_example BUNDLE/example.c)
target_link_libraries(kdbuild_example PRIVATE kdbuild::kdbuild)
"""


@pytest.fixture(scope="module")
def artefact(share_folder: ShareFolder) -> Path:
    def make(folder: Path) -> None:
        export_student(word_spotter(), folder, formats=["native"], quantize=True, limits=Limits(), temper=False)

    return share_folder("c-artefact", make)


@pytest.fixture(scope="module")
def bundle(artefact: Path, share_folder: ShareFolder) -> Path:
    return share_folder("c-bundle", lambda folder: CSource().write(artefact, folder))


@pytest.fixture(scope="module")
def expected(artefact: Path) -> str:
    """What the example says of the texts."""
    lines = []
    with Classifier.load(artefact) as classifier:
        for answer in classifier(TEXTS):
            scores = [f"{name} {score:.4f}" for name, score in answer.scores.items()]
            lines.append("\t".join([answer.label or "-", *scores]))
    return "\n".join([*lines, ""])


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cmake(source: Path, build: Path, compiler: Sequence[str] = (), *options: str) -> str:
    """Configure and build; what the first says."""
    named = [f"-DCMAKE_C_COMPILER={compiler[0]}"] if compiler else []
    flags = f"-DCMAKE_C_FLAGS={' '.join([*compiler[1:], *WARNINGS])}"
    said = run(str(CMAKE), "-S", source, "-B", build, flags, *named, *options)
    run(str(CMAKE), "--build", build, "-j2")
    return said


def found(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no {name}")


def test_what_it_holds(artefact: Path, tmp_path: Path) -> None:
    out = tmp_path / "for-c"
    written = CSource().write(artefact, out)
    assert written == sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    sums = dict(line.split("  ", 1)[::-1] for line in (out / SUMS).read_text(encoding="utf-8").splitlines())
    assert sums == {path.as_posix(): file_digest(out / path) for path in written if path.name != SUMS}
    inside = Artefact.open(out / "artefact")
    assert inside.read("model_int8.kdb") == (artefact / "model_int8.kdb").read_bytes()
    assert (out / "artefact" / "README.md").read_bytes() == (artefact / "README.md").read_bytes()
    assert "The labels are `funny`, `warm`; a text is read up to 16 tokens." in (out / "README.md").read_text("utf-8")
    assert CSource().next_step(out) == f"build it, as {out / 'README.md'} says"


def test_every_path_is_built_by_cmake_and_by_swift(bundle: Path) -> None:
    build, package = ((bundle / name).read_text(encoding="utf-8") for name in ("CMakeLists.txt", "Package.swift"))
    for source in (bundle / "engine").glob("path_*.c"):
        name = source.stem.removeprefix("path_")
        if name == "plain":
            assert "engine/path_plain.c" in build
            assert source.name not in package
            continue
        assert f" {name}" in "".join(line for line in build.splitlines() if line.startswith('kdbuild_path("'))
        assert f'"{source.name}"' in package
        assert (bundle / "engine" / "swift" / source.name).is_file() == (name != "wasm_simd")


def test_the_command(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "for-c"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    done = run_cli("export", finished_run, "--format", "c", "--out", out, *limits)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"{out / 'model_array.cmake'}\nNext: build it, as {out / 'README.md'} says\n")
    assert Artefact.open(out / "artefact").manifest.labels == ["neg", "pos"]
    refused = run_cli("export", finished_run, "--format", "c", "--format", "onnx", "--out", out)
    assert refused.exit_code == 2
    assert "c is a folder for C, C++ and Swift instead of an artefact. Drop one of them." in refused.output


def test_replaced_whole(artefact: Path, tmp_path: Path) -> None:
    out = tmp_path / "for-c"
    CSource().write(artefact, out)
    listed = (out / SUMS).read_text(encoding="utf-8")
    (out / "engine" / "gone.c").write_text("int gone;\n", encoding="utf-8")
    (out / SUMS).write_text(f"{listed}{'0' * 64}  engine/gone.c\n", encoding="utf-8")  # of an earlier version
    CSource().write(artefact, out)
    assert not (out / "engine" / "gone.c").exists()
    assert (out / SUMS).read_text(encoding="utf-8") == listed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("for-c/engine/mine.c", "holds engine/mine.c, which no export wrote"),
        ("for-c/build/CMakeCache.txt", "holds build, which no export wrote"),
        ("other/notes.txt", "holds something that isn't a bundle for C"),
        (f"other/{SUMS}", "holds something that isn't a bundle for C"),
    ],
)
def test_what_others_wrote_stays(name: str, message: str, artefact: Path, tmp_path: Path) -> None:
    CSource().write(artefact, tmp_path / "for-c")
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    out = tmp_path / name.partition("/")[0]
    before = sorted(out.rglob("*"))
    for attempt in (lambda: CSource().check(out), lambda: CSource().write(artefact, out)):
        with pytest.raises(BadInputError, match=message):
            attempt()
    assert sorted(out.rglob("*")) == before
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_damaged_artefact_changes_nothing(artefact: Path, tmp_path: Path) -> None:
    out = tmp_path / "for-c"
    CSource().write(artefact, out)
    damaged = tmp_path / "damaged"
    shutil.copytree(artefact, damaged)
    flip(damaged / "model_int8.kdb")
    with pytest.raises(BadInputError, match=r"model_int8\.kdb: its sha256 isn't the manifest's"):
        CSource().write(damaged, out)
    assert file_digest(out / MODEL) == file_digest(artefact / "model_int8.kdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "for-c"]


@pytest.fixture(scope="module")
def built(bundle: Path, share_folder: ShareFolder) -> Path:
    """Built by CMake, with the compiler of the machine."""
    return share_folder("c-built", lambda folder: cmake(bundle, folder))


@needs_cmake
def test_the_example_answers_as_python_does(bundle: Path, built: Path, expected: str) -> None:
    assert run(built / "kdbuild_example", bundle / MODEL, *TEXTS) == expected


@needs_cmake
def test_the_example_refuses(bundle: Path, built: Path) -> None:
    for file, code in ((bundle / "README.md", 1), (bundle / "none.kdb", 2)):
        done = subprocess.run([built / "kdbuild_example", file, "a"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.count("\n") == 1


@needs_cmake
@pytest.mark.skipif(VALGRIND is None, reason="no valgrind")
def test_valgrind_finds_nothing(bundle: Path, built: Path, expected: str) -> None:
    """It has no AVX-512 and says so by CPUID: the path is chosen by that."""
    checks = ["-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all"]
    assert run(str(VALGRIND), *checks, built / "kdbuild_example", bundle / MODEL, *TEXTS) == expected


@needs_cmake
@pytest.mark.parametrize("page", ["README.md", "docs/c.md"])
def test_programs_of_the_documentation(page: str, bundle: Path, tmp_path: Path) -> None:
    """They compile without a warning, with the model compiled in, and answer as Python does."""
    (program,) = re.findall(r"^```c\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "main.c").write_text(program, encoding="utf-8")
    build = PARENT.replace("BUNDLE/example.c", "main.c").replace("BUNDLE", str(bundle))
    build = build.replace("PRIVATE kdbuild::kdbuild", "PRIVATE kdbuild::kdbuild kdbuild::model")
    (tmp_path / "CMakeLists.txt").write_text(build, encoding="utf-8")
    cmake(tmp_path, tmp_path / "build", (), "-DKDBUILD_MODEL_ARRAY=ON")
    text = "a warm, funny film"
    with Classifier.load(bundle / "artefact") as classifier:
        expected = classifier(text).label
    assert run(tmp_path / "build" / "kdbuild_example", text) == f"{expected or 'unsure'}\n"


@pytest.mark.slow
@needs_cmake
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("kind", ["Debug", "Release", "MinSizeRel"])
def test_compilers(compiler: str, kind: str, bundle: Path, expected: str, tmp_path: Path) -> None:
    said = cmake(bundle, tmp_path / "build", [found(compiler)], f"-DCMAKE_BUILD_TYPE={kind}")
    if host() == TARGETS["linux-x86_64"]:
        assert "-- kdbuild: plain, sse41, avx2" in said
    assert run(tmp_path / "build" / "kdbuild_example", bundle / MODEL, *TEXTS) == expected


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_as_cpp(compiler: str, bundle: Path, expected: str, tmp_path: Path) -> None:
    target = host()
    if target is None:
        pytest.skip("an unknown processor")
    command = [found(compiler), "-x", "c++", "-std=c++17", "-O2", "-ffp-contract=off", *WARNINGS]
    include = f"-I{bundle / 'engine' / 'include'}"
    have, objects = [], []
    probe = tmp_path / "probe.cpp"
    probe.write_text("int probe;\n", encoding="utf-8")
    for name, flags in target.architecture.paths.items():
        source = bundle / "engine" / f"path_{name}.c"
        tried = subprocess.run([*command, *flags.cc, "-fsyntax-only", str(probe)], capture_output=True, check=False)
        if source.is_file() and tried.returncode == 0:
            run(*command, *flags.cc, include, "-c", source, "-o", tmp_path / f"{source.stem}.o")
            have.append(f"-DKDB_HAVE_{name.upper()}")
            objects.append(f"{source.stem}.o")
    others = [path for path in (bundle / "engine").glob("*.c") if not path.stem.startswith("path_")]
    for source in [*others, bundle / "example.c"]:
        run(*command, *have, include, "-c", source, "-o", tmp_path / f"{source.stem}.o")
        objects.append(f"{source.stem}.o")
    run(command[0], *(tmp_path / name for name in objects), "-o", tmp_path / "example")
    assert run(tmp_path / "example", bundle / MODEL, *TEXTS) == expected


@pytest.mark.slow
@needs_cmake
def test_installed_and_compiled_in(bundle: Path, tmp_path: Path) -> None:
    """A shared library and the model as an array, found by a project in C++."""
    cmake(bundle, tmp_path / "build", (), "-DBUILD_SHARED_LIBS=ON", "-DKDBUILD_MODEL_ARRAY=ON")
    prefix = tmp_path / "installed"
    run(str(CMAKE), "--install", tmp_path / "build", "--prefix", prefix)
    assert file_digest(prefix / "share" / "kdbuild" / "model_int8.kdb") == file_digest(bundle / MODEL)
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "main.cpp").write_text(CONSUMER, encoding="utf-8")
    (consumer / "CMakeLists.txt").write_text(CONSUMER_BUILD, encoding="utf-8")
    run(str(CMAKE), "-S", consumer, "-B", consumer / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run(str(CMAKE), "--build", consumer / "build")
    assert run(consumer / "build" / "consumer", "a warm film") == "warm\n"


@pytest.mark.slow
@needs_cmake
def test_as_a_subproject(bundle: Path, expected: str, tmp_path: Path) -> None:
    """Of a project whose own flags would change the answers."""
    (tmp_path / "CMakeLists.txt").write_text(PARENT.replace("BUNDLE", str(bundle)), encoding="utf-8")
    cmake(tmp_path, tmp_path / "build", (), "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_FLAGS=-ffast-math")
    assert run(tmp_path / "build" / "kdbuild_example", bundle / MODEL, *TEXTS) == expected


@pytest.mark.slow
@needs_cmake
@pytest.mark.parametrize(
    ("target", "processor", "paths"),
    [
        (("aarch64-linux-musl", "-mcpu=generic"), "aarch64", "plain, neon"),
        (("arm-linux-musleabihf", "-mcpu=cortex_a8", "-mfpu=neon"), "armv7-a", "plain, neon"),
    ],
)
def test_other_processors(
    target: tuple[str, ...], processor: str, paths: str, bundle: Path, expected: str, tmp_path: Path
) -> None:
    pytest.importorskip("ziglang")
    wrapper = tmp_path / "cc"
    wrapper.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m ziglang cc -target {" ".join(target)} "$@"\n', encoding="utf-8"
    )
    wrapper.chmod(0o755)
    system = ("-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={processor}")
    said = cmake(bundle, tmp_path / "build", [str(wrapper)], *system)
    assert f"-- kdbuild: {paths}\n" in said
    emulator = found("qemu-aarch64-static" if processor == "aarch64" else "qemu-arm-static")
    assert run(emulator, tmp_path / "build" / "kdbuild_example", bundle / MODEL, *TEXTS) == expected
