"""A teacher that isn't whole is refused by name; one that knows nothing of some class, too."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime.arrays import evaluate_logits
from kdbuild.trainer.teacher.fine_tune import check_teacher
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.pretrained import load_model, load_tokenizer

Weights = dict[str, torch.Tensor]


def changed(teacher: Path, folder: Path, change: Callable[[Weights], object]) -> Path:
    shutil.copytree(teacher, folder)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def without_head(weights: Weights) -> None:
    del weights["classifier.weight"], weights["classifier.bias"]


def without_layer(weights: Weights) -> None:
    for key in [key for key in weights if ".layer.0." in key]:
        del weights[key]


def not_finite(weights: Weights) -> None:
    weights["classifier.bias"][0] = float("nan")


def of_other_shape(weights: Weights) -> None:
    weights["classifier.bias"] = torch.zeros(5)


def of_another_size(weights: Weights) -> None:
    for part in ("weight", "bias"):
        weights[f"bert.encoder.layer.0.attention.output.LayerNorm.{part}"] = torch.zeros(3)


CASES = [
    (without_head, r"its file lacks the weights classifier\.bias, classifier\.weight\. Save the whole model again\."),
    (
        without_layer,
        r"its file lacks the weights bert\.encoder\.layer\.0\.attention.* and 13 more\. Save the whole model again\.",
    ),
    (not_finite, r"the weights classifier\.bias aren't all finite\. Use another teacher\."),
    (
        of_other_shape,
        r"the weights classifier\.bias have the shape \[5\] in its file, and \[2\] by its config\.json\. "
        r"Save the model again, with the configuration that belongs to it\.",
    ),
    (
        of_another_size,
        r"the weights bert\.encoder\.layer\.0\.attention\.output\.LayerNorm\.bias have the shape \[3\] in its file, and "
        r"\[16\] by its config\.json; 1 more differ, too\. Save the model again.*",
    ),
]


@pytest.mark.parametrize(("change", "message"), CASES)
def test_weights(teacher_folder: Path, tmp_path: Path, change: Callable[[Weights], object], message: str) -> None:
    folder = changed(teacher_folder, tmp_path / "teacher", change)
    with pytest.raises(BadInputError, match=f"^--teacher {re.escape(str(folder))}: {message}$"):
        Teacher(folder, bf16=False, max_pieces=64)


def test_an_encoder_lacks_only_its_classifier(encoder_folder: Path, tmp_path: Path) -> None:
    tokenizer, kind = load_tokenizer(str(encoder_folder)), AutoModelForSequenceClassification
    load_model(kind, str(encoder_folder), tokenizer, num_labels=3)
    folder = changed(
        encoder_folder,
        tmp_path / "encoder",
        lambda weights: [weights.pop(key) for key in list(weights) if "layer.0" in key],
    )
    with pytest.raises(BadInputError, match="its file lacks the weights"):
        load_model(kind, str(folder), tokenizer, num_labels=3)


def test_no_tokenizer(teacher_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(teacher_folder, tmp_path / "teacher"))
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    with pytest.raises(
        BadInputError,
        match=r": (has no tokenizer|can't be loaded \(.+\))\. (Save the tokenizer|Fetch or save its tokenizer)",
    ):
        Teacher(folder, bf16=False, max_pieces=64)


def test_a_tokenizer_of_another_model(teacher_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(teacher_folder, tmp_path / "teacher"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zzz1", "zzz2"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        BadInputError, match=r": its tokenizer has [\d,]+ word pieces, the model [\d,]+\. Save the tokenizer"
    ):
        Teacher(folder, bf16=False, max_pieces=64)


def test_logits_that_are_not_finite(teacher_folder: Path) -> None:
    teacher = Teacher(teacher_folder, bf16=False, max_pieces=64)
    torch.nn.init.constant_(teacher.model.classifier.bias, float("inf"))
    with pytest.raises(
        BadInputError, match=r": its logits aren't all finite\. Try --label-dtype fp32, or use another teacher"
    ):
        teacher.logits(teacher.encode(["a film"]))


@pytest.mark.parametrize(
    ("right", "recall"),
    [
        ({0: 90, 1: 2}, None),  # 0.6 on average
        ({0: 90, 1: 0}, "50.0%"),  # 90 % of all rows, by one answer
        ({0: 45, 1: 5}, "50.0%"),
    ],
)
def test_the_floor_is_the_mean_recall(right: dict[int, int], recall: str | None) -> None:
    targets = np.array([0] * 90 + [1] * 10)
    answers = np.array([0] * right[0] + [1] * (90 - right[0]) + [1] * right[1] + [0] * (10 - right[1]))
    logits = np.eye(2, dtype=np.float32)[answers]
    metrics = evaluate_logits(logits, targets)
    if recall is None:
        check_teacher("t", metrics, logits, targets, was_given=True)
        return
    message = (
        f"--teacher t: finds {recall} of the 100 dev rows of a class, on average over the classes, below chance + 5 points. "
        "Are its classes in another order? Use an encoder that is fine-tuned here, or another teacher."
    )
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        check_teacher("t", metrics, logits, targets, was_given=True)


@pytest.mark.parametrize(("change", "message"), CASES)
def test_nothing_is_written(
    data_folder: Path, teacher_folder: Path, tmp_path: Path, change: Callable[[Weights], object], message: str
) -> None:
    folder = changed(teacher_folder, tmp_path / "teacher", change)
    result = run_cli("train", data_folder, "--out", tmp_path / "run", "--teacher", folder, "--p-pos", "0")
    assert result.exit_code == 2
    assert re.fullmatch(f"Error: --teacher {re.escape(str(folder))}: {message}", result.stderr.splitlines()[-1])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("change", "message"), CASES)
def test_nothing_is_changed_by_another_teacher(
    finished_run: Path,
    data_folder: Path,
    teacher_folder: Path,
    tmp_path: Path,
    change: Callable[[Weights], object],
    message: str,
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    folder = changed(teacher_folder, tmp_path / "teacher", change)
    result = run_cli("train", data_folder, "--out", run, "--teacher", folder, "--p-pos", "0")
    assert result.exit_code == 2
    assert re.fullmatch(f"Error: --teacher {re.escape(str(folder))}: {message}", result.stderr.splitlines()[-1])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_classifier_of_another_task_is_drawn_anew(teacher_folder: Path, tmp_path: Path) -> None:
    folder = changed(teacher_folder, tmp_path / "tagger", of_other_shape)
    tokenizer, kind = load_tokenizer(str(folder)), AutoModelForSequenceClassification
    model = load_model(kind, str(folder), tokenizer, num_labels=3)
    assert model.classifier.weight.shape == (3, 16)
    assert model.classifier.bias.tolist() == [0, 0, 0]
    base = safetensors.torch.load_file(folder / "model.safetensors")
    assert torch.equal(model.bert.pooler.dense.weight, base["bert.pooler.dense.weight"])


def test_an_encoder_alone_is_whole_too(encoder_folder: Path, tmp_path: Path) -> None:
    folder = changed(encoder_folder, tmp_path / "encoder", lambda weights: weights.pop("embeddings.LayerNorm.bias"))
    with pytest.raises(BadInputError, match=r"its file lacks the weights embeddings\.LayerNorm\.bias\. "):
        load_model(AutoModel, str(folder), load_tokenizer(str(folder)))
