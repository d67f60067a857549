"""Inference engines: one module an engine, each imported when a model file is opened with it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

EngineName = Literal["tflite", "onnx", "torchscript"]
SUFFIXES: dict[EngineName, str] = {"tflite": ".tflite", "onnx": ".onnx", "torchscript": ".pt"}
"""How the model files of each engine end; the fastest first."""
_MODULES: dict[EngineName, tuple[str, ...]] = {
    "tflite": ("ai_edge_litert", "tflite_runtime"),
    "onnx": ("onnxruntime",),
    "torchscript": ("torch",),
}


class Engine(Protocol):
    """A loaded model file. It may be called from several threads; its calls are independent of each other."""

    name: str
    """The distribution that runs it."""

    def __call__(self, ids: npt.NDArray[np.int32], /) -> npt.NDArray[np.float32]:
        """Logits ``[classes]`` of a text's token ids ``[tokens]``, at least one."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Rows of the model's embedding."""
        ...


def is_installed(engine: EngineName) -> bool:
    """Whether what runs the engine's files is there; it isn't imported."""
    return any(find_spec(module) is not None for module in _MODULES[engine])


def open_engine(engine: EngineName, path: Path, threads: int = 1) -> Engine:
    """Load a model file.

    Raises:
        BadInputError: the file can't be read.
        MissingExtraError: the engine isn't installed.
    """
    match engine:
        case "tflite":
            from kdbuild.runtime.engines.tflite import TFLiteEngine

            return TFLiteEngine(path, threads)
        case "onnx":
            from kdbuild.runtime.engines.onnx import OnnxEngine

            return OnnxEngine(path, threads)
        case "torchscript":
            from kdbuild.runtime.engines.torchscript import TorchScriptEngine

            return TorchScriptEngine(path, threads)
