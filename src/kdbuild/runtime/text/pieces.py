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

_REMEMBERED_WORDS = 1 << 14
_REMEMBERED_LENGTH = 40
"""Characters of a word that is remembered."""


class Piece(NamedTuple):
    """A part of a word, or all of it."""

    text: str
    id: int
    begins: bool
    """Whether a word begins with it."""


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script whose words aren't divided by spaces."""
    return not character.isascii() and unicode_table().is_unspaced(character)


def _begins(word: str, at: int) -> bool:
    """Whether a word begins at a place of a word or run."""
    return at == 0 or is_unspaced(word[at]) or is_unspaced(word[at - 1])


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
        ids: the id of each entry; continuations are marked.
    """

    def __init__(self, ids: Mapping[str, int]):
        self._ids = ids
        self._remembered: dict[str, tuple[Piece, ...]] = {}
        # The length of the longest entry that begins a word, and that continues one, by first character.
        self._longest: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for entry in ids:
            text = entry.removeprefix(CONTINUED)
            longest = self._longest[entry.startswith(CONTINUED)]
            if text and len(text) > longest.get(text[0], 0):
                longest[text[0]] = len(text)

    def cut(self, word: str) -> Iterable[Piece]:
        """Return the pieces of a word or run.

        Words are remembered, as running text repeats them. The pieces of a long one are found as they are asked for, in time
        linear in its length.
        """
        if len(word) > _REMEMBERED_LENGTH:
            return self._cut(word)
        pieces = self._remembered.get(word)
        if pieces is None:
            if len(self._remembered) >= _REMEMBERED_WORDS:
                self._remembered.clear()
            pieces = self._remembered[word] = tuple(self._cut(word))
        return pieces

    def _cut(self, word: str) -> Iterator[Piece]:
        at = unknown = 0  # what lies between them is unknown
        while at < len(word):
            begins = _begins(word, at)
            length, id_ = self._match(word, at, begins)
            if id_ != UNK_ID:
                if unknown < at:
                    yield Piece(word[unknown:at], UNK_ID, _begins(word, unknown))
                yield Piece(word[at : at + length], id_, begins)
                unknown = at + length
            at += length
        if unknown < at:
            yield Piece(word[unknown:at], UNK_ID, _begins(word, unknown))

    def _match(self, word: str, at: int, begins: bool) -> tuple[int, int]:
        """Return the length and id of the longest match at a place, or of the single character there."""
        mark = "" if begins else CONTINUED
        longest = self._longest[not begins].get(word[at], 0)
        for length in range(min(longest, len(word) - at), 0, -1):
            id_ = self._ids.get(mark + word[at : at + length])
            if id_ is not None:
                return length, id_
        return 1, self._ids.get((CONTINUED if begins else "") + word[at], UNK_ID)
