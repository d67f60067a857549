"""A Java compiler and virtual machine, and what is taken out of Android's archives for them."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.files import write_atomically

RELEASE = "8"
"""Java version of sources and classes: what every Android builder takes."""

# All but that a newer compiler will drop this version some day, and that a jar names neighbours which aren't there.
_CHECKS = ("-Xlint:all,-options,-path", "-Xdoclint:all,-missing", "-Werror")
# What ends within seconds is better off without the second compiler and with the smallest collector.
_SHORT_LIVED = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dfile.encoding=UTF-8")


@dataclass(frozen=True)
class Jdk:
    """A Java development kit; find one with :meth:`find`."""

    javac: Path
    java: Path

    @classmethod
    def find(cls) -> "Jdk":
        """That of ``JAVA_HOME``, else the one on the path.

        Raises:
            BadInputError: there is none.
        """
        home = os.environ.get("JAVA_HOME")
        places = str(Path(home) / "bin") if home else None
        found = [shutil.which(name, path=places) for name in ("javac", "java")]
        if not all(found):
            where = f"JAVA_HOME {home}" if home else "the path"
            raise BadInputError(f"javac: not on {where}. Install a JDK, 11 or newer, or name its folder in JAVA_HOME.")
        return cls(*(Path(str(name)) for name in found))

    def compile(
        self, sources: Sequence[Path], out: Path, classpath: Sequence[Path] = (), *, strict: bool = True
    ) -> None:
        """Compile Java sources.

        Args:
            sources: files, or folders whose ``.java`` files are taken.
            out: folder for the classes, made if it isn't there.
            classpath: jars and folders of classes that they need.
            strict: take a warning for an error. What a compiler only warns of is the developers' affair, every newer one warns
                of more, and all of them warn of Android's own classes.

        Raises:
            BadInputError: they don't compile; the message is the compiler's first one.
        """
        files = [
            file for source in sources for file in (sorted(source.rglob("*.java")) if source.is_dir() else [source])
        ]
        if not files:
            raise BadInputError(f"{', '.join(map(str, sources))}: no .java file there. Check the path.")
        out.mkdir(parents=True, exist_ok=True)
        options = ["--release", RELEASE, "-encoding", "UTF-8", "-proc:none", "-d", str(out)]
        options += _CHECKS if strict else ("-nowarn", "-Xlint:none")
        # An empty class path would be this folder, and none that of the environment.
        options += ["-classpath", _path([*classpath, out])]
        done = subprocess.run([self.javac, *options, *files], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BadInputError(f"javac: {first_error(done)}. Correct the source.")

    def command(
        self, main: str, arguments: Sequence[str | Path] = (), *, classpath: Sequence[Path], options: Sequence[str] = ()
    ) -> list[str]:
        """The command that runs a class.

        Args:
            main: its full name.
            arguments: of its ``main``.
            classpath: jars and folders of classes.
            options: of the virtual machine.
        """
        words = [self.java, *_SHORT_LIVED, *options, "-classpath", _path(classpath), main, *arguments]
        return [str(word) for word in words]


def first_error(done: "subprocess.CompletedProcess[str]") -> str:
    """What a program that failed said first of an error, or else first."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    # javac ends with "error: warnings found and -Werror specified" where the first line has the warning.
    errors = [line for line in lines if "error:" in line.lower() and "-Werror" not in line]
    return (errors or lines or [f"it ended with {done.returncode}"])[0].strip().rstrip(".")


def _path(entries: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, entries))


def take_from(archive: Path, members: Mapping[str, Path]) -> None:
    """Take files out of a jar or an Android archive, each written aside and renamed.

    Args:
        archive: a zip file by whatever name.
        members: where each goes, by its name in the archive.

    Raises:
        BadInputError: it isn't an archive, or lacks one of them.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            contents = {target: opened.read(member) for member, target in members.items()}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise BadInputError(f"{archive}: can't be unpacked ({error}). Remove it and run the command again.") from error
    for target, content in contents.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content)
