"""Data by a hub name: what the ``datasets`` library gives becomes train and dev; without a network it is one line."""

import re
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.trainer.data import sources
from kdbuild.trainer.data.load import load_data
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.options import DataOptions

OPTIONS = DataOptions()


def fake_hub(monkeypatch: pytest.MonkeyPatch, splits: dict[str, Dataset]) -> list[tuple[Any, ...]]:
    """Let ``load_dataset`` give these splits, and record what it is asked."""
    asked: list[tuple[Any, ...]] = []

    def load_dataset(*arguments: Any) -> DatasetDict:
        asked.append(arguments)
        return DatasetDict(splits)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(sources, "hub_problem", lambda name, kind: None)
    return asked


def table(rows: list[tuple[str, int]]) -> Dataset:
    """As SST-2 is on the hub: labels are numbers with names, -1 where there is none."""
    features = Features({"idx": Value("int32"), "sentence": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    columns = {"idx": list(range(len(rows))), "sentence": [text for text, _ in rows], "label": [row[1] for row in rows]}
    return Dataset.from_dict(columns, features=features)


ROWS = [(f"it is {'fine' if number % 2 else 'dull'} number {number}", number % 2) for number in range(60)]


def test_hub_dataset_with_a_validation_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, {"train": table(ROWS), "validation": table(ROWS[:9]), "test": table([("x", -1)])})
    source = open_source("stanfordnlp/sst2")
    assert asked == [("stanfordnlp/sst2", None)]
    assert source.location == "stanfordnlp/sst2"
    assert [part.name for part in source.parts] == ["stanfordnlp/sst2/train", "stanfordnlp/sst2/validation"]
    data = load_data(source, OPTIONS)
    assert (data.labels, len(data.train), len(data.dev)) == (["neg", "pos"], 60, 9)
    assert data.dev.targets.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert data.dev.texts[1] == "it is fine number 1"


def test_hub_dataset_without_one_is_held_out_from(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {"train": table(ROWS)})
    data = load_data(open_source("someone/reviews"), DataOptions(holdout=0.2))
    assert (len(data.train), len(data.dev)) == (48, 12)


def test_configuration_follows_a_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, {"train": table(ROWS)})
    open_source("nyu-mll/glue:sst2")
    assert asked == [("nyu-mll/glue", "sst2")]


def test_other_columns_pairs_and_lists_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features(
        {
            "question": Value("string"),
            "answer": Value("string"),
            "topics": Sequence(ClassLabel(names=["art", "music", "law"])),
        }
    )
    columns = {"question": ["a b", "c"], "answer": ["d", "e f"], "topics": [[0, 2], []]}
    fake_hub(monkeypatch, {"train": Dataset.from_dict(columns, features=features)})
    options = DataOptions(text_column="question", pair_column="answer", label_column="topics", multi_label=True)
    rows = open_source("someone/topics").parts[0].read(options)
    assert (rows.texts, rows.pairs, rows.labels) == (["a b", "c"], ["d", "e f"], ["art|law", ""])


def test_dataset_without_train_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {"test": table(ROWS)})
    message = "--data someone/x: has no split 'train' but test. Use another dataset."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        open_source("someone/x")


def test_without_a_network_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own offline mode stands for a network that isn't there."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    result = run_cli("train", "--data", "nobody/nothing", "--out", tmp_path / "run", *SMALL_STUDENT)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    start = "Error: --data nobody/nothing: no such file or folder here, and the Hugging Face hub doesn't give it ("
    assert line.startswith(start)
    assert line.endswith("). Check the path or the name, and the network.")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["rows.tsv", "data/rows.csv", "a/b/c", "/absent/rows", "reviews"])
def test_what_looks_like_a_path_is_not_looked_for_on_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", None)
    with pytest.raises(BadInputError, match=r"no such file or folder\. Check the path\.$"):
        open_source(name)


def test_whole_run_on_a_hub_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {"train": table(ROWS), "validation": table(ROWS[:10])})
    hard = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")
    for _ in range(2):
        result = run_cli("train", "--data", "someone/reviews", "--out", tmp_path / "run", *hard)
        assert result.exit_code == 0, result.output
    assert 'source = "someone/reviews"' in (tmp_path / "run" / "recipe.toml").read_text()
    assert "distill: done before, kept" in result.stderr
    assert np.load(tmp_path / "run" / "student" / "dev_logits.npy").shape == (10, 2)
