"""What a measurement was made on, for its JSON; nothing in it names a machine, a user or a path."""

import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = (
    "kdbuild",
    "numpy",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "spacy",
)
"""Those whose version can change a result of ours."""

INT8_INSTRUCTIONS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Flags of ``/proc/cpuinfo`` that decide which int8 kernels run, x86-64 and ARM64."""


def environment(*, threads: int) -> dict[str, object]:
    """CPU, threads and versions, ready for ``json.dumps``.

    Args:
        threads: What the measured code was given; each engine is told separately, so it can't be found out here.
    """
    fields = _cpuinfo()
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "int8_instructions": [flag for flag in INT8_INSTRUCTIONS if flag in flags],
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": _versions(),
    }


def _cpuinfo() -> dict[str, str]:
    """The fields of the first processor in ``/proc/cpuinfo``; empty where there is no such file."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def _usable_cores() -> int | None:
    """Cores that this process may run on: fewer than there are under taskset or a container's cpuset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
