"""Files of the native engine made of random students of any shape, without a training or torch."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import write_native
from kdbuild.export.model import Array, Encoder, Head, Layer, LstmWeights, StudentModel, StudentShape
from kdbuild.runtime.text.vocabulary import Vocabulary

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"words": 12, "embedding": 3, "hidden": 2, "classifier": 3, "classes": 2, "max_tokens": 8},
    "max": {"words": 20, "embedding": 6, "hidden": 5, "classifier": 18, "classes": 3, "pooling": "max"},
    "layers": {"words": 9, "embedding": 5, "hidden": 3, "classifier": 4, "classes": 2, "layers": 2},
    "pairs": {"words": 9, "embedding": 4, "hidden": 4, "classifier": 5, "classes": 2, "pairs": True},
    "labels": {"words": 12, "embedding": 9, "hidden": 17, "classifier": 8, "classes": 4, "multi_label": True},
}
"""One for each way through the engine."""


def native_file(
    words: int,
    embedding: int,
    hidden: int,
    classifier: int,
    classes: int,
    layers: int = 1,
    pooling: Any = "last",
    pairs: bool = False,
    multi_label: bool = False,
    max_tokens: int = 40,
    golden: Sequence[bytes] = (),
    seed: int = 0,
) -> bytes:
    """The file of a random student whose vocabulary is ``w3``, ``w4``, … and punctuation."""
    random = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return (random.normal(size=shape) * scale).astype(np.float32)

    def direction(inputs: int) -> LstmWeights:
        scale = 2 * hidden**-0.5
        return LstmWeights(
            normal(4 * hidden, inputs, scale=scale), normal(4 * hidden, hidden, scale=scale), normal(4 * hidden)
        )

    sizes = [embedding, *[2 * hidden] * (layers - 1)]
    encoder = Encoder(
        normal(words, embedding), tuple(Layer(direction(size), direction(size)) for size in sizes), pooling
    )
    features = (8 if pairs else 2) * hidden
    head = Head(
        normal(classifier, features),
        normal(classifier, scale=0.1),
        normal(classes, classifier),
        normal(classes, scale=0.1),
    )
    shape = StudentShape(
        vocabulary=words, embedding_size=embedding, factor_size=0, channels=1, layers=layers, hidden_size=hidden,
        pooling=pooling, classifier_size=classifier, classes=classes, max_tokens=max_tokens, pairs=pairs,
        multi_label=multi_label, parameters=0,
    )  # fmt: skip
    tokens = ["<pad>", "<unk>", "<mask>", ",", "!"][:words]
    content = Content(
        StudentModel(encoder, head, "pair" if pairs else "single"),
        shape,
        Vocabulary(tokens + [f"w{number}" for number in range(len(tokens), words)]),
        [f"label {number}" for number in range(classes)],
        temperature=1.5,
        threshold=None if multi_label else 0.4,
        threshold_logits=[0.1 * number for number in range(classes)] if multi_label else None,
    )
    return write_native(content, golden)


def golden_entry(text: bytes, ids: Sequence[int], logits: Sequence[float]) -> bytes:
    """A golden text as it lies in a file."""
    return (
        struct.pack(f"<2I{len(ids)}I{len(logits)}f", len(text), len(ids), *ids, *logits) + text + bytes(-len(text) % 4)
    )
