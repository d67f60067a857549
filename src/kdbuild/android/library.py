"""What goes into somebody's own app: the artefact as assets, the runtime as a jar, and an example in two languages."""

import shutil
import tempfile
import tomllib
from pathlib import Path
from string import Template

from kdbuild.android.app import ASSETS, ENGINES, asset_names
from kdbuild.android.archive import Entry
from kdbuild.android.classes import compile_classes, write_jar
from kdbuild.android.java import Jdk
from kdbuild.android.pins import CATALOG
from kdbuild.android.sources import (
    ANDROID,
    CORE,
    LIBRARY,
    PINS,
    TFLITE,
    UNICODE_RESOURCE,
    UNICODE_TABLE,
    find_sources,
)
from kdbuild.android.tools import fetch_libraries
from kdbuild.files import check_replaceable, staged_folder
from kdbuild.runtime.artefact import MANIFEST_DIGEST, Artefact, files_of_artefact

_SHRINKER_RULES = Entry("META-INF/proguard/kdbuild.pro", b"-keepnames class dev.kdbuild.core.UnicodeTable\n")
"""For apps that are shrunk: the table is looked for beside this class, by the name of its package."""

JAR = "libs/kdbuild-core.jar"
EXAMPLES = ("Example.java", "Example.kt")
README = "README.md"


def check_library(out: Path) -> None:
    """Make sure that a library can be written, before much is done for it.

    Args:
        out: missing, empty, or an earlier library with nothing else in it.

    Raises:
        BadInputError: it holds something else, or there is no JDK.
    """
    Jdk.find()
    _check_target(out)


def _check_target(out: Path) -> None:
    """Refuse to replace anything but a library with nothing else in it."""
    check_replaceable(out, "a library for apps", lambda: files_of_library(out))


def files_of_library(folder: Path) -> list[str]:
    """Return the files of a library, relative to it; none if the folder is no library."""
    assets = files_of_artefact(folder / ASSETS) if (folder / JAR).is_file() else []
    return [JAR, *EXAMPLES, README, *(ASSETS + asset for asset in assets)] if assets else []


def write_library(folder: Path, out: Path) -> list[Path]:
    """Write what an app needs to classify texts with an artefact.

    Args:
        folder: the artefact; what is taken of it is checked.
        out: missing, empty or an earlier library, which is then replaced whole.

    Returns:
        The files, relative to ``out``.

    Raises:
        BadInputError: the artefact is damaged or has no TFLite model, something that is needed can't be had, or ``out``
            holds something else.
    """
    check_library(out)
    artefact = Artefact.open(folder)
    assets = asset_names(artefact, ENGINES["tflite"])
    sources = find_sources()
    with staged_folder(out, ASSETS + MANIFEST_DIGEST, lambda: _check_target(out)) as aside:
        with tempfile.TemporaryDirectory(prefix="kdbuild-android-") as name:
            work = Path(name)
            java = [sources / CORE, sources / TFLITE, sources / ANDROID]
            classes = compile_classes(fetch_libraries(sources / PINS, work, tflite=True), java, work)
            (aside / JAR).parent.mkdir()
            write_jar(aside / JAR, classes, [Entry(UNICODE_RESOURCE, UNICODE_TABLE.read_bytes()), _SHRINKER_RULES])
        (aside / ASSETS).mkdir(parents=True)
        for asset in assets:
            listed = asset in artefact.manifest.files
            shutil.copyfile(artefact.check(asset) if listed else folder / asset, aside / ASSETS / asset)
        for example in EXAMPLES:
            shutil.copyfile(sources / LIBRARY / example, aside / example)
        readme = Template((sources / LIBRARY / README).read_text(encoding="utf-8"))
        versions = tomllib.loads((sources / PINS / CATALOG).read_text(encoding="utf-8"))["versions"]
        text = readme.substitute(
            labels=", ".join(f"`{label}`" for label in artefact.manifest.labels),
            max_tokens=f"{artefact.manifest.max_tokens:,}",
            litert=versions["litert"],
            tensorflow=versions["tensorflow-lite"],
        )
        (aside / README).write_text(text, encoding="utf-8")
    return sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
