"""Text normalisation of tokenizer versions 1 and 2, over a frozen Unicode table.

The order is part of the specification; in another, ``e`` + zero-width space + combining acute would normalise differently
the second time:

1. control, zero-width and other default-ignorable characters are dropped, lone surrogates become U+FFFD;
2. NFC;
3. typographic characters become ASCII: exotic spaces, quotes, dashes, the ellipsis;
4. lower-casing, code point by code point;
5. NFC.

Neither the interpreter's ``unicodedata`` nor ``str.lower`` is used beyond ASCII, so that answers don't change with the
Python version, and so that other languages can be exact: everything needed stands in ``unicode.tsv``.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pkgutil import get_data

UNICODE_VERSION = "15.1.0"
"""The version of the table, known without reading it."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Double quotes become the Penn Treebank's `` and '', which is what tokenised corpora hold.
_ASCII = {
    '"': "''", "“": "``", "„": "``", "‟": "``", "”": "''", "″": "''",
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "ʼ": "'",
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "−": "-", "—": "--", "―": "--", "…": "...",
}  # fmt: skip

# Step 1 for ASCII, as it stands in the table: most texts are answered without reading that.
_CLEAN_ASCII: dict[int, str | None] = {
    **dict.fromkeys([*range(0x00, 0x09), *range(0x0E, 0x20), 0x7F]),
    **dict.fromkeys([*range(0x09, 0x0E), 0x20], " "),
}

# Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
_L, _V, _T, _S = 0x1100, 0x1161, 0x11A7, 0xAC00
_L_COUNT, _V_COUNT, _T_COUNT = 19, 21, 28
_S_COUNT = _L_COUNT * _V_COUNT * _T_COUNT


@dataclass(frozen=True)
class UnicodeTable:
    """The facts of ``unicode.tsv``."""

    version: str
    clean: dict[int, str | None]
    """Steps 1's removals, and every space as U+0020; for ``str.translate``."""
    to_ascii: dict[int, str]
    lower: dict[int, str]
    combining_class: dict[str, int]
    decomposition: dict[str, str]
    composition: dict[tuple[str, str], str]
    nfc_relevant: frozenset[str]
    """A text without any of these is in NFC already."""
    separate_starts: list[int]
    separate_ends: list[int]
    unspaced_starts: list[int]
    unspaced_ends: list[int]

    def is_separate(self, character: str) -> bool:
        """Whether the character is always a token of its own unless a rule of the tokenizer says otherwise."""
        return _is_within(ord(character), self.separate_starts, self.separate_ends)

    def is_unspaced(self, character: str) -> bool:
        """Whether the character belongs to a script whose words aren't divided by spaces."""
        return _is_within(ord(character), self.unspaced_starts, self.unspaced_ends)


def _is_within(point: int, starts: list[int], ends: list[int]) -> bool:
    index = bisect_right(starts, point) - 1
    return index >= 0 and point <= ends[index]


def _spans(field: str) -> list[tuple[int, int]]:
    """``A-B C …`` in hex as pairs of first and last code point."""
    bounds = [[int(end, 16) for end in span.split("-")] for span in field.split()]
    return [(bound[0], bound[-1]) for bound in bounds]


def _columns(rows: Sequence[str], count: int) -> list[list[str]]:
    """The fields of rows that have ``count`` each, by column."""
    fields = "\t".join(rows).split("\t")
    return [fields[column::count] for column in range(count)]


def _points(fields: Iterable[str]) -> Iterator[int]:
    return map(int, fields, repeat(16))


def _characters(fields: Iterable[str]) -> Iterator[str]:
    return map(chr, _points(fields))


@cache
def unicode_table() -> UnicodeTable:
    """The frozen table, read once a process, when the first text comes that isn't ASCII.

    Takes 6 ms, as whole columns are converted at a time; row by row it took 14.
    """
    content = get_data(__name__, "unicode.tsv")
    if content is None:
        raise FileNotFoundError("unicode.tsv: kdbuild was loaded in a way that leaves its data out. Install it anew.")
    rows: dict[str, list[str]] = {}
    for line in content.decode("ascii").splitlines():
        kind, _, fields = line.partition("\t")
        rows.setdefault(kind, []).append(fields)
    clean: dict[int, str | None] = {}
    for first, last in _spans(rows["drop"][0]):
        clean.update(dict.fromkeys(range(first, last + 1)))
    for first, last in _spans(rows["space"][0]):
        clean.update(dict.fromkeys(range(first, last + 1), " "))
    clean.update(dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT))
    marks, values = _columns(rows["class"], 2)
    classes = dict(zip(_characters(marks), map(int, values), strict=True))
    upper, lower = _columns(rows["lower"], 2)
    whole, mappings = _columns(rows["decompose"], 2)
    parts = _characters(" ".join(mappings).split(" "))
    decomposition = {
        character: next(parts) + next(parts) if " " in mapping else next(parts)
        for character, mapping in zip(_characters(whole), mappings, strict=True)
    }
    starters, seconds, together = _columns(rows["compose"], 3)
    pairs = zip(_characters(starters), _characters(seconds), strict=True)
    composition = dict(zip(pairs, _characters(together), strict=True))
    composites = set(composition.values())
    separate, unspaced = _spans(rows["separate"][0]), _spans(rows["unspaced"][0])
    return UnicodeTable(
        version=rows["version"][0],
        clean=clean,
        to_ascii={ord(character): text for character, text in _ASCII.items()},
        lower=dict(zip(_points(upper), _characters(lower), strict=True)),
        combining_class=classes,
        decomposition=decomposition,
        composition=composition,
        nfc_relevant=frozenset(
            classes.keys()
            | (decomposition.keys() - composites)
            | {second for _, second in composition}
            | {chr(point) for point in range(_V, _V + _V_COUNT)}
            | {chr(point) for point in range(_T + 1, _T + _T_COUNT)}
        ),
        separate_starts=[first for first, _ in separate],
        separate_ends=[last for _, last in separate],
        unspaced_starts=[first for first, _ in unspaced],
        unspaced_ends=[last for _, last in unspaced],
    )


def nfc(text: str, table: UnicodeTable) -> str:
    """Normalization Form C (Unicode Standard Annex 15) by the frozen table."""
    if table.nfc_relevant.isdisjoint(text):
        return text
    return _compose(_reorder(_decompose(text, table), table), table)


def _decompose(text: str, table: UnicodeTable) -> list[str]:
    """Full canonical decomposition, combining marks not yet in order."""
    out: list[str] = []
    for character in text:
        pending = [character]
        while pending:
            current = pending.pop()
            syllable = ord(current) - _S
            if current in table.decomposition:
                pending.extend(reversed(table.decomposition[current]))
            elif 0 <= syllable < _S_COUNT:
                out.append(chr(_L + syllable // (_V_COUNT * _T_COUNT)))
                out.append(chr(_V + syllable % (_V_COUNT * _T_COUNT) // _T_COUNT))
                if syllable % _T_COUNT:
                    out.append(chr(_T + syllable % _T_COUNT))
            else:
                out.append(current)
    return out


def _reorder(characters: list[str], table: UnicodeTable) -> list[str]:
    """Each run of combining marks sorted by combining class, stably."""
    out: list[str] = []
    marks: list[str] = []
    for character in characters:
        if character in table.combining_class:
            marks.append(character)
            continue
        if marks:
            out += sorted(marks, key=table.combining_class.__getitem__)
            marks.clear()
        out.append(character)
    return out + sorted(marks, key=table.combining_class.__getitem__)


def _compose(characters: list[str], table: UnicodeTable) -> str:
    """Canonical composition: each character joins the last starter unless something blocks it."""
    out: list[str] = []
    starter = -1  # position in out
    last_class = -1  # combining class of the last character kept after the starter; -1: none
    for character in characters:
        this_class = table.combining_class.get(character, 0)
        if starter >= 0 and (last_class == -1 or last_class < this_class):
            composite = _pair(out[starter], character, table)
            if composite:
                out[starter] = composite
                continue
        if this_class == 0:
            starter, last_class = len(out), -1
        else:
            last_class = this_class
        out.append(character)
    return "".join(out)


def _pair(first: str, second: str, table: UnicodeTable) -> str | None:
    """The primary composite of two characters, if there is one."""
    lead, vowel = ord(first) - _L, ord(second) - _V
    if 0 <= lead < _L_COUNT and 0 <= vowel < _V_COUNT:
        return chr(_S + (lead * _V_COUNT + vowel) * _T_COUNT)
    syllable, tail = ord(first) - _S, ord(second) - _T
    if 0 <= syllable < _S_COUNT and syllable % _T_COUNT == 0 and 0 < tail < _T_COUNT:
        return chr(ord(first) + tail)
    return table.composition.get((first, second))


def normalize(text: str) -> str:
    """The five steps above; spaces of any kind come out as U+0020."""
    if text.isascii():
        if not text.isprintable():
            text = text.translate(_CLEAN_ASCII)
        return text.replace('"', "''").lower()
    table = unicode_table()
    text = nfc(text.translate(table.clean), table).translate(table.to_ascii)
    return nfc(text.translate(table.lower), table)
