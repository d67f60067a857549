"""The trained parameters of a student as plain arrays: what every exporter reads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Pooling = Literal["last", "max"]


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

    ``logits = output @ relu(hidden @ [forward features, backward features] + hidden_bias) + output_bias``

    How the vectors came about is no concern of a file: a student with a factorised embedding brings the stored vectors, and
    the matrix that projects them inside the LSTM's; one with two channels brings both in one row.
    """

    embedding: Array
    """Word vectors, ``[vocabulary, embedding]``."""
    forward: LstmWeights
    """Read from the first token to the last."""
    backward: LstmWeights
    """Read from the last token to the first."""
    hidden: Array
    """``[units, 2 * hidden]``."""
    hidden_bias: Array
    """``[units]``."""
    output: Array
    """``[classes, units]``."""
    output_bias: Array
    """``[classes]``."""
    pooling: Pooling = "last"
    """What a direction's features are: ``last``: its state after all tokens; ``max``: each unit's maximum over the tokens."""
