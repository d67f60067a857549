"""Writing golden vectors: what every engine, on every processor, must answer to the same texts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kdbuild.export.golden_texts import GoldenRow
from kdbuild.runtime.arrays import best_given, decide
from kdbuild.runtime.golden import Engine
from kdbuild.runtime.text.encoding import Encoding


def golden_rows(
    encode: Callable[[str], Encoding],
    engines: Mapping[str, Engine],
    labels: Sequence[str],
    reference: str,
    texts: Sequence[GoldenRow],
    *,
    thresholds: Sequence[float] | None = None,
    temperature: float = 1.0,
) -> bytes:
    """The content of ``golden.jsonl``: an object a line with ``text``, ``ids``, ``logits`` by model file, and ``label``.

    Of pairs, ``text2`` and ``ids2`` are the second text's.
    Where a text may have several labels, ``labels`` holds those that are given and ``label`` the likeliest of them, or null.

    Args:
        encode: the artefact's tokenizer.
        engines: by model file.
        labels: in the order of the logits.
        reference: the model file whose answer is the label; in fp32 where there is one.
        texts: those of the tokenizer's version, or pairs of them; see :func:`~kdbuild.export.golden_texts.golden_texts`.
        thresholds: the artefact's, for several labels.
        temperature: the artefact's.

    Raises:
        ValueError: an engine's logits aren't finite.
    """
    lines = []
    for together in texts:
        ids = [encode(text).ids for text in together]
        logits = {name: np.asarray(engine(*ids), np.float32) for name, engine in engines.items()}
        row: dict[str, Any] = dict(zip(("text", "text2"), together, strict=False))
        row |= zip(("ids", "ids2"), [numbers.tolist() for numbers in ids], strict=False)
        # The shortest decimals that give the same float32 back.
        row["logits"] = {name: [float(str(value)) for value in values] for name, values in logits.items()}
        if thresholds is None:
            row["label"] = labels[int(np.argmax(logits[reference]))]
        else:
            given = decide(logits[reference] / temperature, thresholds)
            best = best_given(logits[reference], given)
            row["label"] = None if best is None else labels[best]
            row["labels"] = [label for label, yes in zip(labels, given, strict=True) if yes]
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False))
    return "".join(line + "\n" for line in lines).encode("utf-8")
