"""The size of the native engine's file, known from a student's shape and vocabulary before it has any weight."""

from collections.abc import Sequence

from kdbuild.export.formats.native import layout
from kdbuild.export.golden_texts import few_golden_texts
from kdbuild.export.model import StudentShape
from kdbuild.runtime.native.binding import utf8
from kdbuild.runtime.text.vocabulary import Vocabulary

_ROW = 12
"""Bytes of a row's scale, bias and offset."""
_GATE_ROW = 20
"""Bytes of a gate's row: two scales, a bias and two offsets."""


def native_bytes(shape: StudentShape, vocabulary: Vocabulary, labels: Sequence[str]) -> int:
    """Compute how many bytes :meth:`Native.write <kdbuild.export.formats.native.format.Native.write>` gives.

    Args:
        shape: the student's; its vocabulary is as long as the one given.
        vocabulary: whose spelling and index are in the file, and which cuts the golden texts.
        labels: names of the classes.
    """
    tokens, hidden = len(vocabulary), layout.round_up(shape.hidden_size, layout.GROUP)
    stored = (shape.factor_size or shape.embedding_size) + (shape.channels - 1) * shape.embedding_size
    features = (8 if shape.pairs else 2) * hidden
    golden = few_golden_texts(vocabulary.version, pairs=shape.pairs)
    sections = [
        len(layout.names(labels)),
        len(layout.grouped_names(vocabulary.tokens)),
        layout.index_size(tokens),
        4 * len(labels),
        *layout.vectors_size(tokens, stored, shape.vector_bits),
        _matrix(shape.classifier_size, features) + _matrix(len(labels), shape.classifier_size),
        sum(_golden(text, vocabulary, shape) for row in golden for text in row),
        *(
            _layer(shape.hidden_size, 2 * hidden if number else layout.round_up(stored, layout.GROUP))
            for number in range(shape.layers)
        ),
    ]
    return layout.HEADER + sum(layout.round_up(size, layout.ALIGNMENT) for size in sections) + layout.TRAILER


def _matrix(rows: int, columns: int) -> int:
    return layout.round_up(rows, layout.ROWS) * (layout.round_up(columns, layout.GROUP) + _ROW)


def _layer(hidden: int, inputs: int) -> int:
    rows = layout.GATES * layout.round_up(hidden, layout.ROWS)
    return 2 * rows * (inputs + layout.round_up(hidden, layout.GROUP) + _GATE_ROW)


def _golden(text: str, vocabulary: Vocabulary, shape: StudentShape) -> int:
    ids = len(vocabulary.encode(text, shape.max_tokens).ids)
    return 8 + 4 * ids + 4 * shape.classes + layout.round_up(len(utf8(text)), 4)
