"""What the emulated system is made of, and the lock file that pins it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kdbuild.errors import BadInputError

LOCK = Path(__file__).with_name("lock.json")
SOURCES = Path(__file__).parents[2] / "src"
"""kdbuild itself is pure Python: the emulated system runs this checkout's."""

# A package with the files wanted of it, separated by spaces; the empty string takes all.
Wanted = tuple[str, str]


@dataclass(frozen=True)
class Part:
    """A folder unpacked from Debian packages."""

    name: str
    suite: str
    architecture: str
    packages: tuple[Wanted, ...]


PARTS = (
    # Runs. 7.2 computes wrong numbers on `max`; in Debian 13 the package is static.
    Part("qemu", "trixie", "amd64", (("qemu-user", "./usr/bin/qemu-aarch64 ./usr/bin/qemu-arm"),)),
    # Counts: dynamic, as plugins need, which Debian 13's no longer is; with its libraries, so that the host's don't matter.
    Part(
        "qemu-counting",
        "bookworm",
        "amd64",
        (
            ("qemu-user", "./usr/bin/qemu-aarch64"),
            *(
                (name, "")
                for name in (
                    "libc6",
                    "libcapstone4",
                    "libffi8",
                    "libgcc-s1",
                    "libglib2.0-0",
                    "libgmp10",
                    "libgnutls30",
                    "libhogweed6",
                    "libidn2-0",
                    "libnettle8",
                    "libnuma1",
                    "libp11-kit0",
                    "libpcre2-8-0",
                    "libtasn1-6",
                    "libunistring2",
                    "liburing2",
                    "zlib1g",
                )
            ),
        ),
    ),
    Part(
        "system",
        "bookworm",
        "arm64",
        tuple(
            (name, "")
            for name in (
                "libbz2-1.0",
                "libc6",
                "libexpat1",
                "libffi8",
                "libgcc-s1",
                "liblzma5",
                "libpython3.11-minimal",
                "libpython3.11-stdlib",
                "libssl3",
                "libstdc++6",
                "libuuid1",
                "python3.11-minimal",
                "zlib1g",
            )
        ),
    ),
    # 32-bit ARM, for programs in C alone: Linux's, which passes floats in registers of their own, and one that passes them as
    # Android does.
    Part("system-armhf", "bookworm", "armhf", (("libc6", ""),)),
    Part("system-armel", "bookworm", "armel", (("libc6", ""),)),
)
WHEELS = ("numpy", "click", "ai-edge-litert", "onnxruntime")
"""Distributions for the emulated Python, with whatever they depend on."""
# Newer ones first; glibc of Debian 12 is 2.36.
WHEEL_PLATFORMS = (
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
)
PIP_TARGET = (
    *("--only-binary=:all:", "--implementation=cp", "--python-version=3.11"),
    *(f"--platform={platform}" for platform in WHEEL_PLATFORMS),
)


@dataclass(frozen=True)
class Deb:
    """A pinned Debian package."""

    name: str
    version: str
    path: str
    """Below the root of a Debian mirror."""
    size: int
    sha256: str


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Lock:
    """What ``lock.json`` says."""

    debs: dict[str, list[Deb]]
    """By part, in the order of its packages."""
    wheels: list[Wheel]

    @classmethod
    def read(cls) -> "Lock":
        """The committed lock.

        Raises:
            BadInputError: it doesn't pin what :data:`PARTS` names.
        """
        value = json.loads(LOCK.read_bytes())
        lock = cls(
            {part: [Deb(**deb) for deb in debs] for part, debs in value["debs"].items()},
            [Wheel(**wheel) for wheel in value["wheels"]],
        )
        pinned = {part: [deb.name for deb in debs] for part, debs in lock.debs.items()}
        if pinned != {part.name: [name for name, _ in part.packages] for part in PARTS}:
            raise BadInputError(
                f"{LOCK.name}: pins other packages than packages.py names. Pin them: python -m benchmarks.arm64 lock"
            )
        return lock

    def to_dict(self) -> dict[str, object]:
        """What to write into the file."""
        return asdict(self)

    def versions(self) -> dict[str, str]:
        """Versions that can change a result, for its JSON."""
        qemu = {f"{part} (Debian)": self.debs[part][0].version for part in ("qemu", "qemu-counting")}
        names = ("python3.11-minimal", "libc6")
        system = {f"{deb.name} (Debian)": deb.version for deb in self.debs["system"] if deb.name in names}
        wheels = {wheel.name: wheel.version for wheel in self.wheels if wheel.name in WHEELS and wheel.name != "click"}
        return {**qemu, **system, **wheels}
