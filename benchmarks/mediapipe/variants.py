"""What else was tried: the same student in other graphs, for ids as they are (no pairs), with SOFTMAX at the end."""

from collections.abc import Callable, Mapping

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kdbuild.export.formats.tflite.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.model import Array, LstmWeights, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.runtime.text.vocabulary import PAD_ID

_Op = schema.BuiltinOperator
_SHUT = 1e4


def ids_as_scores(tokens: int) -> Model:
    """Not a classifier: the score of label 3 is the id of token 3. It shows what MediaPipe's tokenizer does."""
    model = Model("ids")
    graph = model.subgraph("main")
    ids = graph.input("ids", [1, tokens], np.int32)
    scores = _cast(graph, ids, schema.TensorType.INT32)
    graph.output(scores)
    return model


def unrolled(weights: StudentModel, tokens: int) -> Model:
    """Each time step's operators written out, int8 with one scale a row.

    A token of padding leaves the states as they are, by an extra dimension that shuts the input gate and opens the forget gate.
    """
    model = Model("unrolled")
    graph = model.subgraph("main")
    size = weights.encoder.layer.forward.recurrent.shape[1]
    ids = _reshape(graph, graph.input("ids", [1, tokens], np.int32), [tokens])
    vectors = _embed(graph, ids, weights.encoder.embedding, int8=True)
    matrices = []
    for lstm in (weights.encoder.layer.forward, weights.encoder.layer.backward):
        signs = np.repeat(np.array([-1, 1, 0, 0], np.float32), size)
        matrices.append(np.concatenate([lstm.input, (np.abs(lstm.input).max(axis=1) * signs)[:, None]], axis=1))
    bias = np.concatenate([weights.encoder.layer.forward.bias, weights.encoder.layer.backward.bias])
    projected = _reshape(graph, _linear(graph, vectors, np.concatenate(matrices), bias), [2 * tokens, 4 * size])
    rows = _split(graph, projected, 2 * tokens, axis=0)
    ends = []
    for start, lstm, order in (
        (0, weights.encoder.layer.forward, range(tokens)),
        (1, weights.encoder.layer.backward, range(tokens - 1, -1, -1)),
    ):
        integers, scales = quantize_rows(lstm.recurrent)
        matrix, scale = graph.constant(integers, scale=1.0), graph.constant(scales)
        hidden = cell = graph.constant(np.zeros((1, size), np.float32))
        for step in order:
            product = _binary(graph, _Op.MUL, _product(graph, hidden, matrix), scale)
            gates = _binary(graph, _Op.ADD, product, rows[2 * step + start])
            into, keep, new, out = _split(graph, gates, 4, axis=1)
            kept = _binary(graph, _Op.MUL, _unary(graph, _Op.LOGISTIC, keep), cell)
            added = _binary(graph, _Op.MUL, _unary(graph, _Op.LOGISTIC, into), _unary(graph, _Op.TANH, new))
            cell = _binary(graph, _Op.ADD, kept, added)
            hidden = _binary(graph, _Op.MUL, _unary(graph, _Op.LOGISTIC, out), _unary(graph, _Op.TANH, cell))
        ends.append(hidden)
    _classify(graph, ends, weights)
    return model


def fused(weights: StudentModel, tokens: int, *, int8: bool, asymmetric: bool = False) -> Model:
    """Two UNIDIRECTIONAL_SEQUENCE_LSTM over the tokens that aren't padding, as in the file we write."""
    model = Model("fused")
    graph = model.subgraph("main")
    ids = _reshape(graph, graph.input("ids", [1, tokens], np.int32), [tokens])
    is_word = graph.result([tokens], np.bool_)
    graph.operator(_Op.NOT_EQUAL, [ids, _int32(graph, PAD_ID)], [is_word], schema.NotEqualOptionsT())
    places = graph.result([-1, 1], np.int64)
    graph.operator(_Op.WHERE, [is_word], [places], schema.WhereOptionsT())
    words = _gather(graph, ids, _reshape(graph, places, [-1]))
    backwards = graph.result([-1], np.int32)
    graph.operator(_Op.REVERSE_V2, [words, _int32(graph, [0])], [backwards], schema.ReverseV2OptionsT())
    ends = [
        _fused_direction(graph, order, weights.encoder.embedding, lstm, int8=int8, asymmetric=asymmetric)
        for order, lstm in ((words, weights.encoder.layer.forward), (backwards, weights.encoder.layer.backward))
    ]
    _classify(graph, ends, weights)
    return model


def _fused_direction(
    graph: Subgraph, words: Tensor, embedding: Array, lstm: LstmWeights, *, int8: bool, asymmetric: bool
) -> Tensor:
    size = lstm.recurrent.shape[1]
    ids = graph.result([-1], np.int32)
    graph.operator(_Op.CONCATENATION, [_int32(graph, [PAD_ID]), words], [ids], schema.ConcatenationOptionsT(axis=0))
    vectors = _embed(graph, ids, embedding, int8=int8)
    vectors = _reshape(graph, vectors, [-1, 1, vectors.shape[1]])

    def gate(matrix: Array) -> Tensor:
        if not int8:
            return graph.constant(matrix)
        integers, (scale,) = quantize_rows(matrix.reshape(1, -1))
        return graph.constant(integers.reshape(matrix.shape), scale=float(scale))

    shut = [
        np.pad(matrix, ((0, 0), (0, 1)), constant_values=sign * np.abs(matrix).max())
        for matrix, sign in zip(np.split(lstm.input, 4), (-1, -1, 0, -1), strict=True)
    ]
    inputs = [vectors, *map(gate, shut), *map(gate, np.split(lstm.recurrent, 4)), None, None, None]
    inputs += [*map(graph.constant, np.split(lstm.bias, 4)), None, None]
    inputs += [graph.variable([1, size]), graph.variable([1, size]), None, None, None, None]
    options = schema.UnidirectionalSequenceLSTMOptionsT(
        fusedActivationFunction=schema.ActivationFunctionType.TANH, timeMajor=True, asymmetricQuantizeInputs=asymmetric
    )
    states = graph.result([-1, 1, size])
    version = 3 if asymmetric else 2 if int8 else 1
    graph.operator(_Op.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, [states], options, version=version)
    states = _reshape(graph, states, [-1, size])
    last = graph.result([1, size])
    bounds = [_int32(graph, value) for value in ([-1, 0], [0, size], [1, 1])]
    graph.operator(_Op.STRIDED_SLICE, [states, *bounds], [last], schema.StridedSliceOptionsT(endMask=1))
    return last


def _embed(graph: Subgraph, ids: Tensor, embedding: Array, *, int8: bool) -> Tensor:
    rows = np.pad(embedding, ((0, 0), (0, 1)))
    rows[PAD_ID] = 0
    rows[PAD_ID, -1] = _SHUT
    if not int8:
        return _gather(graph, graph.constant(rows), ids)
    integers, scales = quantize_rows(rows)
    vectors = _cast(graph, _gather(graph, graph.constant(integers), ids, version=2), schema.TensorType.INT8)
    return _binary(graph, _Op.MUL, vectors, _gather(graph, graph.constant(scales[:, None]), ids))


def _classify(graph: Subgraph, ends: list[Tensor], weights: StudentModel) -> None:
    both = graph.result([1, weights.head.hidden.shape[1]])
    graph.operator(_Op.CONCATENATION, ends, [both], schema.ConcatenationOptionsT(axis=1))
    hidden = _unary(graph, _Op.RELU, _linear(graph, both, weights.head.hidden, weights.head.hidden_bias))
    logits = _linear(graph, hidden, weights.head.output, weights.head.output_bias)
    scores = graph.result(logits.shape)
    graph.operator(_Op.SOFTMAX, [logits], [scores], schema.SoftmaxOptionsT(beta=1.0))
    graph.output(scores)


def _linear(graph: Subgraph, x: Tensor, matrix: Array, bias: Array) -> Tensor:
    integers, scales = quantize_rows(matrix)
    product = _product(graph, x, graph.constant(integers, scale=1.0), graph.constant(bias / scales))
    return _binary(graph, _Op.MUL, product, graph.constant(scales))


def _product(graph: Subgraph, x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    result = graph.result([x.shape[0], matrix.shape[0]])
    graph.operator(_Op.FULLY_CONNECTED, [x, matrix, bias], [result], schema.FullyConnectedOptionsT(), version=3)
    return result


def _binary(graph: Subgraph, operator: int, left: Tensor, right: Tensor) -> Tensor:
    options: Mapping[int, Callable[[], object]] = {_Op.MUL: schema.MulOptionsT, _Op.ADD: schema.AddOptionsT}
    result = graph.result(left.shape)
    graph.operator(operator, [left, right], [result], options[operator]())
    return result


def _unary(graph: Subgraph, operator: int, x: Tensor) -> Tensor:
    result = graph.result(x.shape)
    graph.operator(operator, [x], [result])
    return result


def _cast(graph: Subgraph, x: Tensor, from_type: int) -> Tensor:
    result = graph.result(x.shape)
    options = schema.CastOptionsT(inDataType=from_type, outDataType=schema.TensorType.FLOAT32)
    graph.operator(_Op.CAST, [x], [result], options)
    return result


def _gather(graph: Subgraph, table: Tensor, indices: Tensor, *, version: int = 1) -> Tensor:
    result = graph.result([*indices.shape, *table.shape[1:]], table.dtype)
    graph.operator(_Op.GATHER, [table, indices], [result], schema.GatherOptionsT(axis=0), version=version)
    return result


def _reshape(graph: Subgraph, x: Tensor, shape: list[int]) -> Tensor:
    result = graph.result(shape, x.dtype)
    options = schema.ReshapeOptionsT(newShape=shape)
    graph.operator(_Op.RESHAPE, [x, _int32(graph, shape)], [result], options)
    return result


def _split(graph: Subgraph, x: Tensor, parts: int, *, axis: int) -> list[Tensor]:
    shape = [size // parts if place == axis else size for place, size in enumerate(x.shape)]
    results = [graph.result(shape) for _ in range(parts)]
    graph.operator(_Op.SPLIT, [_int32(graph, axis), x], results, schema.SplitOptionsT(numSplits=parts))
    return results


def _int32(graph: Subgraph, value: int | list[int]) -> Tensor:
    return graph.constant(np.array(value, np.int32))
