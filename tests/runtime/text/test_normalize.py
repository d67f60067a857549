"""The frozen Unicode table against the interpreter's own, whichever version that has, and the order of the steps.

The table is of Unicode 15.1, an interpreter's of 14.0 (Python 3.11) or later: what is assigned in both is compared. Its
normal forms and combining classes never change, by Unicode's stability policy.
"""

import hashlib
import itertools
import random
import re
import unicodedata
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.runtime.text.normalize import _CLEAN_ASCII, UNICODE_VERSION, nfc, normalize
from texts import ASSIGNED, FORMS, MARKS, TABLE

CATEGORIES = {character: unicodedata.category(character) for character in ASSIGNED}


def test_the_table_is_frozen() -> None:
    content = files("kdbuild.runtime.text").joinpath("unicode.tsv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "2d6fef2444757873d06718d3f77314c0e330a7c9b5476bb7318810a4bab9717e"
    assert TABLE.version == UNICODE_VERSION == "15.1.0"


def test_what_is_known_of_ascii_without_the_table_stands_in_it() -> None:
    assert {point: result for point, result in TABLE.clean.items() if point < 128} == _CLEAN_ASCII


def test_lower_case_is_that_of_the_interpreter_but_for_one_character() -> None:
    lowered = {character: TABLE.lower.get(ord(character), character) for character in ASSIGNED}
    assert {c: (lower, c.lower()) for c, lower in lowered.items() if lower != c.lower()} == {"İ": ("i", "i̇")}


def test_spaces() -> None:
    spaces = {character for character in ASSIGNED if TABLE.clean.get(ord(character)) == " "}
    assert spaces == {c for c in ASSIGNED if CATEGORIES[c] in ("Zs", "Zl", "Zp")} | set("\t\n\v\f\r\x85")


def test_dropped_characters() -> None:
    dropped = {character for character in ASSIGNED if TABLE.clean.get(ord(character), "") is None}
    controls = {c for c in ASSIGNED if CATEGORIES[c] in ("Cc", "Cf")} - set("\t\n\v\f\r\x85")
    invisible = re.compile("COMBINING GRAPHEME JOINER|HANGUL .*FILLER|HALFWIDTH HANGUL FILLER|KHMER VOWEL INHERENT")
    variations = re.compile("VARIATION SELECTOR-|MONGOLIAN FREE VARIATION SELECTOR")
    names = {c: unicodedata.name(c, "") for c in ASSIGNED}
    assert dropped == controls | {c for c in ASSIGNED if invisible.match(names[c]) or variations.match(names[c])}


def test_separate_characters() -> None:
    single = re.compile(
        "CJK (UNIFIED|COMPATIBILITY) IDEOGRAPH|HIRAGANA|KATAKANA|HALFWIDTH KATAKANA|HENTAIGANA|BOPOMOFO|HANGZHOU NUMERAL"
        "|IDEOGRAPHIC (CLOSING|ITERATION|NUMBER)|VERTICAL IDEOGRAPHIC"
    )
    expected = {c for c in ASSIGNED if CATEGORIES[c][0] in "LN" and single.match(unicodedata.name(c, ""))}
    expected |= {c for c in ASSIGNED if CATEGORIES[c][0] in "PS" or "\U0001f000" <= c <= "\U0001faff"} - {"_"}
    assert {character for character in ASSIGNED if TABLE.is_separate(character)} == expected


def test_code_points_that_the_frozen_version_has_not_assigned() -> None:
    points = map(ord, "\u0378\ue000\uffff\U0010ffff\U0001f8ff\U0001fae9\U0003fffd\ufff0\U000e0fff")
    separate = [point for point in points if TABLE.is_separate(chr(point))]
    assert separate == [0x1F8FF, 0x1FAE9, 0x3FFFD]  # reserved for pictographs and ideographs
    assert normalize("\ufff0\U000e0fff") == ""  # reserved for what is ignored


def test_combining_classes() -> None:
    classes = {c: unicodedata.combining(c) for c in ASSIGNED if unicodedata.combining(c)}
    assert {c: TABLE.combining_class[c] for c in ASSIGNED if c in TABLE.combining_class} == classes


def test_normal_form_of_every_code_point() -> None:
    for c in ASSIGNED:
        assert nfc(c, TABLE) == unicodedata.normalize("NFC", c), ascii(c)
        decomposed = unicodedata.normalize("NFD", c)
        assert nfc(decomposed, TABLE) == unicodedata.normalize("NFC", decomposed), ascii(c)


def test_normal_form_of_hangul() -> None:
    syllables = " ".join(map(chr, range(0xAC00, 0xD7A4)))
    assert nfc(unicodedata.normalize("NFD", syllables), TABLE) == syllables
    assert nfc("\uac00\u11a8 \uac01\u11a8", TABLE) == "\uac01 \uac01\u11a8"
    # Just outside of the three ranges nothing composes; U+11A7 would be the empty tail.
    for text in ("\u1100\u1160", "\u1100\u1176", "\u1113\u1161", "\uac00\u11a7", "\uac00\u11c3"):
        assert nfc(text, TABLE) == text


def test_normal_form_of_random_sequences() -> None:
    draw = random.Random(1)
    for _ in range(50_000):
        text = "".join(draw.choices(draw.choice((FORMS, MARKS, "aeE\u1100\u1161\u11a8\u0301\u0323\u0345")), k=8))
        text = draw.choice(FORMS) + text + draw.choice(FORMS)
        assert nfc(text, TABLE) == unicodedata.normalize("NFC", text), ascii(text)


def test_normal_form_of_every_composite_with_a_mark_between() -> None:
    draw = random.Random(1)
    assigned = set(ASSIGNED)
    pairs = [(a, b) for a, b in TABLE.composition if {a, b, TABLE.composition[a, b]} <= assigned]
    assert len(pairs) > 900
    for first, second in pairs:
        for between in ("", *draw.sample(MARKS, 20)):
            text = first + between + second
            assert nfc(text, TABLE) == unicodedata.normalize("NFC", text), ascii(text)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(ASSIGNED) | st.sampled_from(FORMS), max_size=20).map("".join))
def test_normal_form_of_any_text(text: str) -> None:
    assert nfc(text, TABLE) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        # Step 1 comes before step 2: what stands invisibly between a letter and its mark doesn't keep them apart.
        ("e\u200b\u0301", "é"),
        ("\u1112\u200d\u1161\ufe0f\u11ab", "한"),
        ("a\u0323\u034f\u0301", "ạ\u0301"),
        # Step 2 before step 4: the Turkish capital is one letter by then, whose dot goes.
        ("I\u0307 I\u200b\u0307", "i i"),
        ("İI\u0323\u0307", "iị\u0307"),
        # Step 5 after step 4: of these letters only the lower-case form has a composite.
        ("J\u030c T\u0308 H\u0331", "ǰ ẗ ẖ"),
        ("\u2126 \u212a \u212b", "ω k å"),
        ("ΑΣ ẞ DŽ Dž Ა Ꭰ", "ασ ß dž dž ა ꭰ"),
        # Step 3, after step 2: a composite isn't taken apart, and Greek punctuation is known by its normal form.
        ('“a„ ‟b” "c" ″', "``a`` ``b'' ''c'' ''"),
        ("‘a’ ‚b‛ 5′ oʼc", "'a' 'b' 5' o'c"),
        ("a‐b‑c‒d–e−f—g―h", "a-b-c-d-e-f--g--h"),
        ("so… ·‥", "so... ·‥"),
        ("\u037e \u0387 \u1fef \u2260 =\u0338", "; · ` ≠ ≠"),
        ("«a» ‹b› ｢c｣ ﹣ ＂", "«a» ‹b› ｢c｣ ﹣ ＂"),
        # Spaces of any kind, and as many as there were.
        ("a\tb\nc\r\nd\v\f\x85e", "a b c  d   e"),
        ("\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000", " " * 9),
        # Controls, a byte order mark, soft hyphens, directions, variations, tags.
        ("\0\x07a\x1f\x7f\x9fb\ufeff", "ab"),
        ("so\u00adft\u2060 \u202eabc\u202c \U0001f3f4\U000e0067\U000e007f", "soft abc \U0001f3f4"),
        # No characters at all: each half of what could have been a pair, noncharacters, code points not assigned.
        ("\ud800 a\udfff \ud83d\ude00", "\ufffd a\ufffd \ufffd\ufffd"),
        ("".join(map(chr, range(0xD800, 0xE000))), "\ufffd" * 2048),
        ("\uffff\U0010ffff\u0378\ue000", "\uffff\U0010ffff\u0378\ue000"),
        ("", ""),
        ("ABC xyz_09 ~", "abc xyz_09 ~"),
        ('"\x00A"\tB', "''a'' b"),
    ],
    ids=itertools.count(),
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


def test_ascii_takes_the_same_way_as_the_rest() -> None:
    ascii_characters = "".join(map(chr, range(128)))
    assert normalize(ascii_characters) == normalize("é" + ascii_characters).removeprefix("é")


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.characters() | st.sampled_from(FORMS) | st.sampled_from("EIJ\u0307\u030c\u200b\u034f’—… \ud800")).map(
        "".join
    )
)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert once == unicodedata.normalize("NFC", once) or set(once) - set(ASSIGNED)


def test_normalizing_every_code_point_twice_changes_nothing() -> None:
    changed_by_a_step = {*FORMS, *map(chr, TABLE.lower), *map(chr, TABLE.to_ascii)}
    # Marks may compose with what a step leaves.
    texts = [*map(chr, range(0x110000)), *(character + "\u0301\u0307" for character in changed_by_a_step)]
    for text in texts:
        once = normalize(text)
        assert normalize(once) == once, ascii(text)
