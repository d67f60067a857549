"""Puts into the package what pyproject.toml can't: the native engine, compiled, and the sources of the Android app.

A wheel has the engine of the machine at hand. With ``KDBUILD_RELEASE_TARGET`` it is a release's for the target of that name,
with the engines for Android and WebAssembly, too (tools/build_wheels.py).
"""

import os
import platform
import shutil
import sys
from functools import cached_property
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src"))

from kdbuild.errors import KdbuildError  # noqa: E402
from kdbuild.runtime.native.build import Compiler, build, find_compiler  # noqa: E402
from kdbuild.runtime.native.library import library_path  # noqa: E402
from kdbuild.runtime.native.targets import PORTABLE, TARGETS, find_target, host  # noqa: E402

RELEASE = os.environ.get("KDBUILD_RELEASE_TARGET", "")
DEMO = ROOT / "android_demo"
FILES = (
    "core/src/main/java/**/*.java",
    "core/src/tflite/java/**/*.java",
    "app/src/main/**/*",
    "library/*",
    "gradle/libs.versions.toml",
    "gradle/artifacts.sha256",
)
"""What ``kdbuild android`` needs; MANIFEST.in names the same for the source distribution."""


def _say_missing(error: KdbuildError) -> None:
    sys.stderr.write(f"This wheel is made without the native engine: {error}\n")


class Package(Distribution):
    """kdbuild, for one kind of machine where the engine can be compiled, and for any where it can't."""

    @cached_property
    def compiler(self) -> Compiler | None:
        """What compiles the engine. None where the wheel is to have none: other engines answer then."""
        if RELEASE:
            return find_compiler(find_target(RELEASE), pinned=True)
        target = host()
        try:
            return find_compiler(target) if target else None
        except KdbuildError as error:
            _say_missing(error)
            return None

    @cached_property
    def targets(self) -> list[str]:
        """What the wheel has engines for."""
        if RELEASE:
            return [RELEASE, *PORTABLE]
        target = host()
        return [target.name] if target and self.compiler else []

    def has_ext_modules(self) -> bool:
        """Tell whether the wheel is for one kind of machine."""
        return bool(self.targets)


class Wheel(bdist_wheel):
    """For any Python 3: the engine doesn't know of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Name the platform alone."""
        _, _, tag = super().get_tag()
        if RELEASE:
            tag = TARGETS[RELEASE].tag
        return "py3", "none", tag.replace("universal2", platform.machine())


class BuildPy(build_py):
    """Packs the engine and the app's sources; an editable installation builds the one and finds the other in the repository."""

    def run(self) -> None:
        """Build the package, then add."""
        super().run()
        if not self.editable_mode:
            self._add_engines()
            for source, target in self._demo():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target), preserve_mode=False)

    def _add_engines(self) -> None:
        """Compile the native engine into ``kdbuild/runtime/native/lib``, which may have those of an earlier wheel."""
        shutil.rmtree(self._engines, ignore_errors=True)
        for name in self.distribution.targets:
            target = TARGETS[name]
            out = self._engines / name / target.library
            try:
                if name in PORTABLE:  # in all wheels of a release, so the cache has it from the first on
                    self.mkpath(str(out.parent))
                    self.copy_file(str(library_path(name)), str(out))
                else:
                    build(target, out, self.distribution.compiler)
            except KdbuildError as error:
                if RELEASE:
                    raise
                _say_missing(error)

    @property
    def _engines(self) -> Path:
        return Path(self.build_lib) / "kdbuild" / "runtime" / "native" / "lib"

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All files that are built."""
        engines = [path for path in self._engines.rglob("*") if path.is_file()]
        return [
            *super().get_outputs(include_bytecode),
            *map(str, engines),
            *(str(target) for _, target in self._demo()),
        ]

    def _demo(self) -> list[tuple[Path, Path]]:
        """Each source and where it goes."""
        folder = Path(self.build_lib) / "kdbuild" / "android" / "demo"
        sources = sorted({path for pattern in FILES for path in DEMO.glob(pattern) if path.is_file()})
        return [(source, folder / source.relative_to(DEMO)) for source in sources]


setup(distclass=Package, cmdclass={"build_py": BuildPy, "bdist_wheel": Wheel})
