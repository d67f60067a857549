"""Run in an environment with TensorFlow: a student as Keras LSTMs, converted to TFLite in fp32 and dynamic int8.

    python export_keras.py WEIGHTS.npz OUT_FOLDER

Writes ``keras3_*.tflite``, whose LSTMs are WHILE loops, and ``keras2_*.tflite``, whose LSTMs are fused
UNIDIRECTIONAL_SEQUENCE_LSTM operators. Prints versions as JSON.
"""

import importlib
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

os.environ["CUDA_VISIBLE_DEVICES"] = ""
tf: Any = importlib.import_module("tensorflow")  # of that environment: here nobody knows its types


def build(keras: Any, weights: dict[str, Any]) -> Any:
    """The student as the documentation of Keras would have it: token ids int32 ``[1, tokens]`` in, logits out."""
    words, size = weights["embedding"].shape
    hidden = weights["forward_recurrent"].shape[1]
    ids = keras.layers.Input((None,), batch_size=1, dtype="int32", name="ids")
    layers = [
        keras.layers.Embedding(words, size),
        keras.layers.Bidirectional(keras.layers.LSTM(hidden)),
        keras.layers.Dense(len(weights["hidden"]), activation="relu"),
        keras.layers.Dense(len(weights["output"])),
    ]
    x = ids
    for layer in layers:
        x = layer(x)
    model = keras.Model(ids, x)
    lstm = [
        weights[f"{direction}_{name}"].T
        for direction in ("forward", "backward")
        for name in ("input", "recurrent", "bias")
    ]
    model.set_weights(
        [
            weights["embedding"],
            *lstm,
            weights["hidden"].T,
            weights["hidden_bias"],
            weights["output"].T,
            weights["output_bias"],
        ]
    )
    return model


def convert(model: Any, *, quantize: bool) -> bytes:
    """Convert as the documentation of LiteRT has it; ``quantize``: dynamic range, its default optimisation."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return bytes(converter.convert())


def main(weights_file: str, out: str) -> None:
    """Write the files and print the versions."""
    with np.load(weights_file) as stored:
        weights = dict(stored)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in (("keras3", "keras"), ("keras2", "tf_keras")):
        model = build(importlib.import_module(module), weights)
        for precision in ("fp32", "int8"):
            (folder / f"{name}_{precision}.tflite").write_bytes(convert(model, quantize=precision == "int8"))
    print(json.dumps({name: importlib.metadata.version(name) for name in ("tensorflow-cpu", "keras", "tf-keras")}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
