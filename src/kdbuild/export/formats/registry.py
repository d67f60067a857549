"""The file formats: what ``kdbuild export --format`` writes; the formats themselves are imported when one is used.

A format is one module with a subclass of :class:`~kdbuild.export.formats.format.Format`, and one row here. The engine that
runs its files has a row of its own in :mod:`kdbuild.runtime.engines.registry`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdbuild.errors import BadInputError, require
from kdbuild.registry import Registry, load
from kdbuild.runtime.engines.registry import Precision, precision_of

if TYPE_CHECKING:
    from kdbuild.export.formats.format import Format


@dataclass(frozen=True)
class FormatOption:
    """An option that a format brings to ``kdbuild export``."""

    name: str
    """With underscores; the flag has hyphens."""
    kind: type
    help: str

    @property
    def flag(self) -> str:
        """What the command line calls it."""
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class FormatRow:
    """What kdbuild knows of a format without importing it."""

    name: str
    """What ``--format`` takes."""
    files: tuple[str, ...]
    """The model files that it writes, fp32 first; each stands in the row of the engine that runs it."""
    modules: tuple[str, ...]
    """Modules that writing and running its files needs."""
    help: str
    """One line for people."""
    opener: str
    """``"module:object"`` of the subclass of ``Format``."""
    options: tuple[FormatOption, ...] = ()

    def files_of(self, *, quantize: bool) -> list[str]:
        """The files that are written: all of them, or those in fp32."""
        return [file for file in self.files if quantize or precision_of(file) == "fp32"]

    @property
    def precisions(self) -> set[Precision]:
        """What the weights of its files are stored in."""
        return {precision_of(file) for file in self.files}

    def open(self) -> "Format":
        """Import the format.

        Raises:
            MissingExtraError: something that it needs isn't installed.
        """
        for module in self.modules:
            require(module, "export")
        opened: Format = load(self.opener)()
        return opened


FORMATS = Registry(
    "format",
    FormatRow(
        name="native",
        files=("model_int8.kdb",),
        modules=(),
        help="for kdbuild's own engine, int8 alone",
        opener="kdbuild.export.formats.native.format:Native",
    ),
    FormatRow(
        name="tflite",
        files=("model_fp32.tflite", "model_int8.tflite"),
        modules=("ai_edge_litert", "flatbuffers"),
        help="for LiteRT and tflite-runtime",
        opener="kdbuild.export.formats.tflite.graph:TFLite",
    ),
    FormatRow(
        name="onnx",
        files=("model_fp32.onnx", "model_int8.onnx"),
        modules=("onnx", "onnxruntime"),
        help="for ONNX Runtime",
        opener="kdbuild.export.formats.onnx:Onnx",
    ),
    FormatRow(
        name="torchscript",
        files=("model_fp32.pt", "model_int8.pt"),
        modules=("torch",),
        help="for torch",
        opener="kdbuild.export.formats.torchscript:TorchScript",
    ),
    FormatRow(
        name="mediapipe",
        files=("model_mediapipe.tflite",),
        modules=("ai_edge_litert", "flatbuffers"),
        help="for MediaPipe Tasks' TextClassifier, int8 alone",
        opener="kdbuild.export.formats.mediapipe.format:MediaPipe",
        options=(
            FormatOption(
                "mediapipe_tokens",
                int,
                "Tokens that MediaPipe's file reads of a text.  "
                "[default: 64, or --max-tokens of the student if that is less]",
            ),
        ),
    ),
)
"""All formats; ``kdbuild export --format`` takes their names, those of the bundles, and ``all``."""


def chosen_formats(names: Sequence[str], *, quantize: bool) -> list[FormatRow]:
    """The formats that ``--format`` names, in the order of :data:`FORMATS`.

    Args:
        names: of formats; ``all`` means those that have a file to write.
        quantize: whether int8 files are written.

    Raises:
        BadInputError: a name is unknown, or a format that is named has int8 files alone and none are written.
    """
    rows = []
    for name in names:
        if name != "all" and not FORMATS[name].files_of(quantize=quantize):
            raise BadInputError(f"--no-quantize --format {name}: its file is int8 alone. Drop one of them.")
    for row in FORMATS:
        if row.name in names or ("all" in names and row.files_of(quantize=quantize)):
            rows.append(row)
    return rows


def check_settings(rows: Sequence[FormatRow], settings: Mapping[str, Any], *, quantize: bool) -> None:
    """Check that the options that formats brought belong to formats that are written.

    Args:
        rows: the formats that are written.
        settings: values by the options' names; None where an option isn't given.
        quantize: whether int8 files are written.

    Raises:
        BadInputError: one doesn't.
    """
    owners = {option.name: (row, option) for row in FORMATS for option in row.options}
    for name, value in settings.items():
        row, option = owners[name]
        if value is None or row in rows:
            continue
        if row.files_of(quantize=quantize):
            why = f"is written. Add --format {row.name}, or drop it."
        else:
            why = "is written, as --no-quantize leaves it out. Drop one of them."
        raise BadInputError(f"{option.flag} {value}: no file of format {row.name} {why}")
