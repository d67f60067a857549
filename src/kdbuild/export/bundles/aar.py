"""The bundle for Android: a library with engine and model for somebody's own app."""

from pathlib import Path
from typing import Any

from kdbuild.android.aar import Coordinates, check_library, write_library
from kdbuild.export.bundles.registry import Bundle


class AndroidLibrary(Bundle):
    """An AAR, a Maven repository that has it, and examples in Kotlin and Java."""

    def check(self, out: Path, **settings: Any) -> None:
        """See :func:`~kdbuild.android.aar.check_library`."""
        check_library(out, _coordinates(settings))

    def write(self, artefact: Path, out: Path, **settings: Any) -> list[Path]:
        """See :func:`~kdbuild.android.aar.write_library`."""
        return write_library(artefact, out, _coordinates(settings))

    def next_step(self, out: Path) -> str:
        """Point to the folder's own README."""
        return f"add it to your app, as {out / 'README.md'} says"


def _coordinates(settings: dict[str, Any]) -> Coordinates:
    names = {"group": "group", "artifact": "artifact", "library_version": "version"}
    return Coordinates(**{names[name]: value for name, value in settings.items()})
