"""What bundles that are folders have in common: a list of their files with digests, and files that are filled in."""

from pathlib import Path
from string import Template

from kdbuild.files import file_digest

SUMS = "SHA256SUMS"
"""The file that lists a bundle's others, as ``sha256sum`` does."""


class Filled(Template):
    """A file ``*.in``, with ``%name`` for what differs: ``$`` means something in CMake and JavaScript."""

    delimiter = "%"


def listed_files(out: Path, sign: str) -> list[str]:
    """List the files of an earlier bundle in a folder.

    Args:
        out: the folder.
        sign: the file that all bundles of the kind have.

    Returns:
        Their names; none if there is no such bundle.
    """
    try:
        names = [line[66:] for line in (out / SUMS).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    return [SUMS, *names] if sign in names else []


def write_sums(folder: Path) -> list[Path]:
    """List all files of a bundle in :data:`SUMS`. Returns them all, relative to the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    write_text(folder / SUMS, "".join(f"{file_digest(folder / name)}  {name}\n" for name in names))
    return [Path(name) for name in sorted([*names, SUMS])]


def write_text(path: Path, content: str) -> None:
    """Write a text file with the same bytes on every system, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")
