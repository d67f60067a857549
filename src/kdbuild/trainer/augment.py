"""The transfer set: perturbed copies of the training rows (Tang et al. 2019, arXiv 1903.12136).

For each row and round, every word draws u ~ U(0, 1): below ``p_mask`` it is masked, below ``p_mask + p_pos`` replaced by
another word with the same part of speech, drawn by its frequency among the training rows' words of that tag; else it
stays. Then, in rows of more than two words, with probability ``p_ng``, an n-gram is masked: n uniform over
1 … min(``max_ng``, length - 1), every start equally likely.

All rows of a chunk are perturbed at once with array operations; a chunk's random numbers depend only on the seed and the
chunk's place.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.tokenizer import MASK
from kdbuild.trainer.options import AugmentOptions
from kdbuild.trainer.progress import progress

_CHUNK = 4096  # rows; bounds the memory of the arrays and fixes where random streams begin

Ids = npt.NDArray[np.int64]


class _Replacements:
    """Draws another word of the same part of speech."""

    def __init__(self, words: Ids, tags: Ids, vocabulary: int):
        """Count each word under each tag.

        Args:
            words: word ids of all rows, ``[words]``.
            tags: their tags, ``[words]``.
            vocabulary: number of distinct words.
        """
        keys, counts = np.unique(tags * vocabulary + words, return_counts=True)
        self._keys = keys
        self._vocabulary = vocabulary
        ends = np.cumsum(counts)
        self._ends, self._starts = ends, ends - counts
        key_tags = keys // vocabulary
        first = np.searchsorted(key_tags, np.arange(tags.max() + 1), side="left")
        last = np.searchsorted(key_tags, np.arange(tags.max() + 1), side="right") - 1
        # A tag's words own the interval [low, high) of occurrences, each word a piece as long as its frequency.
        self._low, self._high = self._starts[first], ends[last]

    def draw(self, words: Ids, tags: Ids, rng: np.random.Generator) -> Ids:
        """For each word another one with the same tag; the word itself where its tag has no other."""
        own = np.searchsorted(self._keys, tags * self._vocabulary + words)
        own_start, own_count = self._starts[own], self._ends[own] - self._starts[own]
        low, rest = self._low[tags], self._high[tags] - self._low[tags] - own_count
        # A uniform draw over the tag's occurrences without the word's own piece: what lies behind it moves up.
        place = low + np.floor(rng.random(len(words)) * rest).astype(np.int64)
        place += np.where(place >= own_start, own_count, 0)
        drawn = np.searchsorted(self._ends, np.minimum(place, self._ends[-1] - 1), side="right")
        return np.where(rest > 0, self._keys[drawn] % self._vocabulary, words)


def augment(
    tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], options: AugmentOptions, seed: int
) -> Iterator[str]:
    """The transfer set, a sentence of tokens joined by spaces at a time: the distinct originals in order, then the others.

    Args:
        tokens: the training rows' tokens.
        tags: their parts of speech, aligned.
        options: rounds and probabilities.
        seed: the same seed gives the same sentences.
    """
    seen: set[str] = set()
    for row in tokens:
        sentence = " ".join(row)
        if row and sentence not in seen:
            seen.add(sentence)
            yield sentence
    rows = [index for index, row in enumerate(tokens) if row]
    if options.rounds == 0 or not rows:
        return
    names: dict[str, int] = {}
    words = np.array([names.setdefault(word, len(names)) for index in rows for word in tokens[index]], dtype=np.int64)
    tag_names: dict[str, int] = {}
    tag_ids = np.array(
        [tag_names.setdefault(tag, len(tag_names)) for index in rows for tag in tags[index]], dtype=np.int64
    )
    lengths = np.array([len(tokens[index]) for index in rows], dtype=np.int64)
    ends = np.cumsum(lengths)
    vocabulary = np.array([*names, MASK], dtype=object)
    replacements = _Replacements(words, tag_ids, len(names))
    with progress("augmenting", len(rows)) as advance:
        for number, start in enumerate(range(0, len(rows), _CHUNK)):
            stop = min(start + _CHUNK, len(rows))
            span = slice(int(ends[start] - lengths[start]), int(ends[stop - 1]))
            rng = np.random.default_rng([seed, 1, number])
            bounds = np.concatenate([[0], np.cumsum(lengths[start:stop])]).tolist()
            for _ in range(options.rounds):
                perturbed = _perturb(
                    words[span], tag_ids[span], lengths[start:stop], replacements, len(names), options, rng
                )
                text = vocabulary[perturbed].tolist()
                for first, last in pairwise(bounds):
                    sentence = " ".join(text[first:last])
                    if sentence not in seen:
                        seen.add(sentence)
                        yield sentence
            advance(stop, f"{len(seen):,} sentences")


def _perturb(
    words: Ids,
    tags: Ids,
    lengths: Ids,
    replacements: _Replacements,
    mask: int,
    options: AugmentOptions,
    rng: np.random.Generator,
) -> Ids:
    """One round over a chunk of rows laid end to end; ``mask`` is the id that masks a word."""
    u = rng.random(len(words))
    replaced = np.flatnonzero((u >= options.p_mask) & (u < options.p_mask + options.p_pos))
    out = words.copy()
    out[replaced] = replacements.draw(words[replaced], tags[replaced], rng)
    out[u < options.p_mask] = mask
    chosen = (rng.random(len(lengths)) < options.p_ng) & (lengths > 2)
    size = 1 + np.floor(rng.random(len(lengths)) * np.minimum(options.max_ng, lengths - 1)).astype(np.int64)
    first = np.floor(rng.random(len(lengths)) * (lengths - size + 1)).astype(np.int64)
    offset = np.arange(len(words)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inside = (offset >= np.repeat(first, lengths)) & (offset < np.repeat(first + size, lengths))
    out[inside & np.repeat(chosen, lengths)] = mask
    return out
