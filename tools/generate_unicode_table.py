"""Writes ``src/kdbuild/runtime/text/unicode.tsv``, the frozen Unicode facts that the tokenizer is defined by.

    python3.13 tools/generate_unicode_table.py src/kdbuild/runtime/text/unicode.tsv

Run once, with an interpreter whose ``unicodedata`` is of the version to freeze; the file is then part of the tokenizer's
specification, and changes by what a new tokenizer version adds alone. One fact a line, tab-separated, code points in hex:

    version     the Unicode version
    drop        ranges that are removed: controls, format and other default-ignorable characters
    space       ranges that separate tokens
    separate    ranges that are a token of their own: punctuation, symbols, Han, kana, reserved pictographs
    unspaced    ranges of scripts whose words aren't divided by spaces (tokenizer version 2)
    lower       code point, its simple lower-case mapping
    class       code point, its canonical combining class (where that isn't 0)
    decompose   code point, its canonical decomposition (one or two code points; Hangul syllables are computed)
    compose     first, second, the primary composite
"""

import sys
import unicodedata as u
from collections.abc import Iterable
from pathlib import Path

# Default_Ignorable_Code_Point beyond category Cf: grapheme joiner, Hangul fillers, Khmer inherent vowels, variation
# selectors, and the tag and variation planes, reserved code points included.
_IGNORABLE = [
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2065, 0x2065), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0xE0000, 0xE0FFF),
]  # fmt: skip
_LINE_BREAKS = {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85}
# Scripts written without spaces, a character a token: ideographs, radicals, compatibility forms, kana, bopomofo.
_SINGLE = [
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B), (0x3041, 0x3096), (0x309D, 0x309F),
    (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x3105, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFD),
]  # fmt: skip
# And those of which version 1 makes words: Thai, Lao, Myanmar, Khmer, Tai Le, New Tai Lue, Khmer symbols apart, Tai Tham,
# Myanmar extended, Tai Viet. Their digits and punctuation aren't among them.
_UNSPACED = [
    (0x0E01, 0x0E3A), (0x0E40, 0x0E4E), (0x0E81, 0x0ECE), (0x0EDC, 0x0EDF), (0x1000, 0x103F), (0x1050, 0x108F),
    (0x109A, 0x109D), (0x1780, 0x17B3), (0x17B6, 0x17D3), (0x17D7, 0x17D7), (0x17DC, 0x17DD), (0x1950, 0x1974),
    (0x1980, 0x19C9), (0x1A20, 0x1A7C), (0xA9E0, 0xA9EF), (0xA9FA, 0xA9FE), (0xAA60, 0xAA7F), (0xAA80, 0xAADD),
]  # fmt: skip
_PICTOGRAPHS = (0x1F000, 0x1FAFF)  # reserved code points too: emoji of later versions stay one token each


def ranges(points: Iterable[int]) -> str:
    """Code points as ``A-B C …`` in hex."""
    runs: list[list[int]] = []
    for point in sorted(points):
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return " ".join(f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in runs)


def within(point: int, spans: list[tuple[int, int]]) -> bool:
    """Whether a code point lies in one of the spans."""
    return any(a <= point <= b for a, b in spans)


def facts() -> Iterable[str]:
    """The lines of the table."""
    yield f"version\t{u.unidata_version}"
    scalars = [p for p in range(0x110000) if not 0xD800 <= p <= 0xDFFF]
    category = {p: u.category(chr(p)) for p in scalars}
    space = {p for p in scalars if category[p] in ("Zs", "Zl", "Zp") or p in _LINE_BREAKS}
    drop = {p for p in scalars if category[p] in ("Cc", "Cf") or within(p, _IGNORABLE)} - space
    separate = {
        p
        for p in scalars
        if (category[p][0] in "PS" or within(p, _SINGLE) or (within(p, [_PICTOGRAPHS])))
        and p not in drop
        and p != ord("_")
    } - space
    yield f"drop\t{ranges(drop)}"
    yield f"space\t{ranges(space)}"
    yield f"separate\t{ranges(separate)}"
    unspaced = {p for p in scalars if within(p, [*_SINGLE, *_UNSPACED])}
    yield f"unspaced\t{ranges(unspaced)}"
    for p in scalars:
        lower = (
            "i" if p == 0x130 else chr(p).lower()
        )  # the only code point whose full mapping is longer than its simple one
        if lower != chr(p):
            yield f"lower\t{p:X}\t{ord(lower):X}"
    for p in scalars:
        if u.combining(chr(p)):
            yield f"class\t{p:X}\t{u.combining(chr(p))}"
    pairs = []
    for p in scalars:
        mapping = u.decomposition(chr(p))
        if mapping and not mapping.startswith("<"):
            yield f"decompose\t{p:X}\t{mapping}"
            if " " in mapping and u.normalize("NFC", chr(p)) == chr(p):
                pairs.append((mapping.replace(" ", "\t"), p))
    for mapping, p in pairs:
        yield f"compose\t{mapping}\t{p:X}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("".join(line + "\n" for line in facts()), encoding="ascii")
