"""A small builder of TFLite files over the official schema's object API, without TensorFlow or a converter.

A ``Model`` holds subgraphs; a ``Subgraph`` hands out ``Tensor`` handles for its inputs, its constants and what its
operators compute; ``Model.pack`` writes the file. Everything is numbered in the order in which it is added, so the same
calls give the same bytes. Format: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
# The schema's `force_align: 16`, so that kernels may load whole vectors from the mapped file.
CONSTANT_ALIGNMENT = 16
# Operators beyond this number have it in a wider field; older readers look into the narrow one.
LARGEST_NARROW_OPERATOR = 127

_TENSOR_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}


@dataclass(frozen=True)
class Tensor:
    """A handle on a tensor of one subgraph."""

    index: int
    """Its position in the subgraph."""
    shape: tuple[int, ...]
    """Its dimensions; -1 where one is known only when the model runs."""
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Buffer:
    """Stands in for the schema's ``BufferT``, whose ``Pack`` ignores the alignment that the schema asks for."""

    data: bytes

    def Pack(self, builder: flatbuffers.Builder) -> int:
        """Write the buffer; the name is the one that the schema's ``ModelT.Pack`` calls."""
        data = None
        if self.data:
            builder.Prep(CONSTANT_ALIGNMENT, len(self.data))
            data = builder.CreateByteVector(self.data)
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        offset: int = schema.BufferEnd(builder)
        return offset


class Model:
    """A TFLite file under construction; its first subgraph is the one that runs."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.subgraphs: list[Subgraph] = []
        # Both in the order of their numbers. Buffer 0 is empty: it belongs to every tensor that is computed.
        self._buffers: dict[bytes, int] = {b"": 0}
        self._operator_codes: dict[tuple[int, int], int] = {}
        self._metadata: dict[str, int] = {}

    def subgraph(self, name: str) -> "Subgraph":
        """Add an empty subgraph."""
        self.subgraphs.append(Subgraph(self, len(self.subgraphs), name))
        return self.subgraphs[-1]

    def buffer(self, data: bytes) -> int:
        """The number of the buffer that holds ``data``; equal data are stored once."""
        return self._buffers.setdefault(data, len(self._buffers))

    def operator_code(self, operator: int, version: int) -> int:
        """The number of the file's entry for an operator at a version."""
        return self._operator_codes.setdefault((operator, version), len(self._operator_codes))

    def add_metadata(self, name: str, data: bytes) -> None:
        """Store something about the model under a name; interpreters don't read it."""
        self._metadata[name] = self.buffer(data)

    def pack(self) -> bytes:
        """The bytes of the file."""
        model = schema.ModelT(
            version=SCHEMA_VERSION,
            operatorCodes=[
                schema.OperatorCodeT(
                    deprecatedBuiltinCode=min(operator, LARGEST_NARROW_OPERATOR), builtinCode=operator, version=version
                )
                for operator, version in self._operator_codes
            ],
            subgraphs=[subgraph.to_schema() for subgraph in self.subgraphs],
            description=self.description,
            buffers=[_Buffer(data) for data in self._buffers],
            metadata=[schema.MetadataT(name=name, buffer=buffer) for name, buffer in self._metadata.items()] or None,
        )
        # Room for the constants and for the graph, lest the builder copy megabytes each time it grows.
        builder = flatbuffers.Builder(sum(map(len, self._buffers)) + 65536)
        builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())


@dataclass
class Subgraph:
    """One graph of a model; made by ``Model.subgraph``."""

    model: Model
    index: int
    """Its position in the model, by which operators refer to it."""
    name: str
    _tensors: list[Any] = field(default_factory=list)
    _operators: list[Any] = field(default_factory=list)
    _inputs: list[int] = field(default_factory=list)
    _outputs: list[int] = field(default_factory=list)

    def input(self, name: str, shape: Sequence[int], dtype: npt.DTypeLike) -> Tensor:
        """Add an input; dimensions of -1 are set by whoever runs the graph."""
        tensor = self.result(shape, dtype, name)
        self._inputs.append(tensor.index)
        return tensor

    def constant(
        self, value: npt.NDArray[Any], name: str = "", *, scale: float | npt.NDArray[np.float32] | None = None
    ) -> Tensor:
        """Add a constant; with a scale, or one for each of its rows, operators read its integers as multiples of it."""
        quantization = None
        if scale is not None:
            scales = np.atleast_1d(scale).tolist()
            # A zero point for each, although all are 0: neither LiteRT nor tflite-runtime 2.14 takes a file without.
            quantization = schema.QuantizationParametersT(scale=scales, zeroPoint=[0] * len(scales))
        data = value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
        return self._tensor(value.shape, value.dtype, name, self.model.buffer(data), quantization)

    def result(self, shape: Sequence[int], dtype: npt.DTypeLike = np.float32, name: str = "") -> Tensor:
        """Add a tensor for an operator to compute."""
        return self._tensor(shape, np.dtype(dtype), name)

    def variable(self, shape: Sequence[int], dtype: npt.DTypeLike = np.float32, name: str = "") -> Tensor:
        """Add a tensor that an operator writes as well as reads; it begins at 0 and keeps its content between runs."""
        tensor = self.result(shape, dtype, name)
        self._tensors[tensor.index].isVariable = True
        return tensor

    def operator(
        self,
        operator: int,
        inputs: Sequence[Tensor | None],
        results: Sequence[Tensor],
        options: Any = None,
        *,
        version: int = 1,
    ) -> None:
        """Add an operator; operators run in the order in which they are added.

        Args:
            operator: one of ``schema.BuiltinOperator``.
            inputs: its inputs, None for an optional one that is left out.
            results: tensors made by ``result``.
            options: the schema's ``…OptionsT`` object, where the operator has one.
            version: the lowest version of the operator that can do what is asked of it; an interpreter refuses versions
                newer than itself.
        """
        options_type = schema.BuiltinOptions.NONE
        if options is not None:
            options_type = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(
            schema.OperatorT(
                opcodeIndex=self.model.operator_code(operator, version),
                inputs=[-1 if tensor is None else tensor.index for tensor in inputs],
                outputs=[tensor.index for tensor in results],
                builtinOptionsType=options_type,
                builtinOptions=options,
            )
        )

    def output(self, *tensors: Tensor) -> None:
        """Declare the outputs of the graph, in order."""
        self._outputs = [tensor.index for tensor in tensors]

    def to_schema(self) -> Any:
        """The schema's object for this graph."""
        return schema.SubGraphT(
            tensors=self._tensors,
            inputs=self._inputs,
            outputs=self._outputs,
            operators=self._operators,
            name=self.name,
        )

    def _tensor(
        self, shape: Sequence[int], dtype: np.dtype[Any], name: str, buffer: int = 0, quantization: Any = None
    ) -> Tensor:
        tensor = Tensor(len(self._tensors), tuple(shape), dtype)
        self._tensors.append(
            schema.TensorT(
                # Until the interpreter knows better, a dynamic dimension has size 1.
                shape=[1 if size == -1 else size for size in shape],
                shapeSignature=list(shape) if -1 in shape else None,
                hasRank=True,
                type=_TENSOR_TYPES[dtype],
                buffer=buffer,
                name=name or f"{self.name}/{tensor.index}",
                quantization=quantization,
            )
        )
        return tensor
