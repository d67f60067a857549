"""The command line: one module a command, each of which parses, calls one function and prints."""

import errno
import re
import sys
from typing import Any

import click

from kdbuild.cli.android import android
from kdbuild.cli.benchmark import benchmark
from kdbuild.cli.diff import diff
from kdbuild.cli.doctor import doctor
from kdbuild.cli.eval import evaluate
from kdbuild.cli.export import export
from kdbuild.cli.init import init
from kdbuild.cli.inspect import inspect
from kdbuild.cli.lint import lint
from kdbuild.cli.predict import predict
from kdbuild.cli.quickstart import quickstart
from kdbuild.cli.report import report
from kdbuild.cli.stages import augment, distill, label, teacher
from kdbuild.cli.train import train
from kdbuild.cli.verify import verify
from kdbuild.errors import KdbuildError
from kdbuild.version import __version__


class _Group(click.Group):
    """A group whose errors are one line on standard error and an exit code; only bugs leave a traceback."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        try:
            result: object = super().main(*args, **{**kwargs, "standalone_mode": False})
        except KdbuildError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "kdbuild"
            click.echo(f"Error: {error.format_message().splitlines()[0]} See: {command} --help", err=True)
            sys.exit(2)
        except click.ClickException as error:
            click.echo(f"Error: {error.format_message()}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("Interrupted. The same command goes on where it stopped.", err=True)
            sys.exit(130)
        except Exception as error:
            if not disk_is_full(error):
                raise
            click.echo(
                "Error: no space left on the disk. Free some, then run the same command again: "
                "it goes on where it stopped.",
                err=True,
            )
            sys.exit(2)
        if standalone_mode:
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command; in raw docstrings, click's mark of text that isn't to be wrapped is two characters."""
        cmd.help = (cmd.help or "").replace("\\b", "\b")
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a project, not of the alphabet."""
        return list(self.commands)


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, is the system's refusal to store more."""
    while error is not None:
        # Libraries written in other languages tell it in words only; numpy's says how much of an array was written.
        if re.search(r"No space left on device|^\d+ requested and \d+ written$", str(error)):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kdbuild")
def cli() -> None:
    r"""BERT in, a phone-sized text classifier out.

    \b
    kdbuild quickstart --out quickstart           from nothing to a classifier, on real data
    kdbuild train reviews.tsv --out runs/reviews  your own data: teacher, transfer set, student
    kdbuild export runs/reviews --out artefact    int8 and fp32 TFLite, proven equal to the student
    kdbuild predict artefact "a warm , funny film"
    """


cli.help = (cli.help or "").replace("\\b", "\b")
for command in (
    quickstart,
    lint,
    init,
    train,
    teacher,
    augment,
    label,
    distill,
    report,
    export,
    predict,
    evaluate,
    benchmark,
    inspect,
    verify,
    diff,
    android,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """The console script."""
    cli.main(prog_name="kdbuild")
