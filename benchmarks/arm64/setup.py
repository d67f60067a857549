"""``python -m benchmarks.arm64 setup``: an emulated ARM64 system in a cache folder, with no change to this one."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from benchmarks.arm64.cpus import COUNTED, CPUS, Cpu
from benchmarks.arm64.emulator import PLUGIN_SOURCE, Emulator, Layout, arm64_cache
from benchmarks.arm64.mirror import debian_mirror, download, run_tool
from benchmarks.arm64.packages import PARTS, PIP_TARGET, WHEELS, Deb, Lock, Part
from kdbuild.errors import BadInputError
from kdbuild.files import file_digest, fingerprint, write_atomically

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=arm64_cache,
    help="Where the emulated system lies; by default $KDBUILD_ARM64_CACHE, or a folder in the user's cache.",
)

_IMPORTS = "import importlib.metadata, json, os, platform, sys, ai_edge_litert.interpreter, numpy, onnxruntime"
_PROBE = f"""
{_IMPORTS}
import kdbuild.runtime.classifier
os.sched_yield()
names = sys.argv[1:]
print(json.dumps([platform.machine(), platform.python_version()] + [importlib.metadata.version(name) for name in names]))
"""


@click.command()
@cache_option
@click.option("--mirror", help="A Debian mirror, as in apt's sources; by default the one that this system's apt uses.")
def setup(cache: Path, mirror: str | None) -> None:
    """Download, check, unpack and try what lock.json pins: about 160 MB to fetch, 320 MB to keep."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise BadInputError(f"{os.uname().machine} {sys.platform}: can't run the emulator. Use x86-64 Linux.")
    cache.mkdir(parents=True, exist_ok=True)
    layout = Layout(cache.absolute(), Lock.read())
    with (cache / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for part in PARTS:
            debs = layout.lock.debs[part.name]
            make(layout.part(part.name), partial(unpack, part, debs, mirror, cache))
        for cpu in CPUS.values():
            make(layout.root(cpu), partial(link_root, cpu, layout.part("system")))
        make(layout.wheels(), partial(install_wheels, layout))
        make(layout.plugin(), compile_plugin)
        prove(Emulator.open(cache), cache)
    click.echo(f"Set up in {cache}.")


def make(folder: Path, fill: Callable[[Path], object]) -> None:
    """Fill a folder aside and rename it into place, unless it is there; those that it replaces go."""
    if folder.is_dir():
        return
    click.echo(f"Making {folder.name}")
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    fill(aside)
    for old in folder.parent.glob(folder.name.rpartition("-")[0] + "-" + "?" * 12):
        shutil.rmtree(old)
    os.replace(aside, folder)


def unpack(part: Part, debs: list[Deb], mirror: str | None, cache: Path, folder: Path) -> None:
    """Download a part's packages, or take those of an earlier try, and unpack them.

    Raises:
        BadInputError: a package can't be had as it is pinned.
    """
    downloads = cache / "downloads"
    downloads.mkdir(exist_ok=True)
    files = {deb: downloads / Path(deb.path).name for deb in debs}
    missing = [deb for deb, path in files.items() if not (path.is_file() and file_digest(path) == deb.sha256)]
    if missing:
        download(debian_mirror(mirror), [(deb.path, deb.sha256, files[deb]) for deb in missing])
    for deb, (_, pattern) in zip(debs, part.packages, strict=True):
        if pattern:
            # Of the emulators of 30 processors, only two are wanted.
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", files[deb]], stdout=subprocess.PIPE) as content:
                done = subprocess.run(["tar", "-x", "-C", folder, *pattern.split()], stdin=content.stdout, check=False)
            if content.returncode or done.returncode:
                raise BadInputError(f"{files[deb].name}: can't be unpacked. Remove {downloads} and run it again.")
        else:
            run_tool(["dpkg-deb", "-x", files[deb], folder], f"Remove {downloads} and run it again")
    for path in files.values():
        path.unlink()


def install_wheels(layout: Layout, folder: Path) -> None:
    """Install the pinned wheels, whose digests pip checks, and keep the bytecode of what the engines import.

    Raises:
        BadInputError: pip couldn't, or they don't run.
    """
    requirements = folder / "requirements.txt"
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in layout.lock.wheels]
    requirements.write_text("".join(lines), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
    run_tool([*pip, *PIP_TARGET, f"--target={folder}", f"--requirement={requirements}"])
    # Importing numpy takes 3 s without bytecode and 1 s with it. The emulated Python writes its own, also of its library.
    emulator = Emulator(layout)
    environment = {**emulator.environment(), "PYTHONPATH": str(folder)}
    del environment["PYTHONDONTWRITEBYTECODE"]
    run_tool(emulator.command("cortex-a76", ["-c", _IMPORTS]), environment=environment)


def compile_plugin(folder: Path) -> None:
    """Compile the plugin with the system's C compiler.

    Raises:
        BadInputError: there is none.
    """
    output = folder / "count_instructions.so"
    compiler = os.environ.get("CC", "cc")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-nostdlib", "-fno-stack-protector"]
    run_tool([compiler, *flags, "-o", output, PLUGIN_SOURCE])


def link_root(cpu: Cpu, system: Path, folder: Path) -> None:
    """The system with the files that a processor is known by."""
    for entry in system.iterdir():
        (folder / entry.name).symlink_to(Path("..") / system.name / entry.name)
    for name, content in cpu.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")


def prove(emulator: Emulator, cache: Path) -> None:
    """Import both engines on each processor, and count once; what was proven before isn't tried again.

    Raises:
        BadInputError: something doesn't run, or isn't what is pinned.
    """
    proof = fingerprint([folder.name for folder in emulator.layout.folders()], _PROBE)
    marker = cache / "proven"
    if marker.is_file() and marker.read_text() == proof:
        return
    pinned = {wheel.name: wheel.version for wheel in emulator.layout.lock.wheels}
    (python,) = (deb for deb in emulator.layout.lock.debs["system"] if deb.name == "python3.11-minimal")
    expected = ["aarch64", python.version.partition("-")[0], *(pinned[name] for name in WHEELS)]
    for cpu in CPUS:
        click.echo(f"Trying {cpu}")
        if cpu in COUNTED:
            printed, counts = emulator.counted(cpu, ["-c", _PROBE, *WHEELS])
            _compare(cpu, json.loads(printed), expected)
            if len(counts) != 1 or counts[0] < 1_000_000:
                raise BadInputError(
                    f"{cpu}: its instructions aren't counted ({counts}). Remove {cache} and set it up again."
                )
        _compare(cpu, json.loads(emulator.output(cpu, ["-c", _PROBE, *WHEELS])), expected)
    write_atomically(marker, proof.encode())


def _compare(cpu: str, found: list[str], expected: list[str]) -> None:
    if found != expected:
        raise BadInputError(f"{cpu}: runs {found} instead of {expected}. Remove the cache and set it up again.")
