"""The splits of a run folder: ``train.tsv``, ``dev.tsv`` and ``labels.txt``."""

from pathlib import Path

from kdbuild.runtime.data.readers import read_rows, read_text
from kdbuild.trainer.data.split import Data, Split, to_split

ONE_CELL = str.maketrans("\t\n\r", "   ")
"""For ``str.translate``: makes a text fit into a cell of a TSV."""


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
    labels = read_text(folder / "labels.txt").removesuffix("\n").split("\n")

    def split(name: str) -> Split:
        path = folder / f"{name}.tsv"
        return to_split(path.name, read_rows(path, multi_label=multi_label), labels, multi_label)

    return Data(labels, split("train"), split("dev"))
