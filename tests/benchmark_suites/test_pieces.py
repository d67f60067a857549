"""Typing errors of the benchmark of pieces."""

import random

import pytest

from benchmarks.accuracy.typos import in_share, misspelt, one_each

TEXTS = [["a", "wonderful", "film", "!"], ["so-so", "it", "is"], []]


def test_a_misspelt_word_keeps_its_ends_and_loses_doubles_or_swaps_one_letter() -> None:
    found = {misspelt("film", random.Random(seed)) for seed in range(200)}
    assert found == {"flm", "fim", "fiilm", "fillm", "flim"}


def test_one_word_of_each_text_that_has_one() -> None:
    changed = one_each(TEXTS, seed=0)
    assert [sum(a != b for a, b in zip(*pair, strict=True)) for pair in zip(TEXTS, changed, strict=True)] == [1, 0, 0]
    assert one_each(TEXTS, seed=0) == changed
    assert changed[0][0] == "a" and changed[0][3] == "!"


@pytest.mark.parametrize(("share", "words"), [(0.0, 0), (1.0, 2)])
def test_a_share_of_the_words(share: float, words: int) -> None:
    changed = in_share(TEXTS, share, seed=0)
    assert (
        sum(a != b for before, after in zip(TEXTS, changed, strict=True) for a, b in zip(before, after, strict=True))
        == words
    )
