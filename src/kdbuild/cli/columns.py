"""Options that name the columns of data that an artefact is to answer."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def text_options(command: Command) -> Command:
    """Add ``--text-column`` and ``--pair-column``."""
    text = click.option(
        "--text-column",
        default="",
        help="Column of the texts.  [default: the one called sentence, text or tokens]",
        metavar="NAME",
    )
    pair = click.option(
        "--pair-column",
        default="sentence2",
        show_default=True,
        help="Column of second texts, for an artefact that reads pairs; empty: the first texts alone are answered.",
        metavar="NAME",
    )
    return text(pair(command))


def label_option(command: Command) -> Command:
    """Add ``--label-column``."""
    return click.option(
        "--label-column", default="label", show_default=True, help="Column of the labels.", metavar="NAME"
    )(command)
