"""BERT and DistilBERT as ONNX files, for ONNX Runtime in fp32 and in dynamic int8.

The graph is written node by node: torch's newer exporter needs onnxscript, which may be absent, and its older one is
deprecated. Written so, in the form that ONNX Runtime's own optimiser looks for, 4 layers of BERT-large's width take as long
in it as those of the older exporter (30.0 against 31.1 ms for 24 pieces in fp32, 10.5 against 9.8 in int8).
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from filelock import FileLock
from onnx import TensorProto, helper, numpy_helper
from transformers import PreTrainedModel

from kdbuild.measure.reference_models.bert import random_model, transformer_config
from kdbuild.measure.reference_models.onnx_model import Precision, cached_file
from kdbuild.measure.reference_models.shapes import Architecture

Array = npt.NDArray[Any]

_OPSET, _IR_VERSION = 17, 8
"""The first with LayerNormalization; read by every ONNX Runtime since 1.12."""


def prepare_onnx(
    *, architecture: Architecture, settings: dict[str, Any], precision: Precision, tokenizer: str, threads: int
) -> None:
    """Write the file of this shape into the user's cache, unless it is there.

    Args:
        architecture: of the shape.
        settings: of the shape.
        precision: ``int8``: weights of all matrix products and of the embeddings, activations as they come.
        tokenizer: isn't needed for it.
        threads: aren't needed for it.
    """
    path = cached_file(architecture, settings, precision)
    scratch = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed: more than a gigabyte for BERT-large
        if path.exists():
            return
        scratch.mkdir()
        fp32 = cached_file(architecture, settings, "fp32")
        if not fp32.exists():
            fp32 = scratch / "fp32.onnx"
            model = random_model(transformer_config(architecture, settings))
            fp32.write_bytes(write_onnx(architecture, model))
        if precision == "int8":
            _quantize(fp32, scratch / "int8.onnx")
        os.replace(scratch / f"{precision}.onnx", path)
        shutil.rmtree(scratch)


def _quantize(source: Path, target: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    with _quiet_root_logger():
        quantize_dynamic(source, target)


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """The quantiser advises preparations that change nothing here: the graph has no shapes to infer or nodes to fold."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def write_onnx(architecture: Architecture, model: PreTrainedModel) -> bytes:
    """A classifier as an ONNX file: ``ids`` int64 ``[1, pieces]`` in, ``logits`` float ``[1, classes]`` out.

    A text stands alone, so there is no padding and no mask: ONNX Runtime is spared what the torch model is given.

    Args:
        architecture: ``bert`` or ``distilbert``.
        model: a sequence classifier of ``transformers``.
    """
    return _Graph(model).file(architecture)


class _Graph:
    """An ONNX graph in the making: each method adds nodes and returns the name of the last one's output."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.weights: dict[str, Array] = {name: value.numpy() for name, value in model.state_dict().items()}
        self.model = model
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def file(self, architecture: Architecture) -> bytes:
        config = self.model.config
        if architecture == "bert":
            x = self.embeddings("bert.embeddings.", token_types=True)
            for layer in range(config.num_hidden_layers):
                at = f"bert.encoder.layer.{layer}."
                inputs = [f"{at}attention.self.{name}" for name in ("query", "key", "value")]
                mixed = self.attention(x, *inputs, heads=config.num_attention_heads)
                x = self.residual(x, mixed, f"{at}attention.output.dense", f"{at}attention.output.LayerNorm")
                x = self.residual(
                    x, self.gelu(x, f"{at}intermediate.dense"), f"{at}output.dense", f"{at}output.LayerNorm"
                )
            pooled = self.add("Tanh", self.dense(self.first(x), "bert.pooler.dense"))
        else:
            x = self.embeddings("distilbert.embeddings.", token_types=False)
            for layer in range(config.n_layers):
                at = f"distilbert.transformer.layer.{layer}."
                mixed = self.attention(x, *(f"{at}attention.{name}_lin" for name in "qkv"), heads=config.n_heads)
                x = self.residual(x, mixed, f"{at}attention.out_lin", f"{at}sa_layer_norm")
                x = self.residual(x, self.gelu(x, f"{at}ffn.lin1"), f"{at}ffn.lin2", f"{at}output_layer_norm")
            pooled = self.add("Relu", self.dense(self.first(x), "pre_classifier"))
        self.nodes.append(helper.make_node("Identity", [self.dense(pooled, "classifier")], ["logits"]))
        graph = helper.make_graph(
            self.nodes,
            architecture,
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "pieces"])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, config.num_labels])],
            list(self.constants.values()),
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        helper.set_model_props(made, {"parameters": str(parameters)})
        return bytes(made.SerializeToString())

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        self.constants[name] = numpy_helper.from_array(np.array(value, order="C"), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def number(self, value: float) -> str:
        return self.constant(f"number {value}", np.array(value, np.float32))

    def dense(self, x: str, name: str) -> str:
        """``x · weightᵀ + bias``; MatMul, not Gemm, as that is what ONNX Runtime quantises fastest."""
        weight = self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T)
        return self.add("Add", self.add("MatMul", x, weight), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def first(self, x: str) -> str:
        """The vector of the first piece, ``[1, hidden]``."""
        return self.add("Gather", x, self.constant("first", np.array(0)), axis=1)

    def embeddings(self, at: str, *, token_types: bool) -> str:
        words = self.add("Gather", self.weight(f"{at}word_embeddings.weight"), "ids")
        if token_types:  # every piece has the first type
            types = self.constant(f"{at}first_type", self.weights[f"{at}token_type_embeddings.weight"][0])
            words = self.add("Add", words, types)
        length = self.add("Shape", "ids", start=1, end=2)
        start, axis = self.constant("start", np.array([0])), self.constant("axis", np.array([0]))
        places = self.add("Slice", self.weight(f"{at}position_embeddings.weight"), start, length, axis)
        return self.norm(self.add("Add", words, places), f"{at}LayerNorm")

    def attention(self, x: str, query: str, key: str, value: str, *, heads: int) -> str:
        hidden = self.weights[f"{query}.bias"].shape[0]
        apart = self.constant("apart", np.array([0, 0, heads, hidden // heads]))
        together = self.constant("together", np.array([0, 0, hidden]))

        def by_head(name: str, order: list[int]) -> str:
            return self.add("Transpose", self.add("Reshape", self.dense(x, name), apart), perm=order)

        scores = self.add("MatMul", by_head(query, [0, 2, 1, 3]), by_head(key, [0, 2, 3, 1]))
        scaled = self.add("Div", scores, self.number(float(np.sqrt(hidden // heads))))
        mixed = self.add("MatMul", self.add("Softmax", scaled, axis=-1), by_head(value, [0, 2, 1, 3]))
        return self.add("Reshape", self.add("Transpose", mixed, perm=[0, 2, 1, 3]), together)

    def residual(self, x: str, change: str, dense: str, norm: str) -> str:
        return self.norm(self.add("Add", self.dense(change, dense), x), norm)

    def gelu(self, x: str, dense: str) -> str:
        """The exact one, in the form that ONNX Runtime fuses."""
        h = self.dense(x, dense)
        erf = self.add("Erf", self.add("Div", h, self.number(float(np.sqrt(2)))))
        return self.add("Mul", self.add("Mul", h, self.add("Add", erf, self.number(1.0))), self.number(0.5))
