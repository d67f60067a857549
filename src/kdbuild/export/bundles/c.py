"""The bundle for C: the engine's sources, a model, and what builds them with CMake or as a Swift package."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbuild.export.bundles.folder import Filled, write_text
from kdbuild.export.bundles.registry import Bundle
from kdbuild.files import check_replaceable, staged_folder
from kdbuild.runtime.artefact import MANIFEST, MANIFEST_DIGEST, Artefact
from kdbuild.runtime.native.build import SOURCES
from kdbuild.runtime.native.targets import ARM64, ARMV7, WASM_SIMD, X86_64, Architecture
from kdbuild.sums import SUMS, listed_files, write_sums
from kdbuild.version import __version__

FILES = Path(__file__).resolve().parent / "c_files"
"""What is written beside the engine."""
ARTEFACT, ENGINE = "artefact", "engine"
HEADER = "kdbuild.h"

_PLACES = {
    "CMakeLists.txt.in": "CMakeLists.txt",
    "README.md.in": "README.md",
    "example.c": "example.c",
    "kdbuild_model.h": f"{ENGINE}/include/kdbuild_model.h",
    "model_array.cmake": "model_array.cmake",
    "swift/Package.swift.in": "Package.swift",
    "swift/Classifier.swift": "Sources/Kdbuild/Classifier.swift",
    "swift/main.swift": "Sources/KdbuildExample/main.swift",
}


@dataclass(frozen=True)
class _Family:
    """Processors whose paths are compiled."""

    architecture: Architecture
    condition: str
    """What the preprocessor knows them by."""
    intrinsics: str = ""
    """The header of their instructions, where Swift has them."""

    @property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """The paths besides the plain one, with the flags of gcc and clang."""
        return {
            name: flags.cc
            for name, flags in self.architecture.paths.items()
            if name != "plain" and (SOURCES / f"path_{name}.c").is_file()
        }


_FAMILIES = (
    _Family(X86_64, "defined(__x86_64__)", "immintrin.h"),
    _Family(ARM64, "defined(__aarch64__)", "arm_neon.h"),
    _Family(ARMV7, "defined(__arm__) && defined(__ARM_NEON)"),
    _Family(WASM_SIMD, "defined(__wasm_simd128__)"),
)
_SWIFT = [family for family in _FAMILIES if family.intrinsics]


class CSource(Bundle):
    """Engine, model, CMakeLists.txt, an example, and a Swift package."""

    def check(self, out: Path, **_: Any) -> None:
        """Refuse to replace anything but an earlier bundle with nothing else in it."""
        check_replaceable(out, "a bundle for C", lambda: listed_files(out, f"{ARTEFACT}/{MANIFEST}"))

    def write(self, artefact: Path, out: Path, **_: Any) -> list[Path]:
        """See :class:`~kdbuild.export.bundles.registry.Bundle`.

        Raises:
            BadInputError: the artefact is damaged, or ``out`` holds something else.
        """
        self.check(out)
        opened = Artefact.open(artefact)
        with staged_folder(out, SUMS, lambda: self.check(out)) as aside:
            _copy_artefact(opened, aside / ARTEFACT)
            _copy_engine(aside / ENGINE)
            fillings = {
                "version": __version__,
                "paths": "\n".join(_cmake_paths()),
                "excluded": ", ".join(f'"{name}"' for name in _replaced_for_swift()),
                "labels": ", ".join(f"`{label}`" for label in opened.manifest.labels),
                "text": "each text of a pair" if opened.manifest.pairs else "a text",
                "max_tokens": f"{opened.manifest.max_tokens:,}",
            }
            for source, place in _PLACES.items():
                text = (FILES / source).read_text(encoding="utf-8")
                filled = Filled(text).substitute(fillings) if source.endswith(".in") else text
                write_text(aside / place, filled)
            names = write_sums(aside)
        return names

    def next_step(self, out: Path) -> str:
        """Point to the folder's own README."""
        return f"build it, as {out / 'README.md'} says"


def _copy_artefact(artefact: Artefact, folder: Path) -> None:
    folder.mkdir()
    for name in (MANIFEST, MANIFEST_DIGEST):
        shutil.copyfile(artefact.folder / name, folder / name)
    for name in artefact.manifest.files:
        shutil.copyfile(artefact.check(name), folder / name)


def _copy_engine(folder: Path) -> None:
    """The C sources, the public header apart, and a folder with what takes the place of some in a Swift package."""
    (folder / "include").mkdir(parents=True)
    (folder / "swift").mkdir()
    for source in sorted(SOURCES.glob("*.[ch]")):
        shutil.copyfile(source, folder / ("include" if source.name == HEADER else "") / source.name)
    for name, content in _swift_sources():
        write_text(folder / "swift" / name, content)


def _cmake_paths() -> Iterator[str]:
    for family in _FAMILIES:
        for name, flags in family.paths.items():
            yield f'kdbuild_path("{family.condition}" {" ".join([name, *flags])})'


def _replaced_for_swift() -> list[str]:
    return ["dispatch.c", *sorted(path.name for path in SOURCES.glob("path_*.c") if path.stem != "path_plain")]


def _swift_sources() -> Iterator[tuple[str, str]]:
    """Names and contents of the files that a Swift package has for paths, as it can't say which flags a file needs."""
    have = ""
    for family in _SWIFT:
        defined = "".join(f"#define KDB_HAVE_{name.upper()} 1\n" for name in family.paths)
        have += f"#if {family.condition}\n{defined}#endif\n"
        for name, flags in family.paths.items():
            included = f'#include "../path_{name}.c"\n'
            if features := _features(flags):
                attribute = f'__attribute__((target("{",".join(features)}")))'
                pushed = f"#pragma clang attribute push({attribute}, apply_to = function)\n"
                included = f"{pushed}{included}#pragma clang attribute pop\n"
            # The intrinsics come first, as they have attributes of their own.
            yield f"path_{name}.c", f"#if {family.condition}\n#include <{family.intrinsics}>\n{included}#endif\n"
    yield "dispatch.c", f'{have}#include "../dispatch.c"\n'


def _features(flags: Iterable[str]) -> list[str]:
    """Instruction sets as attributes name them: ``-mavxvnni`` is ``avxvnni``, ``-march=armv8.2-a+dotprod`` is ``dotprod``."""
    return [part for flag in flags for part in (flag.split("+")[1:] if "+" in flag else [flag.removeprefix("-m")])]
