"""Where the sources of the app lie: in the repository, or, as a copy, in an installed package."""

from pathlib import Path

from kdbuild.errors import BadInputError

_PACKAGE = Path(__file__).resolve().parent

UNICODE_TABLE = _PACKAGE.parent / "runtime" / "text" / "unicode.tsv"
"""The tokenizer's frozen table: Python and Java read the same file."""
UNICODE_RESOURCE = "dev/kdbuild/core/unicode.tsv"
"""Where the Java classes look for it."""

CORE, TFLITE, APP, PINS = "core/src/main/java", "core/src/tflite/java", "app/src/main", "gradle"
"""The runtime, its engine, the app, and what is pinned: below the folder of the sources."""
ANDROID = f"{APP}/java/dev/kdbuild/android"
"""What the runtime needs of Android, for any app."""
LIBRARY = "library"
"""What goes into other apps beside it."""


def find_sources() -> Path:
    """The folder of the Android sources: ``android_demo`` of the repository, or its copy inside the package.

    Raises:
        BadInputError: neither is there.
    """
    for folder in (_PACKAGE / "demo", _PACKAGE.parents[2] / "android_demo"):
        if (folder / APP / "AndroidManifest.xml").is_file():
            return folder
    raise BadInputError(f"{_PACKAGE}: the app's sources aren't there. Install kdbuild again.")
