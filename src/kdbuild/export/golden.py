"""Golden vectors: what every engine, on every processor, must answer to the same texts."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.export.golden_texts import GOLDEN_TEXTS
from kdbuild.runtime.artefact import GOLDEN
from kdbuild.runtime.engines.registry import ENGINES, find_model_file, precision_of
from kdbuild.runtime.metrics import Bools, best_given, decide
from kdbuild.runtime.text.encoding import Encoding

if TYPE_CHECKING:
    from kdbuild.runtime.engines.registry import Logits, TokenIds

FP32_TOLERANCE = 1e-4
INT8_TOLERANCE = 0.05
"""Processors round the activations of dynamically quantised products differently; see :func:`tolerance`. It is MediaPipe's
file's as well, which differed by 0.0005 between x86-64 and emulated ARM64."""

Engine = Callable[["TokenIds"], "Logits"]
"""Token ids ``[tokens]`` to logits ``[classes]``."""


def tolerance(model_file: str) -> float:
    """How far a logit of a model file may be from its golden value."""
    file = find_model_file(model_file)
    if file is not None and (own := ENGINES[file.engine].tolerance) is not None:
        return own
    return FP32_TOLERANCE if precision_of(model_file) == "fp32" else INT8_TOLERANCE


def golden_rows(
    encode: Callable[[str], Encoding],
    engines: Mapping[str, Engine],
    labels: Sequence[str],
    reference: str,
    *,
    thresholds: Sequence[float] | None = None,
    temperature: float = 1.0,
) -> bytes:
    """The content of ``golden.jsonl``: an object a line with ``text``, ``ids``, ``logits`` by model file, and ``label``.

    Where a text may have several labels, ``labels`` holds those that are given and ``label`` the likeliest of them, or null.

    Args:
        encode: the artefact's tokenizer.
        engines: by model file.
        labels: in the order of the logits.
        reference: the model file whose answer is the label; in fp32 where there is one.
        thresholds: the artefact's, for several labels.
        temperature: the artefact's.

    Raises:
        ValueError: an engine's logits aren't finite.
    """
    lines = []
    for text in GOLDEN_TEXTS:
        ids = encode(text).ids
        logits = {name: np.asarray(engine(ids), np.float32) for name, engine in engines.items()}
        row: dict[str, Any] = {
            "text": text,
            "ids": ids.tolist(),
            # The shortest decimals that give the same float32 back.
            "logits": {name: [float(str(value)) for value in values] for name, values in logits.items()},
        }
        if thresholds is None:
            row["label"] = labels[int(np.argmax(logits[reference]))]
        else:
            given = decide(logits[reference] / temperature, thresholds)
            best = best_given(logits[reference], given)
            row["label"] = None if best is None else labels[best]
            row["labels"] = [label for label, yes in zip(labels, given, strict=True) if yes]
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False))
    return "".join(line + "\n" for line in lines).encode("utf-8")


@dataclass(frozen=True)
class Replay:
    """How one model file's answers compare with the golden ones."""

    texts: int
    wrong_ids: int
    """Texts whose token ids differ."""
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

    Raises:
        BadInputError: a row can't be read or has no logits of the file, or there are no rows.
    """
    wrong_ids = wrong_labels = 0
    differences = []
    allowed = tolerance(model_file)
    answer = _answer(thresholds, temperature)
    # The logits from which each label is given.
    cutoffs = None if thresholds is None else temperature * (np.log(thresholds) - np.log1p(-np.array(thresholds)))
    for row in _read(content, model_file, labels, answer, several=thresholds is not None):
        wrong_ids += not np.array_equal(encode(row.text).ids, row.ids)
        logits = np.asarray(engine(row.ids), np.float32)
        differences.append(float(np.abs(logits - row.logits).max()))
        if cutoffs is None:
            second, first = np.sort(row.logits)[-2:]
            far = first - second > allowed
        else:
            far = np.abs(row.logits - cutoffs) > allowed
        wrong_labels += bool(((answer(logits) != row.given) & far).any())
    if not differences:
        raise BadInputError(f"{GOLDEN}: holds no texts, so it proves nothing. Export the artefact again.")
    # numpy's maximum keeps a NaN, the built-in one may not.
    return Replay(len(differences), wrong_ids, wrong_labels, float(np.max(differences)), allowed)


@dataclass(frozen=True)
class _Row:
    """A golden row, as far as one model file is concerned."""

    text: str
    ids: npt.NDArray[np.int32]
    logits: npt.NDArray[np.float32]
    given: Bools
    """Which labels are right, ``[labels]``."""


def _answer(thresholds: Sequence[float] | None, temperature: float) -> Callable[[npt.NDArray[np.float32]], Bools]:
    """What turns logits into the labels that are given, ``[labels]``."""
    if thresholds is None:
        return lambda logits: np.arange(len(logits)) == np.argmax(logits)
    return lambda logits: decide(logits / temperature, thresholds)


def _read(
    content: bytes,
    model_file: str,
    labels: Sequence[str],
    answer: Callable[[npt.NDArray[np.float32]], Bools],
    *,
    several: bool,
) -> Iterator[_Row]:
    is_exact = precision_of(model_file) == "fp32"
    # Lines of bytes end at \n and \r only. Those of a str also end at U+0085 and U+2028, which the texts hold.
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            value = json.loads(line)
            ids, logits = np.array(value["ids"], np.int32), np.array(value["logits"][model_file], np.float32)
            # Quantised weights may turn a close answer, and then their own golden logits say which one is right.
            right = set(value["labels"] if several else [value["label"]])
            given = np.array([label in right for label in labels]) if is_exact else answer(logits)
            row = _Row(value["text"], ids, logits, given)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise _damaged(number, model_file) from error
        if not isinstance(row.text, str) or ids.ndim != 1 or not len(ids) or logits.shape != (len(labels),):
            raise _damaged(number, model_file)
        if several and not right <= set(labels):
            raise _damaged(number, model_file)
        yield row


def _damaged(number: int, model_file: str) -> BadInputError:
    return BadInputError(
        f"{GOLDEN}: line {number} isn't a golden row with text, ids, label and logits of {model_file}. "
        "Export the artefact again."
    )
