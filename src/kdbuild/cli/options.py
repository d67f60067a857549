"""Command-line options made from the option dataclasses, so that a default and its description stand in one place."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from kdbuild.trainer.options import TrainOptions, flag_name

Command = TypeVar("Command", bound=Callable[..., Any])
SECTIONS = tuple(spec.name for spec in dataclasses.fields(TrainOptions))


def stage_options(*sections: str, kept: str = "") -> Callable[[Command], Command]:
    """A decorator that adds an option for each field of some sections of the options; what isn't given comes as None.

    Args:
        sections: of :class:`TrainOptions`.
        kept: what keeps its value where an option isn't given, for the help text; defaults if empty.
    """

    def decorate(command: Command) -> Command:
        for section in reversed(sections):
            group = getattr(TrainOptions(), section)
            hints = get_type_hints(type(group))
            for spec in reversed(dataclasses.fields(group)):
                default = getattr(group, spec.name)
                command = _option(section, spec, hints[spec.name], default, kept)(command)
        return command

    return decorate


def _option(
    section: str, spec: "dataclasses.Field[Any]", kind: Any, default: Any, kept: str
) -> Callable[[Command], Command]:
    flag = flag_name(section, spec.name)
    help = spec.metadata["help"]
    if default not in ("", ()):
        shown = str(default).lower() if kind is bool else default
        help += f"  [default: {f'{kept}; at first ' if kept else ''}{shown}]"
    parameter = f"{section}.{spec.name}"
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", _identifier(parameter), default=None, help=help)
    if get_origin(kind) is Literal:
        kind = click.Choice([str(choice) for choice in get_args(kind)])
    elif get_origin(kind) is tuple:
        return click.option(flag, _identifier(parameter), type=str, multiple=True, metavar="FILE", help=help)
    return click.option(flag, _identifier(parameter), type=kind, default=None, help=help)


def _identifier(parameter: str) -> str:
    """A section and a field as one Python name."""
    return parameter.replace(".", "__")


def given(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The options that a command was given, by section."""
    sections: dict[str, dict[str, Any]] = {}
    for parameter, value in values.items():
        section, _, name = parameter.partition("__")
        if value is not None and value != ():
            sections.setdefault(section, {})[name] = value
    return sections


def updated(options: TrainOptions, values: dict[str, Any]) -> TrainOptions:
    """The options with those that a command was given.

    Raises:
        BadInputError: a value is out of range.
    """
    changed = {
        section: dataclasses.replace(getattr(options, section), **fields) for section, fields in given(values).items()
    }
    return dataclasses.replace(options, **changed)
