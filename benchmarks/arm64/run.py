"""``python -m benchmarks.arm64 run``: any Python script on an emulated processor."""

import subprocess
import sys
from pathlib import Path

import click

from benchmarks.arm64.cpus import CPUS
from benchmarks.arm64.emulator import Emulator
from benchmarks.arm64.setup import cache_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--cpu", type=click.Choice(list(CPUS)), default="cortex-a76", show_default=True)
@cache_option
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def run(cpu: str, cache: Path, arguments: tuple[str, ...]) -> None:
    r"""Run Python with these ARGUMENTS: a script and its own, or -c or -m.

    \b
    python -m benchmarks.arm64 run --cpu max script.py argument
    python -m benchmarks.arm64 run -m kdbuild predict artefact "a warm , funny film"
    """
    emulator = Emulator.open(cache)
    done = subprocess.run(emulator.command(cpu, arguments), env=emulator.environment(), check=False)
    sys.exit(done.returncode)
