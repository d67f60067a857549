"""Clauses: the parts of a text between punctuation marks and conjunctions, by our own tokens and no parser.

Of a text of k clauses, a copy has a number of them that is uniform over 1 … k, in a row, and every start is equally likely.
What stands between two clauses of a copy stays; what stands before its first and behind its last clause is dropped. Of a
sentence pair, each text becomes clauses of its own. A text without a clause, such as one of punctuation alone, has no copy.
"""

from collections.abc import Sequence

import numpy as np

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.words import Texts, draw_below

_MARKS = frozenset(".,;:!?…()[]{}–—。、，．；：！？؟،؛।")  # noqa: RUF001
"""What ends a clause, in several scripts; apostrophes, quotation marks and hyphens don't."""


class Clauses(Perturbation):
    """Cuts one clause or several in a row out of a text."""

    name = "clauses"

    def __init__(self, options: TrainOptions, material: Material):
        conjunctions = set(options.clauses.conjunctions)
        words = material.vocabulary.tolist()
        self._divides = np.array([word in conjunctions or _is_mark(word) for word in words], dtype=np.bool_)

    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        """Cut clauses out of each text."""
        return [self._cut(text, rng) for text in texts]

    def _cut(self, text: Texts, rng: np.random.Generator) -> Texts:
        inside = ~self._divides[text.words]
        row_starts = np.zeros(len(text.words) + 1, dtype=np.bool_)
        row_starts[text.starts()] = True
        row_starts[-1] = True
        before = np.concatenate([[False], inside[:-1]])
        after = np.concatenate([inside[1:], [False]])
        # A clause begins and ends at a divider or at an end of its row.
        begins = np.flatnonzero(inside & (row_starts[:-1] | ~before))
        ends = np.flatnonzero(inside & (row_starts[1:] | ~after)) + 1
        edges = np.searchsorted(begins, [0, *np.cumsum(text.lengths)])
        earlier, counts = edges[:-1], np.diff(edges)
        sizes = 1 + draw_below(counts, rng)
        chosen = earlier + draw_below(counts - sizes + 1, rng)
        some = counts > 0
        first, lengths = np.zeros_like(text.lengths), np.zeros_like(text.lengths)
        first[some] = begins[chosen[some]]
        lengths[some] = ends[(chosen + sizes - 1)[some]] - first[some]
        return text.take(first, lengths)


def _is_mark(word: str) -> bool:
    return word == "--" or _MARKS.issuperset(word)
