"""Penn-Treebank-style words over normalised text, the same in every language it is written in.

These are the tokens of tokenizer version 1; version 2 looks them up differently (see :mod:`kdbuild.runtime.text.pieces`).

The text is normalised (see :mod:`kdbuild.runtime.text.normalize`) and split at spaces; each chunk between spaces is then cut
on its own, left to right, by these rules:

* A *word* is a run of word characters: everything that is neither a space nor in the table's ``separate`` ranges.
  Inside it a single joiner may stand between two word characters: ``-``, ``/``, ``&`` and ``'`` always; ``.``, ``,`` and
  ``:`` between two ASCII digits; ``.`` also between two single characters that aren't digits (``e.t``).
* A word takes a following full stop (one that isn't followed by another) when it is an abbreviation of the list below, one
  ASCII letter other than ``a`` and ``i``, or single characters joined by full stops (``j.k.``).
* Contractions are cut from a word's end, repeatedly: ``n't`` (if a word character precedes it), ``'s``, ``'re``, ``'ve``,
  ``'ll``, ``'d``, ``'m``; ``cannot``, ``gonna``, ``wanna`` are two tokens.
* An apostrophe starts a word when a digit follows (``'70s``), or when the word after it is in the list below (``'em``).
  ``''`` and ``````` ``` are one token each.
* Two or more full stops are ``...``, two or more hyphens are ``--``, a run of ``*`` is one token, and so are ``-lrb-`` and
  ``-rrb-`` where no word character follows.
* Every other ``separate`` character is a token: punctuation, symbols, emoji, Han, kana.

Tokenising is idempotent: tokens joined by spaces give the same tokens. ``<pad>``, ``<unk>`` and ``<mask>`` never come out,
since ``<`` and ``>`` always stand alone.
"""

from collections.abc import Iterator
from itertools import chain

from kdbuild.runtime.text.normalize import normalize, unicode_table

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("bcdefghjklmnopqrstuvwxyz")  # those that may be an initial: "a." and "i." end sentences
_JOIN_ALWAYS = frozenset("-/&'")
_JOIN_DIGITS = frozenset(".,:")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr jr sr vs etc al inc co bros prof gen gov sen rep st jan feb aug sept oct nov dec".split()
)
_AFTER_APOSTROPHE = frozenset("s re ve ll d m em til tis twas n cause".split())
_CONTRACTIONS = ("'s", "'re", "'ve", "'ll", "'d", "'m")
_TWO_WORDS: dict[str, tuple[str, ...]] = {"cannot": ("can", "not"), "gonna": ("gon", "na"), "wanna": ("wan", "na")}
_BRACKETS = ("-lrb-", "-rrb-")

_CACHED_CHUNKS = 50_000
_CACHED_LENGTH = 40


def tokenize(text: str) -> list[str]:
    """Cut a text into tokens.

    Never fails, whatever the text, and takes time linear in its length.
    """
    return list(iter_tokens(text))


def iter_tokens(text: str) -> Iterator[str]:
    """The tokens of a text one after the other, so that a reader may stop early."""
    return chain.from_iterable(map(_cut, normalize(text).split(" ")))


_cache: dict[str, tuple[str, ...]] = {"": ()}


def _cut(chunk: str) -> tuple[str, ...]:
    """The tokens of one chunk, remembered: running text repeats its words."""
    tokens = _cache.get(chunk)
    if tokens is None:
        # What the rules come to for letters and digits alone, most words of most texts: in 0.1 us instead of 2.4.
        plain = chunk.isascii() and chunk.isalnum()
        tokens = _TWO_WORDS.get(chunk, (chunk,)) if plain else tuple(_scan(chunk))
        if len(chunk) <= _CACHED_LENGTH:
            if len(_cache) >= _CACHED_CHUNKS:
                _cache.clear()
                _cache[""] = ()
            _cache[chunk] = tokens
    return tokens


def _is_word(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    return not unicode_table().is_separate(character)


def _run(chunk: str, start: int) -> int:
    """The end of the run of the character at ``start``."""
    end = start + 1
    while end < len(chunk) and chunk[end] == chunk[start]:
        end += 1
    return end


def _word_end(chunk: str, start: int) -> int:
    """The end of the word, joiners included, whose first character is at ``start``."""
    end = start + 1
    while end < len(chunk):
        if _is_word(chunk[end]):
            end += 1
        elif end + 1 < len(chunk) and _is_word(chunk[end + 1]) and _joins(chunk, start, end):
            end += 2
        else:
            break
    return end


def _joins(chunk: str, start: int, at: int) -> bool:
    """Whether the character at ``at``, between two word characters of the word that began at ``start``, joins them."""
    before, joiner, after = chunk[at - 1], chunk[at], chunk[at + 1]
    if joiner in _JOIN_ALWAYS:
        return True
    if joiner not in _JOIN_DIGITS:
        return False
    if before in _DIGITS and after in _DIGITS:
        return True
    single_before = at - 1 == start or not _is_word(chunk[at - 2])
    single_after = at + 2 >= len(chunk) or not _is_word(chunk[at + 2])
    return joiner == "." and single_before and single_after and before not in _DIGITS and after not in _DIGITS


def _takes_full_stop(word: str) -> bool:
    if len(word) == 1:
        return word in _LETTERS
    # Every second character a full stop, as in "e.t": only single characters are joined by it, digits apart.
    initials = len(word) % 2 == 1 and word[1::2] == "." * (len(word) // 2) and _DIGITS.isdisjoint(word)
    return initials or word in _ABBREVIATIONS


def _split_contractions(word: str) -> list[str]:
    """``shouldn't've`` as ``should n't 've``."""
    end = len(word)
    tails = []
    while True:
        if end > 3 and word.endswith("n't", 0, end) and _is_word(word[end - 4]):
            tails.append(word[end - 3 : end])
            end -= 3
            continue
        for suffix in _CONTRACTIONS:
            if end > len(suffix) and word.endswith(suffix, 0, end):
                tails.append(suffix)
                end -= len(suffix)
                break
        else:
            return [*_TWO_WORDS.get(word[:end], (word[:end],)), *reversed(tails)]


def _scan(chunk: str) -> Iterator[str]:
    """The rules of the module's text, left to right."""
    at, size = 0, len(chunk)
    while at < size:
        character = chunk[at]
        if _is_word(character):
            end = _word_end(chunk, at)
            word = chunk[at:end]
            if end < size and chunk[end] == "." and chunk[end + 1 : end + 2] != "." and _takes_full_stop(word):
                yield word + "."
                end += 1
            else:
                yield from _split_contractions(word)
        elif character == "'":
            end, tokens = _apostrophe(chunk, at)
            yield from tokens
        elif character == "`":
            end = at + 2 if chunk.startswith("``", at) else at + 1
            yield chunk[at:end]
        elif character == ".":
            end = _run(chunk, at)
            yield "." if end == at + 1 else "..."
        elif character == "-":
            end = _run(chunk, at)
            if chunk.startswith(_BRACKETS, at) and not (at + 5 < size and _is_word(chunk[at + 5])):
                end = at + 5
                yield chunk[at:end]
            else:
                yield "-" if end == at + 1 else "--"
        elif character == "*":
            end = _run(chunk, at)
            yield chunk[at:end]
        else:
            end = at + 1
            yield character
        at = end


def _apostrophe(chunk: str, at: int) -> tuple[int, list[str]]:
    """The tokens that begin with the apostrophe at ``at``, and where they end."""
    start = at + 1
    if chunk.startswith("'", start):
        return at + 2, ["''"]
    if start < len(chunk) and chunk[start] in _DIGITS:
        end = _word_end(chunk, start)
        first, *rest = _split_contractions(chunk[start:end])
        return end, ["'" + first, *rest]
    if start < len(chunk) and _is_word(chunk[start]):
        end = _word_end(chunk, start)
        word = chunk[start:end]
        if word == "n" and chunk.startswith("'", end):
            return end + 1, ["'n'"]
        if word in _AFTER_APOSTROPHE:
            return end, ["'" + word]
    return start, ["'"]
