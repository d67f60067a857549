"""The tokenizer's rules, one by one, and the laws that hold for every text."""

import itertools
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.text import tokenizer
from kdbuild.runtime.text.tokenizer import iter_tokens, tokenize
from kdbuild.runtime.text.vocabulary import MASK_ID, PAD_ID, SPECIAL, UNK_ID, Vocabulary
from texts import CASES, PIECES, SENTENCES, mutated, random_text, sst2_sentences


@pytest.mark.parametrize(
    ("text", "tokens"), [pytest.param(*case, id=f"{rule}-{n}") for rule in CASES for n, case in enumerate(CASES[rule])]
)
def test_rules(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split()


laws = settings(max_examples=500, deadline=None)
any_text = st.text(st.characters(), max_size=30)
rule_text = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def check_laws(text: str) -> None:
    tokens = tokenize(text)
    assert tokenize(" ".join(tokens)) == tokens, ascii(text)
    for token in tokens:
        assert token.split() == [token], ascii(text)
        assert token not in SPECIAL, ascii(text)
        assert token.encode("utf-8"), ascii(text)  # no lone surrogate


@laws
@given(any_text | rule_text)
def test_every_text_has_tokens_that_give_themselves_again(text: str) -> None:
    check_laws(text)


@laws
@given(rule_text, rule_text)
def test_a_space_cuts_whatever_stands_beside_it(left: str, right: str) -> None:
    assert tokenize(f"{left} {right}") == tokenize(left) + tokenize(right)


# All but ideographs, Hangul syllables, planes for private use and planes without characters.
@pytest.mark.parametrize(("first", "last"), [(0, 0x33FF), (0xA000, 0xABFF), (0xD700, 0x1FFFF), (0xE0000, 0xE0FFF)])
def test_code_points_alone_and_within_a_word(first: int, last: int) -> None:
    for character in map(chr, range(first, last + 1)):
        check_laws(character)
        check_laws(f"a{character}b.{character}'{character}s")


NASTY = "'s a.b. - a- ' 'a '1 n't -lrb- a' . * ` 1. 1, a/ cannot' <mask> 漢 e\u0301 \u0301\u0323 \u1112\u1161".split()


@pytest.mark.parametrize("chunk", NASTY, ids=ascii)
def test_time_is_linear(chunk: str) -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        tokenize(text)
        return time.process_time() - start

    once = chunk * (8_000 // len(chunk))
    # Quadratic time would be 16 times as long; five tries, since other programs share the caches.
    assert any(seconds(once * 4) < 9 * seconds(once) for _ in range(5))


def test_a_reader_may_stop_early() -> None:
    tokens = iter_tokens("It's " * 3)
    assert [next(tokens), next(tokens)] == ["it", "'s"]


def test_remembered_chunks_are_few_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache: dict[str, tuple[str, ...]] = {"": ()}
    monkeypatch.setattr(tokenizer, "_cache", cache)
    monkeypatch.setattr(tokenizer, "_CACHED_CHUNKS", 3)
    long = "a-" * 30 + "a"
    assert tokenize(f"a. b. a. c. {long} it's  a. ") == ["a", ".", "b.", "a", ".", "c.", long, "it", "'s", "a", "."]
    assert cache == {"": (), "a.": ("a", ".")}


def test_letters_and_digits_alone_are_cut_by_the_same_rules() -> None:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    chunks = ["".join(letters) for size in (1, 2, 3) for letters in itertools.product(alphabet, repeat=size)]
    chunks += ["cannot", "gonna", "wanna", "cannots", "wont", "etc", "a" * 41, "½", "²", "é"]
    assert [tokenizer._cut(chunk) for chunk in chunks] == [tuple(tokenizer._scan(chunk)) for chunk in chunks]
    assert tokenize("cannot wont 1st ½") == ["can", "not", "wont", "1st", "½"]


def test_vocabulary_order() -> None:
    texts = ["b a é a".split(), "é Z <mask> <unk> <mask> <pad>".split(), [], ["b", "😀"]]
    vocabulary = Vocabulary.build(texts)
    assert vocabulary.tokens == ("<pad>", "<unk>", "<mask>", "a", "b", "é", "Z", "😀")
    assert len(vocabulary) == 8
    assert "é" in vocabulary
    assert "e" not in vocabulary
    assert (PAD_ID, UNK_ID, MASK_ID) == (0, 1, 2)
    assert vocabulary.ids("é <mask> e <pad> a".split()) == [5, 2, 1, 0, 3]
    assert Vocabulary.build([]).tokens == SPECIAL


@laws
@given(st.lists(st.lists(st.sampled_from("a b c ab ba é 😀 \uffff".split())), max_size=5))
def test_vocabulary_of_any_tokens_is_most_frequent_first(texts: list[list[str]]) -> None:
    everything = [token for text in texts for token in text]
    built = Vocabulary.build(texts)
    assert set(built.tokens[3:]) == set(everything)
    keys = [(-everything.count(token), token) for token in built.tokens[3:]]
    assert keys == sorted(set(keys))


def test_vocabulary_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "é", "\x85", "\r"])
    content = "<pad>\n<unk>\n<mask>\na\né\n\x85\n\r\n".encode()
    assert vocabulary.to_bytes() == content
    assert vocabulary.sha256 == "5d2fb4f60ede90864921a33caafb7acce86550c5fbb2e57fbd86d33859acb25d"
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    assert Vocabulary.load(path).tokens == vocabulary.tokens


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], r"vocabulary starts with \[\]: its first tokens must be <pad>, <unk>, <mask>\."),
        (["<unk>", "<pad>", "<mask>", "a"], r"vocabulary starts with \['<unk>', '<pad>', '<mask>'\]: its first"),
        ([*SPECIAL, "a", "b", "a"], r"vocabulary holds 'a' twice: every token needs one id\. Rebuild the vocabulary\."),
        ([*SPECIAL, "<pad>"], "vocabulary holds '<pad>' twice"),
        ([*SPECIAL, ""], r"vocabulary holds an empty token or one with white space\. Rebuild the vocabulary\."),
        ([*SPECIAL, "a b"], "vocabulary holds an empty token or one with white space"),
        ([*SPECIAL, "a\n"], "vocabulary holds an empty token or one with white space"),
    ],
)
def test_vocabulary_errors(tokens: list[str], message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{message}"):
        Vocabulary(tokens)


VOCABULARY = Vocabulary([*SPECIAL, "it", "'s", "good", "<", ">", "mask"])


def test_encode() -> None:
    encoding = VOCABULARY.encode("It's very GOOD <mask>", max_tokens=7)
    assert encoding.tokens == ["it", "'s", "very", "good", "<", "mask", ">"]
    assert encoding.ids.tolist() == [3, 4, 1, 5, 6, 8, 7]
    assert np.asarray(encoding.ids).dtype == np.int32
    assert not encoding.truncated
    assert encoding.oov_rate == pytest.approx(1 / 7)


def test_encode_keeps_the_first_tokens() -> None:
    encoding = VOCABULARY.encode("It's very GOOD", max_tokens=3)
    assert (encoding.tokens, encoding.ids.tolist(), encoding.truncated) == (["it", "'s", "very"], [3, 4, 1], True)
    assert encoding.oov_rate == pytest.approx(1 / 3)
    assert not VOCABULARY.encode("It's very ", max_tokens=3).truncated


@pytest.mark.parametrize("text", ["", " \n", "\N{ZERO WIDTH SPACE}"])
def test_a_text_without_tokens_is_one_unknown_token(text: str) -> None:
    encoding = VOCABULARY.encode(text, max_tokens=3)
    assert (encoding.tokens, encoding.ids.tolist(), encoding.truncated) == ([], [1], False)
    assert np.asarray(encoding.ids).dtype == np.int32
    assert encoding.oov_rate == 0.0


def test_sst2_stays_as_it_is() -> None:
    sentences = sst2_sentences()
    if not sentences:
        pytest.skip("SST-2 is not here: name its folder in the environment variable SST2_DIR")
    changed = [sentence for sentence in sentences if tokenize(sentence) != sentence.split()]
    assert len(changed) <= len(sentences) / 1000, changed[:20]


@pytest.mark.slow
def test_a_million_texts() -> None:
    draw = random.Random(1)
    sentences = sst2_sentences() or SENTENCES
    for number in range(1_000_000):
        match number % 4:
            case 0:
                text = random_text(draw)
            case 1:
                text = mutated(draw, draw.choice(SENTENCES))
            case _:
                text = mutated(draw, draw.choice(sentences))
        check_laws(text)
