"""Files written so that nobody sees them half-done, what identifies them, and where downloads are kept.

Libraries that take long to import are imported where they are used: the runtime reads this module, too.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def default_cache() -> Path:
    """The folder for downloads and other things worth keeping: ``$XDG_CACHE_HOME/kdbuild``, else ``~/.cache/kdbuild``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kdbuild"


def fingerprint(*parts: Any) -> str:
    """Digest JSON-ready values: SHA-256 in hex."""
    import hashlib

    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Digest a file's content: SHA-256 in hex."""
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest the names and contents of all files below a folder: SHA-256 in hex."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return fingerprint([(name, file_digest(folder / name)) for name in names])


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file to a staging name and rename it into place, so that it is never seen half-written."""
    staging = path.with_name(path.name + ".new")
    staging.write_bytes(content)
    os.replace(staging, path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside the target that takes its place when the block ends well.

    The parent folders are made. When the block fails, the target stays as it was and nothing is left beside it.

    Args:
        target: the folder to make or to replace as a whole. Whether it may be replaced is for the caller to check.
    """
    import shutil
    import tempfile

    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)  # mkdtemp made it private
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
