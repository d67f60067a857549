"""A classifier's answers against labelled rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.data.labels import label_indices, label_sets
from kdbuild.runtime.data.readers import Rows
from kdbuild.runtime.decisions import argmax
from kdbuild.runtime.engines.registry import text_engine
from kdbuild.runtime.metrics import ClassCounts, LabelCounts, Metrics


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found."""

    metrics: Metrics
    oov_rate: float
    """Share of all tokens read that are unknown, 0 to 1; with tokenizer version 2, of pieces."""
    truncated: int
    """Texts that had more tokens, or pieces, than the artefact reads."""
    texts_per_second: float
    """One text at a time, tokenisation included."""


def evaluate(classifier: Classifier, rows: Rows, source: Path) -> Evaluation:
    """Answer every row and compare.

    Args:
        classifier: a loaded artefact.
        rows: texts with labels, or with scores, of which the largest is then the label, or, where a text may have several
            labels, those that make a label likelier than not.
        source: named in error messages.

    Raises:
        BadInputError: the rows have neither, or other labels than the classifier, or two texts, of which it reads one; or
            none has a token.
    """
    check_single(rows, source)
    manifest = classifier.manifest
    counts = ClassCounts(len(manifest.labels)) if manifest.thresholds is None else LabelCounts(manifest.thresholds)
    read = _reader(classifier)
    unknown = tokens = truncated = 0
    seconds = 0.0
    for text, true in zip(rows.texts, _truth(classifier, rows, source), strict=True):
        started = time.perf_counter()
        reading = read(text)
        seconds += time.perf_counter() - started
        counts.add([logit / manifest.temperature for logit in reading.logits], true)
        unknown += reading.unknown
        tokens += reading.tokens
        truncated += reading.truncated
    if not tokens:
        raise BadInputError(f"{source}: none of its {len(rows):,} texts has a token. Check the column of the texts.")
    return Evaluation(
        metrics=counts.metrics(),
        oov_rate=unknown / tokens,
        truncated=truncated,
        texts_per_second=len(rows) / seconds,
    )


@dataclass(frozen=True)
class _Reading:
    """What an engine makes of a text, before anything is decided."""

    logits: Sequence[float]
    tokens: int
    unknown: int
    truncated: bool


def _reader(classifier: Classifier) -> Callable[[str], _Reading]:
    """What reads a text: the engine itself, where it can."""
    engine, reader = classifier.engine, text_engine(classifier.engine)
    if reader is not None:

        def read(text: str) -> _Reading:
            answer = reader.answer(text)
            return _Reading(answer.logits, answer.tokens, answer.unknown, answer.truncated)

        return read

    def encode(text: str) -> _Reading:
        encoding = classifier.encode(text)
        logits = [float(logit) for logit in engine(encoding.ids)]
        tokens = encoding.token_count
        return _Reading(logits, tokens, round(encoding.oov_rate * tokens), encoding.truncated)

    return encode


def check_single(rows: Rows, source: Path) -> None:
    """Refuse pairs of texts: an artefact reads one.

    Raises:
        BadInputError: the rows are pairs.
    """
    if rows.pairs is not None:
        raise BadInputError(
            f"{source}: has second texts, and the artefact reads one text. "
            "Use data of single texts, or have the first texts alone answered: --pair-column ''"
        )


def _truth(classifier: Classifier, rows: Rows, source: Path) -> list[list[int]]:
    """The places of each row's true labels: one, or, where a text may have several, any number."""
    several = classifier.manifest.task == "multi"
    if rows.labels is not None:
        if several:
            return label_sets(source, rows.labels, classifier.labels)
        return [[place] for place in label_indices(source, rows.labels, classifier.labels)]
    if rows.scores is None:
        raise BadInputError(f"{source}: has texts but neither 'label' nor 'scores'. Add one of these columns.")
    classes = len(classifier.labels)
    if len(rows.scores[0]) != classes:
        raise BadInputError(
            f"{source}: {len(rows.scores[0])} scores a row, the artefact has {classes} labels. Use its own data."
        )
    if several:  # a logit from 0 on is a probability from one half on
        return [[place for place, score in enumerate(scores) if score >= 0] for scores in rows.scores]
    return [[argmax(scores)] for scores in rows.scores]
