"""Stretches of a text's words: the teacher's opinion of every phrase teaches how meaning composes.

Of a text of n words a span has a length uniform over 1 … min(``max_span``, n - 1), and every start is equally likely. Of a
sentence pair, each text becomes a span of its own; a text of one word stays as it is, beside a span of the other one.
"""

from collections.abc import Sequence

import numpy as np

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.words import Texts, draw_below


class Spans(Perturbation):
    """Cuts a contiguous part out of a text."""

    name = "spans"

    def __init__(self, options: TrainOptions, material: Material):
        self._longest = options.spans.max_span or np.iinfo(np.int64).max
        self.sources = options.spans.spans_of

    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        """Cut a span out of each text; there is none where no text has two words."""
        cuttable = np.logical_or.reduce([text.lengths > 1 for text in texts])
        return [self._cut(text, rng).keep_words_of(cuttable) for text in texts]

    def _cut(self, text: Texts, rng: np.random.Generator) -> Texts:
        sizes = 1 + draw_below(np.clip(text.lengths - 1, 1, self._longest), rng)
        starts = draw_below(text.lengths - sizes + 1, rng)
        return text.take(text.starts() + starts, sizes)
