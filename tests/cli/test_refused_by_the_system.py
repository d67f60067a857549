"""What the system really refuses: read-only mounts, permissions, and limits on the size of a file. One line, nothing lost."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import SMALL_STUDENT, run_cli
from restricted import Outcome, read_only, run_restricted, without_privileges

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")
TFLITE = ("--format", "tflite", "--no-calibrate", "--max-flip-rate", "5", "--max-accuracy-loss", "5")
Command = tuple[str | Path, ...]
Commands = dict[str, tuple[Command, str | None]]
"""By name: the arguments, and how the line begins that refuses them; None where nothing does."""


def one_line(outcome: Outcome, start: str) -> None:
    """Check that a command was refused in one line, which may follow what it narrated before."""
    lines = outcome.stderr.splitlines()
    assert outcome.exit_code == 2, outcome.stderr
    assert lines[-1].startswith(f"Error: {start}"), lines[-1]
    assert not [line for line in lines[:-1] if line.startswith(("Error", "Traceback"))]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def places(
    finished_run: Path, artefact_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A folder for what is to be refused, with a run, an artefact and data in it, and one where everything works."""
    base = tmp_path_factory.mktemp("places")
    for source in (finished_run, artefact_folder, data_folder):
        shutil.copytree(source, base / "refused" / source.name)
    (base / "fine").mkdir()
    return base / "refused", base / "fine"


def read_only_commands(ro: Path, fine: Path, data: Path, run: Path) -> Commands:
    lock = f"{ro / 'run' / '.stages' / 'lock'}: can't be used"
    return {
        "train": (("train", data, "--out", ro / "new", *HARD), f"{ro / 'new'}: can't be used"),
        "train, a run that is there": (("train", data, "--out", ro / "run", *HARD), lock),
        "augment": (("augment", ro / "run"), lock),
        "distill": (("distill", ro / "run", "--epochs", "1"), lock),
        "export": (("export", ro / "run", *TFLITE), f"{ro / 'run' / 'artefact'}: can't be made"),
        "export, an artefact that is there": (
            ("export", run, "--out", ro / "artefact", *TFLITE),
            f"{ro / 'artefact'}: can't be made",
        ),
        "report": (("report", ro / "run"), f"--out {ro / 'run' / 'report.html'}: can't be written"),
        "report, out": (("report", run, "--out", ro / "page.html"), f"--out {ro / 'page.html'}: can't be written"),
        "init": (("init", ro / "recipe.toml"), f"{ro / 'recipe.toml'}: can't be written"),
        "benchmark": (
            ("benchmark", ro / "artefact", "--out", ro / "benchmark", "--against", "none"),
            f"--out {ro / 'benchmark'}: can't be made",
        ),
        # What only reads there works.
        "predict": (("predict", ro / "artefact", "a fine film"), None),
        "eval": (("eval", ro / "artefact", ro / "data" / "dev.tsv"), None),
        "report, elsewhere": (("report", ro / "run", "--out", fine / "page.html"), None),
        "export, elsewhere": (("export", ro / "run", "--out", fine / "artefact", *TFLITE), None),
    }


def test_read_only_mount(places: tuple[Path, Path], data_folder: Path, finished_run: Path) -> None:
    ro, fine = places
    before = contents(ro)
    commands = read_only_commands(ro, fine, data_folder, finished_run)
    outcomes = run_restricted(read_only(ro), {name: command for name, (command, _) in commands.items()})
    for name, (_, start) in commands.items():
        if start is None:
            assert outcomes[name].exit_code == 0, (name, outcomes[name].stderr)
        else:
            one_line(outcomes[name], start)
            assert "(Read-only file system)" in outcomes[name].stderr
    assert contents(ro) == before


@pytest.fixture
def modes() -> Iterator[Callable[[Path, int], Path]]:
    """Changes the modes of files and folders, and gives them back, so that they can be removed."""
    changed: list[tuple[Path, int]] = []

    def change(path: Path, mode: int) -> Path:
        changed.append((path, path.stat().st_mode))
        path.chmod(mode)
        return path

    yield change
    for path, mode in reversed(changed):
        path.chmod(mode)


def test_permissions(
    modes: Callable[[Path, int], Path], finished_run: Path, artefact_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    copies = [
        shutil.copytree(source, tmp_path / source.name) for source in (finished_run, artefact_folder, data_folder)
    ]
    run, artefact, data = map(Path, copies)
    locked = modes(Path(shutil.copytree(run, tmp_path / "locked")), 0o500)
    model = modes(artefact / "model_int8.tflite", 0)
    rows = modes(data / "train.tsv", 0)
    closed = tmp_path / "closed"
    closed.mkdir()
    modes(closed, 0o500)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "rows.tsv").touch()
    modes(hidden, 0)
    options = modes(Path(shutil.copytree(run, tmp_path / "secret")) / "options.json", 0)
    commands: Commands = {
        "data that can't be read": (("train", rows, "--out", tmp_path / "new", *HARD), f"{rows}: can't be "),
        "a folder of such data": (("train", data, "--out", tmp_path / "new", *HARD), f"{rows}: can't be "),
        "linted": (("lint", rows), f"{rows}: can't be "),
        "evaluated": (("eval", artefact_folder, rows), f"{rows}: can't be "),
        "a folder that can't be entered": (
            ("train", hidden / "rows.tsv", "--out", tmp_path / "new", *HARD),
            f"{hidden / 'rows.tsv'}: ",
        ),
        "a model that can't be read": (("predict", artefact, "a film"), f"{model}: can't be read"),
        "options that can't be read": (("distill", options.parent), f"{options}: can't be used"),
        "a report of them": (("report", options.parent), f"{options}: can't be used"),
        "a run below a closed folder": (("train", data_folder, "--out", closed / "run", *HARD), f"{closed / 'run'}: "),
        "an artefact in a closed folder": (
            ("export", run, "--out", closed / "artefact", *TFLITE),
            f"{closed / 'artefact'}: can't be made",
        ),
        "an artefact in a closed run": (("export", locked, *TFLITE), f"{locked / 'artefact'}: can't be made"),
        "a page in a closed run": (("report", locked), f"--out {locked / 'report.html'}: can't be written"),
        "a recipe in a closed folder": (
            ("init", closed / "recipe.toml"),
            f"{closed / 'recipe.toml'}: can't be written",
        ),
        "a stage of a closed run": (("augment", locked, "--rounds", "1"), f"{locked}"),
    }
    outcomes = run_restricted(
        without_privileges(), {name: command for name, (command, _) in commands.items()}, refused=[model, rows]
    )
    for name, (_, start) in commands.items():
        assert start is not None
        one_line(outcomes[name], start)
        assert "Permission denied" in outcomes[name].stderr, (name, outcomes[name].stderr)
    assert list(closed.iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_limit_on_the_size_of_a_file(finished_run: Path, data_folder: Path, tmp_path: Path) -> None:
    def run(name: str) -> Path:
        return Path(shutil.copytree(finished_run, tmp_path / name))

    again = ("--epochs", "1", *SMALL_STUDENT)
    # The larger limits are met by checkpoints, for whose failure torch has several words, none of them plain.
    commands: dict[str, tuple[int, Command]] = {
        "data": (10, ("train", data_folder, "--out", tmp_path / "data", *HARD)),
        "labels": (4_000, ("label", run("labels"), "--label-batch-size", "7")),
        "student": (4_000, ("distill", run("student"), *again)),
        "checkpoint": (12_000, ("distill", run("checkpoint"), *again)),
        "larger checkpoint": (25_000, ("train", data_folder, "--out", tmp_path / "larger", *HARD)),
        "artefact": (4_000, ("export", finished_run, "--out", tmp_path / "artefact", *TFLITE)),
        "page": (4_000, ("report", finished_run, "--out", tmp_path / "page.html")),
        "recipe": (10, ("init", tmp_path / "recipe.toml")),
    }
    outcomes = run_restricted(
        [],
        {name: command for name, (_, command) in commands.items()},
        limits={name: limit for name, (limit, _) in commands.items()},
    )
    for name in commands:
        one_line(outcomes[name], "a file would get larger than the system lets it. Raise the limit (ulimit -f)")
    assert not list(tmp_path.rglob("*kdbuild-*"))
    assert not {"artefact", "page.html", "recipe.toml"} & {path.name for path in tmp_path.iterdir()}
    assert contents(tmp_path / "labels" / "labels") == contents(finished_run / "labels")
    for name in ("data", "checkpoint"):  # without the limit it goes on
        result = run_cli(*commands[name][1])
        assert result.exit_code == 0, result.output


def test_what_is_restricted_is_restricted(tmp_path: Path) -> None:
    """No test here passes because root may do everything."""
    (tmp_path / "file").touch(mode=0)
    (tmp_path / "file").chmod(0)
    assert run_restricted(without_privileges(), {}, refused=[tmp_path / "file"]) == {}
    if not os.geteuid():
        with pytest.raises(AssertionError, match="can be read"):
            run_restricted([], {}, refused=[tmp_path / "file"])
