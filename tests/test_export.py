"""Export: the artefact's files, its gates, and what is left after a refusal."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import run_cli
from kdbuild.errors import GateError
from kdbuild.export.gates import Comparison, Limits, compare, judge
from kdbuild.export.golden import replay
from kdbuild.runtime import Classifier
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.metrics import Metrics
from kdbuild.trainer.student import load_student, student_logits

FILES = {
    "manifest.json",
    "manifest.sha256",
    "vocab.txt",
    "labels.txt",
    "golden.jsonl",
    "README.md",
    "model_fp32.tflite",
    "model_int8.tflite",
}


def test_artefact_has_exactly_the_files_of_the_contract(artefact_folder: Path) -> None:
    assert {path.name for path in artefact_folder.iterdir()} == FILES
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    assert list(manifest) == sorted(
        "format_version labels task max_tokens temperature tokenizer files student metrics provenance".split()
    )
    assert manifest["labels"] == ["neg", "pos"]
    assert manifest["format_version"] == "1.0"
    assert set(manifest["files"]) == FILES - {"manifest.json", "manifest.sha256"}
    for name, entry in manifest["files"].items():
        content = (artefact_folder / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    digest = hashlib.sha256((artefact_folder / "manifest.json").read_bytes()).hexdigest()
    assert (artefact_folder / "manifest.sha256").read_text() == digest + "\n"
    assert (artefact_folder / "labels.txt").read_text() == "neg\npos\n"
    assert (artefact_folder / "vocab.txt").read_text().splitlines()[:3] == ["<pad>", "<unk>", "<mask>"]
    # Nobody's paths are published.
    assert "/tmp" not in (artefact_folder / "manifest.json").read_text()
    assert str(artefact_folder.parent) not in (artefact_folder / "manifest.json").read_text()


def test_golden_vectors_replay_on_the_artefact(artefact_folder: Path) -> None:
    content = (artefact_folder / "golden.jsonl").read_bytes()
    classifier = Classifier.load(artefact_folder)
    for name in ("model_fp32.tflite", "model_int8.tflite"):
        engine = TFLiteEngine(artefact_folder / name)
        assert replay(content, classifier.encode, name, engine, classifier.labels).passed


def test_exported_files_answer_as_the_student_does(finished_run: Path, artefact_folder: Path) -> None:
    student, vocabulary = load_student(finished_run / "student")
    draw = np.random.default_rng(0)
    for tokens in (1, 2, 7, 40, 512):
        ids = draw.integers(1, len(vocabulary), tokens)
        expected = student_logits(student, [ids.tolist()])[0]
        logits = TFLiteEngine(artefact_folder / "model_fp32.tflite")(ids.astype(np.int32))
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_export_twice_gives_the_same_bytes(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    for _ in range(2):  # the second replaces the first
        result = run_cli("export", finished_run, "--out", out, *limits)
        assert result.exit_code == 0, result.output
        for name in FILES:
            assert (out / name).read_bytes() == (artefact_folder / name).read_bytes(), name
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]


def test_run_copied_to_a_machine_without_its_teacher_is_exported(
    finished_run: Path, artefact_folder: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    options = json.loads((run / "options.json").read_text())
    options["options"]["teacher"]["teacher"] = "/nowhere/teacher"
    (run / "options.json").write_text(json.dumps(options))
    record = json.loads((run / ".stages" / "teacher.json").read_text())
    record["source"] = "/nowhere/teacher"
    (run / ".stages" / "teacher.json").write_text(json.dumps(record))
    result = run_cli("export", run, "--out", tmp_path / "artefact", "--max-flip-rate", "5", "--max-accuracy-loss", "5")
    assert result.exit_code == 0, result.output
    assert "nowhere" not in (tmp_path / "artefact" / "manifest.json").read_text()
    for name in ("model_int8.tflite", "golden.jsonl"):
        assert (tmp_path / "artefact" / name).read_bytes() == (artefact_folder / name).read_bytes()


def test_no_quantize_writes_fp32_alone(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    assert run_cli("export", finished_run, "--out", out, "--no-quantize").exit_code == 0
    assert {path.name for path in out.glob("*.tflite")} == {"model_fp32.tflite"}
    assert Classifier.load(out).model_file == "model_fp32.tflite"


def test_no_fp32_leaves_int8_alone(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    result = run_cli("export", finished_run, "--out", out, "--no-fp32", "--max-flip-rate", "5")
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.glob("*.tflite")} == {"model_int8.tflite"}
    assert set(json.loads((out / "manifest.json").read_text())["files"]) == FILES - {
        "manifest.json",
        "manifest.sha256",
        "model_fp32.tflite",
    }
    assert Classifier.load(out).model_file == "model_int8.tflite"
    neither = run_cli("export", finished_run, "--out", tmp_path / "none", "--no-fp32", "--no-quantize")
    assert neither.exit_code == 2
    assert not (tmp_path / "none").exists()


def test_export_prints_sizes_parity_flips_and_the_next_command(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    lines = run_cli("export", finished_run, "--out", out, "--max-flip-rate", "5").stdout.splitlines()
    assert lines[0].startswith("240 held-out texts; student ")
    assert lines[1].split() == ["file", "size", "accuracy", "flips", "max", "|Δlogit|", "mean"]
    assert [line.split()[0] for line in lines[2:4]] == ["model_fp32.tflite", "model_int8.tflite"]
    assert lines[4] == f'Next: kdbuild predict {out} "your text"'


def test_failed_gate_exits_3_and_leaves_nothing(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    """One huge weight in each row leaves int8 nothing for the others: a real failure, not a made-up one."""
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    weights = load_file(run / "student" / "model.safetensors")
    embedding = weights["embedding.weight"].copy()
    column = np.full((len(embedding), 1), 1e4, dtype=np.float32)
    weights["embedding.weight"] = np.concatenate([embedding[:, :-1], column], axis=1)
    weights["lstm.weight_ih_l0"][:, -1] = 0
    weights["lstm.weight_ih_l0_reverse"][:, -1] = 0
    save_file(weights, run / "student" / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "artefact"
    shutil.copytree(artefact_folder, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    result = run_cli("export", run, "--out", out)
    assert result.exit_code == 3
    message = result.stderr.splitlines()
    assert len(message) == 1
    assert message[0].startswith("Error: model_int8.tflite: ")
    assert "on 240 held-out texts (accuracy " in message[0]
    assert "95 % interval" in message[0]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artefact", "run"]


def _comparison(n: int = 1000, loss: float = 0.0, flips: float = 0.0, difference: float = 0.0) -> Comparison:
    metrics = Metrics(n, 0.9, (0.88, 0.92), 0.9, 0.3, 1.35, [[450, 50], [50, 450]])
    return Comparison(metrics, loss, flips, difference, difference / 10)


@pytest.mark.parametrize(
    ("name", "comparison", "message"),
    [
        (
            "model_int8.tflite",
            _comparison(loss=0.011),
            "loses 1.10 points of accuracy, limit 1.00, on 1000 held-out texts",
        ),
        ("model_int8.tflite", _comparison(loss=float("nan")), "loses nan points of accuracy"),
        (
            "model_int8.tflite",
            _comparison(flips=0.021),
            "flips 2.10% of the labels, limit 2.00%, on 1000 held-out texts",
        ),
        (
            "model_fp32.tflite",
            _comparison(difference=2e-4),
            "a logit differs from the student's by 0.0002, limit 0.0001",
        ),
        ("model_fp32.tflite", _comparison(n=50, difference=2e-4), "a logit differs from the student's by 0.0002"),
    ],
)
def test_gates_fail_beyond_their_limits(name: str, comparison: Comparison, message: str) -> None:
    with pytest.raises(GateError, match=message):
        judge(name, comparison, Limits())


def test_gates_pass_at_their_limits_and_do_not_judge_few_texts() -> None:
    judge("model_int8.tflite", _comparison(loss=0.01, flips=0.02, difference=1.0), Limits())
    judge("model_int8.tflite", _comparison(n=199, loss=0.5, flips=0.5), Limits())


def test_compare_by_hand() -> None:
    reference = np.array([[1, 0], [0, 1], [2, 0], [0, 3]], dtype=np.float32)
    candidate = np.array([[1, 0], [1, 0], [2, 0.5], [0, 3]], dtype=np.float32)
    result = compare(reference, candidate, np.array([0, 1, 1, 1]))
    assert result.accuracy_loss == 0.25  # 3 of 4 right against 2 of 4
    assert result.flip_rate == 0.25
    assert result.max_logit_difference == 1.0
    assert result.mean_logit_difference == pytest.approx(2.5 / 8)
    assert result.metrics.accuracy == 0.5
