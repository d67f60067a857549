"""What bundles that are folders have in common: files that are filled in."""

from pathlib import Path
from string import Template


class Filled(Template):
    """A file ``*.in``, with ``%name`` for what differs: ``$`` means something in CMake and JavaScript."""

    delimiter = "%"


def write_text(path: Path, content: str) -> None:
    """Write a text file with the same bytes on every system, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
