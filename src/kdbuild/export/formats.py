"""Which students a file format has a graph for; a format that is added gets its own row."""

from collections.abc import Mapping
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.trainer.student import StudentConfig

_VALUES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "tflite": {"layers": (1,), "pooling": ("last", "max"), "channels": (1, 2), "pairs": (False,)},
}
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
