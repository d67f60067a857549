"""The operators that the graph of a student is made of, one function each."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from kdbuild.export.formats.tflite.flatbuffer import Subgraph, Tensor
from kdbuild.export.model import Array
from kdbuild.export.quantize import quantize_rows

_Op = schema.BuiltinOperator
# The lowest versions that take int8 weights with a scale a row and int8 rows; both are in tflite-runtime 2.14.
_INT8_CONVOLUTION = 5
_INT8_GATHER = 2


def linear(
    graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, quantize: bool, relu: bool = False, name: str = ""
) -> Tensor:
    """``x @ matrix.T + bias`` of one row, ``[1, rows of matrix]``."""
    if not quantize:
        return matrix_product(graph, x, matrix, bias, relu=relu, name=name)
    place = reshape(graph, x, [1, 1, 1, matrix.shape[1]])
    return reshape(graph, convolve(graph, place, matrix, bias, relu=relu), [1, len(matrix)], name)


def matrix_product(
    graph: Subgraph, x: Tensor, matrix: Array, bias: Array | None = None, *, relu: bool = False, name: str = ""
) -> Tensor:
    """``x @ matrix.T + bias`` in fp32, ``[rows of x, rows of matrix]``."""
    inputs = [x, graph.constant(matrix), None if bias is None else graph.constant(bias)]
    result = graph.result([x.shape[0], len(matrix)], name=name)
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=activation(relu))
    graph.operator(_Op.FULLY_CONNECTED, inputs, [result], options)
    return result


def convolve(graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, relu: bool = False) -> Tensor:
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
        fusedActivationFunction=activation(relu),
    )
    inputs = [x, kernel, graph.constant(bias)]
    graph.operator(_Op.CONV_2D, inputs, [result], options, version=_INT8_CONVOLUTION)
    return result


def activation(relu: bool) -> int:
    """Return what is fused into an operator: a ReLU, or nothing."""
    activation: int = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    return activation


def multiply(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Multiply each element; ``right`` is broadcast to ``left``."""
    return _elementwise(graph, _Op.MUL, left, right, schema.MulOptionsT())


def add(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Add each element; ``right`` is broadcast to ``left``."""
    return _elementwise(graph, _Op.ADD, left, right, schema.AddOptionsT())


def subtract(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Subtract each element; ``right`` is broadcast to ``left``."""
    return _elementwise(graph, _Op.SUB, left, right, schema.SubOptionsT())


def maximum(graph: Subgraph, left: Tensor, right: Tensor) -> Tensor:
    """Take the larger of each two elements."""
    return _elementwise(graph, _Op.MAXIMUM, left, right, schema.MaximumMinimumOptionsT())


def _elementwise(graph: Subgraph, operator: int, left: Tensor, right: Tensor, options: object) -> Tensor:
    result = graph.result(left.shape, left.dtype)
    graph.operator(operator, [left, right], [result], options)
    return result


def unary(graph: Subgraph, operator: int, x: Tensor, options: object = None) -> Tensor:
    """Apply a function of one number to each element."""
    result = graph.result(x.shape)
    graph.operator(operator, [x], [result], options)
    return result


def concatenate(graph: Subgraph, parts: Sequence[Tensor], *, axis: int) -> Tensor:
    """Join tensors that are alike but for this axis, whose sizes are known."""
    size = sum(part.shape[axis] for part in parts)
    shape = [size if place == axis else other for place, other in enumerate(parts[0].shape)]
    result = graph.result(shape, parts[0].dtype)
    graph.operator(_Op.CONCATENATION, parts, [result], schema.ConcatenationOptionsT(axis=axis))
    return result


def first_columns(graph: Subgraph, x: Tensor, columns: int) -> Tensor:
    """The first columns of a matrix, ``[rows, columns]``."""
    result = graph.result([x.shape[0], columns], x.dtype)
    inputs = [x, graph.constant(int32([0, 0])), graph.constant(int32([-1, columns]))]
    graph.operator(_Op.SLICE, inputs, [result], schema.SliceOptionsT())
    return result


def write_rows(graph: Subgraph, x: Tensor, rows: Tensor, place: Tensor) -> Tensor:
    """The matrix with ``rows`` written over its own at ``place``, int32 ``[2]``: the first one's number, and 0."""
    result = graph.result(x.shape, x.dtype)
    graph.operator(_Op.DYNAMIC_UPDATE_SLICE, [x, rows, place], [result], schema.DynamicUpdateSliceOptionsT())
    return result


def reverse_rows(graph: Subgraph, x: Tensor) -> Tensor:
    """The last row first."""
    result = graph.result(x.shape, x.dtype)
    graph.operator(_Op.REVERSE_V2, [x, graph.constant(int32([0]))], [result], schema.ReverseV2OptionsT())
    return result


def gather(graph: Subgraph, table: Tensor, indices: Tensor) -> Tensor:
    """Rows of a table: the shape of the indices, then that of a row."""
    result = graph.result([*indices.shape, *table.shape[1:]], table.dtype)
    version = _INT8_GATHER if table.dtype == np.int8 else 1
    graph.operator(_Op.GATHER, [table, indices], [result], schema.GatherOptionsT(axis=0), version=version)
    return result


def reshape(graph: Subgraph, x: Tensor, shape: Sequence[int], name: str = "") -> Tensor:
    """The same numbers in another shape, of which one size may be -1."""
    result = graph.result(shape, x.dtype, name)
    options = schema.ReshapeOptionsT(newShape=list(shape))
    graph.operator(_Op.RESHAPE, [x, graph.constant(int32(shape))], [result], options)
    return result


def split(graph: Subgraph, x: Tensor, parts: int, *, axis: int) -> list[Tensor]:
    """Cut a tensor into equal parts along an axis."""
    shape = [size // parts if dimension == axis else size for dimension, size in enumerate(x.shape)]
    results = [graph.result(shape, x.dtype) for _ in range(parts)]
    graph.operator(_Op.SPLIT, [graph.constant(int32(axis)), x], results, schema.SplitOptionsT(numSplits=parts))
    return results


def int32(value: int | Sequence[int]) -> npt.NDArray[np.int32]:
    """A number or a vector of the type that operators want indices and shapes in."""
    return np.array(value, np.int32)
