"""What every perturbation must do, for each that is registered."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest

from kdbuild.trainer.options import AugmentOptions, TrainOptions
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material
from kdbuild.trainer.transfer_set.perturbations.registry import PERTURBATIONS
from kdbuild.trainer.transfer_set.words import Texts

Rows = list[list[str]]

SENTENCES = [
    "it 's a warm film , and the end is sad .",
    "slow",
    "...",
    "good but long",
    "the story ( of a dog ) is told well , because the cast is !",
    "no , no",
    "and",
]
FIRST: Rows = [*([word, *sentence.split()] for word in ("so", "x", "y") for sentence in SENTENCES), [], ["alone"]]
SECOND: Rows = [["it", "'s", "cold"], ["a", "dog"], ["b"], [], *(row[::-1] for row in FIRST[4:-1]), ["end"]]
TAGS = {word: f"TAG{len(word) % 2}" for row in FIRST + SECOND for word in row}
PAIRED = pytest.mark.parametrize("paired", [False, True], ids=["single", "pairs"])
EACH = pytest.mark.parametrize("name", PERTURBATIONS.names)


def options(*perturb: str, rounds: int = 5) -> TrainOptions:
    return TrainOptions(augment=AugmentOptions(perturb=perturb, rounds=rounds))


def tagged(rows: Rows) -> tuple[Rows, Rows]:
    return rows, [[TAGS[word] for word in row] for row in rows]


def lines(options: TrainOptions, *, paired: bool, seed: int = 0, **given: Any) -> list[str]:
    return [text.line for text in augment(*tagged(FIRST), options, seed, tagged(SECOND) if paired else None, **given)]


def originals(paired: bool) -> list[str]:
    rows = [row for row in zip(FIRST, SECOND if paired else FIRST, strict=True) if all(row)]
    return list(dict.fromkeys("\t".join(" ".join(text) for text in (row if paired else row[:1])) for row in rows))


@PAIRED
@EACH
def test_copies_are_distinct_texts_of_the_rows_words(name: str, paired: bool) -> None:
    made = lines(options(name), paired=paired)
    known = originals(paired)
    assert made[: len(known)] == known
    assert len(set(made)) == len(made) > len(known)
    words = {word for row in FIRST + SECOND for word in row} | {"<mask>"}
    for line in made:
        texts = line.split("\t")
        assert len(texts) == 1 + paired
        assert all(texts)
        assert {word for text in texts for word in text.split(" ")} <= words


@PAIRED
@EACH
def test_no_row_has_more_copies_than_asked_for(name: str, paired: bool) -> None:
    known = originals(paired)
    for count in (1, 4):
        assert len(lines(options(f"{name}={count}"), paired=paired)) <= len(known) + count * len(FIRST)
    assert lines(options(f"{name}=4", rounds=0), paired=paired) == known


@PAIRED
@EACH
def test_the_seed_decides(name: str, paired: bool) -> None:
    first, again, other = (lines(options(name), paired=paired, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert first[: len(originals(paired))] == other[: len(originals(paired))]


@PAIRED
@EACH
def test_a_chunk_needs_no_other_chunk(name: str, paired: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copies follow from its place and its random numbers, whatever was perturbed before."""
    monkeypatch.setattr("kdbuild.trainer.transfer_set.words.CHUNK", 5)
    names: dict[str, int] = {}
    tag_names: dict[str, int] = {}
    pairs = [row for row in zip(FIRST, SECOND if paired else FIRST, strict=True) if all(row)]
    columns = [Texts.read(*tagged([row[at] for row in pairs]), names, tag_names) for at in range(1 + paired)]
    vocabulary = np.array([*names, "<mask>"], dtype=object)
    chunks = list(zip(*(column.chunks() for column in columns), strict=True))
    assert len(chunks) == 5

    def copy(order: Sequence[int]) -> dict[int, list[list[int]]]:
        made = PERTURBATIONS[name].open(options(name), Material(columns, vocabulary, len(tag_names)))
        found = {}
        for number in order:
            rng = np.random.default_rng([3, made.stream, number])
            texts = made.perturb(chunks[number], 5 * number, rng)
            assert [len(text.lengths) for text in texts] == [len(chunks[number][0].lengths)] * (1 + paired)
            assert all(len(text.words) == len(text.tags) == text.lengths.sum() for text in texts)
            found[number] = [[*text.words.tolist(), -1, *text.lengths.tolist()] for text in texts]
        return found

    assert copy([0, 1, 2, 3, 4]) == copy([3, 0, 4, 2, 1])


@PAIRED
@EACH
def test_any_size_of_chunks_will_do(name: str, paired: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other chunks mean other draws, but of the same kind: after many, all the same copies of short rows have come."""
    rows: Rows = [["a", "b"], ["c", ",", "d"], ["e"]]
    short = [rows, rows[1:] + rows[:1]]
    tags = [[["X"] * len(row) for row in column] for column in short]
    found = []
    for size in (1, 2, 4096):
        monkeypatch.setattr("kdbuild.trainer.transfer_set.words.CHUNK", size)
        pairs = (short[1], tags[1]) if paired else None
        chosen = options(f"{name}=3")
        chosen = replace(chosen, article=replace(chosen.article, p_mask=0.5, p_pos=0.0, p_ng=0.0))
        many = replace(chosen, augment=replace(chosen.augment, perturb=(f"{name}=2000",)))
        found.append({text.line for text in augment(short[0], tags[0], many, 0, pairs)})
    assert found[0] == found[1] == found[2]


@EACH
def test_all_perturbations_share_one_transfer_set(name: str) -> None:
    """Those named first count first; what one of them makes isn't made again."""
    others = [other for other in PERTURBATIONS.names if other != name]
    counts: Counter[str] = Counter()
    together = lines(options(name, *(f"{other}=3" for other in others)), paired=False, counts=counts)
    alone = lines(options(name), paired=False)
    assert set(alone) <= set(together)
    assert len(set(together)) == len(together)
    assert counts[name] == len(alone) - len(originals(False))
    assert counts.total() == len(together) - len(originals(False))
    assert list(zip_longest(counts, [name, *others])) == [(each, each) for each in [name, *others]]
