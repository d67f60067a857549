"""What a wheel carries, built from the working tree and through the source distribution."""

import email
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from pyproject_hooks import BuildBackendHookCaller, quiet_subprocess_runner

from kdbuild import __version__
from kdbuild.runtime.native.targets import PORTABLE, TARGETS, find_target
from tools import build_backend

ROOT = Path(__file__).resolve().parents[2]
DIST_INFO = f"kdbuild-{__version__}.dist-info"
HERE = find_target().name


def engines(*names: str) -> set[str]:
    """The native engines of targets, as the wheel names them."""
    return {f"kdbuild/runtime/native/lib/{name}/{TARGETS[name].library}" for name in names}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: setuptools writes build/ and egg-info beside what it builds."""
    tree = tmp_path_factory.mktemp("tree")
    names = ("src", "tests", "tools", "android_demo", "trainer", "export", "runtime")
    for name in (*names, "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "models", "screenshots")
            shutil.copytree(source, tree / name, ignore=left_out)
        else:
            shutil.copy(source, tree / name, follow_symlinks=False)
    return tree


def make_wheel(tree: Path, folder: Path, *options: str, **environment: str) -> tuple[Path, str]:
    """Build by the installed setuptools: no network. Returns the wheel and what was said."""
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(folder), str(tree)]
    built = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, built.stdout + built.stderr


@pytest.fixture(scope="module")
def wheels(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """The wheel built directly and the one built from the sdist."""
    # Without --wheel, build makes the sdist and then the wheel from it.
    ways: dict[str, list[str]] = {"direct": ["--wheel"], "sdist": []}
    return {
        way: zipfile.ZipFile(make_wheel(tree, tmp_path_factory.mktemp(way), *options)[0])
        for way, options in ways.items()
    }


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
    assert {name for name in names if name.startswith("kdbuild/") and not name.startswith(demo)} == on_disk | engines(
        HERE
    )
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
    assert [line for line in requirements if "extra ==" not in line] == ["click>=8.1"]


def test_base_install_is_small(wheels: dict[str, zipfile.ZipFile]) -> None:
    """Megabytes to download and to unpack, click's 0.1 and 0.5 included; Python's own compiled modules come on top."""
    entries = wheels["direct"].infolist()
    click = sum(len(path.read_binary()) for path in importlib.metadata.files("click") or [] if path.suffix != ".pyc")
    assert sum(entry.compress_size for entry in entries) < 0.85e6
    assert 0.3e6 < click < 0.6e6
    assert sum(entry.file_size for entry in entries) + click < 4e6


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


def tags(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        metadata = email.message_from_bytes(opened.read(f"{DIST_INFO}/WHEEL"))
    named = wheel.name.removesuffix(".whl").split("-", 2)[2]
    found = set(metadata.get_all("Tag", []))
    assert found == {f"py3-none-{platform}" for platform in named.removeprefix("py3-none-").split(".")}
    return found


def test_wheel_is_for_this_machine_and_any_python(wheels: dict[str, zipfile.ZipFile]) -> None:
    platform = re.sub("[-.]", "_", sysconfig.get_platform())
    for wheel in wheels.values():
        assert tags(Path(str(wheel.filename))) == {f"py3-none-{platform}"}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter with nothing installed."""
    venv.create(tmp_path / "venv")
    return tmp_path / "venv" / "bin" / "python"


def install(python: Path, wheel: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    # Else pip takes a checkout on the path for what is to be installed.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [*pip, "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


ASK = """
import ctypes
from kdbuild.runtime.native.library import library_path
path = library_path()
assert ctypes.CDLL(str(path)).kdb_paths() & 1
print(path)
"""


def ask(python: Path, cache: Path, **environment: str) -> Path:
    """Return the library that an installation finds and can load."""
    env = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache), **environment}
    done = subprocess.run([str(python), "-c", ASK], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_installed_wheel_has_the_engine(wheels: dict[str, zipfile.ZipFile], python: Path, tmp_path: Path) -> None:
    install(python, Path(str(wheels["sdist"].filename)))
    found = ask(python, tmp_path / "cache", PATH="")
    assert found.is_relative_to(python.parents[1])
    assert not (tmp_path / "cache").exists()


def test_editable_installation_builds_the_engine(tree: Path, python: Path, tmp_path: Path) -> None:
    if not shutil.which("cc"):
        pytest.skip("no cc: the environment has no ziglang")
    hooks = BuildBackendHookCaller(str(tree), "build_backend", backend_path=["tools"], runner=quiet_subprocess_runner)
    wheel = hooks.build_editable(str(tmp_path))
    install(python, tmp_path / wheel)
    assert ask(python, tmp_path / "cache").is_relative_to(tmp_path / "cache" / "kdbuild" / "native")
    assert not (tree / "src" / "kdbuild" / "runtime" / "native" / "lib").exists()


def test_wheel_without_a_compiler(tree: Path, tmp_path: Path) -> None:
    """It is made all the same, for any machine, and says what is missing."""
    wheel, said = make_wheel(tree, tmp_path, "--wheel", CC="no-such-compiler")
    assert tags(wheel) == {"py3-none-any"}
    assert not engines(HERE) & set(zipfile.ZipFile(wheel).namelist())
    assert (
        "This wheel is made without the native engine: CC=no-such-compiler: compiles nothing (No such file or directory). "
        "Unset it, or name another."
    ) in said


@pytest.mark.slow
def test_wheels_of_a_release(tree: Path, tmp_path: Path) -> None:
    program = [sys.executable, str(tree / "tools" / "build_wheels.py"), "--out", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        assert not [name for name in opened.getnames() if name.endswith((".o", ".so", ".dylib", ".dll", ".wasm"))]
    wanted = {target.tag: name for name, target in TARGETS.items() if target.tag}
    made = {path.name.removesuffix(".whl").split("-", 4)[4]: path for path in tmp_path.glob("*.whl")}
    assert set(made) == set(wanted)
    for tag, wheel in made.items():
        assert tags(wheel) == {f"py3-none-{platform}" for platform in tag.split(".")}
        assert wheel.stat().st_size < 1_000_000
        names = {name for name in zipfile.ZipFile(wheel).namelist() if "/native/lib/" in name}
        assert names == engines(wanted[tag], *PORTABLE)


@pytest.mark.parametrize(
    ("has_compiler", "release", "expected"), [(True, "", []), (False, "", ["cross"]), (True, "wasm", ["cross"])]
)
def test_build_asks_for_a_compiler_where_there_is_none(
    has_compiler: bool, release: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv(build_backend.RELEASE, release)
    if not has_compiler:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert build_backend.compiler_requirements() == [line for extra in expected for line in extras[extra]]
