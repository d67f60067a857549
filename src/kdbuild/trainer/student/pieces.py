"""The words and pieces of a student's vocabulary, learned from texts so that it spells all of them.

Texts are counted as segments: words, and runs of characters of scripts without spaces; a token in which both stand is
divided where one ends, as it is when it is cut (:mod:`kdbuild.runtime.text.pieces`). What stands side by side most often in
them is merged, again and again (byte-pair encoding, Sennrich et al. 2016, arXiv 1508.07909). Pieces of words are marked if
they continue one; pieces of runs are not.

What is learned is then measured by cutting the same segments, the longest match first, which is how texts are read: what no
text uses, such as what only led to a longer piece, makes room for more, and stays only where there is no more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil, sqrt

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer

from kdbuild.runtime.text.pieces import CONTINUED, is_unspaced, runs
from kdbuild.runtime.text.vocabulary import PIECES, SPECIAL, Vocabulary
from kdbuild.trainer.data.texts import RowText

Counts = Mapping[str, int]
Filter = Callable[[Iterable[str]], list[str]]

_LARGEST = 15_000
_KNOWN, _RANDOM = 12, 4
"""Entries by the square root of the texts' characters, where their vectors come from a teacher or file, and where they start
random: rare words are worth their bytes only if something is known of them. On 9,064 reviews, 11,000 entries with a teacher's
vectors answered 82.3 % of 1,008 right, and 3,700 answered 79.8 %; on 9,000 Thai messages with random ones, 2,500 to 4,000 were
better than 8,000 and 16,000 by one to four points."""
_OFTEN = 5
_SPARE = 1.05
"""Entries learned for each that is wanted, since a few are of no use."""
_LINE = 1_000
"""Repetitions of a segment on a line for the trainers, which count for themselves."""


@dataclass
class Segments:
    """What texts consist of."""

    counts: Counter[str] = field(default_factory=Counter)
    """How often each segment occurs."""
    texts: Counter[str] = field(default_factory=Counter)
    """In how many texts each word stands."""
    runs: list[list[str]] = field(default_factory=list)
    """The runs of each text that has any."""


def default_size(characters: Counts, *, random_vectors: bool) -> int:
    """Return how many words and pieces suit texts in which characters occur so often.

    A vocabulary grows with about the square root of its text (Heaps 1978), and a script of many characters needs room for
    them.
    """
    common = sum(count >= _OFTEN for count in characters.values())
    factor = _RANDOM if random_vectors else _KNOWN
    return min(_LARGEST, common + round(factor * sqrt(sum(characters.values()))))


def segments(tokens: Iterable[str]) -> Iterator[str]:
    """Yield the words and runs of a tokenised text."""
    for run in runs(tokens):
        if run.isascii():
            yield run
        else:
            yield from ("".join(part) for _, part in groupby(run, is_unspaced))


def count_segments(texts: Iterable[RowText], *, by_text: bool) -> Segments:
    """Count the segments of texts.

    Args:
        texts: the texts.
        by_text: whether :attr:`Segments.texts` and :attr:`Segments.runs` are wanted, which takes longer.
    """
    found = Segments()
    for text in texts:
        parts: list[str] = []
        for cell in (text.first, text.second or ""):
            parts += cell.split() if cell.isascii() else segments(cell.split())
        found.counts.update(parts)
        if by_text:
            unspaced = {part for part in parts if is_unspaced(part[0])}
            found.texts.update({*parts} - unspaced)
            if unspaced:
                found.runs.append(sorted(unspaced))
    for token in SPECIAL:
        found.counts.pop(token, None)
    return found


def learn_pieces(
    found: Segments, allowed: Set[str], size: int, extra: Sequence[str], min_count: int, *, random_vectors: bool
) -> list[str]:
    """Return the entries of a vocabulary, the most used first, ties in code point order.

    Args:
        found: the segments of the texts; by text, if ``min_count`` is over 1.
        allowed: those to learn from. A word that isn't among them doesn't enter, not even as a piece of another.
        size: entries at most; 0: what suits the texts, and the extra ones.
        extra: words that enter in any case.
        min_count: texts in which a piece of runs has to stand.
        random_vectors: whether nothing is known of the entries before the training.
    """
    counts = {segment: count for segment, count in found.counts.items() if segment in allowed}
    unspaced = {segment: count for segment, count in counts.items() if is_unspaced(segment[0])}
    spaced = {segment: count for segment, count in counts.items() if segment not in unspaced}
    characters = _characters(counts)
    wanted = max(0, size - len(extra)) if size else default_size(characters, random_vectors=random_vectors)

    def not_rare(entries: Iterable[str]) -> list[str]:
        texts = ((entry, entry.removeprefix(CONTINUED)) for entry in entries)
        return [entry for entry, text in texts if len(text) == 1 or text in allowed or text not in found.counts]

    def in_texts(entries: Iterable[str]) -> list[str]:
        return _in_texts(entries, found.runs, min_count) if min_count > 1 else list(entries)

    of_runs = round(wanted * _length(unspaced) / max(1, _length(counts)))
    learned = _learn(spaced, CONTINUED, wanted - of_runs, not_rare) + _learn(unspaced, "", of_runs, in_texts)
    single = {*_single_characters(spaced), *in_texts(_single_characters(unspaced))}
    used = _use({*learned, *single, *extra}, counts)
    # Single characters go first, so that no word is unknown.
    ranked = sorted({*learned, *single} - {*extra}, key=lambda entry: (entry not in single, -used[entry], entry))
    entries = {*ranked[:wanted], *extra}
    used = _use(entries, counts)
    return sorted(entries, key=lambda entry: (-used[entry], entry))


def _learn(counts: Counts, mark: str, size: int, admit: Filter) -> list[str]:
    """Return so many entries, those that cutting uses most; fewer where there are no more to be learned."""
    if not counts or not size:
        return []
    asked = ceil(size * _SPARE)
    for _ in range(2):
        found = _merge(counts, mark, asked)
        entries = admit(found)
        used = _use(entries, counts)
        if len(used) >= size or len(found) < asked or not used:
            break
        asked = ceil(asked * size / len(used))
    return sorted(entries, key=lambda entry: -used[entry])[:size]


def _merge(counts: Counts, mark: str, size: int) -> list[str]:
    """Return the characters of segments, and their merges from the most frequent one on, so many in all."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = WhitespaceSplit()
    # Equally frequent merges are taken in the order of their parts' ids, which would be chance for those with a mark.
    marked = sorted({mark + character for segment in counts for character in segment[1:]}) if mark else []
    lines = (
        f"{segment} " * min(_LINE, counts[segment] - start)
        for segment in sorted(counts)
        for start in range(0, counts[segment], _LINE)
    )
    trainer = BpeTrainer(vocab_size=size, special_tokens=marked, continuing_subword_prefix=mark, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=lambda entry: ids[entry])


def _use(entries: Iterable[str], counts: Counts) -> Counter[str]:
    """Count how often segments use each entry when they are cut; those that none uses aren't there."""
    vocabulary = Vocabulary([*SPECIAL, *entries], PIECES)
    used: Counter[int] = Counter()
    for segment, count in counts.items():
        for id_ in vocabulary.ids((segment,)):
            used[id_] += count
    return Counter({vocabulary.tokens[id_]: count for id_, count in used.items() if id_ >= len(SPECIAL)})


def _in_texts(entries: Iterable[str], texts: Iterable[Sequence[str]], least: int) -> list[str]:
    """Return the entries that stand in so many texts, whether or not cutting them uses the entry."""
    asked = list(entries)
    lengths = sorted({len(entry) for entry in asked})
    wanted, standing = set(asked), Counter[str]()
    for text in texts:
        parts = {
            run[start : start + length] for run in text for length in lengths for start in range(len(run) - length + 1)
        }
        standing.update(parts & wanted)
    return [entry for entry in asked if standing[entry] >= least]


def _single_characters(counts: Counts) -> set[str]:
    """Return every character of segments, as it begins words or as it continues them, whichever is commoner."""
    forms: Counter[str] = Counter()
    for segment, count in counts.items():
        mark = "" if is_unspaced(segment[0]) else CONTINUED
        for place, character in enumerate(segment):
            forms[(mark if place else "") + character] += count
    return {form for form in forms if forms[form] >= forms[_other_form(form)]}


def _other_form(form: str) -> str:
    return form.removeprefix(CONTINUED) if form.startswith(CONTINUED) else CONTINUED + form


def _characters(counts: Counts) -> Counter[str]:
    """Count the characters of segments."""
    characters: Counter[str] = Counter()
    for segment, count in counts.items():
        for character in segment:
            characters[character] += count
    return characters


def _length(counts: Counts) -> int:
    """Return how many characters there are."""
    return sum(len(segment) * count for segment, count in counts.items())
