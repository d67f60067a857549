"""Export: the artefact's files, its gates, and what is left after a refusal."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from safetensors.numpy import load_file, save_file

from commands import run_cli
from kdbuild.errors import BadInputError, GateError
from kdbuild.export.formats.registry import chosen_formats
from kdbuild.export.gates import Comparison, Limits, compare, judge
from kdbuild.export.pipeline import Export, export_student
from kdbuild.export.trained import Trained, public_options, trained_by
from kdbuild.runtime import Classifier
from kdbuild.runtime.arrays import decide, sigmoid, softmax
from kdbuild.runtime.engines.mediapipe import MediaPipeEngine
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.golden import replay
from kdbuild.runtime.metrics import Metrics
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.options import ArticleOptions, AugmentOptions, StudentOptions, TeacherOptions, TrainOptions
from kdbuild.trainer.student.bilstm import Student, load_student, save_student, student_logits
from students import random_torch_student, word_spotter

PARTS = {"embedding", "recurrent", "classifier"}
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
        (
            "format_version labels task thresholds threshold max_tokens temperature tokenizer files student metrics "
            "provenance"
        ).split()
    )
    assert manifest["labels"] == ["neg", "pos"]
    assert (manifest["format_version"], manifest["task"], manifest["thresholds"]) == ("1.2", "single", None)
    assert {name: value for name, value in manifest["student"].items() if name not in ("vocabulary", "parameters")} == {
        "architecture": "bilstm",
        "embedding_size": 8,
        "factor_size": 0,
        "vector_bits": 8,
        "channels": 1,
        "layers": 1,
        "hidden_size": 8,
        "pooling": "last",
        "classifier_size": 8,
    }
    assert set(manifest["files"]) == FILES - {"manifest.json", "manifest.sha256"}
    for name, entry in manifest["files"].items():
        content = (artefact_folder / name).read_bytes()
        assert entry.pop("parts", {}).keys() == (PARTS if name.startswith("model_") else set())
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
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5", "--no-calibrate")
    for _ in range(2):  # the second replaces the first
        result = run_cli("export", finished_run, "--format", "tflite", "--out", out, *limits)
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
    result = run_cli(
        "export",
        run,
        "--format",
        "tflite",
        "--out",
        tmp_path / "artefact",
        "--max-flip-rate",
        "5",
        "--max-accuracy-loss",
        "5",
    )
    assert result.exit_code == 0, result.output
    assert "nowhere" not in (tmp_path / "artefact" / "manifest.json").read_text()
    for name in ("model_int8.tflite", "golden.jsonl"):
        assert (tmp_path / "artefact" / name).read_bytes() == (artefact_folder / name).read_bytes()


def test_no_quantize_writes_fp32_alone(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    assert run_cli("export", finished_run, "--format", "tflite", "--out", out, "--no-quantize").exit_code == 0
    assert {path.name for path in out.glob("*.tflite")} == {"model_fp32.tflite"}
    assert Classifier.load(out).model_file == "model_fp32.tflite"


def test_no_fp32_leaves_int8_alone(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    result = run_cli("export", finished_run, "--format", "tflite", "--out", out, "--no-fp32", "--max-flip-rate", "5")
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.glob("*.tflite")} == {"model_int8.tflite"}
    assert set(json.loads((out / "manifest.json").read_text())["files"]) == FILES - {
        "manifest.json",
        "manifest.sha256",
        "model_fp32.tflite",
    }
    assert Classifier.load(out).model_file == "model_int8.tflite"
    neither = run_cli(
        "export", finished_run, "--format", "tflite", "--out", tmp_path / "none", "--no-fp32", "--no-quantize"
    )
    assert neither.exit_code == 2
    assert not (tmp_path / "none").exists()


def test_export_prints_sizes_parity_flips_and_the_next_command(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    lines = run_cli(
        "export", finished_run, "--format", "tflite", "--out", out, "--max-flip-rate", "5"
    ).stdout.splitlines()
    assert lines[0].startswith("240 held-out texts; student ")
    columns = "file size accuracy flips worst class max |Δlogit| mean 1-512 tokens"
    assert lines[1].split() == columns.split()
    assert [line.split()[0] for line in lines[2:4]] == ["model_fp32.tflite", "model_int8.tflite"]
    assert lines[4].startswith("temperature ")
    assert "on the 120 texts that it wasn't fitted on" in lines[4]
    assert lines[5] == f'Next: kdbuild predict {out} "your text"'


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
    result = run_cli("export", run, "--format", "tflite", "--out", out)
    assert result.exit_code == 3
    message = result.stderr.splitlines()
    assert len(message) == 1
    assert message[0].startswith("Error: model_int8.tflite: ")
    assert "on 240 held-out texts (accuracy " in message[0]
    assert "95 % interval" in message[0]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artefact", "run"]


def _comparison(n: int = 1000, loss: float = 0.0, flips: float = 0.0, difference: float = 0.0) -> Comparison:
    metrics = Metrics(n, 0.9, (0.88, 0.92), 0.9, 0.9, 0.3, 1.35, [[450, 50], [50, 450]])
    return Comparison(metrics, loss, flips, difference, difference / 10, [loss, 0.0])


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
            "changes the answer to 2.10% of the texts, limit 2.00%, on 1000 held-out texts",
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


@pytest.mark.parametrize("comparison", [_comparison(loss=0.011), _comparison(flips=0.021)])
def test_way_out_of_a_failed_gate(comparison: Comparison) -> None:
    for name, way_out in (
        ("model_int8.tflite", "export with --no-quantize."),
        ("model_mediapipe.tflite", "leave --format mediapipe out."),
    ):
        with pytest.raises(GateError) as raised:
            judge(name, comparison, Limits())
        assert str(raised.value).endswith(f", train longer, or {way_out}")


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


def test_compare_several_labels_by_hand() -> None:
    reference = np.array([[1, -1], [1, 1], [-1, -1], [-1, 1]], dtype=np.float32)
    candidate = np.array([[2, -1], [1, -1], [1, 1], [-0.1, 1]], dtype=np.float32)
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=np.int8)
    result = compare(reference, candidate, targets)
    assert result.accuracy_loss == 0.5
    assert result.flip_rate == 0.5  # two texts, although three labels changed
    assert result.max_logit_difference == 2.0
    assert result.metrics.confusion == [[1, 1, 0, 2], [1, 1, 1, 1]]
    # A threshold between -0.1 and -1 changes what the student says of no text, and what the file says of the last.
    lower = compare(reference, candidate, targets, [0.4, 0.5])
    assert (lower.accuracy_loss, lower.flip_rate) == (0.75, 0.75)


def export_tags(out: Path, trained: Trained | None = None, **limits: float) -> Export:
    return export_student(
        trained or word_spotter(), out, formats=["tflite"], quantize=True, limits=Limits(**limits), temper=False
    )


def test_artefact_of_several_labels(tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    made = export_tags(out, word_spotter((0.35, 0.6)))
    assert made.multi_label
    assert {path.name for path in out.iterdir()} == FILES
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["task"], manifest["thresholds"]) == ("multi", [0.35, 0.6])
    assert (manifest["format_version"], manifest["labels"]) == ("1.2", ["funny", "warm"])
    # 12 of 240 texts have labels that the truth doesn't know of: rows 10, 30, ... of "a warm film".
    assert made.student.confusion == [[120, 0, 0, 120], [120, 12, 0, 108]]
    held_out = manifest["metrics"]["held_out"]
    files = held_out["files"]
    for figures in (held_out["student"], *files.values()):
        assert (figures["accuracy"], figures["micro_f1"]) == (0.95, pytest.approx(2 * 228 / (2 * 228 + 12)))
    assert [files[name]["flip_rate"] for name in ("model_int8.tflite", "model_fp32.tflite")] == [0.0, 0.0]
    rows = {row["text"]: row for row in map(json.loads, (out / "golden.jsonl").read_bytes().splitlines())}
    assert (rows["meh"]["label"], rows["meh"]["labels"]) == (None, [])
    found = [row for text, row in rows.items() if text.startswith("A warm, funny film")]
    assert [(row["label"], row["labels"]) for row in found] == [("funny", ["funny", "warm"])]


def test_golden_vectors_of_several_labels_replay(tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    export_tags(out)
    classify = Classifier.load(out)
    content = (out / "golden.jsonl").read_bytes()
    for name in ("model_fp32.tflite", "model_int8.tflite"):
        result = replay(
            content, classify.encode, name, TFLiteEngine(out / name), classify.labels, thresholds=[0.5, 0.5]
        )
        assert result.passed
        assert result.texts == 216
        # Held to other thresholds, the recorded labels of the fp32 file are wrong.
        other = replay(
            content, classify.encode, name, TFLiteEngine(out / name), classify.labels, thresholds=[0.01, 0.5]
        )
        assert (other.wrong_labels > 200) == ("fp32" in name)


def test_changed_sets_of_labels_fail_the_gate(tmp_path: Path) -> None:
    """A threshold where int8 and fp32 fall apart: twice the word, which int8 rounds to a little less."""
    trained = word_spotter()
    texts = ["warm warm and funny funny funny"] * 240
    ids = trained.vocabulary.ids(texts[0].split())
    out = tmp_path / "artefact"
    export_tags(out)
    engine = TFLiteEngine(out / "model_int8.tflite")
    reference = student_logits(trained.student, [ids])[0].astype(float)
    rounded = engine(np.array(ids, np.int32)).astype(float)
    assert abs(reference[1] - rounded[1]) > 1e-5  # or the threshold couldn't lie between
    threshold = float(1 / (1 + np.exp(-(reference[1] + rounded[1]) / 2)))
    split = Split(texts, [text.split() for text in texts], np.ones((240, 2), np.int8))
    edge = replace(word_spotter((0.5, threshold)), held_out=split)
    message = r"model_int8\.tflite: changes the answer to 100\.00% of the texts, limit 2\.00%, on 240 held-out texts"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(GateError, match=message):
        export_tags(out, edge, max_accuracy_loss=2.0)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]


def test_student_without_thresholds_is_refused(tmp_path: Path) -> None:
    for thresholds in (None, [0.5]):
        trained = word_spotter()
        trained.student.config.thresholds = thresholds
        message = rf"^tags: its student has {len(thresholds or [])} thresholds for 2 labels\. Run distill again\.$"
        with pytest.raises(BadInputError, match=message):
            export_tags(tmp_path / "artefact", trained)
    assert list(tmp_path.iterdir()) == []


def trained_of(student: Student) -> Trained:
    """A random student with a vocabulary of its size and held-out texts that it has no opinion on."""
    words = ["<pad>", "<unk>", "<mask>", *(f"w{number}" for number in range(student.config.vocab_size - 3))]
    tokens = [[words[3 + (row * place) % (len(words) - 3)] for place in range(1, 9)] for row in range(240)]
    split = Split([" ".join(row) for row in tokens], tokens, np.arange(240) % 3)
    return Trained(student, Vocabulary(words), ["no", "yes", "so"], split, "any", {})


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"vector_bits": 4}, "40 words in 24 dimensions of 4 bits each, 20 units each direction, classifier"),
        ({"factor_size": 6}, "40 words in 6 dimensions, projected to 24, 20 units each direction, classifier"),
        (
            {"channels": 2},
            "40 words in 24 dimensions twice, once trained and once not, 20 units each direction, classifier",
        ),
        ({"pooling": "max"}, "24 dimensions, 20 units each direction (their maximum over the tokens), classifier"),
    ],
)
def test_artefacts_of_other_shapes(tmp_path: Path, shape: dict[str, Any], sentence: str) -> None:
    out = tmp_path / "artefact"
    student = random_torch_student(**shape)
    made = export_student(
        trained_of(student),
        out,
        formats=["tflite"],
        quantize=True,
        limits=Limits(max_accuracy_loss=0.1, max_flip_rate=0.1),
    )
    manifest = json.loads((out / "manifest.json").read_text())
    assert (
        manifest["student"]
        == {
            "architecture": "bilstm",
            "vocabulary": 40,
            "embedding_size": 24,
            "factor_size": 0,
            "vector_bits": 8,
            "channels": 1,
            "layers": 1,
            "hidden_size": 20,
            "pooling": "last",
            "classifier_size": 12,
            "parameters": sum(parameter.numel() for parameter in student.parameters()),
        }
        | shape
    )
    assert sentence in (out / "README.md").read_text()
    assert made.comparisons["model_fp32.tflite"].max_logit_difference < 1e-5
    assert 0 < made.comparisons["model_int8.tflite"].max_logit_difference < 0.1
    classify = Classifier.load(out)
    content = (out / "golden.jsonl").read_bytes()
    assert replay(content, classify.encode, "model_int8.tflite", classify.engine, classify.labels).passed


@pytest.mark.parametrize("name", ["tflite", "onnx", "torchscript", "mediapipe"])
def test_what_a_format_can_not_express_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match=rf"^--format {name}: can't express a student with --pooling mean\. Distil"):
        export_student(
            trained_of(random_torch_student(pooling="mean")),
            tmp_path / "artefact",
            formats=[name],
            quantize=True,
            limits=Limits(),
        )
    assert list(tmp_path.iterdir()) == []


def test_run_whose_student_tflite_can_not_express(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    student, vocabulary = load_student(run / "student")
    other = random_torch_student(vocab_size=len(vocabulary), pooling="mean")
    assert student.config.pooling == "last"
    save_student(run / "student", other, vocabulary)
    with pytest.raises(BadInputError, match=r"^--format tflite: can't express a student with --pooling mean\. Distil"):
        export_student(trained_by(run), tmp_path / "artefact", formats=["tflite"], quantize=True, limits=Limits())
    assert not (tmp_path / "artefact").exists()


def test_paths_in_options_are_not_published(tmp_path: Path) -> None:
    (tmp_path / "tagger").mkdir()
    options = TrainOptions(
        teacher=TeacherOptions(teacher=("/home/someone/models/bert",)),
        augment=AugmentOptions(perturb=("spans", "article"), unlabelled=("private/a.txt", "/home/someone/b.gz")),
        article=ArticleOptions(spacy_model=str(tmp_path / "tagger")),
        student=StudentOptions(embeddings="private/vectors.vec", extra_words="../words.txt"),
    )
    public = public_options(options, ("data", "teacher", "augment", "label", "distill"))
    assert sorted(public) == [
        *("article", "augment", "data", "label", "spans", "student", "teacher", "teacher_training", "training")
    ]
    assert public["teacher"]["teacher"] == "bert"
    assert (public["article"]["spacy_model"], public["augment"]["unlabelled"]) == ("tagger", ["a.txt", "b.gz"])
    assert (public["student"]["embeddings"], public["student"]["extra_words"]) == ("vectors.vec", "words.txt")
    assert public["training"] == options.to_dict()["training"]
    for word in ("home", "private", str(tmp_path)):
        assert word not in json.dumps(public)
    hub = replace(options, teacher=TeacherOptions(teacher=("some/encoder",)), student=StudentOptions())
    assert public_options(hub, ("data", "teacher"))["teacher"]["teacher"] == "some/encoder"
    assert public_options(hub, ("data", "teacher"))["student"]["embeddings"] == "teacher"
    assert sorted(public_options(hub, ("data", "distill"))) == ["data", "student", "training"]


MEDIAPIPE_FILES = (FILES - {"model_fp32.tflite", "model_int8.tflite"}) | {"model_mediapipe.tflite"}


def scores_of(path: Path, ids: list[int]) -> list[float]:
    """What MediaPipe's file answers, as MediaPipe asks it."""
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (given,), (scores,) = interpreter.get_input_details(), interpreter.get_output_details()
    padded = np.zeros(given["shape"], np.int32)
    padded[0, : len(ids)] = ids
    interpreter.set_tensor(given["index"], padded)
    interpreter.invoke()
    found: list[float] = interpreter.get_tensor(scores["index"])[0].tolist()
    return found


def export_for_mediapipe(trained: Trained, out: Path, **options: Any) -> Export:
    limits = Limits(max_accuracy_loss=0.1, max_flip_rate=0.1)
    return export_student(trained, out, formats=["mediapipe"], quantize=True, limits=limits, **options)


def test_mediapipe_alone(words_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    contents = []
    for _ in range(2):  # the second replaces the first
        result = run_cli("export", words_run, "--format", "mediapipe", "--out", out, "--max-flip-rate", "5")
        assert result.exit_code == 0, result.output
        contents.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == MEDIAPIPE_FILES
    lines = result.stdout.splitlines()
    size, flips = lines[2].split()[1:3], lines[2].split()[4]
    assert lines[2].startswith("model_mediapipe.tflite ")
    assert size == [f"{len(contents[0]['model_mediapipe.tflite']) / 1e6:.2f}", "MB"]
    assert lines[3].startswith("temperature ")
    assert lines[4:] == [f"Next: kdbuild verify {out}"]
    manifest = json.loads(contents[0]["manifest.json"])
    content = contents[0]["model_mediapipe.tflite"]
    assert manifest["files"]["model_mediapipe.tflite"] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    figures = manifest["metrics"]["held_out"]["files"]
    assert list(figures) == ["model_mediapipe.tflite"]
    measured = figures["model_mediapipe.tflite"]
    assert (measured["tokens"], measured["cut"]) == (64, 0)
    assert (f"{measured['flip_rate']:.2%}", measured["flip_rate"] <= 0.05) == (flips, True)
    # None where every score is 0 or 1, as a student's may be that makes no mistakes.
    assert 0 <= measured["max_logit_difference"] < 0.5
    assert 0 <= measured["length_difference"] < 0.5
    card = contents[0]["README.md"].decode()
    row = f"| `model_mediapipe.tflite` | {len(content) / 1e6:.2f} MB | {measured['accuracy']:.1%} ("
    assert row in card
    for row in map(json.loads, contents[0]["golden.jsonl"].splitlines()):
        assert list(row["logits"]) == ["model_mediapipe.tflite"]
        assert sum(row["logits"]["model_mediapipe.tflite"]) == pytest.approx(0, abs=1e-5)


def test_mediapipes_scores_are_calibrated(tmp_path: Path) -> None:
    """Of a student without an opinion that is right: its temperature is far from 1."""
    student = random_torch_student()
    out = tmp_path / "artefact"
    made = export_for_mediapipe(trained_of(student), out)
    temperature = json.loads((out / "manifest.json").read_text())["temperature"]
    assert temperature == made.calibration.temperature > 5
    ids = [9, 30, 4, 17]
    (logits,) = student_logits(student, [ids])
    scores = scores_of(out / "model_mediapipe.tflite", ids)
    assert scores == pytest.approx(softmax(logits / temperature).tolist(), abs=1e-3)
    assert np.abs(np.array(scores) - softmax(logits)).max() > 0.05
    export_for_mediapipe(trained_of(student), out, temper=False)
    assert json.loads((out / "manifest.json").read_text())["temperature"] == 1.0
    assert scores_of(out / "model_mediapipe.tflite", ids) == pytest.approx(softmax(logits).tolist(), abs=0.02)


def test_mediapipes_scores_of_several_labels_reach_the_manifests_thresholds(tmp_path: Path) -> None:
    trained = word_spotter((0.35, 0.95))
    out = tmp_path / "artefact"
    made = export_for_mediapipe(trained, out)
    manifest = json.loads((out / "manifest.json").read_text())
    temperature, thresholds = manifest["temperature"], manifest["thresholds"]
    assert (manifest["task"], temperature == 1, thresholds == [0.35, 0.95]) == ("multi", False, False)
    figures = manifest["metrics"]["held_out"]["files"]["model_mediapipe.tflite"]
    assert (figures["tokens"], figures["flip_rate"]) == (16, 0.0)  # 16 are all that the student reads
    assert made.comparisons["model_mediapipe.tflite"].metrics.confusion == made.student.confusion
    for text in ("funny", "a warm warm film", "a film", "warm and funny"):
        ids = trained.vocabulary.ids(text.split())
        (logits,) = student_logits(trained.student, [ids])
        scores = scores_of(out / "model_mediapipe.tflite", ids)
        assert scores == pytest.approx(sigmoid(logits / temperature).tolist(), abs=1e-3)
        given = [score >= threshold for score, threshold in zip(scores, thresholds, strict=True)]
        assert given == decide(logits, [0.35, 0.95]).tolist(), text


def test_mediapipe_is_compared_with_what_the_student_says_of_as_many_tokens(tmp_path: Path) -> None:
    student = random_torch_student()
    trained = trained_of(student)  # 8 tokens each
    out = tmp_path / "artefact"
    made = export_for_mediapipe(trained, out, settings={"mediapipe_tokens": 3}, temper=False)
    comparison = made.comparisons["model_mediapipe.tflite"]
    assert (comparison.tokens, comparison.cut) == (3, 240)
    assert 0 < comparison.max_logit_difference < 0.1
    assert 0 < comparison.length_difference < 0.1
    whole = [trained.vocabulary.ids(tokens) for tokens in trained.held_out.tokens]
    expected = student_logits(student, [ids[:3] for ids in whole]).argmax(axis=1)
    assert comparison.metrics.accuracy == pytest.approx((expected == trained.held_out.targets).mean(), abs=0.02)
    assert (expected != student_logits(student, whole).argmax(axis=1)).mean() > 0.1  # or it wouldn't have mattered
    manifest = json.loads((out / "manifest.json").read_text())
    figures = manifest["metrics"]["held_out"]["files"]["model_mediapipe.tflite"]
    assert (figures["tokens"], figures["cut"]) == (3, 240)
    assert MediaPipeEngine(out / "model_mediapipe.tflite", temperature=1.0, multi_label=False).tokens == 3


def test_cut_texts_are_counted_on_the_command_line(words_run: Path, tmp_path: Path) -> None:
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    out = tmp_path / "artefact"
    result = run_cli("export", words_run, "--format", "mediapipe", "--mediapipe-tokens", "4", "--out", out, *limits)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[3] == (
        "model_mediapipe.tflite: reads the first 4 tokens; 240 of the texts have more, and it was compared with what the "
        "student says of these"
    )


def test_mediapipe_fails_its_gate(words_run: Path, tmp_path: Path) -> None:
    """One huge weight in each row, as above."""
    run = Path(shutil.copytree(words_run, tmp_path / "run"))
    weights = load_file(run / "student" / "model.safetensors")
    weights["embedding.weight"][:, -1] = 1e4
    weights["lstm.weight_ih_l0"][:, -1] = 0
    weights["lstm.weight_ih_l0_reverse"][:, -1] = 0
    save_file(weights, run / "student" / "model.safetensors", metadata={"format": "pt"})
    result = run_cli("export", run, "--format", "mediapipe", "--out", tmp_path / "artefact")
    assert result.exit_code == 3
    (message,) = result.stderr.splitlines()
    assert message.startswith("Error: model_mediapipe.tflite: ")
    assert message.endswith("or leave --format mediapipe out.")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--format", "mediapipe", "--mediapipe-tokens", "0"),
            "--mediapipe-tokens 0: it would read nothing of a text. Give 1 or more.",
        ),
        (
            ("--format", "mediapipe", "--mediapipe-tokens", "513"),
            "--mediapipe-tokens 513: the student reads 512 tokens of a text. "
            "Give 512 or less, or distil one with a larger --max-tokens.",
        ),
        (
            ("--format", "tflite", "--format", "onnx", "--mediapipe-tokens", "64"),
            "--mediapipe-tokens 64: no file of format mediapipe is written. Add --format mediapipe, or drop it.",
        ),
        (
            ("--no-quantize", "--mediapipe-tokens", "64"),
            "--mediapipe-tokens 64: no file of format mediapipe is written, as --no-quantize leaves it out. Drop one of them.",
        ),
        (
            ("--format", "mediapipe", "--no-quantize"),
            "--no-quantize --format mediapipe: its file is int8 alone. Drop one of them.",
        ),
        (
            ("--format", "all", "--format", "mediapipe", "--no-quantize"),
            "--no-quantize --format mediapipe: its file is int8 alone. Drop one of them.",
        ),
    ],
)
def test_options_that_mediapipes_file_can_not_have(
    words_run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run_cli("export", words_run, "--out", tmp_path / "artefact", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_chosen_formats() -> None:
    def chosen(*names: str, quantize: bool = True) -> list[str]:
        return [row.name for row in chosen_formats(names, quantize=quantize)]

    every = ["native", "tflite", "onnx", "torchscript", "mediapipe"]
    assert chosen("all") == every
    assert chosen("all", quantize=False) == every[1:4]
    assert chosen("mediapipe", "tflite") == ["tflite", "mediapipe"]


def test_all_without_int8_has_no_file_for_mediapipe(finished_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    assert run_cli("export", finished_run, "--out", out, "--no-quantize").exit_code == 0
    assert {path.name for path in out.glob("model_*")} == {"model_fp32.tflite", "model_fp32.onnx", "model_fp32.pt"}
