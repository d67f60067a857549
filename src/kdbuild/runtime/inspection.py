"""What an artefact consists of, and what its models weigh, part by part."""

from dataclasses import dataclass
from typing import Any

from kdbuild.runtime.artefact import MODEL_FILES, Artefact


@dataclass(frozen=True)
class ModelSize:
    """The bytes of a model file by what they are for."""

    file: str
    embedding: int
    recurrent: int
    classifier: int
    graph: int
    """All the rest: operators, names, zero points, alignment."""

    @property
    def total(self) -> int:
        """Of the file."""
        return self.embedding + self.recurrent + self.classifier + self.graph


def model_sizes(artefact: Artefact) -> list[ModelSize]:
    """Where the bytes of each model file go, by the student's shape; empty where the manifest doesn't tell it.

    In int8 a weight takes a byte, and each row of a matrix four more for its scale; biases take four bytes.
    """
    shape: dict[str, Any] = artefact.manifest.student
    if not {"vocabulary", "embedding_size", "hidden_size", "classifier_size"} <= shape.keys():
        return []
    stored = (shape.get("factor_size") or shape["embedding_size"]) * shape.get("channels", 1)
    hidden, units, classes = shape["hidden_size"], shape["classifier_size"], len(artefact.manifest.labels)
    # Rows and columns of each matrix, and whether its rows have biases.
    parts = {
        "embedding": [(shape["vocabulary"], stored, False)],
        "recurrent": [(8 * hidden, stored, True), (8 * hidden, hidden, False)],
        "classifier": [(units, 2 * hidden, True), (classes, units, True)],
    }
    sizes = []
    for name in MODEL_FILES:
        if name in artefact.manifest.files:
            quantised = "int8" in name
            counted = {
                part: sum(
                    rows * (columns * (1 if quantised else 4) + (4 if quantised else 0) + (4 if bias else 0))
                    for rows, columns, bias in matrices
                )
                for part, matrices in parts.items()
            }
            rest = artefact.manifest.files[name]["bytes"] - sum(counted.values())
            sizes.append(ModelSize(name, counted["embedding"], counted["recurrent"], counted["classifier"], rest))
    return sizes
