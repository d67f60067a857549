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
import numpy.typing as npt

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
    counts = Counter() if counts is None else counts
    names: dict[str, int] = {}
    tag_names: dict[str, int] = {}
    columns = [Texts.read(tokens, tags, names, tag_names)]
    if pairs is not None:
        columns.append(Texts.read(*pairs, names, tag_names))
    complete = np.logical_and.reduce([column.lengths > 0 for column in columns])
    columns = [column.keep(complete) for column in columns]
    vocabulary = np.array([*names, MASK], dtype=object)
    word_digests = digest_words(vocabulary)
    yield from _originals(columns, vocabulary, word_digests, seen)
    rows = len(columns[0].lengths)
    copies = options.augment.copies()
    if rows == 0 or not copies:
        return
    material = Material(columns, vocabulary, len(tag_names))
    plan = [(PERTURBATIONS[name].open(options, material), count) for name, count in copies.items()]
    of_rows = [(its, count) for its, count in plan if its.sources != "unlabelled"]
    of_unlabelled = [(its, count) for its, count in plan if its.sources != "rows"]
    with progress("augmenting", rows) as advance:
        done = 0
        for number, texts in enumerate(zip(*(column.chunks() for column in columns), strict=True)):
            for perturbation, count in of_rows:
                rng = np.random.default_rng([seed, perturbation.stream, number])
                for chunk in _copies(perturbation, texts, done, count, rng):
                    yield from _fresh(chunk, vocabulary, word_digests, seen, counts, perturbation.name)
            done += len(texts[0].lengths)
            advance(done, f"{counts.total():,} copies")
    if of_unlabelled:
        yield from _of_unlabelled(of_unlabelled, unlabelled, seed, seen, counts)


def _of_unlabelled(
    plan: Sequence[tuple[Perturbation, int]],
    unlabelled: Iterable[Sequence[str]],
    seed: int,
    seen: SentenceSet,
    counts: Counter[str],
) -> Iterator[RowText]:
    """Yield copies of unlabelled texts, of which no more than a chunk is held at a time."""
    done = 0
    for number, chunk in enumerate(in_chunks(unlabelled)):
        names: dict[str, int] = {}
        (texts,) = Texts.read(chunk, None, names, {}).chunks()
        vocabulary = np.array([*names, MASK], dtype=object)
        word_digests = digest_words(vocabulary)
        for perturbation, count in plan:
            rng = np.random.default_rng([seed, perturbation.stream, number, 1])
            for copies in _copies(perturbation, [texts], done, count, rng):
                yield from _fresh(copies, vocabulary, word_digests, seen, counts, perturbation.name)
        done += len(chunk)


def _copies(
    perturbation: Perturbation, texts: Sequence[Texts], first: int, count: int, rng: np.random.Generator
) -> Iterator[list[Texts]]:
    """Yield copies of a chunk's rows, but for rows that have none."""
    for _ in range(count):
        columns = perturbation.perturb(texts, first, rng)
        complete = np.logical_and.reduce([column.lengths > 0 for column in columns])
        yield [column.keep(complete) for column in columns]


def _fresh(
    copies: Sequence[Texts],
    vocabulary: npt.NDArray[np.object_],
    word_digests: Digests,
    seen: SentenceSet,
    counts: Counter[str],
    name: str,
) -> Iterator[RowText]:
    """Yield the rows that weren't seen before, and count them under the name of what made them."""
    fresh = np.flatnonzero(seen.add(_digest(copies, word_digests))).tolist()
    counts[name] += len(fresh)
    yield from _sentences(copies, fresh, vocabulary)


def _originals(
    columns: Sequence[Texts], vocabulary: npt.NDArray[np.object_], word_digests: Digests, seen: SentenceSet
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


def _digest(texts: Sequence[Texts], word_digests: Digests) -> Digests:
    """Digests of the rows of a chunk, ``[rows]``, over all their texts."""
    first, *others = (digest_rows(word_digests[text.words], text.lengths) for text in texts)
    for other in others:
        first = mix(first) + other
    return first


def _sentences(texts: Sequence[Texts], rows: Iterable[int], vocabulary: npt.NDArray[np.object_]) -> Iterator[RowText]:
    """Yield the texts of some rows of a chunk."""
    rows = list(rows)
    cells = []
    for text in texts:
        words = vocabulary[text.words].tolist()
        bounds = [0, *np.cumsum(text.lengths).tolist()]
        cells.append([" ".join(words[bounds[row] : bounds[row + 1]]) for row in rows])
    return starmap(RowText, zip(*cells, strict=True))
