"""Students with random weights in the default shape, written by today's exporters: they guard the graphs, not a model."""

from pathlib import Path

import numpy as np

from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.model import Array, LstmWeights, StudentModel

EMBEDDING, HIDDEN, UNITS, CLASSES = 300, 300, 400, 2
VOCABULARY = 100  # instructions don't depend on it


def reference_weights(vocabulary: int = VOCABULARY) -> StudentModel:
    """The same weights each time, in a trained student's range."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return rng.normal(scale=shape[-1] ** -0.5, size=shape).astype(np.float32)

    def direction() -> LstmWeights:
        return LstmWeights(draw(4 * HIDDEN, EMBEDDING), draw(4 * HIDDEN, HIDDEN), draw(4 * HIDDEN))

    return StudentModel.one_layer(
        embedding=draw(vocabulary, EMBEDDING),
        forward=direction(),
        backward=direction(),
        hidden=draw(UNITS, 2 * HIDDEN),
        hidden_bias=draw(UNITS),
        output=draw(CLASSES, UNITS),
        output_bias=draw(CLASSES),
    )


def write_references(folder: Path) -> dict[str, Path]:
    """Write a file of each kind.

    Returns:
        Where each lies, by the name that the results give it.
    """
    weights = reference_weights()
    contents = {
        "model_int8.tflite": write_tflite(weights, quantize=True),
        "model_fp32.tflite": write_tflite(weights, quantize=False),
        "model_int8.onnx": write_onnx(weights, quantize=True),
        "model_fp32.onnx": write_onnx(weights, quantize=False),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {f"reference/{name}": folder / name for name in contents}
