"""The transfer set: perturbed copies of the training rows (Tang et al. 2019, arXiv 1903.12136).

For each row and round, every word draws u ~ U(0, 1): below ``p_mask`` it is masked, below ``p_mask + p_pos`` replaced by
another word with the same part of speech, drawn by its frequency among the training rows' words of that tag, or evenly
over the tag's distinct words; else it stays. Then, in rows of more than two words, with probability ``p_ng``, an n-gram is
masked, or all but the n-gram dropped: n uniform over 1 … min(``max_ng``, length - 1), every start equally likely. Of a
sentence pair both texts are perturbed, each with its own draws.

All rows of a chunk are perturbed at once with array operations; a chunk's random numbers depend only on the seed and the
chunk's place. Rows are held as arrays of word ids, and what came out before as 64-bit digests.

Measured by ``benchmarks/speed/test_augmentation_scale.py`` on one core of an AMD EPYC, with made-up rows of 10 words on average
out of a Zipf distribution over 30,000, which are read one by one and count for neither memory nor time:

========= ====== ========= ======== ========================== =======================
rows      rounds sentences CPU time CPU time a row and round   peak memory above start
========= ====== ========= ======== ========================== =======================
  250,000      5     1.2 M    3.5 s                     2.8 µs                   69 MB
  500,000      5     2.4 M    7.1 s                     2.8 µs                  114 MB
1,000,000      5     4.7 M   14.8 s                     3.0 µs                  215 MB
  250,000     20     3.9 M    9.9 s                     2.0 µs                  144 MB
========= ====== ========= ======== ========================== =======================
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

import numpy as np
import numpy.typing as npt

from kdbuild.console import progress
from kdbuild.runtime.text.vocabulary import MASK
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import AugmentOptions
from kdbuild.trainer.transfer_set.dedup import Digests, SentenceSet, digest_rows, digest_words, mix

_CHUNK = 4096  # rows; bounds the memory of the arrays and fixes where random streams begin

Numbers = npt.NDArray[np.integer]
Ids = npt.NDArray[np.int64]
Tokens = Iterable[Sequence[str]]
Tags = Iterable[Sequence[str]]


@dataclass(frozen=True)
class _Texts:
    """Rows of words, laid end to end as numbers."""

    words: Numbers
    """``[words]``"""
    tags: Numbers
    """``[words]``"""
    lengths: Ids
    """``[rows]``, in words."""

    @classmethod
    def read(cls, tokens: Tokens, tags: Tags | None, names: dict[str, int], tag_names: dict[str, int]) -> "_Texts":
        """Number the words and tags of texts; what is new gets the next number. Without tags, all words share one."""
        words, word_tags, lengths = array("i"), array("H"), array("q")
        rows = ((text, ["X"] * len(text)) for text in tokens) if tags is None else zip(tokens, tags, strict=True)
        for text, its_tags in rows:
            if len(text) != len(its_tags):
                raise ValueError(f"row {len(lengths)} has {len(text)} words and {len(its_tags)} tags")
            words.extend([names.setdefault(word, len(names)) for word in text])
            word_tags.extend([tag_names.setdefault(name, len(tag_names)) for name in its_tags])
            lengths.append(len(text))
        return cls(np.asarray(words), np.asarray(word_tags), np.asarray(lengths))

    def keep(self, rows: npt.NDArray[np.bool_]) -> "_Texts":
        """Return the rows where the mask ``[rows]`` is true."""
        if rows.all():
            return self
        words = np.repeat(rows, self.lengths)
        return _Texts(self.words[words], self.tags[words], self.lengths[rows])

    def chunks(self) -> Iterator["_Texts"]:
        """Yield all rows in order, some at a time."""
        first = 0
        for start in range(0, len(self.lengths), _CHUNK):
            lengths = self.lengths[start : start + _CHUNK]
            last = first + int(lengths.sum())
            # Wider, since the arithmetic on these numbers needs it.
            yield _Texts(self.words[first:last].astype(np.int64), self.tags[first:last].astype(np.int64), lengths)
            first = last


class _Replacements:
    """Draws another word of the same part of speech.

    Args:
        columns: all texts whose words may be drawn.
        vocabulary: number of distinct words.
        tags: number of distinct tags.
        uniform: draw evenly over a tag's distinct words, not by their frequency.
    """

    def __init__(self, columns: Sequence[_Texts], vocabulary: int, tags: int, *, uniform: bool):
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


def augment(
    tokens: Tokens,
    tags: Tags | None,
    options: AugmentOptions,
    seed: int,
    pairs: tuple[Tokens, Tags | None] | None = None,
    seen: SentenceSet | None = None,
) -> Iterator[RowText]:
    """Yield the texts of the transfer set: the distinct originals in order, then the others.

    Rows without tokens are left out. Everything is read once, before the first sentence comes.

    Args:
        tokens: the training rows' tokens.
        tags: their parts of speech, aligned; None if they don't matter, since ``p_pos`` or ``rounds`` is 0.
        options: rounds and probabilities.
        seed: the same seed gives the same sentences.
        pairs: the rows' second texts and their tags, where rows are pairs; rows without tokens on either side are left
            out.
        seen: gets the digests of all sentences; perturbed ones whose digest it has are left out.
    """
    seen = SentenceSet() if seen is None else seen
    names: dict[str, int] = {}
    tag_names: dict[str, int] = {}
    columns = [_Texts.read(tokens, tags, names, tag_names)]
    if pairs is not None:
        columns.append(_Texts.read(*pairs, names, tag_names))
    complete = np.logical_and.reduce([column.lengths > 0 for column in columns])
    columns = [column.keep(complete) for column in columns]
    vocabulary = np.array([*names, MASK], dtype=object)
    word_digests = digest_words(vocabulary)
    count = 0
    for sentence in _originals(columns, vocabulary, word_digests, seen):
        count += 1
        yield sentence
    rows = len(columns[0].lengths)
    if options.rounds == 0 or rows == 0:
        return
    uniform = options.replacement == "uniform"
    replacements = _Replacements(columns, len(names), len(tag_names), uniform=uniform)
    with progress("augmenting", rows) as advance:
        done = 0
        for number, texts in enumerate(zip(*(column.chunks() for column in columns), strict=True)):
            rng = np.random.default_rng([seed, 1, number])
            for _ in range(options.rounds):
                copies = [_perturb(text, replacements, len(names), options, rng) for text in texts]
                fresh = np.flatnonzero(seen.add(_digest(copies, word_digests))).tolist()
                count += len(fresh)
                yield from _sentences(copies, fresh, vocabulary)
            done += len(texts[0].lengths)
            advance(done, f"{count:,} sentences")


def _originals(
    columns: Sequence[_Texts], vocabulary: npt.NDArray[np.object_], word_digests: Digests, seen: SentenceSet
) -> Iterator[RowText]:
    """Yield the distinct rows in order. Those whose digest isn't theirs alone are compared word for word."""
    chunks = [column.chunks() for column in columns]
    digests = [_digest(texts, word_digests) for texts in zip(*chunks, strict=True)]
    values, counts = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *digests]), return_counts=True)
    repeated = values[counts > 1]
    known: set[RowText] = set()
    chunks = [column.chunks() for column in columns]
    for texts, its_digests in zip(zip(*chunks, strict=True), digests, strict=True):
        seen.add(its_digests)
        compare = np.isin(its_digests, repeated).tolist()
        for sentence, again in zip(_sentences(texts, range(len(compare)), vocabulary), compare, strict=True):
            if again:
                if sentence in known:
                    continue
                known.add(sentence)
            yield sentence


def _digest(texts: Sequence[_Texts], word_digests: Digests) -> Digests:
    """Digests of the rows of a chunk, ``[rows]``, over all their texts."""
    first, *others = (digest_rows(word_digests[text.words], text.lengths) for text in texts)
    for other in others:
        first = mix(first) + other
    return first


def _sentences(texts: Sequence[_Texts], rows: Iterable[int], vocabulary: npt.NDArray[np.object_]) -> Iterator[RowText]:
    """Yield the texts of some rows of a chunk."""
    rows = list(rows)
    cells = []
    for text in texts:
        words = vocabulary[text.words].tolist()
        bounds = [0, *np.cumsum(text.lengths).tolist()]
        cells.append([" ".join(words[bounds[row] : bounds[row + 1]]) for row in rows])
    return starmap(RowText, zip(*cells, strict=True))


def _perturb(
    text: _Texts, replacements: _Replacements, mask: int, options: AugmentOptions, rng: np.random.Generator
) -> _Texts:
    """Perturb a chunk of rows once; ``mask`` is the id that masks a word. The tags stay those of the rows."""
    words, tags, lengths = text.words, text.tags, text.lengths
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
    touched = np.repeat(chosen, lengths)
    if options.ngram == "keep":
        kept = inside | ~touched
        return _Texts(out[kept], tags[kept], np.where(chosen, size, lengths))
    out[inside & touched] = mask
    return _Texts(out, tags, lengths)
