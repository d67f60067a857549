"""Subword regularisation: in training, words are now and then read as other pieces than they are afterwards.

This is the dropout of Hiraoka 2022 (MaxMatch-Dropout, COLING 2022): where a word is cut, each match is passed over with some
probability for the next shorter one. Without it, the pieces of words that are in the vocabulary as a whole would hardly be
learned, and so nothing about words that aren't.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.text.pieces import Cutter, runs
from kdbuild.runtime.text.vocabulary import MASK_ID, UNK_ID, Vocabulary
from kdbuild.trainer.training.batches import Sequences

_POOL = 64
"""Cuts drawn of one word in an epoch, at most. Where more are needed, as of the commonest words, each is drawn from these."""
_AT_ONCE = 1 << 20
"""Words whose pieces are looked up at once; more would need memory for several numbers of eight bytes a piece."""


class _DroppingCutter(Cutter):
    """Cuts words as the vocabulary does, but passes over matches of more than one character while there is a shorter one."""

    def __init__(self, vocabulary: Vocabulary, dropout: float, max_pieces: int):
        super().__init__({token: id_ for id_, token in enumerate(vocabulary.tokens) if id_ > MASK_ID})
        self._scale, self._max_pieces = 1 / math.log1p(-dropout), max_pieces
        self._kept = 0
        self._random = Random()

    def seed(self, seed: int) -> None:
        """Determine what is passed over from here on."""
        self._random.seed(seed)

    def without_dropout(self, word: str) -> tuple[list[int], int]:
        """Return a word's ids as they are after training, and how many of its matches might have been passed over."""
        self._kept = len(word)
        ids = self._first_ids(word)
        return ids, len(word) - self._kept

    def with_dropout(self, word: str, kept: int) -> list[int]:
        """Return a word's ids with the first so many matches kept, the next one passed over, and dropout from there on."""
        self._kept = kept
        return self._first_ids(word)

    def _first_ids(self, word: str) -> list[int]:
        return [piece.id for piece in islice(self._cut(word), self._max_pieces)]

    def _match(self, word: str, at: int, begins: bool) -> tuple[int, int]:
        length, id_ = super()._match(word, at, begins)
        while length > 1 and self._passes_over():
            shorter, other = super()._match(word[: at + length - 1], at, begins)
            if other == UNK_ID:
                break
            length, id_ = shorter, other
        return length, id_

    def _passes_over(self) -> bool:
        if self._kept:
            self._kept -= 1
            return False
        # How many are kept until the next is not, so that one random number does for all of these.
        self._kept = int(math.log1p(-self._random.random()) * self._scale)
        return True


class RegularisedTexts:
    """Texts whose ids are drawn anew in every epoch; the same for an epoch whenever and wherever it is drawn.

    Args:
        texts: tokens of each text.
        vocabulary: has pieces.
        max_tokens: ids of a text at most.
        dropout: the probability that a match is passed over; above 0, below 1.
        seed: determines all epochs.
    """

    def __init__(
        self,
        texts: Iterable[Sequence[str]],
        vocabulary: Vocabulary,
        max_tokens: int,
        dropout: float,
        seed: Sequence[int],
    ):
        self._max_tokens, self._dropout, self._seed = max_tokens, dropout, tuple(seed)
        self._cutter = _DroppingCutter(vocabulary, dropout, max_tokens)
        numbers: dict[str, int] = {}
        # No word has less than one piece. A text without any is one empty word.
        self._texts = Sequences.of(
            [numbers.setdefault(word, len(numbers)) for word in islice(runs(tokens), max_tokens)]
            or [numbers.setdefault("", len(numbers))]
            for tokens in texts
        )
        self._words = list(numbers)
        matches: list[int] = []
        special = {token: id_ for id_, token in enumerate(vocabulary.tokens[: MASK_ID + 1])} | {"": UNK_ID}

        def usual() -> Iterator[list[int]]:
            for word in self._words:
                ids, count = ([special[word]], 0) if word in special else self._cutter.without_dropout(word)
                matches.append(count)
                yield ids

        self._usual = Sequences.of(usual())
        self._matches = np.array(matches, dtype=np.int64)
        self._chances = (1 - (1 - dropout) ** self._matches).astype(np.float32)

    def usual(self) -> Sequences:
        """Return the texts' ids as they are after training."""
        return self._lay_out(self._texts.ids, self._usual)

    def draw(self, epoch: int) -> Sequences:
        """Return the texts' ids in an epoch."""
        rng = np.random.default_rng([*self._seed, epoch])
        words = self._texts.ids
        places = np.flatnonzero(rng.random(len(words), dtype=np.float32) < self._chances[words])
        concerned, which, counts = np.unique(words[places], return_inverse=True, return_counts=True)
        pools = np.minimum(counts, _POOL)
        others = self._draw_cuts(np.repeat(concerned, pools), rng)
        ways = words.copy()
        ways[places] = len(self._words) + (np.cumsum(pools) - pools)[which] + rng.integers(pools[which])
        lengths = np.concatenate([self._usual.lengths, others.lengths])
        return self._lay_out(ways, Sequences(np.concatenate([self._usual.ids, others.ids]), lengths))

    def _draw_cuts(self, words: npt.NDArray[np.int32], rng: np.random.Generator) -> Sequences:
        """Draw a cut of each word in which a match is passed over."""
        # The place of the first one is geometrically distributed, up to the number of matches.
        drawn = np.log1p(-rng.random(len(words)) * self._chances[words]) / math.log1p(-self._dropout)
        kept = np.minimum(drawn.astype(np.int64), self._matches[words] - 1)
        self._cutter.seed(int(rng.integers(1 << 63)))
        return Sequences.of(
            self._cutter.with_dropout(self._words[word], first)
            for word, first in zip(words.tolist(), kept.tolist(), strict=True)
        )

    def _lay_out(self, ways: npt.NDArray[np.int32], pieces: Sequences) -> Sequences:
        """Return the ids of all texts, each cut to its maximum.

        Args:
            ways: how each word of the texts is read, as places in the next.
            pieces: ids of each way to read a word.
        """
        parts = [ways[start : start + _AT_ONCE] for start in range(0, len(ways), _AT_ONCE)]
        ids = np.concatenate([pieces.ids[_ranges(pieces.starts[part], pieces.lengths[part])] for part in parts])
        texts = Sequences(ids, np.add.reduceat(pieces.lengths[ways], self._texts.starts))
        kept = np.minimum(texts.lengths, self._max_tokens)
        if (kept == texts.lengths).all():
            return texts
        return Sequences(ids[_ranges(texts.starts, kept)], kept)


def _ranges(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places from each start on, as many as its length says, one range after another."""
    ends = np.cumsum(lengths)
    places: npt.NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    return places
