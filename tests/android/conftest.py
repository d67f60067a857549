"""What builds apps and the Java runtime, where it can be had."""

import os
import sys
from pathlib import Path

import pytest

from android_demo.core import build
from android_java import Java
from kdbuild.android.java import Jdk
from kdbuild.android.pins import fetch_pinned
from kdbuild.android.tools import Libraries, Tools, fetch_libraries, fetch_tools
from kdbuild.errors import BadInputError
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.native.targets import host

DEMO = Path(__file__).resolve().parents[2] / "android_demo"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """What builds apps, where it can be had."""
    try:
        return fetch_tools(DEMO / "gradle", tmp_path_factory.mktemp("tools"))
    except BadInputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def libraries(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    """What apps are compiled against, where it can be had."""
    try:
        return fetch_libraries(DEMO / "gradle", tmp_path_factory.mktemp("libraries"), tflite=True)
    except BadInputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def jars() -> dict[str, Path]:
    """What has to be downloaded, and a JDK is there."""
    try:
        Jdk.find()
        return {name: fetch_pinned(build.PINS, name) for name in (*build.TENSORFLOW_LITE, *build.TEST_JARS)}
    except BadInputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def core(jars: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> build.Built:
    """The runtime, compiled."""
    return build.compile_core(tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def tests(core: build.Built, tmp_path_factory: pytest.TempPathFactory) -> build.Built:
    """Its tests, compiled."""
    return build.compile_tests(core, tmp_path_factory.mktemp("tests"))


@pytest.fixture(scope="module")
def java(tests: build.Built, tmp_path_factory: pytest.TempPathFactory) -> Java:
    """Runs tests whose engine is TensorFlow Lite for the desktop."""
    unpacked = tmp_path_factory.mktemp("javacpp")
    return Java(tests, (f"-Dorg.bytedeco.javacpp.cachedir={unpacked}",), dict(os.environ))


@pytest.fixture(scope="module")
def native_java(tests: build.Built) -> Java:
    """Runs tests whose engine is kdbuild's own, in this machine's library."""
    target = host()
    if target is None or not target.java:
        pytest.skip(f"no library for Java on {sys.platform}")
    return Java(tests, (f"-Djava.library.path={library_path().parent}",), {})
