"""Golden vectors: what every engine, on every processor, must answer to the same texts; and asking one. Without numpy."""

import json
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import and_
from typing import TYPE_CHECKING

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import GOLDEN
from kdbuild.runtime.decisions import argmax, sigmoid, threshold_logit
from kdbuild.runtime.engines.registry import ENGINES, find_model_file, precision_of
from kdbuild.runtime.text.encoding import Encoding

if TYPE_CHECKING:
    from kdbuild.runtime.engines.registry import Logits

FP32_TOLERANCE = 1e-4
INT8_TOLERANCE = 0.05
"""Processors round the activations of dynamically quantised products differently; see :func:`tolerance`. It is MediaPipe's
file's as well, which differed by 0.0005 between x86-64 and emulated ARM64."""

Engine = Callable[..., "Logits"]
"""Token ids ``[tokens]`` of a text, or of both texts of a pair, to logits ``[classes]``."""


def tolerance(model_file: str) -> float:
    """How far a logit of a model file may be from its golden value."""
    file = find_model_file(model_file)
    if file is not None and (own := ENGINES[file.engine].tolerance) is not None:
        return own
    return FP32_TOLERANCE if precision_of(model_file) == "fp32" else INT8_TOLERANCE


@dataclass(frozen=True)
class Replay:
    """How one model file's answers compare with the golden ones."""

    texts: int
    wrong_ids: int
    """Texts, or pairs, whose token ids differ."""
    wrong_labels: int
    """Texts with another label, where the two best golden logits are further apart than the tolerance; of several labels a
    text, those with another set, where the golden logit of a label that differs is that far from its threshold."""
    max_difference: float
    """Largest difference of a logit."""
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the engine may be trusted; NaN fails."""
        return self.wrong_ids == 0 and self.wrong_labels == 0 and self.max_difference <= self.tolerance


def replay(
    content: bytes,
    encode: Callable[[str], Encoding],
    model_file: str,
    engine: Engine,
    labels: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    temperature: float = 1.0,
    pairs: bool = False,
) -> Replay:
    """Ask an engine the golden texts.

    The tokenizer and the engine are proven apart: the engine is given the golden ids, whatever the tokenizer says.

    Args:
        content: of ``golden.jsonl``.
        encode: the tokenizer to prove.
        model_file: the file that the engine runs.
        engine: the engine to prove.
        labels: in the order of the logits.
        thresholds: the artefact's, for several labels.
        temperature: the artefact's.
        pairs: whether the artefact reads pairs of texts, which the rows then hold.

    Raises:
        BadInputError: a row can't be read or has no logits of the file, or there are no rows.
    """
    wrong_ids = wrong_labels = 0
    differences = []
    allowed = tolerance(model_file)
    answer = _answer(thresholds, temperature)
    # The logits from which each label is given.
    cutoffs = None if thresholds is None else [threshold_logit(value, temperature) for value in thresholds]
    for row in _read(content, model_file, labels, answer, several=thresholds is not None, pairs=pairs):
        wrong_ids += [list(encode(text).ids) for text in row.texts] != [list(ids) for ids in row.ids]
        logits = array("f", engine(*row.ids))
        gaps = [abs(logit - golden) for logit, golden in zip(logits, row.logits, strict=True)]
        # A NaN is kept, which the built-in maximum may not do.
        differences.append(math.nan if any(map(math.isnan, gaps)) else max(gaps))
        if cutoffs is None:
            second, first = sorted(row.logits)[-2:]
            far = [first - second > allowed] * len(logits)
        else:
            far = [abs(logit - cutoff) > allowed for logit, cutoff in zip(row.logits, cutoffs, strict=True)]
        others = [yes != right for yes, right in zip(answer(logits), row.given, strict=True)]
        wrong_labels += any(map(and_, others, far))
    if not differences:
        raise BadInputError(f"{GOLDEN}: holds no texts, so it proves nothing. Export the artefact again.")
    largest = math.nan if any(map(math.isnan, differences)) else max(differences)
    return Replay(len(differences), wrong_ids, wrong_labels, largest, allowed)


@dataclass(frozen=True)
class _Row:
    """A golden row, as far as one model file is concerned."""

    texts: list[str]
    """One, or both of a pair."""
    ids: "list[array[int]]"
    """Token ids of each text, ``[tokens]``."""
    logits: "array[float]"
    given: list[bool]
    """Which labels are right, ``[labels]``."""


def _answer(thresholds: Sequence[float] | None, temperature: float) -> Callable[[Sequence[float]], list[bool]]:
    """What turns logits into the labels that are given, ``[labels]``."""
    if thresholds is None:
        return lambda logits: [place == argmax(logits) for place in range(len(logits))]
    return lambda logits: [
        value >= limit for value, limit in zip(sigmoid(logits, temperature), thresholds, strict=True)
    ]


def _read(
    content: bytes,
    model_file: str,
    labels: Sequence[str],
    answer: Callable[[Sequence[float]], list[bool]],
    *,
    several: bool,
    pairs: bool,
) -> Iterator[_Row]:
    is_exact = precision_of(model_file) == "fp32"
    # Lines of bytes end at \n and \r only. Those of a str also end at U+0085 and U+2028, which the texts hold.
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            value = json.loads(line)
            texts = [value["text"], value["text2"]] if pairs else [value["text"]]
            ids = [array("i", value[key]) for key in (("ids", "ids2") if pairs else ("ids",))]
            logits = array("f", value["logits"][model_file])
            # Quantised weights may turn a close answer, and then their own golden logits say which one is right.
            right = set(value["labels"] if several else [value["label"]])
            if len(logits) != len(labels) or not all(ids):
                raise ValueError("too few")
            given = [label in right for label in labels] if is_exact else answer(logits)
            row = _Row(texts, ids, logits, given)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _damaged(number, model_file, pairs) from error
        if not all(isinstance(text, str) for text in row.texts) or (several and not right <= set(labels)):
            raise _damaged(number, model_file, pairs)
        yield row


def _damaged(number: int, model_file: str, pairs: bool) -> BadInputError:
    texts = "text, text2, ids, ids2" if pairs else "text, ids"
    return BadInputError(
        f"{GOLDEN}: line {number} isn't a golden row with {texts}, label and logits of {model_file}. "
        "Export the artefact again."
    )
