"""Running text from tokenised text, by rules: capitals, punctuation attached, typographic or plain quotes.

    it 's a charming and often affecting journey .     ->     It's a charming and often affecting journey.

SST-2 is tokenised and in small letters; what a phone's keyboard writes isn't. Nothing is drawn: the same row always becomes the
same text, and what differs from row to row goes by the row's number and a word's letters.
"""

from collections.abc import Sequence

_TO_THE_LEFT = frozenset(", . ... ; : ! ? ) ' '' n't 's 're 've 'll 'd 'm % -rrb- na".split())
_TO_THE_RIGHT = frozenset("( `` ` $ # -lrb-".split())
_BRACKETS = {"-lrb-": "(", "-rrb-": ")"}
_PLAIN = {"``": '"', "''": '"', "`": "'", **_BRACKETS}
_TYPOGRAPHIC = {"``": "\u201c", "''": "\u201d", "`": "\u2018", "--": "\u2014", "...": "\u2026", **_BRACKETS}
_SENTENCE_ENDS = frozenset(". ! ?".split())


def running_text(tokens: Sequence[str], row: int) -> str:
    """A row's tokens as a person would type them.

    Every second row has typographic quotes, apostrophes, dashes and ellipses; the others plain ones. A sentence, ``i`` and, as
    if it were a name, one word in seven start with a capital; in every fifth row the longest word is in capitals.
    """
    typographic = row % 2 == 1
    loudest = max(tokens, key=len) if row % 5 == 0 else None
    text, starts, glued = "", True, True
    for token in tokens:
        letters = token
        if token == loudest:
            letters = token.upper()
        elif starts or token == "i" or (len(token) > 3 and sum(token.encode("utf-8")) % 7 == 0):
            letters = token[:1].upper() + token[1:]
        if typographic:
            letters = _TYPOGRAPHIC.get(token, letters.replace("'", "\u2019"))
            closes_up = token == "--"
        else:
            letters = _PLAIN.get(token, letters)
            closes_up = False
        attached = (
            glued or closes_up or (token in _TO_THE_LEFT and not (token == "na" and not text.endswith(("gon", "wan"))))
        )
        text += letters if attached or not text else f" {letters}"
        glued = closes_up or token in _TO_THE_RIGHT
        if any(character.isalnum() for character in token):
            starts = False
        if token in _SENTENCE_ENDS:
            starts = True
    return text
