"""The transfer set: the training rows, and copies of them by each of the perturbations that are asked for.

All rows of a chunk are perturbed at once with array operations; a chunk's random numbers depend only on the seed, the
perturbation and the chunk's place. Rows are held as arrays of word ids, and what came out before as 64-bit digests.

The article's scheme, measured by ``benchmarks/speed/test_augmentation_scale.py`` on one core of an AMD EPYC, with made-up
rows of 10 words on average out of a Zipf distribution over 30,000, which are read one by one and count for neither memory
nor time:

========= ====== ========= ======== ========================== =======================
rows      rounds sentences CPU time CPU time a row and round   peak memory above start
========= ====== ========= ======== ========================== =======================
  250,000      5     1.2 M    3.5 s                     2.8 µs                   69 MB
  500,000      5     2.4 M    7.1 s                     2.8 µs                  114 MB
1,000,000      5     4.7 M   14.8 s                     3.0 µs                  215 MB
  250,000     20     3.9 M    9.9 s                     2.0 µs                  144 MB
========= ====== ========= ======== ========================== =======================
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap

import numpy as np

from kdbuild.console import progress
from kdbuild.runtime.text.vocabulary import MASK
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.dedup import Digests, SentenceSet, digest_rows, digest_words, mix
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.perturbations.registry import PERTURBATIONS
from kdbuild.trainer.transfer_set.words import Tags, Texts, Tokens, in_chunks


def augment(
    tokens: Tokens,
    tags: Tags | None,
    options: TrainOptions,
    seed: int,
    pairs: tuple[Tokens, Tags | None] | None = None,
    seen: SentenceSet | None = None,
    *,
    unlabelled: Iterable[Sequence[str]] = (),
    counts: Counter[str] | None = None,
) -> Iterator[RowText]:
    """Yield the texts of the transfer set: the distinct originals in order, then the others.

    Rows without tokens are left out. All rows are read once, before the first sentence comes.

    Args:
        tokens: the training rows' tokens.
        tags: their parts of speech, aligned; None if they don't matter, since :attr:`TrainOptions.tagger` is None.
        options: the perturbations, with their copies and options.
        seed: the same seed gives the same sentences.
        pairs: the rows' second texts and their tags, where rows are pairs; rows without tokens on either side are left
            out.
        seen: gets the digests of all sentences; perturbed ones whose digest it has are left out.
        unlabelled: the tokens of further texts, none of them empty, of which those perturbations make copies that are to;
            the texts themselves aren't yielded.
        counts: gets how many sentences each perturbation added.
    """
    seen = SentenceSet() if seen is None else seen
    sieve = _Sieve(seen, Counter() if counts is None else counts)
    names: dict[str, int] = {}
    tag_names: dict[str, int] = {}
    columns = [Texts.read(tokens, tags, names, tag_names)]
    if pairs is not None:
        columns.append(Texts.read(*pairs, names, tag_names))
    complete = np.logical_and.reduce([column.lengths > 0 for column in columns])
    columns = [column.keep(complete) for column in columns]
    words = _Words(names)
    yield from _originals(columns, words, seen)
    rows = len(columns[0].lengths)
    copies = options.augment.copies()
    if rows == 0 or not copies:
        return
    material = Material(columns, words.vocabulary, len(tag_names))
    plan = [(PERTURBATIONS[name].open(options, material), count) for name, count in copies.items()]
    of_rows = [(its, count) for its, count in plan if its.sources != "unlabelled"]
    of_unlabelled = [(its, count) for its, count in plan if its.sources != "rows"]
    with progress("augmenting", rows) as advance:
        done = 0
        for number, texts in enumerate(zip(*(column.chunks() for column in columns), strict=True)):
            for perturbation, count in of_rows:
                rng = np.random.default_rng([seed, perturbation.stream, number])
                for chunk in _copies(perturbation, texts, done, count, rng):
                    yield from sieve.fresh(perturbation.name, chunk, words)
            done += len(texts[0].lengths)
            advance(done, f"{sieve.counts.total():,} copies")
    if of_unlabelled:
        yield from _of_unlabelled(of_unlabelled, unlabelled, seed, sieve)


class _Words:
    """The words of texts, by their numbers; the last is the mask."""

    def __init__(self, names: Iterable[str]):
        self.vocabulary = np.array([*names, MASK], dtype=object)
        self.digests = digest_words(self.vocabulary)


class _Sieve:
    """Lets through what it didn't see before, and counts it by what made it."""

    def __init__(self, seen: SentenceSet, counts: Counter[str]):
        self.seen, self.counts = seen, counts

    def fresh(self, name: str, copies: Sequence[Texts], words: _Words) -> Iterator[RowText]:
        """Yield the rows that are new."""
        fresh = np.flatnonzero(self.seen.add(_digest(copies, words))).tolist()
        self.counts[name] += len(fresh)
        yield from _sentences(copies, fresh, words)


def _of_unlabelled(
    plan: Sequence[tuple[Perturbation, int]], unlabelled: Iterable[Sequence[str]], seed: int, sieve: _Sieve
) -> Iterator[RowText]:
    """Yield copies of unlabelled texts, of which no more than a chunk is held at a time."""
    done = 0
    for number, chunk in enumerate(in_chunks(unlabelled)):
        names: dict[str, int] = {}
        (texts,) = Texts.read(chunk, None, names, {}).chunks()
        words = _Words(names)
        for perturbation, count in plan:
            rng = np.random.default_rng([seed, perturbation.stream, number, 1])
            for copies in _copies(perturbation, [texts], done, count, rng):
                yield from sieve.fresh(perturbation.name, copies, words)
        done += len(chunk)


def _copies(
    perturbation: Perturbation, texts: Sequence[Texts], first: int, count: int, rng: np.random.Generator
) -> Iterator[list[Texts]]:
    """Yield copies of a chunk's rows, but for rows that have none."""
    for _ in range(count):
        columns = perturbation.perturb(texts, first, rng)
        complete = np.logical_and.reduce([column.lengths > 0 for column in columns])
        yield [column.keep(complete) for column in columns]


def _originals(columns: Sequence[Texts], words: _Words, seen: SentenceSet) -> Iterator[RowText]:
    """Yield the distinct rows in order. Those whose digest isn't theirs alone are compared word for word."""
    chunks = [column.chunks() for column in columns]
    digests = [_digest(texts, words) for texts in zip(*chunks, strict=True)]
    values, counts = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *digests]), return_counts=True)
    repeated = values[counts > 1]
    known: set[RowText] = set()
    chunks = [column.chunks() for column in columns]
    for texts, its_digests in zip(zip(*chunks, strict=True), digests, strict=True):
        seen.add(its_digests)
        compare = np.isin(its_digests, repeated).tolist()
        for sentence, again in zip(_sentences(texts, range(len(compare)), words), compare, strict=True):
            if again:
                if sentence in known:
                    continue
                known.add(sentence)
            yield sentence


def _digest(texts: Sequence[Texts], words: _Words) -> Digests:
    """Digests of the rows of a chunk, ``[rows]``, over all their texts."""
    first, *others = (digest_rows(words.digests[text.words], text.lengths) for text in texts)
    for other in others:
        first = mix(first) + other
    return first


def _sentences(texts: Sequence[Texts], rows: Iterable[int], words: _Words) -> Iterator[RowText]:
    """Yield the texts of some rows of a chunk."""
    rows = list(rows)
    cells = []
    for text in texts:
        row_words = words.vocabulary[text.words].tolist()
        bounds = [0, *np.cumsum(text.lengths).tolist()]
        cells.append([" ".join(row_words[bounds[row] : bounds[row + 1]]) for row in rows])
    return starmap(RowText, zip(*cells, strict=True))
