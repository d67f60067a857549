"""Our tokenizer in the terms of MediaPipe's ``RegexTokenizer``: a delimiter pattern and a list of ``token id`` lines.

That tokenizer searches a text for a delimiter again and again, takes what lies before each as a token, drops the delimiter,
and looks the token up as it is written: no lower-casing, no normalisation. Nearly our tokens come out nevertheless:

* **Punctuation is kept.** MediaPipe puts the pattern in parentheses and cuts where the first group begins, but goes on where
  the whole match ends. The pattern closes that parenthesis and opens another, ``(?:TOKEN)()GAP*(?:)``: a match is a token and
  the spaces behind it, and the empty group between them is the cut. The next token begins right there, so that the rules are
  those of :mod:`kdbuild.runtime.text.tokenizer`, in its order, as alternatives.
* **Spellings share an id.** ``The``, ``THE`` and ``the``, ``"`` and ``''``, ``...`` and the ellipsis: spellings for which our
  tokenizer gives the same token are listed with its id.
* **One token may be two of ours.** RE2 can't look ahead and cut ``can't`` before its ``n``. The whole is listed with an id
  beyond the vocabulary, and the graph puts the ids of ``ca`` and ``n't`` in its place.

What remains different:

* a text that starts with white space gets ``<unk>`` before its first word: trim it;
* spellings that aren't listed (``iPhone``, decomposed accents, fullwidth letters) are ``<unk>``, and a character that our
  tokenizer drops (a zero-width space) ends a word;
* ``n't`` behind what isn't an English verb (``oesn't``) is lost in one ``<unk>``; two full stops behind an initial (``x..``)
  are cut otherwise; beyond ASCII, symbols are told from letters by a coarser table.

``benchmarks/results/mediapipe.md`` has how often that matters. Syntax: https://github.com/google/re2/wiki/Syntax
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kdbuild.runtime.text.normalize import unicode_table
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import PAD_ID, SPECIAL, UNK_ID, Vocabulary

# Names that MediaPipe looks for. It would put a <START>, if there were one, before every text.
_PAD, _UNKNOWN = "<PAD>", "<UNKNOWN>"

# Contents of character classes, written out, as RE2's \s and \w are ASCII. First spaces, and what our tokenizer drops.
_GAPS = "\x01-\x20\x7f-\xa0\xad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff"
_SYMBOLS = (
    r"!-/:-@\[-\^`{-~"
    "\xa1-\xa9\xab\xac\xae-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u02bc"
    "\u02c2-\u02c5\u02d2-\u02df\u2010-\u2027\u2030-\u205e\u207a-\u207e\u208a-\u208e\u20a0-\u20c0"
    "\u2190-\u245f\u2500-\u2775\u2794-\u2bff\u2e00-\u3004\u3008-\u3020\u3030-\u31ff\u3220-\u9fff"
    "\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f\uffe0-\uffee\ufffc\ufffd"
    "\U0001f000-\U0001fbca\U00020000-\U0003ffff"
)
_APOSTROPHE = "['\u2018\u2019\u201a\u201b\u2032\u02bc]"
_JOINER = "[-/&\u2010-\u2013\u2212]"
_LETTER = f"[^{_GAPS}{_SYMBOLS}]"
_RUN = f"(?:[0-9]+(?:[.,:][0-9]+)*|{_LETTER})+"

_CONTRACTIONS = ("s", "re", "ve", "ll", "d", "m")
_AFTER_APOSTROPHE = "em|til|tis|twas|cause"
_ABBREVIATIONS = "mr|mrs|ms|dr|jr|sr|vs|etc|al|inc|co|bros|prof|gen|gov|sen|rep|st|jan|feb|aug|sept|oct|nov|dec"
_NEGATED = (
    "is are was were do does did has have had ca could wo would sha should might must need dare ought may ai".split()
)
_PAIRS = (*(f"{word}n't" for word in _NEGATED), "cannot", "gonna", "wanna", "etc..", "etc...", "etc....")
# Full stops or hyphens in a row that are still known for what they are.
_LONGEST_RUN = 12


@dataclass(frozen=True)
class SpelledVocabulary:
    """A vocabulary as MediaPipe reads it."""

    lines: bytes
    """The file that ``RegexTokenizerOptions.vocab_file`` names: a line ``token id`` for each spelling."""
    pairs: tuple[tuple[int, int], ...]
    """Each ``vocabulary size + place`` in the file stands for these two ids."""


def delimiter_pattern() -> str:
    """The pattern for ``RegexTokenizerOptions.delim_regex_pattern``; the same for every vocabulary."""
    # A gap is a token where no other is before it: at the start of a text. It can't be dropped, as the pattern must not
    # match nothing at a text's end, where MediaPipe would search for ever.
    return f"?:{'|'.join(_token_patterns())}|[{_GAPS}]+)()[{_GAPS}]*(?:"


def _token_patterns() -> Iterator[str]:
    """Patterns of tokens; the first that matches wins, whatever its length."""
    contraction = f"(?i:{'|'.join(_CONTRACTIONS)})"
    joined = f"{_JOINER}{_RUN}|{_APOSTROPHE}{contraction}{_JOINER}{_RUN}|{_APOSTROPHE}{_run_except(_CONTRACTIONS)}"
    yield f"{_APOSTROPHE}(?:{contraction}|(?i:{_AFTER_APOSTROPHE}))\\b"
    yield f"{_APOSTROPHE}[nN](?:{_APOSTROPHE}|\\b)"
    yield f"{_APOSTROPHE}[0-9]{_RUN}(?:{joined})*"
    yield f"{_APOSTROPHE}{{2}}|``"
    yield r"-(?i:[lr]rb)-|-{2,}|\.{2,}|\*+"
    yield r"(?i:[a-z](?:\.[a-z]\b)+\.?|[b-hj-z]\.)"
    yield rf"(?i:etc\.+|(?:{_ABBREVIATIONS})\.)"
    yield f"{_RUN}(?:{joined})*"
    yield f"[^{_GAPS}]"


def _run_except(words: Sequence[str]) -> str:
    """A run of letters that isn't one of some lower-case words.

    RE2 has no lookahead: the pattern spells out, letter by letter, how a run may leave each of the words.
    """
    heads = "".join(sorted({word[0] for word in words if word}))
    ways = [f"[^{_GAPS}{_SYMBOLS}{heads}{heads.upper()}]{_LETTER}*"]
    for head in heads:
        tails = [word[1:] for word in words if word.startswith(head)]
        end = "" if "" in tails else "|\\b"
        ways.append(f"[{head}{head.upper()}](?:{_run_except(tails)}{end})")
    return f"(?:{'|'.join(ways)})"


def spell(vocabulary: Vocabulary) -> SpelledVocabulary:
    """List the spellings of a vocabulary."""
    ids = {_PAD: PAD_ID, _UNKNOWN: UNK_ID}
    for token in vocabulary.tokens[len(SPECIAL) :]:
        (index,) = vocabulary.ids([token])
        ids.update(dict.fromkeys(_spellings(token), index))
    pairs: list[tuple[int, int]] = []
    for pair in _PAIRS:
        first, second = vocabulary.ids(tokenize(pair))
        ids.update(dict.fromkeys(_spellings(pair), len(vocabulary) + len(pairs)))
        pairs.append((first, second))
    lines = "".join(f"{spelling} {index}\n" for spelling, index in ids.items())
    return SpelledVocabulary(lines.encode("utf-8"), tuple(pairs))


def _spellings(word: str) -> Iterator[str]:
    """A word in small letters, and the other spellings that our tokenizer reads as the same tokens."""
    tokens = tokenize(word)
    for same in (word, word.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"), *_typographic(word)):
        titled = "".join(same[at].upper() if at == 0 or same[at - 1] in "-/&" else same[at] for at in range(len(same)))
        for spelling in (same, same[:1].upper() + same[1:], titled, same.upper()):
            if tokenize(spelling) == tokens:
                yield spelling


def _typographic(token: str) -> Iterator[str]:
    """Characters for which our tokenizer gives this token of punctuation, and longer runs of its own."""
    to_ascii = unicode_table().to_ascii
    yield from (chr(point) for point in to_ascii if to_ascii[point] == token)
    if token in ("--", "..."):
        yield from (token[0] * length for length in range(2, _LONGEST_RUN + 1))
