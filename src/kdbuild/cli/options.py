"""Command-line options made from the option dataclasses, so that a default and its description stand in one place."""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from kdbuild.errors import BadInputError
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.registry import PERTURBATIONS

Command = TypeVar("Command", bound=Callable[..., Any])
SECTIONS = tuple(spec.name for spec in dataclasses.fields(TrainOptions))
TITLES = {
    "data": "Data",
    "teacher": "Teacher",
    "teacher_training": "Teacher training",
    "augment": "Transfer set",
    "spans": "Spans",
    "article": "Article",
    "clauses": "Clauses",
    "joins": "Joins",
    "label": "Labelling",
    "student": "Student",
    "training": "Student training",
    "machine": "Machine",
}
"""What the help calls the sections."""
OWN = "Run"
"""What the help calls a command's own options, which belong to no section."""
_OF = "__"
"""Stands between section and field in the name of a parameter."""


class StageCommand(click.Command):
    """A command whose help lists its options by section: those of the stages in their order, then its own.

    Behind those of the transfer set stand the perturbations, which one of them names.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list for each section that has options."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*TITLES.values(), OWN)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                section, is_stage, _ = (parameter.name or "").partition(_OF)
                groups[TITLES[section] if is_stage else OWN].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
            if records and title == TITLES["augment"]:
                with formatter.section("Perturbations"):
                    formatter.write_dl([(row.name, row.help) for row in PERTURBATIONS])


def stage_options(*sections: str, kept: str = "", only: Collection[str] = ()) -> Callable[[Command], Command]:
    """Make a decorator that adds an option for each field of some sections; what isn't given comes as None.

    The command is to be a :class:`StageCommand`, whose help shows the sections.

    Args:
        sections: of :class:`TrainOptions`.
        only: names of the fields; all if empty.
        kept: what keeps its value where an option isn't given, for the help text; defaults if empty.
    """

    def decorate(command: Command) -> Command:
        for section in reversed(sections):
            group = getattr(TrainOptions(), section)
            hints = get_type_hints(type(group))
            for spec in reversed([spec for spec in dataclasses.fields(group) if not only or spec.name in only]):
                default = getattr(group, spec.name)
                for name in (spec.name, *spec.metadata["former"]):
                    parameter, hidden = f"{section}{_OF}{name}", name != spec.name
                    command = _option(group.flag(name), parameter, spec, hints[spec.name], default, kept, hidden)(
                        command
                    )
        return command

    return decorate


def _option(
    flag: str, parameter: str, spec: "dataclasses.Field[Any]", kind: Any, default: Any, kept: str, hidden: bool
) -> Callable[[Command], Command]:
    help = spec.metadata["help"]
    if default not in ("", ()):
        shown = str(default).lower() if kind is bool else ", ".join(default) if isinstance(default, tuple) else default
        help += f"  [default: {f'{kept}; at first ' if kept else ''}{shown}]"
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", parameter, default=None, help=help, hidden=hidden)
    if get_origin(kind) is Literal:
        kind = click.Choice([str(choice) for choice in get_args(kind)])
    elif get_origin(kind) is tuple:
        return click.option(
            flag, parameter, type=str, multiple=True, metavar=spec.metadata["metavar"], help=help, hidden=hidden
        )
    return click.option(flag, parameter, type=kind, default=None, help=help, hidden=hidden)


def given(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options that a command was given, by section and under their present names.

    Raises:
        BadInputError: an option was given under its present name and a former one.
    """
    sections: dict[str, dict[str, Any]] = {}
    for parameter, value in values.items():
        section, _, name = parameter.partition(_OF)
        if value is not None and value != ():
            group = getattr(TrainOptions(), section)
            present = group.present_name(name)
            if present in sections.setdefault(section, {}):
                raise BadInputError(f"{group.flag(present)}: given under a former name, too. Give it once.")
            sections[section][present] = value
    return sections


def updated(options: TrainOptions, values: dict[str, Any]) -> TrainOptions:
    """Change options to those that a command was given.

    Raises:
        BadInputError: a value is out of range.
    """
    changed = {
        section: dataclasses.replace(getattr(options, section), **fields) for section, fields in given(values).items()
    }
    return dataclasses.replace(options, **changed)
