"""Builds the runtime for Java, and its tests.

    python -m android_demo.core.build kdbuild-core.jar

The jar needs Java 8 and nothing else; whoever runs TFLite models with it compiles ``src/tflite`` beside it.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.android.archive import Entry
from kdbuild.android.classes import write_jar
from kdbuild.android.java import Jdk, take_from
from kdbuild.android.pins import fetch_pinned
from kdbuild.android.sources import UNICODE_RESOURCE, UNICODE_TABLE
from kdbuild.errors import BadInputError

HERE = Path(__file__).resolve().parent
PINS = HERE.parent / "gradle"

TENSORFLOW_LITE = ("org.tensorflow:tensorflow-lite@aar", "org.tensorflow:tensorflow-lite-api@aar")
TEST_JARS = (
    "junit:junit@jar",
    "org.hamcrest:hamcrest-core@jar",
    "org.bytedeco:tensorflow-lite@jar",
    "org.bytedeco:tensorflow-lite:linux-x86_64@jar",
    "org.bytedeco:javacpp@jar",
    "org.bytedeco:javacpp:linux-x86_64@jar",
)


@dataclass(frozen=True)
class Built:
    """Compiled classes."""

    jdk: Jdk
    classpath: tuple[Path, ...]
    """Folders of classes and jars to run them with."""


def compile_core(out: Path) -> Built:
    """Compile the runtime, and put the Unicode table beside its classes.

    Raises:
        BadInputError: there is no JDK, or the sources don't compile.
    """
    jdk = Jdk.find()
    jdk.compile([HERE / "src/main/java"], out)
    shutil.copyfile(UNICODE_TABLE, out / UNICODE_RESOURCE)
    return Built(jdk, (out,))


def compile_tflite(core: Built, out: Path) -> Built:
    """Compile the engine that runs on TensorFlow Lite's Android library.

    Args:
        core: the runtime.
        out: folder for the classes and what is unpacked for them.

    Raises:
        BadInputError: the library can't be had, or the sources don't compile.
    """
    jars = []
    for name in TENSORFLOW_LITE:
        jar = out / f"{name.partition(':')[2].partition('@')[0]}.jar"
        take_from(fetch_pinned(PINS, name), {"classes.jar": jar})
        jars.append(jar)
    classes = out / "classes"
    core.jdk.compile([HERE / "src/tflite/java"], classes, [*core.classpath, *jars])
    return Built(core.jdk, (classes, *jars, *core.classpath))


def compile_tests(core: Built, out: Path) -> Built:
    """Compile the tests, whose engine is TensorFlow Lite for x86-64 Linux.

    Raises:
        BadInputError: what they need can't be had, or they don't compile.
    """
    jars = [fetch_pinned(PINS, name) for name in TEST_JARS]
    core.jdk.compile([HERE / "src/test/java"], out, [*core.classpath, *jars])
    return Built(core.jdk, (out, *core.classpath, *jars))


def write_core(core: Built, jar: Path) -> None:
    """Pack the runtime; the same sources give the same bytes."""
    aside = jar.with_name(jar.name + ".new")
    write_jar(aside, core.classpath[0], [Entry(UNICODE_RESOURCE, UNICODE_TABLE.read_bytes())])
    os.replace(aside, jar)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m android_demo.core.build", description="Build the runtime for Java."
    )
    parser.add_argument("jar", type=Path, help="file to write")
    jar: Path = parser.parse_args(arguments).jar
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_core(compile_core(Path(folder)), jar)
    except BadInputError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{jar}  {jar.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
