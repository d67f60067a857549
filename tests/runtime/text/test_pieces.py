"""Tokenizer version 2: words that aren't in the vocabulary are cut into pieces of it."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.text import pieces as module
from kdbuild.runtime.text.pieces import Cutter, Piece, is_unspaced, runs
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import MASK_ID, PIECES, SPECIAL, UNK_ID, WORDS, Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ENGLISH = ["good", "go", "##od", "##o", "##d", "film", "##s", "un", "##like", "##ly", "don", "n't", "do", ".", "!"]
GERMAN = ["wort", "##schatz", "##schatzes", "##s", "donau", "##dampf", "##schiff", "über", "##ü", "größe"]
FRENCH = ["l'", "l", "##'", "##homme", "##h", "homme", "aujourd", "##hui"]
KOREAN = ["영화", "##가", "##는", "정말", "##이"]
ARABIC = ["ال", "##فيلم", "##م", "و", "##ال", "رائع"]
THAI = ["หนัง", "สนุก", "มาก", "ห", "น", "ไทย", "app", "##s", "##x"]
HAN = ["这部", "电影", "很", "好看", "好", "看", "電", "##影"]
KANA = ["映画", "は", "とても", "面白", "かった", "か", "っ", "た", "。", "白い"]
EMOJI = ["😀", "👍", "good", "👩"]


@pytest.mark.parametrize(
    ("entries", "text", "cut"),
    [
        pytest.param(ENGLISH, "Good films.", "good film ##s .", id="words"),
        pytest.param(ENGLISH, "goooood", "go ##o ##o ##o ##od", id="typo"),
        pytest.param(ENGLISH, "goodgood", "good <?:g> ##o ##od", id="nothing continues it but in part"),
        pytest.param(ENGLISH, "unlikely", "un ##like ##ly", id="derived"),
        pytest.param(ENGLISH, "don't", "do n't", id="contraction"),
        pytest.param(ENGLISH, "zzz good", "<?:zzz> good", id="unknown"),
        pytest.param(ENGLISH, "goxyzod", "go <?:xyz> ##od", id="unknown within"),
        pytest.param(ENGLISH, "xyzgo", "<?:xyzg> ##o", id="what follows the unknown continues the word"),
        pytest.param(ENGLISH, "xyz xyz", "<?:xyz> <?:xyz>", id="two unknown words"),
        pytest.param(ENGLISH, "s", "##s", id="the other form, at the start"),
        pytest.param(ENGLISH, "dsl", "##d ##s <?:l>", id="the other form, then its own"),
        pytest.param(ENGLISH, "un-go", "un <?:-g> ##o", id="joined"),
        pytest.param([*LETTERS], "abc", "a b c", id="single letters that only begin"),
        pytest.param(GERMAN, "Wortschatzes Wortschatz", "wort ##schatzes wort ##schatz", id="compound"),
        pytest.param(GERMAN, "Donaudampfschiffs", "donau ##dampf ##schiff ##s", id="longer compound"),
        pytest.param(GERMAN, "ÜBERÜ Größe gro\u0308ße", "über ##ü größe größe", id="umlauts"),
        pytest.param(FRENCH, "l'homme", "l' ##homme", id="elision"),
        pytest.param(FRENCH, "L’homme", "l' ##homme", id="typographic elision"),
        pytest.param(FRENCH, "aujourd'hui", "aujourd ##' ##hui", id="apostrophe within"),
        pytest.param(KOREAN, "영화가 정말", "영화 ##가 정말", id="Korean"),
        pytest.param(KOREAN, "가", "##가", id="a particle alone"),
        pytest.param(ARABIC, "والفيلم رائع", "و ##ال ##فيلم رائع", id="Arabic"),
        pytest.param(ARABIC, "الفيلمم", "ال ##فيلم ##م", id="Arabic typo"),
        pytest.param(EMOJI, "good😀😀👍", "good 😀 😀 👍", id="emoji"),
        pytest.param(EMOJI, "👩\u200d👩 🎉🎉", "👩 👩 <?:🎉> <?:🎉>", id="emoji: a joiner is dropped, each is a word"),
        pytest.param(THAI, "หนังสนุกมาก", "หนัง สนุก มาก", id="Thai"),
        pytest.param(THAI, "หนัง สนุก", "หนัง สนุก", id="Thai with a space"),
        pytest.param(THAI, "หนังดีมาก", "หนัง <?:ดี> มาก", id="Thai, in part unknown"),
        pytest.param(THAI, "หนังapps", "หนัง app ##s", id="Latin behind Thai"),
        pytest.param(THAI, "appsหนังx", "app ##s หนัง ##x", id="Thai behind Latin"),
        pytest.param(HAN, "这部电影很好看", "这部 电影 很 好看", id="Chinese"),
        pytest.param(HAN, "这 部 电 影", "这部 电影", id="Chinese, every character apart"),
        pytest.param(HAN, "好 好看", "好 好看", id="Chinese with a space"),
        pytest.param(HAN, "電影", "電 ##影", id="the other form of a character"),
        pytest.param(HAN, "很 very 好", "很 <?:very> 好", id="Chinese around Latin"),
        pytest.param(HAN, "很龘龘龘很", "很 <?:龘龘龘> 很", id="unknown Chinese"),
        pytest.param(HAN, "好，看", "好 <?:，> 看", id="punctuation ends a run"),
        pytest.param(KANA, "映画はとても面白かった。", "映画 は とても 面白 かった 。", id="Japanese"),
        pytest.param(KANA, "か\u3099", "<?:が>", id="composed first"),
    ],
)
def test_rules(entries: list[str], text: str, cut: str) -> None:
    """Pieces as they stand in the vocabulary; what is unknown is written ``<?:text>``."""
    tokens = (*SPECIAL, *dict.fromkeys(entries))
    found = [
        f"<?:{piece.text}>" if piece.id == UNK_ID else tokens[piece.id]
        for piece in Vocabulary(tokens, PIECES).pieces(tokenize(text))
    ]
    assert found == cut.split()


def test_pieces_that_begin_a_word() -> None:
    vocabulary = Vocabulary([*SPECIAL, "un", "##like", "很", "好", "##x"], PIECES)
    assert list(vocabulary.pieces(["unlike", "很", "好", "xzz"])) == [
        Piece("un", 3, begins=True),
        Piece("like", 4, begins=False),
        Piece("很", 5, begins=True),
        Piece("好", 6, begins=True),
        Piece("x", 7, begins=True),
        Piece("zz", UNK_ID, begins=False),
    ]


def test_masked_words_stay_what_they_are() -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "##b"], PIECES)
    assert vocabulary.ids(["<mask>", "ab", "<unk>", "<mask>", "<pad>"]) == [MASK_ID, 3, 4, UNK_ID, MASK_ID, 0]


def test_runs() -> None:
    assert list(runs("a 漢 字 b 字 か 。 漢字 漢 😀 😀".split())) == "a 漢字 b 字か 。 漢字 漢 😀 😀".split()
    assert list(runs([])) == []


ENCODED = Vocabulary([*SPECIAL, "go", "##o", "##od", "film", "很", "好"], PIECES)


def encoded(text: str, max_tokens: int) -> tuple[list[int], list[str], list[int], bool]:
    encoding = ENCODED.encode(text, max_tokens)
    return encoding.ids.tolist(), encoding.tokens, encoding.pieces, encoding.truncated


def test_encode() -> None:
    assert encoded("Gooood film 很好", 9) == (
        [3, 4, 4, 5, 6, 7, 8],
        ["gooood", "film", "很", "好"],
        [4, 1, 1, 1],
        False,
    )
    assert ENCODED.encode("Gooood film", 9).token_count == 5
    assert ENCODED.encode("goood xyz", 9).oov_rate == 1 / 4


def test_encode_keeps_the_first_pieces_and_of_a_word_what_they_hold() -> None:
    assert encoded("film gooood film", 3) == ([6, 3, 4], ["film", "goo"], [1, 2], True)
    assert encoded("film gooood", 5) == ([6, 3, 4, 4, 5], ["film", "gooood"], [1, 4], False)
    assert encoded("film film film", 2) == ([6, 6], ["film", "film"], [1, 1], True)
    assert encoded("很好很", 2) == ([7, 8], ["很", "好"], [1, 1], True)
    assert encoded("film é", 1) == ([6], ["film"], [1], True)


@pytest.mark.parametrize("text", ["", " \n", "\N{ZERO WIDTH SPACE}"])
def test_a_text_without_words_is_one_unknown_piece(text: str) -> None:
    assert encoded(text, 3) == ([UNK_ID], [], [], False)


def test_no_more_tokens_are_read_than_needed() -> None:
    read: list[str] = []

    def tokens() -> Iterator[str]:
        for token in itertools.cycle(["gooood", "film"]):
            read.append(token)
            yield token

    assert ENCODED.encode_tokens(tokens(), 6).ids.tolist() == [3, 4, 4, 5, 6, 3]
    assert len(read) == 7


def test_a_long_word_is_cut_no_further_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    match = Cutter._match

    def watched(self: Cutter, word: str, at: int, begins: bool) -> tuple[int, int]:
        places.append(at)
        return match(self, word, at, begins)

    monkeypatch.setattr(Cutter, "_match", watched)
    assert Vocabulary([*SPECIAL, "a", "##a"], PIECES).encode("a" * 1_000_000, 4).ids.tolist() == [3, 4, 4, 4]
    assert places == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("unit", ["a", "z", "ab", "漢", "龘", "หน"], ids=ascii)
def test_time_is_linear(unit: str) -> None:
    vocabulary = Vocabulary([*SPECIAL, "a" * 30 + "b", "##" + "a" * 30 + "b", "##a", "a", "漢", "漢字", "ห"], PIECES)

    def seconds(length: int) -> float:
        word = unit * (length // len(unit))
        start = time.process_time()
        assert len(vocabulary.ids([word])) <= length
        return time.process_time() - start

    # Quadratic time would be 16 times as long; five tries, since other programs share the caches.
    assert any(seconds(80_000) < 9 * seconds(20_000) for _ in range(5))
    assert seconds(1_000_000) < 60


def test_remembered_words_are_few_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_WORDS", 2)
    words = ["goo", "good", "goo", "gooo", "g" * 41, "goo"]
    ids = [[3, 4], [3, 5], [3, 4], [3, 4, 4], [UNK_ID], [3, 4]]
    vocabulary = Vocabulary(ENCODED.tokens, PIECES)
    assert [vocabulary.ids([word]) for word in words] == ids
    assert vocabulary.cutter._remembered.keys() == {"gooo", "goo"}


ALPHABET = "abก\u0e48漢字か가é-"
entries = st.lists(
    st.tuples(st.sampled_from(["", "##"]), st.text(ALPHABET, min_size=1, max_size=4)).map("".join),
    max_size=14,
    unique=True,
)
words = st.lists(st.text(ALPHABET, min_size=1, max_size=50), max_size=6)


def cut_by_the_rules(tokens: tuple[str, ...], word: str) -> Iterator[tuple[str, int]]:
    """The text and id of a word's pieces: every entry tried at every place."""
    stretch = ""
    at = 0
    while at < len(word):
        begins = at == 0 or is_unspaced(word[at]) or is_unspaced(word[at - 1])
        here, other = ("", "##") if begins else ("##", "")
        fits = [token for token in tokens[3:] if token.startswith("##") != begins]
        fits = [token for token in fits if word.startswith(token.removeprefix("##"), at)]
        best = max(fits, key=len, default=other + word[at])
        text = best.removeprefix(here or other)
        if best not in tokens:
            stretch += text
        else:
            if stretch:
                yield stretch, UNK_ID
            stretch = ""
            yield text, tokens.index(best)
        at += len(text)
    if stretch:
        yield stretch, UNK_ID


@settings(max_examples=500)
@given(entries, words)
def test_any_words_are_cut_by_the_rules(entries: list[str], words: list[str]) -> None:
    vocabulary = Vocabulary([*SPECIAL, *entries], PIECES)
    for run in runs(words):
        assert [piece[:2] for piece in vocabulary.cutter.cut(run)] == list(cut_by_the_rules(vocabulary.tokens, run))


@settings(max_examples=500)
@given(entries, words | st.text(ALPHABET + " .", max_size=40).map(tokenize), st.integers(1, 12))
def test_nothing_is_lost(entries: list[str], words: list[str], max_tokens: int) -> None:
    vocabulary = Vocabulary([*SPECIAL, *entries], PIECES)
    pieces = list(vocabulary.pieces(words))
    assert "".join(piece.text for piece in pieces) == "".join(words)
    assert all(UNK_ID <= piece.id < len(vocabulary) for piece in pieces)
    assert vocabulary.ids(words) == [piece.id for piece in pieces]
    whole = vocabulary.encode_tokens(words, len(pieces) + 1)
    assert "".join(whole.tokens) == "".join(words)
    assert sum(whole.pieces) == whole.token_count == len(pieces)
    assert not whole.truncated
    some = vocabulary.encode_tokens(iter(words), max_tokens)
    assert some.ids == whole.ids[:max_tokens]
    assert some.truncated == (len(pieces) > max_tokens)
    assert vocabulary.text_ids(words, max_tokens) == some.ids.tolist()


@given(words, st.integers(1, 12))
def test_with_version_1_a_word_is_one_id(words: list[str], max_tokens: int) -> None:
    vocabulary = Vocabulary([*SPECIAL, "a", "漢", "##b", "ก"], WORDS)
    ids = [{"a": 3, "漢": 4, "##b": 5, "ก": 6}.get(word, UNK_ID) for word in words]
    assert vocabulary.ids(words) == ids
    assert [piece.text for piece in vocabulary.pieces(words)] == words
    encoding = vocabulary.encode_tokens(words, max_tokens)
    assert encoding.ids.tolist() == (ids[:max_tokens] or [UNK_ID])
    assert (encoding.tokens, encoding.pieces) == (words[:max_tokens], [1] * len(words[:max_tokens]))
    assert encoding.truncated == (len(words) > max_tokens)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["a", "##"], r"'##': nothing is behind the mark\."),
        (["a", "##B"], r"'##B': no text has that piece, as words are normalised to 'b'\."),
        (["a", "##e\u0301"], r"'##e\u0301': no text has that piece, as words are normalised to 'é'\."),
        (["a", "##漢字"], r"'##漢字': nothing continues a word in a script without spaces\."),
        (["##a", "##bc"], r"'##a', which continues a word, and nothing that begins one\."),
    ],
    ids=ascii,
)
def test_pieces_that_no_text_has(tokens: list[str], message: str, tmp_path: Path) -> None:
    vocabulary = Vocabulary([*SPECIAL, *tokens], PIECES)
    with pytest.raises(BadInputError, match=f"^vocabulary holds {message} Rebuild the vocabulary\\.$"):
        vocabulary.check_pieces()
    (tmp_path / "vocab.txt").write_bytes(vocabulary.to_bytes())
    with pytest.raises(BadInputError, match=message):
        Vocabulary.load(tmp_path / "vocab.txt", PIECES)
    assert Vocabulary.load(tmp_path / "vocab.txt", WORDS).tokens == vocabulary.tokens


def test_pieces_that_texts_have() -> None:
    for tokens in ([], ["a"], ["a", "##b", "##é", "##가"], ["a", "##漢"]):
        Vocabulary([*SPECIAL, *tokens], PIECES).check_pieces()
