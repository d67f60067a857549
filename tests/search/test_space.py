"""The space of a search, its points, and the front of what they reach."""

from dataclasses import replace

import pytest

from kdbuild.search.journal import Trial
from kdbuild.search.outcome import pareto
from kdbuild.search.space import SMALLEST, SPACE, nearest_point, options_at
from kdbuild.trainer.options import StudentOptions, TrainingOptions, TrainOptions


def test_nearest_point_of_a_student() -> None:
    student = StudentOptions(embedding_size=50, hidden_size=300, classifier_size=1000, pooling="max", factor_size=8)
    base = TrainOptions(student=student, training=TrainingOptions(epochs=2.4, batch_size=32))
    found = options_at(base, nearest_point(base, vocabulary=12_000))
    assert found.student == replace(
        student,
        embedding_size=48,
        hidden_size=320,
        classifier_size=400,
        max_vocab=11_000,
        factor_size=0,
    )
    assert found.training == replace(base.training, epochs=2.0)


@pytest.mark.parametrize("dimension", SPACE, ids=lambda dimension: dimension.name)
def test_every_value_is_an_option(dimension: object) -> None:
    from kdbuild.search.space import Dimension

    assert isinstance(dimension, Dimension)
    for place, value in enumerate(dimension.values):
        found = options_at(TrainOptions(), {**SMALLEST, dimension.name: place})
        assert getattr(getattr(found, dimension.section), dimension.name) == value


def trial(size: int, agreement: float) -> Trial:
    return Trial(0, {}, size, agreement, seconds=1.0, work=1.0, latency_ms=None, reused=False)


def test_front() -> None:
    trials = [trial(300, 0.8), trial(100, 0.7), trial(200, 0.7), trial(100, 0.6), trial(400, 0.9), trial(500, 0.85)]
    assert [(one.size, one.agreement) for one in pareto(trials)] == [(100, 0.7), (300, 0.8), (400, 0.9)]
