"""Run ``model_mediapipe.tflite`` on token ids, and read its probabilities as logits, so that it is judged like other files.

Two things keep it from being compared as it is:

* *It gives probabilities.* Of one label a text these leave open a number that is added to all logits alike, so they are read as
  the logits whose mean is 0; of several labels, each is read as the logit that it comes from. The student's logits are turned
  into probabilities and read by the same function: what probabilities can't say is then lacking on both sides.
* *It reads a fixed number of tokens.* Of a longer text it is given the first ones, and so is the student.

What cuts a text into ids is not run here: in the app that is MediaPipe's tokenizer, whose agreement with ours is measured in
``benchmarks/results/mediapipe.md``.
"""

import importlib.metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.metrics import Floats, sigmoid, softmax
from kdbuild.runtime.text.tokenizer import PAD_ID

_LEAST = 1e-30
"""Probabilities below are read as this: the kernels round them to 0 from 1e-38 on."""
_MOST = float(1 / (1 + np.exp(-12.0)))
"""Of several labels, probabilities above are read as this: so near to 1, float32 leaves logits 0.01 apart."""


def is_installed() -> bool:
    """Whether LiteRT is there; it isn't imported."""
    return find_spec("ai_edge_litert") is not None


class MediaPipeEngine:
    """A loaded ``model_mediapipe.tflite``: token ids in, logits out; of one label a text, with a mean of 0.

    Args:
        path: a file written by ``kdbuild export``.
        temperature: the one that it was written with.
        multi_label: whether its scores are those of several labels.

    Raises:
        BadInputError: the file can't be read as a TFLite model.
    """

    name: str = "ai-edge-litert"
    """The distribution that runs the model."""
    version: str
    """The version of that distribution."""
    tokens: int
    """How many ids it reads."""

    def __init__(self, path: Path, *, temperature: float, multi_label: bool) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.version = importlib.metadata.version(self.name)
        self.temperature, self.multi_label = temperature, multi_label
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        except ValueError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise BadInputError(f"{path}: {self.name} can't load it ({reason}). Export the model again.") from error
        self._interpreter.allocate_tensors()
        (ids,), (scores,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input, self._output = ids["index"], scores["index"]
        self.tokens = int(ids["shape"][1])

    def __call__(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The logits, ``[classes]``, of the first of a text's token ids ``[tokens]``."""
        read = ids[: self.tokens]
        padded = np.full((1, self.tokens), PAD_ID, np.int32)
        padded[0, : len(read)] = read
        self._interpreter.set_tensor(self._input, padded)
        self._interpreter.invoke()
        return self._read(self._interpreter.get_tensor(self._output)[0])

    def expected(self, logits: Floats) -> npt.NDArray[np.float32]:
        """What a file without any error would be read as, of the student's logits ``[..., classes]``."""
        probabilities = sigmoid if self.multi_label else softmax
        return self._read(probabilities(logits / self.temperature))

    def _read(self, scores: Floats) -> npt.NDArray[np.float32]:
        """Logits ``[..., classes]``, at temperature 1, from probabilities."""
        scores = np.maximum(scores.astype(np.float64), _LEAST)
        if self.multi_label:
            scores = np.minimum(scores, _MOST)
            logits = np.log(scores) - np.log1p(-scores)
        else:
            logits = np.log(scores)
            logits -= logits.mean(axis=-1, keepdims=True)
        return (self.temperature * logits).astype(np.float32)
