"""Write a student as an ONNX file for sentences of any length, in fp32 or with int8 weights.

The graph, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding    Reshape, Gather (int8: Cast)
    both directions          LSTM (int8: com.microsoft.DynamicQuantizeLSTM); max pooling: ReduceMax
    classifier               Gemm (int8: com.microsoft.DynamicQuantizeMatMul), Relu, Gemm

LSTM: Hochreiter & Schmidhuber 1997 as in ``torch.nn.LSTM``; no peepholes. The fp32 file has only ONNX's own operators.
Those of ``com.microsoft`` are ONNX Runtime's: int8 weights, activations quantised on the fly, fp32 results.

Three things differ from what ``onnxruntime.quantization.quantize_dynamic`` makes of the fp32 file. Measured on the dev
texts of SST-2 with a 300/300/400 student, against fp32 (ONNX Runtime 1.32, x86-64 with AVX-512 VNNI): the mean difference
of a logit is 0.007 instead of 0.041, the largest 0.06 instead of 0.60, and 0 labels of 872 change instead of 7, in 0.95 of
the time.

* Word vectors have one scale a column, which the input projection multiplies by, and each stored row ends with -128 and
  127. The kernel quantises a sentence's vectors with one scale for all, and with these two in them it finds the scale 1:
  it gets the stored integers back, so that the input projection is exact, the same on every processor. Without them, the
  largest element of a sentence decides how coarsely all its words are rounded.
* No two neighbouring weights of one sign are more than 128 together. x86-64 kernels without VNNI add the products of two
  neighbours with unsigned activations in 16 bits, saturating (``vpmaddubsw``; a known bug, onnxruntime issue 6004), and
  255 * 128 fits in. On AVX2 (emulated Haswell), files without this bound are up to 0.8 off in a logit; with it, answers
  are those of VNNI, bit for bit. The bound costs 0.4 bits of a weight. ``reduce_range``, 7-bit weights, has the same end
  and costs 1 bit; unsigned weights cost none, but 1.7 times the time, with VNNI too.
* A recurrent matrix has one scale where its rows are alike (0.95 of the time of a scale a row), and the last layer, which
  is small, stays in fp32.

Not faster: a Scan of DynamicQuantizeMatMul, gates and states, the same numbers in 2.1 times the time at 20 tokens, as it
calls 22 operators at each; matrices that are packed on each call (``session.disable_prepacking``), 2.5 times; hidden
sizes padded to a multiple of 64, 1.1 times.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdbuild.export.formats.format import Content, Format
from kdbuild.export.model import Array, LstmWeights, StudentModel
from kdbuild.export.quantize import LARGEST, SMALLEST_SCALE, quantize_rows
from kdbuild.runtime.engines.registry import Precision

OPSET = 17
"""Of ONNX 1.12, so that old releases of ONNX Runtime run it too; 1.17.3 and 1.32 were tried, and answer the same. Later
opsets have nothing for these operators."""
IR_VERSION = 8
"""The file format of the same release."""
FORMAT = "kdbuild-1"
"""The metadata's ``format``: which other metadata there are, and what the input and the output mean."""

_MICROSOFT = "com.microsoft"
_ENDS = np.array([-128, 127], np.int8)
"""Of the range that activations are quantised to. The integers of vectors are within, so that these two are the ends."""
_ALIKE = 4
"""The rows of a matrix are alike when the largest is at most so many times the median one, which then loses two bits at the
most by sharing its scale."""


class Onnx(Format):
    """ONNX files, in fp32 or with int8 weights."""

    def write(self, content: Content, precision: Precision) -> bytes:
        """See :func:`write_onnx`."""
        return write_onnx(
            content.student,
            quantize=precision == "int8",
            labels=content.labels,
            vocabulary_sha256=content.vocabulary.sha256,
        )


def write_onnx(
    weights: StudentModel,
    *,
    quantize: bool,
    labels: Sequence[str] | None = None,
    vocabulary_sha256: str | None = None,
) -> bytes:
    """Write a student as an ONNX file.

    The file has one input, ``ids`` (int32 ``[1, tokens]``, at least 1 token), and one output, ``logits`` (float32
    ``[1, classes]``). The constant ``embedding`` has one row for each word of the vocabulary. Nothing is kept between two
    runs. The same arguments always give the same bytes.

    The metadata are ``format``, ``precision`` (``int8`` or ``fp32``), ``vocabulary_size`` and, where they are given,
    ``labels`` (a JSON list) and ``vocabulary_sha256``.

    Args:
        weights: the trained student.
        quantize: store matrices in int8 (a quarter of the size) instead of fp32.
        labels: in the order of the logits.
        vocabulary_sha256: of the vocabulary that the ids are from.

    Raises:
        ValueError: there are more or fewer labels than logits.
    """
    classes = len(weights.head.output)
    if labels is not None and len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} logits")
    graph = _Graph()
    # [tokens, 1]: LSTM reads a batch of sentences, tokens first.
    column = graph.reshape("ids", [-1, 1], "id_column")
    if quantize:
        hidden = _hidden_int8(graph, _recur_int8(graph, column, weights), weights)
    else:
        states = _recur(graph, column, weights)
        hidden = _linear(graph, states, "hidden", weights.head.hidden, weights.head.hidden_bias, "hidden_sums")
    units = graph.node("Relu", [hidden], "units")
    _linear(graph, units, "output", weights.head.output, weights.head.output_bias, "logits")

    opsets = [helper.make_opsetid("", OPSET)]
    if quantize:
        opsets.append(helper.make_opsetid(_MICROSOFT, 1))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "BiLSTM text classifier",
            [helper.make_tensor_value_info("ids", TensorProto.INT32, [1, "tokens"])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes])],
            graph.constants,
        ),
        producer_name="kdbuild",
        ir_version=IR_VERSION,
        opset_imports=opsets,
    )
    metadata = {
        "format": FORMAT,
        "precision": "int8" if quantize else "fp32",
        "vocabulary_size": str(len(weights.encoder.embedding)),
    }
    if labels is not None:
        metadata["labels"] = json.dumps(list(labels), ensure_ascii=False)
    if vocabulary_sha256 is not None:
        metadata["vocabulary_sha256"] = vocabulary_sha256
    helper.set_model_props(model, metadata)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], result: str, *, skipped: int = 0, **attributes: Any) -> str:
        """Add an operator; the name of its result, which is behind some that are ``skipped``."""
        results = [""] * skipped + [result]
        self.nodes.append(helper.make_node(operator, inputs, results, name=result, **attributes))
        return result

    def reshape(self, x: str, shape: Sequence[int], result: str) -> str:
        return self.node("Reshape", [x, self.constant(f"{result}_shape", np.array(shape, np.int64))], result)


def _recur(graph: _Graph, column: str, weights: StudentModel) -> str:
    """The features of both directions, forward ones first, ``[1, 2 * hidden]``."""
    directions = (weights.encoder.layer.forward, weights.encoder.layer.backward)
    inputs = [
        graph.node("Gather", [graph.constant("embedding", weights.encoder.embedding), column], "vectors"),
        graph.constant("input", np.stack([_iofc(direction.input) for direction in directions])),
        graph.constant("recurrent", np.stack([_iofc(direction.recurrent) for direction in directions])),
        graph.constant("bias", _biases(directions)),
    ]
    return _lstm(graph, "LSTM", inputs, weights)


def _recur_int8(graph: _Graph, column: str, weights: StudentModel) -> str:
    """The features of both directions, forward ones first, ``[1, 2 * hidden]``."""
    columns, column_scales = quantize_rows(np.ascontiguousarray(weights.encoder.embedding.T))
    ends = np.broadcast_to(_ENDS, (len(weights.encoder.embedding), len(_ENDS)))
    rows = graph.node(
        "Gather", [graph.constant("embedding", np.concatenate([columns.T, ends], axis=1)), column], "rows"
    )

    directions = (weights.encoder.layer.forward, weights.encoder.layer.backward)
    # The columns' scales go into the input matrix, and it gives the two ends no weight.
    inputs = np.stack([_iofc(direction.input * column_scales) for direction in directions])
    inputs = np.pad(inputs, ((0, 0), (0, 0), (0, len(_ENDS))))
    input_scales = _pair_scales(inputs)
    recurrent = np.stack([_iofc(direction.recurrent) for direction in directions])
    recurrent_scales = _pair_scales(recurrent)
    largest = recurrent_scales.max(axis=1)
    if (largest <= _ALIKE * np.median(recurrent_scales, axis=1)).all():
        recurrent_scales = largest

    # One a row also where there is one scale: ONNX Runtime 1.17 takes the number of the input matrix's for both.
    zero_points = graph.constant("zero_points", np.zeros(input_scales.shape, np.int8))
    operands = [
        graph.node("Cast", [rows], "vectors", to=TensorProto.FLOAT),
        graph.constant("input", _transposed(_round(inputs, input_scales))),
        graph.constant("recurrent", _transposed(_round(recurrent, recurrent_scales))),
        graph.constant("bias", _biases(directions)),
        *[""] * 4,  # the lengths of the batch's sentences, the states before the first token (two), peepholes
        graph.constant("input_scales", input_scales),
        zero_points,
        graph.constant("recurrent_scales", recurrent_scales),
        zero_points,
    ]
    return _lstm(graph, "DynamicQuantizeLSTM", operands, weights, domain=_MICROSOFT)


def _lstm(graph: _Graph, operator: str, operands: Sequence[str], weights: StudentModel, **attributes: Any) -> str:
    size = weights.encoder.layer.forward.recurrent.shape[1]
    attributes |= {"direction": "bidirectional", "hidden_size": size}
    if weights.encoder.pooling == "max":
        # [tokens, 2, 1, hidden] becomes [2, 1, hidden], which the last states are anyway.
        states = graph.node(operator, operands, "states", **attributes)
        features = graph.node("ReduceMax", [states], "largest_states", axes=[0], keepdims=0)
    else:
        features = graph.node(operator, operands, "last_states", skipped=1, **attributes)
    return graph.reshape(features, [1, 2 * size], "features")


def _hidden_int8(graph: _Graph, features: str, weights: StudentModel) -> str:
    """The hidden layer before its RELU, ``[1, units]``."""
    scales = _pair_scales(weights.head.hidden)
    operands = [
        features,
        graph.constant("hidden", _transposed(_round(weights.head.hidden, scales))),
        graph.constant("hidden_scales", scales),
        graph.constant("hidden_zero_points", np.zeros(scales.shape, np.int8)),
        graph.constant("hidden_bias", weights.head.hidden_bias),
    ]
    return graph.node("DynamicQuantizeMatMul", operands, "hidden_sums", domain=_MICROSOFT)


def _linear(graph: _Graph, x: str, name: str, matrix: Array, bias: Array, result: str) -> str:
    """``x @ matrix.T + bias``, ``[1, rows of matrix]``."""
    operands = [x, graph.constant(name, matrix), graph.constant(f"{name}_bias", bias)]
    return graph.node("Gemm", operands, result, transB=1)


def _iofc(matrix: Array) -> Array:
    """Rows of gates in PyTorch's order (input, forget, cell, output) in ONNX's: input, output, forget, cell."""
    input_gate, forget_gate, cell, output_gate = np.split(matrix, 4)
    return np.concatenate([input_gate, output_gate, forget_gate, cell])


def _biases(directions: Sequence[LstmWeights]) -> Array:
    """ONNX's two bias vectors of each direction, all in the first, ``[2, 8 * hidden]``."""
    return np.stack([np.pad(_iofc(direction.bias), (0, len(direction.bias))) for direction in directions])


def _pair_scales(matrices: Array) -> Array:
    """The scales of rows, ``[..., rows]`` for ``[..., rows, columns]``, all positive; a row of zeros gets 1.

    With these, two neighbours of one sign (columns 0 and 1, 2 and 3, …) are at most 127 together, 128 when rounded.
    """
    odd = matrices.shape[-1] % 2
    pairs = np.pad(matrices, [(0, 0)] * (matrices.ndim - 1) + [(0, odd)]).reshape(*matrices.shape[:-1], -1, 2)
    sums = np.maximum(pairs.clip(min=0).sum(axis=-1), -pairs.clip(max=0).sum(axis=-1))
    scales: Array = (sums.max(axis=-1) / LARGEST).astype(np.float32)
    scales[scales < SMALLEST_SCALE] = 1.0
    return scales


def _round(matrices: Array, scales: Array) -> npt.NDArray[np.int8]:
    """The integers of matrices with a scale for each row, or for each matrix."""
    steps = np.rint(matrices / scales.reshape(*scales.shape, *[1] * (matrices.ndim - scales.ndim)))
    integers: npt.NDArray[np.int8] = np.clip(steps, -LARGEST, LARGEST).astype(np.int8)
    return integers


def _transposed(matrices: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """A column an output, as ONNX Runtime reads int8 matrices."""
    return np.swapaxes(matrices, -1, -2)
