"""The students of the reviews that are compared."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setup:
    """One student."""

    name: str
    tokenizer: Literal["pieces", "words"]
    max_vocab: int
    embedding_size: int
    hidden_size: int
    classifier_size: int
    piece_dropout: float = 0.0
    pooling: Literal["last", "max"] = "last"
    epochs: float = 2.0
    unlabelled: int = 134_000
    """Sentences beside the training rows."""


_SMALL, _LARGE = (96, 64), (300, 400)
_DROPOUT = 0.05

REVIEWS = (
    # Words against pieces.
    (Setup("13,000 words of 64", "words", 13_000, 64, *_SMALL), 3),
    (Setup("13,000 words and pieces of 64", "pieces", 13_000, 64, *_SMALL, _DROPOUT), 3),
    (Setup("13,000 words and pieces of 64, no dropout", "pieces", 13_000, 64, *_SMALL, 0.0), 3),
    (Setup("13,000 words and pieces of 64, dropout 0.1", "pieces", 13_000, 64, *_SMALL, 0.1), 3),
    # Where the bytes go best: words and pieces, of so many dimensions.
    (Setup("8,000 of 112", "pieces", 8_000, 112, *_SMALL, _DROPOUT), 1),
    (Setup("26,000 of 32", "pieces", 26_000, 32, *_SMALL, _DROPOUT), 1),
    (Setup("40,000 of 20", "pieces", 40_000, 20, *_SMALL, _DROPOUT), 1),
    (Setup("8,000 of 16, hidden 48", "pieces", 8_000, 16, 48, 32, _DROPOUT), 1),
    (Setup("6,000 of 24, hidden 48", "pieces", 6_000, 24, 48, 32, _DROPOUT), 1),
    (Setup("4,000 of 40, hidden 48", "pieces", 4_000, 40, 48, 32, _DROPOUT), 1),
    (Setup("6,000 words of 24, hidden 48", "words", 6_000, 24, 48, 32), 1),
    (Setup("15,000 words of 300, hidden 300", "words", 15_000, 300, *_LARGE), 1),
    (Setup("15,000 words and pieces of 300, hidden 300", "pieces", 15_000, 300, *_LARGE, _DROPOUT), 1),
    (Setup("40,000 of 100, hidden 300", "pieces", 40_000, 100, *_LARGE, _DROPOUT), 1),
)
"""Students with the number of seeds each is trained with."""
