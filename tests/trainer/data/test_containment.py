"""Token sequences found in texts, against a search one by one, and with how much work."""

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


class Token(str):
    """Counts what it takes part in."""

    __slots__ = ()
    used = 0

    def __hash__(self) -> int:
        Token.used += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        Token.used += 1
        return super().__eq__(other)


def test_work_is_linear_even_where_everything_repeats() -> None:
    def tokens(count: int) -> list[Token]:
        return [Token("so") for _ in range(count)]

    present = [tokens(length) for length in range(1, 100)]
    absent = [[*tokens(length), Token("what")] for length in range(1, 100)]
    texts = [tokens(100) for _ in range(200)]
    total = sum(map(len, present + absent + texts))
    Token.used = 0
    assert find_runs(present + absent, texts) == dict.fromkeys(range(99), 0)
    assert Token.used < 10 * total  # it is 4 for each of them; one by one it would be 1,100
