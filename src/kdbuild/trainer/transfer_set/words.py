"""Texts as numbers: the words of many rows, laid end to end in arrays."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

CHUNK = 4096
"""Rows that are perturbed at once; bounds the memory of the arrays and fixes where random streams begin."""

Numbers = npt.NDArray[np.integer]
Ids = npt.NDArray[np.int64]
Tokens = Iterable[Sequence[str]]
Tags = Iterable[Sequence[str]]


@dataclass(frozen=True)
class Texts:
    """Rows of words, laid end to end as numbers."""

    words: Numbers
    """``[words]``"""
    tags: Numbers
    """``[words]``"""
    lengths: Ids
    """``[rows]``, in words."""

    @classmethod
    def read(cls, tokens: Tokens, tags: Tags | None, names: dict[str, int], tag_names: dict[str, int]) -> "Texts":
        """Number the words and tags of texts; what is new gets the next number. Without tags, all words share one."""
        words, word_tags, lengths = array("i"), array("H"), array("q")
        rows = ((text, ["X"] * len(text)) for text in tokens) if tags is None else zip(tokens, tags, strict=True)
        for text, its_tags in rows:
            if len(text) != len(its_tags):
                raise ValueError(f"row {len(lengths)} has {len(text)} words and {len(its_tags)} tags")
            words.extend([names.setdefault(word, len(names)) for word in text])
            word_tags.extend([tag_names.setdefault(name, len(tag_names)) for name in its_tags])
            lengths.append(len(text))
        return cls(np.asarray(words), np.asarray(word_tags), np.asarray(lengths))

    def keep(self, rows: npt.NDArray[np.bool_]) -> "Texts":
        """Return the rows where the mask ``[rows]`` is true."""
        if rows.all():
            return self
        words = np.repeat(rows, self.lengths)
        return Texts(self.words[words], self.tags[words], self.lengths[rows])

    def keep_words_of(self, rows: npt.NDArray[np.bool_]) -> "Texts":
        """Return all rows, without the words of those where the mask ``[rows]`` is false."""
        words = np.repeat(rows, self.lengths)
        return Texts(self.words[words], self.tags[words], np.where(rows, self.lengths, 0))

    def chunks(self) -> Iterator["Texts"]:
        """Yield all rows in order, some at a time."""
        first = 0
        for start in range(0, len(self.lengths), CHUNK):
            lengths = self.lengths[start : start + CHUNK]
            last = first + int(lengths.sum())
            # Wider, since the arithmetic on these numbers needs it.
            yield Texts(self.words[first:last].astype(np.int64), self.tags[first:last].astype(np.int64), lengths)
            first = last

    def starts(self) -> Ids:
        """Where each row's words begin, ``[rows]``."""
        return np.cumsum(self.lengths) - self.lengths

    def take(self, first: Ids, lengths: Ids) -> "Texts":
        """Return rows that are stretches of the words.

        Args:
            first: where each begins among all words, ``[rows]``.
            lengths: how many words it has, ``[rows]``.
        """
        offsets = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(first, lengths) + offsets
        return Texts(self.words[places], self.tags[places], lengths)


def in_chunks(tokens: Tokens) -> Iterator[list[Sequence[str]]]:
    """Yield texts, a chunk of them at a time."""
    texts = iter(tokens)
    while chunk := list(islice(texts, CHUNK)):
        yield chunk


def draw_below(limits: Ids, rng: np.random.Generator) -> Ids:
    """Draw a whole number evenly from 0 up to each limit, which isn't reached, ``[rows]``."""
    return np.floor(rng.random(len(limits)) * limits).astype(np.int64)
