"""A text as token ids."""

from array import array
from typing import NamedTuple

PAD_ID, UNK_ID, MASK_ID = 0, 1, 2

WORDS, PIECES = 1, 2
"""Versions of the tokenizer: words, and words that are cut into pieces where they aren't in the vocabulary."""
VERSIONS = (WORDS, PIECES)


class Encoding(NamedTuple):
    """A text as token ids."""

    ids: "array[int]"
    """``[pieces]``, 32 bits each, at least one: a text without any word is the single id of ``<unk>``."""
    tokens: list[str]
    """The words behind the ids; empty for a text without any."""
    pieces: list[int]
    """How many ids each word has, ``[words]``: with tokenizer version 1, one."""
    truncated: bool
    """Whether the text had more ids than ``max_tokens``."""

    @property
    def token_count(self) -> int:
        """How many ids stand for text."""
        return len(self.ids) if self.tokens else 0

    @property
    def unknown_count(self) -> int:
        """How many of these are unknown."""
        return self.ids.count(UNK_ID) if self.tokens else 0

    @property
    def oov_rate(self) -> float:
        """The share of ids that are unknown, 0 to 1."""
        return self.unknown_count / len(self.ids) if self.tokens else 0.0
