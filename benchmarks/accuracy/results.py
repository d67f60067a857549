"""A file of results that is written after each measurement, so that a long run goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

import click

from kdbuild.files import write_json
from kdbuild.measure.environment import environment


class Results:
    """The file of results; what is there isn't measured again."""

    def __init__(self, path: Path):
        self.path = path
        self.values: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def has(self, *keys: str) -> bool:
        """Whether there is a value."""
        place: Any = self.values
        for key in keys:
            if key not in place:
                return False
            place = place[key]
        return True

    def put(self, value: dict[str, Any], *keys: str) -> None:
        """Add a value, and write the file."""
        place = self.values
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value
        self.values["environment"] = environment(threads=1)
        write_json(self.path, self.values)
        click.echo(f"{' '.join(keys)}: {value}")
