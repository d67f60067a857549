"""fastText's supervised classifier (Joulin et al. 2017, arXiv 1607.01759), and its quantised form (arXiv 1612.03651)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kdbuild.runtime.text.tokenizer import tokenize

Form = Literal["bin", "ftz"]

_DIMENSIONS, _BUCKETS, _KEPT = 10, 100_000, 20_000
_EPOCHS, _RATE = 5, 0.25
"""Held-out accuracy was 79.4 %, and 76.4 to 79.4 % for 5 to 20 epochs, rates of 0.1 to 1 and 10 or 50 dimensions."""
_PREFIX = "__label__"
_COUNTS = "parameters.json"


@dataclass(frozen=True)
class FasttextModel:
    """Called on one text: our tokens, fastText, index of the class."""

    model: Any
    """As the package fasttext loads it."""
    parameters: int
    """Number of weights; of a quantised model, of those that it stands for."""
    size_bytes: int
    """Of the file."""

    def __call__(self, text: str) -> int:
        """The class of one text."""
        return self.run(self.encode(text))

    def encode(self, text: str) -> str:
        """The tokens of one text, joined by spaces, as fastText wants them."""
        return " ".join(tokenize(text))

    def run(self, encoded: str) -> int:
        """The class of a text whose tokens are known."""
        labels, _ = self.model.predict(encoded)
        # An empty text of a model without words for its end has no label: the first class then.
        return int(labels[0].removeprefix(_PREFIX)) if labels else 0

    def tokens(self, encoded: str) -> int:
        """Number of tokens."""
        return len(encoded.split())


def train(data: str, labels: list[str], out: Path) -> None:
    """Train it on a data folder; one thread, as more give another model each time.

    Args:
        data: folder with a train file.
        labels: the classes in order.
        out: folder that gets ``model.bin``, ``model.ftz`` and the numbers of their weights.
    """
    import fasttext  # type: ignore[import-untyped]  # it has no types

    from benchmarks.candidates.baselines.rows import read_data

    rows = read_data(data, labels).train
    path = out / "train.txt"
    # fastText learns from the rows in their order: of the reviews, which stand by class, it would learn nothing.
    order = np.random.default_rng(0).permutation(len(rows))
    lines = [f"{_PREFIX}{rows.targets[row]} {' '.join(rows.tokens[row])}\n" for row in order]
    path.write_text("".join(lines), encoding="utf-8")
    settings = {"dim": _DIMENSIONS, "bucket": _BUCKETS, "epoch": _EPOCHS, "lr": _RATE, "wordNgrams": 2}
    model = fasttext.train_supervised(str(path), minCount=1, thread=1, verbose=0, **settings)
    vectors = len(model.words) + _BUCKETS
    model.save_model(str(out / "model.bin"))
    kept = min(_KEPT, vectors)
    model.quantize(str(path), cutoff=kept, retrain=True, qnorm=True, thread=1, verbose=0)
    model.save_model(str(out / "model.ftz"))
    path.unlink()
    counts = {name: _DIMENSIONS * (count + len(labels)) for name, count in (("bin", vectors), ("ftz", kept))}
    (out / _COUNTS).write_text(json.dumps(counts), encoding="utf-8")


def prepare(*, folder: str, form: Form, data: str, labels: list[str], threads: int) -> None:
    """Train it, unless the folder is there; both forms at once."""
    from benchmarks.candidates.once import make_once

    make_once(Path(folder), lambda out: train(data, labels, out))


def open_fasttext(*, folder: str, form: Form, data: str, labels: list[str], threads: int) -> FasttextModel:
    """A contender of the benchmark: what :func:`prepare` left in the folder; fastText predicts in one thread."""
    import fasttext

    path = Path(folder) / f"model.{form}"
    counts = json.loads((Path(folder) / _COUNTS).read_bytes())
    return FasttextModel(fasttext.load_model(str(path)), counts[form], path.stat().st_size)
