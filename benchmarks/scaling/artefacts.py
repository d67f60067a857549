"""Artefacts of any size: random weights, made-up words, both engines' int8 files."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.candidates.once import make_once
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.model import Array, LstmWeights, StudentModel
from kdbuild.runtime.artefact import Manifest, file_entry
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary

LABELS, MAX_TOKENS = ["negative", "positive"], 512


@dataclass(frozen=True)
class Size:
    """Of a student; by default that of ``kdbuild train``."""

    vocabulary: int = 15_000
    embedding: int = 300
    hidden: int = 300
    classifier: int = 400


def random_weights(size: Size) -> StudentModel:
    """The same weights each time, in a trained student's range."""
    rng = np.random.default_rng(0)

    def draw(rows: int, columns: int) -> Array:
        # Drawn in single precision: an embedding of 200,000 words would take half a gigabyte otherwise.
        return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(columns**-0.5)

    def bias(units: int) -> Array:
        return draw(units, 1)[:, 0] * np.float32(0.3)

    def direction() -> LstmWeights:
        gates = 4 * size.hidden
        return LstmWeights(draw(gates, size.embedding), draw(gates, size.hidden), bias(gates))

    return StudentModel.one_layer(
        embedding=draw(size.vocabulary, size.embedding),
        forward=direction(),
        backward=direction(),
        hidden=draw(size.classifier, 2 * size.hidden),
        hidden_bias=bias(size.classifier),
        output=draw(len(LABELS), size.classifier),
        output_bias=bias(len(LABELS)),
    )


def made_up_words(count: int) -> list[str]:
    """Distinct words of 3 to 10 letters, each a token by itself."""
    draw = random.Random(0)
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(draw.choices("aeiouhkmst", k=draw.randint(3, 10)))] = None
    return list(words)


def make_texts(words: list[str], tokens: int, count: int, seed: int = 1) -> list[str]:
    """Texts of so many words each, every word equally likely."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=tokens)) for _ in range(count)]


def find_artefact(work: Path, size: Size) -> Path:
    """The artefact of a size; made the first time.

    Args:
        work: the folder that keeps artefacts.
        size: of the student.
    """
    name = f"student-{size.vocabulary}-{size.embedding}-{size.hidden}-{size.classifier}"
    return make_once(work / name, lambda folder: _write(folder, size))


def _write(folder: Path, size: Size) -> None:
    vocabulary = Vocabulary([*SPECIAL, *made_up_words(size.vocabulary - len(SPECIAL))])
    weights = random_weights(size)
    contents = {
        "vocab.txt": vocabulary.to_bytes(),
        "labels.txt": "".join(label + "\n" for label in LABELS).encode(),
        "model_int8.tflite": write_tflite(weights, quantize=True),
        "model_int8.onnx": write_onnx(weights, quantize=True),
    }
    manifest = Manifest(
        labels=LABELS,
        max_tokens=MAX_TOKENS,
        tokenizer={"version": 1, "unicode": UNICODE_VERSION, "sha256": vocabulary.sha256},
        files={name: file_entry(content) for name, content in contents.items()},
    ).to_bytes()
    contents |= {"manifest.json": manifest, "manifest.sha256": hashlib.sha256(manifest).hexdigest().encode() + b"\n"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
