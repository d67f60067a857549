"""An engine, a format and a bundle from one module each: they are like those that kdbuild brings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    **os.environ,
    "KDBUILD_PLUGINS": "toy_engine,toy_format,toy_bundle",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS / "helpers"), os.environ.get("PYTHONPATH")])),
    "COLUMNS": "120",
}

# All commands in one process, which imports torch once; `verify` and `benchmark` start others.
COMMANDS = """
import sys
from click.testing import CliRunner
from kdbuild.cli import cli

run, out = sys.argv[1:]
for arguments in (
    ["export", "--help"],
    ["predict", "--help"],
    ["export", run, "--format", "toy", "--toy-padding", "1000", "--out", f"{out}/artefact", "--max-flip-rate", "5"],
    ["verify", f"{out}/artefact"],
    ["inspect", f"{out}/artefact"],
    ["predict", f"{out}/artefact", "the film is great"],
    ["benchmark", f"{out}/artefact", "--against", "none", "--rounds", "5", "--out", f"{out}/benchmark"],
    ["export", run, "--format", "box", "--out", f"{out}/box", "--max-flip-rate", "5"],
    ["export", run, "--format", "toy", "--toy-padding", "-1", "--out", f"{out}/other"],
    ["export", run, "--format", "tflite", "--toy-padding", "1", "--out", f"{out}/other"],
):
    result = CliRunner().invoke(cli, arguments)
    print("\\f" + str(result.exit_code) + " " + result.output)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toys")


@pytest.fixture(scope="module")
def printed(finished_run: Path, folder: Path) -> list[str]:
    """What each command printed, behind its exit code."""
    command = [sys.executable, "-c", COMMANDS, str(finished_run), str(folder)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\f")[1:]


def test_they_are_offered(printed: list[str]) -> None:
    export, predict = printed[:2]
    assert "[native|tflite|onnx|torchscript|mediapipe|toy|aar|c|web|box|all]" in export
    assert re.search(r"^  toy +arrays in a zip file$", export, re.M)
    assert re.search(r"^  box +a box: an artefact with paper around it$", export, re.M)
    assert re.search(r"^  --toy-padding INTEGER +Bytes of nothing in the toy\.$", export, re.M)
    assert "[auto|native|tflite|onnx|torchscript|toy]" in predict


def test_every_command_knows_them(printed: list[str], folder: Path) -> None:
    export, verify, inspect, predict, benchmark = printed[2:7]
    for output in (export, verify, inspect, predict, benchmark):
        assert output.startswith("0 "), output
    for file in ("model_int8.toy", "model_fp32.toy"):
        assert re.search(rf"^{file} +[\d.]+ MB", export, re.M)
        assert re.search(rf"^{file} +numpy [\d.]+: 247 golden texts, 0 with other token ids, 0 with", verify, re.M)
        assert re.search(rf"^{file} +[\d,]+ +[\d,]+ +[\d,]+$", inspect, re.M)  # all bytes, the only part, the rest
        assert f"operators of {file}, outside its loop: LOOP 2, PRODUCT 1" in inspect
    assert predict.split()[1] == "pos"
    assert "Toy int8" in benchmark
    card = (folder / "artefact" / "README.md").read_text()
    assert "`model_int8.toy` is for children.\n" in card
    assert re.search(r"^\| `model_fp32\.toy` \| [\d.]+ MB \|", card, re.M)
    manifest = json.loads((folder / "artefact" / "manifest.json").read_text())
    assert manifest["files"]["model_int8.toy"]["parts"].keys() == {"embedding"}


def test_a_bundle_wraps_the_artefact_of_its_format(printed: list[str], folder: Path) -> None:
    assert printed[7].startswith("0 ")
    assert printed[7].rstrip().splitlines()[-3:] == [
        f"{folder}/box/boxed-model_fp32.toy",
        f"{folder}/box/boxed-model_int8.toy",
        f"Next: wrap {folder}/box",
    ]


def test_their_options_are_checked(printed: list[str], folder: Path) -> None:
    assert printed[8] == "2 Error: --toy-padding -1: less than nothing. Give 0 or more.\n\n"
    assert printed[9] == "2 Error: --toy-padding 1: no file of format toy is written. Add --format toy, or drop it.\n\n"
    assert not (folder / "other").exists()


def test_they_pass_the_conformance_suite() -> None:
    suite = str(TESTS / "export" / "conformance")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", suite, "-k", "toy"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=TESTS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d\d passed, \d+ deselected", done.stdout, re.M), done.stdout
