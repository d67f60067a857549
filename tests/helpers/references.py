"""What every exported file is compared with: students as plain arrays, and their logits in float64, from the equations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.export.model import Array, Encoder, Layer, LstmWeights, Pooling, StudentModel
from kdbuild.trainer.student.bilstm import Student
from kdbuild.trainer.training.task import MULTI_LABEL

VOCABULARY, EMBEDDING, HIDDEN, UNITS, CLASSES = 50, 24, 20, 12, 3
LENGTHS = [1, 2, 3, 17, 64, 512]

Float64 = npt.NDArray[np.float64]


def random_student(
    vocabulary: int = VOCABULARY,
    embedding: int = EMBEDDING,
    hidden: int = HIDDEN,
    units: int = UNITS,
    classes: int = CLASSES,
    pooling: Pooling = "last",
) -> StudentModel:
    """Weights that keep the gates and the units in the range of a trained student's, rows of unlike sizes."""
    rng = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> Array:
        size = rng.uniform(0.5, 1.5, (rows, 1)) / np.sqrt(columns)
        values: Array = (rng.standard_normal((rows, columns)) * size).astype(np.float32)
        return values

    def bias(size: int) -> Array:
        return rng.normal(scale=0.3, size=size).astype(np.float32)

    def direction() -> LstmWeights:
        return LstmWeights(matrix(4 * hidden, embedding), matrix(4 * hidden, hidden), bias(4 * hidden))

    return StudentModel.one_layer(
        embedding=rng.normal(size=(vocabulary, embedding)).astype(np.float32),
        forward=direction(),
        backward=direction(),
        hidden=matrix(units, 2 * hidden),
        hidden_bias=bias(units),
        output=matrix(classes, units),
        output_bias=bias(classes),
        pooling=pooling,
    )


def sentence(length: int, vocabulary: int = VOCABULARY) -> npt.NDArray[np.int32]:
    return np.random.default_rng(length).integers(0, vocabulary, length, dtype=np.int32)


def sigmoid(x: Float64) -> Float64:
    return 1 / (1 + np.exp(-x))


def states(lstm: LstmWeights, vectors: Float64) -> Float64:
    """The hidden states after each vector, ``[tokens, hidden]``."""
    size = lstm.recurrent.shape[1]
    hidden, cell = np.zeros(size), np.zeros(size)
    all_states = []
    for vector in vectors:
        gates = lstm.input.astype(np.float64) @ vector + lstm.recurrent.astype(np.float64) @ hidden + lstm.bias
        cell = sigmoid(gates[size : 2 * size]) * cell + sigmoid(gates[:size]) * np.tanh(gates[2 * size : 3 * size])
        hidden = sigmoid(gates[3 * size :]) * np.tanh(cell)
        all_states.append(hidden)
    return np.array(all_states)


def features(lstm: LstmWeights, vectors: Float64, pooling: str) -> Float64:
    """A direction's features, ``[hidden]``, of vectors in the order in which it reads them."""
    after = states(lstm, vectors)
    return np.asarray(after.max(axis=0) if pooling == "max" else after[-1])


def read_layers(layers: Sequence[Layer], vectors: Float64, pooling: str) -> Float64:
    """What the classifier reads of a text's word vectors, ``[2 * hidden]``."""
    for layer in layers[:-1]:
        backward = states(layer.backward, vectors[::-1])[::-1]
        vectors = np.concatenate([states(layer.forward, vectors), backward], axis=1)
    both = [(layers[-1].forward, vectors), (layers[-1].backward, vectors[::-1])]
    return np.concatenate([features(lstm, order, pooling) for lstm, order in both])


def encoded(encoder: Encoder, ids: npt.NDArray[np.int32]) -> Float64:
    """What the classifier reads of a text, ``[2 * hidden]``."""
    return read_layers(encoder.layers, encoder.embedding.astype(np.float64)[ids], encoder.pooling)


def reference(
    student: StudentModel, ids: npt.NDArray[np.int32], second: npt.NDArray[np.int32] | None = None
) -> Float64:
    """The student's logits in float64; of a pair, with the second text's ids."""
    read = encoded(student.encoder, ids)
    if student.join == "pair":
        assert second is not None
        other = encoded(student.encoder, second)
        read = np.concatenate([read, other, read * other, np.abs(read - other)])
    head = student.head
    units = np.maximum(head.hidden.astype(np.float64) @ read + head.hidden_bias, 0)
    logits: Float64 = head.output.astype(np.float64) @ units + head.output_bias
    return logits


def changed(student: StudentModel, **parts: Any) -> StudentModel:
    """A student of one layer with some of its parts replaced, named as :meth:`StudentModel.one_layer` names them."""
    encoder, head = student.encoder, student.head
    now: dict[str, Any] = {
        "embedding": encoder.embedding,
        "forward": encoder.layer.forward,
        "backward": encoder.layer.backward,
        "hidden": head.hidden,
        "hidden_bias": head.hidden_bias,
        "output": head.output,
        "output_bias": head.output_bias,
        "pooling": encoder.pooling,
    }
    return StudentModel.one_layer(**now | parts)


def sunken_student() -> StudentModel:
    """One whose states are all near -1, where a maximum that began at 0 would be seen; its logits are tanh(1) each.

    The cell is tanh(-9) = -1 after each token, and the state tanh(-1).
    """
    lstm = LstmWeights(
        np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32), np.array([50, -50, -9, 50], np.float32)
    )
    return StudentModel.one_layer(
        embedding=np.ones((3, 1), np.float32),
        forward=lstm,
        backward=lstm,
        hidden=np.array([[-1, 0], [0, -1]], np.float32),
        hidden_bias=np.zeros(2, np.float32),
        output=np.eye(2, dtype=np.float32),
        output_bias=np.zeros(2, np.float32),
        pooling="max",
    )


def counting_student() -> StudentModel:
    """A student that counts: each direction's cell grows by the token's vector, and gates are wide open.

    With one hidden unit and token vectors of 1, 2 and 0, ``cell = sum of tanh(vector)`` and ``logits = tanh(cell)`` of
    the forward direction and its negative.
    """
    wide_open = 50.0
    lstm = LstmWeights(
        input=np.array([[0], [0], [1], [0]], np.float32),
        recurrent=np.zeros((4, 1), np.float32),
        bias=np.array([wide_open, wide_open, 0, wide_open], np.float32),
    )
    return StudentModel.one_layer(
        embedding=np.array([[1], [2], [0]], np.float32),
        forward=lstm,
        backward=lstm,
        hidden=np.array([[1, 0]], np.float32),
        hidden_bias=np.zeros(1, np.float32),
        output=np.array([[1], [-1]], np.float32),
        output_bias=np.zeros(2, np.float32),
    )


# What a student may be, beside the default; the last has everything at once.
VARIANTS: dict[str, dict[str, Any]] = {
    "factor": {"factor_size": 6},
    "channels": {"channels": 2},
    "max": {"pooling": "max"},
    "multi": {"problem_type": MULTI_LABEL, "thresholds": [0.4, 0.5, 0.6]},
    "factor of two channels, max": {"factor_size": 5, "channels": 2, "pooling": "max"},
}


def variant_reference(student: Student, ids: npt.NDArray[np.int32]) -> Float64:
    """A torch student's logits in float64, from the equations and the parameters as they are saved."""
    tensors = {name: value.double().numpy() for name, value in student.state_dict().items()}
    vectors = tensors["embedding.weight"][ids]
    if student.config.factor_size:
        vectors = vectors @ tensors["projection.weight"].T
    if student.config.channels == 2:
        vectors = np.concatenate([vectors, tensors["static.weight"][ids]], axis=1)
    read = []
    for suffix, order in (("", vectors), ("_reverse", vectors[::-1])):
        bias = tensors[f"lstm.bias_ih_l0{suffix}"] + tensors[f"lstm.bias_hh_l0{suffix}"]
        lstm = LstmWeights(tensors[f"lstm.weight_ih_l0{suffix}"], tensors[f"lstm.weight_hh_l0{suffix}"], bias)
        read.append(features(lstm, order, student.config.pooling))
    units = np.maximum(tensors["hidden.weight"] @ np.concatenate(read) + tensors["hidden.bias"], 0)
    return np.asarray(tensors["output.weight"] @ units + tensors["output.bias"])
