"""Puts the sources of the Android app, which lie in ``android_demo``, into the package; the rest is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DEMO = Path(__file__).resolve().parent / "android_demo"
FILES = (
    "core/src/main/java/**/*.java",
    "core/src/tflite/java/**/*.java",
    "app/src/main/**/*",
    "library/*",
    "gradle/libs.versions.toml",
    "gradle/artifacts.sha256",
)
"""What ``kdbuild android`` needs; MANIFEST.in names the same for the source distribution."""


class BuildPy(build_py):
    """Packs the app's sources as ``kdbuild/android/demo``; an editable installation finds them in the repository."""

    def run(self) -> None:
        """Build the package, then copy."""
        super().run()
        if not self.editable_mode:
            for source, target in self._demo():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All files that are built."""
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._demo())]

    def _demo(self) -> list[tuple[Path, Path]]:
        """Each source and where it goes."""
        folder = Path(self.build_lib) / "kdbuild" / "android" / "demo"
        sources = sorted({path for pattern in FILES for path in DEMO.glob(pattern) if path.is_file()})
        return [(source, folder / source.relative_to(DEMO)) for source in sources]


setup(cmdclass={"build_py": BuildPy})
