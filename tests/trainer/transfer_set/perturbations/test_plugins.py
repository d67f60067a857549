"""A perturbation from a module outside: it is like those that kdbuild brings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands import FP32_OPTIONS, SMALL_STUDENT

TESTS = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **os.environ,
    "KDBUILD_PLUGINS": "toy_perturbation",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS / "helpers"), os.environ.get("PYTHONPATH")])),
    "COLUMNS": "120",
}


def kdbuild(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kdbuild", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["train", "augment"])
def test_it_is_offered(command: str) -> None:
    shown = kdbuild(command, "--help").stdout
    assert re.search(r"^Perturbations:\n  spans +a stretch of the text's words", shown, re.M)
    assert re.search(r"^  backwards +the text's words, the last one first$", shown, re.M)
    assert re.search(r"^  --perturb NAME\[=COPIES\] ", shown, re.M)


def test_it_runs_among_the_others(data_folder: Path, teacher_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    perturb = ("--perturb", "backwards=1", "--perturb", "spans=2")
    small = (*SMALL_STUDENT, "--epochs", "0.1", *FP32_OPTIONS)
    result = kdbuild("train", data_folder, "--out", run, "--teacher", teacher_folder, *perturb, *small)
    assert result.returncode == 0, result.stderr
    record = json.loads((run / "metrics.json").read_text())["augment"]
    shares = record["perturbations"]
    assert list(shares) == ["backwards", "spans"]
    assert shares["backwards"] + shares["spans"] == record["perturbed"]
    _, *texts = (run / "transfer.tsv").read_text().splitlines()
    rows, copies = texts[: record["originals"]], set(texts[record["originals"] :])
    assert {" ".join(row.split()[::-1]) for row in rows} <= copies | set(rows)
    line = f"originals {len(rows):,}, backwards {shares['backwards']:,}, spans {shares['spans']:,}"
    assert line in result.stderr
    report = kdbuild("report", run)
    assert report.returncode == 0, report.stderr
    assert line in (run / "report.html").read_text()


def test_it_passes_the_suite() -> None:
    suite = str(Path(__file__).with_name("test_every_perturbation.py"))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        suite,
        "-k",
        "backwards",
    ]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^11 passed, \d+ deselected", done.stdout, re.M), done.stdout
