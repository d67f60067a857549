"""Choices that come from a registry: they are looked up when they are shown or checked, so that none is written twice."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kdbuild.errors import nearest

Command = TypeVar("Command", bound=Callable[..., Any])
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # not generic before click 8.4


class RegistryChoice(_ParamType):
    """One of several names, known when the command runs.

    Args:
        names: returns the names in order.
    """

    name = "choice"

    def __init__(self, names: Callable[[], Sequence[str]]):
        self._names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What the help shows for the value."""
        return f"[{'|'.join(self._names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a value."""
        names = self._names()
        if value not in names:
            self.fail(f"'{value}' is none of {', '.join(names)}. {nearest(value, names)}", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """The names that begin like what was typed."""
        from click.shell_completion import CompletionItem

        found = [name for name in self._names() if name.startswith(incomplete)]
        return [CompletionItem(name) for name in found]


def trust_option(command: Command) -> Command:
    """Add ``--trust``: engines whose files are only run where they are named."""

    def names() -> list[str]:
        from kdbuild.runtime.engines.registry import ENGINES

        return [row.name for row in ENGINES if row.use == "named"]

    # What the option was called when there was one such engine.
    former = click.option("--torchscript", "trust", flag_value="torchscript", multiple=True, hidden=True)
    option = click.option(
        "--trust",
        type=RegistryChoice(names),
        multiple=True,
        help="Also run the files of this engine, which can carry code.",
    )
    return option(former(command))
