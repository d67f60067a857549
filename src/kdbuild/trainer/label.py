"""The teacher's logits over the transfer set: length-sorted batches, saved shard by shard, so that a kill loses little."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.trainer.progress import progress
from kdbuild.trainer.teacher import Teacher

_BATCHES_A_SHARD = 16


def label(sentences: Sequence[str], teacher: Teacher, batch_size: int, folder: Path) -> float:
    """Label sentences and write ``logits.npy`` and ``scores.tsv`` into a folder.

    Batches are cut from all sentences sorted by length in word pieces, so that hardly anything is padding and the same
    sentences always meet in a batch. Shards of batches are saved under ``shards/``; those that are there are kept.

    Args:
        sentences: tokens joined by spaces.
        teacher: the labeller.
        batch_size: sentences a batch.
        folder: made if missing.

    Returns:
        Sentences labelled per second in this call; 0 if there was nothing left to do.
    """
    shards = folder / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    pieces = teacher.encode(sentences)
    lengths = np.array([len(text) for text in pieces])
    order = np.argsort(lengths, kind="stable")
    rows_a_shard = batch_size * _BATCHES_A_SHARD
    spans = [order[start : start + rows_a_shard] for start in range(0, len(order), rows_a_shard)]
    started, labelled, done = time.monotonic(), 0, 0
    total = int(lengths.sum())
    with progress("labelling", total) as advance:
        for number, rows in enumerate(spans):
            path = shards / f"{number:06}.npy"
            if not path.exists():
                batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
                logits = np.concatenate([teacher.logits([pieces[row] for row in batch]) for batch in batches])
                aside = path.with_suffix(".new")
                with aside.open("wb") as stream:
                    np.save(stream, logits, allow_pickle=False)
                aside.rename(path)
                labelled += len(rows)
            done += int(lengths[rows].sum())
            advance(done, f"{labelled / (time.monotonic() - started):,.0f} rows/s" if labelled else "")
    seconds = time.monotonic() - started
    logits = np.empty((len(sentences), teacher.model.config.num_labels), dtype=np.float32)
    for number, rows in enumerate(spans):
        logits[rows] = np.load(shards / f"{number:06}.npy", allow_pickle=False)
    np.save(folder / "logits.npy", logits, allow_pickle=False)
    _write_scores(folder / "scores.tsv", sentences, logits)
    shutil.rmtree(shards)
    return labelled / seconds


def _write_scores(path: Path, sentences: Sequence[str], logits: npt.NDArray[np.float32]) -> None:
    """The seed format, ``tokens⇥scores``: one raw logit per class, six decimals."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("tokens\tscores\n")
        for sentence, row in zip(sentences, logits.tolist(), strict=True):
            stream.write(f"{sentence}\t{' '.join(f'{value:.6f}' for value in row)}\n")
