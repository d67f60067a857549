"""The user guide: what is computed in it is current, what it tells people to type parses, and its first page is typed."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from commands import run_cli
from kdbuild.cli import cli
from kdbuild.cli.options import updated
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.student_model import student_model
from kdbuild.trainer.options import StudentOptions, TrainOptions
from kdbuild.trainer.recipe import read_recipe
from reviews import make_reviews, write_tsv
from students import random_torch_student
from tools import generate_docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r"^\| `((?:[^`\n]*…|--device cuda: )[^`\n]*)` \|", flags=re.MULTILINE)
"""The first cell of a row about an error message."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def blocks(page: str, language: str) -> list[str]:
    return [content for found, content in FENCE.findall(PAGES[page]) if found == language]


def commands(block: str) -> list[list[str]]:
    """The words of each command of a block, as a shell divides them, what it redirects left out."""
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(re.sub(r"[<>] *\S+", "", line), comments=True) for line in lines]


ALL_COMMANDS = [(page, command) for page in PAGES for block in blocks(page, "sh") for command in commands(block)]


def kdbuild_arguments(command: list[str]) -> list[str] | None:
    """What kdbuild gets of a command line, its launcher's own options checked; None where it isn't run."""
    match command[0]:
        case "kdbuild":
            return command[1:]
        case "torchrun":
            from torch.distributed.run import get_args_parser

            launched = get_args_parser().parse_args(command[1:])
        case "accelerate":
            from accelerate.commands.launch import launch_command_parser  # type: ignore[import-untyped]  # it has no types

            assert command[1] == "launch"
            launched = launch_command_parser().parse_args(command[2:])
        case _:
            return None
    assert (launched.module, launched.training_script) == (True, "kdbuild")
    return list(launched.training_script_args)


def spans(text: str) -> list[str]:
    """Code in running text, but for messages; in a table a vertical bar bears a backslash."""
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", MESSAGE.sub("", FENCE.sub("", text)))]


@cache
def options() -> dict[str, list[click.Option]]:
    """All options of all commands, by their spellings."""
    found: dict[str, list[click.Option]] = {}
    for command in cli.commands.values():
        for parameter in command.get_params(click.Context(command)):
            if isinstance(parameter, click.Option):
                for name in (*parameter.opts, *parameter.secondary_opts):
                    found.setdefault(name, []).append(parameter)
    found["--help"] = []
    return found


def test_fences_are_in_pairs_and_known_languages() -> None:
    for page, text in PAGES.items():
        assert "```" not in FENCE.sub("", text), page
        assert {language for language, _ in FENCE.findall(text)} <= {
            "sh",
            "toml",
            "text",
            "python",
            "js",
            "c",
            "swift",
        }, page


@pytest.mark.parametrize("page", generate_docs.PARTS)
def test_computed_parts_are_current(page: str) -> None:
    current = (ROOT / page).read_text(encoding="utf-8")
    assert generate_docs.regenerated(page) == current, f"{page} is out of date: {generate_docs.COMMAND}"


def test_reference_names_every_option_of_train() -> None:
    begin, end = (PAGES["recipes.md"].index(f"<!-- options: {edge}") for edge in ("begin", "end"))
    named = set(spans(PAGES["recipes.md"][begin:end]))
    own = {"--data", "--recipe", "--out", "--overwrite", "--ablation", "--runs"}
    params = [option for option in cli.commands["train"].params if not getattr(option, "hidden", False)]
    spellings = {name for option in params for name in (*option.opts, *option.secondary_opts)}
    assert {name for name in spellings if name.startswith("--")} - own <= named


def test_reference_of_one_option_of_each_kind() -> None:
    lines = generate_docs.options().splitlines()
    assert lines[:3] == ["### [data]", "", "How the labelled data is read and divided."]
    expected = [
        "| `text_column` | `--text-column` | string | the one called sentence, text or tokens | Column of the texts. |",
        "| `batch_size` | `--teacher-batch-size` | `32` |",
        "| `split_sentences` | `--split-sentences`, `--no-split-sentences` | `true`, `false` | `false` | "
        "Cut the unlabelled texts into sentences. |",
        '| `ngram` | `--ngram` | `mask`, `keep` | `"mask"` | What happens to the n-gram: it is masked, or only it is kept '
        "(the paper). |",
        "| `layers` | `--layers` | whole number, 1 to 8 | `1` | LSTM layers. |",
    ]
    assert [line for line in expected if line not in lines] == []


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({}, 14_820),
        ({"embedding_size": 48, "hidden_size": 128, "classifier_size": 128}, 15_000),
        ({"factor_size": 64}, 5_000),
        ({"channels": 2, "embedding_size": 50, "hidden_size": 64, "classifier_size": 64}, 5_000),
    ],
)
def test_sizes_are_those_of_files(shape: dict[str, int], words: int, pooling: str) -> None:
    default = {"embedding_size": 300, "hidden_size": 300, "classifier_size": 400}
    student = random_torch_student(**default | shape, vocab_size=words, pooling=pooling)
    written = len(write_tflite(student_model(student), quantize=True))
    described: dict[str, Any] = {name: "two" if name == "channels" else value for name, value in shape.items()}
    computed = generate_docs.int8_bytes(StudentOptions(**described), words, labels=3)
    assert 0 < written - computed < 13_000


def test_size_of_the_benchmark_student() -> None:
    # 14,820 words in, embedding 300, LSTM 300, classifier 400, two labels: 14,820 * 304 + 2,400 * 636 + 400 * 616 + 832.
    assert generate_docs.int8_bytes(StudentOptions(), 14_820, labels=2) == 6_278_912


@pytest.mark.parametrize(("page", "command"), ALL_COMMANDS, ids=str)
def test_command_parses(page: str, command: list[str]) -> None:
    arguments = kdbuild_arguments(command)
    if arguments is None:
        assert command[0] in ("pip", "tensorboard", "less"), f"{page}: what is {command[0]}?"
        return
    name, *rest = arguments
    assert name in cli.commands, f"{page}: no command {name}"
    with cli.commands[name].make_context(name, rest) as context:
        # Their ranges are checked by the options themselves.
        updated(TrainOptions(), {name: value for name, value in context.params.items() if "__" in name})


@pytest.mark.parametrize("page", PAGES)
def test_options_in_the_text_exist(page: str) -> None:
    for words in map(str.split, spans(PAGES[page])):
        if words[0] in ("accelerate", "torchrun"):
            continue
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if not OPTION.fullmatch(word):
                continue
            assert word in options(), f"{page}: no option {word}"
            choices = [option.type.choices for option in options()[word] if isinstance(option.type, click.Choice)]
            if following and choices:
                assert following in choices[0], f"{page}: {word} {following}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_exist(page: str) -> None:
    named = re.findall(r"kdbuild ([a-z]+)", "\n".join(spans(PAGES[page])))
    assert set(named) <= {*cli.commands}


def test_recipes_are_valid(tmp_path: Path) -> None:
    recipes = [block for page in PAGES for block in blocks(page, "toml")]
    assert recipes
    for number, text in enumerate(recipes):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        TrainOptions().updated(read_recipe(str(path)).sections, path.name)


def anchors(text: str) -> set[str]:
    """The names of the headings of a page, as the usual viewers of Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", FENCE.sub("", PAGES[page])):
        name, _, anchor = target.partition("#")
        path = (ROOT / "docs" / name).resolve() if name else ROOT / "docs" / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page}: {target}"


def test_index_names_every_page() -> None:
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["README.md"])) == set(PAGES) - {"README.md"}


def texts_of_the_code() -> list[str]:
    """All strings of the package, what a format fills in as an ellipsis."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_messages_are_those_of_the_code() -> None:
    rows = MESSAGE.findall(PAGES["troubleshooting.md"])
    assert len(rows) > 25
    known = texts_of_the_code()
    # The page names the option that the code fills in.
    assert [
        row for row in rows if not any(row in text or re.sub("^--[a-z-…]+", "…", row) in text for text in known)
    ] == []


def test_table_of_the_run_folder(finished_run: Path) -> None:
    (section,) = re.findall(r"^## What lies in the run folder\n(.*?)^## ", PAGES["your-own-data.md"], re.M | re.S)
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    later = {"report.html", "artefact/", "ablation.json", "ablation.md", "students/"}
    there = {path.name + "/" * path.is_dir() for path in finished_run.iterdir()}
    assert set(named) - later == there - {"artefact/", "report.html"}
    assert later <= set(named)


def test_ten_minutes(tmp_path: Path, teacher_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, in one folder; only the teacher's name is replaced, by a small one that is at hand."""
    monkeypatch.chdir(tmp_path)
    reviews = make_reviews(520, seed=1)
    write_tsv(tmp_path / "reviews.tsv", reviews[:400])
    write_tsv(tmp_path / "test.tsv", reviews[400:])
    first = [command[1:] for command in commands(blocks("your-own-data.md", "sh")[0]) if command[0] == "kdbuild"]
    assert [arguments[0] for arguments in first] == ["lint", "train", "report", "export", "predict", "eval"]
    outputs = {}
    for arguments in first:
        given = [str(teacher_folder) if word == "bert-base-uncased" else word for word in arguments]
        if given[0] == "train":
            given += ["--embedding-size", "16", "--hidden-size", "16", "--classifier-size", "16", "--rounds", "4"]
        result = run_cli(*given)
        assert result.exit_code == 0, result.output
        outputs[given[0]] = result.stdout
    assert outputs["lint"].splitlines()[-1] == "nothing odd"
    assert outputs["report"] == "runs/reviews/report.html\n"
    assert outputs["predict"].split()[0] in ("neg", "pos")
    assert outputs["eval"].splitlines()[1] == "texts        120"
    names = {path.name for path in (tmp_path / "artefact").iterdir()}
    assert {"model_int8.tflite", "model_fp32.tflite", "vocab.txt", "manifest.json"} <= names
