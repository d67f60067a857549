"""Virtual environments for the converters: what they pin doesn't go together with what kdbuild is installed with."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from kdbuild.errors import BadInputError
from kdbuild.files import default_cache, file_digest

_HERE = Path(__file__).parent
_ROOM = 1.25
"""Times its size that an environment needs while it is made: pip unpacks beside it."""


@dataclass(frozen=True)
class Environment:
    """What one converter runs in, and the script that runs there."""

    name: str
    requirements: Path
    """Versions of all packages, pinned."""
    script: Path
    module: str
    """Imported to see whether it works."""
    gigabytes: float
    """Of the disk, once installed."""

    def folder(self, cache: Path) -> Path:
        """Where it lies: another folder for other versions."""
        return cache / f"{self.requirements.stem}-{file_digest(self.requirements)[:12]}"

    def python(self, cache: Path) -> Path:
        """Its interpreter, whether or not it is there."""
        return self.folder(cache) / "bin" / "python"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("keras", _HERE / "keras.txt", _HERE / "export_keras.py", "tensorflow", 1.6),
        Environment("litert-torch", _HERE / "litert_torch.txt", _HERE / "export_litert_torch.py", "litert_torch", 7.0),
    )
}


def naive_cache() -> Path:
    """The folder that environments are kept in."""
    return default_cache() / "naive"


def set_up(environment: Environment, cache: Path) -> Path:
    """Make an environment unless it is there; older ones of the same name go.

    Returns:
        Its interpreter.

    Raises:
        BadInputError: this is no x86-64 Linux, the disk is too full, or pip fails.
    """
    folder = environment.folder(cache)
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise BadInputError(f"{environment.name}: its versions are pinned for x86-64 Linux. Set it up there.")
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{folder.name}.lock"):
        if not folder.is_dir():
            free = shutil.disk_usage(cache).free / 1e9
            if free < _ROOM * environment.gigabytes:
                raise BadInputError(
                    f"{cache}: {free:.1f} GB are free, {environment.name} takes {environment.gigabytes:g}. Make room first."
                )
            aside = folder.with_name(folder.name + ".partial")
            shutil.rmtree(aside, ignore_errors=True)
            # Without pip of its own: Debian's Python lacks ensurepip.
            venv.create(aside, with_pip=False)
            install = [sys.executable, "-m", "pip", "--python", str(aside / "bin" / "python"), "install", "--quiet"]
            _run([*install, "--no-deps", "--requirement", str(environment.requirements)], environment.name)
            _run([str(aside / "bin" / "python"), "-c", f"import {environment.module}"], environment.name)
            for old in cache.glob(f"{environment.requirements.stem}-" + "?" * 12):
                shutil.rmtree(old)
            os.replace(aside, folder)
    return environment.python(cache)


def export_in(environment: Environment, cache: Path, weights: Path, out: Path) -> dict[str, str]:
    """Run an environment's script on a student's weights.

    Args:
        environment: it has been set up.
        cache: where it lies.
        weights: an ``.npz`` as :func:`~benchmarks.candidates.naive.weights.write_weights` writes it.
        out: folder for the files.

    Returns:
        Versions of the converter's packages.

    Raises:
        BadInputError: the script fails.
    """
    python = str(environment.python(cache))
    printed = _run([python, str(environment.script), str(weights), str(out)], environment.name)
    versions: dict[str, str] = json.loads(printed.splitlines()[-1])
    return versions


def _run(command: Sequence[str], name: str) -> str:
    # TensorFlow's notes go to standard error and are only of use when it fails.
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no output"]
        said = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
        raise BadInputError(f"{name}: {Path(command[0]).name} failed ({said[0]}). Run the same command again.")
    return done.stdout
