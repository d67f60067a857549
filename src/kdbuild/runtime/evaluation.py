"""A classifier's answers against labelled rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.classifier import Classifier, read_counts
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
    """Texts, or pairs with a text, that had more tokens, or pieces, than the artefact reads."""
    texts_per_second: float
    """One text at a time, tokenisation included."""


def evaluate(classifier: Classifier, rows: Rows, source: Path) -> Evaluation:
    """Answer every row and compare.

    Args:
        classifier: a loaded artefact.
        rows: texts, or pairs of texts, with labels, or with scores, of which the largest is then the label, or, where a text
            may have several labels, those that make a label likelier than not.
        source: named in error messages.

    Raises:
        BadInputError: the rows have neither, or other labels than the classifier, or two texts, of which it reads one, or one,
            and it reads two; or none has a token.
    """
    check_texts(rows, classifier.manifest, source)
    manifest = classifier.manifest
    counts = ClassCounts(len(manifest.labels)) if manifest.thresholds is None else LabelCounts(manifest.thresholds)
    read = _reader(classifier)
    unknown = tokens = truncated = 0
    seconds = 0.0
    for texts, true in zip(row_texts(rows), _truth(classifier, rows, source), strict=True):
        started = time.perf_counter()
        reading = read(*texts)
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
    """What an engine makes of a row, before anything is decided."""

    logits: Sequence[float]
    tokens: int
    unknown: int
    truncated: bool


def _reader(classifier: Classifier) -> Callable[..., _Reading]:
    """What reads a text, or the texts of a pair: the engine itself, where it can."""
    engine, reader = classifier.engine, text_engine(classifier.engine)
    if reader is not None:

        def read(*texts: str) -> _Reading:
            answer = reader.answer(*texts)
            return _Reading(answer.logits, answer.tokens, answer.unknown, answer.truncated)

        return read

    def encode(*texts: str) -> _Reading:
        encodings = [classifier.encode(text) for text in texts]
        logits = [float(logit) for logit in engine(*(encoding.ids for encoding in encodings))]
        tokens, unknown, truncated = read_counts(encodings)
        return _Reading(logits, tokens, unknown, truncated)

    return encode


def row_texts(rows: Rows) -> list[tuple[str, ...]]:
    """Return each row's text, or both its texts."""
    columns = [rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]
    return list(zip(*columns, strict=True))


def check_texts(rows: Rows, manifest: Manifest, source: Path) -> None:
    """Check that rows have as many texts as an artefact reads.

    Raises:
        BadInputError: they have not.
    """
    if rows.pairs is not None and not manifest.pairs:
        raise BadInputError(
            f"{source}: has second texts, and the artefact reads one text. "
            "Use data of single texts, or have the first texts alone answered: --pair-column ''"
        )
    if rows.pairs is None and manifest.pairs:
        raise BadInputError(
            f"{source}: has no second texts, and the artefact reads pairs. Name their column: --pair-column NAME"
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
