"""Write a student as an ONNX file for texts of any length, in fp32 or with int8 weights.

The graph, for ``ids`` of shape ``[1, tokens]``::

    rows of the embedding    Reshape, Gather (int8: Cast)
    both directions          LSTM (int8: com.microsoft.DynamicQuantizeLSTM); max pooling: ReduceMax
    classifier               Gemm (int8: com.microsoft.DynamicQuantizeMatMul), Relu, Gemm

A student of several layers has an operator for each, whose states the next one reads. A student of pairs reads ``ids`` and
``ids2`` with operators of their own over the same constants, and joins their features by Mul, Sub, Abs and Concat.

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
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdbuild.export.formats.format import MOST_LAYERS, Content, Format
from kdbuild.export.model import Array, Encoder, Layer, LstmWeights, StudentModel
from kdbuild.export.quantize import LARGEST, SMALLEST_SCALE, quantize_rows
from kdbuild.runtime.engines.registry import Precision

OPSET = 17
"""Operator set of ONNX 1.12, so that old releases of ONNX Runtime run it too; 1.17.3 and 1.32 were tried, and answer the
same. Later opsets have nothing for these operators."""
IR_VERSION = 8
"""The file format of the same release."""
FORMAT = "kdbuild-1"
"""The metadata's ``format``: which other metadata there are, and what the input and the output mean."""

_MICROSOFT = "com.microsoft"
_ENDS = np.array([-128, 127], np.int8)
"""Ends of the range that activations are quantised to. The integers of vectors are within, so that these two are the ends."""
_ALIKE = 4
"""The rows of a matrix are alike when the largest is at most so many times the median one, which then loses two bits at the
most by sharing its scale."""


class Onnx(Format):
    """ONNX files, in fp32 or with int8 weights."""

    most_layers = MOST_LAYERS
    reads_pairs = True

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

    The file has one input, ``ids`` (int32 ``[1, tokens]``, at least 1 token), of a student of pairs a second one for the second
    text, ``ids2``, and one output, ``logits`` (float32 ``[1, classes]``). The constant ``embedding`` has one row for each word
    of the vocabulary. Nothing is kept between two runs. The same arguments always give the same bytes.

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
    lengths = {"ids": "tokens", "ids2": "tokens2"} if weights.join == "pair" else {"ids": "tokens"}
    encoder = (_Int8Encoder if quantize else _Encoder)(graph, weights.encoder)
    features = [encoder.encode(ids, ids.removeprefix("ids")) for ids in lengths]
    joined = _join(graph, *features) if weights.join == "pair" else features[0]
    if quantize:
        hidden = _hidden_int8(graph, joined, weights)
    else:
        hidden = _linear(graph, joined, "hidden", weights.head.hidden, weights.head.hidden_bias, "hidden_sums")
    units = graph.node("Relu", [hidden], "units")
    _linear(graph, units, "output", weights.head.output, weights.head.output_bias, "logits")

    opsets = [helper.make_opsetid("", OPSET)]
    if quantize:
        opsets.append(helper.make_opsetid(_MICROSOFT, 1))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "BiLSTM text classifier",
            [helper.make_tensor_value_info(ids, TensorProto.INT32, [1, length]) for ids, length in lengths.items()],
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
        """Add a constant; its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], result: str, *, skipped: int = 0, **attributes: Any) -> str:
        """Add an operator; the name of its result, which is behind some that are ``skipped``."""
        results = [""] * skipped + [result]
        self.nodes.append(helper.make_node(operator, inputs, results, name=result, **attributes))
        return result

    def reshape(self, x: str, shape: Sequence[int], result: str) -> str:
        return self.node("Reshape", [x, self.constant(f"{result}_shape", np.array(shape, np.int64))], result)


class _Encoder:
    """Word vectors and layers in fp32: constants that are added once, and operators that are added for each text."""

    operator: ClassVar[str] = "LSTM"
    domain: ClassVar[str] = ""

    def __init__(self, graph: _Graph, encoder: Encoder) -> None:
        self._graph = graph
        self._pooling = encoder.pooling
        self._size = encoder.layers[0].forward.recurrent.shape[1]
        self._embedding, first = self._words(encoder)
        layers = [first, *encoder.layers[1:]]
        self._layers = [
            self._operands(layer, f"_{number}" if number > 1 else "") for number, layer in enumerate(layers, 1)
        ]

    def encode(self, ids: str, text: str) -> str:
        """The features of both directions, forward ones first, ``[1, 2 * hidden]``.

        Args:
            ids: the name of the input.
            text: what stands behind the names of this text's results.
        """
        # [tokens, 1]: LSTM reads a batch of texts, tokens first.
        inputs = self._vectors(self._graph.reshape(ids, [-1, 1], f"id_column{text}"), text)
        for number, operands in enumerate(self._layers[:-1], 1):
            states = self._lstm([inputs, *operands], f"states_{number}{text}")
            # [tokens, 2, 1, hidden] of a single text: the states of both directions of a token lie side by side.
            inputs = self._graph.reshape(states, [-1, 1, 2 * self._size], f"inputs_{number + 1}{text}")
        operands = [inputs, *self._layers[-1]]
        if self._pooling == "max":
            # [tokens, 2, 1, hidden] becomes [2, 1, hidden], which the last states are anyway.
            states = self._lstm(operands, f"states{text}")
            features = self._graph.node("ReduceMax", [states], f"largest_states{text}", axes=[0], keepdims=0)
        else:
            features = self._lstm(operands, f"last_states{text}", skipped=1)
        return self._graph.reshape(features, [1, 2 * self._size], f"features{text}")

    def _lstm(self, operands: Sequence[str], result: str, skipped: int = 0) -> str:
        attributes = {"direction": "bidirectional", "hidden_size": self._size}
        if self.domain:
            attributes["domain"] = self.domain
        return self._graph.node(self.operator, operands, result, skipped=skipped, **attributes)

    def _words(self, encoder: Encoder) -> tuple[str, Layer]:
        """The constant with a row for each word, and the first layer as it reads such rows."""
        return self._graph.constant("embedding", encoder.embedding), encoder.layers[0]

    def _vectors(self, column: str, text: str) -> str:
        """What the first layer reads, ``[tokens, 1, embedding]``."""
        return self._graph.node("Gather", [self._embedding, column], f"vectors{text}")

    def _operands(self, layer: Layer, suffix: str) -> list[str]:
        """The operator's inputs behind the first."""
        directions = (layer.forward, layer.backward)
        return [
            self._graph.constant(f"input{suffix}", np.stack([_iofc(direction.input) for direction in directions])),
            self._graph.constant(
                f"recurrent{suffix}", np.stack([_iofc(direction.recurrent) for direction in directions])
            ),
            self._graph.constant(f"bias{suffix}", _biases(directions)),
        ]


class _Int8Encoder(_Encoder):
    """The same in int8.

    The kernel quantises what a layer reads with one scale for all tokens. For states, which are between -1 and 1, that will do.
    """

    operator = "DynamicQuantizeLSTM"
    domain = _MICROSOFT

    def _words(self, encoder: Encoder) -> tuple[str, Layer]:
        columns, column_scales = quantize_rows(np.ascontiguousarray(encoder.embedding.T))
        ends = np.broadcast_to(_ENDS, (len(encoder.embedding), len(_ENDS)))

        def scaled(direction: LstmWeights) -> LstmWeights:
            # The columns' scales go into the input matrix, and it gives the two ends no weight.
            return replace(direction, input=np.pad(direction.input * column_scales, ((0, 0), (0, len(_ENDS)))))

        first = encoder.layers[0]
        rows = self._graph.constant("embedding", np.concatenate([columns.T, ends], axis=1))
        return rows, Layer(scaled(first.forward), scaled(first.backward))

    def _vectors(self, column: str, text: str) -> str:
        rows = self._graph.node("Gather", [self._embedding, column], f"rows{text}")
        return self._graph.node("Cast", [rows], f"vectors{text}", to=TensorProto.FLOAT)

    def _operands(self, layer: Layer, suffix: str) -> list[str]:
        graph, directions = self._graph, (layer.forward, layer.backward)
        inputs = np.stack([_iofc(direction.input) for direction in directions])
        input_scales = _pair_scales(inputs)
        recurrent = np.stack([_iofc(direction.recurrent) for direction in directions])
        recurrent_scales = _pair_scales(recurrent)
        largest = recurrent_scales.max(axis=1)
        if (largest <= _ALIKE * np.median(recurrent_scales, axis=1)).all():
            recurrent_scales = largest

        # One a row also where there is one scale: ONNX Runtime 1.17 takes the number of the input matrix's for both.
        zero_points = graph.constant(f"zero_points{suffix}", np.zeros(input_scales.shape, np.int8))
        return [
            graph.constant(f"input{suffix}", _transposed(_round(inputs, input_scales))),
            graph.constant(f"recurrent{suffix}", _transposed(_round(recurrent, recurrent_scales))),
            graph.constant(f"bias{suffix}", _biases(directions)),
            *[""] * 4,  # the lengths of the batch's texts, the states before the first token (two), peepholes
            graph.constant(f"input_scales{suffix}", input_scales),
            zero_points,
            graph.constant(f"recurrent_scales{suffix}", recurrent_scales),
            zero_points,
        ]


def _join(graph: _Graph, first: str, second: str) -> str:
    """``[u, v, u * v, |u - v|]``, as in Tang et al. 2019, section 3.1."""
    product = graph.node("Mul", [first, second], "products")
    distance = graph.node("Abs", [graph.node("Sub", [first, second], "differences")], "distances")
    return graph.node("Concat", [first, second, product, distance], "joined", axis=1)


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
