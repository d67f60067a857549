"""A classifier's answers against labelled rows."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.data.labels import label_indices, label_matrix
from kdbuild.runtime.data.readers import Rows
from kdbuild.runtime.metrics import Metrics, Targets, decide, evaluate_logits


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found."""

    metrics: Metrics
    oov_rate: float
    """Share of all tokens read that aren't in the vocabulary, 0 to 1."""
    truncated: int
    """Texts that had more tokens than the artefact reads."""
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
    targets = _targets(classifier, rows, source)
    logits = np.empty((len(rows), len(classifier.labels)), dtype=np.float32)
    unknown = tokens = truncated = 0
    started = time.perf_counter()
    for row, text in enumerate(rows.texts):
        encoding = classifier.encode(text)
        logits[row] = classifier.engine(encoding.ids)
        unknown += round(encoding.oov_rate * len(encoding.tokens))
        tokens += len(encoding.tokens)
        truncated += encoding.truncated
    seconds = time.perf_counter() - started
    if not tokens:
        raise BadInputError(f"{source}: none of its {len(rows):,} texts has a token. Check the column of the texts.")
    return Evaluation(
        metrics=evaluate_logits(logits / classifier.manifest.temperature, targets, classifier.manifest.thresholds),
        oov_rate=unknown / max(1, tokens),
        truncated=truncated,
        texts_per_second=len(rows) / seconds,
    )


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


def _targets(classifier: Classifier, rows: Rows, source: Path) -> Targets:
    """The rows' truth: classes ``[rows]``, or 0 or 1 for each label ``[rows, labels]``."""
    several = classifier.manifest.task == "multi"
    if rows.labels is not None:
        if several:
            return label_matrix(source, rows.labels, classifier.labels)
        return np.array(label_indices(source, rows.labels, classifier.labels))
    if rows.scores is None:
        raise BadInputError(f"{source}: has texts but neither 'label' nor 'scores'. Add one of these columns.")
    classes = len(classifier.labels)
    if len(rows.scores[0]) != classes:
        raise BadInputError(
            f"{source}: {len(rows.scores[0])} scores a row, the artefact has {classes} labels. Use its own data."
        )
    scores = np.array(rows.scores)
    return decide(scores).astype(np.int8) if several else np.argmax(scores, axis=1)
