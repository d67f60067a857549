"""Texts that a program writes, for tokenizers to agree on."""

import random
from collections.abc import Iterator

from texts import FORMS, MARKS, PIECES, SENTENCES, TABLE, mutated, random_text

ALPHABETS = [
    FORMS,
    MARKS,
    [*"Ii\u0130\u0307\u0323\u0301\u0316\u0328\u0345", *MARKS[::40]],  # where two compositions and one could differ
    [*"'nt srevldm.-"],
    ["n't", "'s", "'re", "'ve", "'ll", "'d", "'m", "cannot", "gonna", *"a\u0301 .'’-1\u200b"],
    [*"ab.1,:-/&'\"`* \u0301\u0308é漢"],
    PIECES,
    sorted(TABLE.combining_class),
]
"""Characters and short texts of which something is made that rules look at."""


def fuzzed(draw: random.Random, count: int) -> Iterator[str]:
    """Yield texts of every kind."""
    for _ in range(count):
        kind = draw.randrange(len(ALPHABETS) + 4)
        if kind < len(ALPHABETS):
            text = "".join(draw.choices(ALPHABETS[kind], k=draw.choice((1, 2, 3, 4, 6, 8, 12, 20, 40))))
            yield text + "".join(draw.choices(draw.choice(ALPHABETS), k=draw.choice((0, 0, 4))))
        elif kind % 2:
            yield random_text(draw)
        else:
            yield mutated(draw, draw.choice(SENTENCES))


def damaged(draw: random.Random, count: int) -> Iterator[bytes]:
    """Bytes that mostly aren't UTF-8: any, the ones at the bounds of its rules, and sentences with some replaced."""
    edges = b"\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x8f\xf4\xc2\xc0\xf5\xffa '\xcc\x81"
    for _ in range(count):
        kind = draw.randrange(3)
        if kind == 0:
            yield draw.randbytes(draw.randrange(24))
        elif kind == 1:
            yield bytes(draw.choices(edges, k=draw.randrange(24)))
        else:
            data = bytearray(mutated(draw, draw.choice(SENTENCES)).encode("utf-8", "surrogatepass"))
            for _ in range(3 if data else 0):
                data[draw.randrange(len(data))] = draw.randrange(256)
            yield bytes(data[: draw.randrange(len(data) + 1)])
