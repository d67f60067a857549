"""From a saved student to plain arrays."""

from typing import cast

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.export.model import Array, LstmWeights, Pooling, StudentWeights
from kdbuild.trainer.student.bilstm import Student


def student_weights(student: Student) -> StudentWeights:
    """The parameters of a student.

    Raises:
        BadInputError: a parameter isn't finite.
        ValueError: the student has several layers or reads pairs, which these weights have no place for.
    """
    config = student.config
    if config.layers != 1 or config.pairs:
        raise ValueError(
            f"{config.layers} layers, pairs {config.pairs}: the weights are those of one layer and one text"
        )
    tensors: dict[str, Array] = {name: value.detach().float().numpy() for name, value in student.state_dict().items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise BadInputError(
                f"student: {name} holds values that aren't finite. Train it again with a lower learning rate."
            )

    def direction(suffix: str) -> LstmWeights:
        return LstmWeights(
            input=_input_matrix(tensors, tensors[f"lstm.weight_ih_l0{suffix}"]),
            recurrent=tensors[f"lstm.weight_hh_l0{suffix}"],
            bias=tensors[f"lstm.bias_ih_l0{suffix}"] + tensors[f"lstm.bias_hh_l0{suffix}"],
        )

    return StudentWeights(
        embedding=_table(tensors),
        forward=direction(""),
        backward=direction("_reverse"),
        hidden=tensors["hidden.weight"],
        hidden_bias=tensors["hidden.bias"],
        output=tensors["output.weight"],
        output_bias=tensors["output.bias"],
        pooling=cast(Pooling, config.pooling),
    )


def _table(tensors: dict[str, Array]) -> Array:
    """A word's stored vector, and behind it that of the second channel, ``[vocabulary, sizes of both]``."""
    first = tensors["embedding.weight"]
    return np.concatenate([first, tensors["static.weight"]], axis=1) if "static.weight" in tensors else first


def _input_matrix(tensors: dict[str, Array], matrix: Array) -> Array:
    """The LSTM's input matrix for stored vectors: one product instead of a projection and another."""
    if "projection.weight" not in tensors:
        return matrix
    projection = tensors["projection.weight"].astype(np.float64)
    size = len(projection)  # the second channel's columns, behind these, read vectors that are stored in full
    folded = (matrix[:, :size].astype(np.float64) @ projection).astype(np.float32)
    return np.concatenate([folded, matrix[:, size:]], axis=1)
