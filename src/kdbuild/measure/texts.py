"""What classifiers are timed on: texts, or pairs of texts."""

from collections.abc import Sequence

Text = str | Sequence[str]
"""A text, or both texts of a pair."""


def texts_of(text: Text) -> tuple[str, ...]:
    """The text alone, or both of a pair."""
    return (text,) if isinstance(text, str) else tuple(text)


def word_count(text: Text) -> int:
    """How many words a text has, or both texts of a pair together."""
    return sum(len(part.split()) for part in texts_of(text))


def shown(text: Text) -> str:
    """The beginning of a text, or of both texts of a pair, for a message."""
    return " and ".join(repr(part[:60]) for part in texts_of(text))
