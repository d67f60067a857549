"""The bundle for Android: what goes into somebody's own app."""

from pathlib import Path

from kdbuild.android.library import check_library, write_library
from kdbuild.export.bundles.registry import Bundle


class AndroidLibrary(Bundle):
    """Assets, a jar with the runtime, and examples in Kotlin and Java."""

    def check(self, out: Path) -> None:
        """See :func:`~kdbuild.android.library.check_library`."""
        check_library(out)

    def write(self, artefact: Path, out: Path) -> list[Path]:
        """See :func:`~kdbuild.android.library.write_library`."""
        return write_library(artefact, out)

    def next_step(self, out: Path) -> str:
        """Point to the folder's own README."""
        return f"put them into your app, as {out / 'README.md'} says"
