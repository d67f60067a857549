"""The file formats, and which students each has a graph for; a format that is added gets its own row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kdbuild.errors import BadInputError, require
from kdbuild.export.golden import Engine
from kdbuild.export.model import StudentWeights
from kdbuild.runtime.artefact import MEDIAPIPE_MODEL
from kdbuild.runtime.engines.registry import SUFFIXES, open_engine
from kdbuild.runtime.text.tokenizer import Vocabulary
from kdbuild.trainer.student.bilstm import StudentConfig

FormatName = Literal["tflite", "onnx", "torchscript", "mediapipe"]
FORMATS: tuple[FormatName, ...] = ("tflite", "onnx", "torchscript", "mediapipe")
"""What ``kdbuild export --format`` takes, besides ``all``."""
MEDIAPIPE_TOKENS = 64
"""Tokens that MediaPipe's file reads of a text, unless another number is asked for, or the student reads fewer."""

ANDROID = "android"
"""What ``--format`` takes instead: a folder to drop into an app, around the TFLite file that it ships."""

_MODULES: Mapping[FormatName, tuple[str, ...]] = {
    "tflite": ("ai_edge_litert", "flatbuffers"),
    "onnx": ("onnx", "onnxruntime"),
    "torchscript": ("torch",),
    "mediapipe": ("ai_edge_litert", "flatbuffers"),
}
_ONE_LAYER: Mapping[str, tuple[Any, ...]] = {
    "layers": (1,),
    "pooling": ("last", "max"),
    "channels": (1, 2),
    "pairs": (False,),
}
_VALUES: Mapping[FormatName, Mapping[str, tuple[Any, ...]]] = {
    "tflite": _ONE_LAYER,
    "onnx": _ONE_LAYER,
    "torchscript": _ONE_LAYER,
    "mediapipe": _ONE_LAYER,
}
"""By format, the values of a student's options that it can express; any value of an option that isn't named."""


def chosen_formats(names: Sequence[str], *, quantize: bool) -> list[FormatName]:
    """The formats that ``--format`` names, in the order of :data:`FORMATS`; ``all`` means those that can be written.

    Args:
        names: formats, or ``all``.
        quantize: whether int8 files are written; MediaPipe's is nothing else.
    """
    possible = [name for name in FORMATS if quantize or name != "mediapipe"] if "all" in names else []
    return [name for name in FORMATS if name in names or name in possible]


def is_for_android(names: Sequence[str]) -> bool:
    """Whether ``--format`` asks for a folder to drop into an app.

    Raises:
        BadInputError: it asks for an artefact as well.
    """
    if ANDROID not in names:
        return False
    others = [name for name in names if name != ANDROID]
    if others:
        raise BadInputError(
            f"--format {ANDROID} --format {others[0]}: one writes a folder for apps, the other an artefact. "
            "Drop one of them."
        )
    return True


def check_expressible(file_format: FormatName, config: StudentConfig) -> None:
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
            f"--format {file_format}: can't express a student {what}. {way_out}: kdbuild.trainer.student.bilstm.load_student."
        )


def check_mediapipe(formats: Sequence[FormatName], tokens: int | None, *, quantize: bool) -> None:
    """Check what only MediaPipe's file has.

    Args:
        formats: that are to be written.
        tokens: what ``--mediapipe-tokens`` says, if anything.
        quantize: whether int8 files are written.

    Raises:
        BadInputError: the file can't be written like that, or there is none.
    """
    if "mediapipe" in formats and not quantize:
        raise BadInputError("--no-quantize --format mediapipe: its file is int8 alone. Drop one of them.")
    if tokens is None:
        return
    if "mediapipe" not in formats:
        why = "is written. Add --format mediapipe, or drop it."
        if not quantize:
            why = "is written, as --no-quantize leaves it out. Drop one of them."
        raise BadInputError(f"--mediapipe-tokens {tokens}: no file for MediaPipe {why}")
    if tokens < 1:
        raise BadInputError(f"--mediapipe-tokens {tokens}: it would read nothing of a text. Give 1 or more.")


def tokens_for_mediapipe(tokens: int | None, config: StudentConfig) -> int:
    """How many tokens MediaPipe's file reads: as many as are asked for.

    Raises:
        BadInputError: the student doesn't read so many.
    """
    if tokens is not None and tokens > config.max_tokens:
        raise BadInputError(
            f"--mediapipe-tokens {tokens}: the student reads {config.max_tokens} tokens of a text. "
            f"Give {config.max_tokens} or less, or distil one with a larger --max-tokens."
        )
    return min(MEDIAPIPE_TOKENS, config.max_tokens) if tokens is None else tokens


def require_format(file_format: FormatName) -> None:
    """Check that what writes and runs a format's files is installed.

    Raises:
        MissingExtraError: it isn't.
    """
    for module in _MODULES[file_format]:
        require(module, "export")


@dataclass(frozen=True)
class Content:
    """What model files are made of."""

    weights: StudentWeights
    vocabulary: Vocabulary
    labels: Sequence[str]
    """In the order of the logits."""
    temperature: float
    """Divides the logits where a file gives probabilities."""
    multi_label: bool
    """Whether a text may have several labels."""
    mediapipe_tokens: int
    """How many tokens MediaPipe's file reads of a text."""


def write_models(file_format: FormatName, content: Content, folder: Path, *, quantize: bool) -> dict[str, Engine]:
    """Write the files of a format, and open each; the same content always gives the same bytes.

    Args:
        file_format: as ``kdbuild export --format`` names it.
        content: of the files.
        folder: to write into.
        quantize: write int8 beside fp32.

    Returns:
        What runs each file, by its name.
    """
    if file_format == "mediapipe":
        from kdbuild.export.formats.mediapipe.graph import write_mediapipe
        from kdbuild.runtime.engines.mediapipe import MediaPipeEngine

        path = folder / MEDIAPIPE_MODEL
        path.write_bytes(
            write_mediapipe(
                content.weights,
                content.vocabulary,
                content.labels,
                tokens=content.mediapipe_tokens,
                temperature=content.temperature,
                multi_label=content.multi_label,
            )
        )
        return {path.name: MediaPipeEngine(path, temperature=content.temperature, multi_label=content.multi_label)}
    engines: dict[str, Engine] = {}
    for precision in ("fp32", "int8") if quantize else ("fp32",):
        path = folder / f"model_{precision}{SUFFIXES[file_format]}"
        path.write_bytes(_model(file_format, content, quantize=precision == "int8"))
        engines[path.name] = open_engine(file_format, path)
    return engines


def _model(file_format: Literal["tflite", "onnx", "torchscript"], content: Content, *, quantize: bool) -> bytes:
    match file_format:
        case "tflite":
            from kdbuild.export.formats.tflite.graph import write_tflite

            return write_tflite(content.weights, quantize=quantize)
        case "onnx":
            from kdbuild.export.formats.onnx import write_onnx

            sha256 = content.vocabulary.sha256
            return write_onnx(content.weights, quantize=quantize, labels=content.labels, vocabulary_sha256=sha256)
        case "torchscript":
            from kdbuild.export.formats.torchscript import write_torchscript

            return write_torchscript(content.weights, quantize=quantize)
