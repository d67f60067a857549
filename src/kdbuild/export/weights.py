"""The trained parameters of a student as plain arrays: what every exporter reads."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LstmWeights:
    """One direction of an LSTM layer, its gates stacked in PyTorch's order: input, forget, cell, output."""

    input: Array
    """Input projection, ``[4 * hidden, embedding]``."""
    recurrent: Array
    """Recurrent projection, ``[4 * hidden, hidden]``."""
    bias: Array
    """The sum of PyTorch's two bias vectors, ``[4 * hidden]``."""


@dataclass(frozen=True)
class StudentWeights:
    """A one-layer bidirectional LSTM over word embeddings with a two-layer classifier.

    ``logits = output @ relu(hidden @ [last forward state, first backward state] + hidden_bias) + output_bias``
    """

    embedding: Array
    """Word vectors, ``[vocabulary, embedding]``."""
    forward: LstmWeights
    """Read from the first token to the last; its state after the last token is used."""
    backward: LstmWeights
    """Read from the last token to the first; its state after the first token is used."""
    hidden: Array
    """``[units, 2 * hidden]``."""
    hidden_bias: Array
    """``[units]``."""
    output: Array
    """``[classes, units]``."""
    output_bias: Array
    """``[classes]``."""
