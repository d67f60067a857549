"""Each extra does what it says: its commands run where nothing else is installed."""

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import make_reviews, write_tsv

ROOT = Path(__file__).resolve().parents[1]

# What Python runs when it starts: from then on there are no other modules and distributions than those allowed. A finder
# that raises would do for imports, but libraries ask for the specs of what they can do without.
CONFINED = """
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
            if found.metadata["Name"].lower().replace("_", "-") in DISTRIBUTIONS:
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


def kdbuild(
    *arguments: str | Path,
    env: Mapping[str, str],
    python: str | Path = sys.executable,
    exit_code: int = 0,
) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "kdbuild", *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done


LIMITS = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
TINY = ("--embedding-size", "8", "--hidden-size", "8", "--classifier-size", "8", "--epochs", "1")
DEMO = ROOT / "android_demo" / "models" / "sst2"
FORMATS = {"tflite": "tflite", "onnx": "onnx", "torchscript": "pt"}


@pytest.fixture(scope="module")
def artefact(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats, written with the extra ``export`` alone. Not to be changed."""
    folder = tmp_path_factory.mktemp("export")
    kdbuild("export", finished_run, "--out", folder / "artefact", *LIMITS, env=confine("export", folder))
    return folder / "artefact"


def test_every_extra_is_tried() -> None:
    tried = {*FORMATS, "train", "export", "bench"}
    # These have slow tests of their own, or only add others up.
    elsewhere = {"tflite-runtime", "quickstart", "all", "dev"}
    provided = importlib.metadata.metadata("kdbuild").get_all("Provides-Extra") or []
    assert set(provided) == tried | elsewhere


def test_confinement_confines(tmp_path: Path) -> None:
    assert closure("") == {"kdbuild", "numpy", "click"}
    program = """
import importlib.metadata, importlib.util, click, numpy
print(importlib.util.find_spec("torch"), importlib.util.find_spec("rich"))
try:
    import filelock
except ModuleNotFoundError as error:
    print(error)
print(sorted(found.metadata["Name"] for found in importlib.metadata.distributions()))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=confine("", tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:2] == ["None None", "No module named 'filelock'"]
    assert set(re.findall(r"'(.*?)'", done.stdout.splitlines()[2])) == {"click", "kdbuild", "numpy"}


def test_without_an_extra(artefact: Path, tmp_path: Path) -> None:
    env = confine("", tmp_path)
    assert kdbuild("--help", env=env).stdout.startswith("Usage: kdbuild")
    assert kdbuild("train", "--help", env=env).stdout.startswith("Usage: kdbuild train")
    data = write_tsv(tmp_path / "reviews.tsv", make_reviews(40, seed=2))
    assert "nothing odd" in kdbuild("lint", data, env=env).stdout
    kdbuild("init", tmp_path / "recipe.toml", env=env)
    lines = kdbuild("inspect", artefact, env=env).stdout.splitlines()
    assert (
        "operators of model_fp32.tflite, model_int8.tflite, model_mediapipe.tflite: not counted, as LiteRT isn't installed: "
        "pip install 'ai-edge-litert>=2.0'"
    ) in lines
    verified = kdbuild("verify", artefact, env=env).stdout
    assert "model_int8.onnx         skipped: no engine: pip install 'onnxruntime>=1.17'" in verified.splitlines()
    refused = kdbuild("predict", artefact, "a film", env=env, exit_code=2).stderr
    assert refused == (
        f"Error: {artefact}: no engine that runs its models is installed. Install one: pip install 'ai-edge-litert>=2.0' or "
        "pip install 'onnxruntime>=1.17'\n"
    )
    refused = kdbuild("export", tmp_path / "run", env=env, exit_code=2).stderr
    assert re.fullmatch(
        r"Error: torch can't be imported \(No module named 'torch'\): this command needs it\. "
        r"Install what is missing of kdbuild's extra 'export': pip install 'onnxruntime>=1\.17' .*'torch>=2\.6' .*\n",
        refused,
    )


@pytest.mark.parametrize("extra", FORMATS)
def test_an_engine_alone(extra: str, artefact: Path, data_folder: Path, tmp_path: Path) -> None:
    env = confine(extra, tmp_path)
    engine = ("--engine", extra) if extra == "torchscript" else ()
    assert kdbuild("predict", artefact, "a great film", *engine, env=env).stdout.startswith("pos")
    found = kdbuild("eval", artefact, data_folder / "dev.tsv", *engine, env=env).stdout
    assert found.splitlines()[0] == f"model        model_int8.{FORMATS[extra]}"
    if extra != "torchscript":
        verified = kdbuild("verify", artefact, env=env).stdout
        proven = [line.split()[0] for line in verified.splitlines() if "golden texts" in line]
        assert proven[:2] == [f"model_int8.{FORMATS[extra]}", f"model_fp32.{FORMATS[extra]}"]
        assert "0 of 216 texts" in kdbuild("diff", artefact, artefact, env=env).stdout


def test_train_alone(teacher_folder: Path, tmp_path: Path) -> None:
    env = confine("train", tmp_path)
    data, run = write_tsv(tmp_path / "reviews.tsv", make_reviews(120, seed=3)), tmp_path / "run"
    kdbuild("train", data, "--out", run, "--teacher", teacher_folder, "--rounds", "1", *TINY, env=env)
    assert (run / "student").is_dir()


def test_bench_alone(tmp_path: Path) -> None:
    env, out = confine("bench", tmp_path), tmp_path / "out"
    kdbuild("benchmark", DEMO, "--against", "none", "--rounds", "1", "--out", out, env=env)
    assert {path.name for path in out.iterdir()} == {"benchmark.json", "benchmark.md", "latency_size.png"}
    # A BERT to compare with takes three processes of six seconds each: here it only answers once.
    program = """
from kdbuild.measure.reference_models import onnx_model, onnx_transformer
from kdbuild.measure.reference_models.bert import open_transformer
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.measure.reference_models.shapes import SHAPES

shape = SHAPES["bert-tiny"]
tokenizer = str(minilm_folder())
print(open_transformer(architecture=shape.architecture, settings=shape.settings, tokenizer=tokenizer, threads=1)("a film"))
"""
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("0", "1"), done.stderr
