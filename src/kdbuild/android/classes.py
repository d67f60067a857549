"""The app's classes: compiled by a JDK, and turned into Android's bytecode by D8."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kdbuild.android.archive import Entry, write_archive
from kdbuild.android.java import Jdk, first_error
from kdbuild.android.resources import MIN_SDK
from kdbuild.android.tools import Libraries, Tools
from kdbuild.errors import BadInputError


def compile_classes(libraries: Libraries, sources: Sequence[Path], work: Path) -> Path:
    """Compile Java sources against Android and TensorFlow Lite.

    Args:
        libraries: that they need.
        sources: folders whose ``.java`` files are taken.
        work: folder for what is made.

    Returns:
        The folder of the classes.

    Raises:
        BadInputError: they don't compile; the message is the compiler's first one.
    """
    folder = work / "classes"
    libraries.jdk.compile(sources, folder, [libraries.android, *libraries.engine_jars], strict=False)
    return folder


def write_jar(jar: Path, folder: Path, others: Sequence[Entry] = ()) -> None:
    """Pack classes; the same ones give the same bytes.

    Args:
        jar: to write.
        folder: of the classes.
        others: what else it holds.
    """
    classes = [path for path in sorted(folder.rglob("*.class")) if path.stem != "package-info"]
    entries = [Entry(path.relative_to(folder).as_posix(), path.read_bytes()) for path in classes]
    write_archive(jar, [*entries, *others])


def to_dex(tools: Tools, libraries: Libraries, jars: Sequence[Path], work: Path) -> list[Path]:
    """Turn classes into Android's bytecode.

    Args:
        tools: of which D8 is used.
        libraries: of which the system's is used.
        jars: all classes of the app but the system's.
        work: folder for what is made.

    Returns:
        ``classes.dex``, and more of its kind where one doesn't hold them all.

    Raises:
        BadInputError: D8 refuses something; the message is its first one.
    """
    folder = work / "dex"
    folder.mkdir()
    arguments: list[str | Path] = ["--release", "--min-api", str(MIN_SDK), "--output", folder]
    # Android's archive lacks Java's own classes, and without them D8 misjudges what it has to rewrite.
    arguments += ["--lib", libraries.android, "--lib", java_home(tools.jdk)]
    command = tools.jdk.command(
        "com.android.tools.r8.D8", [*arguments, *jars], classpath=[tools.r8], options=["-Xmx1g"]
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadInputError(f"D8: {first_error(done)}. Use a newer JDK.")
    return sorted(folder.glob("*.dex"))


def java_home(jdk: Jdk) -> str:
    """The folder of a JDK's classes, wherever its programs are called from.

    Raises:
        BadInputError: it doesn't say.
    """
    command: list[str | Path] = [jdk.java, "-XshowSettings:properties", "-version"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    found = re.search(r"^ *java\.home = (.+)$", said, re.MULTILINE)
    if found is None:
        raise BadInputError(f"{jdk.java}: doesn't say where its classes are. Name a JDK in JAVA_HOME.")
    return found[1].strip()
