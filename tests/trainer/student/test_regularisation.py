"""Words that are cut otherwise in training: how often, into what, and the same again for the same epoch."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbuild.runtime.text.vocabulary import MASK_ID, SPECIAL, UNK_ID, Vocabulary
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions
from kdbuild.trainer.student import regularisation
from kdbuild.trainer.student.distill import _dataset
from kdbuild.trainer.student.regularisation import RegularisedTexts
from kdbuild.trainer.student.training_set import TrainingSet
from kdbuild.trainer.training.batches import LengthSampler, SequenceDataset, Sequences

PIECES = Vocabulary(
    [*SPECIAL, "a", "ab", "abc", "b", "bc", "##a", "##b", "##c", "##cd", "##d", "##bcd", "北", "北京", "京", "京人"], 2
)
WORDS = st.one_of(st.text("abcdx", min_size=1, max_size=6), st.sampled_from(["<mask>", "北", "京", "人", "#"]))


def regularised(
    texts: Sequence[str],
    dropout: float = 0.3,
    max_tokens: int = 512,
    seed: Sequence[int] = (0,),
    words: Vocabulary = PIECES,
) -> RegularisedTexts:
    return RegularisedTexts([text.split() for text in texts], words, max_tokens, dropout, seed)


def read(sequences: Sequences) -> list[list[str]]:
    ends = np.cumsum(sequences.lengths)[:-1]
    return [[PIECES.tokens[id_] for id_ in ids] for ids in np.split(sequences.ids, ends)]


@given(st.lists(st.lists(WORDS, max_size=8), min_size=1, max_size=6), st.integers(1, 9))
def test_usual_ids_are_those_of_the_vocabulary(texts: list[list[str]], max_tokens: int) -> None:
    usual = RegularisedTexts(texts, PIECES, max_tokens, 0.5, (0,)).usual()
    expected = [PIECES.text_ids(tokens, max_tokens) for tokens in texts]
    assert usual.ids.tolist() == [id_ for ids in expected for id_ in ids]
    assert usual.lengths.tolist() == [len(ids) for ids in expected]


@given(st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=6), st.integers(0, 3))
def test_other_pieces_spell_the_same_text(texts: list[list[str]], epoch: int) -> None:
    drawn = read(RegularisedTexts(texts, PIECES, 512, 0.5, (0,)).draw(epoch))
    for tokens, pieces in zip(texts, drawn, strict=True):
        spelt = "".join(piece.removeprefix("##") for piece in pieces).replace("<unk>", "")
        # Unknown, but for 人 in 京人.
        assert spelt.replace("人", "") == re.sub("[x人#]", "", "".join(tokens))


def test_what_stays_whole() -> None:
    texts = regularised(["<mask>", "", "x", "a", "bc"], dropout=0.9, words=Vocabulary([*SPECIAL, "a", "bc"], 2))
    for epoch in range(20):
        drawn = texts.draw(epoch)
        assert drawn.ids.tolist() == [MASK_ID, UNK_ID, UNK_ID, 3, 4]  # nothing shorter than bc begins with b
        assert drawn.lengths.tolist() == [1] * 5


@pytest.mark.parametrize("dropout", [0.1, 0.3, 0.8])
def test_cuts_come_as_often_as_they_should(dropout: float) -> None:
    """Of ``abcd``: abc | d; ab | cd; ab | c | d; a | bcd; a | b | cd; a | b | c | d."""
    texts, epochs = regularised(["abcd"] * 100, dropout), 300
    drawn = Counter(" ".join(pieces) for epoch in range(epochs) for pieces in read(texts.draw(epoch)))
    p, q = dropout, 1 - dropout
    expected = {
        "abc ##d": q,
        "ab ##cd": p * q * q,
        "ab ##c ##d": p * q * p,
        "a ##bcd": p * p * q,
        "a ##b ##cd": p * p * p * q,
        "a ##b ##c ##d": p * p * p * p,
    }
    assert sum(expected.values()) == pytest.approx(1)
    assert drawn.keys() <= expected.keys()
    for cut, share in expected.items():
        assert drawn[cut] / (100 * epochs) == pytest.approx(share, abs=0.01), cut


def test_runs_are_cut_otherwise_at_each_place() -> None:
    texts = regularised([" ".join("北京" * 20)], 0.25)
    kept = [read(texts.draw(epoch))[0].count("北京") for epoch in range(400)]
    assert np.mean(kept) == pytest.approx(0.75 * 20, abs=0.3)
    assert np.std(kept) == pytest.approx(np.sqrt(20 * 0.25 * 0.75), abs=0.25)


def test_words_of_an_epoch_are_drawn_from_few_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularisation, "_POOL", 1)
    drawn = {" ".join(pieces) for pieces in read(regularised(["abcd"] * 200, 0.6).draw(0))}
    assert len(drawn) == 2
    assert "abc ##d" in drawn


def test_parts_that_are_laid_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = regularised(["abcd abc", "", "bcd 北 京 a"]).draw(5)
    monkeypatch.setattr(regularisation, "_AT_ONCE", 2)
    parts = regularised(["abcd abc", "", "bcd 北 京 a"]).draw(5)
    assert parts.ids.tolist() == whole.ids.tolist()
    assert parts.lengths.tolist() == whole.lengths.tolist()


def test_an_epoch_is_the_same_however_it_is_come_to() -> None:
    texts = ["abcd abc bcd"] * 50
    one, another = regularised(texts), regularised(texts)
    epochs = [read(one.draw(epoch)) for epoch in range(3)]
    assert epochs[2] == read(another.draw(2))
    assert epochs[0] == read(one.draw(0)) == read(another.draw(0))
    assert epochs[0] != epochs[1] != epochs[2]
    assert read(regularised(texts, seed=(1,)).draw(0)) != epochs[0]


def test_texts_are_cut_to_their_maximum_when_drawn() -> None:
    texts = regularised(["abc abc abc", "a"], 0.5, max_tokens=3)
    drawn = [read(texts.draw(epoch)) for epoch in range(50)]
    assert all(second == ["a"] and len(first) == 3 for first, second in drawn)
    assert ["a", "##b", "##c"] in [first for first, _ in drawn]
    assert ["abc", "abc", "abc"] in [first for first, _ in drawn]


def dataset(
    vocabulary: Vocabulary, dropout: float, texts: Sequence[RowText], pairs: bool = False
) -> tuple[SequenceDataset, bool]:
    rows = TrainingSet(list(texts), np.zeros(len(texts), np.int64), None, range(0))
    return _dataset(rows, vocabulary, StudentOptions(piece_dropout=dropout), pairs, None, 0)


def epochs(data: SequenceDataset, count: int) -> list[list[list[int]]]:
    """The texts' ids in some epochs."""
    found = []
    for epoch in range(count):
        data.begin_epoch(epoch)
        found.append([data[row]["input_ids"][0].tolist() for row in range(len(data))])
    return found


def test_without_dropout_or_pieces_every_epoch_is_the_same() -> None:
    texts = [RowText("abcd abc x"), RowText("北 京")]
    no_dropout, unknown = dataset(PIECES, 0.0, texts)
    assert epochs(no_dropout, 3) == [[[5, 12, 5, UNK_ID], [15]]] * 3
    assert unknown
    whole_words, _ = dataset(Vocabulary(PIECES.tokens), 0.9, texts)
    assert epochs(whole_words, 3) == [[[UNK_ID, 5, UNK_ID], [14, 16]]] * 3


def test_both_texts_of_a_pair_are_drawn() -> None:
    data, unknown = dataset(PIECES, 0.5, [RowText("abcd abcd abcd", "abcd abcd abcd")] * 20, pairs=True)
    assert not unknown
    first, second = ([data[row][name][0].tolist() for row in range(20)] for name in ("input_ids", "input_ids2"))
    assert first != second
    assert len({tuple(ids) for ids in first}) > 1
    assert len({tuple(ids) for ids in second}) > 1
    assert data.lengths.tolist() == [len(one) + len(other) for one, other in zip(first, second, strict=True)]


def test_batches_are_formed_of_the_epochs_own_lengths() -> None:
    data, _ = dataset(PIECES, 0.5, [RowText("abc")] * 64)
    sampler = LengthSampler(data, 4, seed=0)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert sorted(order) == list(range(64))
        lengths = data.lengths[order].reshape(-1, 4)
        assert len(np.unique(data.lengths)) == 3
        assert (lengths.min(axis=1) < lengths.max(axis=1)).sum() <= 2
