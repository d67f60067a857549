"""The frozen Unicode table against the interpreter's own, and the steps of normalisation in their order."""

import hashlib
import sys
import unicodedata
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbuild.runtime.normalize import UnicodeTable, nfc, normalize, unicode_table

# Assigned in Unicode 16 and 17, after the table was frozen: Python 3.14 and later know them, the table doesn't.
LATER = """
88F 897 C5C CDC 1ACF-1ADD 1AE0-1AEB 1B4E-1B4F 1B7F 1C89-1C8A 20C1 2427-2429 2B96 31E4-31E5 A7CB-A7CF A7D2 A7D4
A7DA-A7DC A7F1 FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C0-105F3 10940-10959 10D40-10D65 10D69-10D85 10D8E-10D8F 10EC2-10EC7
10ED0-10ED8 10EFA-10EFC 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 113C2 113C5 113C7-113CA 113CC-113D5
113D7-113D8 113E1-113E2 116D0-116E3 11B60-11B67 11BC0-11BE1 11BF0-11BF9 11DB0-11DDB 11DE0-11DE9 11F5A 13460-143FA
16100-16139 16D40-16D79 16EA0-16EB8 16EBB-16ED3 16FF2-16FF6 187F8-187FF 18CFF 18D09-18D1E 18D80-18DF2 1CC00-1CCFC
1CD00-1CEB3 1CEBA-1CED0 1CEE0-1CEF0 1E5D0-1E5FA 1E5FF 1E6C0-1E6DE 1E6E0-1E6F5 1E6FE-1E6FF 1F6D8 1F777-1F77A
1F8B2-1F8BB 1F8C0-1F8C1 1F8D0-1F8D8 1FA54-1FA57 1FA89-1FA8A 1FA8E-1FA8F 1FABE 1FAC6 1FAC8 1FACD 1FADC 1FADF
1FAE9-1FAEA 1FAEF 1FBCB-1FBEF 1FBFA 2B73A-2B73F 2CEA2-2CEAD 323B0-33479
"""

TABLE = unicode_table()


def points(spans: str) -> set[int]:
    """The code points of ``A-B C …`` in hex."""
    bounds = [[int(end, 16) for end in span.split("-")] for span in spans.split()]
    return {point for bound in bounds for point in range(bound[0], bound[-1] + 1)}


# Normalization Form C never changes for these, whichever of the two is newer (Unicode's stability policy).
SHARED = [
    chr(point)
    for point in sorted(set(range(sys.maxunicode + 1)) - points(LATER))
    if unicodedata.category(chr(point)) not in ("Cn", "Cs")
]
MARKS = [character for character in SHARED if unicodedata.combining(character)]
DECOMPOSED = [character for character in SHARED if unicodedata.normalize("NFD", character) != character]
JAMO = [chr(point) for point in range(0x1100, 0x1200)]
SYLLABLES = [chr(point) for point in (0xAC00, 0xAC01, 0xAC1B, 0xAC1C, 0xD788, 0xD7A3)]


def classified(character: str, table: UnicodeTable = TABLE) -> str:
    """The class of a character by the table."""
    if ord(character) in table.clean:
        return "drop" if table.clean[ord(character)] is None else "space"
    return "separate" if table.is_separate(character) else "word"


def test_the_table_is_frozen() -> None:
    content = files("kdbuild.runtime").joinpath("unicode.tsv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "5ffee40827878e1bbe51cd51b62733446fcf5cc54e5e2c14d334d18726c172ab"
    assert TABLE.version == "15.1.0"
    assert unicode_table() is TABLE


def test_the_table_has_the_combining_classes_of_the_interpreter() -> None:
    assert {character: TABLE.combining_class[character] for character in MARKS} == {
        character: unicodedata.combining(character) for character in MARKS
    }
    # The table's Unicode is newer than that of Python 3.11 and 3.12.
    assert all(unicodedata.category(character) == "Cn" for character in TABLE.combining_class.keys() - set(MARKS))


def test_nfc_of_every_code_point() -> None:
    assert [c for c in SHARED if nfc(c, TABLE) != unicodedata.normalize("NFC", c)] == []


def test_nfc_of_every_decomposition() -> None:
    for form in ("NFD", "NFKD"):
        texts = [unicodedata.normalize(form, character) for character in SHARED]
        assert [text for text in texts if nfc(text, TABLE) != unicodedata.normalize("NFC", text)] == []


def test_nfc_of_every_hangul_syllable() -> None:
    syllables = [chr(point) for point in range(0xAC00, 0xD7A4)]
    assert nfc(unicodedata.normalize("NFD", " ".join(syllables)), TABLE) == " ".join(syllables)
    assert [nfc(chr(point) + "\u11a8", TABLE) for point in (0xAC00, 0xAC01)] == ["각", "각\u11a8"]
    # What is just outside the three ranges doesn't compose: U+11A7 is the empty tail.
    for text in ("\u1100\u1160", "\u1100\u1176", "\u1113\u1161", "가\u11a7", "가\u11c3"):
        assert nfc(text, TABLE) == text


@settings(deadline=None, max_examples=1000)
@given(st.lists(st.one_of(*map(st.sampled_from, (MARKS, DECOMPOSED, JAMO, SYLLABLES, "aeioué"))), max_size=12))
def test_nfc_of_marks_and_what_they_join(characters: list[str]) -> None:
    text = "".join(characters)
    assert nfc(text, TABLE) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "composed"),
    [
        ("e\u0301", "é"),
        ("\u0301e", "\u0301e"),  # a mark with nothing before it
        ("a\u0301\u0323", "ạ\u0301"),  # the dot below sorts first
        ("a\u0323\u0302", "ậ"),
        ("a\u0302\u0301\u0327", "ấ\u0327"),
        ("a\u0315\u0300", "à\u0315"),
        ("a\u0305\u0301", "a\u0305\u0301"),  # a mark of the same class blocks
        ("a\u0344", "a\u0308\u0301".replace("a\u0308", "ä")),
        ("\u0915\u093c", "\u0915\u093c"),  # a composition exclusion
        ("\u0958", "\u0915\u093c"),
        ("\u212b", "å"[0].upper()),  # a singleton: the ångström sign
        ("\u2126", "Ω"),
        ("\u0b47\u0b3e", "\u0b4b"),  # two starters compose
        ("\u1100\u1161\u11a8", "각"),
        ("\U0001d15e", "\U0001d157\U0001d165"),
        ("\U0002f800", "丽"),
    ],
)
def test_nfc_literals(text: str, composed: str) -> None:
    assert nfc(text, TABLE) == composed
    assert unicodedata.normalize("NFC", text) == composed


def test_lower_casing_is_the_interpreters_code_point_by_code_point() -> None:
    expected = {character: character.lower() for character in SHARED}
    expected["İ"] = "i"  # the simple mapping; the full one adds a combining dot
    assert [c for c in SHARED if TABLE.lower.get(ord(c), c) != expected[c]] == []
    assert normalize("STRASSE Straße ΣΊΣΥΦΟΣ İI ǅ Ა Ꭰ ᏸ K ẞ") == "strasse straße σίσυφοσ ii ǆ ა ꭰ ᏸ k ß"


def test_classes_are_those_of_the_interpreters_categories() -> None:
    breaks = {"\t", "\n", "\v", "\f", "\r", "\x85"}
    # Default_Ignorable_Code_Point outside of category Cf.
    ignorable = points("34F 115F-1160 17B4-17B5 180B-180F 3164 FE00-FE0F FFA0 E0100-E01EF")
    unspaced = points(
        "2E80-2FDF 3005-3007 3021-3029 3038-303B 3041-3096 309D-309F 30A1-30FA 30FC-30FF 3105-312F 31A0-31BF 31F0-31FF"
        " 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9F 1AFF0-1B16F 1F000-1FAFF 20000-3FFFD"
    )
    wrong = []
    for character in SHARED:
        category = unicodedata.category(character)
        if category[0] == "Z" or character in breaks:
            expected = "space"
        elif category in ("Cc", "Cf") or ord(character) in ignorable:
            expected = "drop"
        elif (category[0] in "PS" and character != "_") or ord(character) in unspaced:
            expected = "separate"
        else:
            expected = "word"
        if classified(character) != expected:
            wrong.append((character, expected, classified(character)))
    assert wrong == []


def test_code_points_that_nobody_has_assigned() -> None:
    assert classified("\u0378") == "word"
    assert classified("\U0001f8ff") == "separate"  # reserved for pictographs
    assert classified("\U0003fffd") == "separate"  # reserved for ideographs
    assert classified("\U000e0fff") == "drop"  # reserved, and ignorable
    assert classified("\ufff0") == "drop"
    assert classified("\ue000") == classified("\uffff") == classified("\U0010ffff") == "word"


def test_every_surrogate_becomes_the_replacement_character() -> None:
    assert normalize("".join(map(chr, range(0xD800, 0xE000)))) == "\ufffd" * 2048
    assert normalize("a\ud83d b\ude00") == "a\ufffd b\ufffd"
    # Not a pair, even side by side: a string of code points holds no pairs.
    assert normalize("\ud83d\ude00") == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("A plain TEXT, unchanged.", "a plain text, unchanged."),
        # Dropped before they can keep characters apart.
        ("e\u200b\u0301", "é"),
        ("E\u200d\u0301", "é"),
        ("\u1100\u200b\u1161", "가"),
        ("\ufeffzero\u00adwidth\u2060\u200e\ufe0f", "zerowidth"),
        ("a\x00b\x1fc\x7fd\x9fe", "abcde"),
        # Spaces of every kind, line ends too; how many stays as it is.
        (" a\tb\nc\r\nd\ve\x0cf\x85g ", " a b c  d e f g "),
        ("a\xa0b\u1680c\u2003d\u2028e\u2029f\u202fg\u205fh\u3000i", "a b c d e f g h i"),
        # Typography.
        ('"quoted"', "''quoted''"),
        ('“quoted” „low‟ 5″ é"', "``quoted'' ``low`` 5'' é''"),
        ("‘it’s’ ‚low‛ 5′ ʼtwas", "'it's' 'low' 5' 'twas"),
        ("a‐b‑c‒d–e−f—g―h…", "a-b-c-d-e-f--g--h..."),
        ("«guillemets» stay", "«guillemets» stay"),
        # NFC comes before the mapping to ASCII: U+0340's singletons, and a mark after a quote.
        ("a\u0341", "á"),
        ("”\u0301", "''\u0301"),
        ("\u1fef\u2000", "` "),  # both decompose to others of the table
        # Lower-casing can open what only NFC closes again: U+0130 goes before its dot, the Kelvin sign is a k.
        ("İ\u0301", "í"),
        ("\u212a\u0301", "ḱ"),
        ("Ǆ Ω Å", "ǆ ω å"),
        ("①Ⓐ", "①ⓐ"),
        ("ﬁ ½ ﹣ Ａ", "ﬁ ½ ﹣ ａ"),  # no compatibility decomposition
        ("\U0001f468\u200d\U0001f469\U0001f3fd", "\U0001f468\U0001f469\U0001f3fd"),
    ],
)
def test_literals(text: str, expected: str) -> None:
    assert normalize(text) == expected
    assert normalize(expected) == expected


def test_ascii_takes_the_same_way_as_the_rest() -> None:
    characters = "".join(map(chr, range(128)))
    assert normalize(characters) == normalize("é" + characters)[1:]


@settings(deadline=None, max_examples=1000)
@given(st.text(st.one_of(st.characters(), st.sampled_from([*MARKS, *DECOMPOSED, "\u200b", "İ", "\u212a", "’"]))))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert {classified(character) for character in once if character != " "} <= {"separate", "word"}
    assert unicodedata.normalize("NFC", once) == once or not set(once) <= set(SHARED)


def test_normalising_twice_changes_nothing_for_any_code_point() -> None:
    once = {character: normalize(character) for character in SHARED}
    assert [c for c in SHARED if normalize(once[c]) != once[c]] == []
    # Nor beside a mark, which may compose with what a step before left.
    beside = {character: normalize(character + "\u0301\u0307") for character in SHARED}
    assert [c for c in SHARED if normalize(beside[c]) != beside[c]] == []
