"""The pinned files of an Android build: versions in a Gradle version catalog, digests in a list beside it.

Each version stands once, in ``libs.versions.toml``. A line of ``artifacts.sha256`` is the SHA-256 of a file and its
``group:artifact[:classifier]@extension``, two spaces between them.
"""

import tomllib
from pathlib import Path
from typing import Any

from kdbuild.android.maven import Coordinate, fetch
from kdbuild.errors import BadInputError

CATALOG, DIGESTS = "libs.versions.toml", "artifacts.sha256"


def read_pins(folder: Path) -> dict[str, tuple[Coordinate, str]]:
    """What a folder pins: the coordinate and SHA-256 of each file, by its ``group:artifact[:classifier]@extension``.

    Raises:
        BadInputError: one of the two files is missing or damaged, or they don't fit together.
    """
    versions = _versions(folder / CATALOG)
    path = folder / DIGESTS
    pins: dict[str, tuple[Coordinate, str]] = {}
    for number, line in enumerate(_read(path).splitlines(), start=1):
        sha256, _, name = line.partition("  ")
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef") or not name or name in pins:
            raise BadInputError(f"{path}, line {number}: not a SHA-256, two spaces and a file of its own. Mend it.")
        parts = name.partition("@")[0].split(":")
        module = ":".join(parts[:2])
        if module not in versions:
            raise BadInputError(f"{path}, line {number}: {CATALOG} has no version of {module}. Add one there.")
        classifier = "".join(f":{part}" for part in parts[2:])
        extension = "".join(name.partition("@")[1:])
        pins[name] = Coordinate.parse(f"{module}:{versions[module]}{classifier}{extension}"), sha256
    return pins


def fetch_pinned(folder: Path, name: str, *, cache: Path | None = None) -> Path:
    """A pinned file, from the cache or the network.

    Args:
        folder: of the catalog and the list of digests.
        name: ``group:artifact[:classifier]@extension``.
        cache: as of :func:`kdbuild.android.maven.fetch`.

    Raises:
        BadInputError: it isn't pinned, or can't be had.
    """
    pins = read_pins(folder)
    if name not in pins:
        raise BadInputError(f"{name}: not pinned in {folder / DIGESTS}. It has: {', '.join(pins)}.")
    coordinate, sha256 = pins[name]
    return fetch(coordinate, sha256, cache=cache)


def _versions(path: Path) -> dict[str, str]:
    """The version of each ``group:artifact`` of a catalog."""
    try:
        catalog: dict[str, Any] = tomllib.loads(_read(path))
        versions, libraries = catalog.get("versions", {}), catalog["libraries"]
        return {library["module"]: versions[library["version"]["ref"]] for library in libraries.values()}
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{path}: not valid TOML ({error}). Mend it.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path}: each of its libraries needs module and version.ref. Mend it.") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: can't be read ({error}). Take it from the repository.") from error
