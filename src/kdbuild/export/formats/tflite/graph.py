"""Write a student as a TFLite file for texts of any length, in fp32 or with int8 weights.

The graph, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding                              GATHER (int8: CAST; their scales are gathered, too)
    input projections of both directions, all tokens   FULLY_CONNECTED (int8: then MUL by the tokens' scales)
    the first step of both directions                  the states are 0: no recurrent projection
    the other steps, both directions side by side      WHILE: one time step a turn (max pooling: MAXIMUM)
    classifier                                         FULLY_CONNECTED + RELU, FULLY_CONNECTED

in fp32. In int8 each FULLY_CONNECTED is a CONV_2D.

A student of several layers has projections, first step and WHILE again for each. The loops of all layers but the last write the
states of each turn into a matrix, DYNAMIC_UPDATE_SLICE, for the next layer to read. A student of pairs reads ``ids`` and
``ids2``, each with loops of its own over the same buffers of weights: two WHILE may not share subgraphs, whose tensors have the
length of one text. Their features are joined by MUL, SUB, ABS and CONCATENATION.

Weights in int8 have one scale a row, activations are quantised on the fly, results are fp32: TFLite's dynamic-range
product. It is written as a convolution over single places instead of a FULLY_CONNECTED: one scale a row needs version
12 of FULLY_CONNECTED, which tflite-runtime 2.14 does not know, but only version 5 of CONV_2D; and LiteRT's kernel for it
needs a quarter fewer ARM64 instructions. What else was tried: ``benchmarks/results/tflite-graph.md``.

LSTM: Hochreiter & Schmidhuber 1997 as in ``torch.nn.LSTM``; no peepholes.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kdbuild.export.formats.format import MOST_LAYERS, Content, Format
from kdbuild.export.formats.tflite.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.formats.tflite.operators import (
    add,
    concatenate,
    convolve,
    first_columns,
    gather,
    int32,
    linear,
    matrix_product,
    maximum,
    multiply,
    reshape,
    reverse_rows,
    split,
    subtract,
    unary,
    write_rows,
)
from kdbuild.export.model import Array, Encoder, Layer, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.runtime.engines.registry import Precision

_Op = schema.BuiltinOperator


class TFLite(Format):
    """TFLite files, in fp32 or with int8 weights."""

    most_layers = MOST_LAYERS
    reads_pairs = True

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_tflite`."""
        return write_tflite(content.student, quantize=precision == "int8")


def write_tflite(weights: StudentModel, *, quantize: bool) -> bytes:
    """Write a student as a TFLite file.

    The file has one input, ``ids`` (int32 ``[1, tokens]``; resize it to the text's length, at least 1), of a student of pairs
    a second one for the second text, ``ids2``, and one output, ``logits`` (float32 ``[1, classes]``). The constant
    ``embedding`` has one row for each word of the vocabulary. Nothing is kept between two runs. Only built-in operators are
    used, at versions that both LiteRT and tflite-runtime 2.14 have. The same weights always give the same bytes.

    Args:
        weights: the trained student.
        quantize: store matrices in int8 (a quarter of the size) instead of fp32.
    """
    model = Model("BiLSTM text classifier")
    main = model.subgraph("main")
    names = ("ids", "ids2") if weights.join == "pair" else ("ids",)
    texts = [main.input(name, [1, -1], np.int32) for name in names]

    features = [_encode(main, ids, weights.encoder, quantize) for ids in texts]
    joined = _join(main, *features) if weights.join == "pair" else features[0]
    hidden = linear(main, joined, weights.head.hidden, weights.head.hidden_bias, relu=True, quantize=quantize)
    logits = linear(main, hidden, weights.head.output, weights.head.output_bias, quantize=quantize, name="logits")
    main.output(logits)
    return model.pack()


def _join(graph: Subgraph, first: Tensor, second: Tensor) -> Tensor:
    """``[u, v, u * v, |u - v|]``, as in Tang et al. 2019, section 3.1."""
    distance = unary(graph, _Op.ABS, subtract(graph, first, second), schema.AbsOptionsT())
    return concatenate(graph, [first, second, multiply(graph, first, second), distance], axis=1)


def _encode(main: Subgraph, ids: Tensor, encoder: Encoder, quantize: bool) -> Tensor:
    """A text's features, ``[1, 2 * hidden]``."""
    projected = _project_words(main, ids, encoder, quantize)
    for layer, after in zip(encoder.layers, encoder.layers[1:], strict=False):
        states = _Recurrence(main, ids, layer, quantize).states(projected)
        projected = _project_states(main, states, after, quantize)
    last = _Recurrence(main, ids, encoder.layers[-1], quantize)
    return last.maximum(projected) if encoder.pooling == "max" else last.last(projected)


def _input_matrix(layer: Layer) -> Array:
    """The input matrices of both directions, ``[8 * hidden, inputs]``."""
    return np.concatenate([layer.forward.input, layer.backward.input])


def _project_words(graph: Subgraph, ids: Tensor, encoder: Encoder, quantize: bool) -> Tensor:
    """Each token's input projections without bias, ``[2 * tokens, 4 * hidden]``.

    Row 2t is the forward direction's at token t, row 2t + 1 the backward direction's.
    """
    matrix = _input_matrix(encoder.layers[0])
    if quantize:
        ids = reshape(graph, ids, [1, -1, 1])
        rows, scales = quantize_rows(encoder.embedding)
        gathered = gather(graph, graph.constant(rows, "embedding"), ids)
        vectors = graph.result(gathered.shape)
        options = schema.CastOptionsT(inDataType=schema.TensorType.INT8, outDataType=schema.TensorType.FLOAT32)
        graph.operator(_Op.CAST, [gathered], [vectors], options)
        # CONV_2D quantises all tokens with one scale. As the integers that the rows are stored as, they all reach 127
        # and lose nothing by it; their own scales come after the product, and the bias after those, in the steps.
        products = convolve(graph, vectors, matrix, np.zeros(len(matrix), np.float32))
        projected = multiply(graph, products, gather(graph, graph.constant(scales[:, None]), ids))
    else:
        ids = reshape(graph, ids, [-1])
        vectors = gather(graph, graph.constant(encoder.embedding, "embedding"), ids)
        projected = matrix_product(graph, vectors, matrix)
    return reshape(graph, projected, [-1, len(matrix) // 2])


def _project_states(graph: Subgraph, states: Tensor, layer: Layer, quantize: bool) -> Tensor:
    """The same of the states of the layer below, ``[tokens, 2 * hidden]``.

    One scale serves all tokens in int8: states are between -1 and 1.
    """
    matrix = _input_matrix(layer)
    if quantize:
        places = reshape(graph, states, [1, -1, 1, matrix.shape[1]])
        projected = convolve(graph, places, matrix, np.zeros(len(matrix), np.float32))
    else:
        projected = matrix_product(graph, states, matrix)
    return reshape(graph, projected, [-1, len(matrix) // 2])


class _Recurrence:
    """Both directions of a layer over all tokens of a text, from the tokens' projections ``[2 * tokens, 4 * hidden]``.

    Each of its three results is another loop; one is asked for.
    """

    def __init__(self, main: Subgraph, ids: Tensor, layer: Layer, quantize: bool) -> None:
        self._main, self._ids, self._layer, self._quantize = main, ids, layer, quantize
        self._size = layer.forward.recurrent.shape[1]
        more = len(main.model.subgraphs) // 2
        self._suffix = f"_{more + 1}" if more else ""

    def last(self, projected: Tensor) -> Tensor:
        """The last state of each direction, forward ones first, ``[1, 2 * hidden]``."""
        return self._as_features(self._loop(projected, None)["hidden"])

    def maximum(self, projected: Tensor) -> Tensor:
        """Each unit's maximum over the tokens, forward ones first, ``[1, 2 * hidden]``."""
        return self._as_features(self._loop(projected, "pooled")["pooled"])

    def states(self, projected: Tensor) -> Tensor:
        """The states of both directions at each token, forward ones first, ``[tokens, 2 * hidden]``."""
        turns = reshape(self._main, self._loop(projected, "states")["states"], [-1, 2 * self._size])
        forward, backward = split(self._main, turns, 2, axis=1)
        return concatenate(self._main, [forward, reverse_rows(self._main, backward)], axis=1)

    def _as_features(self, hidden: Tensor) -> Tensor:
        return reshape(self._main, hidden, [1, 2 * self._size])

    def _loop(self, projected: Tensor, kept: str | None) -> dict[str, Tensor]:
        """Run all steps; what the loop leaves behind, by name."""
        main = self._main
        # Which rows of `projected` the two directions read next: [0, 2 * tokens - 1] at first, then one token a turn.
        shape = main.result([2], np.int32)
        main.operator(_Op.SHAPE, [self._ids], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
        rows = multiply(main, shape, main.constant(int32([0, 2])))
        rows = add(main, rows, main.constant(int32([0, -1])))
        # The first step is outside: with states of 0, its gates are the input projection and the bias alone.
        bias = main.constant(np.stack([self._layer.forward.bias, self._layer.backward.bias]))
        hidden, cell = lstm_step(main, add(main, gather(main, projected, rows), bias))
        following = _next_rows(main, rows)
        # `projected` is only read: the interpreter passes such an input by reference as long as nothing uses the loop's
        # own output for it, so that it is not copied on each turn.
        loop = {"rows": following, "projected": projected, "hidden": hidden, "cell": cell}
        if kept == "pooled":
            loop["pooled"] = hidden
        elif kept == "states":
            # Any matrix of this shape will do: each row is written once.
            loop["states"] = _write_states(main, first_columns(main, projected, self._size), hidden, rows)

        condition = self._condition(loop)
        body = self._body(loop)
        ends = {name: main.result(tensor.shape, tensor.dtype) for name, tensor in loop.items()}
        options = schema.WhileOptionsT(condSubgraphIndex=condition.index, bodySubgraphIndex=body.index)
        main.operator(_Op.WHILE, list(loop.values()), list(ends.values()), options)
        return ends

    def _condition(self, loop: dict[str, Tensor]) -> Subgraph:
        """Whether a token is left."""
        condition = self._main.model.subgraph(f"condition{self._suffix}")
        checked = {name: condition.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
        backward_row = gather(condition, checked["rows"], condition.constant(int32(1)))
        going_on = condition.result([], np.bool_)
        zero = condition.constant(int32(0))
        condition.operator(_Op.GREATER_EQUAL, [backward_row, zero], [going_on], schema.GreaterEqualOptionsT())
        condition.output(going_on)
        return condition

    def _body(self, loop: dict[str, Tensor]) -> Subgraph:
        """One time step of both directions."""
        body = self._main.model.subgraph(f"body{self._suffix}")
        old = {name: body.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
        # Gathered first, so that XNNPACK, which has no GATHER, takes all other operators of a step as one.
        from_token = gather(body, old["projected"], old["rows"])
        gates = add(body, self._project(body, old["hidden"]), from_token)
        hidden, cell = lstm_step(body, gates, old["cell"])
        new = [_next_rows(body, old["rows"]), old["projected"], hidden, cell]
        if "pooled" in old:
            new.append(maximum(body, old["pooled"], hidden))
        if "states" in old:
            new.append(_write_states(body, old["states"], hidden, old["rows"]))
        body.output(*new)
        return body

    def _project(self, graph: Subgraph, hidden: Tensor) -> Tensor:
        """Each direction's recurrent projection of its own state, with bias, ``[2, 4 * hidden]``."""
        # One convolution of two groups would need as few instructions in LiteRT, but four times as many in tflite-runtime
        # 2.14, which has no fast kernel for groups.
        products = [
            linear(graph, state, lstm.recurrent, lstm.bias, quantize=self._quantize)
            for state, lstm in zip(
                split(graph, hidden, 2, axis=0), (self._layer.forward, self._layer.backward), strict=True
            )
        ]
        return concatenate(graph, products, axis=0)


def _next_rows(graph: Subgraph, rows: Tensor) -> Tensor:
    return add(graph, rows, graph.constant(int32([2, -2])))


def _write_states(graph: Subgraph, states: Tensor, hidden: Tensor, rows: Tensor) -> Tensor:
    """All states with those of a turn, ``[2, hidden]``, in the turn's two rows; ``rows`` are those that it read.

    Both go in at once, which copies half as much as each to where its token is: row 2t, what the forward direction read, and
    the next.
    """
    place = multiply(graph, rows, graph.constant(int32([1, 0])))
    return write_rows(graph, states, hidden, place)


def lstm_step(graph: Subgraph, gates: Tensor, cell: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One time step of both directions: the new hidden and cell states, both ``[2, hidden]``. No old cell: 0.

    Splitting first and then taking three logistics beat one logistic over three contiguous gates: it copies less.
    """
    input_gate, forget_gate, candidate, output_gate = split(graph, gates, 4, axis=1)
    new = multiply(graph, unary(graph, _Op.LOGISTIC, input_gate), unary(graph, _Op.TANH, candidate))
    if cell is not None:
        new = add(graph, multiply(graph, unary(graph, _Op.LOGISTIC, forget_gate), cell), new)
    hidden = multiply(graph, unary(graph, _Op.LOGISTIC, output_gate), unary(graph, _Op.TANH, new))
    return hidden, new
