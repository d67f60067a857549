"""What stands in the files and models that options name, so that a fingerprint covers their content, not their name.

One that isn't here any more, as on a machine that a finished run was copied to, can't have changed: what was recorded of it
when it was read holds.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kdbuild.files import file_digest, fingerprint, folder_digest


def digests(named: Mapping[str, list[str]], recorded: Mapping[str, str]) -> dict[str, list[str]]:
    """Digest the files that options name.

    Args:
        named: paths by option.
        recorded: digests by path, from when the files were read last.

    Returns:
        Digests in place of the paths; empty for a file that isn't here and was never read.
    """
    return {
        option: [content_digest(path) if Path(path).is_file() else recorded.get(path, "") for path in paths]
        for option, paths in named.items()
    }


def content_digest(path: str) -> str:
    """Digest a file's content; files of word vectors are large, so each is read once as long as it doesn't change."""
    status = Path(path).stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@cache
def _digest(path: str, size: int, modified_ns: int) -> str:
    return file_digest(Path(path))


def teacher_digest(name: str, recorded: Mapping[str, Any] | None = None) -> str:
    """Identify a teacher, by the content of its folder or by its hub name.

    Args:
        name: a folder or a hub name.
        recorded: what the stage recorded that used a teacher last, with its ``source`` and ``digest``.
    """
    known = str(recorded["digest"]) if recorded and recorded.get("source") == name else None
    folder = Path(name)
    if not folder.is_dir():
        return known or name
    digest = _teacher_files(folder)
    # Digests once covered the folders in it, too; what was finished then is still finished.
    if known not in (None, digest) and known == folder_digest(folder):
        return known
    return digest


def _teacher_files(folder: Path) -> str:
    """Digest a teacher's files, none of which lies in a folder of its own: a run, checkpoints and ``.git`` aren't it."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return fingerprint([(path.name, file_digest(path)) for path in files])
