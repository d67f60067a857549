"""What a base installation has, and how little it takes to answer with it."""

import gc
import os
import sys
from pathlib import Path

import pytest

from blocked import run_python
from kdbuild import cli
from kdbuild.runtime.artefact import Manifest, file_entry, write_manifest
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.native.targets import find_target
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_students import Shape, native_file, random_student

ROUNDS = 8
MOST_OF_CLICK = 2.0
"""Times the processor time of importing click that an answer of the command line may take; it takes 1.4."""


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with the native file alone."""
    folder = tmp_path_factory.mktemp("artefact")
    shape = Shape(embedding=48, hidden=128, classifier=128)
    vocabulary = Vocabulary([*SPECIAL, *(f"word{number}" for number in range(5000))])
    contents = {
        "vocab.txt": vocabulary.to_bytes(),
        "labels.txt": b"label 0\nlabel 1\n",
        "model_int8.kdb": native_file(random_student(shape, len(vocabulary)), shape, vocabulary),
    }
    manifest = Manifest(
        labels=["label 0", "label 1"],
        max_tokens=64,
        tokenizer={"version": 1, "unicode": UNICODE_VERSION, "sha256": vocabulary.sha256},
        files={name: file_entry(content) for name, content in contents.items()},
        threshold=0.6,
        temperature=1.7,
    )
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, manifest.to_bytes())
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Lines that make Python find the engine where an installation has it, not in a checkout's cache."""
    folder = tmp_path_factory.mktemp("lib")
    target = find_target()
    (folder / target.name).mkdir()
    (folder / target.name / target.library).write_bytes(library_path().read_bytes())
    return f"import kdbuild.runtime.native.library as library\nlibrary.PACKAGED = {str(folder)!r}\n"


def predict(artefact: Path) -> str:
    arguments = ["kdbuild", "predict", str(artefact), "word7 isn't word8"]
    return f"import sys\nsys.argv = {arguments!r}\nfrom kdbuild.cli import main\n"


# Each takes a while to import, and an answer needs none.
UNNEEDED = {
    "argparse", "csv", "dataclasses", "difflib", "email", "importlib.metadata", "importlib.resources", "logging", "numpy",
    "pathlib", "pkgutil", "shutil", "subprocess", "tempfile", "unicodedata", "urllib.parse", "zipfile",
}  # fmt: skip


def test_an_answer_imports_little_beyond_click(artefact: Path, installed: str) -> None:
    before = "import sys, click, locale\nsys.modules['numpy'] = None\nbefore = set(sys.modules)\n"
    after = "print(*sorted(set(sys.modules) - before), sep='\\n')"
    program = f"{before}{installed}{predict(artefact)}try:\n    main()\nexcept SystemExit:\n    {after}"
    done = run_python(program)
    answer, *imported = done.stdout.splitlines()
    assert answer.startswith(("label ", "-")), done.stderr
    assert set(imported) & UNNEEDED == set()
    assert {name for name in imported if name.partition(".")[0] == "kdbuild"} == {
        "kdbuild",
        "kdbuild.cli",
        "kdbuild.cli.choices",
        "kdbuild.cli.native_log",
        "kdbuild.cli.predict",
        "kdbuild.errors",
        "kdbuild.lazy",
        "kdbuild.registry",
        "kdbuild.runtime",
        "kdbuild.runtime.artefact",
        "kdbuild.runtime.classifier",
        "kdbuild.runtime.decisions",
        "kdbuild.runtime.engines",
        "kdbuild.runtime.engines.native",
        "kdbuild.runtime.engines.open",
        "kdbuild.runtime.engines.registry",
        "kdbuild.runtime.native",
        "kdbuild.runtime.native.binding",
        "kdbuild.runtime.native.library",
        "kdbuild.runtime.native.targets",
        "kdbuild.runtime.text",
        "kdbuild.runtime.text.encoding",
        "kdbuild.version",
    }


def processor_seconds(program: str, cache: Path) -> float:
    """Processor time of a process, from its birth to its end, with compiled modules as an installation has them."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-c", program]
    process = os.posix_spawn(sys.executable, command, {**env, "PYTHONPYCACHEPREFIX": str(cache)}, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    assert status == 0, program
    return used.ru_utime + used.ru_stime


def test_an_answer_takes_little_more_than_importing_click(artefact: Path, installed: str, tmp_path: Path) -> None:
    programs = {"click": "import click", "predict": f"{installed}{predict(artefact)}main()"}
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        processor_seconds(program, tmp_path)  # compiles the modules
    for _ in range(ROUNDS):
        for name, program in programs.items():
            taken[name].append(processor_seconds(program, tmp_path))
    # The least: what the program needs, not what else the machine was doing.
    assert min(taken["predict"]) <= MOST_OF_CLICK * min(taken["click"]), taken


def test_what_computes_is_taken_down_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is left to the system at the end only where nothing was loaded that complains about it."""
    cli._leave_quickly()
    assert gc.get_freeze_count() == 0
    monkeypatch.delitem(sys.modules, "numpy")
    cli._leave_quickly()
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
