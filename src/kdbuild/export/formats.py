"""The file formats, and which students each has a graph for; a format that is added gets its own row."""

from collections.abc import Mapping, Sequence
from typing import Any

from kdbuild.errors import BadInputError, require
from kdbuild.export.weights import StudentWeights
from kdbuild.runtime.engines import EngineName
from kdbuild.runtime.tokenizer import Vocabulary
from kdbuild.trainer.student import StudentConfig

FORMATS: tuple[EngineName, ...] = ("tflite", "onnx", "torchscript")
"""What ``kdbuild export --format`` takes, besides ``all``."""
_MODULES: Mapping[EngineName, tuple[str, ...]] = {
    "tflite": ("ai_edge_litert", "flatbuffers"),
    "onnx": ("onnx", "onnxruntime"),
    "torchscript": ("torch",),
}
_ONE_LAYER: Mapping[str, tuple[Any, ...]] = {
    "layers": (1,),
    "pooling": ("last", "max"),
    "channels": (1, 2),
    "pairs": (False,),
}
_VALUES: Mapping[str, Mapping[str, tuple[Any, ...]]] = dict.fromkeys(FORMATS, _ONE_LAYER)
"""By format, the values of a student's options that it can express; any value of an option that isn't named."""


def check_expressible(file_format: str, config: StudentConfig) -> None:
    """Let a student pass that a file of this format can hold.

    Args:
        file_format: as ``kdbuild export --format`` names it.
        config: shape of the student.

    Raises:
        BadInputError: it can't; the message names the option.
    """
    for option, values in _VALUES[file_format].items():
        value = getattr(config, option)
        if value in values:
            continue
        if option == "pairs":
            what, way_out = "of pairs (--pair-column)", "Use it in torch"
        else:
            what = f"with --{option} {value}"
            way_out = f"Distil one with --{option} {values[0]}, or use this one in torch"
        raise BadInputError(
            f"--format {file_format}: can't express a student {what}. {way_out}: kdbuild.trainer.student.load_student."
        )


def require_format(file_format: EngineName) -> None:
    """Check that what writes and runs a format's files is installed.

    Raises:
        MissingExtraError: it isn't.
    """
    for module in _MODULES[file_format]:
        require(module, "export")


def write_model(
    file_format: EngineName,
    weights: StudentWeights,
    *,
    quantize: bool,
    labels: Sequence[str],
    vocabulary: Vocabulary,
) -> bytes:
    """A student as a file of a format; the same student always gives the same bytes."""
    match file_format:
        case "tflite":
            from kdbuild.export.tflite import write_tflite

            return write_tflite(weights, quantize=quantize)
        case "onnx":
            from kdbuild.export.onnx import write_onnx

            return write_onnx(weights, quantize=quantize, labels=labels, vocabulary_sha256=vocabulary.sha256)
        case "torchscript":
            from kdbuild.export.torchscript import write_torchscript

            return write_torchscript(weights, quantize=quantize)
