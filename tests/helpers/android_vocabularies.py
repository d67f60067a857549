"""Vocabularies of words and pieces that are easily mistaken for one another, and texts of their characters."""

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from texts import SENTENCES


class Hard(NamedTuple):
    """A vocabulary, and what texts for it are made of."""

    vocabulary: Vocabulary
    alphabet: str

    def texts(self, seed: int, count: int) -> Iterator[str]:
        """Random texts of the alphabet, in words and runs of any length."""
        draw = random.Random(seed)
        for _ in range(count):
            spaces = " " * draw.choice((0, 1, len(self.alphabet)))
            yield "".join(draw.choices(self.alphabet + spaces, k=draw.randint(0, 24)))


def _hard(entries: Iterable[str], alphabet: str) -> Hard:
    return Hard(Vocabulary([*SPECIAL, *dict.fromkeys(entries)], PIECES), alphabet)


def _strings(alphabet: str, count: int, longest: int) -> Iterator[str]:
    """Random entries of an alphabet, half of them marked."""
    draw = random.Random(alphabet)
    for _ in range(count):
        yield draw.choice(("", "##")) + "".join(draw.choices(alphabet, k=draw.randint(1, longest)))


def _pieces_of(sentences: Iterable[str]) -> Iterator[str]:
    """Beginnings and endings of sentences' words, and a few of the words."""
    draw = random.Random(7)
    for word in " ".join(sentences).lower().split():
        cut = draw.randrange(len(word) + 1)
        yield from (word[:cut] or word, "##" + (word[cut:] or word))


_ONE_FORM = ("aceg1é漢กカ𠀀-", "bdfh2ñ字ขナ𠀁'")
_UNSPACED = "漢字日本カナーกขລກកမ𠀀𠀁"
_MIXED = "ab1漢ナกข𠀀é-'.😀"

HARD = {
    "overlapping": _hard([*_strings("ab", 24, 5), "abcab", "##bcabca", "##c"], "abc"),
    # Each character as a word or as a continuation, but for two that are neither.
    "one form": _hard(
        [*_ONE_FORM[0], "ab", *(f"##{c}" for c in _ONE_FORM[1]), "##ba", "##h2"], "".join(_ONE_FORM) + "xж"
    ),
    "unspaced": _hard(_strings(_UNSPACED, 150, 4), _UNSPACED + "語ค𠀂a"),
    "mixed": _hard(_strings(_MIXED, 250, 4), _MIXED + "x"),
    # No word and no piece is like these.
    "unreachable": _hard(
        [
            *("#", "##", "###", "##<unk>", "##A", "A", "É", "##e\u0301", "##👍🏽", "a##b", "##漢字", "a\u3000b"),
            *("e", "##b", "👍", "漢"),
        ],
        "#<unk>AÉe\u0301👍🏽ab漢字\u3000",
    ),
    "none": _hard([], "abก漢 "),
    "sentences": _hard(_pieces_of(SENTENCES), "".join(sorted(set("".join(SENTENCES))))),
}
"""By what is hard about them."""
