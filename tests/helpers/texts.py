"""Texts that tokenizers must agree on: cases with their tokens, pieces that rules look at, and what fuzzing makes of them."""

import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

from kdbuild.runtime.text.normalize import unicode_table

TABLE = unicode_table()


# What Unicode 16 and 17 added; a range may hold code points that are not assigned yet, but none that 15.1 has.
ADDED_LATER = """
    88F 897 C5C CDC 1ACF-1AEB 1B4E-1B4F 1B7F 1C89-1C8A 20C1 2427-2429 2B96 31E4-31E5 A7CB-A7CF A7D2 A7D4 A7DA-A7F1
    FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C0-105F3 10940-10959 10D40-10D8F 10EC2-10EFC 11380-113E2 116D0-116E3 11B60-11BF9
    11DB0-11DE9 11F5A 13460-143FA 16100-16139 16D40-16D79 16EA0-16ED3 16FF2-16FF6 187F8-187FF 18CFF 18D09-18DF2
    1CC00-1CEF0 1E5D0-1E6FF 1F6D8 1F777-1F77A 1F8B2-1F8D8 1FA54-1FA57 1FA89-1FA8F 1FABE 1FAC6-1FACD 1FADC-1FADF
    1FAE9-1FAEF 1FBCB-1FBEF 1FBFA 2B73A-2B73F 2CEA2-2CEAD 323B0-33479
"""


def code_points(ranges: str) -> set[int]:
    """``A-B C …`` in hex."""
    spans = [[int(end, 16) for end in span.split("-")] for span in ranges.split()]
    return {point for span in spans for point in range(span[0], span[-1] + 1)}


ASSIGNED = [
    chr(point)
    for point in sorted(set(range(0x110000)) - code_points(ADDED_LATER))
    if unicodedata.category(chr(point)) not in ("Cn", "Cs")
]

# Marks of every class, both parts of every composite, what decomposes, and Hangul, whole and in pieces.
FORMS = sorted(
    {c for c in ASSIGNED if unicodedata.combining(c) or unicodedata.decomposition(c)[:1] not in ("", "<")}
    | {part for pair in TABLE.composition for part in pair}.intersection(ASSIGNED)
    | set(map(chr, [*range(0x10FF, 0x1120), *range(0x115E, 0x1178), *range(0x11A6, 0x11C6)]))
    | set(map(chr, range(0xAC00, 0xD7A4, 7)))
)


MARKS = [c for c in FORMS if unicodedata.combining(c)]


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


def sst2_sentences() -> list[str]:
    """The sentences of SST-2, which are tokenised already; none where the data isn't there."""
    folder = Path(os.environ.get("SST2_DIR") or Path(__file__).resolve().parents[3] / "shared" / "data" / "sst2")
    lines: list[str] = []
    for path in (folder / "train.tsv", folder / "dev.tsv"):
        if path.is_file():
            lines += path.read_text(encoding="utf-8").removesuffix("\n").split("\n")[1:]
    return [line.split("\t")[0] for line in lines]


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
