"""Write a student as a file for MediaPipe Tasks' ``TextClassifier``: text in, labels out, on the phone and in Python.

MediaPipe cuts the text (:mod:`kdbuild.export.formats.mediapipe.vocabulary` says how close to our tokens it comes), fills a
fixed number of ids up with 0, and takes a single graph: no WHILE. The graph::

    a text without any token is one <unk>      MAXIMUM
    one or two of our ids for each id          MUL, GATHER from the pairs, ADD
    ids that aren't 0, in order                NOT_EQUAL, WHERE, GATHER
    for each direction
        a reset before the words               REVERSE_V2 (backward), CONCATENATION
        rows of the embedding                  GATHER, CAST, MUL by the gathered scales
        the recurrence                         UNIDIRECTIONAL_SEQUENCE_LSTM
        the last state, or each unit's maximum STRIDED_SLICE (max pooling: REDUCE_MAX)
    of several layers, for each but the first
        what both directions below said, again PAD, CONCATENATION with the reset, and as above
    classifier and probabilities               FULLY_CONNECTED + RELU, FULLY_CONNECTED, SOFTMAX (several labels: LOGISTIC)

*Padding is inert* because it is cut off before the recurrence: the result doesn't depend on the number of ids, and short texts
take less time. Only a 0 in the first place is read: as a text without any token, for which MediaPipe gives nothing but zeros.

*Nothing is kept between calls.* The operator's states are variables that would go on from text to text. The row of ``<pad>``
is therefore a reset, read before each text: in an extra dimension that is 0 for every word, it shuts the input, forget and
output gates. The weights in that column are the largest of their matrix, so that they don't coarsen its steps.

Matrices are int8, with one scale a row; those of the recurrence with one scale a gate, which is all that the operator takes.
``benchmarks/results/mediapipe.md`` has sizes, agreement and what else was tried.
"""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from kdbuild.errors import BadInputError
from kdbuild.export.formats.mediapipe.metadata import pack_text_classifier
from kdbuild.export.formats.mediapipe.vocabulary import delimiter_pattern, spell
from kdbuild.export.formats.tflite.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.model import Array, Encoder, LstmWeights, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.runtime.text.vocabulary import PAD_ID, UNK_ID, Vocabulary

_Op = schema.BuiltinOperator
# The lowest versions that take int8 weights and int8 rows.
_INT8_FULLY_CONNECTED = 3
_INT8_GATHER = 2
_INT8_LSTM = 2
# What the reset's row holds in the extra dimension, and the least weight there. Their product, 1000 or more, shuts a gate
# against any bias; a matrix with smaller weights than this is rounded to steps of 1e-5.
_SHUT = 1e6
_LEAST_WEIGHT = 1e-3


def write_mediapipe(
    weights: StudentModel,
    vocabulary: Vocabulary,
    labels: Sequence[str],
    *,
    tokens: int,
    temperature: float = 1.0,
    multi_label: bool = False,
) -> bytes:
    """Write a student as ``model_mediapipe.tflite``, with int8 weights.

    The file has one input, ``ids`` (int32 ``[1, tokens]``, 0 where there is no token), and one output, ``scores`` (float32
    ``[1, classes]``), in the order of the labels. Vocabulary and labels are packed behind it, where ``unzip`` finds them too.
    The same arguments always give the same bytes.

    Args:
        weights: the trained student.
        vocabulary: its vocabulary.
        labels: one for each class.
        tokens: how many tokens are read of a text; what is behind them is left out.
        temperature: divides the logits.
        multi_label: whether a text may have several labels. Each score is then the probability of its label, and comparing it
            with the label's threshold is left to the caller.

    Raises:
        BadInputError: no token could be read.
        ValueError: vocabulary or labels don't fit the weights.
    """
    if tokens < 1:
        raise BadInputError(f"{tokens} tokens for MediaPipe: it would read nothing of a text. Give 1 or more.")
    if len(vocabulary) != len(weights.encoder.embedding) or len(labels) != len(weights.head.output):
        raise ValueError(
            f"{len(vocabulary)} tokens and {len(labels)} labels for {len(weights.encoder.embedding)} embedding rows and "
            f"{len(weights.head.output)} classes"
        )
    spelled = spell(vocabulary)
    model = build_graph(weights, spelled.pairs, tokens=tokens, temperature=temperature, multi_label=multi_label)
    return pack_text_classifier(model, pattern=delimiter_pattern(), vocabulary=spelled.lines, labels=labels)


def build_graph(
    weights: StudentModel,
    pairs: Sequence[tuple[int, int]],
    *,
    tokens: int,
    temperature: float = 1.0,
    multi_label: bool = False,
) -> Model:
    """The graph of :func:`write_mediapipe`, without a vocabulary; ``pairs`` are the ids that stand for two others."""
    model = Model("BiLSTM text classifier")
    graph = model.subgraph("main")
    words = _words(graph, graph.input("ids", [1, tokens], np.int32), len(weights.encoder.embedding), pairs)
    both = _encode(graph, words, weights.encoder)
    hidden = _linear(graph, both, weights.head.hidden, weights.head.hidden_bias, relu=True)
    # Not SOFTMAX's own beta, as LOGISTIC has none.
    logits = _linear(graph, hidden, weights.head.output / temperature, weights.head.output_bias / temperature)
    scores = graph.result(logits.shape, name="scores")
    if multi_label:
        graph.operator(_Op.LOGISTIC, [logits], [scores])
    else:
        graph.operator(_Op.SOFTMAX, [logits], [scores], schema.SoftmaxOptionsT(beta=1.0))
    graph.output(scores)
    return model


def _words(graph: Subgraph, ids: Tensor, vocabulary: int, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """The ids of the words, ``[words]``, at least one: pairs in full, without padding."""
    tokens = ids.shape[1]
    unknown = np.full((1, tokens), PAD_ID, np.int32)
    unknown[0, 0] = UNK_ID  # a first id of 0 is a text of padding alone
    ids = _result(graph, _Op.MAXIMUM, [ids, graph.constant(unknown)], ids, schema.MaximumMinimumOptionsT())

    # Pair k comes in as `vocabulary + k`. The table has what to add for its first id, and its second; in row 0 for a word.
    table = [(0, PAD_ID)]
    table += [(first - (vocabulary + place), second) for place, (first, second) in enumerate(pairs)]
    place = _result(graph, _Op.SUB, [ids, _int32(graph, vocabulary - 1)], ids, schema.SubOptionsT())
    place = _result(graph, _Op.MAXIMUM, [place, _int32(graph, 0)], ids, schema.MaximumMinimumOptionsT())
    place = _reshape(graph, place, [tokens])
    ids = _reshape(graph, ids, [tokens, 1])
    ids = _result(graph, _Op.MUL, [ids, _int32(graph, [1, 0])], [tokens, 2], schema.MulOptionsT(), np.int32)
    ids = _result(graph, _Op.ADD, [ids, _gather(graph, _int32(graph, table), place)], ids, schema.AddOptionsT())
    ids = _reshape(graph, ids, [2 * tokens])

    padding = _int32(graph, PAD_ID)
    is_word = _result(graph, _Op.NOT_EQUAL, [ids, padding], [2 * tokens], schema.NotEqualOptionsT(), np.bool_)
    places = _result(graph, _Op.WHERE, [is_word], [-1, 1], schema.WhereOptionsT(), np.int64)
    return _gather(graph, ids, _reshape(graph, places, [-1]))


class _Embedding:
    """The embedding with the extra dimension, int8, one scale a row; the row of ``<pad>`` is the reset."""

    def __init__(self, graph: Subgraph, embedding: Array):
        self.graph = graph
        rows = np.pad(embedding, ((0, 0), (0, 1)))
        rows[PAD_ID] = 0
        rows[PAD_ID, -1] = _SHUT
        integers, scales = quantize_rows(rows)
        self.integers = graph.constant(integers, "embedding")
        self.scales = graph.constant(scales[:, None])

    def rows_after_reset(self, words: Tensor) -> Tensor:
        """The reset's row and word vectors, ``[1 + words, embedding + 1]``."""
        parts = [_int32(self.graph, [PAD_ID]), words]
        options = schema.ConcatenationOptionsT(axis=0)
        ids = _result(self.graph, _Op.CONCATENATION, parts, [-1], options, np.int32)
        gathered = _gather(self.graph, self.integers, ids)
        options = schema.CastOptionsT(inDataType=schema.TensorType.INT8, outDataType=schema.TensorType.FLOAT32)
        vectors = _result(self.graph, _Op.CAST, [gathered], gathered.shape, options)
        scales = _gather(self.graph, self.scales, ids)
        return _result(self.graph, _Op.MUL, [vectors, scales], vectors, schema.MulOptionsT())


def _encode(graph: Subgraph, words: Tensor, encoder: Encoder) -> Tensor:
    """The features of both directions, forward ones first, ``[1, 2 * hidden]``."""
    backwards = _reverse(graph, words)
    embedding = _Embedding(graph, encoder.embedding)
    *below, last = encoder.layers
    read = [functools.partial(embedding.rows_after_reset, ids) for ids in (words, backwards)]
    for layer in below:
        forward, backward = (
            _rows_from(graph, _states(graph, vectors(), lstm), 1)
            for vectors, lstm in zip(read, (layer.forward, layer.backward), strict=True)
        )
        states = _join(graph, [forward, _reverse(graph, backward)])
        read = [functools.partial(_after_reset, graph, rows) for rows in (states, _reverse(graph, states))]
    features = [
        _features(graph, _states(graph, vectors(), lstm), encoder.pooling)
        for vectors, lstm in zip(read, (last.forward, last.backward), strict=True)
    ]
    return _join(graph, features)


def _join(graph: Subgraph, parts: Sequence[Tensor]) -> Tensor:
    """Matrices of as many rows, side by side."""
    columns = sum(part.shape[1] for part in parts)
    options = schema.ConcatenationOptionsT(axis=1)
    return _result(graph, _Op.CONCATENATION, parts, [parts[0].shape[0], columns], options)


def _reverse(graph: Subgraph, x: Tensor) -> Tensor:
    """Last row first."""
    return _result(graph, _Op.REVERSE_V2, [x, _int32(graph, [0])], x, schema.ReverseV2OptionsT())


def _after_reset(graph: Subgraph, states: Tensor) -> Tensor:
    """A reset, then the states of the layer below, ``[1 + words, inputs + 1]``."""
    size = states.shape[1]
    padding = _int32(graph, [(0, 0), (0, 1)])
    rows = _result(graph, _Op.PAD, [states, padding], [-1, size + 1], schema.PadOptionsT())
    reset = np.zeros((1, size + 1), np.float32)
    reset[0, -1] = _SHUT
    parts = [graph.constant(reset), rows]
    return _result(graph, _Op.CONCATENATION, parts, rows, schema.ConcatenationOptionsT(axis=0))


def _features(graph: Subgraph, states: Tensor, pooling: str) -> Tensor:
    """A direction's features, ``[1, hidden]``, of its states after the reset and after each word."""
    if pooling == "max":
        return _maximum(graph, _rows_from(graph, states, 1))
    return _rows_from(graph, states, -1)


def _states(graph: Subgraph, vectors: Tensor, lstm: LstmWeights) -> Tensor:
    """A direction's states, ``[1 + words, hidden]``, after the reset and after each word, of what it reads in order."""
    size = lstm.recurrent.shape[1]
    vectors = _reshape(graph, vectors, [-1, 1, vectors.shape[1]])  # [time, batch, embedding + 1]

    # Gates in PyTorch's order, input, forget, cell, output, which is TFLite's too. The cell's need not be shut.
    matrices = [
        *(_shutting(gate, sign) for gate, sign in zip(np.split(lstm.input, 4), (-1, -1, 0, -1), strict=True)),
        *np.split(lstm.recurrent, 4),
    ]
    no_peepholes, no_projection, no_layer_norm = [None] * 3, [None] * 2, [None] * 4
    inputs = [
        vectors,
        *(_gate_matrix(graph, matrix) for matrix in matrices),
        *no_peepholes,
        *(graph.constant(bias) for bias in np.split(lstm.bias, 4)),
        *no_projection,
        graph.variable([1, size]),
        graph.variable([1, size]),
        *no_layer_norm,
    ]
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=schema.ActivationFunctionType.TANH, timeMajor=True
    )
    states = graph.result([-1, 1, size])
    graph.operator(_Op.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, [states], options, version=_INT8_LSTM)
    return _reshape(graph, states, [-1, size])


def _shutting(gate: Array, sign: int) -> Array:
    """A gate's input matrix with the extra dimension's column, by which the reset shuts it (sign -1) or not (0)."""
    largest = max(np.abs(gate).max(), _LEAST_WEIGHT)
    return np.pad(gate, ((0, 0), (0, 1)), constant_values=sign * largest)


def _gate_matrix(graph: Subgraph, matrix: Array) -> Tensor:
    integers, (scale,) = quantize_rows(matrix.reshape(1, -1))
    return graph.constant(integers.reshape(matrix.shape), scale=float(scale))


def _linear(graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, relu: bool = False) -> Tensor:
    """``x @ matrix.T + bias``, ``[1, rows of matrix]``; one scale a row, as a MUL behind the product."""
    integers, scales = quantize_rows(matrix)
    activation = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    product = graph.result([1, len(matrix)])
    graph.operator(
        _Op.FULLY_CONNECTED,
        [x, graph.constant(integers, scale=1.0), graph.constant(bias / scales)],
        [product],
        schema.FullyConnectedOptionsT(fusedActivationFunction=activation),
        version=_INT8_FULLY_CONNECTED,
    )
    return _result(graph, _Op.MUL, [product, graph.constant(scales)], product, schema.MulOptionsT())


def _rows_from(graph: Subgraph, x: Tensor, first: int) -> Tensor:
    """The rows of a matrix from one on, counted from the end if it is negative."""
    columns = x.shape[1]
    inputs = [x, _int32(graph, [first, 0]), _int32(graph, [0, columns]), _int32(graph, [1, 1])]
    # To the end: bit 0 of the mask has the first dimension's end left out.
    options = schema.StridedSliceOptionsT(endMask=1)
    return _result(graph, _Op.STRIDED_SLICE, inputs, [1 if first == -1 else -1, columns], options)


def _maximum(graph: Subgraph, x: Tensor) -> Tensor:
    """Each column's maximum, ``[1, columns]``."""
    options = schema.ReducerOptionsT(keepDims=True)
    return _result(graph, _Op.REDUCE_MAX, [x, _int32(graph, [0])], [1, x.shape[1]], options)


def _gather(graph: Subgraph, table: Tensor, indices: Tensor) -> Tensor:
    version = _INT8_GATHER if table.dtype == np.int8 else 1
    result = graph.result([*indices.shape, *table.shape[1:]], table.dtype)
    graph.operator(_Op.GATHER, [table, indices], [result], schema.GatherOptionsT(axis=0), version=version)
    return result


def _reshape(graph: Subgraph, x: Tensor, shape: Sequence[int]) -> Tensor:
    options = schema.ReshapeOptionsT(newShape=list(shape))
    return _result(graph, _Op.RESHAPE, [x, _int32(graph, shape)], shape, options, x.dtype)


def _result(
    graph: Subgraph,
    operator: int,
    inputs: Sequence[Tensor],
    like: Tensor | Sequence[int],
    options: object,
    dtype: npt.DTypeLike = np.float32,
) -> Tensor:
    """Add an operator with one result, which has a shape, or shape and type of another tensor."""
    result = graph.result(like.shape, like.dtype) if isinstance(like, Tensor) else graph.result(like, dtype)
    graph.operator(operator, inputs, [result], options)
    return result


def _int32(graph: Subgraph, value: int | Sequence[int] | Sequence[tuple[int, int]]) -> Tensor:
    return graph.constant(np.array(value, np.int32))
