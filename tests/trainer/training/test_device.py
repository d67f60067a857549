"""The dtype: which one is chosen, and that bfloat16 comes close to fp32 where a processor has it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student import embeddings
from kdbuild.trainer.training import device as devices
from kdbuild.trainer.training.device import has_bf16, pick_bf16

pytestmark = pytest.mark.trains
CPU = torch.device("cpu")
in_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no bfloat16")


def metrics(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text()))


@pytest.mark.parametrize(
    ("dtype", "there", "expected"),
    [("auto", True, True), ("auto", False, False), ("bf16", True, True), ("fp32", True, False), ("fp32", False, False)],
)
def test_dtype_is_chosen(dtype: str, there: bool, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda device: there)
    assert pick_bf16(dtype, CPU, "--dtype") is expected


def test_bfloat16_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda device: False)
    with pytest.raises(
        BadInputError, match=r"^--label-dtype bf16: cpu has no bfloat16 arithmetic here\. Use auto or fp32"
    ):
        pick_bf16("bf16", CPU, "--label-dtype")


@in_bf16
def test_labels_in_bf16_are_near_those_in_fp32(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    result = run_cli("label", run, "--label-dtype", "bf16")
    assert result.exit_code == 0, result.output
    assert (metrics(finished_run)["label"]["precision"], metrics(run)["label"]["precision"]) == ("fp32", "bf16")
    fp32, bf16 = (np.load(folder / "labels" / "logits.npy") for folder in (finished_run, run))
    # Eight bits of every sum's terms: a few hundredths of what the logits differ by among texts.
    assert 0 < np.abs(fp32 - bf16).mean() < 0.1 * fp32.std()
    assert (fp32.argmax(axis=1) == bf16.argmax(axis=1)).mean() > 0.97


@in_bf16
def test_teacher_and_student_learn_in_bf16(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    teacher = ("--teacher", encoder_folder, "--teacher-epochs", "8", "--teacher-learning-rate", "0.005")
    student = (*SMALL_STUDENT, "--classifier-size", "32", "--epochs", "8", "--learning-rate", "0.01")
    bf16 = ("--teacher-dtype", "bf16", "--label-dtype", "bf16", "--dtype", "bf16")
    result = run_cli("train", data_folder, "--out", run, *teacher, "--rounds", "2", "--p-pos", "0", *student, *bf16)
    assert result.exit_code == 0, result.output
    # With each of 6 seeds, both reach 1.
    assert metrics(run)["teacher"]["dev"]["accuracy"] > 0.9
    assert metrics(run)["distill"]["dev"]["accuracy"] > 0.9


@in_bf16
def test_word_vectors_in_bf16_are_near_those_in_fp32(teacher_folder: Path) -> None:
    words = ["film", "warm", "awful", "great", "story"]
    fp32, bf16 = (embeddings.encode_words(str(teacher_folder), words, bf16=bf16) for bf16 in (False, True))
    assert 0 < np.abs(fp32 - bf16).max() < 0.1 * np.abs(fp32).max()
    counts = np.ones(len(words) + 3, dtype=np.int64)
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", *words])
    made = embeddings.from_teacher(str(teacher_folder), vocabulary, counts, 3, bf16=True, seed=0)
    assert np.isfinite(made).all()
