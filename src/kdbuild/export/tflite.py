"""Write a student as a TFLite file for sentences of any length, in fp32 or with int8 weights.

The graph, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding                              GATHER (int8: CAST, MUL by the gathered scales)
    input projections of both directions, all tokens   FULLY_CONNECTED
    the two recurrences, side by side                  WHILE: one time step of both directions a turn (max pooling: MAXIMUM)
    classifier                                         FULLY_CONNECTED + RELU, FULLY_CONNECTED

Weights in int8 have one scale a row. They are declared with scale 1, and their scales are a MUL behind each matrix
product: products with a scale a row need FULLY_CONNECTED version 12, which tflite-runtime 2.14 does not know.
The product itself is TFLite's dynamic-range one: int8 weights, activations quantised on the fly, fp32 results.

LSTM: Hochreiter & Schmidhuber 1997 as in ``torch.nn.LSTM``; no peepholes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from kdbuild.export.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.quantize import quantize_rows
from kdbuild.export.weights import Array, StudentWeights

_Op = schema.BuiltinOperator
# The lowest versions that take int8 weights and int8 rows; both are in tflite-runtime 2.14.
_INT8_FULLY_CONNECTED = 3
_INT8_GATHER = 2


def write_tflite(weights: StudentWeights, *, quantize: bool) -> bytes:
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

    vectors = _embed(main, ids, weights.embedding, quantize)
    input_matrix = np.concatenate([weights.forward.input, weights.backward.input])
    input_bias = np.concatenate([weights.forward.bias, weights.backward.bias])
    projected = _linear(main, vectors, input_matrix, input_bias, quantize=quantize)
    # [tokens, 2 * 4 * hidden] becomes alternating rows: 2t is the forward direction at token t, 2t + 1 the backward.
    projected = _reshape(main, projected, [-1, len(weights.forward.bias)])

    states = _recur(main, condition, body, ids, projected, weights, quantize)
    hidden = _linear(main, states, weights.hidden, weights.hidden_bias, relu=True, quantize=quantize)
    logits = _linear(main, hidden, weights.output, weights.output_bias, quantize=quantize, name="logits")
    main.output(logits)
    return model.pack()


def _embed(graph: Subgraph, ids: Tensor, embedding: Array, quantize: bool) -> Tensor:
    """Word vectors, ``[tokens, embedding]``."""
    ids = _reshape(graph, ids, [-1])
    if not quantize:
        return _gather(graph, graph.constant(embedding, "embedding"), ids)
    rows, scales = quantize_rows(embedding)
    gathered = _gather(graph, graph.constant(rows, "embedding"), ids)
    # CAST, as the rows' integers are wanted as they are; a little faster than DEQUANTIZE with scale 1.
    vectors = graph.result(gathered.shape)
    options = schema.CastOptionsT(inDataType=schema.TensorType.INT8, outDataType=schema.TensorType.FLOAT32)
    graph.operator(_Op.CAST, [gathered], [vectors], options)
    return _multiply(graph, vectors, _gather(graph, graph.constant(scales[:, None]), ids))


def _recur(
    main: Subgraph,
    condition: Subgraph,
    body: Subgraph,
    ids: Tensor,
    projected: Tensor,
    weights: StudentWeights,
    quantize: bool,
) -> Tensor:
    """Run both directions over all tokens; the features of both, forward ones first, ``[1, 2 * hidden]``."""
    size = weights.forward.recurrent.shape[1]
    # Which rows of `projected` the two directions read next: [0, 2 * tokens - 1] at first, then one token on each turn.
    shape = main.result([2], np.int32)
    main.operator(_Op.SHAPE, [ids], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
    rows = _multiply(main, shape, main.constant(_int32([0, 2])))
    rows = _add(main, rows, main.constant(_int32([0, -1])))
    zeros = main.constant(np.zeros((2, size), np.float32))
    # `projected` is only read: the interpreter passes such an input by reference as long as nothing uses the loop's
    # own output for it, so that it is not copied on each turn.
    loop = {"rows": rows, "projected": projected, "hidden": zeros, "cell": zeros}
    if weights.pooling == "max":
        # A state is a logistic times a tanh: none is less.
        loop["pooled"] = main.constant(np.full((2, size), -1, np.float32))

    checked = {name: condition.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    backward_row = _gather(condition, checked["rows"], condition.constant(_int32(1)))
    going_on = condition.result([], np.bool_)
    zero = condition.constant(_int32(0))
    condition.operator(_Op.GREATER_EQUAL, [backward_row, zero], [going_on], schema.GreaterEqualOptionsT())
    condition.output(going_on)

    old = {name: body.input(name, tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    from_states = _project_states(body, old["hidden"], weights, quantize)
    gates = _add(body, from_states, _gather(body, old["projected"], old["rows"]))
    hidden, cell = _step(body, gates, old["cell"])
    new = [_add(body, old["rows"], body.constant(_int32([2, -2]))), old["projected"], hidden, cell]
    if weights.pooling == "max":
        new.append(_maximum(body, old["pooled"], hidden))
    body.output(*new)

    ends = {name: main.result(tensor.shape, tensor.dtype) for name, tensor in loop.items()}
    options = schema.WhileOptionsT(condSubgraphIndex=condition.index, bodySubgraphIndex=body.index)
    main.operator(_Op.WHILE, list(loop.values()), list(ends.values()), options)
    return _reshape(main, ends["pooled" if weights.pooling == "max" else "hidden"], [1, 2 * size])


def _project_states(graph: Subgraph, hidden: Tensor, weights: StudentWeights, quantize: bool) -> Tensor:
    """Each direction's recurrent projection of its own state, ``[2, 4 * hidden]``, without bias."""
    matrices = [weights.forward.recurrent, weights.backward.recurrent]
    scales = []
    products = []
    for state, matrix in zip(_split(graph, hidden, 2, axis=0), matrices, strict=True):
        if quantize:
            integers, row_scales = quantize_rows(matrix)
            products.append(_matrix_product(graph, state, graph.constant(integers, scale=1.0)))
            scales.append(row_scales)
        else:
            products.append(_matrix_product(graph, state, graph.constant(matrix)))
    both = graph.result([2, len(weights.forward.bias)])
    graph.operator(_Op.CONCATENATION, products, [both], schema.ConcatenationOptionsT(axis=0))
    return _multiply(graph, both, graph.constant(np.stack(scales))) if quantize else both


def _step(graph: Subgraph, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One time step of both directions: the new hidden and cell states, both ``[2, hidden]``.

    Splitting first and then taking three logistics beat one logistic over three contiguous gates: it copies less.
    """
    input_gate, forget_gate, candidate, output_gate = _split(graph, gates, 4, axis=1)
    kept = _multiply(graph, _unary(graph, _Op.LOGISTIC, forget_gate), cell)
    added = _multiply(graph, _unary(graph, _Op.LOGISTIC, input_gate), _unary(graph, _Op.TANH, candidate))
    cell = _add(graph, kept, added)
    hidden = _multiply(graph, _unary(graph, _Op.LOGISTIC, output_gate), _unary(graph, _Op.TANH, cell))
    return hidden, cell


def _linear(
    graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, quantize: bool, relu: bool = False, name: str = ""
) -> Tensor:
    """``x @ matrix.T + bias``, ``[rows of x, rows of matrix]``."""
    if not quantize:
        return _matrix_product(graph, x, graph.constant(matrix), graph.constant(bias), relu=relu, name=name)
    integers, scales = quantize_rows(matrix)
    # The bias is divided by the scales that multiply the sum: one operator less than adding it afterwards. RELU may
    # come before the scales, as they are positive.
    product = _matrix_product(graph, x, graph.constant(integers, scale=1.0), graph.constant(bias / scales), relu=relu)
    return _multiply(graph, product, graph.constant(scales), name)


def _matrix_product(
    graph: Subgraph, x: Tensor, matrix: Tensor, bias: Tensor | None = None, *, relu: bool = False, name: str = ""
) -> Tensor:
    activation = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    result = graph.result([x.shape[0], matrix.shape[0]], name=name)
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=activation)
    version = _INT8_FULLY_CONNECTED if matrix.dtype == np.int8 else 1
    graph.operator(_Op.FULLY_CONNECTED, [x, matrix, bias], [result], options, version=version)
    return result


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


def _reshape(graph: Subgraph, x: Tensor, shape: Sequence[int]) -> Tensor:
    result = graph.result(shape, x.dtype)
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
