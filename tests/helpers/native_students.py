"""Students with random weights as files of the native engine, in the shapes that may go wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import write_native
from kdbuild.export.model import Encoder, Head, Join, Layer, LstmWeights, Pooling, StudentModel, StudentShape
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.student.rounding import rounded_to_4_bits
from native_reference import reference_logits

Texts = tuple[str, ...]
"""The text of a row, or both texts of a pair."""


@dataclass(frozen=True)
class Shape:
    """A student's sizes, and what it is for."""

    embedding: int
    hidden: int
    classifier: int
    classes: int = 2
    layers: int = 1
    pooling: Pooling = "last"
    join: Join = "single"
    multi_label: bool = False
    vector_bits: int = 8

    def __str__(self) -> str:
        words = [
            f"{self.embedding}-{self.hidden}-{self.classifier}-{self.classes}",
            f"{self.layers} layers",
            self.pooling,
        ]
        return " ".join(
            [
                *words,
                self.join,
                *(["several labels"] if self.multi_label else []),
                *(["4 bits"] if self.vector_bits == 4 else []),
            ]
        )


def random_student(shape: Shape, vocabulary: int, seed: int = 0) -> StudentModel:
    """Weights wide enough for gates that open and close."""
    rng = np.random.default_rng(seed)

    def draw(*size: int, scale: float = 1.0) -> np.ndarray:
        return (rng.normal(size=size) * scale).astype(np.float32)

    def direction(inputs: int) -> LstmWeights:
        rows, scale = 4 * shape.hidden, shape.hidden**-0.5
        return LstmWeights(
            draw(rows, inputs, scale=2 * scale), draw(rows, shape.hidden, scale=2 * scale), draw(rows, scale=scale)
        )

    def layer(number: int) -> Layer:
        inputs = 2 * shape.hidden if number else shape.embedding
        return Layer(direction(inputs), direction(inputs))

    features = 2 * shape.hidden * (4 if shape.join == "pair" else 1)
    table, layers = draw(vocabulary, shape.embedding), tuple(layer(number) for number in range(shape.layers))
    if shape.vector_bits == 4:
        table = rounded_to_4_bits(torch.from_numpy(table)).numpy()
    encoder = Encoder(table, layers, shape.pooling, shape.vector_bits)
    head = Head(
        draw(shape.classifier, features, scale=2 * features**-0.5),
        draw(shape.classifier, scale=0.1),
        draw(shape.classes, shape.classifier, scale=2 * shape.classifier**-0.5),
        draw(shape.classes, scale=0.1),
    )
    return StudentModel(encoder, head, shape.join)


def native_file(
    student: StudentModel, shape: Shape, vocabulary: Vocabulary, max_tokens: int = 64, golden: Sequence[Texts] = ()
) -> bytes:
    """The student's file, with a threshold or, of several labels, thresholds, and a temperature that isn't 1.

    Args:
        student: the weights.
        shape: its shape.
        vocabulary: its tokens.
        max_tokens: that are read of a text.
        golden: texts that go into the file, a row each, with the ids of the Python tokenizer and the logits of the numpy
            reference.
    """
    content = Content(
        student,
        StudentShape(
            vocabulary=len(vocabulary),
            embedding_size=shape.embedding,
            factor_size=0,
            channels=1,
            layers=shape.layers,
            hidden_size=shape.hidden,
            pooling=shape.pooling,
            classifier_size=shape.classifier,
            classes=shape.classes,
            max_tokens=max_tokens,
            pairs=shape.join == "pair",
            multi_label=shape.multi_label,
            parameters=0,
        ),
        vocabulary,
        [f"label {number}" for number in range(shape.classes)],
        temperature=1.7,
        threshold=None if shape.multi_label else 0.6,
        threshold_logits=[0.25 * number - 0.5 for number in range(shape.classes)] if shape.multi_label else None,
    )
    return write_native(
        content, [entry for texts in golden for entry in _golden(student, vocabulary, max_tokens, texts)]
    )


def _golden(student: StudentModel, vocabulary: Vocabulary, max_tokens: int, texts: Texts) -> list[bytes]:
    """A text, or both of a pair, as the file holds them with their answer."""
    ids = [np.array(vocabulary.encode(text, max_tokens).ids, "<u4") for text in texts]
    logits = reference_logits(student, *(text.tolist() for text in ids)).tobytes()
    entries = []
    for text, numbers in zip(texts, ids, strict=True):
        data = text.encode()
        counts = np.array([len(data), len(numbers)], "<u4")
        entries.append(counts.tobytes() + numbers.tobytes() + logits + data + bytes(-len(data) % 4))
    return entries


def numbered(size: int) -> Vocabulary:
    """The special tokens, then ``w0``, ``w1``, …"""
    return Vocabulary([*SPECIAL, *(f"w{number}" for number in range(size - len(SPECIAL)))])
