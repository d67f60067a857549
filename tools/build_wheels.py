"""Builds the wheels of a release, one for each kind of machine, and the source distribution; needs the extra ``dev``.

    python tools/build_wheels.py --out dist
    python tools/build_wheels.py --out dist linux-x86_64 macos-arm64

Every library is compiled by the pinned ziglang, whatever machine this is. Those for macOS and Windows are built, not run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from kdbuild.runtime.native.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
WITH_WHEELS = [target.name for target in TARGETS.values() if target.tag]


def main() -> None:
    """Build what the arguments name."""
    parser = argparse.ArgumentParser(description="Build the wheels of a release and the source distribution.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the files (default: dist)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(WITH_WHEELS)} (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(WITH_WHEELS):
        parser.error(f"no wheels for {', '.join(sorted(unknown))}. There are: {', '.join(WITH_WHEELS)}")
    build(arguments.targets or WITH_WHEELS, arguments.out.resolve())


def build(targets: list[str], out: Path) -> None:
    """Build the source distribution, and a wheel of it for each target: neither sees what lies in the checkout besides."""
    with tempfile.TemporaryDirectory() as name:
        _run("--sdist", "--outdir", name, str(ROOT))
        (sdist,) = Path(name).iterdir()
        shutil.unpack_archive(sdist, name, filter="data")
        (tree,) = (path for path in Path(name).iterdir() if path.is_dir())
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(sdist, out)
        for target in targets:
            _run("--wheel", "--outdir", str(out), str(tree), KDBUILD_RELEASE_TARGET=target)


def _run(*arguments: str, **environment: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True)


if __name__ == "__main__":
    main()
