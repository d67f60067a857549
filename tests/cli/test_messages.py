"""Messages that name what is wrong, and outputs that stay small."""

import time
from pathlib import Path

import numpy as np
import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.cli.eval import _confusions, _print_confusion
from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import read_rows
from kdbuild.trainer.data import hub
from kdbuild.trainer.data.hub import hub_problem
from kdbuild.trainer.data.sources import load_rows, open_source
from kdbuild.trainer.options import DataOptions
from kdbuild.trainer.plots import figures
from reviews import make_reviews, write_tsv

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")

FILES: dict[str, tuple[str, bytes, str]] = {
    "UTF-16, little-endian": (
        "rows.tsv",
        "sentence\tlabel\na\tb\n".encode("utf-16"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 rows.tsv",
    ),
    "UTF-16, big-endian": (
        "my rows.tsv",
        b"\xfe\xff" + "sentence\tlabel\na\tb\n".encode("utf-16-be"),
        "is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 'my rows.tsv'",
    ),
    "semicolons": (
        "rows.csv",
        b"sentence;label\na;b\n",
        "its columns are separated by semicolons. Save it with commas (.csv) or tabs (.tsv).",
    ),
    "tabs": (
        "rows.csv",
        b"sentence\tlabel\na\tb\n",
        "its columns are separated by tabs. Rename it to .tsv, or save it with commas.",
    ),
    "commas": ("rows.tsv", b"sentence,label\na,b\n", "its columns are separated by commas. Rename it to .csv."),
    "space in the header": (
        "rows.csv",
        b"label, sentence\na,b\n",
        "its column ' sentence' has a space in its name. Remove the space from the header.",
    ),
    "CR alone": (
        "rows.tsv",
        b"sentence\tlabel\ra\tb\rc\td\r",
        "its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_almost_right(kind: str, tmp_path: Path) -> None:
    name, content, message = FILES[kind]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_rows(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("name", ["rows.tsv", "rows.csv"])
def test_a_blank_first_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\nsentence\na\n")
    with pytest.raises(
        BadInputError, match=r"its first line is blank\. Begin with the header, which names the columns"
    ):
        read_rows(path)


def test_neither_labels_nor_scores_lists_the_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("sentence\tstars\na\t5\n")
    result = run_cli("train", tmp_path / "rows.tsv", "--out", tmp_path / "run", *HARD)
    assert result.stderr == (
        f"Error: {tmp_path / 'rows.tsv'}: has texts but neither 'label' nor 'scores'. Its columns are 'sentence', "
        "'stars': name the one with the labels, --label-column NAME.\n"
    )


def test_the_rarest_class_by_name(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "rows.tsv", [*make_reviews(60, seed=2), ("so so", "mixed")])
    result = run_cli("train", data, "--out", tmp_path / "run", *HARD)
    assert result.stderr == (
        "Error: label 'mixed' has 1 row: too few to hold out 10% of them. Give a dev file or more rows.\n"
    )


def test_all_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").touch()
    with pytest.raises(BadInputError) as caught:
        load_rows(tmp_path / "rows.xlsx", DataOptions())
    assert str(caught.value) == (
        f"{tmp_path / 'rows.xlsx'}: unknown data format '.xlsx'. Use one of: .tsv, .csv, .jsonl, .parquet; or the name of "
        "a dataset of the Hugging Face hub."
    )


def test_parquet_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    data = tmp_path / "data"
    data.mkdir()
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    table = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    table.to_parquet(data / "rows.parquet")
    monkeypatch.setattr(datasets.Dataset, "from_parquet", None)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = load_rows(data / "rows.parquet", DataOptions())
    assert (rows.texts, rows.labels) == (["a", "b"], ["pos", "neg"])
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "rows.parquet"]
    (data / "rows.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(BadInputError, match=r"not a readable Parquet file \(.+\)\. Write it again\.$"):
        load_rows(data / "rows.parquet", DataOptions())


def test_a_mistyped_path_of_data_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=r"^data/sst3: no such file or folder\. Check the path\.$"):
        open_source("data/sst3")


def test_the_hub_is_asked_once_and_briefly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    asked = []

    def repo_info(self: object, name: str, **arguments: object) -> None:
        asked.append((name, arguments))
        raise ConnectionError("no route to host\nand more")

    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", repo_info)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_DATASETS_OFFLINE", raising=False)
    assert hub_problem("someone/model", "model") == "no route to host"
    assert asked == [("someone/model", {"repo_type": "model", "timeout": hub._SECONDS})]
    (tmp_path / "models--someone--model").mkdir()
    assert hub_problem("someone/model", "model") is None
    assert len(asked) == 1


def test_many_classes_are_printed_briefly(capsys: pytest.CaptureFixture[str]) -> None:
    labels = [f"class {number}" for number in range(1500)]
    confusion = np.zeros((1500, 1500), dtype=int)
    confusion[range(12), range(12)] = 1
    confusion[20, 30] = 2
    confusion[21, 31] = 1
    assert list(_confusions(labels, confusion.tolist())) == [
        ("class 20", "class 30", 2),
        ("class 21", "class 31", 1),
    ]
    _print_confusion(labels, confusion.tolist())
    assert capsys.readouterr().out.splitlines() == [
        "confusions   (2; the 50 most frequent at most)",
        "           2 class 20 answered as class 30",
        "           1 class 21 answered as class 31",
    ]


@pytest.mark.parametrize("kind", ["confusion_matrix", "label_scores"])
def test_many_classes_are_drawn(kind: str, tmp_path: Path) -> None:
    """That took O(n³) and a name for each: two thirds of a minute."""
    labels = [f"class {number}" for number in range(1500)]
    rows = np.eye(1500, dtype=int).tolist() if kind == "confusion_matrix" else [[9, 0, 0, 1]] * 1500
    started = time.process_time()
    getattr(figures, kind)(rows, labels, tmp_path / "picture.png")
    assert time.process_time() - started < 60
    assert (tmp_path / "picture.png").stat().st_size > 1000
