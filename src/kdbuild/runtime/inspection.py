"""What an artefact holds: the entries of its vocabulary, and what the bytes of its model files are for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdbuild.runtime.artefact import VOCABULARY, Artefact
from kdbuild.runtime.engines.registry import ENGINES, Precision
from kdbuild.runtime.text.encoding import WORDS
from kdbuild.runtime.text.pieces import CONTINUED
from kdbuild.runtime.text.vocabulary import SPECIAL


@dataclass(frozen=True)
class ModelSize:
    """The bytes of a model file by what they are for."""

    file: str
    parts: dict[str, int]
    """``embedding``, ``recurrent``, ``classifier``."""
    graph: int
    """All the rest: operators, names, zero points, alignment."""

    @property
    def total(self) -> int:
        """The bytes of the file."""
        return sum(self.parts.values()) + self.graph


@dataclass(frozen=True)
class VocabularyCounts:
    """What the entries of a vocabulary are, beside the special ones."""

    words: int
    """Those that stand for a word, or, where words are cut, for the beginning of one."""
    pieces: int
    """Those that continue a word."""


def vocabulary_counts(artefact: Artefact) -> VocabularyCounts:
    """Count the entries of ``vocab.txt``.

    Raises:
        BadInputError: it can't be read, or isn't what the manifest says.
    """
    tokens = artefact.read_lines(VOCABULARY)[len(SPECIAL) :]
    cuts = artefact.manifest.tokenizer["version"] != WORDS
    pieces = sum(token.startswith(CONTINUED) for token in tokens) if cuts else 0
    return VocabularyCounts(len(tokens) - pieces, pieces)


def model_sizes(artefact: Artefact) -> list[ModelSize]:
    """Find where the bytes of each model file go, as far as it is known.

    The manifest says it from format 1.2 on. Of files of an older artefact that kdbuild runs it is computed from the student's
    shape.
    """
    manifest = artefact.manifest
    sizes = []
    for file in manifest.models:
        entry = manifest.files[file.name]
        parts = entry.get("parts")
        if parts is None and ENGINES[file.engine].use != "verify":
            parts = dense_parts(manifest.student, len(manifest.labels), file.precision, pairs=manifest.pairs)
        if parts:
            sizes.append(ModelSize(file.name, dict(parts), entry["bytes"] - sum(parts.values())))
    return sizes


def dense_parts(shape: Mapping[str, Any], classes: int, precision: Precision, *, pairs: bool = False) -> dict[str, int]:
    """Compute the bytes of a student's parameters as most formats store them; empty where the shape isn't known.

    In int8 a weight takes a byte, and each row of a matrix four more for its scale; in fp32 a weight takes four. Biases take
    four bytes.

    Args:
        shape: the manifest's ``student``.
        classes: the number of labels.
        precision: what the weights are stored in.
        pairs: whether the classifier reads the features of two texts, their product and their difference.
    """
    if not {"vocabulary", "embedding_size", "hidden_size", "classifier_size"} <= shape.keys():
        return {}
    channels = shape.get("channels", 1)
    # A second channel's vectors are stored in full.
    stored = (shape.get("factor_size") or shape["embedding_size"]) + (channels - 1) * shape["embedding_size"]
    hidden, units = shape["hidden_size"], shape["classifier_size"]
    inputs = [stored] + [2 * hidden] * (shape.get("layers", 1) - 1)
    features = 2 * hidden * (4 if pairs else 1)
    # Rows and columns of each matrix, and whether its rows have biases.
    matrices = {
        "embedding": [(shape["vocabulary"], stored, False)],
        "recurrent": [matrix for size in inputs for matrix in ((8 * hidden, size, True), (8 * hidden, hidden, False))],
        "classifier": [(units, features, True), (classes, units, True)],
    }
    weight, scale = (1, 4) if precision == "int8" else (4, 0)
    return {
        part: sum(rows * (columns * weight + scale + (4 if bias else 0)) for rows, columns, bias in found)
        for part, found in matrices.items()
    }
