"""A transformer's ONNX file as a contender of the benchmark; imports no torch, as an application wouldn't either."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from kdbuild.errors import BadInputError
from kdbuild.files import default_cache
from kdbuild.measure.reference_models.shapes import Architecture
from kdbuild.measure.texts import Text, texts_of

Precision = Literal["fp32", "int8"]
Pieces = npt.NDArray[np.int64]

_REVISION = 1
"""Revision of what ``onnx_transformer`` writes: a new one makes the files of older ones be written again."""


@dataclass(frozen=True)
class OnnxClassifier:
    """Called on one text or pair: word pieces, ONNX Runtime, index of the greatest logit."""

    session: Any
    """An ``onnxruntime.InferenceSession`` of a file that ``onnx_transformer`` wrote."""
    tokenizer: Tokenizer
    """Makes the word-piece ids, special tokens included, cut at the model's longest input."""
    parameters: int
    """Number of weights before quantisation."""
    size_bytes: int
    """Bytes of the file."""

    def __call__(self, text: Text) -> int:
        """The class of one text or pair."""
        return self.run(self.encode(text))

    def encode(self, text: Text) -> Pieces:
        """The word pieces of one text, or of both of a pair in one sequence, ``[1, pieces]``."""
        first, second = (*texts_of(text), None)[:2]
        return np.array([self.tokenizer.encode(first, second).ids], np.int64)

    def run(self, encoded: Pieces) -> int:
        """The class of a text whose pieces are known."""
        return int(self.session.run(["logits"], {"ids": encoded})[0].argmax())

    def tokens(self, encoded: Pieces) -> int:
        """Number of pieces, special tokens included."""
        return int(encoded.shape[1])


def cached_file(architecture: Architecture, settings: dict[str, Any], precision: Precision) -> Path:
    """Where the user's cache holds the file of a shape."""
    digest = hashlib.sha256(json.dumps([_REVISION, architecture, settings], sort_keys=True).encode()).hexdigest()
    return default_cache() / "onnx" / f"{architecture}-{digest[:12]}-{precision}.onnx"


def open_onnx(
    *, architecture: Architecture, settings: dict[str, Any], precision: Precision, tokenizer: str, threads: int
) -> OnnxClassifier:
    """A contender of the benchmark: a file that ``onnx_transformer.prepare_onnx`` wrote, in ONNX Runtime.

    Raises:
        BadInputError: the tokenizer's folder holds none, or one of another vocabulary.
    """
    import onnxruntime

    described = Path(tokenizer) / "tokenizer.json"
    if not described.is_file():
        raise BadInputError(f"{tokenizer} has no tokenizer.json. Give the folder of a Hugging Face model that has one")
    pieces = Tokenizer.from_file(str(described))
    if pieces.get_vocab_size() > settings["vocab_size"]:
        raise BadInputError(
            f"The baseline's tokenizer has {pieces.get_vocab_size()} pieces: the model has {settings['vocab_size']}. "
            "Give the folder of a tokenizer of bert-*-uncased"
        )
    pieces.no_padding()
    pieces.enable_truncation(settings["max_position_embeddings"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    path = cached_file(architecture, settings, precision)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parameters = int(session.get_modelmeta().custom_metadata_map["parameters"])
    return OnnxClassifier(session, pieces, parameters, size_bytes=path.stat().st_size)
