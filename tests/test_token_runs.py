"""Token sequences found in texts, against a search one by one, and in how much time."""

import time
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.trainer.data.containment import find_runs


def holds(text: Sequence[str], pattern: Sequence[str]) -> bool:
    return any(text[start : start + len(pattern)] == pattern for start in range(len(text)))


words = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(st.lists(words, max_size=8, unique_by=tuple), st.lists(words, max_size=8))
@settings(deadline=None)
def test_runs_are_those_that_a_search_one_by_one_finds(patterns: list[list[str]], texts: list[list[str]]) -> None:
    expected = {
        place: next(row for row, text in enumerate(texts) if holds(text, pattern))
        for place, pattern in enumerate(patterns)
        if any(holds(text, pattern) for text in texts)
    }
    assert find_runs(patterns, texts) == expected


def test_time_is_linear_even_where_everything_repeats() -> None:
    tokens = ["so"] * 200
    patterns = [tokens[:length] for length in range(1, 200)]
    start = time.perf_counter()
    assert find_runs(patterns, [tokens] * 2000) == dict.fromkeys(range(199), 0)
    assert time.perf_counter() - start < 5  # 0.1 s; one by one it is minutes
