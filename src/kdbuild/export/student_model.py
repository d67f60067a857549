"""From a trained student to what is exported."""

from typing import cast

import numpy as np
import torch

from kdbuild.errors import BadInputError
from kdbuild.export.model import Array, Encoder, Head, Layer, LstmWeights, Pooling, StudentModel, StudentShape
from kdbuild.runtime.text.encoding import WORDS
from kdbuild.trainer.student.bilstm import Student, StudentConfig


def student_shape(student: Student, tokenizer: int = WORDS) -> StudentShape:
    """The shape of a student; no weight is read.

    Args:
        student: the student.
        tokenizer: its vocabulary's version.
    """
    return config_shape(student.config, sum(parameter.numel() for parameter in student.parameters()), tokenizer)


def config_shape(config: StudentConfig, parameters: int, tokenizer: int) -> StudentShape:
    """The shape of a student that needn't have been made yet.

    Args:
        config: the student's.
        parameters: number of its weights.
        tokenizer: its vocabulary's version.
    """
    return StudentShape(
        vocabulary=config.vocab_size,
        embedding_size=config.embedding_size,
        factor_size=config.factor_size,
        channels=config.channels,
        vector_bits=config.vector_bits,
        layers=config.layers,
        hidden_size=config.hidden_size,
        pooling=config.pooling,
        classifier_size=config.classifier_size,
        classes=config.num_labels,
        max_tokens=config.max_tokens,
        pairs=config.pairs,
        multi_label=config.multi_label,
        parameters=parameters,
        tokenizer=tokenizer,
    )


def student_model(student: Student) -> StudentModel:
    """The parameters of a student as plain arrays.

    Raises:
        BadInputError: a parameter isn't finite.
    """
    config = student.config
    tensors: dict[str, Array] = {name: value.detach().float().numpy() for name, value in student.state_dict().items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise BadInputError(
                f"student: {name} holds values that aren't finite. Train it again with a lower learning rate."
            )

    def direction(layer: int, suffix: str) -> LstmWeights:
        place = f"l{layer}{suffix}"
        matrix = tensors[f"lstm.weight_ih_{place}"]
        return LstmWeights(
            input=_input_matrix(tensors, matrix) if layer == 0 else matrix,
            recurrent=tensors[f"lstm.weight_hh_{place}"],
            bias=tensors[f"lstm.bias_ih_{place}"] + tensors[f"lstm.bias_hh_{place}"],
        )

    layers = tuple(Layer(direction(layer, ""), direction(layer, "_reverse")) for layer in range(config.layers))
    return StudentModel(
        encoder=Encoder(_table(student), layers, cast(Pooling, config.pooling), config.vector_bits),
        head=Head(
            hidden=tensors["hidden.weight"],
            hidden_bias=tensors["hidden.bias"],
            output=tensors["output.weight"],
            output_bias=tensors["output.bias"],
        ),
        join="pair" if config.pairs else "single",
    )


@torch.inference_mode()
def _table(student: Student) -> Array:
    """Each token's stored vector, and behind it that of the second channel, ``[vocabulary, sizes of both]``."""
    table: Array = student.stored_vectors(torch.arange(student.config.vocab_size)).float().numpy()
    return table


def _input_matrix(tensors: dict[str, Array], matrix: Array) -> Array:
    """The first layer's input matrix for stored vectors: one product instead of a projection and another."""
    if "projection.weight" not in tensors:
        return matrix
    projection = tensors["projection.weight"].astype(np.float64)
    size = len(projection)  # the second channel's columns, behind these, read vectors that are stored in full
    folded = (matrix[:, :size].astype(np.float64) @ projection).astype(np.float32)
    return np.concatenate([folded, matrix[:, size:]], axis=1)
