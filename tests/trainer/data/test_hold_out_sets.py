"""Holding out where texts may have several labels: each label by its share, the rarest first, and what can't be is named."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.hold_out import hold_out
from kdbuild.trainer.data.load import load_data
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.options import DataOptions


def split_of(targets: npt.NDArray[np.int8]) -> Split:
    texts = [f"row {row}" for row in range(len(targets))]
    return Split(texts, [text.split() for text in texts], targets)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.25])
def test_every_label_has_its_share(seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    shares = np.array([0.5, 0.3, 0.1, 0.02, 0.01, 0.004])
    targets = (draw.random((1000, len(shares))) < shares).astype(np.int8)
    kept, held_out, dropped = hold_out(split_of(targets), share, seed)
    counts, there = targets.sum(axis=0), targets[held_out].sum(axis=0)
    assert dropped == 0
    assert sorted(kept + held_out) == list(range(1000))
    # Independent labels meet by chance alone; drawn without regard to labels, those of 4 to 20 rows would often be missing.
    assert abs(len(held_out) - share * 1000) <= 0.1 * share * 1000
    assert (np.abs(there - share * counts) <= np.maximum(1, 0.1 * share * counts)).all(), (there, share * counts)
    assert (there[counts > 1] > 0).all()
    assert (targets[kept].sum(axis=0)[counts > 0] > 0).all()
    empty = targets.sum(axis=1) == 0
    assert abs(empty[held_out].sum() - share * empty.sum()) <= max(1, 0.1 * share * empty.sum())


@pytest.mark.parametrize("seed", range(20))
def test_labels_of_two_rows_are_on_both_sides(seed: int) -> None:
    # 20 labels of two rows each, beside one that all rows have.
    targets = np.zeros((200, 21), np.int8)
    targets[:, 0] = 1
    targets[np.arange(40), 1 + np.arange(40) // 2] = 1
    kept, held_out, _ = hold_out(split_of(targets), 0.1, seed)
    for side in (kept, held_out):
        assert targets[side].any(axis=0).all()
    assert len(held_out) == 20


def test_same_seed_same_rows() -> None:
    targets = (np.random.default_rng(0).random((300, 4)) < 0.2).astype(np.int8)
    one, again, other = (hold_out(split_of(targets), 0.1, seed) for seed in (3, 3, 4))
    assert one == again
    assert one != other


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return path


MANY = [(f"row {n}", "ab"[n % 2]) for n in range(60)]


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([("other", "c")], "'c'"),
        # Both rows of c stand inside a longer one.
        ([("other", "c"), ("thing", "c"), ("other thing", "a")], "'c'"),
        # Either row of c would take the last row of d or e along.
        ([("other", "c|d"), ("thing", "c|e")], "'c', 'd', 'e'"),
        ([(f"single {n}", f"t{n:02}") for n in range(25)], ", ".join(f"'t{n:02}'" for n in range(20)) + " and 5 more"),
    ],
)
def test_labels_that_dev_lacks_are_named(tmp_path: Path, rows: list[tuple[str, str]], missing: str) -> None:
    path = write(tmp_path / "rows.tsv", [*MANY, *rows])
    data = load_data(open_source(str(path)), DataOptions(multi_label=True))
    assert data.warnings[-1] == f"train has labels that dev lacks: {missing}. How well they are learned isn't measured."


def test_labels_of_both_sides_need_no_word(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tsv", [*MANY, ("other", "c"), ("thing", "c"), ("none", "")])
    assert load_data(open_source(str(path)), DataOptions(multi_label=True)).warnings == []


@pytest.mark.parametrize(("rows", "message"), [(1, "1 row: too few"), (3, "3 rows: too few")])
def test_too_few_rows(rows: int, message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(message)} to hold out 10% of them"):
        hold_out(split_of(np.ones((rows, 2), np.int8)), 0.1, 0)
