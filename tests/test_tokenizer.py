"""The tokenizer's rules, one by one, and the laws that hold for every text."""

import itertools
import os
import random
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.text import tokenizer
from kdbuild.runtime.text.tokenizer import MASK_ID, PAD_ID, SPECIAL, UNK_ID, Vocabulary, iter_tokens, tokenize

# A text and its tokens, which never hold a space, joined by spaces.
CASES = {
    "contractions": [
        ("It's DON'T won't can't", "it 's do n't wo n't ca n't"),
        ("shouldn't've I'd've", "should n't 've i 'd 've"),
        ("they'll you're I'm we've she'd", "they 'll you 're i 'm we 've she 'd"),
        ("n't 's n't's xn't", "n't 's n't 's x n't"),
        ("John's's O'Brien's y'all've", "john 's 's o'brien 's y'all 've"),
        ("it's. don't.", "it 's . do n't ."),
        ("can''t 're're", "can '' t ' re 're"),
    ],
    "words of two tokens": [
        ("Cannot gonna wanna gimme", "can not gon na wan na gimme"),
        ("cannot've gonna've cannot.", "can not 've gon na 've can not ."),
        ("cannot-x wannabe", "cannot-x wannabe"),
    ],
    "apostrophes": [
        ("'70s '70s-era '1", "'70s '70s-era '1"),
        ("'70s' 70's '70's the dogs'", "'70s ' 70 's '70 's the dogs '"),
        ("'Tis 'twas 'em ‘cause 'til", "'tis 'twas 'em 'cause 'til"),
        ("rock 'n' roll 'n", "rock 'n' roll 'n"),
        ("'hello' 's-x", "' hello ' ' s-x"),
        ("a'b'c l'amour o'clock", "a'b'c l'amour o'clock"),
        ("' '' ''' ''''", "' '' '' ' '' ''"),
    ],
    "abbreviations": [
        ("Mr. Smith vs. Dr. Jones, Jr.", "mr. smith vs. dr. jones , jr."),
        ("mr.smith mr.'s Mrs", "mr. smith mr. 's mrs"),
        ("etc. etc.. etc...", "etc. etc ... etc ..."),
        ("No. 5 Wash. end.", "no . 5 wash . end ."),
        ("a. b. Vitamin C. I.", "a . b. vitamin c. i ."),
        ("ph.d. 7.", "ph . d. 7 ."),
    ],
    "acronyms": [
        ("U.S. u.s.a. e.t. e.t", "u.s. u.s.a. e.t. e.t"),
        ("J.K.Rowling й.к. роулинг é.t", "j.k. rowling й.к. роулинг é.t"),
        ("p.m., e.g., u.s.'s", "p.m. , e.g. , u.s. 's"),
        ("a.b.cd xx.y 1.b b.1 2.x", "a.b. cd xx . y 1 . b b. 1 2 . x"),
    ],
    "hyphens": [
        ("well-known a-b-c 5-star", "well-known a-b-c 5-star"),
        ("twenty- -twenty -", "twenty - - twenty -"),
        ("a--b -- --- -----", "a -- b -- -- --"),
        ("a—b c ― d", "a -- b c -- d"),
        ("1–2 a‐b a‑b a−b", "1-2 a-b a-b a-b"),
    ],
    "slashes and ampersands": [
        ("and/or either/ /usr/bin", "and/or either / / usr/bin"),
        ("AT&T R&B & a&&b", "at&t r&b & a & & b"),
    ],
    "numbers": [
        ("3.14 1,000,000 10:30 1.2.3 v2.0", "3.14 1,000,000 10:30 1.2.3 v2.0"),
        (".5 3. 5: 1,000. 1.2. a,b 1,a", ". 5 3 . 5 : 1,000 . 1.2 . a , b 1 , a"),
        ("$5.00 50% 1/2 ½ x²", "$ 5.00 50 % 1/2 ½ x²"),
        ("٣,١ ３.１", "٣ , ١ ３.１"),  # digits of other scripts join only as single characters do
    ],
    "ellipses": [
        ("wait...what .. .... . . .", "wait ... what ... ... . . ."),
        ("so… and?!…", "so ... and ? ! ..."),
    ],
    "quotes": [
        ("\"hi\" ``hi''", "'' hi '' `` hi ''"),
        ("“hi” „hi‟ ‘hi’ «hi»", "`` hi '' `` hi `` ' hi ' « hi »"),
        ("don’t aʼs a′s 5″", "do n't a 's a 's 5 ''"),
        ("` ``` `x`", "` `` ` ` x `"),
    ],
    "asterisks": [("**** off f**k a*b", "**** off f ** k a * b")],
    "emoji": [
        ("😀😀 good😀.com", "😀 😀 good 😀 . com"),
        ("👨\N{ZERO WIDTH JOINER}👩\N{ZERO WIDTH JOINER}👧", "👨 👩 👧"),
        ("👍🏽 ❤\N{VARIATION SELECTOR-16} ☺\N{VARIATION SELECTOR-15}", "👍 🏽 ❤ ☺"),
        ("🇩🇪 1\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}", "🇩 🇪 1\N{COMBINING ENCLOSING KEYCAP}"),
        ("🏴\N{TAG LATIN SMALL LETTER G}\N{CANCEL TAG}x", "🏴 x"),
        ("\U0001fae9\U0001faff", "\U0001fae9 \U0001faff"),  # not assigned in the frozen version
        (":) ;-) <3 =>", ": ) ; - ) < 3 = >"),
    ],
    "scripts": [
        ("漢字 你好world 々", "漢 字 你 好 world 々"),
        ("カタカナー ひらがなx ｶﾅ", "カ タ カ ナ ー ひ ら が な x ｶ ﾅ"),
        ("한국어 \u1112\u1161\u11ab", "한국어 한"),
        ("İstanbul ISPARTA ı", "istanbul isparta ı"),
        ("ß STRASSE ẞ ΣΟΦΟΣ", "ß strasse ß σοφοσ"),
        ("ÉCOLE e\N{COMBINING ACUTE ACCENT} naïve", "école é naïve"),
        ("ﬁne Ⅳ ａＢｃ", "ﬁne ⅳ ａｂｃ"),
        ("مرحبا، हिन्दी สวัสดี", "مرحبا ، हिन्दी สวัสดี"),
        ("¿Qué? ¡No!", "¿ qué ? ¡ no !"),
    ],
    "the web": [
        ("http://a.com/b?c=d", "http : / / a . com/b ? c = d"),
        ("www.example.com", "www . example . com"),
        ("#hashtag @user snake_case", "# hashtag @ user snake_case"),
        ("me@example.com c++ c#", "me @ example . com c + + c #"),
    ],
    "brackets": [
        ("(a) [b] {c} <d>", "( a ) [ b ] { c } < d >"),
        ("-LRB-x -lrb- x -rrb-.", "- lrb-x -lrb- x -rrb- ."),
        ("--lrb- x-lrb- -lrb--rrb-", "-- lrb - x-lrb - -lrb- -rrb-"),
    ],
    "special tokens typed by a user": [
        ("<mask> <unk><pad>", "< mask > < unk > < pad >"),
        ("<MASK> < mask > x<mask>y", "< mask > < mask > x < mask > y"),
        ("<\N{ZERO WIDTH SPACE}unk> <pad\N{SOFT HYPHEN}>", "< unk > < pad >"),
    ],
    "what can't be seen": [
        ("a\N{SOFT HYPHEN}b a\N{ZERO WIDTH SPACE}b a\0b", "ab ab ab"),
        ("a\N{NO-BREAK SPACE}b\tc\nd\u2028e\x85f\N{IDEOGRAPHIC SPACE}g", "a b c d e f g"),
        ("\ud800 x\udfffy", "\N{REPLACEMENT CHARACTER} x \N{REPLACEMENT CHARACTER} y"),
        ("  \n ", ""),
        ("", ""),
        ("\N{ZERO WIDTH SPACE} \N{VARIATION SELECTOR-16}", ""),
    ],
}


@pytest.mark.parametrize(
    ("text", "tokens"), [pytest.param(*case, id=f"{rule}-{n}") for rule in CASES for n, case in enumerate(CASES[rule])]
)
def test_rules(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split()


# Whatever a rule looks at, so that the rules meet one another.
PIECES = [
    *"n't 's 're 've 'll 'd 'm can not cannot gonna em tis mr etc. dr no s mask unk pad -lrb- -rrb- lrb".split(),
    *"'’‘“\"`.…,:;-—–/&*_<>(#😀🏽❤🇩漢カ",
    *("''", "``", "..", "...", "--", "**"),
    *"abintzAIÉßİı019٣한",
    *"\u1112\u1161\u11ab",  # Hangul in pieces
    *" \n\t\x85\xa0\u2028",
    *"\0\xad\u200b\u200d\ufeff\ufe0f\u034f",  # dropped
    *"\u0300\u0301\u0323\u0345\u0f71\u0f72\u3099",  # marks of several combining classes
    *"\u212a\u0958\u0344\u2adc\ufb1d\ud800\udfff",  # never in NFC, or no characters at all
]
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
    assert encoding.ids.dtype == np.int32
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
    assert encoding.ids.dtype == np.int32
    assert encoding.oov_rate == 0.0


def sst2_sentences() -> list[str]:
    """The sentences of SST-2, which are tokenised already; none where the data isn't there."""
    folder = Path(os.environ.get("SST2_DIR") or Path(__file__).parents[2] / "shared" / "data" / "sst2")
    lines: list[str] = []
    for path in (folder / "train.tsv", folder / "dev.tsv"):
        if path.is_file():
            lines += path.read_text(encoding="utf-8").removesuffix("\n").split("\n")[1:]
    return [line.split("\t")[0] for line in lines]


def test_sst2_stays_as_it_is() -> None:
    sentences = sst2_sentences()
    if not sentences:
        pytest.skip("SST-2 is not here: name its folder in the environment variable SST2_DIR")
    changed = [sentence for sentence in sentences if tokenize(sentence) != sentence.split()]
    assert len(changed) <= len(sentences) / 1000, changed[:20]


SENTENCES = [
    "It's one of the 70's best — the dogs' owners didn't think so, though: “We'd've left at 10:30 p.m.…”",
    "Mr. O'Brien, ph.d., can't say (or won't) what AT&T's www.example.com/a-b cost: $1,000.50, ½ of it!",
    "rock 'n' roll isn't dead -lrb- 'twas only sleeping -rrb- ; y'all shouldn't've worried , it 's back ...",
    "İstanbul'da çok güzel bir film, l'été à Besançon, Straße für Straße, ΟΔΥΣΣΕΥΣ, Привет, мир!",
    "今日は😀カタカナの映画を見ました。한국어 문장도 있습니다. हिन्दी में भी, และภาษาไทย 👩‍👩‍👧 👍🏽 ❤️ 🇩🇪",
]


def random_text(draw: random.Random) -> str:
    """Code points of one neighbourhood, of all planes, or pieces that rules look at."""
    kind, length = draw.randrange(3), draw.randint(0, 16)
    if kind == 0:
        base = draw.randrange(0x3200)
        return "".join(chr(base + draw.randrange(96)) for _ in range(length))
    if kind == 1:
        return "".join(chr(draw.randrange(0x110000)) for _ in range(length))
    return "".join(draw.choices(PIECES, k=length))


def mutated(draw: random.Random, sentence: str) -> str:
    """A stretch of a real sentence with characters deleted, doubled, inserted and recased, perhaps decomposed."""
    start = draw.randrange(len(sentence))
    characters = list(sentence[start : start + 40])
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(characters))
        change: Callable[[str], str] = draw.choice(
            (
                lambda _: "",
                lambda old: old * 2,
                str.upper,
                lambda old: old + draw.choice(PIECES),
                lambda old: draw.choice(PIECES) + old,
                lambda old: old + chr(draw.choice((0x300, 0x2000, 0xFE00)) + draw.randrange(112)),
            )
        )
        characters[at] = change(characters[at])
    text = "".join(characters)
    return unicodedata.normalize("NFD", text) if draw.random() < 0.1 else text


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
