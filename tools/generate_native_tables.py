"""Writes ``src/kdbuild/runtime/native/c/unicode_tables.c``: the facts of ``unicode.tsv`` as constants for the native engine.

    python tools/generate_native_tables.py

The native engine normalises in one pass what Python does in two: every character is replaced by the decomposition of the
lower case of its decomposition, then marks are ordered and characters composed once. That is the same because each step
keeps canonical equivalence, which ``check`` proves over the table; the one exception, the capital I with a dot above, is
left to ``kdb_compose``.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kdbuild.runtime.text.normalize import UnicodeTable, unicode_table

TARGET = Path(__file__).resolve().parent.parent / "src" / "kdbuild" / "runtime" / "native" / "c" / "unicode_tables.c"

_HEAD = """\
/* Written by tools/generate_native_tables.py from the Unicode table of the tokenizer; described in unicode_tables.h. */
#include "unicode_tables.h"
"""
_WORD, _SECOND, _MAPPED, _DROP, _SPACE = (1 << bit for bit in range(21, 26))
_CLASS_SHIFT = 26
_BLOCK = 16
_TOP = 0x20000  # the table by code point ends here; kdb_properties knows the rest
_SYLLABLES = range(0xAC00, 0xD7A4)
_IDEOGRAPHS = (range(0xF900, 0xFADA), range(0x2F800, 0x2FA1E))
_DOTTED_I = "\u0130"


class Facts:
    """What the constants are made of: texts of single characters, and what becomes of each."""

    def __init__(self, table: UnicodeTable):
        self.table = table
        changing = {*table.decomposition, *map(chr, table.lower), *map(chr, table.to_ascii)}
        self.mapped = {
            character: mapped
            for character in sorted(changing)
            if ord(character) not in table.clean
            and (mapped := self.decompose(self.lower(self.decompose(character)))) != character
        }
        self.classes = {value: index for index, value in enumerate(sorted({0, *table.combining_class.values()}))}
        # Only what is in lower case is composed, and the capital I as far as it differs from i.
        self.pairs = {
            pair: composite
            for pair, composite in table.composition.items()
            if ord(pair[0]) not in table.lower or composite == _DOTTED_I
        }
        composites = set(self.pairs.values()) | set(table.composition.values())
        self.excluded = {
            (parts[0], parts[1]): whole
            for whole, parts in table.decomposition.items()
            if len(parts) == 2 and whole not in composites
        }
        self.seconds = {second for _, second in table.composition} | {
            *map(chr, range(0x1161, 0x1176)),
            *map(chr, range(0x11A8, 0x11C3)),
        }
        self.simple = self._simple()

    def decompose(self, text: str) -> str:
        """Full canonical decomposition, not ordered; Hangul syllables stay whole."""
        while True:
            parts = "".join(self.table.decomposition.get(character, character) for character in text)
            if parts == text:
                return text
            text = parts

    def lower(self, text: str) -> str:
        """Steps 3 and 4 of the normalisation."""
        return text.translate(self.table.to_ascii).translate(self.table.lower)

    def ordered(self, text: str) -> str:
        """Marks after the first character by class: enough for what a single character decomposes into."""
        key = self.table.combining_class.get
        return text[:1] + "".join(sorted(text[1:], key=lambda character: key(character, 0)))

    def _simple(self) -> dict[int, int]:
        """Characters that become one other, which may have a decomposition."""
        simple: dict[int, int] = {}
        for character, mapped in self.mapped.items():
            if character in ("I", _DOTTED_I) or ord(character) in self.table.to_ascii or is_ideograph(character):
                continue
            single = character
            while len(self.table.decomposition.get(single, "")) == 1:
                single = self.table.decomposition[single]
            single = self.lower(single)
            assert self.ordered(self.decompose(single)) == self.ordered(mapped), character
            if single != character:
                assert ord(single) >> 16 == ord(character) >> 16, character
                simple[ord(character)] = ord(single)
        return simple

    def properties(self, point: int) -> int:
        """What ``kdb_properties`` says of a code point."""
        character = chr(point)
        if point in self.table.clean and not 0xD800 <= point < 0xE000:
            return _DROP if self.table.clean[point] is None else _SPACE
        mapped = self.mapped.get(character, character)
        joins = character in self.seconds or mapped[0] in self.table.combining_class
        return (
            _WORD * (not self.table.is_separate(character))
            | _SECOND * joins
            | _MAPPED * (mapped != character)
            | self.classes[self.table.combining_class.get(character, 0)] << _CLASS_SHIFT
        )


def is_ideograph(character: str) -> bool:
    """Whether a character is in a block of compatibility ideographs."""
    return any(ord(character) in block for block in _IDEOGRAPHS)


def check(facts: Facts) -> None:
    """What the C code takes for granted."""
    table, classes, composites = facts.table, facts.table.combining_class, set(facts.table.composition.values())
    # One pass instead of two: lower case keeps canonical equivalence, and touches neither marks nor what they join.
    for composite in composites - {_DOTTED_I}:
        one, other = (facts.decompose(facts.lower(text)) for text in (composite, facts.decompose(composite)))
        assert facts.ordered(one) == facts.ordered(other), composite
    changed = {*map(chr, table.to_ascii), *map(chr, table.lower)}
    assert changed.isdisjoint(classes) and set(table.lower.values()).isdisjoint(classes)
    punctuation = {*map(chr, table.to_ascii), *"".join(table.to_ascii.values())}
    assert punctuation.isdisjoint(part for pair in table.composition for part in pair)
    # A capital I composes as i does, but with the dot above; what comes of that composes with nothing.
    of = {first: {second for one, second in table.composition if one == first} for first in ("I", "i", _DOTTED_I)}
    assert of["I"] == of["i"] | {"\u0307"} and "\u0307" not in of["i"] and not of[_DOTTED_I]
    for second in of["i"]:
        assert table.lower[ord(table.composition["I", second])] == table.composition["i", second]
    # A composite stays whole where nothing that may join it follows: nothing before it can take its first part.
    assert all(facts.decompose(whole)[0] not in facts.seconds | classes.keys() for whole in composites)
    assert all(second not in facts.mapped for second in facts.seconds)
    # Planes stay apart, and everything fits where it is put.
    for (first, second), whole in {**facts.pairs, **facts.excluded}.items():
        assert ord(first) >> 16 == ord(second) >> 16 == ord(whole) >> 16 <= 1
    assert max(map(len, facts.mapped.values())) <= 4 and len(facts.classes) <= 64
    spans = zip(table.separate_starts, table.separate_ends, strict=True)
    assert [span for span in spans if span[1] >= _TOP] == [(0x20000, 0x3FFFD)]
    assert {point: into for point, into in table.clean.items() if point >= _TOP} == dict.fromkeys(
        range(0xE0000, 0xE1000)
    )
    assert {point for point in map(ord, facts.mapped) if point >= _TOP} <= {*_IDEOGRAPHS[1]}
    assert max(map(ord, facts.seconds | classes.keys())) < _TOP
    for block in _IDEOGRAPHS:
        assert all(len(facts.mapped.get(chr(point), "x")) == 1 for point in block)
    assert {*map(chr, _IDEOGRAPHS[1])} <= facts.mapped.keys()
    assert all(point in _IDEOGRAPHS[0] for point in map(ord, facts.mapped) if 0xF900 <= point < 0xFB00)


def array(kind: str, name: str, values: Iterable[int | str]) -> Iterator[str]:
    """A constant array, wrapped."""
    items = [str(value) for value in values]
    yield f"\nconst {kind} {name}[{len(items)}] = {{"
    line = "   "
    for item in items:
        if len(line) + len(item) > 124:
            yield line
            line = "   "
        line += f" {item},"
    yield line
    yield "};"


def low(characters: Iterable[str]) -> list[int]:
    """The lower 16 bits of each code point."""
    return [ord(character) & 0xFFFF for character in characters]


def trie(values: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """A three-stage table of values: numbers of middle blocks, of leaf blocks, and the leaves."""

    def stage(items: Sequence[int]) -> tuple[list[int], list[int]]:
        blocks: dict[tuple[int, ...], int] = {}
        numbers = [
            blocks.setdefault(tuple(items[at : at + _BLOCK]), len(blocks)) for at in range(0, len(items), _BLOCK)
        ]
        return numbers, [value for block in blocks for value in block]

    numbers, leaves = stage(values)
    top, middle = stage(numbers)
    return top, middle, leaves


def ranges(simple: dict[int, int]) -> Iterator[str]:
    """``{first, difference, last - first, step}`` of runs with one difference, modulo 65,536."""
    runs: list[tuple[int, int, int, int]] = []
    for point, target in sorted(simple.items()):
        if runs:
            first, last, step, difference = runs[-1]
            fits = point - last == step if first != last else point - last in (1, 2)
            if target - point == difference and fits and point - first < 256:
                runs[-1] = (first, point, point - last, difference)
                continue
        runs.append((point, point, 1, target - point))
    # Plane 0, then plane 1: kdb_unicode_lower_planes says where that begins.
    assert all(first >> 16 == last >> 16 <= 1 for first, last, *_ in runs)
    for first, last, step, difference in runs:
        yield f"{{{first & 0xFFFF}, {difference & 0xFFFF}, {last - first}, {step}}}"


def planes(characters: Iterable[str]) -> list[int]:
    """Where plane 0 begins, where plane 1, and the end."""
    planes = [ord(character) >> 16 for character in characters]
    assert planes == sorted(planes)
    return [0, planes.count(0), len(planes)]


def lines() -> Iterator[str]:
    """The file."""
    facts = Facts(unicode_table())
    check(facts)
    yield _HEAD.rstrip("\n")
    values = [facts.properties(point) for point in range(_TOP)]
    kinds = sorted(set(values))
    number = {value: index for index, value in enumerate(kinds)}
    top, middle, leaves = trie([number[value] for value in values])
    yield from array("uint32_t", "kdb_unicode_kinds", (f"0x{value:08X}u" for value in kinds))
    yield from array("uint8_t", "kdb_unicode_top", top)
    yield from array("uint16_t", "kdb_unicode_middle", middle)
    yield from array("uint8_t", "kdb_unicode_leaves", leaves)

    bounds = zip(facts.table.unspaced_starts, facts.table.unspaced_ends, strict=True)
    yield from array(
        "uint32_t", "kdb_unicode_unspaced", (bound for first, last in bounds for bound in (first, last + 1))
    )

    runs = list(ranges(facts.simple))
    high = sum(point < 0x10000 for point in facts.simple)
    yield from array("kdb_unicode_range", "kdb_unicode_lower", runs)
    plane_0 = len(list(ranges(dict(sorted(facts.simple.items())[:high]))))
    yield from array("uint16_t", "kdb_unicode_lower_planes", [0, plane_0, len(runs)])

    by_second = sorted(facts.pairs, key=lambda pair: (pair[1], pair[0]))
    seconds = sorted({second for _, second in by_second})
    starts = [sum(pair[1] < second for pair in by_second) for second in seconds]
    yield from array("uint16_t", "kdb_unicode_seconds", low(seconds))
    yield from array("uint16_t", "kdb_unicode_second_planes", planes(seconds))
    yield from array("uint16_t", "kdb_unicode_second_starts", [*starts, len(by_second)])
    every = by_second + sorted(facts.excluded)
    wholes = [{**facts.pairs, **facts.excluded}[pair] for pair in every]
    yield from array("uint16_t", "kdb_unicode_firsts", low(first for first, _ in every))
    yield from array("uint16_t", "kdb_unicode_wholes", low(wholes))
    yield from array("uint16_t", "kdb_unicode_excluded_seconds", low(second for _, second in every[len(by_second) :]))
    order = sorted(range(len(every)), key=wholes.__getitem__)
    yield from array("uint16_t", "kdb_unicode_by_whole", order)
    yield from array("uint16_t", "kdb_unicode_whole_planes", planes(wholes[index] for index in order))

    ideographs = [facts.mapped.get(chr(point), chr(point)) for block in _IDEOGRAPHS for point in block]
    assert {ord(character) >> 16 for character in ideographs} <= {0, 2}
    bits = [ord(character) >> 17 for character in ideographs]
    bits += [0] * (-len(bits) % 8)
    yield from array("uint16_t", "kdb_unicode_ideographs", low(ideographs))
    octets = (sum(bits[at + bit] << bit for bit in range(8)) for at in range(0, len(bits), 8))
    yield from array("uint8_t", "kdb_unicode_ideographs_plane_2", octets)
    sequences = [
        (point, ", ".join(map(str, low(text.ljust(3, "\0"))))) for point, text in sorted(facts.table.to_ascii.items())
    ]
    yield from array(
        "kdb_unicode_sequence", "kdb_unicode_sequences", (f"{{{point}, {{{text}}}}}" for point, text in sequences)
    )


def generate() -> str:
    """The content of the file."""
    return "".join(line + "\n" for line in lines())


if __name__ == "__main__":
    TARGET.write_text(generate(), encoding="ascii")
