"""Which package imports which, and that a phone-sized runtime needs no training stack."""

import ast
import sys
from pathlib import Path

import pytest

from blocked import BLOCK, run_python
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.runtime.artefact import Manifest, file_entry, write_manifest
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from references import counting_student

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "kdbuild"

# Packages and modules of kdbuild by rank: each imports from its own rank's name and from ranks before it.
RANKS: tuple[tuple[str, ...], ...] = (
    ("version", "lazy", "json_text", "staging"),
    ("requirements",),
    ("errors",),
    ("files", "console", "registry"),
    ("drawing", "sums"),
    ("runtime",),
    ("android",),
    ("trainer",),
    ("export",),
    ("measure",),
    ("search",),
    ("quickstart",),
    ("api",),
    ("cli",),
)
# The same within the trainer; student, teacher and transfer_set don't import each other.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("options",),
    ("recipe",),
    ("data",),
    ("training",),
    ("plots",),
    ("student", "teacher", "transfer_set"),
    ("run",),
    ("report",),
)


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
    assert {"kdbuild.runtime.text.tokenizer"} <= on_disk <= set(done.stdout.split())


ENGINES = {"tflite": "ai_edge_litert.interpreter", "onnx": "onnxruntime"}
"""Those that need no training stack, and what they import to run a model."""


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact with a model file for each of the engines; to it every word counts 2."""
    folder = tmp_path_factory.mktemp("artefact")
    vocabulary = Vocabulary(SPECIAL)
    contents = {
        "vocab.txt": vocabulary.to_bytes(),
        "labels.txt": b"more\nless\n",
        "model_fp32.tflite": write_tflite(counting_student(), quantize=False),
        "model_fp32.onnx": write_onnx(counting_student(), quantize=False),
    }
    manifest = Manifest(
        labels=["more", "less"],
        max_tokens=8,
        tokenizer={"version": 1, "unicode": UNICODE_VERSION, "sha256": vocabulary.sha256},
        files={name: file_entry(content) for name, content in contents.items()},
    )
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, manifest.to_bytes())
    return folder


# A start, all of it: import, load, the first answer.
ANSWER = """
from kdbuild.runtime import Classifier
answer = Classifier.load(sys.argv[1], engine=sys.argv[2])("A film,\\tisn't it?\\n")
print(answer.label, round(answer.score, 4), answer.tokens)
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_classifier_answers_without_the_training_stack(engine: str, artefact: Path) -> None:
    loaded = "print(sorted({'torch', 'transformers', 'spacy', 'datasets', 'onnx', 'click'} & set(sys.modules)))"
    done = run_python(BLOCK + ANSWER + loaded, str(artefact), engine)
    assert done.returncode == 0, done.stderr
    # The cell is 7 tanh 2, so the logits are 1 and -1 but for 3e-6: 1 / (1 + exp(-2)).
    assert done.stdout == "more 0.8808 7\n[]\n"


# Each takes 1 to 20 ms to import with what it imports itself; none is needed for an answer.
UNNEEDED = {
    "argparse", "asyncio", "click", "csv", "datasets", "difflib", "email", "http", "importlib.metadata",
    "importlib.resources", "kdbuild.runtime.data.readers", "logging", "multiprocessing", "onnx", "shutil", "socket", "spacy",
    "subprocess", "tempfile", "torch", "transformers", "unittest", "urllib.request", "zipfile",
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_start_imports_no_more_than_it_needs(engine: str, artefact: Path) -> None:
    # What numpy and the engine import is their affair, and differs between their releases.
    before = f"import sys\nimport numpy, {ENGINES[engine]}\nbefore = set(sys.modules)"
    after = "print(*sorted(set(sys.modules) - before), sep='\\n')"
    done = run_python(before + ANSWER + after, str(artefact), engine)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[1:])
    assert imported & UNNEEDED == set()
    assert {name for name in imported if name.partition(".")[0] == "kdbuild"} == {
        "kdbuild",
        "kdbuild.errors",
        "kdbuild.lazy",
        "kdbuild.registry",
        "kdbuild.runtime",
        "kdbuild.runtime.artefact",
        "kdbuild.runtime.classifier",
        "kdbuild.runtime.decisions",
        "kdbuild.runtime.engines",
        "kdbuild.runtime.engines.forks",
        "kdbuild.runtime.engines.open",
        "kdbuild.runtime.engines.registry",
        f"kdbuild.runtime.engines.{engine}",
        "kdbuild.runtime.engines.texts",
        "kdbuild.runtime.text",
        "kdbuild.runtime.text.encoding",
        "kdbuild.runtime.text.normalize",
        "kdbuild.runtime.text.pieces",
        "kdbuild.runtime.text.tokenizer",
        "kdbuild.runtime.text.vocabulary",
        "kdbuild.version",
    }


def test_unicode_table_is_read_for_the_first_text_that_is_not_ascii(artefact: Path) -> None:
    code = """
from kdbuild.runtime.text.normalize import unicode_table
print(unicode_table.cache_info().currsize)
Classifier.load(sys.argv[1])("a caf\u00e9")
print(unicode_table.cache_info().currsize)
"""
    done = run_python("import sys" + ANSWER + code, str(artefact), "tflite")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["0", "1"]


ALLOWED = {"kdbuild", "numpy", "ai_edge_litert", "tflite_runtime", "onnxruntime", *sys.stdlib_module_names}
"""What a machine without a training stack has, whatever its processor."""


@pytest.mark.parametrize("path", sorted((PACKAGE / "runtime").rglob("*.py")), ids=lambda path: path.stem)
def test_runtime_imports_the_standard_library_numpy_and_an_engine(path: Path) -> None:
    others = {name.partition(".")[0] for name in imported_modules(path)} - ALLOWED
    assert others == {"torchscript.py": {"torch"}, "signature.py": {"cryptography"}}.get(path.name, set())


def test_help_works_without_the_training_stack() -> None:
    done = run_python(BLOCK + "from kdbuild.cli import main\nmain()", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ")


HELP = """
import sys
before = set(sys.modules)
from kdbuild.cli import cli
try:
    cli.main(["--help"], prog_name="kdbuild")
except SystemExit as ended:
    print(ended.code, *sorted(set(sys.modules) - before), sep="\\n", file=sys.stderr)
"""


def test_help_imports_click_and_no_more_of_kdbuild_than_it_needs() -> None:
    """Then it answers in 0.3 s on any machine, most of which is Python's start."""
    done = run_python(HELP)
    code, *imported = done.stderr.splitlines()
    assert (code, done.stdout.partition("\n")[0]) == ("0", "Usage: kdbuild [OPTIONS] COMMAND [ARGS]...")
    packages = {name.partition(".")[0] for name in imported}
    assert packages - set(sys.stdlib_module_names) == {"click", "kdbuild"}
    ours = {name for name in imported if name.startswith("kdbuild.") and not name.startswith("kdbuild.cli")}
    assert ours == {"kdbuild.errors", "kdbuild.lazy", "kdbuild.version"}
    assert packages & {"argparse", "asyncio", "csv", "email", "http", "logging", "multiprocessing", "unittest"} == set()


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


def _rank(name: str, ranks: tuple[tuple[str, ...], ...]) -> int | None:
    return next((rank for rank, names in enumerate(ranks) if name in names), None)


def violations(path: Path, package: Path = PACKAGE) -> list[str]:
    """The imports of a file that point against the order of ``RANKS`` and, within the trainer, of ``GROUPS``."""
    own = path.relative_to(package).with_suffix("").parts
    found = set()
    for name in imported_modules(path, package):
        parts = name.split(".")[1:]
        if not name.startswith("kdbuild.") or not parts or own[0] in {"__init__", "__main__"}:
            continue
        pairs = [(own[0], parts[0], RANKS)]
        if own[0] == parts[0] == "trainer" and len(parts) > 1 and len(own) > 1:
            pairs.append((own[1], parts[1], GROUPS))
        for here, there, ranks in pairs:
            mine, other = _rank(here, ranks), _rank(there, ranks)
            if here != there and mine is not None and other is not None and other >= mine:
                found.add(f"{'.'.join(own)} imports {'.'.join(parts)}")
    return sorted(found)


def test_imports_point_one_way() -> None:
    found = {violation for path in PACKAGE.rglob("*.py") for violation in violations(path)}
    assert found == set()


def test_every_package_has_a_rank() -> None:
    def names(folder: Path) -> set[str]:
        entries = folder.iterdir()
        found = {
            path.name.removesuffix(".py") for path in entries if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        return found - {"__init__", "__main__"}

    assert names(PACKAGE) <= {name for names in RANKS for name in names}
    assert names(PACKAGE / "trainer") == {name for names in GROUPS for name in names}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import kdbuild.cli", ["runtime.module imports cli"]),
        ("from kdbuild import trainer", ["runtime.module imports trainer"]),
        ("from .. import export", ["runtime.module imports export"]),
        ("def load():\n    from ..measure.latency import x", ["runtime.module imports measure.latency.x"]),
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
