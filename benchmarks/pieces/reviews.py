"""Words against pieces on reviews, with and without typing errors."""

from pathlib import Path
from typing import Any

from benchmarks.accuracy.reviews import Reviews, taught
from benchmarks.accuracy.typos import in_share
from benchmarks.pieces.setups import Setup
from kdbuild.trainer.options import StudentOptions, TrainingOptions, TrainOptions


def measure(setup: Setup, seed: int, reviews: Reviews, vectors: Path, work: Path) -> dict[str, Any]:
    """Train a student and measure it.

    Args:
        setup: what to train.
        seed: of its weights, dropout and batches.
        reviews: the data.
        vectors: folder of the teacher whose word vectors it starts from.
        work: folder for what is trained.

    Returns:
        What is measured of every student, and the shares of dev's rows that are right with typing errors in them.
    """
    options = TrainOptions(
        student=StudentOptions(
            tokenizer=setup.tokenizer,
            max_vocab=setup.max_vocab,
            piece_dropout=setup.piece_dropout,
            embedding_size=setup.embedding_size,
            hidden_size=setup.hidden_size,
            classifier_size=setup.classifier_size,
            pooling=setup.pooling,
        ),
        training=TrainingOptions(epochs=setup.epochs, evaluate_every=100_000, checkpoint_every=100_000),
    )
    with taught(options, reviews, setup.unlabelled, seed, vectors, work) as student:
        misspelt = in_share(reviews.dev.tokens, 0.1, 0)
        return student.quality() | {"dev, typos in 10 % of the words": student.right(misspelt)}
