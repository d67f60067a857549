"""Run an ONNX file with ONNX Runtime, on the processor."""

import re
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError, require
from kdbuild.runtime.engines.forks import read_model, renew_after_fork
from kdbuild.runtime.engines.texts import check_texts

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import TokenIds


class OnnxEngine:
    """A loaded model file: token ids in, logits out.

    Calls are independent of each other; those of several threads run side by side: a session keeps no state, and its
    ``run`` may be called concurrently (https://github.com/microsoft/onnxruntime/issues/114).

    Args:
        path: a file written by ``kdbuild export``.
        threads: how many threads one call may use; more than one rarely pays for matrices this small.

    Raises:
        MissingExtraError: ONNX Runtime isn't installed.
        BadInputError: the file can't be read as an ONNX model, or its input or output isn't a text classifier's.
    """

    name: str = "onnxruntime"
    """The distribution that runs the model."""
    version: str
    """The version of that distribution."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        require("onnxruntime", "onnx")
        import onnxruntime

        self.version = onnxruntime.__version__
        self._path, self._threads = path, threads
        self._content = read_model(path)
        self._session: Any = self._open()
        self._lock = Lock()
        inputs = {value.name: (value.type, len(value.shape)) for value in self._session.get_inputs()}
        outputs = {value.name: (value.type, len(value.shape)) for value in self._session.get_outputs()}
        self._inputs = list(inputs)
        if (
            self._inputs not in (["ids"], ["ids", "ids2"])
            or set(inputs.values()) != {("tensor(int32)", 2)}
            or outputs != {"logits": ("tensor(float)", 2)}
        ):
            raise BadInputError(
                f"{path}: reads {_describe(inputs)} and answers {_describe(outputs)}, instead of ids int32 and logits "
                "float of two dimensions. Export the model again."
            )
        renew_after_fork(self)

    def _open(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # fatal: an error is raised, and needn't be printed too
        try:
            # Other providers may be installed; the answers that were proven are this one's.
            return onnxruntime.InferenceSession(self._content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no base class of their own
            # "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Failed to load model because protobuf parsing failed."
            reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error).partition("\n")[0]).rstrip(".")
            reason = reason.rpartition("failed:")[2].rpartition("because ")[2]
            raise BadInputError(
                f"{self._path}: onnxruntime can't load it ({reason}). Export the model again."
            ) from error

    def renew(self) -> object:
        """Let the next call open the model again; see :mod:`kdbuild.runtime.engines.forks`."""
        left, self._session, self._lock = self._session, None, Lock()
        return left

    def _opened(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> npt.NDArray[np.float32]:
        """Compute the logits, ``[classes]``, of one text's token ids, ``[tokens]`` with at least one token.

        The ids are those of the tokenizer and below ``vocabulary_size``; ONNX Runtime raises an error of its own otherwise.

        Args:
            ids: of the text.
            second: of the second text, where the model reads pairs.

        Raises:
            ValueError: a second text is missing, or the model reads one.
        """
        feeds = {"ids": np.asarray(ids, np.int32)[np.newaxis]}
        if second is not None:
            feeds["ids2"] = np.asarray(second, np.int32)[np.newaxis]
        check_texts(len(feeds), len(self._inputs))
        # `run` takes 5 us of its own. Bound inputs and outputs (`run_with_iobinding`) saved 1 us; not worth their state.
        logits: npt.NDArray[np.float32] = (self._session or self._opened()).run(["logits"], feeds)[0][0]
        return logits

    @property
    def vocabulary_size(self) -> int:
        """How many words the model's embedding has, which must be the length of the vocabulary beside it.

        Raises:
            BadInputError: the file's metadata don't say.
        """
        value = self._opened().get_modelmeta().custom_metadata_map.get("vocabulary_size", "")
        if not re.fullmatch("[0-9]{1,9}", value):
            raise BadInputError(
                f"The model's metadata give {value!r} as 'vocabulary_size': it was not written by `kdbuild export`."
            )
        return int(value)


def open_onnx(artefact: "Artefact", file: str, threads: int) -> OnnxEngine:
    """Load an ONNX file of an artefact; see :func:`~kdbuild.runtime.engines.open.open_engine`."""
    return OnnxEngine(artefact.folder / file, threads)


def _describe(values: dict[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name} {kind} of {rank} dimensions" for name, (kind, rank) in values.items()) or "nothing"


# A single Gather: ids, int32 [1, tokens], picks from [1.5, 2.5, 4]. A test builds the same.
_PROBE = (
    "eNrj4LCq45LhYi1JTMpJ5WLOTCkWYsvJT88sKVZic08syUgtAvHzs0sLtCQ5mAUYnSAqvXgYGA7YMzAoODAwNDhESUN0inAJcbAJ8XExcTBycQixleRn"
    "p+YVJ8lxQU0EyzOiyzuxcDEICAIAiRgdKw=="
)


def probe() -> str:
    """Look two numbers up with a tiny model; the name and version of what ran it.

    Raises:
        ArithmeticError: the answer is wrong.
    """
    import base64
    import tempfile
    import zlib

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(zlib.decompress(base64.b64decode(_PROBE)))
        engine = OnnxEngine(path)
        answer = engine(np.array([0, 2], np.int32)).tolist()
    if answer != [1.5, 4.0]:
        raise ArithmeticError(f"{engine.name} answers {answer} instead of [1.5, 4]")
    return f"{engine.name} {engine.version}"
