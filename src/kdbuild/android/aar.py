"""An Android library (AAR) around an artefact, and a Maven repository that has it: one line of dependency for an app.

The format is Android's (https://developer.android.com/studio/projects/android-library): a zip file of a manifest, classes,
native libraries and assets.
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from xml.sax.saxutils import escape

from kdbuild.android.app import ENGINES, asset, asset_names
from kdbuild.android.archive import Entry, write_archive
from kdbuild.android.classes import compile_classes, write_jar
from kdbuild.android.java import Jdk, first_error
from kdbuild.android.sources import ANDROID, CORE, LIBRARY, PINS, UNICODE_RESOURCE, UNICODE_TABLE, find_sources
from kdbuild.android.tools import fetch_libraries
from kdbuild.errors import BadInputError
from kdbuild.files import check_replaceable, staged_folder
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.native.library import library_path
from kdbuild.sums import SUMS, listed_files, write_sums

MIN_SDK = 21
"""Android 5.0, the oldest that has all that the runtime calls."""
REPOSITORY, README = "maven", "README.md"
_EXAMPLES = ("Example.java", "Example.kt")
_METADATA = "META-INF/com/android/build/gradle/aar-metadata.properties"
_RULES = """\
# The Unicode table is looked for beside this class, by the name of its package.
-keepnames class dev.kdbuild.core.UnicodeTable
# Found by their names from C.
-keepclasseswithmembernames,includedescriptorclasses class dev.kdbuild.core.NativeEngine { native <methods>; }
"""
_TAKEN = ("ArtefactException", "AssetSource", "Classifier", "Context", "Example", "NativeEngine")
"""Names of classes in the library's own class and in the examples."""
_WORD = r"[A-Za-z][A-Za-z0-9_]*"


@dataclass(frozen=True)
class Coordinates:
    """What an app names the library by."""

    group: str = "com.example"
    artifact: str = "text-classifier"
    version: str = "1.0"

    def check(self) -> None:
        """Let names pass that Maven and Java take.

        Raises:
            BadInputError: one isn't such a name, or its class would be called as one that it stands beside.
        """
        if self.class_name in _TAKEN:
            raise BadInputError(
                f"--artifact {self.artifact}: its class would be {self.class_name}, as another one is called. "
                "Use a name of its own, as in my-reviews."
            )
        rules = (
            ("--group", self.group, rf"{_WORD}(\.{_WORD})*", "words with dots between them, as in com.example"),
            (
                "--artifact",
                self.artifact,
                rf"{_WORD}(-[A-Za-z0-9_]+)*",
                "letters, digits and hyphens, as in my-reviews",
            ),
            ("--library-version", self.version, r"[A-Za-z0-9][A-Za-z0-9._-]*", "a version as in 1.0"),
        )
        for flag, value, rule, advice in rules:
            if not re.fullmatch(rule, value):
                raise BadInputError(f"{flag} {value}: not a name that Maven and Java take. Use {advice}.")

    @property
    def package(self) -> str:
        """The Java package of the library's own class."""
        return f"{self.group}.{self.artifact.replace('-', '_').lower()}"

    @property
    def class_name(self) -> str:
        """The name of that class: the artifact's in upper camel case."""
        return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]", self.artifact))

    @property
    def folder(self) -> Path:
        """Where a Maven repository has it."""
        return Path(*self.group.split("."), self.artifact, self.version)

    @property
    def file(self) -> str:
        """The name of its files without their extensions."""
        return f"{self.artifact}-{self.version}"


def check_library(out: Path, coordinates: Coordinates) -> None:
    """Make sure that a library can be written, before much is done for it.

    Args:
        out: missing, empty, or an earlier library with nothing else in it.
        coordinates: the library's.

    Raises:
        BadInputError: it holds something else, a coordinate is no such name, or there is no JDK.
    """
    coordinates.check()
    Jdk.find()
    _check_target(out)


def _check_target(out: Path) -> None:
    check_replaceable(out, "a library for Android", lambda: listed_files(out, _EXAMPLES[0]))


def write_library(artefact: Path, out: Path, coordinates: Coordinates) -> list[Path]:
    """Write an AAR, a Maven repository that holds it, two examples and a README.

    Args:
        artefact: folder of an artefact with a native model; what is taken of it is checked.
        out: missing, empty or an earlier library, which is then replaced whole.
        coordinates: what apps name it by.

    Returns:
        The files, relative to ``out``.

    Raises:
        BadInputError: the artefact is damaged or has no native model, something that is needed can't be had, or ``out``
            holds something else.
    """
    check_library(out, coordinates)
    opened, sources = Artefact.open(artefact), find_sources()
    fillings = {
        "package": coordinates.package,
        "name": coordinates.class_name,
        "group": coordinates.group,
        "artifact": coordinates.artifact,
        "version": coordinates.version,
        "aar": f"{coordinates.file}.aar",
        "labels": ", ".join(f"`{label}`" for label in opened.manifest.labels),
        "call": '("a text", "another text")' if opened.manifest.pairs else '("a text")',
        "parameters": "String text, String second" if opened.manifest.pairs else "String text",
        "kotlin_parameters": "text: String, second: String" if opened.manifest.pairs else "text: String",
        "arguments": "text, second" if opened.manifest.pairs else "text",
        "max_tokens": f"{opened.manifest.max_tokens:,}",
    }
    with staged_folder(out, SUMS, lambda: _check_target(out)) as aside:
        with tempfile.TemporaryDirectory(prefix="kdbuild-aar-") as name:
            work = Path(name)
            own = work / "own" / f"{coordinates.class_name}.java"
            own.parent.mkdir()
            own.write_text(_filled(sources / LIBRARY / "Library.java.in", fillings), encoding="utf-8")
            java = [sources / CORE, sources / ANDROID, own.parent]
            libraries = fetch_libraries(sources / PINS, work)
            table = Entry(UNICODE_RESOURCE, UNICODE_TABLE.read_bytes())
            write_jar(work / "classes.jar", compile_classes(libraries, java, work), [table])
            _write_javadoc(libraries.jdk, java, libraries.android, work / "javadoc.jar", work)
            aar = aside / f"{coordinates.file}.aar"
            write_archive(aar, _entries(opened, coordinates, (work / "classes.jar").read_bytes()))
            repository = aside / REPOSITORY / coordinates.folder
            repository.mkdir(parents=True)
            for source, ending in ((aar, ".aar"), (work / "javadoc.jar", "-javadoc.jar")):
                (repository / f"{coordinates.file}{ending}").write_bytes(source.read_bytes())
            _write(repository / f"{coordinates.file}.pom", _pom(coordinates))
        for example in _EXAMPLES:
            _write(aside / example, _filled(sources / LIBRARY / f"{example}.in", fillings))
        _write(aside / README, _filled(sources / LIBRARY / f"{README}.in", fillings))
        return write_sums(aside)


def _entries(artefact: Artefact, coordinates: Coordinates, classes: bytes) -> list[Entry]:
    engine = ENGINES["native"]
    folder = f"assets/kdbuild/{coordinates.package}/"
    manifest = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="{coordinates.package}">\n'
        f'    <uses-sdk android:minSdkVersion="{MIN_SDK}" />\n</manifest>\n'
    )
    metadata = "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=1\nminAndroidGradlePluginVersion=1.0.0\n"
    return [
        Entry("AndroidManifest.xml", manifest.encode()),
        Entry("classes.jar", classes),
        Entry("R.txt", b""),
        Entry("proguard.txt", _RULES.encode()),
        Entry(_METADATA, metadata.encode()),
        *(Entry(f"jni/{abi}/{engine.library}", library_path(f"android-{abi}").read_bytes()) for abi in engine.abis),
        *(asset(artefact, name, folder) for name in asset_names(artefact, engine)),
    ]


def _pom(coordinates: Coordinates) -> str:
    names = {"groupId": coordinates.group, "artifactId": coordinates.artifact, "version": coordinates.version}
    lines = "".join(f"  <{tag}>{escape(value)}</{tag}>\n" for tag, value in names.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n'
        f"  <modelVersion>4.0.0</modelVersion>\n{lines}  <packaging>aar</packaging>\n</project>\n"
    )


def _write_javadoc(jdk: Jdk, sources: Sequence[Path], android: Path, jar: Path, work: Path) -> None:
    """Pack the pages of the public classes.

    Raises:
        BadInputError: the JDK has no javadoc, or it refuses something.
    """
    folder, files = work / "javadoc", [file for source in sources for file in sorted(source.rglob("*.java"))]
    program = jdk.javac.with_name(f"javadoc{jdk.javac.suffix}")
    options: list[str | Path] = ["-quiet", "-notimestamp", "-Xdoclint:none", "-encoding", "UTF-8"]
    options += ["-classpath", android, "-d", folder]
    try:
        done = subprocess.run([program, *options, *files], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInputError(f"{program}: {error.strerror}. Install a whole JDK.") from error
    if done.returncode:
        raise BadInputError(f"javadoc: {first_error(done)}. Use another JDK.")
    pages = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    write_archive(jar, [Entry(path.relative_to(folder).as_posix(), path.read_bytes()) for path in pages])


def _filled(path: Path, fillings: dict[str, str]) -> str:
    return Template(path.read_text(encoding="utf-8")).substitute(fillings)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")
