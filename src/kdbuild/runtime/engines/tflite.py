"""Run a TFLite file with LiteRT, or with tflite-runtime where LiteRT is not installed."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime.engines.forks import read_model, renew_after_fork
from kdbuild.runtime.engines.texts import check_texts

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import TokenIds


class TFLiteEngine:
    """A loaded model file: token ids in, logits out.

    Calls are independent of each other; those of several threads wait for one another, as they share one interpreter.

    Args:
        path: a file written by ``kdbuild export``.
        threads: how many threads one call may use; more than one rarely pays for matrices this small.

    Raises:
        MissingExtraError: neither interpreter is installed.
        BadInputError: the file can't be read as a TFLite model.
    """

    name: str
    """The distribution that runs the model."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._class, self.name = _find_interpreter()
        self._path, self._threads = path, threads
        # A mapped file that is truncated or written anew would take the process down, or change its answers. Reading 6 MB
        # takes 0.8 ms more.
        self._content = read_model(path)
        self._interpreter: Any = self._open()
        self._inputs: list[int] = [tensor["index"] for tensor in self._interpreter.get_input_details()]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self._lengths: list[int] = []
        self._lock = Lock()
        renew_after_fork(self)

    def _open(self) -> Any:
        try:
            return self._class(model_content=self._content, num_threads=self._threads)
        except ValueError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise BadInputError(
                f"{self._path}: {self.name} can't load it ({reason}). Export the model again."
            ) from error

    def renew(self) -> object:
        """Let the next call open the model again; see :mod:`kdbuild.runtime.engines.forks`."""
        left, self._interpreter = self._interpreter, None
        self._lengths, self._lock = [], Lock()
        return left

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> npt.NDArray[np.float32]:
        """Compute the logits, ``[classes]``, of one text's token ids, ``[tokens]`` with at least one token.

        The ids are those of the tokenizer and below ``vocabulary_size``; for speed, this is not checked here.

        Args:
            ids: of the text.
            second: of the second text, where the model reads pairs.

        Raises:
            ValueError: a second text is missing, or the model reads one.
        """
        texts = [ids] if second is None else [ids, second]
        check_texts(len(texts), len(self._inputs))
        lengths = [len(text) for text in texts]
        with self._lock:
            if lengths != self._lengths:
                if self._interpreter is None:  # after a fork, when no length is known either
                    self._interpreter = self._open()
                self._lengths = []  # should the next lines fail, the next call starts from a resize again
                for place, length in zip(self._inputs, lengths, strict=True):
                    self._interpreter.resize_tensor_input(place, [1, length])
                self._interpreter.allocate_tensors()
                self._lengths = lengths
            for place, text in zip(self._inputs, texts, strict=True):
                self._interpreter.set_tensor(place, np.asarray(text, np.int32)[np.newaxis])
            self._interpreter.invoke()
            logits: npt.NDArray[np.float32] = self._interpreter.get_tensor(self._output)[0]
            return logits

    @property
    def version(self) -> str:
        """The version of that distribution."""
        import importlib.metadata  # 15 ms with what it imports, and an answer doesn't need it

        return importlib.metadata.version(self.name)

    @property
    def vocabulary_size(self) -> int:
        """How many words the model's embedding has, which must be the length of the vocabulary beside it.

        Raises:
            BadInputError: the file has no constant named ``embedding``.
        """
        with self._lock:
            if self._interpreter is None:
                self._interpreter = self._open()
        for tensor in self._interpreter.get_tensor_details():
            if tensor["name"] == "embedding":
                return int(tensor["shape"][0])
        raise BadInputError("The model has no tensor named 'embedding': it was not written by `kdbuild export`.")


def open_tflite(artefact: "Artefact", file: str, threads: int) -> TFLiteEngine:
    """Load a TFLite file of an artefact; see :func:`~kdbuild.runtime.engines.open.open_engine`."""
    return TFLiteEngine(artefact.folder / file, threads)


def _find_interpreter() -> tuple[Any, str]:
    """The Interpreter class and the name of the distribution that it comes from."""
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, "ai-edge-litert"
    except ImportError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, "tflite-runtime"
    except ImportError as error:
        from kdbuild.requirements import advice  # an answer doesn't need it

        raise MissingExtraError(
            "Neither ai_edge_litert nor tflite_runtime can be imported: a .tflite file needs one of them to run. "
            + advice("tflite", "ai_edge_litert")
        ) from error


def operators(path: Path) -> list[str]:
    """The operators of a TFLite file's main graph, in order, as the interpreter runs them without a delegate."""
    interpreter, _ = _find_interpreter()
    # Both interpreters have it, though neither documents it.
    details = interpreter(model_path=str(path), num_threads=1)._get_ops_details()
    return [str(operator["op_name"]) for operator in details]


# A single GATHER: its input ids, int32 [1, tokens], picks rows of [[1, 2], [3, 4], [5, 6]]. A test builds the same.
_PROBE = (
    "eNp1UTtuwkAUHAwKRiBkCSuhoKDgBmnSQUVFkYKCkiS2ggtAgihKSZmaE3AUCg7DLZyZ/cUUrD2767dv5r1ZxwDm09nzsSzLlPtXYkFca0Cda0S8"
    "EB1oPCBGgzM4A30TO4w5TfgSB+JEnCc6+aWmcrPtx9d2B1ASqeF0yU2RUFV6XRcfEEvlEytXY/1WbMSocrWK265wOZ4St2+Yx3Iih5rNCTH/LY8X"
    "4sfVBx5NZwiewR6bjFp6x/keOq50aLOUZpP4zuV1H858vX9defbjVtd7bBH5+j3PsmLz6fj1io7urnenvyT8F0T9ilf1KI0i24eYh+1K9wlze9Id"
    "WY3RH4uOKV8="
)


def probe() -> str:
    """Look two rows up in a tiny model; the name and version of what ran it.

    Raises:
        ArithmeticError: the answer is wrong.
    """
    import base64
    import tempfile
    import zlib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(zlib.decompress(base64.b64decode(_PROBE)))
        engine = TFLiteEngine(path)
        answer = engine(np.array([0, 2], np.int32)).tolist()
    if answer != [[1, 2], [5, 6]]:
        raise ArithmeticError(f"{engine.name} answers {answer} instead of [[1, 2], [5, 6]]")
    return f"{engine.name} {engine.version}"
