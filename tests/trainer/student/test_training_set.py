"""What is learned of a text that rows give different labels: the commonest, whatever their order, or none."""

import itertools

import numpy as np
import pytest

from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.student.training_set import transfer_rows
from kdbuild.trainer.training.losses import UNKNOWN


@pytest.mark.parametrize(
    ("given", "learned"),
    [([1], 1), ([0, 0], 0), ([0, 1, 1], 1), ([0, 1], UNKNOWN), ([0, 0, 1, 1, 2], UNKNOWN), ([2, 2, 0, 1], 2)],
)
def test_one_label_a_text(given: list[int], learned: int) -> None:
    for order in set(itertools.permutations(given)):
        train = Split(["a"] * len(order), [["a"]] * len(order), np.array(order, np.int64))
        texts = [RowText("a"), RowText("b")]
        rows = transfer_rows(texts, np.zeros((2, 3), np.float32), range(1, 1), train, use_labels=True)
        assert rows.targets.tolist() == [learned, UNKNOWN]
        assert rows.targets.dtype == np.int64


@pytest.mark.parametrize(
    ("given", "learned"),
    [([[1, 0]], [1, 0]), ([[1, 0], [1, 1], [1, 0]], [1, 0]), ([[1, 0], [0, 1]], [UNKNOWN, UNKNOWN])],
)
def test_sets_of_labels(given: list[list[int]], learned: list[int]) -> None:
    train = Split(["a"] * len(given), [["a"]] * len(given), np.array(given, np.int8))
    rows = transfer_rows([RowText("a")], np.zeros((1, 2), np.float32), range(1, 1), train, use_labels=True)
    assert rows.targets.tolist() == [learned]
