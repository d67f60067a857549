"""Tokenizer version 2: words that aren't in the vocabulary are cut into pieces of it, so that none is unknown.

The words are those of version 1 (see :mod:`kdbuild.runtime.text.tokenizer`). The vocabulary holds words and, marked by
``##``, pieces that continue one. Reading a word:

* A word in the vocabulary is one id.
* Any other is cut from its start to its end, the longest match first. At its start, and wherever the character before or the
  one that comes belongs to a script without spaces (the table's ``unspaced`` ranges: Thai, Lao, Khmer, Burmese, Han, kana
  …), entries without a mark match: a word begins. Elsewhere those with a mark do.
* Where none matches, the single character in the other form does. Characters that are there in neither form are unknown;
  however many of them follow one another in a word, they are one ``<unk>``.
* Consecutive words of a single character of a script without spaces, which is how version 1 gives Han and kana, are read as
  one run of characters.

So a text is a sequence of words of one or more pieces each; in scripts without spaces, each piece is a word.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kdbuild.runtime.text.encoding import UNK_ID
from kdbuild.runtime.text.normalize import unicode_table

CONTINUED = "##"
"""Marks, in ``vocab.txt``, a piece that continues a word. No word begins with it: ``#`` always stands alone."""


class Piece(NamedTuple):
    """A part of a word, or all of it."""

    text: str
    id: int
    begins: bool
    """Whether a word begins with it."""


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script whose words aren't divided by spaces."""
    return not character.isascii() and unicode_table().is_unspaced(character)


def runs(words: Iterable[str]) -> Iterator[str]:
    """Join consecutive words of a single character of a script without spaces."""
    characters: list[str] = []
    for word in words:
        if len(word) == 1 and is_unspaced(word):
            characters.append(word)
            continue
        if characters:
            yield "".join(characters)
            characters.clear()
        yield word
    if characters:
        yield "".join(characters)


class Cutter:
    """Cuts words into the pieces of a vocabulary.

    Args:
        ids: the id of each entry that stands for text; continuations are marked.
    """

    def __init__(self, ids: Mapping[str, int]):
        self._ids = ids
        # The length of the longest entry without a mark, and with one, by first character.
        self._longest: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for entry in ids:
            continues = entry.startswith(CONTINUED)
            text = entry[len(CONTINUED) :] if continues else entry
            longest = self._longest[continues]
            if text and len(text) > longest.get(text[0], 0):
                longest[text[0]] = len(text)

    def cut(self, word: str) -> Iterator[Piece]:
        """Yield the pieces of a word or run, as they are asked for, in time linear in its length."""
        at, size = 0, len(word)
        while at < size:
            start, begins = at, self._begins(word, at)
            length, id_ = self._match(word, at, begins)
            at += length
            while id_ == UNK_ID and at < size:
                length, following = self._match(word, at, self._begins(word, at))
                if following != UNK_ID:
                    break
                at += length
            yield Piece(word[start:at], id_, begins)

    @staticmethod
    def _begins(word: str, at: int) -> bool:
        return at == 0 or is_unspaced(word[at]) or is_unspaced(word[at - 1])

    def _match(self, word: str, at: int, begins: bool) -> tuple[int, int]:
        """Return the length and id of the longest match at a place, or of the single character there."""
        mark = "" if begins else CONTINUED
        for length in range(self._longest[not begins].get(word[at], 0), 0, -1):
            # Near the end, some lengths give the same text.
            id_ = self._ids.get(mark + word[at : at + length])
            if id_ is not None:
                return min(length, len(word) - at), id_
        return 1, self._ids.get((CONTINUED if begins else "") + word[at], UNK_ID)
