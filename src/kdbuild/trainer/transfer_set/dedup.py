"""Which sentences came before, millions of them in little memory: their digests in a hash table of numpy's."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: its multiples are spread evenly


class SentenceSet:
    """The digests of sentences seen so far: a hash table with open addressing and double hashing, at most two thirds full.

    A sentence takes 12 to 24 bytes, and half as much again while the table doubles: 20 M take 268 MB, at the peak 403 MB.
    Digests are 64 bits long: the chance that any one of 20 M different sentences is taken for another is 1 in 90,000.
    """

    def __init__(self) -> None:
        self._slots: Digests = np.zeros(1 << 16, dtype=np.uint64)  # 0: empty
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """Add digests ``[sentences]``; true where one is neither in the set yet nor earlier among them."""
        distinct, first = np.unique(np.maximum(digests, np.uint64(1)), return_index=True)
        while 3 * (self._count + len(distinct)) > 2 * len(self._slots):
            self._grow()
        added = np.zeros(len(digests), dtype=np.bool_)
        added[first[self._insert(distinct)]] = True
        return added

    def _insert(self, distinct: Digests) -> npt.NDArray[np.bool_]:
        """Put distinct digests into free slots, all at once; false for those that were there."""
        last = np.uint64(len(self._slots) - 1)
        step = (distinct >> np.uint64(32)) | np.uint64(1)
        place = distinct & last
        added = np.zeros(len(distinct), dtype=np.bool_)
        left = np.arange(len(distinct))
        while len(left):
            free = self._slots[place] == 0
            self._slots[place[free]] = distinct[left[free]]
            # Where two wrote to one slot, one of them finds the other there and goes on.
            found = self._slots[place] == distinct[left]
            added[left[free & found]] = True
            left = left[~found]
            place = (place[~found] + step[left]) & last
        self._count += int(added.sum())
        return added

    def _grow(self) -> None:
        old, self._slots, self._count = self._slots, np.zeros(2 * len(self._slots), dtype=np.uint64), 0
        for start in range(0, len(old), 1 << 18):
            part = old[start : start + (1 << 18)]
            self._insert(part[part > 0])


def digest_texts(texts: Sequence[Sequence[str]]) -> Digests:
    """Digest each tokenised text, ``[texts]``; a digest depends on nothing but the text's words and their order."""
    names: dict[str, int] = {}
    words = np.array([names.setdefault(word, len(names)) for text in texts for word in text], dtype=np.int64)
    return digest_rows(digest_words(names)[words], np.array([len(text) for text in texts], dtype=np.int64))


def digest_words(words: Iterable[str]) -> Digests:
    """Digest each word, ``[words]``."""
    joined = b"".join(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in words)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def digest_rows(words: Digests, lengths: npt.NDArray[np.int64]) -> Digests:
    """Sum over each row its words' digests, mixed with their places; rows lie end to end."""
    ends = np.cumsum(lengths)
    places = (np.arange(len(words)) - np.repeat(ends - lengths, lengths)).astype(np.uint64)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mix(words + places * _GOLDEN))])
    return np.asarray(sums[ends] - sums[ends - lengths])


def mix(values: Digests) -> Digests:
    """Mix with the finaliser of SplitMix64 (Steele et al. 2014, 10.1145/2714064.2660195): any bit may change every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
