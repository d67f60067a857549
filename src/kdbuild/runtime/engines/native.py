"""Run a model file with kdbuild's own engine: text in, label out, the same bits on every processor."""

from typing import TYPE_CHECKING, Any

from kdbuild.errors import BadInputError
from kdbuild.runtime.decisions import sigmoid
from kdbuild.runtime.native.binding import NativeModel, paths, read_aligned
from kdbuild.runtime.text.encoding import Encoding

if TYPE_CHECKING:
    from array import array
    from pathlib import Path

    from kdbuild.runtime.artefact import Artefact, Manifest
    from kdbuild.runtime.engines.registry import TokenIds
    from kdbuild.runtime.text.vocabulary import Vocabulary


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
        self.explain = model.explain

    def encode(self, text: str) -> Encoding:
        """Token ids of a text, as the engine itself reads it."""
        ids, truncated = self.model.ids(text)
        tokens = self.model.tokens(text)
        return Encoding(ids, tokens, self.model.pieces(text, len(tokens)), truncated)

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None) -> "array[float]":
        """Compute the logits ``[classes]`` of a text's token ids ``[tokens]``, or of both texts' of a pair."""
        return self.model.logits(ids, second)

    def vocabulary(self) -> "Vocabulary":
        """The vocabulary in the file."""
        from kdbuild.runtime.text.vocabulary import Vocabulary

        return Vocabulary(self.model.vocabulary(), self.model.tokenizer_version)

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

    Raises:
        BadInputError: it can't be read, isn't whole, or says something else than the manifest.
    """
    path = artefact.path(file)
    content = read_aligned(path)
    if file in artefact.manifest.files:  # an export lists its files when all are written
        artefact.check_content(file, content)
    model = NativeModel(content, path)
    if file in artefact.manifest.files:
        _check_manifest(model, artefact.manifest, path)
    return NativeEngine(model)


def _check_manifest(model: NativeModel, manifest: "Manifest", path: str) -> None:
    """Check that a manifest says what the file says, which is what answers follow."""
    said = {name: getattr(manifest, name) == value for name, value in _facts(model).items()}
    said["tokenizer version"] = manifest.tokenizer["version"] == model.tokenizer_version
    for name, is_same in said.items():
        if not is_same:
            raise BadInputError(f"{path}: its {name} isn't the manifest's. Export the artefact again.")


def open_native_file(path: "str | Path") -> NativeEngine:
    """Load a model file by itself, and check all of it, as no manifest has its digest.

    Raises:
        BadInputError: it can't be read, or isn't whole.
    """
    return NativeEngine(NativeModel(read_aligned(path), path, verify=True))


def _facts(model: NativeModel) -> dict[str, Any]:
    """Tell what both the file and a manifest say, to the bit, by the manifest's keys."""
    return {
        "labels": model.labels(),
        "max_tokens": model.max_tokens,
        "task": "single" if model.threshold_logits is None else "multi",
        "temperature": model.temperature,
        "threshold": model.threshold,
        "pairs": model.texts == 2,
    }


def manifest_of(model: NativeModel) -> "Manifest":
    """What the manifest of an artefact says, as far as the file knows it."""
    from kdbuild.runtime.artefact import Manifest
    from kdbuild.runtime.text.normalize import UNICODE_VERSION

    logits = model.threshold_logits
    return Manifest(
        tokenizer={"version": model.tokenizer_version, "unicode": UNICODE_VERSION},
        files={},
        thresholds=None if logits is None else sigmoid(logits, model.temperature),
        **_facts(model),
    )


def probe() -> str:
    """The name and version of what runs the files, and the instruction sets that this processor has for it."""
    from kdbuild.version import __version__

    return f"kdbuild {__version__} ({', '.join(paths())})"
