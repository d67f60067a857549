"""What runs the tests of the Java runtime."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from android_demo.core import build


@dataclass(frozen=True)
class Java:
    """What runs the classes of the tests."""

    built: build.Built
    options: tuple[str, ...]
    environment: dict[str, str]

    def __call__(self, main: str, *arguments: str | Path, given: bytes = b"") -> str:
        """What a class prints."""
        command = self.built.jdk.command(main, arguments, classpath=self.built.classpath, options=self.options)
        done = subprocess.run(command, input=given, capture_output=True, check=False, env=self.environment)
        assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
        return done.stdout.decode()

    def objects(self, main: str, *arguments: str | Path, given: bytes = b"") -> list[Any]:
        """The JSON that it prints, a value a line."""
        return [json.loads(line) for line in self(main, *arguments, given=given).split("\n")[:-1]]
