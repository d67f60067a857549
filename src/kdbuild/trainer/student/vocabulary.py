"""The student's vocabulary: which words enter it, and how much of the texts it covers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions


def build_vocabulary(
    texts: Iterable[RowText],
    unperturbed: Iterable[RowText],
    train: Sequence[Sequence[str]],
    extra: Sequence[str],
    options: StudentOptions,
) -> Vocabulary:
    """Order words by their frequency in the texts, ties in code point order, then the extra ones that don't occur.

    Args:
        texts: what the student is trained on.
        unperturbed: those of them that aren't perturbed copies; a word counts once in each.
        train: tokens of the training rows, for ``vocabulary_from="train"``.
        extra: words that enter in any case.
        options: ``vocabulary_from``, ``min_count`` and ``max_vocab``.

    Raises:
        BadInputError: nothing is left.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.tokens())
    allowed = set(counts)
    if options.vocabulary_from == "train":
        allowed &= {token for tokens in train for token in tokens}
    if options.min_count > 1:
        standing: Counter[str] = Counter()
        for text in unperturbed:
            standing.update(set(text.tokens()))
        allowed = {token for token in allowed if standing[token] >= options.min_count}
    kept = sorted(allowed - set(SPECIAL) - set(extra), key=lambda token: (-counts[token], token))
    if options.max_vocab:
        kept = kept[: max(0, options.max_vocab - len(extra))]
    if not kept and not extra:
        raise BadInputError(
            f"--min-count {options.min_count} and --max-vocab {options.max_vocab}: leave no word in the vocabulary. "
            "Lower the one or raise the other."
        )
    words = sorted([*kept, *extra], key=lambda token: (-counts[token], token))
    return Vocabulary([*SPECIAL, *words])


def token_counts(vocabulary: Vocabulary, rows: Iterable[Sequence[str]]) -> npt.NDArray[np.int64]:
    """Count how often each word occurs in tokenised rows, ``[words]``; unknown words count for ``<unk>``."""
    counts = np.zeros(len(vocabulary), dtype=np.int64)
    for tokens in rows:
        np.add.at(counts, vocabulary.ids(tokens), 1)
    return counts


class Encoder:
    """Turns tokens into ids and cuts them to a length; a text without any token becomes ``<unk>``."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int):
        self._vocabulary, self._max_tokens = vocabulary, max_tokens

    def __call__(self, texts: Iterable[Sequence[str]]) -> Iterator[list[int]]:
        """Yield the ids of each text."""
        return (self._vocabulary.text_ids(tokens[: self._max_tokens]) for tokens in texts)
