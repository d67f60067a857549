"""Budgets of size, accuracy and time, as people write them, and what fits them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kdbuild.errors import BadInputError

_BYTES = {"": 1, "b": 1, "kb": 1_000, "mb": 1_000_000}
_SECONDS = {"h": 3600, "m": 60, "s": 1}


class Weighed(Protocol):
    """A student whose size and agreement are known."""

    @property
    def size(self) -> int:
        """Bytes of its file."""
        ...

    @property
    def agreement(self) -> float:
        """The share of held-out texts that it answers as the teacher does, 0 to 1."""
        ...


Found = TypeVar("Found", bound=Weighed)


def parse_size(text: str) -> int:
    """Read a number of bytes, such as ``300kB`` or ``1.5MB``; a kB is 1,000 bytes.

    Raises:
        BadInputError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z]*)", text.strip())
    unit = _BYTES.get(found[2].lower()) if found else None
    size = round(float(found[1]) * unit) if found and unit else 0
    if not size:
        raise BadInputError(f"--max-size {text}: not a size. Write bytes, kB or MB: 300kB, 1.5MB.")
    return size


def parse_time(text: str) -> float:
    """Read a time in seconds, such as ``2h``, ``1h30m`` or ``90s``.

    Raises:
        BadInputError: it is none.
    """
    compact = text.replace(" ", "").lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", compact)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != compact or not seconds:
        raise BadInputError(f"--max-time {text}: not a time. Write hours, minutes or seconds: 2h, 1h30m, 90s.")
    return seconds


@dataclass(frozen=True)
class Budget:
    """What a student may cost, and what it has to reach."""

    max_size: int | None = None
    """Bytes of the native file."""
    max_drop: float | None = None
    """Points of agreement, 0 to 100, that the smallest student may lose against the best found."""
    min_accuracy: float | None = None
    """Percent of dev that a student has to answer right once it is trained in full."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            BadInputError: one is out of range, or there is no budget to search in.
        """
        if self.max_size is None and self.max_drop is None:
            raise BadInputError(
                "search: no budget. Give --max-size 1MB for the best student of that size, or --max-drop 1.0 for the smallest "
                "one within a point of the best."
            )
        for flag, value in (("--max-drop", self.max_drop), ("--min-accuracy", self.min_accuracy)):
            if value is not None and not 0 <= value <= 100:
                raise BadInputError(f"{flag} {value:g}: out of range. Use percent, from 0 to 100.")

    def acceptable(self, found: Sequence[Found]) -> list[Found]:
        """Return the students within the budget, the one to choose first: the best, or with ``max_drop`` the smallest."""
        fitting = [one for one in found if self.max_size is None or one.size <= self.max_size]
        if self.max_drop is None or not fitting:
            return sorted(fitting, key=lambda one: (-one.agreement, one.size))
        least = max(one.agreement for one in fitting) - self.max_drop / 100
        # A point is 0.01: differences that rounding makes aren't any.
        good = [one for one in fitting if one.agreement >= least - 1e-9]
        return sorted(good, key=lambda one: (one.size, -one.agreement))

    def ceiling(self, found: Sequence[Weighed]) -> float:
        """Return the size in bytes from which on a student is of no interest, given those found so far."""
        limit = float("inf") if self.max_size is None else self.max_size + 1
        good = self.acceptable(found)
        return min(limit, good[0].size) if self.max_drop is not None and good else limit

    def finalists(self, found: Sequence[Found], count: int) -> list[Found]:
        """Return the students worth a full training: the first acceptable ones and, with ``max_drop``, the best of all."""
        good = self.acceptable(found)
        chosen = good[:count]
        if self.max_drop is not None and good:
            best = max(good, key=lambda one: one.agreement)
            # It is what the others are compared with.
            chosen = [best, *(one for one in chosen if one is not best)][:count] if count > 1 else chosen
        return chosen
