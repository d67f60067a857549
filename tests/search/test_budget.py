"""Budgets as people write them, and which students they choose."""

from dataclasses import dataclass

import pytest

from kdbuild.errors import BadInputError
from kdbuild.search.budget import Budget, parse_size, parse_time


@dataclass(frozen=True)
class One:
    size: int
    agreement: float


SMALL, FAIR, GOOD, LARGE = One(100, 0.80), One(200, 0.895), One(300, 0.90), One(900, 0.93)
ALL = [GOOD, SMALL, LARGE, FAIR]


@pytest.mark.parametrize(
    ("text", "size"), [("1MB", 1_000_000), ("300kB", 300_000), ("1.5 mb", 1_500_000), ("4096", 4096), ("20 B", 20)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1GB", "-1MB", "1 M B", "0"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(BadInputError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("1h30m", 5400), ("1h 30m", 5400), ("90s", 90), ("0.5m", 30)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2 hours", "0s", "h", "-1h"])
def test_no_times(text: str) -> None:
    with pytest.raises(BadInputError, match="not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("budget", "acceptable", "ceiling"),
    [
        (Budget(max_size=300), [GOOD, FAIR, SMALL], 301),
        (Budget(max_size=99), [], 100),
        (Budget(max_drop=3), [GOOD, LARGE], 300),
        (Budget(max_drop=4), [FAIR, GOOD, LARGE], 200),
        (Budget(max_size=300, max_drop=0.5), [FAIR, GOOD], 200),
        (Budget(max_size=99, max_drop=0.5), [], 100),
    ],
)
def test_what_is_chosen(budget: Budget, acceptable: list[One], ceiling: float) -> None:
    assert budget.acceptable(ALL) == acceptable
    assert budget.ceiling(ALL) == ceiling


@pytest.mark.parametrize(
    ("budget", "count", "expected"),
    [
        (Budget(max_size=1000), 2, [LARGE, GOOD]),
        (Budget(max_drop=4), 1, [FAIR]),
        (Budget(max_drop=4), 2, [LARGE, FAIR]),
        (Budget(max_drop=0), 3, [LARGE]),
    ],
)
def test_finalists(budget: Budget, count: int, expected: list[One]) -> None:
    assert budget.finalists(ALL, count) == expected
