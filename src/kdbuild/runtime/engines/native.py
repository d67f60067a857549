"""Run a model file with kdbuild's own engine: text in, label out, the same bits on every processor."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdbuild.runtime.native.binding import NativeModel, paths, read_aligned

if TYPE_CHECKING:
    from array import array

    from kdbuild.runtime.artefact import Artefact


class NativeEngine:
    """A loaded model. Calls run side by side without waiting for each other; after a fork, both processes go on.

    Args:
        model: the model.
    """

    name = "kdbuild"
    """The distribution that runs it."""

    def __init__(self, model: NativeModel):
        self.model = model
        self.answer = model.answer

    def __call__(self, ids: Sequence[int]) -> "array[float]":
        """Compute the logits ``[classes]`` of a text's token ids ``[tokens]``."""
        return self.model.logits(ids)

    @property
    def version(self) -> str:
        """The version of kdbuild, and the instruction set that answers."""
        from kdbuild.version import __version__

        return f"{__version__} ({self.model.path})"

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens that the model knows."""
        return self.model.vocabulary_size


def open_native(artefact: "Artefact", file: str, threads: int) -> NativeEngine:
    """Load the native file of an artefact; see :func:`~kdbuild.runtime.engines.open.open_engine`.

    Args:
        artefact: the folder.
        file: the name of the model file.
        threads: unused, as one text is answered by one thread.
    """
    path = artefact.folder / file
    return NativeEngine(NativeModel(read_aligned(path), path))


def probe() -> str:
    """The name and version of what runs the files, and the instruction sets that this processor has for it."""
    from kdbuild.version import __version__

    return f"kdbuild {__version__} ({', '.join(paths())})"
