"""The teacher's logits over the transfer set: length-sorted batches, saved shard by shard, so that a kill loses little.

Several processes may share the work through the file system. What they write doesn't depend on their number, and a run
that is killed may go on with another number of them.

Memory: each process holds 16 bytes a sentence, 320 MB for 20 M, besides the sentences themselves where they are a list.
Word pieces are written to the disk once, each process encoding its part, and mapped from there: four bytes each, 1.2 GB
for 20 M sentences of 15 pieces. The first process holds all logits at the end, four bytes a sentence and class.
"""

import os
import shutil
import time
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdbuild.console import progress
from kdbuild.trainer.data.texts import RowTexts, columns
from kdbuild.trainer.teacher.model import Teacher

_BATCHES_A_SHARD = 16
_PART = 1 << 17  # sentences whose word pieces share a file
_ENCODED = 1 << 13  # sentences that the word-piece tokenizer gets at a time
_WRITTEN = 1 << 16  # rows of scores that are turned into Python numbers at a time

Logits = npt.NDArray[np.float32]


def label(
    sentences: RowTexts,
    teacher: Teacher,
    batch_size: int,
    folder: Path,
    *,
    rank: int = 0,
    world_size: int = 1,
    barrier: Callable[[], None] = lambda: None,
) -> float:
    """Label sentences and write ``logits.npy`` and ``scores.tsv`` into a folder.

    Batches are cut from all sentences sorted by length in word pieces, so that hardly anything is padding and the same
    sentences always meet in a batch. Shards of batches are saved under ``shards/``; those that are there are kept.

    Args:
        sentences: the texts of the transfer set; the same for all processes.
        teacher: the labeller.
        batch_size: sentences a batch.
        folder: made if missing; the same for all processes.
        rank: this process's number. It labels the shards n with n % world_size = rank; the process 0 writes the result.
        world_size: number of processes that call this.
        barrier: returns when all processes have called it. Each calls it after encoding, after labelling and at the end.

    Returns:
        Sentences labelled per second in this call by all processes; 0 if there was nothing left to do.
    """
    shards, parts = folder / "shards", folder / "pieces" / "with segments"
    # Killed after the result was written, but before it was taken over.
    finished = (folder / "logits.npy").exists()
    labelled, seconds = 0, 1.0
    if not finished:
        shards.mkdir(parents=True, exist_ok=True)
        parts.mkdir(parents=True, exist_ok=True)
        rows_a_shard = batch_size * _BATCHES_A_SHARD
        firsts = range(0, len(sentences), rows_a_shard)
        # Before the barrier, after which the others begin to add theirs.
        missing = [number for number in range(len(firsts)) if not _file(shards, number).exists()]
        _encode(sentences, teacher, parts, rank, world_size)
        barrier()
        started = time.monotonic()
        order = _label_shards(len(sentences), teacher, batch_size, shards, parts, rank, world_size)
        barrier()
        seconds = time.monotonic() - started
        labelled = sum(min(rows_a_shard, len(sentences) - firsts[number]) for number in missing)
        if rank == 0:
            logits = np.empty((len(sentences), teacher.model.config.num_labels), dtype=np.float32)
            for number, first in enumerate(firsts):
                logits[order[first : first + rows_a_shard]] = np.load(_file(shards, number), allow_pickle=False)
            _write_scores(folder / "scores.tsv", sentences, logits)
            _save(folder / "logits.npy", logits)
    if rank == 0:
        shutil.rmtree(shards, ignore_errors=finished)
        shutil.rmtree(parts.parent, ignore_errors=finished)
    barrier()
    return labelled / seconds


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.npy"


def _save(path: Path, values: npt.NDArray[np.generic]) -> None:
    aside = path.with_suffix(".new")
    with aside.open("wb") as stream:
        np.save(stream, values, allow_pickle=False)
    os.replace(aside, path)


def _encode(sentences: RowTexts, teacher: Teacher, parts: Path, rank: int, world_size: int) -> None:
    """Write this process's files of word pieces: the lengths of the sentences of a part, then all their word pieces."""
    rest = iter(sentences)
    count = len(sentences)
    with progress("encoding", count) as advance:
        for number, first in enumerate(range(0, count, _PART)):
            size = min(_PART, count - first)
            path = _file(parts, number)
            if number % world_size != rank or path.exists():
                next(islice(rest, size, size), None)  # skips them
                continue
            lengths: list[int] = []
            flat = [np.zeros(size, dtype=np.int32)]
            while len(lengths) < size:
                pieces = teacher.encode(*columns(islice(rest, min(_ENCODED, size - len(lengths)))))
                lengths += map(len, pieces)
                flat.append(np.fromiter(chain.from_iterable(pieces), dtype=np.int32))
                advance(first + len(lengths), "")
            flat[0][:] = lengths
            _save(path, np.concatenate(flat))


class _Pieces:
    """All sentences' word pieces, mapped from the files that :func:`_encode` wrote."""

    def __init__(self, parts: Path, count: int):
        sizes = [min(_PART, count - first) for first in range(0, count, _PART)]
        # Without the subclass that numpy gives to mapped arrays, whose slices are slow.
        self._parts = [
            np.asarray(np.load(_file(parts, number), mmap_mode="r", allow_pickle=False)) for number in range(len(sizes))
        ]
        self.lengths = np.empty(count, dtype=np.int32)
        """In word pieces, ``[sentences]``."""
        self._starts = np.empty(count, dtype=np.int32)
        for number, size in enumerate(sizes):
            rows = slice(number * _PART, number * _PART + size)
            self.lengths[rows] = self._parts[number][:size]
            self._starts[rows] = size + np.cumsum(self.lengths[rows]) - self.lengths[rows]

    def __getitem__(self, row: int) -> list[int]:
        start = self._starts[row]
        pieces: list[int] = self._parts[row // _PART][start : start + self.lengths[row]].tolist()
        return pieces


def _label_shards(
    count: int, teacher: Teacher, batch_size: int, shards: Path, parts: Path, rank: int, world_size: int
) -> npt.NDArray[np.int64]:
    """Label this process's shards.

    Returns:
        The order of the sentences that the shards follow, ``[sentences]``.
    """
    pieces = _Pieces(parts, count)
    order = np.argsort(pieces.lengths, kind="stable")
    rows_a_shard = batch_size * _BATCHES_A_SHARD
    own = [(number, order[number * rows_a_shard :][:rows_a_shard]) for number in range(-(-count // rows_a_shard))]
    own = own[rank::world_size]
    total = sum(int(pieces.lengths[rows].sum()) for _, rows in own)
    where = f" in this of {world_size} processes" if world_size > 1 else ""
    started, labelled, done = time.monotonic(), 0, 0
    with progress("labelling", total, "word pieces") as advance:
        for number, rows in own:
            path = _file(shards, number)
            if not path.exists():
                batches = [rows[start : start + batch_size].tolist() for start in range(0, len(rows), batch_size)]
                _save(path, np.concatenate([teacher.logits([pieces[row] for row in batch]) for batch in batches]))
                labelled += len(rows)
            done += int(pieces.lengths[rows].sum())
            advance(done, f"{labelled / (time.monotonic() - started):,.0f} rows/s{where}" if labelled else "")
    return order


def _write_scores(path: Path, sentences: RowTexts, logits: Logits) -> None:
    """Write the seed format, ``tokens⇥scores``: one raw logit per class, six decimals; pairs have a second column."""
    rows = (row for start in range(0, len(logits), _WRITTEN) for row in logits[start : start + _WRITTEN].tolist())
    paired = any(sentence.second is not None for sentence in islice(sentences, 1))
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("tokens\tsentence2\tscores\n" if paired else "tokens\tscores\n")
        for sentence, row in zip(sentences, rows, strict=True):
            stream.write(f"{sentence.line}\t{' '.join(f'{value:.6f}' for value in row)}\n")
