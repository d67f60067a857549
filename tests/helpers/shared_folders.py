"""Folders that are made once, whatever the number of processes that test."""

from collections.abc import Callable
from pathlib import Path

ShareFolder = Callable[[str, Callable[[Path], object]], Path]
"""Gives a folder of a name, which a function fills if nobody has done so."""
