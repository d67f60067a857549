"""``python -m benchmarks.arm64``: the commands, in the order of their use."""

import sys

import click

from benchmarks.arm64.count import count
from benchmarks.arm64.golden import golden
from benchmarks.arm64.lock import lock
from benchmarks.arm64.run import run
from benchmarks.arm64.setup import setup
from kdbuild.errors import KdbuildError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def arm64() -> None:
    """ARM64 without a phone: golden texts and instruction counts under emulation."""


for command in (setup, run, count, golden, lock):
    arm64.add_command(command)

if __name__ == "__main__":
    try:
        arm64(prog_name="python -m benchmarks.arm64")
    except KdbuildError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
