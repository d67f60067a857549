"""Which package imports which, and that a phone-sized runtime needs no training stack."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "kdbuild"

# A module imports from its own package and from those before it.
LAYERS = ("errors", "runtime", "trainer", "export", "measure", "quickstart", "cli")

# A process in which the training stack can't be imported, as after `pip install kdbuild[tflite]`.
BLOCK = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "spacy", "datasets", "onnx"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own that writes no bytecode."""
    command = [sys.executable, "-B", "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_blocker_blocks() -> None:
    done = run_python(BLOCK + "import torch")
    assert done.returncode == 1
    assert done.stderr.endswith("ImportError: torch is blocked\n")


def test_runtime_imports_without_the_training_stack() -> None:
    code = """
import importlib, pkgutil
import kdbuild.runtime
names = [module.name for module in pkgutil.walk_packages(kdbuild.runtime.__path__, "kdbuild.runtime.")]
for name in names:
    importlib.import_module(name)
print(*names, sep="\\n")
"""
    done = run_python(BLOCK + code)
    assert done.returncode == 0, done.stderr
    on_disk = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in (PACKAGE / "runtime").rglob("*.py")
        if path.name != "__init__.py"
    }
    assert {"kdbuild.runtime.tokenizer"} <= on_disk <= set(done.stdout.split())


def test_help_works_without_the_training_stack() -> None:
    done = run_python(BLOCK + "from kdbuild.cli import main\nmain()", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")


def test_help_answers_in_three_tenths_of_a_second() -> None:
    command = [str(Path(sys.executable).with_name("kdbuild")), "--help"]
    seconds = []
    for _ in range(7):  # The best of them: what the program needs, not what else the machine was doing.
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "COLUMNS": "80"})
        seconds.append(time.perf_counter() - start)
    assert min(seconds) <= 0.3, seconds


def imported_modules(path: Path, package: Path = PACKAGE) -> set[str]:
    """Full names of all that a file imports, at its top, inside functions and under ``if TYPE_CHECKING``."""
    parent = (package.name, *path.relative_to(package).parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*parent[: len(parent) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            # `from kdbuild import measure` imports a module, `from kdbuild.errors import require` a function of one.
            names.update(".".join([*base, alias.name]) for alias in node.names)
    return names


def layer(module: str) -> str | None:
    """The layer of a module of this package; None for others, and for ``kdbuild`` itself with its version."""
    parts = module.split(".")
    return parts[1] if parts[0] == "kdbuild" and len(parts) > 1 and parts[1] in LAYERS else None


def violations(path: Path, package: Path = PACKAGE) -> list[str]:
    """The imports of a file that point against the order of ``LAYERS``."""
    own = path.relative_to(package).with_suffix("").parts[0]
    if own in {"__init__", "__main__"}:
        return []
    return sorted(
        f"{own} imports {name}"
        for name in imported_modules(path, package)
        if (other := layer(name)) is not None and LAYERS.index(other) > LAYERS.index(own)
    )


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    assert violations(path) == []


def test_every_package_has_a_layer() -> None:
    found = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__main__", "__pycache__"} == set(LAYERS)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import kdbuild.cli", ["runtime imports kdbuild.cli"]),
        ("from kdbuild import trainer", ["runtime imports kdbuild.trainer"]),
        ("from .. import export", ["runtime imports kdbuild.export"]),
        ("def load():\n    from ..measure.bert import x", ["runtime imports kdbuild.measure.bert.x"]),
        ("from . import tokenizer", []),
        ("from kdbuild import __version__", []),
        ("from kdbuild.errors import require", []),
        ("import torch", []),
    ],
)
def test_a_wrong_import_is_seen(tmp_path: Path, statement: str, expected: list[str]) -> None:
    package = tmp_path / "kdbuild"
    (package / "runtime").mkdir(parents=True)
    module = package / "runtime" / "module.py"
    module.write_text(statement, encoding="utf-8")
    assert violations(module, package) == expected
