"""The bundles: what ``kdbuild export --format`` writes around an artefact for a platform, instead of the artefact itself.

A bundle is one module with a subclass of :class:`Bundle`, and one row here.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.export.formats.registry import FormatOption
from kdbuild.registry import Registry, load


class Bundle(ABC):
    """A bundle for a platform."""

    @abstractmethod
    def check(self, out: Path, **settings: Any) -> None:
        """Make sure that the bundle can be written, before much is done for it.

        Args:
            out: the bundle's folder.
            settings: as of :meth:`write`.

        Raises:
            BadInputError: ``out`` holds something else, an option can't be used, or a tool is missing.
        """

    @abstractmethod
    def write(self, artefact: Path, out: Path, **settings: Any) -> list[Path]:
        """Write the bundle of an artefact folder, whole or not at all.

        Args:
            artefact: the artefact's folder.
            out: the bundle's.
            settings: the options that the bundle brings, those that are given.

        Returns:
            Its files, relative to ``out``.
        """

    @abstractmethod
    def next_step(self, out: Path) -> str:
        """What people do with it: the end of a line that begins with ``Next:``."""


@dataclass(frozen=True)
class BundleRow:
    """What kdbuild knows of a bundle without importing it."""

    name: str
    """What ``--format`` takes, and the folder below the run that it is written to by default."""
    formats: tuple[str, ...]
    """The formats of the artefact that it wraps."""
    help: str
    """What it is, for people."""
    opener: str
    """``"module:object"`` of the subclass of :class:`Bundle`."""
    options: tuple[FormatOption, ...] = ()
    """What it brings to the command line."""

    def open(self) -> Bundle:
        """Import the bundle."""
        opened: Bundle = load(self.opener)()
        return opened


BUNDLES = Registry(
    "bundle",
    BundleRow(
        name="aar",
        formats=("native",),
        help="a folder for Android: a library (AAR) with engine and model, also as a Maven repository, and examples",
        opener="kdbuild.export.bundles.aar:AndroidLibrary",
        options=(
            FormatOption("group", str, "Group of the AAR's Maven coordinates.  [default: com.example]"),
            FormatOption("artifact", str, "Name of the AAR.  [default: text-classifier]"),
            FormatOption("library_version", str, "Version of the AAR.  [default: 1.0]"),
        ),
    ),
    BundleRow(
        name="c",
        formats=("native",),
        help="a folder for C, C++ and Swift: the engine's sources, the model, CMakeLists.txt, Package.swift, examples",
        opener="kdbuild.export.bundles.c:CSource",
    ),
    BundleRow(
        name="web",
        formats=("native",),
        help="a folder for browsers and node: an ES module with types, the engine, the model, and a page to try it",
        opener="kdbuild.export.bundles.web:Web",
    ),
)
"""All bundles."""


def chosen_bundle(names: Sequence[str]) -> BundleRow | None:
    """The bundle that ``--format`` names, if it names one.

    Raises:
        BadInputError: it names something else as well.
    """
    bundle = next((row for row in BUNDLES if row.name in names), None)
    if bundle is None:
        return None
    others = [name for name in names if name != bundle.name]
    if others:
        raise BadInputError(
            f"--format {bundle.name} --format {others[0]}: {bundle.name} is {bundle.help.partition(':')[0]} instead of an "
            "artefact. Drop one of them."
        )
    return bundle
