"""A format from outside: a student's arrays in a zip file."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from kdbuild.errors import BadInputError
from kdbuild.export.formats.format import Content, Format
from kdbuild.export.formats.registry import FORMATS, FormatOption, FormatRow
from kdbuild.export.model import Array, StudentShape
from kdbuild.export.quantize import quantize_rows
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.engines.registry import Precision


class ToyFormat(Format):
    def check(self, shape: StudentShape, settings: Mapping[str, Any]) -> None:
        if settings.get("toy_padding") is not None and settings["toy_padding"] < 0:
            raise BadInputError(f"--toy-padding {settings['toy_padding']}: less than nothing. Give 0 or more.")

    def write(self, content: Content, precision: Precision) -> bytes:
        encoder, head = content.student.encoder, content.student.head

        def stored(matrix: Array) -> Array:
            if precision == "fp32":
                return matrix
            integers, scales = quantize_rows(matrix)
            return (integers * scales[:, None]).astype(np.float32)

        arrays = {"embedding": stored(encoder.embedding), "pools": np.array(encoder.pooling == "max")}
        for name, lstm in (("forward", encoder.layer.forward), ("backward", encoder.layer.backward)):
            arrays |= {f"{name}_input": stored(lstm.input), f"{name}_recurrent": stored(lstm.recurrent)}
            arrays[f"{name}_bias"] = lstm.bias
        arrays |= {"hidden": stored(head.hidden), "hidden_bias": head.hidden_bias}
        arrays |= {"output": stored(head.output), "output_bias": head.output_bias}
        arrays["padding"] = np.zeros(content.settings.get("toy_padding") or 0, np.int8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes a positional flag for one of these names
        return buffer.getvalue()

    def parts(self, content: Content, precision: Precision) -> dict[str, int]:
        return {"embedding": content.student.encoder.embedding.nbytes}

    def usage(self, file: str, manifest: Manifest) -> list[str]:
        return [f"`{file}` is for children.", ""]


FORMATS.register(
    FormatRow(
        name="toy",
        files=("model_fp32.toy", "model_int8.toy"),
        modules=("numpy",),
        help="arrays in a zip file",
        opener="toy_format:ToyFormat",
        options=(FormatOption("toy_padding", int, "Bytes of nothing in the toy."),),
    )
)
