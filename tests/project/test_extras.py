"""Each extra does what it says: its commands run where nothing else is installed."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from reviews import make_reviews, write_tsv

ROOT = Path(__file__).resolve().parents[2]

# What Python runs when it starts: from then on there are no other modules and distributions than those allowed. A finder
# that raises would do for imports, but libraries ask for the specs of what they can do without.
CONFINED = """
import re
import sys
from importlib.machinery import PathFinder

MODULES = {modules!r}
DISTRIBUTIONS = {distributions!r}


class Confined(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        # The name of sysconfig's data differs between platforms.
        if top in sys.stdlib_module_names or top in MODULES or top.startswith("_sysconfigdata_"):
            return PathFinder.find_spec(name, path, target)
        return None

    @classmethod
    def find_distributions(cls, *arguments, **named):
        for found in PathFinder.find_distributions(*arguments, **named):
            if re.sub("[-_.]+", "-", found.metadata["Name"]).lower() in DISTRIBUTIONS:
                yield found


sys.meta_path[:] = [Confined if finder is PathFinder else finder for finder in sys.meta_path]
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def closure(extra: str) -> frozenset[str]:
    """The distributions that kdbuild with an extra brings: all that they require, too; kdbuild itself is one of them."""
    waiting, seen = [("kdbuild", extra)], set[tuple[str, str]]()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                waiting += [(normalised(requirement.name), one) for one in ("", *requirement.extras)]
    return frozenset(name for name, _ in seen)


def confine(extra: str, folder: Path) -> dict[str, str]:
    """Write what confines Python to an extra's closure into a folder; the environment of processes that obey it."""
    distributions = closure(extra)
    owners = importlib.metadata.packages_distributions()
    modules = {module for module, names in owners.items() if distributions & set(map(normalised, names))} | {"kdbuild"}
    content = CONFINED.format(modules=sorted(modules), distributions=sorted(distributions))
    (folder / "sitecustomize.py").write_text(content, encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(folder), str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Installation:
    """A Python in which kdbuild is installed, or seems to be."""

    python: Path
    env: dict[str, str]

    def __call__(self, *arguments: str | Path, exit_code: int = 0) -> str:
        """Run a kdbuild command. Returns what it says: on standard output, or, where it is to fail, on standard error."""
        done = self.run("-m", "kdbuild", *map(str, arguments))
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stderr if exit_code else done.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)


def confined(extra: str, folder: Path) -> Installation:
    return Installation(Path(sys.executable), confine(extra, folder))


LIMITS = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
TINY = ("--embedding-size", "8", "--hidden-size", "8", "--classifier-size", "8", "--epochs", "1", "--rounds", "1")
DEMO = ROOT / "android_demo" / "models" / "sst2"
FORMATS = {"tflite": "tflite", "onnx": "onnx", "torchscript": "pt"}


@pytest.fixture(scope="module")
def artefact(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats, written with the extra ``export`` alone. Not to be changed."""
    folder = tmp_path_factory.mktemp("export")
    confined("export", folder)("export", finished_run, "--out", folder / "artefact", *LIMITS)
    return folder / "artefact"


def described(line: str) -> tuple[str, frozenset[str], str]:
    requirement = Requirement(line)
    return normalised(requirement.name), frozenset(requirement.extras), str(requirement.specifier)


def test_metadata_is_that_of_pyproject() -> None:
    """What follows is computed from it; where it differs, install anew: pip install --editable ."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = {"": project["dependencies"], **project["optional-dependencies"]}
    declared = {(extra, *described(line)) for extra, wanted in lines.items() for line in wanted}
    marked = [(line, re.search(r'extra == "(.*?)"', line)) for line in importlib.metadata.requires("kdbuild") or []]
    assert {(found[1] if found else "", *described(line)) for line, found in marked} == declared


def test_every_extra_is_tried() -> None:
    tried = {*FORMATS, "train", "search", "lint", "export", "bench", "sign"}
    # These have slow tests of their own, or only add others up.
    elsewhere = {"tflite-runtime", "quickstart", "cross", "all", "dev"}
    provided = importlib.metadata.metadata("kdbuild").get_all("Provides-Extra") or []
    assert set(provided) == tried | elsewhere


def test_confinement_confines(tmp_path: Path) -> None:
    assert closure("") == {"kdbuild", "click"}
    program = """
import importlib.metadata, importlib.util, click
print(importlib.util.find_spec("torch"), importlib.util.find_spec("numpy"))
try:
    import filelock
except ModuleNotFoundError as error:
    print(error)
print(sorted(found.metadata["Name"] for found in importlib.metadata.distributions()))
"""
    lines = confined("", tmp_path).run("-c", program).stdout.splitlines()
    assert lines[:2] == ["None None", "No module named 'filelock'"]
    assert set(re.findall(r"'(.*?)'", lines[2])) == {"click", "kdbuild"}


def use_base(kdbuild: Installation, artefact: Path, folder: Path, data: Path) -> None:
    """The native engine answers, and the commands around it work; what needs more says what."""
    assert re.search(r"(?m)^native engine +kdbuild \S+ \(plain.*\) runs$", kdbuild("doctor"))
    assert kdbuild("predict", artefact, "a great film").startswith(("pos", "neg"))
    assert kdbuild("predict", artefact / "model_int8.kdb", "a great film").startswith(("pos", "neg"))
    assert "great" in kdbuild("predict", artefact, "--explain", "a great film")
    assert json.loads(kdbuild("eval", artefact, data / "dev.tsv", "--json"))["accuracy"] > 0.9
    assert "0 of 247 texts" in kdbuild("diff", artefact, artefact)
    assert kdbuild("--help").startswith("Usage: kdbuild")
    assert kdbuild("train", "--help").startswith("Usage: kdbuild train")
    reviews = write_tsv(folder / "reviews.tsv", make_reviews(40, seed=2))
    assert kdbuild("lint", reviews, exit_code=2) == (
        "Error: numpy can't be imported (No module named 'numpy'): this command needs it. "
        "Install what is missing of kdbuild's extra 'lint': pip install 'numpy>=1.26'\n"
    )
    kdbuild("init", folder / "recipe.toml")
    assert (
        "operators of model_int8.tflite: not counted, as no engine for it is installed: "
        "pip install 'ai-edge-litert>=2.0' 'numpy>=1.26'"
    ) in kdbuild("inspect", artefact).splitlines()
    proven = kdbuild("verify", artefact).splitlines()
    assert "model_int8.onnx         skipped: no engine: pip install 'onnxruntime>=1.17' 'numpy>=1.26'" in proven
    assert [line.split()[0] for line in proven if "golden texts" in line] == ["model_int8.kdb"]
    assert kdbuild("predict", DEMO, "a warm, funny film").startswith("positive")
    refused = kdbuild("predict", DEMO, "a film", "--engine", "tflite", exit_code=2)
    assert refused.endswith("pip install 'ai-edge-litert>=2.0' 'numpy>=1.26'\n")
    assert re.fullmatch(
        r"Error: torch can't be imported \(No module named 'torch'\): this command needs it\. "
        r"Install what is missing of kdbuild's extra 'export': pip install 'onnxruntime>=1\.17' .*'torch>=2\.6' .*\n",
        kdbuild("export", folder / "run", exit_code=2),
    )


def use_engine(kdbuild: Installation, extra: str, artefact: Path, data: Path) -> None:
    assert kdbuild("predict", artefact, "a great film", "--engine", extra).startswith(("pos", "neg"))
    found = kdbuild("eval", artefact, data / "dev.tsv", "--engine", extra)
    assert found.splitlines()[0] == f"model        model_int8.{FORMATS[extra]}"
    if extra != "torchscript":
        proven = [line.split()[0] for line in kdbuild("verify", artefact).splitlines() if "golden texts" in line]
        assert proven[:3] == ["model_int8.kdb", f"model_int8.{FORMATS[extra]}", f"model_fp32.{FORMATS[extra]}"]
        assert "0 of 247 texts" in kdbuild("diff", artefact, artefact)


def use_train(kdbuild: Installation, teacher: Path, folder: Path) -> None:
    data = write_tsv(folder / "reviews.tsv", make_reviews(120, seed=3))
    kdbuild("train", data, "--out", folder / "run", "--teacher", teacher, *TINY)
    assert (folder / "run" / "student").is_dir()


def use_bench(kdbuild: Installation, folder: Path, against: str) -> None:
    kdbuild("benchmark", DEMO, "--against", against, "--rounds", "1", "--out", folder / "out")
    assert {path.name for path in (folder / "out").iterdir()} == {
        *("benchmark.json", "benchmark.md", "latency_size.png")
    }


def use_sign(kdbuild: Installation, artefact: Path, folder: Path) -> None:
    model = Path(shutil.copy(artefact / "model_int8.kdb", folder / "model_int8.kdb"))
    kdbuild("sign", "--new-key", folder / "k")
    assert kdbuild("sign", model, "--key", folder / "k", "--serial", "3").endswith(", serial 3\n")
    program = (
        "import sys; from kdbuild import Classifier; print(Classifier.load(sys.argv[1], public_key=sys.argv[2])('a'))"
    )
    done = kdbuild.run("-c", program, str(model), str(folder / "k.pub"))
    assert (done.returncode, done.stdout[:16]) == (0, "Prediction(text="), done.stderr


def use_lint(kdbuild: Installation, folder: Path) -> None:
    assert "nothing odd" in kdbuild("lint", write_tsv(folder / "reviews.tsv", make_reviews(40, seed=2)))


def test_base(artefact: Path, data_folder: Path, tmp_path: Path) -> None:
    use_base(confined("", tmp_path), artefact, tmp_path, data_folder)


def test_lint(tmp_path: Path) -> None:
    use_lint(confined("lint", tmp_path), tmp_path)


def test_sign(artefact: Path, tmp_path: Path) -> None:
    use_sign(confined("sign", tmp_path), artefact, tmp_path)


@pytest.mark.parametrize("extra", FORMATS)
def test_engine(extra: str, artefact: Path, data_folder: Path, tmp_path: Path) -> None:
    use_engine(confined(extra, tmp_path), extra, artefact, data_folder)


def test_train(teacher_folder: Path, tmp_path: Path) -> None:
    use_train(confined("train", tmp_path), teacher_folder, tmp_path)


def test_search(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    budget = ("--max-size", "30kB", "--trials", "1", "--finalists", "1")
    assert "* chosen" in confined("search", tmp_path)("search", run, *budget)


def test_bench(tmp_path: Path) -> None:
    confined_bench = confined("bench", tmp_path)
    use_bench(confined_bench, tmp_path, "none")
    # To compare with BERT takes three processes of six seconds each: here it only answers once.
    program = """
from kdbuild.measure.reference_models import onnx_model, onnx_transformer
from kdbuild.measure.reference_models.bert import open_transformer
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.measure.reference_models.shapes import SHAPES

shape = SHAPES["bert-tiny"]
tokenizer = str(minilm_folder())
print(open_transformer(architecture=shape.architecture, settings=shape.settings, tokenizer=tokenizer, threads=1)("a film"))
"""
    done = confined_bench.run("-c", program)
    assert done.stdout.strip() in ("0", "1"), done.stderr


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[[str], Installation]]:
    """Installs a copy of the checkout with an extra, in an environment of its own, which is removed afterwards."""
    environment, tree = tmp_path / "venv", tmp_path / "kdbuild"
    kept = shutil.ignore_patterns(
        ".*", "*.egg-info", "__pycache__", "build", "models", "screenshots", "tests", "results"
    )
    shutil.copytree(ROOT, tree, ignore=kept, symlinks=True)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def made(extra: str) -> Installation:
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        installation = Installation(environment / "bin" / "python", env)
        done = installation.run("-m", "pip", "install", "--quiet", f"{tree}[{extra}]" if extra else str(tree))
        assert done.returncode == 0, done.stderr
        return installation

    yield made
    shutil.rmtree(environment, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["", *FORMATS, "train", "lint", "export", "bench", "sign"])
def test_installed(
    extra: str,
    install: Callable[[str], Installation],
    artefact: Path,
    finished_run: Path,
    data_folder: Path,
    teacher_folder: Path,
    tmp_path: Path,
) -> None:
    """With torch, each takes some 5 GB for as long as it runs, unless pip is told of an index with CPU builds."""
    kdbuild = install(extra)
    match extra:
        case "":
            use_base(kdbuild, artefact, tmp_path, data_folder)
        case "lint":
            use_lint(kdbuild, tmp_path)
        case "sign":
            use_sign(kdbuild, artefact, tmp_path)
        case "train":
            use_train(kdbuild, teacher_folder, tmp_path)
        case "export":
            kdbuild("export", finished_run, "--out", tmp_path / "artefact", *LIMITS)
            kdbuild("verify", tmp_path / "artefact", "--trust", "torchscript")
        case "bench":
            use_bench(kdbuild, tmp_path, "bert-tiny")
        case _:
            use_engine(kdbuild, extra, artefact, data_folder)
