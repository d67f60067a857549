"""One artefact with every format: the engines answer alike, each is chosen as asked for, and the CLI shows what is in it."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from commands import run_cli
from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.formats.mediapipe.graph import write_mediapipe
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.student_model import student_model
from kdbuild.requirements import Requirement
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact, file_entry
from kdbuild.runtime.engines.registry import EngineRow, model_files
from kdbuild.trainer.student.bilstm import load_student
from students import word_spotter

EXACT: tuple[str, ...] = ("tflite", "onnx", "torchscript")
"""Those with files in fp32."""
ENGINES = ("native", *EXACT)
TEXTS = ["the film is great", "a dull plot, isn't it?", "", "good " * 300]


@pytest.fixture(scope="module")
def folder(words_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artefacts") / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    result = run_cli("export", words_run, "--out", out, *limits)
    assert result.exit_code == 0, result.output
    return out


def test_default_is_every_format(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {file.name for file in model_files()}
    assert [file.name for file in model_files()] == [
        *("model_int8.kdb", "model_int8.tflite", "model_fp32.tflite", "model_int8.onnx", "model_fp32.onnx"),
        *("model_int8.pt", "model_fp32.pt", "model_mediapipe.tflite"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_answer_alike(folder: Path, engine: str) -> None:
    reference = Classifier.load(folder, engine="tflite", precision="fp32")
    if engine in EXACT:
        exact = Classifier.load(folder, engine=engine, precision="fp32")
        for text in TEXTS:
            np.testing.assert_allclose(exact.logits(text), reference.logits(text), atol=1e-4)
    quantised = Classifier.load(folder, engine=engine)
    assert quantised.model_file.startswith("model_int8.")
    for text in TEXTS[:2]:
        assert quantised(text).label == reference(text).label


def test_auto_takes_the_fastest_that_is_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Classifier.load(folder).model_file == "model_int8.kdb"
    monkeypatch.setattr(EngineRow, "is_installed", property(lambda row: row.name != "native"))
    assert Classifier.load(folder).model_file == "model_int8.tflite"
    monkeypatch.setattr(EngineRow, "is_installed", property(lambda row: row.name not in ("native", "tflite")))
    assert Classifier.load(folder).model_file == "model_int8.onnx"
    monkeypatch.setattr(EngineRow, "is_installed", property(lambda row: row.name == "torchscript"))
    monkeypatch.setattr(Requirement, "version", None)
    with pytest.raises(MissingExtraError) as raised:
        Classifier.load(folder)
    assert str(raised.value) == (
        f"{folder}: no engine that runs its models is installed. Install one: pip install ziglang==0.17.1 or "
        "pip install 'ai-edge-litert>=2.0' 'numpy>=1.26' or pip install 'onnxruntime>=1.17' 'numpy>=1.26'"
    )


def test_torchscript_runs_only_when_it_is_named(folder: Path, words_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    assert run_cli("export", words_run, "--format", "torchscript", "--out", out, *limits).exit_code == 0
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
        *("model_int8.kdb", "model_int8.tflite", "model_fp32.tflite", "model_int8.onnx", "model_fp32.onnx"),
        "model_mediapipe.tflite",
    }
    assert found["models"]["model_int8.pt"]["skipped"].startswith("runs only with --trust torchscript")


@pytest.fixture(scope="module")
def for_mediapipe(words_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact with MediaPipe's file alone. Not to be changed; copy it."""
    out = tmp_path_factory.mktemp("artefacts") / "artefact"
    result = run_cli("export", words_run, "--format", "mediapipe", "--out", out, "--max-flip-rate", "5")
    assert result.exit_code == 0, result.output
    return out


def test_mediapipes_file_is_not_run_for_answers(folder: Path, for_mediapipe: Path, tmp_path: Path) -> None:
    message = (
        f"{for_mediapipe}: its only model is model_mediapipe.tflite, which MediaPipe runs and kdbuild doesn't. "
        "Export it again, with --format native as well."
    )
    with pytest.raises(BadInputError) as raised:
        Classifier.load(for_mediapipe)
    assert str(raised.value) == message
    for engine in ENGINES:
        with pytest.raises(BadInputError) as raised:
            Classifier.load(for_mediapipe, engine=engine)
        assert str(raised.value) == message
    for arguments in (("predict", for_mediapipe, "a text"), ("diff", folder, for_mediapipe)):
        result = run_cli(*arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    # Nor read: beside other models it may be missing.
    out = Path(shutil.copytree(folder, tmp_path / "artefact"))
    (out / "model_mediapipe.tflite").unlink()
    assert Classifier.load(out)("great film") == Classifier.load(folder)("great film")


def test_verify_proves_mediapipes_file(for_mediapipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run_cli("verify", for_mediapipe).stdout.splitlines()
    assert first == "5 files with a digest"
    assert re.fullmatch(
        r"model_mediapipe\.tflite  ai-edge-litert [\d.]+: 216 golden texts, 0 with other token ids, 0 with another label, "
        r"max \|Δlogit\| \S+ \(at most 0\.05\)",
        second,
    )
    monkeypatch.setattr(EngineRow, "is_installed", False)
    monkeypatch.setattr(Requirement, "version", None)
    result = run_cli("verify", for_mediapipe)
    assert result.exit_code == 0
    skipped = "model_mediapipe.tflite  skipped: no engine: pip install 'ai-edge-litert>=2.0' 'numpy>=1.26'"
    assert result.stdout.splitlines()[1] == skipped


def test_verify_finds_another_file_for_mediapipe(for_mediapipe: Path, words_run: Path, tmp_path: Path) -> None:
    """Of the same student with another temperature, and digests that are right."""
    out = Path(shutil.copytree(for_mediapipe, tmp_path / "artefact"))
    student, vocabulary = load_student(words_run / "student")
    manifest = json.loads((out / "manifest.json").read_text())
    model = write_mediapipe(
        student_model(student), vocabulary, ["neg", "pos"], tokens=64, temperature=2 * manifest["temperature"]
    )
    (out / "model_mediapipe.tflite").write_bytes(model)
    failed = run_cli("verify", out)
    assert failed.exit_code == 3
    assert f"failed: {out / 'model_mediapipe.tflite'}: " in failed.stdout  # its digest, before any text is asked
    manifest["files"]["model_mediapipe.tflite"] = file_entry(model)
    content = json.dumps(manifest).encode()
    (out / "manifest.json").write_bytes(content)
    (out / "manifest.sha256").write_text(hashlib.sha256(content).hexdigest() + "\n")
    failed = run_cli("verify", out)
    assert failed.exit_code == 3
    (line,) = [line for line in failed.stdout.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: model_mediapipe.tflite: 0 texts with other token ids, ")
    assert failed.stderr == f"Error: {out}: 1 of its checks failed. Export the artefact again.\n"


def test_inspect_says_where_the_bytes_go(folder: Path) -> None:
    result = run_cli("inspect", folder, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    entries = {size["file"]: size for size in found["sizes"]}
    assert entries.keys() == {file.name for file in model_files()} - {"model_mediapipe.tflite"}
    for name, size in entries.items():
        parts = sum(value for part, value in size.items() if part != "file")
        assert parts == Artefact.open(folder).manifest.files[name]["bytes"]
    student = found["student"]
    assert entries["model_int8.tflite"]["embedding"] == student["vocabulary"] * (8 + 4)
    assert found["operators"]["model_int8.tflite"]["WHILE"] == 1
    text = run_cli("inspect", folder).stdout
    assert "operators of model_int8.tflite, outside its loop: " in text
    assert "model_fp32.pt" in text
    size = (folder / "model_mediapipe.tflite").stat().st_size
    assert f"\nmodel_mediapipe.tflite  {size:>12,}\n" in text
    assert found["operators"]["model_mediapipe.tflite"]["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 2
    assert re.search(
        r"^model_mediapipe\.tflite: accuracy .* answered otherwise than by the student, of 64 tokens each at most$",
        text,
        flags=re.MULTILINE,
    )


def test_diff_names_what_changed(folder: Path, words_run: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    assert run_cli("export", words_run, "--format", "tflite", "--out", old, *limits).exit_code == 0
    result = run_cli("diff", old, folder)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert {"model_fp32.onnx", "model_mediapipe.tflite"} <= {line.split()[0] for line in lines}
    assert not any(line.startswith(("tokenizer", "labels", "vocabulary")) for line in lines)
    assert lines[-1] == "answers                 0 of 216 texts are answered otherwise"


def test_explanation_on_the_command_line(tmp_path: Path) -> None:
    export_student(word_spotter(), tmp_path, formats=["tflite"], quantize=True, limits=Limits(), temper=False)
    result = run_cli("predict", tmp_path, "--explain", "a funny film")
    assert (result.exit_code, result.stdout) == (0, "funny  0.889  a funny(+0.87) film\n")
    result = run_cli("predict", tmp_path, "--explain", "--json", "a funny film")
    values = json.loads(result.stdout)
    assert [token for token, _ in values["weights"]] == ["a", "funny", "film"]
    assert values["explained"] == values["label"]
