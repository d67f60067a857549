"""What is exported: a trained student as plain arrays, independent of torch and of any file format."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.text.encoding import WORDS

Array = npt.NDArray[np.float32]
Pooling = Literal["last", "max"]
Join = Literal["single", "pair"]


@dataclass(frozen=True)
class LstmWeights:
    """One direction of an LSTM layer, its gates stacked in PyTorch's order: input, forget, cell, output."""

    input: Array
    """Input projection, ``[4 * hidden, inputs]``."""
    recurrent: Array
    """Recurrent projection, ``[4 * hidden, hidden]``."""
    bias: Array
    """The sum of PyTorch's two bias vectors, ``[4 * hidden]``."""


@dataclass(frozen=True)
class Layer:
    """A bidirectional LSTM layer; the next one reads the states of both directions, forward first."""

    forward: LstmWeights
    """Read from the first token to the last."""
    backward: LstmWeights
    """Read from the last token to the first."""


@dataclass(frozen=True)
class Encoder:
    """Word vectors and the layers that read them: token ids in, features ``[2 * hidden]`` out.

    How the vectors came about is no concern of a file: a student with a factorised embedding brings the stored vectors, and
    the matrix that projects them inside the first layer's; one with two channels brings both in one row.
    """

    embedding: Array
    """Word vectors, ``[vocabulary, embedding]``."""
    layers: tuple[Layer, ...]
    pooling: Pooling = "last"
    """The features of the last layer: ``last``: each direction's state after all tokens; ``max``: each unit's maximum over
    the tokens."""
    vector_bits: int = 8
    """4: each vector's numbers are at most 15 even steps, which a format may store in 4 bits."""

    @property
    def layer(self) -> Layer:
        """The only layer.

        Raises:
            ValueError: there are several.
        """
        if len(self.layers) != 1:
            raise ValueError(f"{len(self.layers)} layers, where a graph of one was asked for")
        return self.layers[0]


@dataclass(frozen=True)
class Head:
    """The classifier: ``logits = output @ relu(hidden @ features + hidden_bias) + output_bias``."""

    hidden: Array
    """``[units, features]``."""
    hidden_bias: Array
    """``[units]``."""
    output: Array
    """``[classes, units]``."""
    output_bias: Array
    """``[classes]``."""


@dataclass(frozen=True)
class StudentModel:
    """A student: an encoder, how the features of its texts are joined, and a classifier."""

    encoder: Encoder
    head: Head
    join: Join = "single"
    """``single``: the features of one text as they are; ``pair``: ``[u, v, u * v, |u - v|]`` of two texts' features, as in Tang
    et al. 2019, section 3.1."""

    @classmethod
    def one_layer(
        cls,
        embedding: Array,
        forward: LstmWeights,
        backward: LstmWeights,
        hidden: Array,
        hidden_bias: Array,
        output: Array,
        output_bias: Array,
        pooling: Pooling = "last",
    ) -> "StudentModel":
        """A student of one layer that reads one text."""
        encoder = Encoder(embedding, (Layer(forward, backward),), pooling)
        return cls(encoder, Head(hidden, hidden_bias, output, output_bias))


@dataclass(frozen=True)
class StudentShape:
    """What a format asks before it reads any weight, and what the manifest says of the student."""

    vocabulary: int
    embedding_size: int
    factor_size: int
    """Dimensions of the stored vectors; 0: stored in full."""
    channels: int
    layers: int
    hidden_size: int
    pooling: str
    classifier_size: int
    classes: int
    max_tokens: int
    pairs: bool
    multi_label: bool
    parameters: int
    vector_bits: int = 8
    """Bits of each number of the stored vectors, where a format has such: 8 or 4."""
    tokenizer: int = WORDS
    """Version of what makes the ids that it reads."""

    def to_manifest(self) -> dict[str, Any]:
        """The manifest's ``student``; what it says elsewhere is left out."""
        elsewhere = ("classes", "max_tokens", "multi_label", "pairs", "tokenizer")
        shape = {name: value for name, value in asdict(self).items() if name not in elsewhere}
        return {"architecture": "bilstm"} | shape
