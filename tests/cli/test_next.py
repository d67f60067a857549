"""Commands that messages name can be copied into a shell: they are quoted, exist, and do what their line says."""

import html
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.android.app import App
from kdbuild.android.signing import Signature
from kdbuild.cli import cli
from kdbuild.cli.android import _print as print_app
from kdbuild.export.formats.registry import FORMATS
from kdbuild.export.student_model import student_shape
from kdbuild.quickstart.run import Quickstart
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.run.following import export_command, no_export
from kdbuild.trainer.student.bilstm import save_student
from reviews import make_reviews, write_tsv
from students import random_torch_student

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")
ODD = 'it\'s my "$HOME" & more'
"""A name with everything that a shell takes for its own."""


def parse(command: str) -> list[str]:
    """Split a command as a shell does, and let click check its name, options and values."""
    program, name, *arguments = shlex.split(command)
    assert program == "kdbuild"
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, command
    found.make_context(name, list(arguments))
    return [name, *arguments]


@pytest.fixture
def odd_run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / ODD))


@pytest.mark.parametrize(
    ("stage", "following"),
    [
        ("augment", ["label"]),
        ("label", ["distill"]),
        ("distill", ["export", "--format", "tflite", "--quantize"]),
    ],
)
def test_after_a_stage(stage: str, following: list[str], odd_run: Path) -> None:
    result = run_cli(stage, odd_run)
    assert result.exit_code == 0, result.output
    line = result.stderr.splitlines()[-1].removeprefix("Next: ")
    name, *options = following
    assert parse(line) == [name, str(odd_run), *options]


def test_after_train_and_export(tmp_path: Path) -> None:
    data, run = write_tsv(tmp_path / "my rows.tsv", make_reviews(60, seed=2)), tmp_path / ODD
    result = run_cli("train", data, "--out", run, *HARD)
    report, export = result.stderr.splitlines()[-1].removeprefix("Next: ").split(", then: ")
    assert parse(report) == ["report", str(run)]
    assert parse(export) == ["export", str(run), "--format", "tflite", "--quantize"]
    assert run_cli(*parse(report)).exit_code == 0
    result = run_cli(*parse(export), "--max-flip-rate", "100", "--max-accuracy-loss", "100")
    assert result.exit_code == 0, result.output
    predict = parse(result.stdout.splitlines()[-1].removeprefix("Next: "))
    assert predict == ["predict", str(run / "artefact"), "your text"]
    assert run_cli(*predict).exit_code == 0


@pytest.mark.parametrize(
    ("file_format", "name"), [("torchscript", "predict"), ("onnx", "predict"), ("mediapipe", "verify")]
)
def test_after_an_export(file_format: str, name: str, words_run: Path, tmp_path: Path) -> None:
    odd_run = Path(shutil.copytree(words_run, tmp_path / ODD))
    limits = ("--max-flip-rate", "100", "--max-accuracy-loss", "100")
    result = run_cli("export", odd_run, "--format", file_format, "--no-calibrate", *limits)
    assert result.exit_code == 0, result.output
    command = parse(result.stdout.splitlines()[-1].removeprefix("Next: "))
    assert command[:2] == [name, str(odd_run / "artefact")]
    assert run_cli(*command).exit_code == 0


def test_after_init(tmp_path: Path) -> None:
    result = run_cli("init", tmp_path / f"{ODD}.toml")
    assert parse(result.stderr.partition("Next: ")[2]) == ["train", str(tmp_path / f"{ODD}.toml")]


def test_in_a_report(odd_run: Path) -> None:
    assert run_cli("report", odd_run).exit_code == 0
    page = (odd_run / "report.html").read_text()
    (block,) = re.findall(r"<h2>Next</h2>.*?<pre>(.*?)</pre>", page, re.DOTALL)
    *commands, board = html.unescape(block).splitlines()
    assert [parse(command) for command in commands] == [
        ["export", str(odd_run), "--format", "tflite", "--quantize"],
        ["predict", str(odd_run / "artefact"), "your text"],
        ["eval", str(odd_run / "artefact"), str(odd_run / "splits" / "dev.tsv")],
    ]
    assert shlex.split(board) == ["tensorboard", "--logdir", str(odd_run / "tensorboard")]


def test_after_android(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    badging = [
        "package: name='dev.kdbuild.app' versionName='1'",
        "application-label:'x'",
        "sdkVersion:'24'",
        "targetSdkVersion:'35'",
    ]
    signature = Signature(("v2", "v3"), "0" * 64)
    print_app(App(tmp_path / f"{ODD}.apk", "model_int8.tflite", {}, 1, signature, False, badging, {}))
    line = capsys.readouterr().out.splitlines()[-1].removeprefix("Next: ")
    assert shlex.split(line) == ["adb", "install", "-r", str(tmp_path / f"{ODD}.apk")]


def test_after_the_quickstart(artefact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / ODD
    artefact = Path(shutil.copytree(artefact_folder, out / "artefact"))
    monkeypatch.setattr(
        "kdbuild.quickstart.run.quickstart", lambda _: Quickstart(artefact, out / "try-it.html", [], 0, 1.0)
    )
    result = run_cli("quickstart", "--out", out)
    assert result.exit_code == 0, result.output
    commands = [parse(line) for line in result.stdout.partition("Next:\n")[2].splitlines()]
    assert commands == [
        ["predict", str(artefact), "your text"],
        ["eval", str(artefact), str(out / "data" / "dev.tsv")],
        ["train", "YOUR.tsv", "--out", "runs/mine", "--teacher", "bert-base-uncased"],
        ["export", "runs/mine", "--format", "tflite", "--quantize"],
    ]


def _nothing(run: Path) -> None:
    return


def _no_student(run: Path) -> None:
    shutil.rmtree(run / "student")
    (run / ".stages" / "distill.json").unlink()


def _no_logits(run: Path) -> None:
    (run / ".stages" / "label.json").unlink()


def _no_report_of_it(run: Path) -> None:
    (run / "metrics.json").unlink()


# What is done to a run, the command that then refuses it, and the one that it names.
REFUSALS: dict[str, tuple[Callable[[Path], None], list[str], list[str]]] = {
    "no artefact": (_nothing, ["predict", "{run}/new", "x"], ["export", "RUN", "--out", "{run}/new"]),
    "not an artefact": (_nothing, ["predict", "{run}", "x"], ["export", "RUN", "--out", "{run}"]),
    "no run": (_nothing, ["export", "{run}/new"], ["train", "DATA", "--out", "{run}/new"]),
    "no student": (_no_student, ["export", "{run}"], ["distill", "{run}"]),
    "no figures": (_no_report_of_it, ["report", "{run}"], ["distill", "{run}"]),
    "no labels": (_no_logits, ["distill", "{run}"], ["label", "{run}"]),
    "no run folder": (_nothing, ["train", "{run}/transfer.tsv"], ["train", "{run}/transfer.tsv", "--out", "RUN"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_in_a_refusal(name: str, odd_run: Path) -> None:
    change, command, expected = REFUSALS[name]
    change(odd_run)
    result = run_cli(*(part.format(run=odd_run) for part in command))
    assert result.exit_code == 2, result.output
    named = result.stderr.strip().removesuffix(".")
    assert parse(named[named.rindex("kdbuild ") :]) == [part.format(run=odd_run) for part in expected]


SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "maximum": {"pooling": "max"},
    "two channels": {"channels": 2},
    "two layers": {"layers": 2},
    "pairs": {"pairs": True},
    "another pooling": {"pooling": "mean"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_format_that_is_named_can_hold_the_student(name: str, tmp_path: Path) -> None:
    student = random_torch_student(**SHAPES[name])
    words = [f"w{number}" for number in range(37)]
    save_student(tmp_path / "student", student, Vocabulary(["<pad>", "<unk>", "<mask>", *words]))
    refusals = {row.name: row.open().unsupported(student_shape(student)) for row in FORMATS}
    reason = no_export(tmp_path)
    if reason is None:
        arguments = parse(export_command(tmp_path))
        assert refusals[arguments[arguments.index("--format") + 1]] is None
    else:
        assert None not in refusals.values()
        assert reason.startswith(f"No file format can express a student {refusals['tflite']}: ")


def test_a_student_for_torch_alone_is_not_sent_to_an_export(tmp_path: Path) -> None:
    data, run = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2)), tmp_path / "run"
    run_cli("train", data, "--out", run, *HARD)
    described = run / "student" / "config.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"pooling": "mean"}))
    why = (
        "No file format can express a student with --pooling mean. Distil one with --pooling last, or use this one in torch: "
        "kdbuild.trainer.student.bilstm.load_student."
    )
    result = run_cli("train", data, "--out", run, *HARD)
    assert result.stderr.splitlines()[-1] == f"Next: kdbuild report {run}. {why}"
    assert run_cli("distill", run).stderr.splitlines()[-1] == why
    assert run_cli("report", run).exit_code == 0
    page = (run / "report.html").read_text()
    assert html.escape(why, quote=False) in page
    assert "kdbuild export" not in page
