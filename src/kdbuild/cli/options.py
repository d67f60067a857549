"""Command-line options made from the option dataclasses, so that a default and its description stand in one place."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_type_hints

import click

from kdbuild.trainer.options import Options

Command = TypeVar("Command", bound=Callable[..., Any])


def stage_options(*groups: type[Options], kept: bool = False) -> Callable[[Command], Command]:
    """A decorator that adds an option for each field of the dataclasses.

    Args:
        groups: the dataclasses.
        kept: options not given keep the run folder's values, instead of their defaults.
    """

    def decorate(command: Command) -> Command:
        for group in reversed(groups):
            hints = get_type_hints(group)
            for spec in reversed(dataclasses.fields(group)):
                choices = get_args(hints[spec.name])
                command = click.option(
                    "--" + spec.name.replace("_", "-"),
                    spec.name,
                    type=click.Choice(choices) if choices else hints[spec.name],
                    default=None if kept else spec.default,
                    show_default=f"the run's; at first {spec.default}" if kept else True,
                    help=spec.metadata["help"],
                )(command)
        return command

    return decorate


def pick(group: type[Any], values: dict[str, Any]) -> Any:
    """The dataclass from a command's parameters."""
    return group(**{spec.name: values[spec.name] for spec in dataclasses.fields(group)})


def update(options: Any, values: dict[str, Any]) -> Any:
    """The dataclass with those of a command's parameters that were given."""
    names = [spec.name for spec in dataclasses.fields(options)]
    return dataclasses.replace(options, **{name: values[name] for name in names if values.get(name) is not None})
