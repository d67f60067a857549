"""Which two rows a copy is joined of, and where it ends."""

from collections import Counter

import pytest

from kdbuild.trainer.options import AugmentOptions, JoinsOptions, TrainOptions
from kdbuild.trainer.transfer_set.augment import augment

Rows = list[list[str]]


def joined(rows: Rows, count: int = 200, longest: int = 64, second: Rows | None = None) -> list[str]:
    options = TrainOptions(augment=AugmentOptions(perturb=(f"joins={count}",)), joins=JoinsOptions(max_join=longest))
    pairs = None if second is None else (second, None)
    return [text.line for text in augment(rows, None, options, 0, pairs)][len(rows) :]


ROWS = [["a", "b"], ["c"], ["d", "e", "f"]]


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (64, ["a b c", "a b d e f", "c a b", "c d e f", "d e f a b", "d e f c"]),
        (4, ["a b c", "a b d e", "c a b", "c d e f", "d e f a", "d e f c"]),
        (3, ["a b c", "a b d", "c a b", "c d e"]),
        (2, ["c a", "c d"]),
    ],
)
def test_a_row_is_joined_with_every_other(longest: int, expected: list[str]) -> None:
    assert sorted(joined(ROWS, longest=longest)) == expected


@pytest.mark.parametrize("chunk", [2, 4096])
def test_the_other_row_is_any_of_all(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdbuild.trainer.transfer_set.words.CHUNK", chunk)
    count = 100
    others: Counter[int] = Counter()
    for text in joined([[str(row)] for row in range(count)], count=60):
        own, other = map(int, text.split())
        assert own != other
        others[(other - own) % count] += 1
    assert others.keys() == set(range(1, count))  # at any distance, in chunks before and behind, too
    assert max(others.values()) < 3 * min(others.values())


def test_one_row_alone_has_no_joins() -> None:
    assert joined([["a", "b"]]) == []


def test_of_pairs_both_texts_are_joined_with_those_of_the_same_row() -> None:
    second = [["u"], ["v", "w"], ["x"]]
    assert sorted(joined(ROWS, second=second, longest=3)) == [
        "a b c\tu v w",
        "a b d\tu x",
        "c a b\tv w u",
        "c d e\tv w x",
    ]
