"""Students with random weights in the default shape and a small one, as today's exporters write them: they guard no model."""

from pathlib import Path

import numpy as np

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import write_native
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.model import Array, LstmWeights, StudentModel, StudentShape
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary

EMBEDDING, HIDDEN, UNITS, CLASSES = 300, 300, 400, 2
SMALL = 48, 128, 128
VOCABULARY = 100  # instructions don't depend on it


def reference_weights(
    vocabulary: int = VOCABULARY, embedding: int = EMBEDDING, hidden: int = HIDDEN, units: int = UNITS
) -> StudentModel:
    """The same weights each time, in a trained student's range."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return rng.normal(scale=shape[-1] ** -0.5, size=shape).astype(np.float32)

    def direction() -> LstmWeights:
        return LstmWeights(draw(4 * hidden, embedding), draw(4 * hidden, hidden), draw(4 * hidden))

    return StudentModel.one_layer(
        embedding=draw(vocabulary, embedding),
        forward=direction(),
        backward=direction(),
        hidden=draw(units, 2 * hidden),
        hidden_bias=draw(units),
        output=draw(CLASSES, units),
        output_bias=draw(CLASSES),
    )


def native_reference(*sizes: int) -> bytes:
    """The native engine's file of a student with these sizes: embedding, hidden, units."""
    weights = reference_weights(VOCABULARY, *sizes)
    embedding, hidden, units = sizes
    shape = StudentShape(
        vocabulary=VOCABULARY,
        embedding_size=embedding,
        factor_size=0,
        channels=1,
        layers=1,
        hidden_size=hidden,
        pooling=weights.encoder.pooling,
        classifier_size=units,
        classes=CLASSES,
        max_tokens=256,
        pairs=False,
        multi_label=False,
        parameters=0,
    )
    words = Vocabulary([*SPECIAL, *(f"w{number}" for number in range(VOCABULARY - len(SPECIAL)))])
    return write_native(Content(weights, shape, words, ["no", "yes"], temperature=1.0))


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
        "model_int8.kdb": native_reference(EMBEDDING, HIDDEN, UNITS),
        "small_int8.kdb": native_reference(*SMALL),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {f"reference/{name}": folder / name for name in contents}
