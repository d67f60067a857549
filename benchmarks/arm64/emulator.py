"""The emulated ARM64 system as it lies in the cache, and how to run its Python."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arm64.cpus import COUNTED, CPUS, Cpu
from benchmarks.arm64.packages import PARTS, SOURCES, Lock
from kdbuild.errors import BadInputError
from kdbuild.files import default_cache, fingerprint

PLUGIN_SOURCE = Path(__file__).with_name("count_instructions.c")


def arm64_cache() -> Path:
    """``KDBUILD_ARM64_CACHE``, or a folder in the user's cache."""
    own = os.environ.get("KDBUILD_ARM64_CACHE")
    return Path(own) if own else default_cache() / "arm64"


@dataclass(frozen=True)
class Layout:
    """Where each part lies: its folder is named after what it is made of, so that one that is there is the right one."""

    cache: Path
    lock: Lock

    def part(self, name: str) -> Path:
        """Unpacked Debian packages."""
        wanted = [package for part in PARTS if part.name == name for package in part.packages]
        return self._folder(name, [deb.sha256 for deb in self.lock.debs[name]], wanted)

    def wheels(self) -> Path:
        """Python packages."""
        return self._folder("wheels", self.part("system").name, [wheel.sha256 for wheel in self.lock.wheels])

    def plugin(self) -> Path:
        """The folder of the compiled plugin."""
        return self._folder("plugin", hashlib.sha256(PLUGIN_SOURCE.read_bytes()).hexdigest())

    def program(self, *digests: str) -> Path:
        """The folder of a compiled program, which is made on first need."""
        return self._folder("program", *digests)

    def root(self, cpu: Cpu) -> Path:
        """The system as one processor sees it: links to the unpacked one, and files on the processor."""
        return self._folder(f"root-{cpu.name}", [self.part("system").name, cpu.files()])

    def folders(self) -> list[Path]:
        """All of them."""
        parts = [self.part(name) for name in self.lock.debs]
        return [*parts, self.wheels(), self.plugin(), *(self.root(cpu) for cpu in CPUS.values())]

    def _folder(self, name: str, *made_of: object) -> Path:
        return self.cache / f"{name}-{fingerprint(*made_of)[:12]}"


@dataclass(frozen=True)
class Emulator:
    """A system that is set up; make one with :meth:`open`."""

    layout: Layout

    @classmethod
    def open(cls, cache: Path) -> "Emulator":
        """The system in a cache folder.

        Raises:
            BadInputError: it isn't set up, or not as the lock file says now.
        """
        layout = Layout(cache.absolute(), Lock.read())
        for folder in layout.folders():
            if not folder.is_dir():
                raise BadInputError(
                    f"{cache}: the emulated ARM64 system isn't set up ({folder.name} is missing). "
                    "Set it up with: python -m benchmarks.arm64 setup"
                )
        return cls(layout)

    def command(
        self, cpu: str, arguments: Sequence[str | Path], *, log: Path | None = None, program: Path | None = None
    ) -> list[str]:
        """The command that runs the emulated Python, or a program for Linux on ARM64.

        Args:
            cpu: of :data:`CPUS`.
            arguments: of Python or of the program.
            log: count instructions, and write the counts at each ``sched_yield`` here.
            program: an executable; Python if None.

        Raises:
            BadInputError: there is no such processor, or none whose instructions can be counted.
        """
        if cpu not in CPUS or (log is not None and cpu not in COUNTED):
            names = ", ".join(CPUS if log is None else COUNTED)
            raise BadInputError(f"--cpu {cpu}: not one that can be used here. Use one of: {names}.")
        root = self.layout.root(CPUS[cpu])
        emulator: list[str | Path]
        if log is None:
            emulator = [self.layout.part("qemu") / "usr/bin/qemu-aarch64", "-cpu", cpu]
        else:
            own = self.layout.part("qemu-counting")
            libraries = f"{own}/lib/x86_64-linux-gnu:{own}/usr/lib/x86_64-linux-gnu"
            emulator = [own / "lib64/ld-linux-x86-64.so.2", "--library-path", libraries, own / "usr/bin/qemu-aarch64"]
            emulator += ["-cpu", str(CPUS[cpu].counting), "-plugin", self.layout.plugin() / "count_instructions.so"]
            emulator += ["-d", "plugin", "-D", log]
        # No site packages: they would be the host's.
        running = [root / "usr/bin/python3.11", "-S", "-s"] if program is None else [program]
        return [str(word) for word in ("nice", *emulator, "-L", root, *running, *arguments)]

    def command_32(self, system: str, program: Path, arguments: Sequence[str | Path]) -> list[str]:
        """The command that runs a program for Linux on 32-bit ARM, on a Cortex-A8.

        Args:
            system: ``armhf``, or ``armel`` where floats are passed as on Android.
            program: an executable.
            arguments: of the program.
        """
        emulator = self.layout.part("qemu") / "usr/bin/qemu-arm"
        root = self.layout.part(f"system-{system}")
        return [str(word) for word in ("nice", emulator, "-cpu", "cortex-a8", "-L", root, program, *arguments)]

    def environment(self) -> dict[str, str]:
        """The whole environment of an emulated process; a variable more would move its stack."""
        return {
            "PYTHONPATH": f"{self.layout.wheels()}:{SOURCES}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "PATH": "/usr/bin:/bin",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def output(self, cpu: str, arguments: Sequence[str | Path]) -> str:
        """What a Python program prints.

        Raises:
            BadInputError: the program failed.
        """
        return _output(self.command(cpu, arguments), self.environment())

    def counted(self, cpu: str, arguments: Sequence[str | Path], program: Path | None = None) -> tuple[str, list[int]]:
        """What a program prints, Python's if none is named, and how many instructions had run at each ``sched_yield``.

        Raises:
            BadInputError: the program failed.
        """
        with tempfile.TemporaryDirectory() as work:
            log = Path(work) / "log"
            printed = _output(self.command(cpu, arguments, log=log, program=program), self.environment())
            return printed, [int(line) for line in log.read_text(encoding="ascii").split()]


def _output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise BadInputError(f"The emulated program failed: {reason[0].removeprefix('Error: ').rstrip('.')}.")
    return done.stdout
