"""What the README tells people to type, typed."""

import re
import shlex
from pathlib import Path

import pytest

from conftest import make_reviews, run_cli, write_tsv

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_commands_and_program_work_as_written(
    tmp_path: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order, in one folder; only the teacher's name is replaced, by a small one that is at hand."""
    monkeypatch.chdir(tmp_path)
    reviews = make_reviews(520, seed=1)
    write_tsv(tmp_path / "reviews.tsv", reviews[:400])
    write_tsv(tmp_path / "dev.tsv", reviews[400:])
    commands = [line for block in blocks("") for line in block.splitlines() if line.startswith("kdbuild ")]
    assert [command.split()[1] for command in commands] == [
        *("lint", "train", "report", "export", "predict", "eval"),
        *("verify", "inspect", "diff", "predict"),
    ]
    for command in commands:
        arguments = shlex.split(command.replace("bert-base-uncased", str(teacher_folder)), comments=True)[1:]
        if arguments[0] == "train":
            arguments += ["--embedding-size", "16", "--hidden-size", "16", "--classifier-size", "16"]
        result = run_cli(*arguments)
        assert result.exit_code == 0, result.output
    (program,) = blocks("python")
    exec(compile(program, "README.md", "exec"), {})
    label, score, *_ = capsys.readouterr().out.splitlines()[-1].split()
    assert label in ("neg", "pos")
    assert 0 <= float(score) <= 1


def test_first_screen_names_the_two_commands() -> None:
    assert [line.split("#")[0].strip() for block in blocks("")[:1] for line in block.splitlines()] == [
        "make demo",
        "make test",
    ]


def test_links_lead_somewhere() -> None:
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (root / target).exists(), target
