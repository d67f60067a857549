"""Typing errors: one letter dropped, doubled, or changing places with the next one."""

import random
from collections.abc import Callable, Sequence

SHORTEST = 4
"""Letters of the shortest word that gets one."""
Choose = Callable[[list[int], random.Random], list[int]]
"""Picks the places that change."""


def misspelt(word: str, rng: random.Random) -> str:
    """Return a word with one error inside; first and last letter stay."""
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :] if at + 2 < len(word) else word[:at] + word[at + 1 :]


def one_each(texts: Sequence[Sequence[str]], seed: int) -> list[list[str]]:
    """Return the tokens of texts with one word of each misspelt."""
    return _changed(texts, seed, lambda places, rng: [rng.choice(places)] if places else [])


def in_share(texts: Sequence[Sequence[str]], share: float, seed: int) -> list[list[str]]:
    """Return the tokens of texts with this share of their words misspelt, 0 to 1."""
    return _changed(texts, seed, lambda places, rng: [place for place in places if rng.random() < share])


def _changed(texts: Sequence[Sequence[str]], seed: int, choose: Choose) -> list[list[str]]:
    rng = random.Random(seed)
    changed = []
    for tokens in texts:
        copy = list(tokens)
        places = [place for place, word in enumerate(copy) if len(word) >= SHORTEST and word.isalpha()]
        for place in choose(places, rng):
            copy[place] = misspelt(copy[place], rng)
        changed.append(copy)
    return changed
