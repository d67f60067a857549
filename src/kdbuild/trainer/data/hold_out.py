"""Which rows are held out where the data has no dev part: whole sentences, and nothing that train gives away."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.split import Split

MOST_HELD_OUT = 2000
"""Rows in a held-out split at most: enough for an interval of about ±1.3 points at 90 %."""


def hold_out(split: Split, share: float, seed: int, labels: Sequence[str] = ()) -> tuple[list[int], list[int], int]:
    """Choose whole sentences to hold out, and the rows that may then be trained on.

    Data sets that are made of parsed sentences hold their phrases too; held out naively, nearly every row would still be
    read in training, inside another. Only rows that stand inside no other row are held out, as many of each class as its
    share of all rows asks for (of rows with several labels, as many as the share says), and every row that is part of one
    of them, or equal to it, leaves train. A pair of texts is held out as one.

    Returns:
        Places of the train rows and of the held-out rows, ascending, and how many rows are in neither.

    Raises:
        BadInputError: there are too few rows to hold out one of each class.
    """
    wanted = min(round(share * len(split)), MOST_HELD_OUT)
    classes = [0] * len(split) if split.targets.ndim == 2 else split.targets.tolist()
    counts = Counter(classes)
    quota = {target: round(wanted * count / len(split)) for target, count in counts.items()}
    if min(quota.values()) < 1:
        rare = min(counts, key=counts.__getitem__)
        named = f", {labels[rare]!r}" if rare < len(labels) and split.targets.ndim == 1 else ""
        raise BadInputError(
            f"{counts[rare]} rows of the rarest class{named}: too few to hold out {share:.0%} of them. "
            "Give a dev file or more rows."
        )
    tokens = _joined_tokens(split)
    sentences = [f" {' '.join(row)} " for row in tokens]
    contained = _Containment(tokens, sentences)
    held_out: list[int] = []
    taken: set[str] = set()
    for row in np.random.default_rng([seed, 0]).permutation(len(split)).tolist():
        target = classes[row]
        if quota[target] > 0 and tokens[row] and sentences[row] not in taken and contained.is_whole(row):
            quota[target] -= 1
            held_out.append(row)
            taken.add(sentences[row])
    if not held_out:
        raise BadInputError("no row stands outside all others: nothing can be held out. Give a dev file.")
    inside = _Containment([tokens[row] for row in held_out], [sentences[row] for row in held_out])
    rows_out = set(held_out)
    kept = [
        row
        for row in range(len(split))
        if row not in rows_out and not (tokens[row] and inside.holds(tokens[row], sentences[row]))
    ]
    return kept, sorted(held_out), len(split) - len(kept) - len(held_out)


def _joined_tokens(split: Split) -> list[list[str]]:
    """Return the tokens of each row; those of a pair are joined by what no token is, and a row of no token has none.

    An empty side of a pair counts as one empty token, so that such a pair isn't part of every pair with the other side.
    """
    if split.pair_tokens is None:
        return split.tokens
    pairs = zip(split.tokens, split.pair_tokens, strict=True)
    return [[*(first or [""]), "\t", *(second or [""])] if first or second else [] for first, second in pairs]


class _Containment:
    """Which rows hold a given row as a run of their tokens; a row is looked for where its rarest token stands."""

    def __init__(self, tokens: Sequence[list[str]], sentences: Sequence[str]):
        self._tokens, self._sentences = tokens, sentences
        self._rows_with: dict[str, list[int]] = defaultdict(list)
        for row, words in enumerate(tokens):
            for word in set(words):
                self._rows_with[word].append(row)

    def is_whole(self, row: int) -> bool:
        """Tell whether no longer row holds this one."""
        sentence = self._sentences[row]
        return not any(
            sentence in self._sentences[other] and len(self._sentences[other]) > len(sentence)
            for other in self._candidates(self._tokens[row])
        )

    def holds(self, tokens: list[str], sentence: str) -> bool:
        """Tell whether a row holds this sentence or equals it."""
        return any(sentence in self._sentences[other] for other in self._candidates(tokens))

    def _candidates(self, tokens: list[str]) -> list[int]:
        return min((self._rows_with.get(word, []) for word in tokens), key=len)
