"""The scheme of Tang et al. 2019 (arXiv 1903.12136): masks, replacements by part of speech, n-grams.

For each row and copy, every word draws u ~ U(0, 1): below ``p_mask`` it is masked, below ``p_mask + p_pos`` replaced by
another word with the same part of speech, drawn by its frequency among the training rows' words of that tag, or evenly
over the tag's distinct words; else it stays. Then, in rows of more than two words, with probability ``p_ng``, an n-gram is
masked, or all but the n-gram dropped: n uniform over 1 … min(``max_ng``, length - 1), every start equally likely. Of a
sentence pair both texts are perturbed, each with its own draws.
"""

from collections.abc import Sequence

import numpy as np

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.words import Ids, Numbers, Texts, draw_below


class Article(Perturbation):
    """Masks and replaces words, and masks or keeps n-grams."""

    name = "article"

    def __init__(self, options: TrainOptions, material: Material):
        self._options = options.article
        self._mask = material.mask
        uniform = options.article.replacement == "uniform"
        self._replacements = _Replacements(material.columns, material.mask, material.tags, uniform=uniform)

    @property
    def stream(self) -> int:
        """As in the first version, so that a seed means what it meant."""
        return 1

    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        """Perturb each text by itself."""
        return [self._perturb(text, rng) for text in texts]

    def _perturb(self, text: Texts, rng: np.random.Generator) -> Texts:
        """Perturb a chunk of rows once. The tags stay those of the rows."""
        options = self._options
        words, tags, lengths = text.words, text.tags, text.lengths
        u = rng.random(len(words))
        replaced = np.flatnonzero((u >= options.p_mask) & (u < options.p_mask + options.p_pos))
        out = words.copy()
        out[replaced] = self._replacements.draw(words[replaced], tags[replaced], rng)
        out[u < options.p_mask] = self._mask
        chosen = (rng.random(len(lengths)) < options.p_ng) & (lengths > 2)
        size = 1 + draw_below(np.minimum(options.max_ng, lengths - 1), rng)
        first = draw_below(lengths - size + 1, rng)
        offset = np.arange(len(words)) - np.repeat(text.starts(), lengths)
        inside = (offset >= np.repeat(first, lengths)) & (offset < np.repeat(first + size, lengths))
        touched = np.repeat(chosen, lengths)
        if options.ngram == "keep":
            kept = inside | ~touched
            return Texts(out[kept], tags[kept], np.where(chosen, size, lengths))
        out[inside & touched] = self._mask
        return Texts(out, tags, lengths)


class _Replacements:
    """Draws another word of the same part of speech.

    Args:
        columns: all texts whose words may be drawn.
        vocabulary: number of distinct words.
        tags: number of distinct tags.
        uniform: draw evenly over a tag's distinct words, not by their frequency.
    """

    def __init__(self, columns: Sequence[Texts], vocabulary: int, tags: int, *, uniform: bool):
        counts = np.zeros(tags * vocabulary, dtype=np.int64)
        for column in columns:
            for chunk in column.chunks():
                np.add.at(counts, chunk.tags * vocabulary + chunk.words, 1)
        self._vocabulary = vocabulary
        self._keys = np.flatnonzero(counts)
        pieces = np.ones(len(self._keys), dtype=np.int64) if uniform else counts[self._keys]
        self._ends = np.cumsum(pieces)
        self._starts = self._ends - pieces
        # A tag's words own the interval [low, high) of occurrences, each word a piece as long as its frequency.
        edges = np.concatenate([[0], self._ends])[np.searchsorted(self._keys, np.arange(tags + 1) * vocabulary)]
        self._low, self._high = edges[:-1], edges[1:]

    def draw(self, words: Numbers, tags: Numbers, rng: np.random.Generator) -> Ids:
        """Draw another word with the same tag for each word; where its tag has no other, the word itself."""
        own = np.searchsorted(self._keys, tags * self._vocabulary + words)
        own_start, own_count = self._starts[own], self._ends[own] - self._starts[own]
        low, rest = self._low[tags], self._high[tags] - self._low[tags] - own_count
        # A uniform draw over the tag's occurrences without the word's own piece: what lies behind it moves up.
        place = low + np.floor(rng.random(len(words)) * rest).astype(np.int64)
        place += np.where(place >= own_start, own_count, 0)
        drawn = np.searchsorted(self._ends, np.minimum(place, self._ends[-1] - 1), side="right")
        return np.where(rest > 0, self._keys[drawn] % self._vocabulary, words)
