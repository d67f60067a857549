"""An engine from outside: it computes a student with numpy alone, straight from the equations."""

import io
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.engines.registry import ENGINES, EngineRow

Array = npt.NDArray[Any]


class ToyEngine:
    name = "numpy"
    version = np.__version__

    def __init__(self, content: bytes):
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                self._arrays = {name: arrays[name].astype(np.float64) for name in arrays.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise BadInputError(f"not a toy ({type(error).__name__}). Export the model again.") from error

    def __call__(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        vectors = self._arrays["embedding"][ids]
        features = np.concatenate([self._read("forward", vectors), self._read("backward", vectors[::-1])])
        units = np.maximum(self._arrays["hidden"] @ features + self._arrays["hidden_bias"], 0)
        return np.asarray(self._arrays["output"] @ units + self._arrays["output_bias"], np.float32)

    def _read(self, direction: str, vectors: Array) -> Array:
        matrix, recurrent, bias = (self._arrays[f"{direction}_{part}"] for part in ("input", "recurrent", "bias"))
        size = recurrent.shape[1]
        hidden = cell = np.zeros(size)
        states = []
        for vector in vectors:
            gates = matrix @ vector + recurrent @ hidden + bias
            opened = 1 / (1 + np.exp(-gates))
            cell = opened[size : 2 * size] * cell + opened[:size] * np.tanh(gates[2 * size : 3 * size])
            hidden = opened[3 * size :] * np.tanh(cell)
            states.append(hidden)
        return np.asarray(np.max(states, axis=0) if self._arrays["pools"] else hidden)

    @property
    def vocabulary_size(self) -> int:
        return len(self._arrays["embedding"])


def open_toy(artefact: Artefact, file: str, threads: int) -> ToyEngine:
    return ToyEngine((artefact.folder / file).read_bytes())


def operators(path: object) -> list[str]:
    return ["LOOP", "PRODUCT", "LOOP"]


ENGINES.register(
    EngineRow(
        name="toy",
        title="Toy",
        files={"model_int8.toy": "int8", "model_fp32.toy": "fp32"},
        modules=("numpy",),
        extra="tflite",
        help="an engine of numpy alone",
        opener="toy_engine:open_toy",
        operators="toy_engine:operators",
    )
)
