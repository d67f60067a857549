"""Where Debian packages come from, and the system's tools that fetch them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from kdbuild.errors import BadInputError

APT_HELPER = Path("/usr/lib/apt/apt-helper")


def run_tool(
    command: Sequence[str | Path],
    way_out: str = "Run the same command again",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return what it prints.

    Args:
        command: the program and its arguments.
        way_out: what to do when it fails, for the message.
        environment: instead of this process's.

    Raises:
        BadInputError: it isn't there, or failed.
    """
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BadInputError(
            f"{command[0]}: not there. It takes a Debian-like x86-64 Linux with apt, dpkg, tar and a C compiler."
        ) from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or ["no output"]
        # apt says first what went wrong and then what follows from it; marks warnings with W.
        errors = [line for line in lines if line.startswith(("E:", "Err:", "ERROR:"))] or lines[-1:]
        raise BadInputError(f"{Path(command[0]).name}: failed ({errors[0].strip()}). {way_out}.")
    return done.stdout


def debian_mirror(given: str | None) -> str:
    """The mirror to use: the one given, or the first Debian one that this system's apt reads.

    Raises:
        BadInputError: there is none.
    """
    if given:
        return given.rstrip("/")
    for mirror in run_tool(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).splitlines():
        if mirror.rstrip("/").endswith("/debian"):
            return mirror.rstrip("/")
    raise BadInputError("apt: reads no mirror of Debian here. Name one with --mirror.")


def download(mirror: str, files: Sequence[tuple[str, str, Path]]) -> None:
    """Fetch files with apt's own downloader, which knows the system's proxies and checks each digest.

    Args:
        mirror: of Debian.
        files: path on the mirror, SHA-256, and where to put it.

    Raises:
        BadInputError: a file isn't there any more, or isn't the one that is pinned.
    """
    arguments: list[str | Path] = []
    for path, sha256, target in files:
        arguments += [f"{mirror}/{quote(path)}", target, f"SHA256:{sha256}"]
    run_tool(
        [APT_HELPER, "-o", "APT::Sandbox::User=root", "download-file", *arguments],
        way_out="Run the same command again; if the mirror has moved on, pin today's: python -m benchmarks.arm64 lock",
    )
