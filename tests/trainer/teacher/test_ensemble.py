"""Several teachers as one: classes by name, a common scale, and weights."""

import json
from pathlib import Path

import numpy as np
import pytest

from kdbuild.errors import BadInputError
from kdbuild.trainer.teacher.ensemble import class_columns, combine, weigh


def saved(folder: Path, architecture: str, names: list[str]) -> str:
    """Write a model's configuration, which is all that classes are read from."""
    config = {"model_type": "bert", "architectures": [architecture], "id2label": dict(enumerate(names))}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("architecture", "names", "columns"),
    [
        ("BertForSequenceClassification", ["neg", "neutral", "pos"], [0, 1, 2]),
        ("BertForSequenceClassification", ["POS", "Neg", " neutral"], [1, 2, 0]),
        ("BertForMaskedLM", ["a", "b"], [0, 1, 2]),  # its classifier is made here
    ],
)
def test_columns_follow_the_names(architecture: str, names: list[str], columns: list[int], tmp_path: Path) -> None:
    assert class_columns(saved(tmp_path, architecture, names), ["neg", "neutral", "pos"]) == columns


@pytest.mark.parametrize("names", [["neg", "pos"], ["neg", "neutral", "pos", "other"], ["a", "b", "c"]])
def test_other_classes_are_refused(names: list[str], tmp_path: Path) -> None:
    name = saved(tmp_path, "BertForSequenceClassification", names)
    with pytest.raises(BadInputError) as raised:
        class_columns(name, ["neg", "neutral", "pos"])
    assert str(raised.value) == (
        f"--teacher {name}: its classes ({', '.join(names)}) aren't those of the other teachers and the data "
        "(neg, neutral, pos). Use teachers whose classes have the same names."
    )


def test_a_common_scale() -> None:
    # Centred: ±1 and ±3, whose root mean squares are 1 and 3, on average 2.
    one = np.array([[5, 3], [2, 4]], dtype=np.float32)
    other = np.array([[0, 6], [0, 6]], dtype=np.float32)
    weights = weigh([one, other], np.array([0, 1]), "equal")
    np.testing.assert_allclose(weights, [1, 1 / 3])
    pooled = combine([one, other], weights, multi_label=False)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, [[0, 0], [-2, 2]], atol=1e-6)


def test_several_labels_are_not_centred() -> None:
    one, other = np.full((2, 2), 4, dtype=np.float32), np.full((2, 2), -2, dtype=np.float32)
    targets = np.array([[1.0, 0], [0, 1]])
    weights = weigh([one, other], targets, "equal")
    np.testing.assert_allclose(weights, [0.5 * 3 / 4, 0.5 * 3 / 2])
    np.testing.assert_allclose(combine([one, other], weights, multi_label=True), 0, atol=1e-6)


def cross_entropy(shares: list[float], logits: np.ndarray, targets: np.ndarray) -> float:
    """Written anew, row by row."""
    losses = []
    for place, target in enumerate(targets):
        row = sum(share * one[place].astype(float) for share, one in zip(shares, logits, strict=True))
        if targets.ndim == 2:
            chances = 1 / (1 + np.exp(-row))
            losses.append(-np.log(np.where(target == 1, chances, 1 - chances)).sum())
        else:
            losses.append(-np.log(np.exp(row[target]) / np.exp(row).sum()))
    return float(np.mean(losses))


@pytest.mark.parametrize("multi_label", [False, True])
def test_weights_of_the_least_cross_entropy(multi_label: bool) -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=300)
    targets = np.eye(3)[truth] if multi_label else truth
    logits = np.stack([noise * rng.standard_normal((300, 3)) + 2 * np.eye(3)[truth] for noise in (1, 2.5, 9)])
    logits = logits.astype(np.float32) if multi_label else (logits - logits.mean(2, keepdims=True)).astype(np.float32)
    equal = weigh(list(logits), targets, "equal") * 3
    shares = weigh(list(logits), targets, "dev") / equal
    assert shares.sum() == pytest.approx(1)
    scaled = logits * equal[:, None, None]
    grid = [(a / 50, b / 50, 1 - (a + b) / 50) for a in range(51) for b in range(51 - a)]
    best = min(grid, key=lambda tried: cross_entropy(list(tried), scaled, targets))
    np.testing.assert_allclose(shares, best, atol=0.03)
    assert shares[0] > shares[1] > shares[2]
    assert cross_entropy(list(shares), scaled, targets) <= cross_entropy(list(best), scaled, targets) + 1e-9
