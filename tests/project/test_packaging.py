"""What a wheel carries, built from the working tree and through the source distribution."""

import email
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from kdbuild import __version__

ROOT = Path(__file__).resolve().parents[2]
DIST_INFO = f"kdbuild-{__version__}.dist-info"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """The wheel built directly and the one built from the sdist, both by the installed setuptools: no network."""
    # setuptools writes build/ and egg-info beside what it builds, so it gets a copy.
    tree = tmp_path_factory.mktemp("tree")
    names = ("src", "tests", "android_demo", "trainer", "export", "runtime")
    for name in (*names, "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "models", "screenshots")
            shutil.copytree(source, tree / name, ignore=left_out)
        else:
            shutil.copy(source, tree / name, follow_symlinks=False)
    opened = {}
    # Without --wheel, build makes the sdist and then the wheel from it.
    for way, options in {"direct": ["--wheel"], "sdist": []}.items():
        folder = tmp_path_factory.mktemp(way)
        command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(folder), str(tree)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stdout + built.stderr
        (wheel,) = folder.glob("*.whl")
        opened[way] = zipfile.ZipFile(wheel)
    return opened


@pytest.fixture(scope="module")
def metadata(wheels: dict[str, zipfile.ZipFile]) -> Message:
    return email.message_from_bytes(wheels["direct"].read(f"{DIST_INFO}/METADATA"))


@pytest.mark.parametrize("way", ["direct", "sdist"])
def test_wheel_holds_exactly_the_package(wheels: dict[str, zipfile.ZipFile], way: str) -> None:
    package = ROOT / "src" / "kdbuild"
    on_disk = {
        f"kdbuild/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # Against the walk having gone wrong in the same way as the build.
    assert {"kdbuild/__main__.py", "kdbuild/py.typed", "kdbuild/runtime/text/unicode.tsv"} <= on_disk
    names = set(wheels[way].namelist())
    demo = "kdbuild/android/demo/"
    assert {name for name in names if name.startswith("kdbuild/") and not name.startswith(demo)} == on_disk
    assert {name for name in names if not name.startswith("kdbuild/")} == {
        f"{DIST_INFO}/METADATA",
        f"{DIST_INFO}/RECORD",
        f"{DIST_INFO}/WHEEL",
        f"{DIST_INFO}/entry_points.txt",
        f"{DIST_INFO}/licenses/LICENSE",
        f"{DIST_INFO}/top_level.txt",
    }


def test_wheel_holds_the_sources_of_the_app(wheels: dict[str, zipfile.ZipFile]) -> None:
    demo = ROOT / "android_demo"
    needed = {
        path
        for folder in ("core/src/main", "core/src/tflite", "app/src/main", "library")
        for path in (demo / folder).rglob("*")
        if path.is_file()
    } | {demo / "gradle/libs.versions.toml", demo / "gradle/artifacts.sha256"}
    inside = "kdbuild/android/demo/"
    wheel = wheels["sdist"]
    assert {inside + path.relative_to(demo).as_posix() for path in needed} == {
        name for name in wheel.namelist() if name.startswith(inside)
    }
    for path in needed:
        assert wheel.read(inside + path.relative_to(demo).as_posix()) == path.read_bytes()


def test_both_wheels_hold_the_same_bytes(wheels: dict[str, zipfile.ZipFile]) -> None:
    direct, via_sdist = wheels["direct"], wheels["sdist"]
    for name in direct.namelist():
        if not name.endswith("/RECORD"):
            assert via_sdist.read(name) == direct.read(name), name


def test_wheel_has_one_command(wheels: dict[str, zipfile.ZipFile]) -> None:
    entry_points = wheels["direct"].read(f"{DIST_INFO}/entry_points.txt").decode()
    assert entry_points == "[console_scripts]\nkdbuild = kdbuild.cli:main\n"


def test_base_install_is_what_the_runtime_needs(metadata: Message) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    assert [line for line in requirements if "extra ==" not in line] == ["numpy>=1.26", "click>=8.1"]


def test_no_extra_brings_tensorflow(metadata: Message) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    assert any(line.startswith("ai-edge-litert") for line in requirements)
    for unwanted in ("tensorflow", "tf-nightly", "tf_nightly", "litert-torch", "litert_torch", "keras", "jax"):
        assert not [line for line in requirements if line.lower().startswith(unwanted)]
    # numpy below 2 would hold back every other extra.
    assert "kdbuild[tflite-runtime]" not in " ".join(requirements)


def test_version_licence_and_python_are_declared(metadata: Message) -> None:
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
