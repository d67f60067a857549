"""The errors that kdbuild raises on purpose; the command line turns each into one line and an exit code."""

import importlib
from collections.abc import Iterable


class KdbuildError(Exception):
    """Base of all errors below; its message is one line: what, which value, why, the way out."""

    exit_code = 1


class BadInputError(KdbuildError):
    """The user's data, options or files can't be used as given."""

    exit_code = 2


class MissingExtraError(BadInputError):
    """An optional dependency is not installed."""


class GateError(KdbuildError):
    """A quality gate failed: the result was not written."""

    exit_code = 3


def require(module: str, extra: str) -> None:
    """Check that an optional dependency can be imported.

    Args:
        module: what is to be imported.
        extra: which of kdbuild's extras brings it.

    Raises:
        MissingExtraError: it can't be imported; the message names the pip command.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        from kdbuild.requirements import advice, first_line  # an answer of the runtime doesn't need them

        raise MissingExtraError(
            f"{module} can't be imported ({first_line(error)}): this command needs it. {advice(extra, module)}"
        ) from error


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a sentence for an error message that names what was probably meant, or all the names there are."""
    import difflib  # takes longer to import than all the rest of this module, and only errors need it

    known = list(names)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{found[0]}'?" if found else f"There are: {', '.join(known)}."
