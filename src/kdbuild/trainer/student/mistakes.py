"""The rows that a student gets wrong, as a file that people can sort and read."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.arrays import sigmoid, softmax
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.data.store import ONE_CELL


def mistakes_tsv(data: Data, logits: npt.NDArray[np.float32], thresholds: Sequence[float] | None) -> str:
    """List dev rows with a wrong answer, the surest mistakes first: ``text``, ``label``, ``answer``, ``probability``.

    Args:
        data: has the dev split and the labels.
        logits: the student's on the dev rows, ``[rows, classes]``.
        thresholds: the probability from which each label is given, where a text may have several.

    Returns:
        TSV. ``probability`` is that of the answer; for several labels, that of the label that is furthest on the wrong
        side of its threshold.
    """
    dev = data.dev
    if data.multi_label:
        probabilities = sigmoid(logits)
        limits = np.array(thresholds or [0.5] * len(data.labels))
        answers = probabilities >= limits
        wrong_labels = answers != (dev.targets == 1)
        distance = np.where(wrong_labels, np.abs(probabilities - limits), -1.0)
        worst = distance.argmax(axis=1)
        places = np.arange(len(dev))
        surest, shown = distance[places, worst], probabilities[places, worst]
        wrong = np.flatnonzero(wrong_labels.any(axis=1))

        def names(given: npt.NDArray[np.bool_]) -> str:
            return "|".join(label for label, is_given in zip(data.labels, given.tolist(), strict=True) if is_given)

        true = [names(row == 1) for row in dev.targets]
        answered = [names(row) for row in answers]
    else:
        probabilities = softmax(logits)
        surest = shown = probabilities.max(axis=1)
        best = logits.argmax(axis=1)
        wrong = np.flatnonzero(best != dev.targets)
        true = [data.labels[target] for target in dev.targets]
        answered = [data.labels[answer] for answer in best]
    columns = ["text", *(["text2"] if dev.pair_texts is not None else []), "label", "answer", "probability"]
    lines = ["\t".join(columns)]
    for row in wrong[np.argsort(-surest[wrong], kind="stable")].tolist():
        texts = [dev.texts[row], *([dev.pair_texts[row]] if dev.pair_texts is not None else [])]
        cells = [*(text.translate(ONE_CELL) for text in texts), true[row], answered[row], f"{shown[row]:.4f}"]
        lines.append("\t".join(cells))
    return "".join(line + "\n" for line in lines)
