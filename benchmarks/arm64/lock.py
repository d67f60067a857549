"""``python -m benchmarks.arm64 lock``: pin what the mirrors have today."""

import json
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.arm64.mirror import debian_mirror, run_tool
from benchmarks.arm64.packages import LOCK, PARTS, PIP_TARGET, WHEELS, Deb, Lock, Part, Wheel
from kdbuild.errors import BadInputError
from kdbuild.files import write_json

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@click.command()
@click.option("--mirror", help="A Debian mirror, as in apt's sources; by default the one that this system's apt uses.")
def lock(mirror: str | None) -> None:
    """Pin today's versions in lock.json, by way of the mirror's signed index."""
    mirror = debian_mirror(mirror)
    with tempfile.TemporaryDirectory() as work:
        debs = {part.name: pin_debs(part, mirror, Path(work) / part.name) for part in PARTS}
    pinned = Lock(debs, pin_wheels())
    write_json(LOCK, pinned.to_dict())
    for name, version in pinned.versions().items():
        click.echo(f"{name} {version}")


def pin_debs(part: Part, mirror: str, work: Path) -> list[Deb]:
    """The candidates of a part's packages, read with an apt configuration of its own below ``work``."""
    if not KEYRING.exists():
        raise BadInputError(f"{KEYRING}: not there. Install it with: apt-get install debian-archive-keyring")
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    source = f"deb [arch={part.architecture} signed-by={KEYRING}] {mirror} {part.suite} main\n"
    (work / "sources.list").write_text(source, encoding="utf-8")
    settings = {
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": work / "parts",
        "APT::Architecture": part.architecture,
        "APT::Sandbox::User": "root",
    }
    lines = [
        # The system's hooks would clean the system's cache.
        "#clear APT::Update::Post-Invoke;",
        "#clear APT::Architectures;",
        f'APT::Architectures {{ "{part.architecture}"; }};',
        *(f'{key} "{value}";' for key, value in settings.items()),
    ]
    configuration = work / "apt.conf"
    configuration.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    run_tool(["apt-get", "-c", configuration, "update", "--error-on=any"])
    return [_candidate(name, configuration) for name, _ in part.packages]


def _candidate(name: str, configuration: Path) -> Deb:
    """What apt would install today."""
    shown = run_tool(["apt-cache", "-c", configuration, "show", "--no-all-versions", name])
    fields = dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line and not line.startswith(" "))
    return Deb(name, fields["Version"], fields["Filename"], int(fields["Size"]), fields["SHA256"])


def pin_wheels() -> list[Wheel]:
    """The newest wheels for the emulated Python, and for what they depend on, as pip resolves them."""
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        # numpy and the engines are pinned as this environment has them, so that only the processor differs.
        own = [f"{name}=={version}" if (version := _installed(name)) else name for name in WHEELS]
        pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        run_tool([*pip, f"--report={report}", f"--target={work}/none", *PIP_TARGET, *own])
        found = json.loads(report.read_bytes())["install"]
    wheels = [
        Wheel(
            item["metadata"]["name"],
            item["metadata"]["version"],
            item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in found
    ]
    return sorted(wheels, key=lambda wheel: wheel.name)


def _installed(name: str) -> str | None:
    """The version of a distribution in this environment, if it is there."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
