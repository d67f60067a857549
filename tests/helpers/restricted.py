"""kdbuild commands, several in one process, under what the system really refuses: to write, to read, to store more."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest


class Outcome(NamedTuple):
    """What became of a command."""

    exit_code: int
    """70 after a traceback."""
    stderr: str


_RUN = """
import json, sys, traceback
sys.path.insert(0, sys.argv[1])
from commands import run_cli

task, outcomes = json.load(sys.stdin), {}
for path in task["refused"]:
    try:
        open(path)
    except PermissionError:
        continue
    sys.exit(f"{path} can be read")
for name, (arguments, limit) in task["commands"].items():
    if limit is not None:
        import resource
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        result = run_cli(*arguments)
        outcomes[name] = result.exit_code, result.stderr
    except Exception:
        outcomes[name] = 70, traceback.format_exc()
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
print(json.dumps(outcomes))
"""


def run_restricted(
    prefix: Sequence[str],
    commands: Mapping[str, Sequence[str | Path]],
    *,
    limits: Mapping[str, int] | None = None,
    refused: Sequence[Path] = (),
) -> dict[str, Outcome]:
    """Run commands in a process of their own; skips the test where the restriction isn't to be had.

    Args:
        prefix: the command that takes something away from the one that follows.
        commands: arguments of kdbuild's, by name.
        limits: by the command's name, bytes that a file may have.
        refused: files that the process mustn't be able to read, or the restriction doesn't hold.
    """
    limits = limits or {}
    arguments = {name: ([str(part) for part in command], limits.get(name)) for name, command in commands.items()}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", _RUN, str(Path(__file__).parent)],
        input=json.dumps({"commands": arguments, "refused": [str(path) for path in refused]}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and prefix:
        pytest.skip(f"{prefix[0]} isn't permitted here: {(done.stderr.strip() or 'it fails').splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return {name: Outcome(*outcome) for name, outcome in json.loads(done.stdout.splitlines()[-1]).items()}


def read_only(folder: Path) -> list[str]:
    """The prefix under which a folder is a mount that can't be written to; skips the test where there is none."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return [*_found("unshare"), *_own_user(), "--mount", "sh", "-c", mount, str(folder)]


def without_privileges() -> list[str]:
    """The prefix under which permissions hold, for root too: files stay its own, but it may no longer ignore their modes."""
    if os.geteuid():
        return []
    return [*_found("setpriv"), "--inh-caps=-all", "--bounding-set=-all"]


def _own_user() -> list[str]:
    return ["--map-root-user"] if os.geteuid() else []


def _found(command: str) -> list[str]:
    if shutil.which(command) is None:
        pytest.skip(f"needs {command}, of util-linux")
    return [command]
