"""A list of a folder's files with their digests, as ``sha256sum`` writes it: what tells that kdbuild wrote them."""

from pathlib import Path

from kdbuild.files import file_digest

SUMS = "SHA256SUMS"
"""The file that lists the others."""


def listed_files(folder: Path, sign: str | None = None) -> list[str]:
    """List the files that a folder's list names, and the list itself.

    Args:
        folder: the folder.
        sign: a file that must be among them; None: any list will do.

    Returns:
        Their names, relative to the folder; none if there is no such list.
    """
    try:
        names = [line[66:] for line in (folder / SUMS).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    return [SUMS, *names] if sign is None or sign in names else []


def write_sums(folder: Path) -> list[Path]:
    """List all files of a folder in :data:`SUMS`. Returns them all, relative to it."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{file_digest(folder / name)}  {name}\n" for name in names)
    (folder / SUMS).write_text(lines, encoding="utf-8", newline="\n")
    return [Path(name) for name in sorted([*names, SUMS])]
