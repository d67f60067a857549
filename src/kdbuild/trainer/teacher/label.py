"""The teacher's logits over the transfer set: length-sorted batches, saved shard by shard, so that a kill loses little.

What a store knows of texts isn't asked again. Which texts that are is settled once, when labelling begins, and kept beside
the shards: a run that goes on cuts the same shards, whatever was added to the store meanwhile.

Several processes may share the work through the file system. What they write doesn't depend on their number, and a run
that is killed may go on with another number of them.

Memory: each process holds 16 bytes a sentence, 320 MB for 20 M, besides the sentences themselves where they are a list; the
first one, while it looks them up, 16 more, and what the store holds.
Word pieces are written to the disk once, each process encoding its part, and mapped from there: four bytes each, 1.2 GB
for 20 M sentences of 15 pieces. The first process holds all logits at the end, four bytes a sentence and class.
"""

import os
import shutil
import time
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kdbuild.console import progress
from kdbuild.trainer.data.texts import RowTexts, columns
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.teacher.store import LabelStore, digests_of

_BATCHES_A_SHARD = 16
_PART = 1 << 17  # sentences whose word pieces share a file
_ENCODED = 1 << 13  # sentences that the word-piece tokenizer gets at a time
_WRITTEN = 1 << 16  # rows of scores that are turned into Python numbers at a time
_KNOWN = "known.npy"
"""Logits of the sentences that the store knew when labelling began, in the order of the sentences."""
_ASKED = "asked.npy"
"""Places of all others."""

Logits = npt.NDArray[np.float32]


class Labelled(NamedTuple):
    """What labelling came to."""

    asked: int
    """Texts that the teacher was asked for."""
    known: int
    """Texts whose logits were known before."""
    rate: float
    """Texts labelled per second in this call by all processes; 0 if there was nothing left to do."""


def label(
    sentences: RowTexts,
    teacher: Teacher,
    batch_size: int,
    folder: Path,
    *,
    store: LabelStore | None = None,
    rank: int = 0,
    world_size: int = 1,
    barrier: Callable[[], None] = lambda: None,
) -> Labelled:
    """Label sentences and write ``logits.npy`` and ``scores.tsv`` into a folder.

    Batches are cut from all sentences that the store doesn't know, sorted by length in word pieces, so that hardly anything is
    padding and the same sentences always meet in a batch. Shards of batches are saved under ``shards/``; those that are there
    are kept.

    Args:
        sentences: the texts of the transfer set; the same for all processes.
        teacher: the labeller.
        batch_size: sentences a batch.
        folder: made if missing; the same for all processes.
        store: what the teacher answered before, to which its answers are added; the same for all processes.
        rank: this process's number. It labels the shards n with n % world_size = rank; the process 0 writes the result.
        world_size: number of processes that call this.
        barrier: returns when all processes have called it. Each calls it after encoding, after the store was looked through,
            after labelling and at the end.

    Raises:
        BadInputError: a file of the store is damaged.
    """
    shards, parts = folder / "shards", folder / "pieces" / "with segments"
    # Killed after the result was written, but before it was taken over.
    finished = (folder / "logits.npy").exists()
    asked, labelled, seconds = 0, 0, 1.0
    if not finished:
        # Those of a run that began before there were stores hold all sentences.
        begun = shards.is_dir() and any(shards.iterdir())
        shards.mkdir(parents=True, exist_ok=True)
        parts.mkdir(parents=True, exist_ok=True)
        _encode(sentences, teacher, parts, rank, world_size)
        barrier()
        pieces = _Pieces(parts, len(sentences))
        if rank == 0 and not (folder / _ASKED).exists():
            _look_up(pieces, None if begun else store, folder, teacher.model.config.num_labels)
        barrier()
        rows = np.load(folder / _ASKED, allow_pickle=False)
        order = rows[np.argsort(pieces.lengths[rows], kind="stable")]
        cut = _Shards(order, batch_size, shards)
        # Before the barrier, after which the others begin to add theirs.
        missing = [number for number in range(len(cut)) if not _file(shards, number).exists()]
        barrier()
        started = time.monotonic()
        _label_shards(cut, pieces, teacher, store, rank, world_size)
        barrier()
        seconds = time.monotonic() - started
        asked, labelled = len(order), sum(len(cut[number]) for number in missing)
        if rank == 0:
            logits = _joined(cut, folder, len(sentences), teacher.model.config.num_labels)
            write_labels(folder, sentences, logits)
    if rank == 0:
        shutil.rmtree(shards, ignore_errors=finished)
        shutil.rmtree(parts.parent, ignore_errors=finished)
        for name in (_KNOWN, _ASKED):
            (folder / name).unlink(missing_ok=True)
    barrier()
    return Labelled(asked, len(sentences) - asked, labelled / seconds)


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

    def __getitem__(self, row: int) -> npt.NDArray[np.int32]:
        start = self._starts[row]
        return self._parts[row // _PART][start : start + self.lengths[row]]


class _Shards:
    """Sentences in the order in which they are asked, cut into shards of batches."""

    def __init__(self, order: npt.NDArray[np.int64], batch_size: int, folder: Path):
        self._order, self._rows, self.batch_size, self.folder = order, batch_size * _BATCHES_A_SHARD, batch_size, folder

    def __len__(self) -> int:
        return -(-len(self._order) // self._rows)

    def __getitem__(self, number: int) -> npt.NDArray[np.int64]:
        """Return the places of a shard's sentences, ``[rows]``."""
        return self._order[number * self._rows :][: self._rows]


def _look_up(pieces: _Pieces, store: LabelStore | None, folder: Path, classes: int) -> None:
    """Write what the store knows, and last the places of what is to be asked."""
    count = len(pieces.lengths)
    known, logits = np.zeros(count, dtype=np.bool_), np.empty((0, classes), dtype=np.float32)
    if store is not None:
        known, logits = store.find(digests_of(pieces[row] for row in range(count)))
    _save(folder / _KNOWN, logits)
    _save(folder / _ASKED, np.flatnonzero(~known))


def _label_shards(
    shards: _Shards, pieces: _Pieces, teacher: Teacher, store: LabelStore | None, rank: int, world_size: int
) -> None:
    """Label this process's shards."""
    own = [(number, shards[number]) for number in range(rank, len(shards), world_size)]
    total = sum(int(pieces.lengths[rows].sum()) for _, rows in own)
    where = f" in this of {world_size} processes" if world_size > 1 else ""
    started, labelled, done = time.monotonic(), 0, 0
    with progress("labelling", total, "word pieces") as advance:
        for number, rows in own:
            path = _file(shards.folder, number)
            if not path.exists():
                starts = range(0, len(rows), shards.batch_size)
                batches = [
                    [pieces[row] for row in rows[start : start + shards.batch_size].tolist()] for start in starts
                ]
                logits = np.concatenate([teacher.logits([text.tolist() for text in batch]) for batch in batches])
                # First: a shard that is there isn't added any more.
                if store is not None:
                    store.add(digests_of(chain.from_iterable(batches)), logits)
                _save(path, logits)
                labelled += len(rows)
            done += int(pieces.lengths[rows].sum())
            advance(done, f"{labelled / (time.monotonic() - started):,.0f} rows/s{where}" if labelled else "")


def _joined(shards: _Shards, folder: Path, count: int, classes: int) -> Logits:
    """Return all logits in the order of the sentences, ``[sentences, classes]``."""
    logits = np.empty((count, classes), dtype=np.float32)
    known = np.ones(count, dtype=np.bool_)
    for number in range(len(shards)):
        logits[shards[number]] = np.load(_file(shards.folder, number), allow_pickle=False)
        known[shards[number]] = False
    logits[known] = np.load(folder / _KNOWN, allow_pickle=False)
    return logits


def write_labels(folder: Path, sentences: RowTexts, logits: Logits) -> None:
    """Write ``scores.tsv`` and, by which a folder is known to be finished, ``logits.npy``."""
    _write_scores(folder / "scores.tsv", sentences, logits)
    _save(folder / "logits.npy", logits)


def _write_scores(path: Path, sentences: RowTexts, logits: Logits) -> None:
    """Write the seed format, ``tokens⇥scores``: one raw logit per class, six decimals; pairs have a second column."""
    rows = (row for start in range(0, len(logits), _WRITTEN) for row in logits[start : start + _WRITTEN].tolist())
    paired = any(sentence.second is not None for sentence in islice(sentences, 1))
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("tokens\tsentence2\tscores\n" if paired else "tokens\tscores\n")
        for sentence, row in zip(sentences, rows, strict=True):
            stream.write(f"{sentence.line}\t{' '.join(f'{value:.6f}' for value in row)}\n")
