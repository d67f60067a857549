"""The shell of the command line: its help, and that it imports no more than a command needs."""

import os
import re
import subprocess
import sys

import click
import pytest

from commands import run_cli
from kdbuild.cli import COMMANDS, Entry, cli
from kdbuild.cli.options import OWN, SECTIONS, TITLES

ENTRIES = [entry for entries in COMMANDS.values() for entry in entries]

HELP = """\
Usage: kdbuild [OPTIONS] COMMAND [ARGS]...

  BERT in, a phone-sized text classifier out.

  From nothing to a classifier, on real data:
    kdbuild quickstart --out quickstart
  From your own data to an artefact that answers:
    kdbuild train reviews.tsv --out runs/reviews
    kdbuild export runs/reviews --out artefact
    kdbuild predict artefact "a warm , funny film"

Options:
  --version   Show the version and exit.
  -h, --help  Show this message and exit.

Prepare:
  quickstart  Go from nothing to a classifier in minutes, on real data.
  doctor      Say what this machine has: versions, extras, engines, disk.
  lint        Say what is odd in labelled DATA, before it is trained on.
  init        Write a commented RECIPE with every option of train.

Train:
  train       Distil a student from labelled text and a teacher.
  teacher     Read labelled text and fine-tune the teacher.
  augment     Make the transfer set of RUN from its training rows.
  label       Ask the teacher of RUN for its logits over the transfer set.
  distill     Train the student of RUN on the labelled transfer set.
  search      Find the best student of RUN within a budget.
  report      Write a page about the student of RUN.

Ship:
  export      Write the student of RUN as an artefact folder.
  verify      Prove an ARTEFACT folder on every engine installed here.
  sign        Sign the native model of an ARTEFACT folder, or a model file.
  android     Build an Android app around an artefact FOLDER.

Use:
  predict     Classify TEXTS, or the lines of standard input.
  inspect     Show what an ARTEFACT folder holds.
  diff        Show what changed between two artefact folders.

Measure:
  eval        Compare an ARTEFACT folder's answers with the labels of DATA.
  benchmark   Compare an artefact FOLDER with BERT: size, accuracy, latency.
"""


def run_in_80_columns(*arguments: str) -> str:
    command = [sys.executable, "-m", "kdbuild", *arguments]
    env = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout


def test_help_has_sections_and_whole_sentences() -> None:
    assert run_in_80_columns("--help") == HELP


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_table_says_what_the_command_says(entry: Entry) -> None:
    command = cli.commands[entry.name]
    assert command.name == entry.name
    assert command.get_short_help_str(limit=1000) == entry.summary
    # What isn't to be wrapped is marked, so that examples stand a line each.
    assert "\b\n" in (command.help or "")
    assert "\\b" not in (command.help or "")


def imported(*arguments: str) -> set[str]:
    """The modules that a process has imported of kdbuild when a command ends."""
    program = f"""
import sys
from kdbuild.cli import cli
try:
    cli.main({list(arguments)!r}, prog_name="kdbuild")
except SystemExit:
    pass
print(*(name for name in sys.modules if name.startswith("kdbuild.")), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_imports_no_command() -> None:
    assert imported("--help") == {"kdbuild.cli", "kdbuild.errors", "kdbuild.lazy", "kdbuild.version"}
    assert imported("nosuch") == {"kdbuild.cli", "kdbuild.errors", "kdbuild.lazy", "kdbuild.version"}


def test_a_command_imports_itself_alone() -> None:
    commands = {entry.target.partition(":")[0] for entry in ENTRIES}
    assert imported("predict", "nosuch", "a text") & commands == {"kdbuild.cli.predict"}
    # The options of the training side are checked dataclasses, which take a while to make.
    assert not {name for name in imported("predict", "--help") if name.startswith("kdbuild.trainer")}


def test_commands_are_a_mapping_like_any() -> None:
    assert list(cli.commands) == [entry.name for entry in ENTRIES]
    assert len(cli.commands) == len(ENTRIES)
    assert cli.commands.get("nosuch") is None


def test_unknown_command_says_what_was_meant() -> None:
    result = run_cli("exprot")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No such command 'exprot'.")
    assert len(result.stderr.splitlines()) == 1


def groups(help: str) -> dict[str, list[str]]:
    """The options that a help text lists, by heading."""
    found: dict[str, list[str]] = {}
    for line in help.splitlines():
        if heading := re.fullmatch(r"([A-Z][\w ]*):", line):
            found[heading[1]] = []
        elif option := re.match(r"  (?:-h, )?(--[\w-]+)", line):
            list(found.values())[-1].append(option[1])
    return found


def test_help_of_train_is_grouped_by_stage() -> None:
    assert tuple(TITLES) == SECTIONS
    found = groups(run_in_80_columns("train", "--help"))
    transfer_set = ("Transfer set", "Perturbations", "Spans", "Article", "Clauses", "Joins")
    assert list(found) == [
        *("Data", "Teacher", "Teacher training", *transfer_set, "Labelling", "Student", "Student training", "Machine"),
        "Run",
    ]
    assert found["Teacher"] == ["--teacher", "--teacher-max-pieces"]
    assert found["Machine"] == ["--device", "--label-cache"]
    assert found["Run"] == ["--data", "--recipe", "--out", "--overwrite", "--ablation", "--runs", "--help"]
    listed = [option for options in found.values() for option in options]
    options = [parameter for parameter in cli.commands["train"].params if isinstance(parameter, click.Option)]
    assert sorted(listed) == sorted(["--help", *(option.opts[0] for option in options if not option.hidden)])


def test_help_of_a_stage_has_its_sections_alone() -> None:
    assert list(groups(run_in_80_columns("distill", "--help"))) == ["Student", "Student training", "Machine", OWN]
    assert list(groups(run_in_80_columns("lint", "--help"))) == ["Data", "Student", OWN]


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_prose_of_help_fits_80_columns(name: str) -> None:
    """Examples are commands, which may be longer."""
    lines = run_in_80_columns(name, "--help").splitlines()
    assert [line for line in lines if len(line) > 80 and "kdbuild " not in line] == []
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []
