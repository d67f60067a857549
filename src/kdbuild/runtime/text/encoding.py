"""A text as token ids."""

from array import array
from typing import NamedTuple

PAD_ID, UNK_ID, MASK_ID = 0, 1, 2


class Encoding(NamedTuple):
    """A text as token ids."""

    ids: "array[int]"
    """``[tokens]``, 32 bits each, at least one: a text without any token is the single id of ``<unk>``."""
    tokens: list[str]
    """The tokens behind the ids; empty for a text without any."""
    truncated: bool
    """Whether the text had more tokens than ``max_tokens``."""

    @property
    def oov_rate(self) -> float:
        """The share of tokens that aren't in the vocabulary, 0 to 1."""
        return self.ids.count(UNK_ID) / len(self.ids) if self.tokens else 0.0
