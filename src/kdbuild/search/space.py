"""What a search varies: a table of options with the values that they may take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from optuna.distributions import BaseDistribution, IntDistribution

from kdbuild.trainer.options import TrainOptions

Point = Mapping[str, int]
"""A student of the space: the place of each option's value in the table."""


@dataclass(frozen=True)
class Dimension:
    """An option of the student or of its training, and its values."""

    section: Literal["student", "training"]
    name: str
    values: tuple[Any, ...]

    @property
    def distribution(self) -> BaseDistribution:
        """Places of values, not values: neighbours are one step apart, however far the numbers are."""
        return IntDistribution(0, len(self.values) - 1)


SPACE = (
    Dimension("student", "embedding_size", (16, 24, 32, 48, 64, 96, 128, 192, 256, 300)),
    # The native engine pads units to multiples of 16, so anything between would pay for the next one.
    Dimension("student", "hidden_size", (16, 32, 48, 64, 96, 128, 160, 192, 256, 320)),
    Dimension("student", "classifier_size", (16, 32, 64, 128, 256, 400)),
    Dimension(
        "student", "max_vocab", (500, 1000, 2000, 4000, 6000, 8000, 11_000, 15_000, 20_000, 26_000, 33_000, 40_000)
    ),
    Dimension("student", "vector_bits", (4, 8)),
    Dimension("student", "layers", (1, 2)),
    Dimension("student", "pooling", ("last", "max")),
    Dimension("student", "dropout", (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)),
    Dimension("training", "epochs", (1.0, 2.0, 3.0, 4.0)),
)
"""The whole space. The tokenizer, the loss and everything else stay as the run has them."""

SMALLEST: Point = {dimension.name: 0 for dimension in SPACE}
"""The student of the fewest bytes."""


def distributions() -> dict[str, BaseDistribution]:
    """Return Optuna's description of the space."""
    return {dimension.name: dimension.distribution for dimension in SPACE}


def options_at(base: TrainOptions, point: Point) -> TrainOptions:
    """Return a run's options with the values of a point; word vectors are stored in full, once."""
    changed: dict[str, dict[str, Any]] = {"student": {"factor_size": 0, "channels": "one"}, "training": {}}
    for dimension in SPACE:
        changed[dimension.section][dimension.name] = dimension.values[point[dimension.name]]
    return replace(
        base,
        student=replace(base.student, **changed["student"]),
        training=replace(base.training, **changed["training"]),
    )


def nearest_point(base: TrainOptions, vocabulary: int) -> dict[str, int]:
    """Return the point that is nearest to a run's own student.

    Args:
        base: the run's options.
        vocabulary: the length of its vocabulary, for where the options don't limit it.
    """
    point = {}
    for dimension in SPACE:
        value = getattr(getattr(base, dimension.section), dimension.name)
        if dimension.name == "max_vocab":
            value = value or vocabulary
        if isinstance(value, str):
            point[dimension.name] = dimension.values.index(value)
        else:
            distances = [abs(other - value) for other in dimension.values]
            point[dimension.name] = distances.index(min(distances))
    return point


def describe(options: TrainOptions) -> str:
    """Say a student's shape in few words: widths of vectors, states and classifier, layers, pooling, vocabulary, dropout."""
    student = options.student
    layers = f" x{student.layers}" if student.layers > 1 else ""
    bits = " in 4 bits" if student.vector_bits == 4 else ""
    widths = f"{student.embedding_size}/{student.hidden_size}/{student.classifier_size}"
    return (
        f"{widths}{layers} {student.pooling} vocab {student.max_vocab:,}{bits} "
        f"dropout {student.dropout:g} epochs {options.training.epochs:g}"
    )
