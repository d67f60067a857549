"""kdbuild commands in the tests' own process, and the options that keep what they train small."""

from pathlib import Path

from click.testing import CliRunner, Result

from kdbuild.cli import cli

FP32 = {
    "machine__device": "cpu",
    "training__dtype": "fp32",
    "teacher_training__dtype": "fp32",
    "label__label_dtype": "fp32",
}
"""Parameters of the commands that train, whose own defaults depend on the machine: what tiny models reach would, too."""


FP32_OPTIONS = (
    *("--device", "cpu", "--dtype", "fp32"),
    *("--teacher-dtype", "fp32", "--label-dtype", "fp32"),
)
"""The same for a ``kdbuild train`` in a process of its own."""


def run_cli(*arguments: str | Path, stdin: str | bytes | None = None, fp32: bool = True) -> Result:
    """Run a kdbuild command in this process, in fp32 if not told otherwise; a bug's exception is raised here.

    Args:
        arguments: the command line.
        stdin: what the command reads there.
        fp32: whether commands that train do so in fp32 unless an argument says something else.
    """
    defaults = dict.fromkeys(("train", "teacher", "label", "distill"), FP32) if fp32 else {}
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin, default_map=defaults)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


SMALL_STUDENT = ("--embedding-size", "8", "--hidden-size", "8", "--classifier-size", "8", "--batch-size", "32")
