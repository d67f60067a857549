"""One artefact with every format: the engines answer alike, each is chosen as asked for, and the CLI shows what is in it."""

import json
from pathlib import Path

import numpy as np
import pytest

from conftest import run_cli
from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime import Classifier
from kdbuild.runtime import artefact as artefact_module
from kdbuild.runtime.artefact import MODEL_FILES, Artefact
from kdbuild.runtime.engines import EngineName

ENGINES: tuple[EngineName, ...] = ("tflite", "onnx", "torchscript")
TEXTS = ["the film is great", "a dull plot, isn't it?", "", "good " * 300]


@pytest.fixture(scope="module")
def folder(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artefacts") / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    result = run_cli("export", finished_run, "--out", out, *limits)
    assert result.exit_code == 0, result.output
    return out


def test_default_is_every_format(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= set(MODEL_FILES)
    assert set(MODEL_FILES) == {
        *("model_int8.tflite", "model_fp32.tflite", "model_int8.onnx", "model_fp32.onnx"),
        *("model_int8.pt", "model_fp32.pt"),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_answer_alike(folder: Path, engine: EngineName) -> None:
    reference = Classifier.load(folder, engine="tflite", precision="fp32")
    exact = Classifier.load(folder, engine=engine, precision="fp32")
    for text in TEXTS:
        np.testing.assert_allclose(exact.logits(text), reference.logits(text), atol=1e-4)
    quantised = Classifier.load(folder, engine=engine)
    assert quantised.model_file.startswith("model_int8.")
    for text in TEXTS[:2]:
        assert quantised(text).label == reference(text).label


def test_auto_takes_the_fastest_that_is_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Classifier.load(folder).model_file == "model_int8.tflite"
    monkeypatch.setattr(artefact_module, "is_installed", lambda engine: engine != "tflite")
    assert Classifier.load(folder).model_file == "model_int8.onnx"
    monkeypatch.setattr(artefact_module, "is_installed", lambda engine: engine == "torchscript")
    message = "no engine that runs its models is installed. Install one: pip install 'kdbuild[onnx]' or pip install"
    with pytest.raises(MissingExtraError, match=message.replace("[", r"\[")):
        Classifier.load(folder)


def test_torchscript_runs_only_when_it_is_named(folder: Path, finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    assert run_cli("export", finished_run, "--format", "torchscript", "--out", out, *limits).exit_code == 0
    with pytest.raises(BadInputError, match=r"has no safe model. It has: model_int8.pt, model_fp32.pt."):
        Classifier.load(out)
    assert Classifier.load(out, engine="torchscript")("great film").label == "pos"
    result = run_cli("predict", out, "great film", "--engine", "torchscript")
    assert result.stdout.startswith("pos")


def test_engine_whose_files_are_not_there(artefact_folder: Path) -> None:
    message = r"has no onnx model. It has: model_int8.tflite, model_fp32.tflite."
    with pytest.raises(BadInputError, match=message):
        Classifier.load(artefact_folder, engine="onnx")


def test_verify_proves_every_engine(folder: Path) -> None:
    result = run_cli("verify", folder, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["failures"] == []
    assert {name for name, model in found["models"].items() if model.get("passed")} == {
        *("model_int8.tflite", "model_fp32.tflite", "model_int8.onnx", "model_fp32.onnx")
    }
    assert found["models"]["model_int8.pt"]["skipped"].startswith("runs only with --torchscript")


def test_inspect_says_where_the_bytes_go(folder: Path) -> None:
    result = run_cli("inspect", folder, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    entries = {size["file"]: size for size in found["sizes"]}
    assert entries.keys() == set(MODEL_FILES)
    for name, size in entries.items():
        parts = sum(value for part, value in size.items() if part != "file")
        assert parts == Artefact.open(folder).manifest.files[name]["bytes"]
    student = found["student"]
    assert entries["model_int8.tflite"]["embedding"] == student["vocabulary"] * (8 + 4)
    assert found["operators"]["model_int8.tflite"]["WHILE"] == 1
    text = run_cli("inspect", folder).stdout
    assert "operators of model_int8.tflite: " in text
    assert "model_fp32.pt" in text


def test_diff_names_what_changed(folder: Path, artefact_folder: Path, tmp_path: Path) -> None:
    result = run_cli("diff", artefact_folder, folder)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "model_fp32.onnx" in {line.split()[0] for line in lines}
    assert not any(line.startswith(("labels", "vocabulary")) for line in lines)
    assert lines[-1] == "answers             0 of 216 texts are answered otherwise"


def test_explanation_on_the_command_line(folder: Path) -> None:
    result = run_cli("predict", folder, "--explain", "the film is great")
    assert result.exit_code == 0, result.output
    assert "great(+" in result.stdout
    result = run_cli("predict", folder, "--explain", "--json", "the film is great")
    values = json.loads(result.stdout)
    assert [token for token, _ in values["weights"]] == ["the", "film", "is", "great"]
    assert values["explained"] == values["label"]
