"""Small made-up reviews with labels."""

import random
from pathlib import Path

GOOD = ("good", "great", "lovely", "warm", "funny")


BAD = ("bad", "awful", "dull", "cold", "boring")


THINGS = ("film", "story", "cast", "plot", "scene")


Example = tuple[str, str]
"""A text and its label."""


def make_reviews(count: int, seed: int) -> list[Example]:
    """Distinct sentences whose label two of their words tell."""
    draw = random.Random(seed)
    reviews: dict[str, str] = {}
    while len(reviews) < count:
        label = draw.choice(("neg", "pos"))
        words = draw.sample(GOOD if label == "pos" else BAD, 2)
        text = f"The {draw.choice(THINGS)} of {draw.choice(THINGS)} {draw.randrange(90)} is {words[0]}, isn't it? {words[1]}!"
        reviews[text] = label
    return list(reviews.items())


def write_tsv(path: Path, rows: list[Example], header: str = "sentence\tlabel") -> Path:
    """A data file in the seed format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in [header, *("\t".join(row) for row in rows)]), encoding="utf-8")
    return path
