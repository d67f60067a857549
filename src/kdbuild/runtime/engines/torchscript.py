"""Run a TorchScript file with torch.

The only place of the runtime that imports torch, and only when a file is opened with this engine. A TorchScript file
carries a program, not just weights: open one only if it comes from where you trust, and after its SHA-256 was checked
against the manifest, as ``Classifier.load(folder, engine="torchscript")`` does. Nothing else ever opens such a file.

torch deprecates TorchScript (since 2.10) and its quantised tensors (since 2.13), and will remove both one day: the
warnings about it that these files cause are silenced here, as it is the export's documentation that tells what to do.
"""

import importlib.metadata
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.runtime.engines.forks import Calls, read_model, renew_after_fork
from kdbuild.runtime.engines.texts import check_texts

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.registry import TokenIds

_WARNINGS = (
    # Each function of TorchScript that is used here and in the export. What they say on Python 3.14, that TorchScript
    # may break there, is let through.
    r"`torch\.jit\.(script|freeze|save|load)` is deprecated",
    # The type of the int8 file's weights.
    r"torch\.quantize_per_tensor, torch\.quantize_per_channel and other quantized tensor creation functions",
)
# Kernels of int8 products, the fastest first; the first needs x86, ARM has the second. Times on x86 at 300/300/400 and
# 37 tokens: fbgemm 1, onednn 1.5, qnnpack 3.5.
_KERNELS = ("fbgemm", "qnnpack")
_kernels_lock = Lock()
_calls = Calls()


class TorchScriptEngine:
    """A loaded model file: token ids in, logits out.

    Calls are independent of each other and may run side by side. In a process that was forked, torch uses one thread: those
    of the parent aren't there, and it would wait for them for ever. Weights in int8 are packed for the fastest kernel that
    this build of torch has, whichever ``torch.backends.quantized.engine`` names.

    Args:
        path: a file written by ``kdbuild export``, whose SHA-256 the caller has checked: it carries code.
        threads: how many threads one call may use. torch has one such number for the whole process, so this sets it
            for all that uses torch here, other engines of this class included: the last one opened counts.

    Raises:
        MissingExtraError: torch isn't installed.
        BadInputError: the file can't be read as a TorchScript model, or this torch can't run it.
    """

    name: str = "torch"
    """The distribution that runs the model."""
    version: str
    """The version of that distribution."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            import torch
        except ImportError as error:
            from kdbuild.requirements import advice  # an answer doesn't need it

            raise MissingExtraError(
                f"torch can't be imported ({error}): a .pt file needs it to run. {advice('torchscript', 'torch')}"
            ) from error
        self.version = importlib.metadata.version(self.name)
        torch.set_num_threads(threads)
        self._torch: Any = torch
        try:
            with expected_warnings():
                _warn_of_quantised_tensors()
                with fastest_kernels(), _calls.one():
                    self._module = torch.jit.load(io.BytesIO(read_model(path)), map_location="cpu")
                self._forward = self._module.forward
                self._texts = len(list(self._module.graph.inputs())) - 1  # the first is the module
                if self._texts not in (1, 2):
                    raise ValueError(f"it reads {self._texts} inputs instead of one text or two")
                # The first call records types and the second optimises with them: 10 ms together, and the steady time
                # from then on. No later length starts this again.
                for _ in range(2):
                    self(*[np.zeros(1, np.int32)] * self._texts)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0].partition(". ")[0].rstrip(".") if lines else type(error).__name__
            raise BadInputError(
                f"{path}: torch {self.version} can't load it ({reason}). Export the model again."
            ) from error
        renew_after_fork(self)

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> npt.NDArray[np.float32]:
        """Compute the logits, ``[classes]``, of one text's token ids, ``[tokens]`` with at least one token.

        Args:
            ids: of the text.
            second: of the second text, where the model reads pairs.

        Raises:
            ValueError: a second text is missing, or the model reads one.
        """
        texts = [ids] if second is None else [ids, second]
        check_texts(len(texts), self._texts)
        batches = [self._torch.tensor(np.asarray(text, np.int32)[np.newaxis]) for text in texts]
        with _calls.one(), self._torch.inference_mode():
            logits: npt.NDArray[np.float32] = self._forward(*batches)[0].numpy()
            return logits

    def renew(self) -> None:
        """Let torch do without threads from now on; see :mod:`kdbuild.runtime.engines.forks`."""
        self._torch.set_num_threads(1)

    @property
    def vocabulary_size(self) -> int:
        """How many words the model's embedding has, which must be the length of the vocabulary beside it.

        Raises:
            BadInputError: the file has no tensor named ``embedding``.
        """
        embedding = getattr(self._module, "embedding", None)
        if not isinstance(embedding, self._torch.Tensor):
            raise BadInputError("The model has no tensor named 'embedding': it was not written by `kdbuild export`.")
        return int(embedding.shape[0])


def open_torchscript(artefact: "Artefact", file: str, threads: int) -> TorchScriptEngine:
    """Load a TorchScript file of an artefact; see :func:`~kdbuild.runtime.engines.open.open_engine`."""
    return TorchScriptEngine(artefact.folder / file, threads)


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Silence what torch says about TorchScript and quantised tensors as such, and nothing else."""
    with warnings.catch_warnings():
        for message in _WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


@contextmanager
def fastest_kernels() -> Iterator[None]:
    """Pack int8 matrices, where they are made or loaded, for the fastest kernel of this build of torch.

    The default won't do: on ARM and on macOS some releases choose one that they don't have. A packed matrix stays with
    its kernel, so the process-wide choice is put back.
    """
    import torch

    quantized: Any = torch.backends.quantized
    with _kernels_lock:
        before = quantized.engine
        quantized.engine = next((kernel for kernel in _KERNELS if kernel in quantized.supported_engines), before)
        try:
            yield
        finally:
            if before in quantized.supported_engines:
                quantized.engine = before


def _warn_of_quantised_tensors() -> None:
    """Make torch say that quantised tensors are deprecated, which it does once in a process, where it can be silenced.

    Said while a file is loaded, it goes past Python's filters to standard error.
    """
    import torch

    if hasattr(torch, "qint8"):
        torch.quantize_per_tensor(torch.zeros(1), 1.0, 0, torch.qint8)
