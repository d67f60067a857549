"""What the README tells people to type, typed."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from commands import run_cli
from kdbuild.requirements import install_command
from reviews import make_reviews, write_tsv

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [content for found, content in FENCE.findall(README) if found == language]


def test_commands_work_as_written(tmp_path: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_program_answers_in_a_checkout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    (program,) = blocks("python")
    exec(compile(program, "README.md", "exec"), {})
    answer, scores = capsys.readouterr().out.splitlines()
    assert f"# {answer}\n" in program
    assert list(ast.literal_eval(scores)) == ["negative", "positive"]


def test_first_screen() -> None:
    """A sentence, how to install, a program of six lines, a table, two commands."""
    first = README[: README.index("\n## ")]
    places = [
        first.index(part) for part in ("\n**BERT in, ", "\n```sh\n", "\n```python\n", "\n|---|", "\n```\nmake demo")
    ]
    assert places == sorted(places)
    (installation,), (program,) = blocks("sh")[:1], blocks("python")
    assert installation.startswith("pip install .  # ")
    assert len(installation.splitlines()) == 1
    assert len(program.splitlines()) == 6
    assert [line.split("#")[0].strip() for line in blocks("")[0].splitlines()] == ["make demo", "make test"]


def test_readme_and_guide_say_once_each_how_to_install() -> None:
    guide = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
    from_checkout = r"pip install '?\.[^ \n]*"
    assert re.findall(from_checkout, README) == ["pip install ."]
    assert re.findall(from_checkout, guide) == [install_command("all")]


def test_nothing_says_that_a_package_index_has_kdbuild() -> None:
    wanted = re.compile("pip install " + "['\"]?kdbuild")
    folders = [ROOT / name for name in ("src", "docs", "tests", "benchmarks", "android_demo")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".md", ".java", ".kt")]
    assert len(paths) > 300
    paths += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml", "Makefile")]
    assert [path for path in paths if wanted.search(path.read_text(encoding="utf-8"))] == []


def test_links_lead_somewhere() -> None:
    root = Path(__file__).resolve().parents[2]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (root / target).exists(), target
