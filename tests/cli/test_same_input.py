"""The same odd input gets the same answer from every command that reads it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.cli.benchmark import _texts
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.data.readers import COLUMNS
from reviews import make_reviews, write_tsv

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")
COMMANDS: dict[str, Callable[[Path, Path, Path], list[str | Path]]] = {
    "train": lambda artefact, data, out: ["train", data, "--out", out, *HARD],
    "teacher": lambda artefact, data, out: ["teacher", data, "--out", out],
    "lint": lambda artefact, data, out: ["lint", data],
    "lint --json": lambda artefact, data, out: ["lint", data, "--json"],
    "eval": lambda artefact, data, out: ["eval", artefact, data],
    "eval --json": lambda artefact, data, out: ["eval", artefact, data, "--json"],
    "diff": lambda artefact, data, out: ["diff", artefact, artefact, "--data", data],
    "benchmark": lambda artefact, data, out: ["benchmark", artefact, "--data", data, "--out", out],
    "benchmark --texts": lambda artefact, data, out: ["benchmark", artefact, "--texts", data, "--out", out],
}
ANSWERING = ("eval", "eval --json", "diff", "benchmark", "benchmark --texts")
FILES: dict[str, tuple[str, bytes, str]] = {
    "UTF-16": (
        "rows.tsv",
        "sentence\tlabel\na\tpos\n".encode("utf-16"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 rows.tsv",
    ),
    "UTF-16 without its mark": (
        "rows.csv",
        "sentence,label\na,pos\n".encode("utf-16-le"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16LE -t UTF-8 rows.csv",
    ),
    "UTF-16 JSON": (
        "rows.jsonl",
        b"\xfe\xff" + '{"text": "a"}\n'.encode("utf-16-be"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 rows.jsonl",
    ),
    "Latin-1": (
        "rows.tsv",
        b"sentence\tlabel\ncaf\xe9\tpos\n",
        "byte 18 is not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 rows.tsv",
    ),
    "CR alone": (
        "rows.tsv",
        b"sentence\tlabel\ra\tpos\r",
        "its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW",
    ),
    "CR alone in JSON": (
        "rows.jsonl",
        b'{"text": "a", "label": "pos"}\r{"text": "b", "label": "neg"}\r',
        "its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW",
    ),
    "semicolons": (
        "rows.csv",
        b"sentence;label\na;pos\n",
        "its columns are separated by semicolons. Save it with commas (.csv) or tabs (.tsv).",
    ),
    "two texts": (
        "rows.csv",
        b"text,sentence,label\na,b,pos\n",
        "columns 'sentence', 'text' may each hold the texts. Name the one that does: --text-column sentence",
    ),
    "text and tokens": (
        "rows.jsonl",
        b'{"tokens": ["a"], "text": "a", "label": "pos"}\n',
        "columns 'text', 'tokens' may each hold the texts. Name the one that does: --text-column text",
    ),
    "two first texts": (
        "rows.tsv",
        b"sentence\tsentence1\tsentence2\tlabel\na\tb\tc\tpos\n",
        "columns 'sentence', 'sentence1' may each hold the texts. Name the one that does: --text-column sentence",
    ),
    "quoted and not": (
        "rows.tsv",
        b'sentence\tlabel\n"She said ""no"""\tpos\nshe "said" no\tneg\n',
        "line 2 is quoted, its own quotes doubled, and line 3 has quotes outside of quoted cells. "
        "Write it as .csv or .jsonl, or all of it without quoting.",
    ),
    "no row": ("rows.tsv", b"sentence\tlabel\n", "a header and no row. At least one row is needed."),
    "blank first line": (
        "rows.tsv",
        b"\nsentence\tlabel\na\tpos\n",
        "its first line is blank. Begin with the header, which names the columns.",
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_no_command_reads(command: str, artefact_folder: Path, tmp_path: Path) -> None:
    for kind, (name, content, message) in FILES.items():
        path, out = tmp_path / name, tmp_path / "out"
        path.write_bytes(content)
        result = run_cli(*COMMANDS[command](artefact_folder, path, out))
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {path}: {message}\n"), kind
        assert not out.exists()


def test_two_texts_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"], "sentence": ["b"], "label": ["pos"]}), path)
    for command in ("train", "teacher", "lint"):
        result = run_cli(*COMMANDS[command](tmp_path, path, tmp_path / "out"))
        assert result.stderr == (
            f"Error: {path}: columns 'sentence', 'text' may each hold the texts. Name the one that does: "
            "--text-column sentence\n"
        )


@pytest.mark.parametrize("column", ["sentence", "text"])
@pytest.mark.parametrize("command", ["lint", *ANSWERING[:3]])
def test_of_two_texts_the_named_one_is_read(command: str, column: str, artefact_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,sentence,label\na film,a film,pos\na cast,a cast,neg\n")
    result = run_cli(*COMMANDS[command](artefact_folder, path, tmp_path / "out"), "--text-column", column)
    assert result.exit_code == 0, result.output


def test_a_label_of_such_a_name_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,sentence\na film,pos\na cast,neg\n")
    assert run_cli("lint", path, "--label-column", "sentence").exit_code == 0


STREAMS: dict[str, tuple[bytes, str]] = {
    "UTF-16": (
        "a film\na cast\n".encode("utf-16"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 FILE",
    ),
    "UTF-16 without its mark": (
        "a film\n".encode("utf-16-be"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16BE -t UTF-8 FILE",
    ),
    "CR alone": (
        b"a film\ra cast\r",
        "its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW",
    ),
}


@pytest.mark.parametrize("options", [(), ("--json",), ("--explain",)], ids=" ".join)
@pytest.mark.parametrize("kind", STREAMS)
def test_streams_that_predict_does_not_read(kind: str, options: tuple[str, ...], artefact_folder: Path) -> None:
    content, message = STREAMS[kind]
    result = run_cli("predict", artefact_folder, *options, stdin=content)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: standard input: {message}\n")


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"\xef\xbb\xbfa film\r\na cast\r\n", ["a film", "a cast"]),
        (b"a\rfilm\na cast", ["a\rfilm", "a cast"]),
        (b"one line\r", ["one line"]),
        (b"caf\xe9\n\n", ["caf\ufffd", ""]),
        (b"a\0b\n", ["a\0b"]),
        (b"", []),
    ],
)
def test_streams_that_it_reads(content: bytes, texts: list[str], artefact_folder: Path) -> None:
    result = run_cli("predict", artefact_folder, "--json", stdin=content)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == texts


PAIRS = "sentence\tsentence2\tlabel\na warm film\ta dull one\tpos\na dull cast\ta warm one\tneg\n"


@pytest.mark.parametrize("command", ANSWERING)
def test_pairs_are_not_answered_by_halves(command: str, artefact_folder: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.tsv", tmp_path / "out"
    path.write_text(PAIRS)
    arguments = COMMANDS[command](artefact_folder, path, out)
    result = run_cli(*arguments)
    message = (
        f"{path}: has second texts, and the artefact reads one text. Use data of single texts, or have the first texts alone "
        "answered: --pair-column ''"
    )
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    assert not out.exists()


@pytest.mark.parametrize("options", [("--pair-column", ""), ("--text-column", "sentence2")])
def test_single_texts_of_pairs_where_that_is_said(
    options: tuple[str, ...], artefact_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(PAIRS)
    column = ("sentence", "sentence2")[options[0] == "--text-column"]
    rows = [
        dict(zip(PAIRS.split("\n")[0].split("\t"), line.split("\t"), strict=True)) for line in PAIRS.split("\n")[1:3]
    ]
    single = write_tsv(tmp_path / "single.tsv", [(row[column], row["label"]) for row in rows])
    for command in ("eval --json", "diff"):
        expected = run_cli(*COMMANDS[command](artefact_folder, single, tmp_path)).stdout
        found = run_cli(*COMMANDS[command](artefact_folder, path, tmp_path), *options).stdout
        if command == "diff":
            assert found == expected
        else:
            assert json.loads(found) | {"texts_per_second": 0} == json.loads(expected) | {"texts_per_second": 0}


REVIEWS = make_reviews(20, seed=4)
EMPTY = [("", "pos"), (" ", "neg")] * 20


@pytest.mark.parametrize(
    ("train", "dev", "named", "message"),
    [
        (EMPTY, REVIEWS, "train.tsv", "none of its texts has a token. Check the column of the texts."),
        (REVIEWS, EMPTY, "dev.tsv", "none of its texts has a token. Check the column of the texts."),
        (EMPTY, None, "train.tsv", "none of its texts has a token. Check the column of the texts."),
        ([("a", "pos")], None, "train.tsv", "every row has the label 'pos'. Two classes at least are needed."),
        ([("a", "pos")] * 9, REVIEWS, "train.tsv", "every row has the label 'pos'. Two classes at least are needed."),
    ],
)
def test_nothing_to_learn_or_to_measure(
    train: list[tuple[str, str]], dev: list[tuple[str, str]] | None, named: str, message: str, tmp_path: Path
) -> None:
    write_tsv(tmp_path / "data" / "train.tsv", train)
    if dev:
        write_tsv(tmp_path / "data" / "dev.tsv", dev)
    result = run_cli("train", tmp_path / "data", "--out", tmp_path / "run", *HARD)
    assert (result.exit_code, result.stderr) == (2, f"Error: {tmp_path / 'data' / named}: {message}\n")
    assert not (tmp_path / "run").exists()


def test_nothing_to_evaluate(artefact_folder: Path, tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "rows.tsv", EMPTY)
    result = run_cli("eval", artefact_folder, path)
    message = f"{path}: none of its 40 texts has a token. Check the column of the texts."
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")


@pytest.mark.parametrize("command", ["lint", "lint --json", "eval", "eval --json", "diff"])
def test_names_that_are_not_utf_8(command: str, artefact_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"a\xff")
    artefact = Path(shutil.copytree(artefact_folder, folder / "artefact"))
    data = write_tsv(folder / os.fsdecode(b"rows\xfe.tsv"), REVIEWS)
    result = run_cli(*COMMANDS[command](artefact, data, tmp_path / "out"))
    assert result.exit_code == 0, result.output
    if "--json" in command:
        json.loads(result.stdout_bytes.decode())


def test_a_benchmark_of_such_names(artefact_folder: Path, tmp_path: Path) -> None:
    data = write_tsv(tmp_path / os.fsdecode(b"rows\xfe.tsv"), REVIEWS)
    _, _, source = _texts(Artefact.open(artefact_folder).manifest, data, None, COLUMNS)
    assert source == "rows\ufffd.tsv, 20 with labels"


def test_one_row_is_enough_to_evaluate(artefact_folder: Path, tmp_path: Path) -> None:
    result = run_cli("eval", artefact_folder, write_tsv(tmp_path / "rows.tsv", REVIEWS[:1]), "--json")
    assert json.loads(result.stdout)["n"] == 1
