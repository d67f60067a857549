"""The splits of a run folder: ``train.tsv``, ``dev.tsv`` and ``labels.txt``."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kdbuild.runtime.data.readers import read_rows, read_text
from kdbuild.trainer.data.split import Data, Split, to_split

ONE_CELL = str.maketrans("\t\n\r", "   ")
"""For ``str.translate``: makes a text fit into a cell of a TSV."""


def as_stored(data: Data) -> Data:
    """Return data as it is once written and read again: each text in one cell, scores of six decimals.

    A run that goes on with the data in memory so learns from the same as one that reads its folder.
    """

    def stored(split: Split) -> Split:
        scores = None
        if split.scores is not None:
            scores = np.array([[float(f"{score:.6f}") for score in row] for row in split.scores.tolist()], np.float32)
        pairs = split.pair_texts
        return replace(
            split,
            texts=[text.translate(ONE_CELL) for text in split.texts],
            scores=scores,
            pair_texts=None if pairs is None else [text.translate(ONE_CELL) for text in pairs],
        )

    return replace(data, train=stored(data.train), dev=stored(data.dev))


def write_splits(folder: Path, data: Data) -> None:
    """Write both splits in the seed format and the labels, one a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("".join(label + "\n" for label in data.labels), encoding="utf-8")
    for name, split in (("train", data.train), ("dev", data.dev)):
        columns = {"tokens" if split.tokenized else "sentence": split.texts}
        if split.pair_texts is not None:
            columns["sentence2"] = split.pair_texts
        if data.multi_label:
            given = (zip(data.labels, row.tolist(), strict=True) for row in split.targets)
            columns["label"] = ["|".join(label for label, is_given in row if is_given) for row in given]
        else:
            columns["label"] = [data.labels[target] for target in split.targets]
        if split.scores is not None:
            columns["scores"] = [" ".join(f"{score:.6f}" for score in row) for row in split.scores.tolist()]
        with (folder / f"{name}.tsv").open("w", encoding="utf-8", newline="\n") as stream:
            stream.write("\t".join(columns) + "\n")
            for cells in zip(*columns.values(), strict=True):
                stream.write("\t".join(cell.translate(ONE_CELL) for cell in cells) + "\n")


def read_splits(folder: Path, *, multi_label: bool) -> Data:
    """Read what :func:`write_splits` wrote."""
    labels = read_labels(folder)
    train, dev = (_read_split(folder / f"{name}.tsv", labels, multi_label) for name in ("train", "dev"))
    return Data(labels, train, dev)


def read_dev(folder: Path, *, multi_label: bool) -> tuple[list[str], Split]:
    """Read the labels and dev alone of what :func:`write_splits` wrote."""
    labels = read_labels(folder)
    return labels, _read_split(folder / "dev.tsv", labels, multi_label)


def is_paired(folder: Path) -> bool:
    """Tell whether the rows of what :func:`write_splits` wrote are pairs of texts."""
    with (folder / "train.tsv").open(encoding="utf-8") as stream:
        return "sentence2" in stream.readline().rstrip("\n").split("\t")


def read_labels(folder: Path) -> list[str]:
    """Read the labels of what :func:`write_splits` wrote, in order."""
    return read_text(folder / "labels.txt").removesuffix("\n").split("\n")


def _read_split(path: Path, labels: list[str], multi_label: bool) -> Split:
    return to_split(path.name, read_rows(path, multi_label=multi_label, own=True), labels, multi_label)
