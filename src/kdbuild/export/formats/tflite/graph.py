"""Write a student as a TFLite file for sentences of any length, in fp32 or with int8 weights.

The graph, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding                              GATHER (int8: CAST; their scales are gathered, too)
    input projections of both directions, all tokens   FULLY_CONNECTED (int8: then MUL by the tokens' scales)
    the first step of both directions                  the states are 0: no recurrent projection
    the other steps, both directions side by side      WHILE: one time step a turn (max pooling: MAXIMUM)
    classifier                                         FULLY_CONNECTED + RELU, FULLY_CONNECTED

in fp32. In int8 each FULLY_CONNECTED is a CONV_2D.

Weights in int8 have one scale a row, activations are quantised on the fly, results are fp32: TFLite's dynamic-range
product. It is written as a convolution over single places instead of a FULLY_CONNECTED: one scale a row needs version
12 of FULLY_CONNECTED, which tflite-runtime 2.14 does not know, but only version 5 of CONV_2D; and LiteRT's kernel for it
needs a quarter fewer ARM64 instructions. What else was tried: ``benchmarks/results/tflite-graph.md``.

LSTM: Hochreiter & Schmidhuber 1997 as in ``torch.nn.LSTM``; no peepholes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from kdbuild.export.formats.format import Content, Format
from kdbuild.export.formats.tflite.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.model import Array, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.runtime.engines.registry import Precision

_Op = schema.BuiltinOperator
# The lowest versions that take int8 weights with a scale a row and int8 rows; both are in tflite-runtime 2.14.
_INT8_CONVOLUTION = 5
_INT8_GATHER = 2


class TFLite(Format):
    """TFLite files, in fp32 or with int8 weights."""

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_tflite`."""
        return write_tflite(content.student, quantize=precision == "int8")


def write_tflite(weights: StudentModel, *, quantize: bool) -> bytes:
    """Write a student as a TFLite file.

    The file has one input, ``ids`` (int32 ``[1, tokens]``; resize it to the sentence's length, at least 1), and one
    output, ``logits`` (float32 ``[1, classes]``). The constant ``embedding`` has one row for each word of the
    vocabulary. Nothing is kept between two runs. Only built-in operators are used, at versions that both LiteRT and
    tflite-runtime 2.14 have. The same weights always give the same bytes.

    Args:
        weights: the trained student.
        quantize: store matrices in int8 (a quarter of the size) instead of fp32.
    """
    model = Model("BiLSTM text classifier")
    main, condition, body = (model.subgraph(name) for name in ("main", "condition", "body"))
    ids = main.input("ids", [1, -1], np.int32)

    projected = _project_inputs(main, ids, weights, quantize)
    states = _recur(main, condition, body, ids, projected, weights, quantize)
    hidden = _linear(main, states, weights.head.hidden, weights.head.hidden_bias, relu=True, quantize=quantize)
    logits = _linear(main, hidden, weights.head.output, weights.head.output_bias, quantize=quantize, name="logits")
    main.output(logits)
    return model.pack()


def _project_inputs(graph: Subgraph, ids: Tensor, weights: StudentModel, quantize: bool) -> Tensor:
    """Each token's input projections without bias, ``[2 * tokens, 4 * hidden]``.

    Row 2t is the forward direction's at token t, row 2t + 1 the backward direction's.
    """
    matrix = np.concatenate([weights.encoder.layer.forward.input, weights.encoder.layer.backward.input])
    if quantize:
        ids = _reshape(graph, ids, [1, -1, 1])
        rows, scales = quantize_rows(weights.encoder.embedding)
        gathered = _gather(graph, graph.constant(rows, "embedding"), ids)
        vectors = graph.result(gathered.shape)
        options = schema.CastOptionsT(inDataType=schema.TensorType.INT8, outDataType=schema.TensorType.FLOAT32)
        graph.operator(_Op.CAST, [gathered], [vectors], options)
        # CONV_2D quantises all tokens with one scale. As the integers that the rows are stored as, they all reach 127
        # and lose nothing by it; their own scales come after the product, and the bias after those, in the steps.
        products = _convolve(graph, vectors, matrix, np.zeros(len(matrix), np.float32))
        projected = _multiply(graph, products, _gather(graph, graph.constant(scales[:, None]), ids))
    else:
        ids = _reshape(graph, ids, [-1])
        vectors = _gather(graph, graph.constant(weights.encoder.embedding, "embedding"), ids)
        projected = _matrix_product(graph, vectors, matrix)
    return _reshape(graph, projected, [-1, len(weights.encoder.layer.forward.bias)])


def _recur(
    main: Subgraph,
    condition: Subgraph,
    body: Subgraph,
    ids: Tensor,
    projected: Tensor,
    weights: StudentModel,
    quantize: bool,
) -> Tensor:
    """Run both directions over all tokens; the features of both, forward ones first, ``[1, 2 * hidden]``."""
    size = weights.encoder.layer.forward.recurrent.shape[1]
    # Which rows of `projected` the two directions read next: [0, 2 * tokens - 1] at first, then one token on each turn.
    shape = main.result([2], np.int32)
    main.operator(_Op.SHAPE, [ids], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
    rows = _multiply(main, shape, main.constant(_int32([0, 2])))
    rows = _add(main, rows, main.constant(_int32([0, -1])))
    # The first step is outside: with states of 0, its gates are the input projection and the bias alone.
    bias = main.constant(np.stack([weights.encoder.layer.forward.bias, weights.encoder.layer.backward.bias]))
    hidden, cell = _step(main, _add(main, _gather(main, projected, rows), bias))
    rows = _next_rows(main, rows)
    # `projected` is only read: the interpreter passes such an input by reference as long as nothing uses the loop's
    # own output for it, so that it is not copied on each turn.
    loop = {"rows": rows, "projected": projected, "hidden": hidden, "cell": cell}
    if weights.encoder.pooling == "max":
        loop["pooled"] = hidden

    checked = {name: condition.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    backward_row = _gather(condition, checked["rows"], condition.constant(_int32(1)))
    going_on = condition.result([], np.bool_)
    zero = condition.constant(_int32(0))
    condition.operator(_Op.GREATER_EQUAL, [backward_row, zero], [going_on], schema.GreaterEqualOptionsT())
    condition.output(going_on)

    old = {name: body.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    # Gathered first, so that XNNPACK, which has no GATHER, takes all other operators of a step as one.
    from_token = _gather(body, old["projected"], old["rows"])
    gates = _add(body, _project_states(body, old["hidden"], weights, quantize), from_token)
    hidden, cell = _step(body, gates, old["cell"])
    new = [_next_rows(body, old["rows"]), old["projected"], hidden, cell]
    if weights.encoder.pooling == "max":
        new.append(_maximum(body, old["pooled"], hidden))
    body.output(*new)

    ends = {name: main.result(tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    options = schema.WhileOptionsT(condSubgraphIndex=condition.index, bodySubgraphIndex=body.index)
    main.operator(_Op.WHILE, list(loop.values()), list(ends.values()), options)
    return _reshape(main, ends["pooled" if weights.encoder.pooling == "max" else "hidden"], [1, 2 * size])


def _next_rows(graph: Subgraph, rows: Tensor) -> Tensor:
    return _add(graph, rows, graph.constant(_int32([2, -2])))


def _project_states(graph: Subgraph, hidden: Tensor, weights: StudentModel, quantize: bool) -> Tensor:
    """Each direction's recurrent projection of its own state, with bias, ``[2, 4 * hidden]``."""
    # One convolution of two groups would need as few instructions in LiteRT, but four times as many in tflite-runtime
    # 2.14, which has no fast kernel for groups.
    products = [
        _linear(graph, state, lstm.recurrent, lstm.bias, quantize=quantize)
        for state, lstm in zip(
            _split(graph, hidden, 2, axis=0),
            (weights.encoder.layer.forward, weights.encoder.layer.backward),
            strict=True,
        )
    ]
    both = graph.result([2, len(weights.encoder.layer.forward.bias)])
    graph.operator(_Op.CONCATENATION, products, [both], schema.ConcatenationOptionsT(axis=0))
    return both


def _step(graph: Subgraph, gates: Tensor, cell: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One time step of both directions: the new hidden and cell states, both ``[2, hidden]``. No old cell: 0.

    Splitting first and then taking three logistics beat one logistic over three contiguous gates: it copies less.
    """
    input_gate, forget_gate, candidate, output_gate = _split(graph, gates, 4, axis=1)
    new = _multiply(graph, _unary(graph, _Op.LOGISTIC, input_gate), _unary(graph, _Op.TANH, candidate))
    if cell is not None:
        new = _add(graph, _multiply(graph, _unary(graph, _Op.LOGISTIC, forget_gate), cell), new)
    hidden = _multiply(graph, _unary(graph, _Op.LOGISTIC, output_gate), _unary(graph, _Op.TANH, new))
    return hidden, new


def _linear(
    graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, quantize: bool, relu: bool = False, name: str = ""
) -> Tensor:
    """``x @ matrix.T + bias`` of one row, ``[1, rows of matrix]``."""
    if not quantize:
        return _matrix_product(graph, x, matrix, bias, relu=relu, name=name)
    place = _reshape(graph, x, [1, 1, 1, matrix.shape[1]])
    return _reshape(graph, _convolve(graph, place, matrix, bias, relu=relu), [1, len(matrix)], name)


def _matrix_product(
    graph: Subgraph, x: Tensor, matrix: Array, bias: Array | None = None, *, relu: bool = False, name: str = ""
) -> Tensor:
    """``x @ matrix.T + bias`` in fp32, ``[rows of x, rows of matrix]``."""
    inputs = [x, graph.constant(matrix), None if bias is None else graph.constant(bias)]
    result = graph.result([x.shape[0], len(matrix)], name=name)
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=_activation(relu))
    graph.operator(_Op.FULLY_CONNECTED, inputs, [result], options)
    return result


def _convolve(graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, relu: bool = False) -> Tensor:
    """``x @ matrix.T + bias`` with int8 weights at each place, ``[1, places, 1, rows of matrix]``.

    ``x`` is ``[1, places, 1, columns of matrix]``.
    """
    integers, scales = quantize_rows(matrix)
    if len(scales) > 1 and (scales == scales[0]).all():
        # Of equal scales, TensorFlow Lite 2.16 and earlier take the whole tensor's instead, which is 0 then.
        scales[0] = np.nextafter(scales[0], np.float32(np.inf))
    kernel = graph.constant(integers[:, None, None, :], scale=scales)
    result = graph.result([1, x.shape[1], 1, len(matrix)])
    options = schema.Conv2DOptionsT(
        padding=schema.Padding.VALID,
        strideH=1,
        # There is nothing to stride over. But XNNPACK makes a plain matrix product of a convolution without stride,
        # with the kernel of FULLY_CONNECTED: a fifth more ARM64 instructions.
        strideW=2,
        dilationWFactor=1,
        dilationHFactor=1,
        fusedActivationFunction=_activation(relu),
    )
    inputs = [x, kernel, graph.constant(bias)]
    graph.operator(_Op.CONV_2D, inputs, [result], options, version=_INT8_CONVOLUTION)
    return result


def _activation(relu: bool) -> int:
    activation: int = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    return activation


def _multiply(graph: Subgraph, left: Tensor, right: Tensor, name: str = "") -> Tensor:
    """Elementwise; ``right`` is broadcast to ``left``."""
    result = graph.result(left.shape, left.dtype, name)
    graph.operator(_Op.MUL, [left, right], [result], schema.MulOptionsT())
    return result


def _add(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Elementwise; ``right`` is broadcast to ``left``."""
    result = graph.result(left.shape, left.dtype)
    graph.operator(_Op.ADD, [left, right], [result], schema.AddOptionsT())
    return result


def _maximum(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Elementwise."""
    result = graph.result(left.shape, left.dtype)
    graph.operator(_Op.MAXIMUM, [left, right], [result], schema.MaximumMinimumOptionsT())
    return result


def _unary(graph: Subgraph, operator: int, x: Tensor) -> Tensor:
    result = graph.result(x.shape)
    graph.operator(operator, [x], [result])
    return result


def _gather(graph: Subgraph, table: Tensor, indices: Tensor) -> Tensor:
    """Rows of a table: the shape of the indices, then that of a row."""
    result = graph.result([*indices.shape, *table.shape[1:]], table.dtype)
    version = _INT8_GATHER if table.dtype == np.int8 else 1
    graph.operator(_Op.GATHER, [table, indices], [result], schema.GatherOptionsT(axis=0), version=version)
    return result


def _reshape(graph: Subgraph, x: Tensor, shape: Sequence[int], name: str = "") -> Tensor:
    result = graph.result(shape, x.dtype, name)
    options = schema.ReshapeOptionsT(newShape=list(shape))
    graph.operator(_Op.RESHAPE, [x, graph.constant(_int32(shape))], [result], options)
    return result


def _split(graph: Subgraph, x: Tensor, parts: int, *, axis: int) -> list[Tensor]:
    shape = [size // parts if dimension == axis else size for dimension, size in enumerate(x.shape)]
    results = [graph.result(shape, x.dtype) for _ in range(parts)]
    graph.operator(_Op.SPLIT, [graph.constant(_int32(axis)), x], results, schema.SplitOptionsT(numSplits=parts))
    return results


def _int32(value: int | Sequence[int]) -> npt.NDArray[np.int32]:
    return np.array(value, np.int32)
