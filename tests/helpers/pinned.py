"""The files that the Android demo pins, fetched."""

from pathlib import Path

import pytest

from kdbuild.android.maven import Coordinate, fetch
from kdbuild.errors import BadInputError

DEMO = Path(__file__).resolve().parents[2] / "android_demo"


def fetch_listed(name: str) -> list[Path]:
    """The files that a list of ``android_demo/gradle`` pins, a SHA-256 and a coordinate a line."""
    lines = (DEMO / "gradle" / name).read_text(encoding="utf-8").splitlines()
    pins = [line.partition("  ")[::2] for line in lines]
    try:
        return [fetch(Coordinate.parse(coordinate), sha256) for sha256, coordinate in pins]
    except BadInputError as error:
        pytest.skip(str(error))
