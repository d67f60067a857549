"""Where the native engine's library is: in the package, or, in a checkout, built on first need and kept in the cache."""

import os
from typing import TYPE_CHECKING

from kdbuild.runtime.native.targets import COMMON, LONE, SMALL, SMALLEST, Target, find_target

if TYPE_CHECKING:
    from pathlib import Path

PACKAGED = os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib")
"""Where wheels have libraries: ``lib/TARGET/FILE``."""


def library_path(name: str = "") -> "Path":
    """Return the library of a target, which is built if it isn't there.

    Wheels have it. From a checkout it is compiled once for all processes, in about a second, and again when the sources or the
    flags change; ``CC`` names another compiler.

    Args:
        name: a target, such as ``android-arm64-v8a``; empty: this machine.

    Raises:
        MissingExtraError: it isn't there, nor is a compiler.
        BadInputError: there is no such target, or it can't be built.
    """
    from pathlib import Path

    return Path(library_file(name))


def library_file(name: str = "") -> str:
    """Return what :func:`library_path` does as a string: where it is packaged, no answer waits for more imports."""
    target = find_target(name)
    packaged = os.path.join(PACKAGED, target.name, target.library)
    return packaged if os.path.isfile(packaged) else str(_built(target))


def _built(target: Target) -> "Path":
    """The library in the cache. Whatever compiled it gives the same bits, so only ``CC``, which is asked for, is in its key."""
    from kdbuild.files import default_cache, fingerprint, folder_digest
    from kdbuild.runtime.native.build import SOURCES, build

    flags = repr((COMMON, LONE, SMALL, SMALLEST))
    key = fingerprint(folder_digest(SOURCES), repr(target), flags, os.environ.get("CC", ""))[:16]
    library = default_cache() / "native" / key / target.name / target.library
    if not library.is_file():
        build(target, library, sources=SOURCES)
    return library


def is_available() -> bool:
    """Whether the library is there or can be built; building it may take some seconds."""
    from kdbuild.errors import KdbuildError
    from kdbuild.runtime.native.binding import library

    try:
        library()
    except (KdbuildError, OSError):
        return False
    return True
