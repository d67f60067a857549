"""Write a student as the native engine's file: one file with vocabulary, labels and int8 weights, used where it lies.

Weights have one scale a row. Activations are int8, too: word vectors with a scale each, states of the LSTM in steps of
1 / 127, the classifier's hidden units in 127 steps up to the largest.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kdbuild.export.formats.format import Content, Format
from kdbuild.export.formats.native import layout
from kdbuild.export.formats.native.golden import golden_entries
from kdbuild.export.golden_texts import few_golden_texts
from kdbuild.export.model import Array, Layer, LstmWeights, StudentModel, StudentShape
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.engines.registry import Precision
from kdbuild.runtime.native.binding import NativeModel, aligned
from kdbuild.runtime.text.normalize import UNICODE_VERSION

_STEP = np.float32(1 / 127)
"""What a state of 1 is divided into."""


class Native(Format):
    """Files for the native engine, with int8 weights, vocabulary and labels inside."""

    most_layers = layout.MOST_LAYERS
    reads_pairs = True

    def unsupported(self, shape: StudentShape) -> str | None:
        """What the engine refuses, beside what no format holds."""
        if shape.vocabulary > layout.MOST_VOCABULARY:
            fewer = f"Distil one with --max-vocab {layout.MOST_VOCABULARY}"
            return f"of {shape.vocabulary:,} words. {fewer}, or use this one in torch"
        return super().unsupported(shape)

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_native`. The golden texts are answered by the engine, which says the same everywhere."""
        bare = write_native(content)
        model = NativeModel(aligned(bare), Path("model_int8.kdb"))
        rows = few_golden_texts(content.vocabulary.version, pairs=content.shape.pairs)
        return write_native(content, golden_entries(model, rows))

    def parts(self, content: Content, precision: Precision) -> dict[str, int]:
        """How many bytes are for what, padding included; the vocabulary apart."""
        sizes = {number: len(part) for number, part in _sections(content).items()}
        layers = sum(size for number, size in sizes.items() if number >= layout.FIRST_LAYER)
        return {
            "embedding": sizes[layout.EMBEDDING] + sizes[layout.EMBEDDING_SCALES],
            "recurrent": layers,
            "classifier": sizes[layout.HEAD],
            "vocabulary": sizes[layout.TOKENS] + sizes[layout.INDEX],
        }

    def usage(self, file: str, manifest: Manifest) -> list[str]:
        """How to answer without Python."""
        return [
            f"`{file}` holds labels, vocabulary, thresholds and weights, and is all that kdbuild's engine needs, in Python "
            f'(`Classifier.load("{file}")`) as in C: it answers with the same bits on every processor.',
            "",
        ]


def write_native(content: Content, golden: Sequence[bytes] = ()) -> bytes:
    """The bytes of the file.

    Args:
        content: the student and what belongs to it.
        golden: texts with their answers, see :func:`~kdbuild.export.formats.native.golden.golden_entries`.

    Raises:
        BadInputError: the vocabulary has a token that no text has.
    """
    content.vocabulary.check_pieces()
    shape = content.shape
    sections = layout.Sections(_sections(content) | {layout.GOLDEN: b"".join(golden)})
    flags = (
        layout.SEVERAL_LABELS * shape.multi_label
        | layout.PAIRS * (content.student.join == "pair")
        | layout.MAX_POOLING * (content.student.encoder.pooling == "max")
        | layout.BUCKETS
        | layout.FOUR_BITS * (content.student.encoder.vector_bits == 4)
    )
    major, minor, patch = map(int, UNICODE_VERSION.split("."))
    tokens = content.vocabulary.tokens
    header = layout.Header(
        tokenizer=content.vocabulary.version,
        unicode=major << 16 | minor << 8 | patch,
        flags=flags,
        vocabulary=len(tokens),
        embedding=content.student.encoder.embedding.shape[1],
        hidden=shape.hidden_size,
        layers=shape.layers,
        classifier=shape.classifier_size,
        classes=len(content.labels),
        max_tokens=shape.max_tokens,
        longest_token=max(len(token.encode("utf-8")) for token in tokens),
        golden=len(golden),
        temperature=content.temperature,
        threshold=content.threshold or 0.0,
    )
    return layout.pack(header, sections)


def _sections(content: Content) -> dict[int, bytes]:
    """All sections but the golden texts, by their numbers."""
    student = content.student
    vectors, scales = layout.vectors(student.encoder.embedding, student.encoder.vector_bits)
    return {
        layout.LABELS: layout.names(content.labels),
        layout.TOKENS: layout.grouped_names(content.vocabulary.tokens),
        layout.INDEX: layout.hash_index(content.vocabulary.tokens),
        layout.THRESHOLDS: np.array(content.threshold_logits or [0.0] * len(content.labels), "<f4").tobytes(),
        layout.EMBEDDING: vectors,
        layout.EMBEDDING_SCALES: scales,
        layout.HEAD: _head(student),
    } | {
        layout.FIRST_LAYER + number: _layer(layer, first=number == 0)
        for number, layer in enumerate(student.encoder.layers)
    }


def _layer(layer: Layer, *, first: bool) -> bytes:
    return b"".join(_direction(direction, first=first) for direction in (layer.forward, layer.backward))


def _direction(weights: LstmWeights, *, first: bool) -> bytes:
    """The matrices of one direction, each row with its scales, bias and offsets."""
    inputs = weights.input if first else _split_states(weights.input, 2)
    integers, scales = layout.quantized(inputs)
    states, state_scales = layout.quantized(weights.recurrent)
    return b"".join(
        [
            layout.blocked(integers, layout.GATES).tobytes(),
            layout.blocked(states, layout.GATES).tobytes(),
            layout.blocked_vector(scales if first else scales * _STEP, layout.GATES, 1).astype("<f4").tobytes(),
            layout.blocked_vector(state_scales * _STEP, layout.GATES, 1).astype("<f4").tobytes(),
            layout.blocked_vector(layout.bias_of(weights.bias), layout.GATES, 0).astype("<f4").tobytes(),
            layout.blocked_vector(layout.offsets_of(integers), layout.GATES, 0).astype("<i4").tobytes(),
            layout.blocked_vector(layout.offsets_of(states), layout.GATES, 0).astype("<i4").tobytes(),
        ]
    )


def _split_states(matrix: Array, parts: int) -> Array:
    """A matrix over ``parts`` state vectors, each padded to a multiple of 4 columns as the engine holds them."""
    rows, size = len(matrix), matrix.shape[1] // parts
    split = matrix.reshape(rows, parts, size)
    padding = layout.round_up(size, layout.GROUP) - size
    return np.pad(split, ((0, 0), (0, 0), (0, padding))).reshape(rows, -1)


def _head(student: StudentModel) -> bytes:
    head = student.head
    hidden = _split_states(head.hidden, 8 if student.join == "pair" else 2)
    if student.join == "pair":
        hidden = hidden.copy()
        hidden[:, hidden.shape[1] // 4 * 3 :] *= 2  # |u - v| reaches 2, so the engine halves it
    return _matrix(hidden, head.hidden_bias, _STEP) + _matrix(head.output, head.output_bias, _STEP)


def _matrix(matrix: Array, bias: Array, step: np.float32) -> bytes:
    integers, scales = layout.quantized(matrix)
    return b"".join(
        [
            layout.blocked(integers, 1).tobytes(),
            layout.blocked_vector(scales * step, 1, 1).astype("<f4").tobytes(),
            layout.blocked_vector(layout.bias_of(bias), 1, 0).astype("<f4").tobytes(),
            layout.blocked_vector(layout.offsets_of(integers), 1, 0).astype("<i4").tobytes(),
        ]
    )
