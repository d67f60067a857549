"""Tables of what is chosen by name: engines, file formats, bundles, perturbations.

A table is light: its rows are plain values that name the code as ``"module:object"``, and the module is imported when the
row is used. Adding an engine, a format, a bundle or a perturbation is one module and one row.

Rows may also come from outside: the modules that the environment variable ``KDBUILD_PLUGINS`` names, separated by commas, are
imported before a table is read for the first time, in every process that kdbuild starts. Each calls ``register`` of the
tables it adds to. Like ``PYTHONPATH``, the variable makes Python run code: set it only for code that you trust.
"""

import importlib
import os
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from kdbuild.errors import BadInputError, nearest

PLUGINS = "KDBUILD_PLUGINS"
"""The environment variable that names modules with further rows."""


class Row(Protocol):
    """What every row of a table has."""

    @property
    def name(self) -> str:
        """What it is chosen by."""
        ...


R = TypeVar("R", bound=Row)


class Registry(Generic[R]):
    """An ordered table of rows with distinct names.

    Args:
        kind: what a row is, or the option that takes it, for messages: ``engine``, ``format``, ``--perturb``.
        rows: the rows that kdbuild itself brings, the preferred ones first.
    """

    def __init__(self, kind: str, *rows: R):
        self.kind = kind
        self._rows: dict[str, R] = {}
        for row in rows:
            self.register(row)

    def register(self, row: R) -> None:
        """Add a row behind the others.

        Raises:
            ValueError: there is one of this name.
        """
        if row.name in self._rows:
            raise ValueError(f"{self.kind} {row.name}: registered twice")
        self._rows[row.name] = row

    def __iter__(self) -> Iterator[R]:
        _load_plugins()
        return iter(list(self._rows.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(row.name for row in self)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> R:
        """The row of a name.

        Raises:
            BadInputError: there is none; the message suggests the nearest name.
        """
        _load_plugins()
        if name not in self._rows:
            raise BadInputError(f"{self.kind} {name}: unknown. {nearest(name, self._rows)}")
        return self._rows[name]


def load(reference: str) -> Any:
    """Import an object by ``"module:object"``."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


_loaded: set[str] = set()


def _load_plugins() -> None:
    for name in filter(None, os.environ.get(PLUGINS, "").split(",")):
        if name not in _loaded:
            _loaded.add(name)  # before the import: the module reads these tables, too
            importlib.import_module(name)
