"""The splits of a run folder: ``train.tsv``, ``dev.tsv`` and ``labels.txt``."""

from pathlib import Path

from kdbuild.runtime.data import read_text
from kdbuild.trainer.data import Data, Split, load_rows, to_split

_ONE_CELL = str.maketrans("\t\n\r", "   ")


def write_splits(folder: Path, data: Data) -> None:
    """Write both splits in the seed format and the labels, one a line."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("".join(label + "\n" for label in data.labels), encoding="utf-8")
    for name, split in (("train", data.train), ("dev", data.dev)):
        with (folder / f"{name}.tsv").open("w", encoding="utf-8", newline="\n") as stream:
            columns = "tokens" if split.tokenized else "sentence", "label" if split.scores is None else "scores"
            stream.write("\t".join(columns) + "\n")
            for row, text in enumerate(split.texts):
                if split.scores is None:
                    value = data.labels[split.targets[row]]
                else:
                    value = " ".join(f"{score:.6f}" for score in split.scores[row].tolist())
                stream.write(f"{text.translate(_ONE_CELL)}\t{value}\n")


def read_splits(folder: Path) -> Data:
    """Read what :func:`write_splits` wrote."""
    labels = read_text(folder / "labels.txt").removesuffix("\n").split("\n")

    def split(name: str) -> Split:
        path = folder / f"{name}.tsv"
        return to_split(path, load_rows(path), labels)

    return Data(labels, split("train"), split("dev"), [])
