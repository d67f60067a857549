"""What kdbuild's extras ask for, as its own package metadata says, whether it is there, and how to install what isn't.

Only the standard library is imported: the runtime's errors come here, too.
"""

import importlib
import importlib.metadata
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_COMPARISONS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": lambda have, bound: have >= bound,
    "==": lambda have, bound: have == bound,
    "<": lambda have, bound: have < bound,
}

_MODULES = {"fasttext-community": "fasttext", "scikit-learn": "sklearn"}
"""What packages are imported as, where it isn't their name."""


def install_command(extra: str = "") -> str:
    """Say how kdbuild itself is installed, in a checkout of it: there is no release on PyPI yet.

    The README and the guide say it once each, and a test compares them with this.

    Args:
        extra: the extra to install with it; none if empty.
    """
    return f"pip install '.[{extra}]'" if extra else "pip install ."


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
class Requirement:
    """A line of the package's metadata, such as ``numpy<2; extra == "tflite-runtime"``."""

    name: str
    extras: tuple[str, ...]
    """Those of the required package, in square brackets."""
    wanted: str
    """The versions that will do."""
    extra: str
    """Which of our extras asks for it; empty: every installation."""
    python_below: tuple[int, ...] | None
    """The first Python version for which it isn't asked for; None where there is no such bound."""

    @classmethod
    def parse(cls, line: str) -> "Requirement":
        """Read a line, in as much of the notation as our own requirements use.

        Raises:
            ValueError: it isn't written in that notation.
        """
        specifier, _, marker = line.partition(";")
        found = re.fullmatch(r"([\w.-]+)(?:\[(.*)\])?\s*(.*)", specifier.strip())
        if found is None:
            raise ValueError(f"unreadable requirement {line!r}")
        extra = re.search(r"""extra == ["'](.*?)["']""", marker)
        python = re.search(r"""python_version < ["'](.*?)["']""", marker)
        return cls(
            name=found[1],
            extras=tuple(found[2].split(",")) if found[2] else (),
            wanted=found[3],
            extra=extra[1] if extra else "",
            python_below=_release(python[1]) if python else None,
        )

    @property
    def allows_python(self) -> bool:
        """Whether it can be met with the Python that is running."""
        return self.python_below is None or sys.version_info[:2] < self.python_below

    @property
    def module(self) -> str:
        """What it is imported as."""
        return _MODULES.get(self.name, self.name.replace("-", "_"))

    @property
    def version(self) -> str | None:
        """The version that is installed; None where none is."""
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def is_met(self) -> bool:
        """Whether a version that will do is installed; whether it works is another question."""
        return self.version is not None and satisfies(self.version, self.wanted)

    def check(self) -> Package:
        """Check that it is there, of a version that will do, and can be imported."""
        if not self.allows_python:
            bound = ".".join(map(str, self.python_below or ()))
            return Package(self.name, self.wanted, None, f"needs Python below {bound}")
        version = self.version
        if version is None:
            return Package(self.name, self.wanted, None, "missing")
        problem = "" if satisfies(version, self.wanted) else f"is not {self.wanted}"
        return Package(self.name, self.wanted, version, problem or _import_problem(self.module))


def own_requirements() -> list[Requirement]:
    """Read what kdbuild's own metadata asks for; empty where kdbuild isn't installed as a package."""
    try:
        lines = importlib.metadata.metadata("kdbuild").get_all("Requires-Dist")
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Requirement.parse(line) for line in lines or []]


def wanted_by(extra: str, requirements: Sequence[Requirement]) -> list[Requirement]:
    """List what an extra asks for, together with what the extras ask for that it includes; each once.

    Args:
        extra: its name.
        requirements: all of kdbuild's.
    """
    wanted: dict[tuple[str, str], Requirement] = {}
    for requirement in requirements:
        if requirement.extra == extra:
            parts = [part for name in requirement.extras for part in wanted_by(name, requirements)]
            for part in parts if requirement.name == "kdbuild" else [requirement]:
                wanted.setdefault((part.name, part.wanted), part)
    return list(wanted.values())


def packages_of(extra: str) -> list[str]:
    """List the packages that kdbuild with an extra brings; empty where kdbuild isn't installed as a package."""
    own = own_requirements()
    return [requirement.name for requirement in (*wanted_by(extra, own), *wanted_by("", own))] if own else []


def pip_install(requirements: Sequence[Requirement], *, again: bool = False) -> str:
    """Write the command that installs packages, quoted for the shell.

    Args:
        requirements: what to install.
        again: install also what is there already, because it doesn't work.
    """
    packages = [shlex.quote(f"{requirement.name}{requirement.wanted}") for requirement in requirements]
    return " ".join(["pip install", *["--force-reinstall"] * again, *packages])


def remedy(extra: str, module: str = "") -> str:
    """Write the command that makes what an extra brings importable.

    It installs the packages that are missing. Where none is, it installs the one of the module again.

    Args:
        extra: the extra that brings the module.
        module: what can't be imported.
    """
    return _remedy(extra, module)[1]


def advice(extra: str, module: str = "") -> str:
    """Write the sentence of an error message that ends with the command of :func:`remedy`.

    Args:
        extra: the extra that brings the module.
        module: what can't be imported.
    """
    return ": ".join(_remedy(extra, module))


def _remedy(extra: str, module: str) -> tuple[str, str]:
    """What to do, and the command that does it."""
    wanted = [requirement for requirement in wanted_by(extra, own_requirements()) if requirement.allows_python]
    if not wanted:
        return f"Install kdbuild with its extra '{extra}', in its checkout", install_command(extra)
    missing = [requirement for requirement in wanted if not requirement.is_met]
    if missing:
        return f"Install what is missing of kdbuild's extra '{extra}'", pip_install(missing)
    # The extra names packages whose dependencies may be what is missing.
    top = module.partition(".")[0]
    broken = [requirement for requirement in wanted if requirement.module == top] if top else wanted
    return "Install it again", pip_install(broken or [Requirement.parse(top)], again=True)


def satisfies(version: str, wanted: str) -> bool:
    """Tell whether a version is among those wanted, by its release number alone: enough for our own requirements."""
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
    """What goes wrong when a module is imported; empty where nothing does."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation raises anything, from OSError to AttributeError
        return f"can't be imported ({first_line(error)})"
    return ""


def first_line(error: Exception) -> str:
    """Shorten an error to the first line of its message, or to its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
