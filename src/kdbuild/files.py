"""Files written so that nobody sees them half-done, what identifies them, and where downloads are kept.

Libraries that take long to import are imported where they are used: the runtime reads this module, too.
"""

import errno
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.staging import NEW, OLD, remove_leavings, staging_folder

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when it stores no more: a full disk, a quota, a limit on the size of a file."""
_FILL = ".kdbuild-fill"
"""Marks a folder that is being filled, as those of :mod:`kdbuild.staging` mark what is being replaced."""


def file_size_limit() -> int | None:
    """The most bytes that the system lets a file of this process have; None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


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
    """Write a file to a staging name and rename it into place, so that it is never seen half-written.

    A link stays, and what it points to is replaced. Devices and pipes are written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = Path(os.path.realpath(path))
    staging = path.with_name(path.name + NEW)
    try:
        staging.write_bytes(content)
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; see :func:`kdbuild.json_text.json_text`."""
    from kdbuild.json_text import json_text

    write_atomically(path, (json_text(value, indent=2) + "\n").encode())


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link but not what it points to; fine if nothing is there."""
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, or a copy where the file system has no hard links.

    Raises:
        FileExistsError: the target is there already.
    """
    import shutil

    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        with open(source, "rb") as reading, open(target, "xb") as writing:
            shutil.copyfileobj(reading, writing)


def foreign_file(folder: Path, written: Collection[str]) -> str | None:
    """Return the first name in a folder that isn't among those that were written there, if there is one.

    Args:
        folder: where to look, at any depth.
        written: the files that may be there, relative to the folder.

    Returns:
        A name relative to the folder; of a folder in it without anything that was written, its own.
    """
    above = {parent.as_posix() for name in written for parent in Path(name).parents}

    def first(inside: Path) -> str | None:
        for path in sorted(inside.iterdir()):
            name = path.relative_to(folder).as_posix()
            is_folder = path.is_dir() and not path.is_symlink()
            if inside == folder and name.startswith((NEW, _FILL)):
                continue
            if is_folder and name in above:
                if found := first(path):
                    return found
            elif is_folder or name not in written:
                return name
        return None

    return first(folder)


def interrupted_fill(folder: Path) -> list[str] | None:
    """Return the names that an interrupted :func:`staged_folder` may have left in a folder; None if none was interrupted."""
    try:
        names = json.loads((folder / _FILL).read_bytes())
    except (OSError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def repair_folder(target: Path) -> None:
    """Put a folder back that was being replaced when the process was killed."""
    target = Path(os.path.realpath(target))
    old = _beside(target, OLD)
    if not os.path.lexists(target) and old.is_dir():
        old.rename(target)


def check_replaceable(out: Path, kind: str, written: Callable[[], Collection[str]]) -> None:
    """Make sure that a folder may be made or replaced as a whole; repairs what a kill left there.

    Args:
        out: what ``--out`` names.
        kind: what may be replaced, for the message: ``an artefact``.
        written: returns the files of an earlier one in it, relative to it; none if it isn't one.

    Raises:
        BadInputError: it is no folder, or holds something that kdbuild didn't write.
    """
    if out.exists() and not out.is_dir():
        raise BadInputError(f"--out {out}: not a folder. Choose another name.")
    repair_folder(out)
    if not out.exists() or foreign_file(out, ()) is None:
        return
    names = interrupted_fill(out) or written()
    if not names:
        raise BadInputError(f"--out {out}: holds something that isn't {kind}. Choose another folder.")
    found = foreign_file(out, names)
    if found is not None:
        raise BadInputError(
            f"--out {out}: holds {found}, which no export wrote. Move it away, or choose another folder."
        )


def _beside(target: Path, mark: str) -> Path:
    return target.parent / f".{target.name}{mark}"


@contextmanager
def staged_folder(target: Path, last: str, check: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """Yield an empty folder that takes the target's place when the block ends well.

    The parent folders are made. When the block fails, the target stays as it was and nothing is left beside it. A link
    stays, and the folder that it points to is replaced.

    The old folder moves aside, and the new one in; :func:`repair_folder` undoes what is killed in between. The working
    folder, mount points, and folders whose parent can't be written to aren't moved but filled: the file that vouches for
    the others goes first and comes back last, and :func:`interrupted_fill` knows what is killed in between.

    Args:
        target: the folder to make or to replace as a whole.
        last: the file that readers can't do without, relative to the folder.
        check: raises an error where the target may not be replaced; called once more when the new folder is ready, since
            much may have happened by then.

    Raises:
        BadInputError: there can be no folder.
    """
    target = Path(os.path.realpath(target))
    with ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            repair_folder(target)
            inside = target.is_dir() and not _can_move(target)
            # Both places: an earlier process, killed since, may have had the choice of the other.
            remove_leavings(target.parent, target.name)
            remove_leavings(target, "")
            made = staging_folder(target, "") if inside else staging_folder(target.parent, target.name)
            staging = stack.enter_context(made)
        except OSError as error:
            if error.errno in FULL:
                raise
            raise BadInputError(f"{target}: can't be made ({error.strerror}). Choose another folder.") from error
        yield staging
        # It was made private.
        staging.chmod(target.stat().st_mode & 0o7777 if target.is_dir() else 0o755)
        check()
        if inside:
            _fill(staging, target, last)
        else:
            _move_in(staging, target, last)
        _remove_quietly(_beside(target, OLD))


def _remove_quietly(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _can_move(folder: Path) -> bool:
    """Tell whether a folder can be renamed without pulling it away from under the user."""
    try:
        here = Path.cwd()
    except OSError:
        here = Path("/")
    below = here == folder or folder in here.parents
    return not below and not os.path.ismount(folder) and os.access(folder.parent, os.W_OK | os.X_OK)


def _move_in(staging: Path, target: Path, last: str) -> None:
    """Let a folder beside the target take its place."""
    import shutil

    old = _beside(target, OLD)
    if target.is_dir():
        remove(old)  # of an earlier replacement, killed when the new folder was there already
        try:
            target.rename(old)
        except OSError:  # a mount point that doesn't look like one
            with staging_folder(target, "") as inside:
                shutil.copytree(staging, inside, dirs_exist_ok=True)
                _fill(inside, target, last)
            return
    try:
        staging.rename(target)
    except BaseException:
        repair_folder(target)
        raise


def _fill(staging: Path, target: Path, last: str) -> None:
    """Replace the files of a folder by those of a folder in it."""
    old, new = _files(target, leave=staging), _files(staging)
    (target / _FILL).write_text(json.dumps(sorted({*old, *new})), encoding="utf-8")
    (target / last).unlink(missing_ok=True)
    for name in old:
        if name not in new and name != _FILL:
            (target / name).unlink(missing_ok=True)
    for folder in sorted((path for path in target.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        if staging not in (folder, *folder.parents) and not any(folder.iterdir()):
            folder.rmdir()
    for name in sorted(new, key=lambda name: name == last):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, target / name)
    remove(staging)
    (target / _FILL).unlink()


def _files(folder: Path, leave: Path | None = None) -> list[str]:
    """Return the names of all files below a folder, relative to it, but for those in the folder to leave."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found if leave not in path.parents)
