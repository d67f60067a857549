"""Builds the package: setuptools, and a C compiler for the native engine where the machine has none.

pyproject.toml names it; what goes into the wheel is in setup.py.
"""

import os
import sys
import tomllib
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[1]
RELEASE = "KDBUILD_RELEASE_TARGET"


def get_requires_for_build_wheel(config_settings: dict[str, str | list[str] | None] | None = None) -> list[str]:
    """List what setuptools needs, and ziglang where nothing else compiles; an editable install compiles on first need."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *compiler_requirements()]


def compiler_requirements() -> list[str]:
    """The pinned compiler as pyproject.toml names it, where it is needed."""
    sys.path.insert(0, str(ROOT / "src"))
    from kdbuild.errors import KdbuildError, MissingExtraError
    from kdbuild.runtime.native.build import find_compiler
    from kdbuild.runtime.native.targets import host

    target = host()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned: list[str] = project["optional-dependencies"]["cross"]
    if os.environ.get(RELEASE):
        return pinned
    try:
        if target:
            find_compiler(target)
    except MissingExtraError:
        return pinned
    except KdbuildError as error:
        print(error, file=sys.stderr)
    return []
