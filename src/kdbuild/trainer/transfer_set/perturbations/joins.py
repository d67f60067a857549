"""Joins: a text with the text of another row behind it, as in longer texts that change their mind.

The other row is drawn evenly from all training rows but the row itself, and the whole is cut after ``max_join`` words. Of a
sentence pair, the first texts of both rows are joined, and the second ones. A row with a text of ``max_join`` words or
more has no copy, since nothing of the other row would be left in it.
"""

from collections.abc import Sequence

import numpy as np

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.words import Ids, Texts, draw_below


class Joins(Perturbation):
    """Puts another row's texts behind a row's texts."""

    name = "joins"

    def __init__(self, options: TrainOptions, material: Material):
        self._longest = options.joins.max_join
        self._columns = material.columns
        self._starts = [column.starts() for column in material.columns]
        self._rows = len(material.columns[0].lengths)

    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        """Join each row's texts with those of another one."""
        own = first + np.arange(len(texts[0].lengths))
        others = (own + 1 + draw_below(np.full_like(own, self._rows - 1), rng)) % self._rows
        short = np.logical_and.reduce([text.lengths < self._longest for text in texts])
        joinable = short & (self._rows > 1)
        columns = zip(texts, self._columns, self._starts, strict=True)
        return [self._join(text, column, starts, others).keep_words_of(joinable) for text, column, starts in columns]

    def _join(self, text: Texts, column: Texts, starts: Ids, others: Ids) -> Texts:
        own = np.minimum(text.lengths, self._longest)
        added = np.minimum(column.lengths[others], self._longest - own)
        lengths = own + added
        ours, theirs = text.take(text.starts(), own), column.take(starts[others], added)
        offset = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        is_own = offset < np.repeat(own, lengths)
        words, tags = np.empty(len(offset), np.int64), np.empty(len(offset), np.int64)
        words[is_own], words[~is_own] = ours.words, theirs.words
        tags[is_own], tags[~is_own] = ours.tags, theirs.tags
        return Texts(words, tags, lengths)
