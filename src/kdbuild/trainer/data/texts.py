"""The text of a row, or both texts of a pair, between the stages; a tab stands between the two only in files."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class RowText(NamedTuple):
    """The text of one row, as tokens joined by spaces."""

    first: str
    second: str | None = None
    """The second text, where rows are pairs."""

    @property
    def is_complete(self) -> bool:
        """Whether each of the texts has a token."""
        return self.first != "" and self.second != ""

    @property
    def line(self) -> str:
        """The cells of a TSV that hold the text, or both texts."""
        return self.first if self.second is None else f"{self.first}\t{self.second}"

    def tokens(self) -> list[str]:
        """Return the tokens, those of the second text last."""
        return self.first.split() if self.second is None else [*self.first.split(), *self.second.split()]


class RowTexts(Protocol):
    """Re-iterable texts of known length: a list, or the lines of a file."""

    def __len__(self) -> int:
        """Return their number."""
        ...

    def __iter__(self) -> Iterator[RowText]:
        """Begin at the first."""
        ...


def parse_line(line: str) -> RowText:
    """Read what :attr:`RowText.line` gave."""
    return RowText(*line.split("\t"))


def columns(texts: Iterable[RowText]) -> tuple[list[str], list[str] | None]:
    """Return the first texts and, where the rows are pairs, the second ones."""
    rows = list(texts)
    second = [row.second for row in rows if row.second is not None]
    return [row.first for row in rows], second or None
