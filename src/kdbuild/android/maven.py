"""Files of Maven repositories, each pinned by its SHA-256 and kept in a cache.

They are fetched without Maven, which not everybody has: a repository is a web server whose paths follow from the
coordinates. Asked are, in this order, the repository named in the environment variable ``KDBUILD_MAVEN`` and no other;
else Maven Central and Google's, each in the place that ``~/.m2/settings.xml`` gives a mirror of it.
"""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from xml.etree import ElementTree

from kdbuild.errors import BadInputError
from kdbuild.files import default_cache
from kdbuild.staging import staging_folder

ENVIRONMENT_VARIABLE = "KDBUILD_MAVEN"
REPOSITORIES = {
    "central": "https://repo1.maven.org/maven2",
    "google": "https://dl.google.com/dl/android/maven2",
}
"""By the names that ``settings.xml`` has for them, in the order in which they are asked."""

_SECONDS = 60
"""Without a byte, after which a repository counts as unreachable."""


@dataclass(frozen=True)
class Coordinate:
    """What names a file in a Maven repository."""

    group: str
    artifact: str
    version: str
    classifier: str = ""
    """Tells files of one version apart, as in ``linux-x86_64``; mostly empty."""
    extension: str = "jar"

    @classmethod
    def parse(cls, text: str) -> "Coordinate":
        """Read ``group:artifact:version[:classifier][@extension]``.

        Raises:
            BadInputError: it isn't of this form.
        """
        names, _, extension = text.partition("@")
        parts = names.split(":")
        words = [*parts, extension] if "@" in text else parts
        if len(parts) not in (3, 4) or not all(map(_is_word, words)):
            raise BadInputError(f"{text}: no Maven coordinate. Write group:artifact:version[:classifier][@extension].")
        return cls(parts[0], parts[1], parts[2], parts[3] if len(parts) == 4 else "", extension or "jar")

    def __str__(self) -> str:
        classifier = f":{self.classifier}" if self.classifier else ""
        return f"{self.group}:{self.artifact}:{self.version}{classifier}@{self.extension}"

    @property
    def path(self) -> str:
        """Where it lies below a repository's address."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        name = f"{self.artifact}-{self.version}{classifier}.{self.extension}"
        return "/".join([*self.group.split("."), self.artifact, self.version, name])


def _is_word(text: str) -> bool:
    """Whether it may be a part of a path: no slash in it, and not a step up."""
    return bool(text) and text.isascii() and text.strip(".") != "" and all(c.isalnum() or c in "._-+" for c in text)


def fetch(coordinate: Coordinate, sha256: str, *, cache: Path | None = None) -> Path:
    """A file of a Maven repository, from the cache or, the first time, from the network.

    Args:
        coordinate: names it.
        sha256: in hex; whatever has another is refused, and fetched again where the cache holds it.
        cache: folder that it is kept in; ``maven`` in the user's cache of kdbuild if None.

    Returns:
        Its path in the cache; not to be changed.

    Raises:
        BadInputError: no repository can be reached, none has it, or it isn't the one that is pinned.
    """
    path = (default_cache() / "maven" if cache is None else cache) / coordinate.path
    try:
        if path.is_file() and _digest(path) == sha256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        failures = []
        for address in repositories(os.environ, Path.home()):
            failure = _download(f"{address}/{coordinate.path}", sha256, path)
            if failure is None:
                return path
            failures.append(f"{address}: {failure}")
    except OSError as error:
        raise BadInputError(
            f"{path}: can't be read or written ({error.strerror or error}). Name another folder with XDG_CACHE_HOME."
        ) from error
    raise BadInputError(
        f"{coordinate}: can't be downloaded ({'; '.join(failures)}). "
        f"Check the network, or name a mirror in {ENVIRONMENT_VARIABLE}."
    )


def repositories(environment: Mapping[str, str], home: Path) -> list[str]:
    """Addresses of the repositories to ask, without a slash at their ends.

    Args:
        environment: where ``KDBUILD_MAVEN`` may stand.
        home: the user's folder, where ``.m2/settings.xml`` may lie.

    Raises:
        BadInputError: ``settings.xml`` can't be read.
    """
    own = environment.get(ENVIRONMENT_VARIABLE)
    if own:
        return [own.rstrip("/")]
    mirrors = _mirrors(home / ".m2" / "settings.xml")
    found = []
    for name, address in REPOSITORIES.items():
        mirror = next((mirror for pattern, mirror in mirrors if _matches(pattern, name)), address)
        if mirror not in found:
            found.append(mirror)
    return found


def _mirrors(settings: Path) -> list[tuple[str, str]]:
    """Patterns of repositories and the address of each one's mirror, in the order of the file; none without a file."""
    if not settings.is_file():
        return []
    try:
        root = ElementTree.parse(settings).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise BadInputError(f"{settings}: can't be read as XML ({error}). Mend or remove it.") from error
    mirrors = []
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        pattern, address, blocked = (mirror.findtext("{*}" + tag, "") for tag in ("mirrorOf", "url", "blocked"))
        if address and blocked.strip() != "true":
            mirrors.append((pattern, address.strip().rstrip("/")))
    return mirrors


def _matches(pattern: str, repository: str) -> bool:
    """Whether a ``mirrorOf`` such as ``*,!google`` names a repository that isn't on this machine."""
    words = [word.strip() for word in pattern.split(",")]
    return f"!{repository}" not in words and not {"*", "external:*", repository}.isdisjoint(words)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(url: str, sha256: str, path: Path) -> str | None:
    """Fetch a file, write it aside and rename it; what is wrong with what the network gave, if anything."""
    try:
        # In memory: the largest of them is a few dozen megabytes.
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:
            content = response.read()
    except (OSError, HTTPException, ValueError) as error:
        return _reason(error)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        return f"has sha256 {found} instead of {sha256}"
    with staging_folder(path.parent, path.name) as staging:  # of its own: others may fetch the same file
        (staging / path.name).write_bytes(content)
        os.replace(staging / path.name, path)
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
