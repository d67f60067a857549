"""Augmentation at scale: rows made up as they are read, and what a transfer set of them takes in a fresh process."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from kdbuild.trainer.options import AugmentOptions, TrainOptions
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.dedup import SentenceSet

VOCABULARY, TAGS = 30_000, 12


def made_up(rows: int, names: list[str]) -> Iterator[list[str]]:
    """Rows of words, or of whatever stands for each of them."""
    draw = np.random.default_rng(0)
    edges = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    for start in range(0, rows, 10_000):
        lengths = np.clip(draw.gamma(1.6, 6.0, min(10_000, rows - start)).astype(int) + 1, 1, 50)
        ranks = np.searchsorted(edges, draw.random(int(lengths.sum())) * edges[-1]).tolist()
        first = 0
        for length in lengths.tolist():
            yield [names[rank] for rank in ranks[first : first + length]]
            first += length


def peak_mb() -> float:
    """The most memory that this process ever held, in MB of 10^6 bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def measure(rows: int, rounds: int) -> dict[str, float]:
    """One transfer set, in this process; its words' parts of speech are made up, too: spaCy has no part in it."""
    words = [f"word{rank}" for rank in range(VOCABULARY)]
    tags = [f"TAG{rank % TAGS}" for rank in range(VOCABULARY)]
    before = peak_mb()
    started = time.process_time()
    count = sum(len(row) for row, _ in zip(made_up(rows, words), made_up(rows, tags), strict=True))
    making = time.process_time() - started
    seen, written = SentenceSet(), 0
    started = time.process_time()
    with open(os.devnull, "w", encoding="utf-8") as stream:
        options = TrainOptions(augment=AugmentOptions(perturb=("article",), rounds=rounds))
        for text in augment(made_up(rows, words), made_up(rows, tags), options, seed=0, seen=seen):
            stream.write(text.line + "\n")
            written += 1
    seconds = time.process_time() - started - making
    if len(seen) != written:
        raise ValueError(f"{written} sentences of which {len(seen)} are distinct")
    return {
        "rows": rows,
        "rounds": rounds,
        "words_a_row": round(count / rows, 1),
        "sentences": written,
        "cpu_seconds": round(seconds, 3),
        "cpu_microseconds_a_row_and_round": round(seconds / rows / rounds * 1e6, 2),
        "peak_mb": round(peak_mb()),
        "peak_mb_over_start": round(peak_mb() - before, 1),
    }


def measure_in_fresh_process(rows: int, rounds: int) -> dict[str, float]:
    """The same in a process of its own, whose memory nothing else has grown."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, rows, rounds).result()
