"""1,500 classes, end to end: what is printed stays short, and a report is written in seconds."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import SMALL_STUDENT, run_cli
from reviews import write_tsv
from shared_folders import ShareFolder

CLASSES = 1500
SHORT = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "0.1")
OPEN = ("--max-flip-rate", "100", "--max-accuracy-loss", "100", "--no-calibrate", "--no-quantize")


def rows(count: int, *, several: bool) -> Iterator[tuple[str, str]]:
    """Texts of their own, the classes in turn."""
    for row in range(count):
        label = f"intent number {row % CLASSES}"
        yield (
            f"text {row} of kind {row % CLASSES}",
            f"{label}|intent number {(row + 7) % CLASSES}" if several else label,
        )


@pytest.fixture(scope="module", params=[False, True], ids=["single-label", "multi-label"])
def made(request: pytest.FixtureRequest, share_folder: ShareFolder) -> Path:
    """A run, its artefact, and 15 rows."""
    several: bool = request.param

    def fill(folder: Path) -> None:
        write_tsv(folder / "data" / "train.tsv", list(rows(CLASSES, several=several)))
        write_tsv(folder / "data" / "dev.tsv", [(f"again {text}", label) for text, label in rows(300, several=several)])
        write_tsv(folder / "few.tsv", list(rows(15, several=several)))
        more = ("--multi-label",) if several else ()
        for command in (
            ("train", folder / "data", "--out", folder / "run", *SHORT, *more),
            ("export", folder / "run", "--out", folder / "artefact", "--format", "onnx", *OPEN),
        ):
            result = run_cli(*command)
            assert result.exit_code == 0, result.output
            assert len(result.output) < 10_000

    return share_folder(f"many-{several}", fill)


PRINTED = [
    ("eval", ()),
    ("eval", ("--json",)),
    ("predict", ()),
    ("predict", ("--json",)),
    ("inspect", ()),
    ("inspect", ("--json",)),
    ("lint", ()),
]


@pytest.mark.parametrize(("command", "options"), PRINTED, ids=[" ".join((name, *more)) for name, more in PRINTED])
def test_what_is_printed_stays_short(command: str, options: tuple[str, ...], made: Path) -> None:
    subject = made / ("data" if command == "lint" else "artefact")
    texts = {"eval": [str(made / "few.tsv")], "predict": ["a text"]}.get(command, [])
    if command == "lint" and made.name == "many-True":
        options = (*options, "--multi-label")
    result = run_cli(command, subject, *texts, *options)
    assert result.exit_code == 0, result.output
    assert len(result.stdout) < 100_000
    if "--json" in options:
        assert json.loads(result.stdout)


def test_report_takes_seconds(made: Path, tmp_path: Path) -> None:
    started = time.process_time()
    result = run_cli("report", made / "run", "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert time.process_time() - started < 10
    page = (tmp_path / "page.html").read_text()
    assert len(page) < 5_000_000
    assert len(re.findall(r"<tr", page)) < 200
