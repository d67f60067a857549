"""The law that spans are drawn by, and the texts that they are cut out of."""

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from kdbuild.trainer.data.split import Split
from kdbuild.trainer.options import AugmentOptions, DataOptions, SpansOptions, TrainOptions
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.transfer_set import write_transfer_set

Of = Literal["rows", "unlabelled", "both"]


def spans(count: int = 1, max_span: int = 20) -> TrainOptions:
    return TrainOptions(augment=AugmentOptions(perturb=(f"spans={count}",)), spans=SpansOptions(max_span=max_span))


def numbered(rows: int, length: int) -> list[list[str]]:
    return [[f"{row}/{place}" for place in range(length)] for row in range(rows)]


@pytest.mark.parametrize(
    ("length", "longest", "sizes"),
    [(7, 20, [1, 2, 3, 4, 5, 6]), (7, 0, [1, 2, 3, 4, 5, 6]), (7, 3, [1, 2, 3]), (2, 20, [1]), (5, 4, [1, 2, 3, 4])],
)
def test_spans_are_uniform_in_length_and_place(length: int, longest: int, sizes: list[int]) -> None:
    rows = numbered(10_000, length)
    texts = [text.tokens() for text in augment(rows, None, spans(max_span=longest), 0)][len(rows) :]
    assert len(texts) == len(rows)
    found: Counter[tuple[int, int]] = Counter()
    for row, text in zip(rows, texts, strict=True):
        start = row.index(text[0])
        assert text == row[start : start + len(text)]
        found[len(text), start] += 1
    assert found.keys() == {(size, start) for size in sizes for start in range(length - size + 1)}
    for (size, _), count in found.items():
        assert count / len(rows) == pytest.approx(1 / len(sizes) / (length - size + 1), abs=0.015)


def test_known_spans() -> None:
    # What a seed means doesn't change from version to version.
    rows = [["a", "warm", "film", "."], ["cold", "story"], ["no"]]
    assert [text.line for text in augment(rows, None, spans(3), 1)] == [
        *("a warm film .", "cold story", "no"),
        *("warm film", "cold", "warm film .", "warm", "story"),
    ]


def test_of_a_pair_each_text_becomes_a_span() -> None:
    first, second = [["a", "b", "c"], ["d"], ["e"]], [["f", "g"], ["h", "i"], ["j"]]
    made = [text.line for text in augment(first, None, spans(200), 0, (second, None))]
    assert made[:3] == ["a b c\tf g", "d\th i", "e\tj"]
    # A text of one word stays, beside a span; a pair of such texts has none.
    cut = [f"{left}\t{right}" for left in ("a", "b", "c", "a b", "b c") for right in "fg"]
    assert sorted(made[3:]) == sorted([*cut, "d\th", "d\ti"])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rows", {"q", "r"}),
        ("unlabelled", {"x", "y", "z", "x y", "y z"}),
        ("both", {"q", "r", "x", "y", "z", "x y", "y z"}),
    ],
)
def test_spans_of_unlabelled_texts(source: Of, expected: set[str], tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("x y z\nx y\nlonger than all of them is\n")
    options = TrainOptions(
        data=DataOptions(seed=5),
        augment=AugmentOptions(
            perturb=("spans=100",), unlabelled=(str(tmp_path / "more.txt"),), unlabelled_max_words=3
        ),
        spans=SpansOptions(spans_of=source),
    )
    rows = Split(["q r"], [["q", "r"]], np.zeros(1, np.int64))
    counts, summary = write_transfer_set(rows, options, tmp_path / "transfer.tsv")
    _, *written = (tmp_path / "transfer.tsv").read_text().splitlines()
    copies = written[1 : 1 + counts.perturbed]
    assert written[0] == "q r"
    assert set(copies) == expected
    assert len(set(written)) == len(written)
    # What is a span already doesn't come again as a text.
    kept = [text for text in ("x y z", "x y") if text not in expected]
    assert written[1 + counts.perturbed :] == kept
    assert counts.perturbations == {"spans": len(copies)}
    assert summary.endswith(f": originals 1, spans {len(copies)}, unlabelled {len(kept)}")
