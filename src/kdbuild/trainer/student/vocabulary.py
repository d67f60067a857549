"""The student's vocabulary: which words enter it, and how much of the texts it covers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.pieces import is_unspaced, runs
from kdbuild.runtime.text.vocabulary import PIECES, SPECIAL, WORDS, Vocabulary
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions
from kdbuild.trainer.student.pieces import count_segments, learn_pieces, segments


def build_vocabulary(
    texts: Iterable[RowText],
    unperturbed: Iterable[RowText],
    train: Sequence[Sequence[str]],
    extra: Sequence[str],
    options: StudentOptions,
) -> Vocabulary:
    """Collect the words of the texts or, with ``tokenizer="pieces"``, learn words and pieces from the unperturbed ones.

    The most frequent come first, ties in code point order.

    Args:
        texts: what the student is trained on.
        unperturbed: those of them that aren't perturbed copies; a word counts once in each.
        train: tokens of the training rows, for ``vocabulary_from="train"``.
        extra: words that enter in any case.
        options: ``tokenizer``, ``vocabulary_from``, ``min_count`` and ``max_vocab``.

    Raises:
        BadInputError: nothing is left.
    """
    if options.tokenizer == "pieces":
        # Perturbed copies have the same words, and would only take their time.
        version, entries = PIECES, _pieces(unperturbed, train, extra, options)
    else:
        version, entries = WORDS, _words(texts, unperturbed, train, extra, options)
    if not entries:
        raise BadInputError(
            f"--min-count {options.min_count} and --max-vocab {options.max_vocab}: leave no word in the vocabulary. "
            "Lower the one or raise the other."
        )
    return Vocabulary([*SPECIAL, *entries], version)


def _words(
    texts: Iterable[RowText],
    unperturbed: Iterable[RowText],
    train: Sequence[Sequence[str]],
    extra: Sequence[str],
    options: StudentOptions,
) -> list[str]:
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
    return sorted([*kept, *extra], key=lambda token: (-counts[token], token))


def _pieces(
    texts: Iterable[RowText], train: Sequence[Sequence[str]], extra: Sequence[str], options: StudentOptions
) -> list[str]:
    found = count_segments(texts, by_text=options.min_count > 1)
    allowed = set(found.counts)
    if options.vocabulary_from == "train":
        allowed &= {segment for tokens in train for segment in segments(tokens)}
    if options.min_count > 1:
        # Runs are whole sentences, which hardly recur: of them it is the pieces that have to.
        allowed = {one for one in allowed if is_unspaced(one[0]) or found.texts[one] >= options.min_count}
    is_random = options.embeddings == "random"
    return learn_pieces(found, allowed, options.max_vocab, extra, options.min_count, random_vectors=is_random)


def token_counts(vocabulary: Vocabulary, rows: Iterable[Sequence[str]]) -> npt.NDArray[np.int64]:
    """Count how often each id occurs in tokenised rows, ``[ids]``; what is unknown counts for ``<unk>``."""
    parts: Counter[str] = Counter()
    for tokens in rows:
        parts.update(tokens if vocabulary.version == WORDS else runs(tokens))
    counts = np.zeros(len(vocabulary), dtype=np.int64)
    for part, count in parts.items():
        np.add.at(counts, vocabulary.ids((part,)), count)
    return counts


class Encoder:
    """Turns tokens into ids, at most so many; a text without any token becomes ``<unk>``."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int):
        self._vocabulary, self._max_tokens = vocabulary, max_tokens

    def __call__(self, texts: Iterable[Sequence[str]]) -> Iterator[list[int]]:
        """Yield the ids of each text."""
        return (self._vocabulary.text_ids(tokens)[: self._max_tokens] for tokens in texts)
