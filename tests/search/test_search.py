"""Whole searches over the finished run's tiny teacher: budgets, what is written, interruptions."""

import csv
import json
import os
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

import processes
from commands import run_cli

pytestmark = pytest.mark.trains
SMALL = ("--trials", "2", "--finalists", "1")


@pytest.fixture(scope="module")
def searched(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which a student of 40 kB was looked for. Not to be changed; copy it."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("search") / "my run"))
    result = run_cli("search", run, "--max-size", "40kB", *SMALL)
    assert result.exit_code == 0, result.output
    (run / "said.json").write_text(json.dumps([result.stdout, result.stderr]))
    return run


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "search" / "trials.tsv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_best_student_of_a_size(searched: Path) -> None:
    found = rows(searched)
    assert len(found) == 2
    assert all(int(row["bytes"]) <= 40_000 for row in found)
    assert all(0 <= float(row["agreement"]) <= 1 and float(row["latency_ms"]) > 0 for row in found)
    assert (searched / "search" / "pareto.png").read_bytes()[:4] == b"\x89PNG"
    stdout, stderr = json.loads((searched / "said.json").read_text())
    assert "2 students trained shortly" in stdout.splitlines()[0]
    assert "* chosen, of 1 trained in full" in stdout
    trials = [line for line in stderr.splitlines() if line.startswith("trial ")]
    assert len(trials) == 2
    assert not (searched / "search" / "trial").exists()


def test_finished_search_trains_nothing_again(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    before = (run / "search" / "trials.tsv").read_bytes()
    result = run_cli("search", run, "--max-size", "40kB", *SMALL)
    assert result.exit_code == 0, result.output
    assert (run / "search" / "trials.tsv").read_bytes() == before
    assert "trained in full" not in result.stderr


def test_chosen_recipe_is_trained_by_the_command_named(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "my run"))
    result = run_cli("search", run, "--max-size", "40kB", *SMALL)
    program, *arguments = shlex.split(result.stderr.splitlines()[-1].removeprefix("Next: "))
    assert (program, arguments) == ("kdbuild", ["train", str(run / "search" / "recipe.toml"), "--out", str(run)])
    trained = run_cli(*arguments)
    assert trained.exit_code == 0, trained.output
    kept = [line for line in trained.stderr.splitlines() if line.endswith("done before, kept")]
    assert [line.partition(":")[0] for line in kept] == ["teacher", "augment", "label"]
    limits = ("--max-flip-rate", "100", "--max-accuracy-loss", "100")
    exported = run_cli("export", run, "--format", "native", "--no-calibrate", *limits)
    assert exported.exit_code == 0, exported.output
    finalist = next((run / "search" / "finalists").glob("*/result.json"))
    assert (run / "artefact" / "model_int8.kdb").stat().st_size == json.loads(finalist.read_bytes())["size"] <= 40_000


def test_smallest_student_within_a_loss(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    result = run_cli("search", run, "--max-drop", "100", "--trials", "1", "--finalists", "1")
    assert result.exit_code == 0, result.output
    assert "2 students of searches within other budgets are taken over" in result.stderr
    found = rows(run)
    own = [int(row["bytes"]) for row in found if row["reused"] == "False"]
    taken = [int(row["bytes"]) for row in found if row["reused"] == "True"]
    assert len(taken) == 2
    # Whatever loses at most 100 points is smaller than all before it.
    assert own == sorted(own, reverse=True)
    assert not own or max(own) < min(taken)


def test_other_seed_goes_on_with_nothing(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    result = run_cli("search", run, "--max-size", "40kB", "--trials", "1", "--finalists", "1", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert "search: 1 earlier searches here were of other data, options or seeds" in result.stderr
    assert len(rows(run)) == 1


def test_accuracy_that_no_student_has(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    (run / "search" / "recipe.toml").unlink()
    (kept,) = (run / "search" / "finalists").glob("*/result.json")
    kept.write_text(json.dumps(json.loads(kept.read_bytes()) | {"accuracy": 0.875}))
    result = run_cli("search", run, "--max-size", "40kB", *SMALL, "--min-accuracy", "90")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == (
        "Error: --min-accuracy 90: the best of 1 students trained in full answers 87.5 % of dev right. "
        "Allow a larger --max-size, or lower it."
    )
    assert not (run / "search" / "recipe.toml").exists()


def test_nothing_begins_that_cannot_end_in_time(searched: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    result = run_cli("search", run, "--max-size", "40kB", "--trials", "30", "--finalists", "1", "--max-time", "0.001s")
    assert result.exit_code == 0, result.output
    assert len(rows(run)) == 2
    assert "1 without time left" in result.stdout


def _wait(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_interrupted_search_goes_on(number: signal.Signals, code: int, finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    command = ("search", str(run), "--max-size", "40kB", "--trials", "1", "--finalists", "1")
    process = processes.start(command, tmp_path / "errors")
    _wait(lambda: (run / "search" / "trial").exists())
    assert process.pid is not None
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == code
    if number == signal.SIGINT:
        assert (tmp_path / "errors").read_text().splitlines()[-1] == (
            "Interrupted. The same command goes on where it stopped."
        )
    # As a kill in the middle of a line leaves it.
    with (run / "search" / "journal.log").open("ab") as stream:
        stream.write(b'{"op_code":')
    result = run_cli(*command)
    assert result.exit_code == 0, result.output
    assert len(rows(run)) == 1
    assert "1 failed" in result.stdout
    assert ("left running" in result.stderr) == (number == signal.SIGKILL)


def _no_labels(run: Path) -> None:
    (run / ".stages" / "label.json").unlink()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "search: no budget. Give --max-size 1MB"),
        (("--max-size", "1XB"), "--max-size 1XB: not a size."),
        (("--max-size", "0"), "--max-size 0: not a size."),
        (("--max-size", "1MB", "--max-time", "soon"), "--max-time soon: not a time."),
        (("--max-drop", "-1"), "--max-drop -1: out of range."),
        (("--max-size", "1MB", "--min-accuracy", "101"), "--min-accuracy 101: out of range."),
        (("--max-size", "5kB"), "--max-size 5 kB: the smallest student that is looked at has 1"),
    ],
)
def test_bad_input_is_one_line(options: tuple[str, ...], message: str, finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    result = run_cli("search", run, *options)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")


def test_run_without_labels(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    _no_labels(run)
    result = run_cli("search", run, "--max-size", "1MB")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {run}: stage 'label' isn't done, and the search reads its output. Run first: kdbuild label {run}\n"
    )
    assert not (run / "search").exists()
