"""What MediaPipe Tasks reads of a TFLite file besides the graph: a metadata flatbuffer, and files behind the model.

Field numbers are those of the schema, ``mediapipe/tasks/metadata/metadata_schema.fbs`` 1.5.0
(https://github.com/google-ai-edge/mediapipe). The files are an uncompressed ZIP archive appended to the model: a flatbuffer
is read from its start, an archive from its end.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence

import flatbuffers

from kdbuild.export.formats.tflite.flatbuffer import Model

VOCABULARY_FILE, LABELS_FILE = "vocab.txt", "labels.txt"
_NAME = "TFLITE_METADATA"
_FILE_IDENTIFIER = b"M001"
# The first schema that has RegexTokenizerOptions.
_MIN_PARSER_VERSION = "1.2.1"

# enum AssociatedFileType, union ProcessUnitOptions
_TENSOR_AXIS_LABELS, _VOCABULARY = 2, 5
_REGEX_TOKENIZER_OPTIONS = 6


def pack_text_classifier(model: Model, *, pattern: str, vocabulary: bytes, labels: Sequence[str]) -> bytes:
    """The bytes of a model that classifies texts, with all that MediaPipe needs.

    Args:
        model: one graph from token ids to scores.
        pattern: the delimiters of MediaPipe's ``RegexTokenizer``.
        vocabulary: ``token id`` lines.
        labels: one for each score.
    """
    metadata = text_classifier_metadata(
        description=model.description, pattern=pattern, vocabulary_file=VOCABULARY_FILE, labels_file=LABELS_FILE
    )
    model.add_metadata(_NAME, metadata)
    files = {VOCABULARY_FILE: vocabulary, LABELS_FILE: "".join(f"{label}\n" for label in labels).encode("utf-8")}
    return append_files(model.pack(), files)


def text_classifier_metadata(*, description: str, pattern: str, vocabulary_file: str, labels_file: str) -> bytes:
    """The metadata of a classifier with one input of token ids and one output of scores.

    Args:
        description: what the model is.
        pattern: the delimiters of MediaPipe's ``RegexTokenizer``.
        vocabulary_file: the packed file of ``token id`` lines.
        labels_file: the packed file of labels, one a line.
    """
    builder = flatbuffers.Builder(len(pattern.encode("utf-8")) + 1024)
    text = builder.CreateString
    vocabulary = _table(builder, {0: text(vocabulary_file)}, {2: _VOCABULARY})
    tokenizer = _table(builder, {0: text(pattern), 1: _vector(builder, [vocabulary])})
    unit = _table(builder, {1: tokenizer}, {0: _REGEX_TOKENIZER_OPTIONS})
    ids = _table(builder, {0: text("ids"), 1: text("Token ids, 0 behind the text."), 4: _vector(builder, [unit])})
    labels = _table(builder, {0: text(labels_file)}, {2: _TENSOR_AXIS_LABELS})
    scores = _table(
        builder, {0: text("scores"), 1: text("One probability for each label."), 6: _vector(builder, [labels])}
    )
    graph = _table(builder, {2: _vector(builder, [ids]), 3: _vector(builder, [scores])})
    model = _table(
        builder,
        {
            0: text("TextClassifier"),
            1: text(description),
            3: _vector(builder, [graph]),
            7: text(_MIN_PARSER_VERSION),
        },
    )
    builder.Finish(model, file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def append_files(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """The model with files behind it, in order; the same arguments give the same bytes."""
    whole = io.BytesIO()
    whole.write(model)
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            # With a fixed date and system.
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            archive.writestr(entry, content)
    return whole.getvalue()


def _table(builder: flatbuffers.Builder, offsets: Mapping[int, int], numbers: Mapping[int, int] | None = None) -> int:
    """A table from the offsets of what it refers to, and its one-byte numbers, both by field number."""
    numbers = numbers or {}
    builder.StartObject(1 + max(*offsets, *numbers))
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, number in numbers.items():
        builder.PrependUint8Slot(field, number, 0)
    table: int = builder.EndObject()
    return table


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector
