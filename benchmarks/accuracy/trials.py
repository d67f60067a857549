"""The students of SST-2 and reviews that were tried, and those that are the marks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kdbuild.trainer.options import StudentOptions, TrainingOptions, TrainOptions

_MEGABYTE = {"embedding_size": 64, "hidden_size": 96, "classifier_size": 64, "max_vocab": 13_000}


@dataclass(frozen=True)
class Trial:
    """A student."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the student of 1.25 MB that all are compared with; options of the student or of its training."""
    seeds: int = 1
    epochs: float = 2.0

    def train_options(self) -> TrainOptions:
        """Return the options that it is trained with."""
        of_training = {
            name: value for name, value in self.options.items() if name in TrainingOptions.__dataclass_fields__
        }
        of_student = {name: value for name, value in self.options.items() if name not in of_training}
        rarely = {"evaluate_every": 1_000_000, "checkpoint_every": 1_000_000}
        return TrainOptions(
            student=StudentOptions(**{**_MEGABYTE, **of_student}),
            training=TrainingOptions(**{"epochs": self.epochs, **rarely, **of_training}),
        )


TRIALS = (
    Trial("as it is", seeds=3),
    Trial("words", {"tokenizer": "words"}, seeds=3),
    Trial("max pooling", {"pooling": "max"}),
    Trial("dropout 0.05", {"dropout": 0.05}),
    Trial("4 epochs", {"epochs": 4.0}),
    Trial("batches of 64", {"batch_size": 64}),
    Trial("2 layers", {"layers": 2}),
    Trial("learning rate 2e-3", {"learning_rate": 2e-3}),
    Trial("hidden 128", {"hidden_size": 128}),
    Trial("kl_div", {"loss": "kl_div"}),
    Trial("no dropout of pieces", {"piece_dropout": 0.0}),
    Trial("dropout of pieces 0.1", {"piece_dropout": 0.1}),
)
"""Each changes one thing."""

_COMPACT = {"vector_bits": 4, "epochs": 4.0}
MARKS = (
    Trial(
        "at most 300 kB",
        _COMPACT
        | {
            "max_vocab": 8_800,
            "embedding_size": 32,
            "hidden_size": 48,
            "classifier_size": 32,
            "dropout": 0.05,
            "epochs": 6.0,
        },
        seeds=3,
    ),
    Trial(
        "at most 1 MB",
        _COMPACT
        | {"max_vocab": 15_000, "embedding_size": 64, "hidden_size": 128, "classifier_size": 64, "dropout": 0.1},
        seeds=3,
    ),
    Trial(
        "at most 6.5 MB",
        {
            "max_vocab": 30_000,
            "embedding_size": 128,
            "hidden_size": 256,
            "classifier_size": 256,
            "dropout": 0.1,
            "epochs": 3.0,
        },
        seeds=3,
    ),
)
"""The best of each size."""
