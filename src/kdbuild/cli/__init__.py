"""The command line: one module a command, each of which parses, calls one function and prints.

The commands stand in a table, :data:`COMMANDS`, so that a command's module is imported when the command is used and
``kdbuild --help`` imports none of them.
"""

import atexit
import errno
import gc
import io
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

import click

from kdbuild.errors import BadInputError, KdbuildError
from kdbuild.version import __version__


class Entry(NamedTuple):
    """A command of the table."""

    name: str
    target: str
    """Where the command is: ``module:attribute``."""
    summary: str
    """The first sentence of the command's help: short enough for a line of 80 columns."""

    def load(self) -> click.Command:
        """Import the command."""
        from kdbuild.registry import load

        command: click.Command = load(self.target)
        return _unescaped(command)


COMMANDS: dict[str, tuple[Entry, ...]] = {
    "Prepare": (
        Entry(
            "quickstart",
            "kdbuild.cli.quickstart:quickstart",
            "Go from nothing to a classifier in minutes, on real data.",
        ),
        Entry("doctor", "kdbuild.cli.doctor:doctor", "Say what this machine has: versions, extras, engines, disk."),
        Entry("lint", "kdbuild.cli.lint:lint", "Say what is odd in labelled DATA, before it is trained on."),
        Entry("init", "kdbuild.cli.init:init", "Write a commented RECIPE with every option of train."),
    ),
    "Train": (
        Entry("train", "kdbuild.cli.train:train", "Distil a student from labelled text and a teacher."),
        Entry("teacher", "kdbuild.cli.stages:teacher", "Read labelled text and fine-tune the teacher."),
        Entry("augment", "kdbuild.cli.stages:augment", "Make the transfer set of RUN from its training rows."),
        Entry("label", "kdbuild.cli.stages:label", "Ask the teacher of RUN for its logits over the transfer set."),
        Entry("distill", "kdbuild.cli.stages:distill", "Train the student of RUN on the labelled transfer set."),
        Entry("search", "kdbuild.cli.search:search", "Find the best student of RUN within a budget."),
        Entry("report", "kdbuild.cli.report:report", "Write a page about the student of RUN."),
    ),
    "Ship": (
        Entry("export", "kdbuild.cli.export:export", "Write the student of RUN as an artefact folder."),
        Entry("verify", "kdbuild.cli.verify:verify", "Prove an ARTEFACT folder on every engine installed here."),
        Entry("sign", "kdbuild.cli.sign:sign", "Sign the native model of an ARTEFACT folder, or a model file."),
        Entry("android", "kdbuild.cli.android:android", "Build an Android app around an artefact FOLDER."),
    ),
    "Use": (
        Entry("predict", "kdbuild.cli.predict:predict", "Classify TEXTS, or the lines of standard input."),
        Entry("inspect", "kdbuild.cli.inspect:inspect", "Show what an ARTEFACT folder holds."),
        Entry("diff", "kdbuild.cli.diff:diff", "Show what changed between two artefact folders."),
    ),
    "Measure": (
        Entry("eval", "kdbuild.cli.eval:evaluate", "Compare an ARTEFACT folder's answers with the labels of DATA."),
        Entry(
            "benchmark",
            "kdbuild.cli.benchmark:benchmark",
            "Compare an artefact FOLDER with BERT: size, accuracy, latency.",
        ),
    ),
}
"""By section of the help, in the order of a project."""


def _unescaped(command: click.Command) -> click.Command:
    r"""Mend click's mark of text that isn't to be wrapped, which is two characters in a raw docstring: \b."""
    command.help = (command.help or "").replace("\\b", "\b")
    return command


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each imported when it is asked for; going through the names imports nothing."""

    def __init__(self) -> None:
        self._known: dict[str, Entry | click.Command] = {
            entry.name: entry for entries in COMMANDS.values() for entry in entries
        }

    def __getitem__(self, name: str) -> click.Command:
        found = self._known[name]
        if isinstance(found, Entry):
            found = self._known[name] = found.load()
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _Group(click.Group):
    """A group whose errors are one line on standard error and an exit code; only bugs leave a traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        _mend_streams()
        try:
            result: object = super().main(*args, **{**kwargs, "standalone_mode": False})
        except KdbuildError as error:
            _end(f"Error: {error}", error.exit_code)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "kdbuild"
            _end(f"Error: {error.format_message().splitlines()[0]} See: {command} --help", 2)
        except _Interrupted as error:
            _end(error.message, error.exit_code)
        except click.ClickException as error:
            _end(f"Error: {error.format_message()}", error.exit_code)
        except click.Abort:
            _end("Interrupted.", 130)
        if standalone_mode:
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the system refuses becomes one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            from kdbuild.cli.failures import interruption

            sys.stderr.write("\n")  # after the terminal's ^C
            raise _Interrupted(interruption(ctx.invoked_subcommand or "")) from None
        except (KdbuildError, click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # whoever read our output has enough; click ends the process quietly
            from kdbuild.cli.failures import describe

            line = describe(error, ctx.invoked_subcommand or "")
            if line is None:
                raise
            raise BadInputError(line) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names in the order of a project, not of the alphabet."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section, from the table alone."""
        width = max(len(entry.name) for entries in COMMANDS.values() for entry in entries)
        for section, entries in COMMANDS.items():
            with formatter.section(section):
                # All sections get columns of the same width.
                formatter.write_dl([(entry.name.ljust(width), entry.summary) for entry in entries])


class _Interrupted(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 130


def _end(line: str, exit_code: int) -> NoReturn:
    """Print the last line, if anybody still reads it, and end."""
    with suppress(OSError):
        click.echo(line, err=True)
    sys.exit(exit_code)


def _mend_streams() -> None:
    """Make the standard streams take every character, and be there.

    A closed descriptor would be given to the first file that is opened, which would then get what libraries print. Where
    Python found standard input closed, ``sys.stdin`` stays None.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


@click.group(cls=_Group, commands=_Commands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kdbuild")
def cli() -> None:
    r"""BERT in, a phone-sized text classifier out.

    \b
    From nothing to a classifier, on real data:
      kdbuild quickstart --out quickstart
    From your own data to an artefact that answers:
      kdbuild train reviews.tsv --out runs/reviews
      kdbuild export runs/reviews --out artefact
      kdbuild predict artefact "a warm , funny film"
    """


_unescaped(cli)


def _leave_quickly() -> None:
    """Leave the memory of a process that ends to the system, instead of looking through it first: a tenth of an answer.

    Libraries that compute want to be taken down in order, and complain otherwise.
    """
    if "numpy" not in sys.modules:
        gc.freeze()


def main() -> None:
    """Run the command line: the console script."""
    atexit.register(_leave_quickly)
    cli.main(prog_name="kdbuild")
