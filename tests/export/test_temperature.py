"""Temperature and threshold of an artefact: fitted on half of the held-out texts, measured on the others."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from commands import run_cli
from kdbuild.errors import BadInputError, GateError
from kdbuild.export.temperature import (
    UNCALIBRATED,
    calibrate,
    fit_temperature,
    lowest_threshold,
    tempered_thresholds,
)
from kdbuild.runtime import Classifier
from kdbuild.runtime.arrays import sigmoid


def overconfident(count: int, seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a calibrated classifier of three classes, all multiplied by a factor."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 1.5, (count, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([draw.choice(3, p=row) for row in shares])
    return (factor * logits).astype(np.float32), targets


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_factor(factor: float) -> None:
    logits, targets = overconfident(20_000, 0, factor)
    assert fit_temperature(logits, targets) == pytest.approx(factor, rel=0.05)


def test_calibration_is_measured_on_other_texts() -> None:
    logits, targets = overconfident(4000, 1, 3.0)
    found = calibrate(logits, targets)
    assert found.texts == 2000
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert found.ece_after < 0.03 < 0.15 < found.ece_before
    assert (found.threshold, found.precision, found.coverage) == (None, None, 1.0)


def test_several_labels_have_a_temperature_too() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 1.5, (8000, 2))
    targets = (draw.random((8000, 2)) < sigmoid(logits)).astype(np.int8)
    found = calibrate(2 * logits, targets)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    # The same labels are given: a threshold moves with the probabilities.
    before = sigmoid(2 * logits) >= np.array([0.3, 0.6])
    after = sigmoid(2 * logits / found.temperature) >= np.array(tempered_thresholds([0.3, 0.6], found.temperature))
    np.testing.assert_array_equal(before, after)


def test_too_few_texts_are_left_as_they_are() -> None:
    logits, targets = overconfident(199, 0, 3.0)
    assert calibrate(logits, targets) == UNCALIBRATED
    with pytest.raises(BadInputError, match=r"--min-precision: needs 200 held-out texts, there are 199."):
        calibrate(logits, targets, 0.9)


def test_lowest_threshold_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, False])
    assert lowest_threshold(scores, right, 1.0) == 0.75  # two answers, both right
    assert lowest_threshold(scores, right, 0.7) == 0.55  # three of four
    assert lowest_threshold(scores, right, 0.5) == 0.25  # all: three of five


def test_scores_that_are_equal_are_not_parted() -> None:
    scores, right = np.array([0.9, 0.9, 0.5]), np.array([True, False, False])
    message = (
        "--min-precision 0.9: no threshold reaches it on 3 held-out texts, the surest 2 are right by 50.0%. "
        "Lower it, or train a better student."
    )
    with pytest.raises(GateError, match=f"^{re.escape(message)}$"):
        lowest_threshold(scores, right, 0.9)


def test_wanted_precision_is_kept_on_other_texts() -> None:
    logits, targets = overconfident(8000, 2, 1.0)
    found = calibrate(logits, targets, 0.9)
    assert found.threshold is not None and found.precision is not None
    assert found.precision == pytest.approx(0.9, abs=0.03)
    assert 0.1 < found.coverage < 0.9


def test_precision_of_several_labels_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"--min-precision: is for texts with one label"):
        calibrate(np.zeros((300, 2)), np.zeros((300, 2), dtype=np.int8), 0.9)


def test_exported_artefact_is_calibrated_and_abstains(finished_run: Path, tmp_path: Path) -> None:
    """On held-out labels a tenth of which are wrong: the scores of a student that makes no mistakes become 1."""
    run, out = Path(shutil.copytree(finished_run, tmp_path / "run")), tmp_path / "artefact"
    header, *rows = (run / "splits" / "dev.tsv").read_text().splitlines()
    for place in (*range(0, len(rows), 20), *range(5, len(rows), 20)):  # in both halves
        text, label = rows[place].split("\t")
        rows[place] = f"{text}\t{'neg' if label == 'pos' else 'pos'}"
    (run / "splits" / "dev.tsv").write_text("".join(line + "\n" for line in [header, *rows]))
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5", "--min-precision", "60")
    result = run_cli("export", run, "--format", "tflite", "--out", out, *limits)
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "manifest.json").read_text())
    calibration = manifest["metrics"]["calibration"]
    assert manifest["temperature"] == calibration["temperature"] != 1
    assert manifest["threshold"] == calibration["threshold"]
    assert calibration["texts"] == 120
    assert f"threshold {calibration['threshold']:g}: answers " in result.stdout
    unsure = Classifier.load(out, threshold=0)("the film of plot")
    assert unsure.label is not None
    answer = Classifier.load(out, threshold=np.nextafter(unsure.score, 1))("the film of plot")
    assert (answer.label, answer.score) == (None, unsure.score)


@pytest.mark.parametrize("value", ["0", "101", "nan"])
def test_precision_out_of_range(value: str, finished_run: Path, tmp_path: Path) -> None:
    result = run_cli("export", finished_run, "--out", tmp_path / "artefact", "--min-precision", value)
    assert result.exit_code == 2
    assert f"--min-precision {value}: out of range. Use a percentage from over 0 to 100." in result.stderr
