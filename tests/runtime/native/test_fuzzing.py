"""The native engine under sanitizers: hostile files and texts, and several threads."""

import os
import subprocess
from pathlib import Path

import pytest

from fuzzing import (
    BAD_ACCESS,
    FUZZERS,
    NAMES,
    RACES,
    Sanitizer,
    compile_engine,
    compile_fuzzer,
    compile_program,
    find_sanitizer,
    prepare,
    run_driver,
    run_libfuzzer,
)

MINUTE = 60
SECONDS = int(os.environ.get("KDBUILD_FUZZ_SECONDS", "1"))
"""That each fuzzer goes on after its corpus; continuous integration sets 20."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def sanitizer(folder: Path) -> Sanitizer:
    found = find_sanitizer(folder, BAD_ACCESS)
    return found or pytest.skip("no compiler here has AddressSanitizer and UndefinedBehaviorSanitizer")


@pytest.fixture(scope="module")
def engine(sanitizer: Sanitizer, folder: Path) -> list[Path]:
    return compile_engine(sanitizer, folder / "engine")


@pytest.mark.parametrize("name", NAMES)
def test_corpus(name: str, sanitizer: Sanitizer, engine: list[Path], folder: Path) -> None:
    program = compile_fuzzer(sanitizer, engine, name, folder)
    assert run_driver(program, name, folder, runs=300, seconds=SECONDS) == ""


def test_a_finding_is_reported(sanitizer: Sanitizer, engine: list[Path], folder: Path, tmp_path: Path) -> None:
    """Against fuzzers that see nothing: this one reads behind its input."""
    source = tmp_path / "beyond.c"
    source.write_text(
        '#include <stdlib.h>\n#include "fuzz.h"\nint LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {\n'
        "    volatile const uint8_t *copy = (const uint8_t *)fuzz_copy(data, size);\n"
        "    const int last = copy[size];\n    free((void *)(uintptr_t)copy);\n    return last * 0;\n}\n",
        encoding="utf-8",
    )
    shared = [FUZZERS / name for name in ("fuzz.c", "driver.c")]
    program = compile_program(sanitizer, engine, [source, *shared], tmp_path / "beyond")
    assert "heap-buffer-overflow" in run_driver(program, "answer", folder)


def test_threads(folder: Path) -> None:
    races = find_sanitizer(folder, RACES) or pytest.skip("no compiler here has ThreadSanitizer")
    sources = [FUZZERS / "threads.c", FUZZERS / "fuzz.c"]
    program = compile_program(races, compile_engine(races, folder / "threads-engine"), sources, folder / "threads")
    _, environment = prepare("answer", folder)
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "8 models, 8 threads\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_minute(name: str, folder: Path) -> None:
    libfuzzer = find_sanitizer(folder, BAD_ACCESS, libfuzzer=True)
    chosen = libfuzzer or find_sanitizer(folder, BAD_ACCESS) or pytest.skip("no compiler here has sanitizers")
    program = compile_fuzzer(chosen, compile_engine(chosen, folder / "minute-engine"), name, folder)
    if libfuzzer:
        assert "Done " in run_libfuzzer(program, name, folder, MINUTE)
    else:
        assert run_driver(program, name, folder, seconds=MINUTE) == ""
