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
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.arrays import Floats, sigmoid, softmax
from kdbuild.runtime.engines.forks import read_model, renew_after_fork
from kdbuild.runtime.text.vocabulary import PAD_ID

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import TokenIds

_LEAST = 1e-30
"""Probabilities below are read as this: the kernels round them to 0 from 1e-38 on."""
_MOST = float(1 / (1 + np.exp(-12.0)))
"""Where a text may have several labels, higher probabilities are read as this: float32 leaves logits 0.01 apart there."""


class MediaPipeEngine:
    """A loaded ``model_mediapipe.tflite``: token ids in, logits out; of one label a text, with a mean of 0.

    Args:
        path: a file written by ``kdbuild export``.
        temperature: the one that it was written with.
        multi_label: whether its scores are those of several labels.
        threads: how many threads one call may use.

    Raises:
        BadInputError: the file can't be read as a TFLite model.
    """

    name: str = "ai-edge-litert"
    """The distribution that runs the model."""
    version: str
    """The version of that distribution."""
    tokens: int
    """How many ids it reads."""

    def __init__(self, path: Path, *, temperature: float, multi_label: bool, threads: int = 1) -> None:
        self.version = importlib.metadata.version(self.name)
        self.temperature, self.multi_label = temperature, multi_label
        self._path, self._threads = path, threads
        self._content = read_model(path)
        self._interpreter: Any = self._open()
        self._lock = Lock()  # calls share the interpreter's tensors
        (ids,), (scores,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input, self._output = ids["index"], scores["index"]
        self.tokens = int(ids["shape"][1])
        renew_after_fork(self)

    def _open(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(model_content=self._content, num_threads=self._threads)
        except ValueError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise BadInputError(
                f"{self._path}: {self.name} can't load it ({reason}). Export the model again."
            ) from error
        interpreter.allocate_tensors()
        return interpreter

    def renew(self) -> object:
        """Let the next call open the model again; see :mod:`kdbuild.runtime.engines.forks`."""
        left, self._interpreter, self._lock = self._interpreter, None, Lock()
        return left

    def __call__(self, ids: "TokenIds") -> npt.NDArray[np.float32]:
        """The logits, ``[classes]``, of the first of a text's token ids ``[tokens]``."""
        read = np.asarray(ids, np.int32)[: self.tokens]
        padded = np.full((1, self.tokens), PAD_ID, np.int32)
        padded[0, : len(read)] = read
        with self._lock:
            self._interpreter = self._interpreter or self._open()
            self._interpreter.set_tensor(self._input, padded)
            self._interpreter.invoke()
            return self._read(self._interpreter.get_tensor(self._output)[0])

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens that the model's embedding has rows for.

        Raises:
            BadInputError: the file has no constant named ``embedding``.
        """
        with self._lock:
            self._interpreter = self._interpreter or self._open()
        for tensor in self._interpreter.get_tensor_details():
            if tensor["name"] == "embedding":
                return int(tensor["shape"][0])
        raise BadInputError("The model has no tensor named 'embedding': it was not written by `kdbuild export`.")

    def _read(self, scores: Floats) -> npt.NDArray[np.float32]:
        return read_scores(scores, temperature=self.temperature, multi_label=self.multi_label)


def open_mediapipe(artefact: "Artefact", file: str, threads: int) -> MediaPipeEngine:
    """Load MediaPipe's file of an artefact; see :func:`~kdbuild.runtime.engines.open.open_engine`."""
    manifest = artefact.manifest
    return MediaPipeEngine(
        artefact.folder / file, temperature=manifest.temperature, multi_label=manifest.task == "multi", threads=threads
    )


def expected_answer(logits: Floats, *, temperature: float, multi_label: bool) -> npt.NDArray[np.float32]:
    """What a file without any error would be read as.

    Args:
        logits: of the student, ``[..., classes]``.
        temperature: the one that the file is written with.
        multi_label: whether its scores are those of several labels.
    """
    probabilities = sigmoid if multi_label else softmax
    return read_scores(probabilities(logits / temperature), temperature=temperature, multi_label=multi_label)


def read_scores(scores: Floats, *, temperature: float, multi_label: bool) -> npt.NDArray[np.float32]:
    """Logits ``[..., classes]``, at temperature 1, from probabilities at another."""
    scores = np.maximum(scores.astype(np.float64), _LEAST)
    if multi_label:
        scores = np.minimum(scores, _MOST)
        logits = np.log(scores) - np.log1p(-scores)
    else:
        logits = np.log(scores)
        logits -= logits.mean(axis=-1, keepdims=True)
    return (temperature * logits).astype(np.float32)
