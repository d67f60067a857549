"""The programs and libraries that an app is built with, as files of Maven repositories: no Android SDK, no Gradle."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from kdbuild.android.java import Jdk, take_from
from kdbuild.android.pins import fetch_pinned
from kdbuild.errors import BadInputError

TENSORFLOW_LITE = ("org.tensorflow:tensorflow-lite@aar", "org.tensorflow:tensorflow-lite-api@aar")
"""The other engine: its native libraries with their classes, and the interface."""

_SYSTEMS = {"linux": "linux/aapt2", "darwin": "macosx/aapt2", "win32": "windows/aapt2.exe"}
"""Where the apktool library has aapt2 for which system."""


@dataclass(frozen=True)
class Libraries:
    """What Java sources of an app are compiled against."""

    jdk: Jdk
    android: Path
    """The system's classes."""
    engine: Path | None
    """Android archive with TensorFlow Lite's native libraries, if that is asked for."""
    engine_jars: tuple[Path, ...]
    """TensorFlow Lite's classes, likewise."""


@dataclass(frozen=True)
class Tools:
    """What turns resources and classes into an APK."""

    jdk: Jdk
    aapt2: Path
    """Compiles and links resources."""
    framework: Path
    """The system's resources, which those of an app refer to."""
    r8: Path
    """Holds D8, which makes Android's bytecode of Java's."""
    apksig: Path
    """Signs and verifies."""


def fetch_libraries(pins: Path, folder: Path, *, tflite: bool = False) -> Libraries:
    """The libraries, from the cache or the network.

    Args:
        pins: folder of the version catalog and the digests.
        folder: for what is unpacked.
        tflite: whether TensorFlow Lite is among them.

    Raises:
        BadInputError: there is no JDK, or something can't be had.
    """
    jdk = Jdk.find()
    archives = [fetch_pinned(pins, name) for name in TENSORFLOW_LITE] if tflite else []
    jars = []
    for archive in archives:
        jar = folder / archive.with_suffix(".jar").name
        take_from(archive, {"classes.jar": jar})
        jars.append(jar)
    android = fetch_pinned(pins, "org.robolectric:android-all@jar")
    return Libraries(jdk, android, archives[0] if archives else None, tuple(jars))


def fetch_tools(pins: Path, folder: Path) -> Tools:
    """The programs, from the cache or the network.

    Args:
        pins: folder of the version catalog and the digests.
        folder: for what is unpacked.

    Raises:
        BadInputError: there is no JDK, something can't be had, or no aapt2 is made for this system.
    """
    jdk = Jdk.find()
    member = _aapt2()
    aapt2, framework = folder / Path(member).name, folder / "framework.jar"
    apktool = fetch_pinned(pins, "org.apktool:apktool-lib@jar")
    take_from(apktool, {f"prebuilt/{member}": aapt2, "prebuilt/android-framework.jar": framework})
    aapt2.chmod(0o755)
    return Tools(
        jdk=jdk,
        aapt2=aapt2,
        framework=framework,
        r8=fetch_pinned(pins, "com.android.tools:r8@jar"),
        apksig=fetch_pinned(pins, "com.android.tools.build:apksig@jar"),
    )


def _aapt2() -> str:
    """Where the apktool library has aapt2 for this system.

    Raises:
        BadInputError: nowhere.
    """
    machine = platform.machine().lower()
    if sys.platform not in _SYSTEMS or (sys.platform == "linux" and machine not in ("x86_64", "amd64")):
        raise BadInputError(
            f"aapt2: there is none for {platform.system()} on {machine}. Build the app on x86-64 Linux, macOS or Windows."
        )
    return _SYSTEMS[sys.platform]
