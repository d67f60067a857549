"""A student's weights as a file that another environment's Python reads."""

import io
from pathlib import Path

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.export.model import StudentModel
from kdbuild.files import write_atomically


def write_weights(path: Path, weights: StudentModel) -> None:
    """Write them as an ``.npz`` of arrays: ``embedding``, ``forward_input``, …, ``output_bias``.

    Raises:
        BadInputError: the student pools by the maximum, which the exports don't do.
    """
    if weights.encoder.pooling != "last":
        raise BadInputError(
            f"student: pools by {weights.encoder.pooling}. The naive exports take one that reads the last states."
        )
    arrays = {
        f"{name}_{part}": getattr(direction, part)
        for name, direction in (
            ("forward", weights.encoder.layer.forward),
            ("backward", weights.encoder.layer.backward),
        )
        for part in ("input", "recurrent", "bias")
    }
    arrays["embedding"] = weights.encoder.embedding
    arrays |= {name: getattr(weights.head, name) for name in ("hidden", "hidden_bias", "output", "output_bias")}
    content = io.BytesIO()
    np.savez(content, **arrays)
    write_atomically(path, content.getvalue())
