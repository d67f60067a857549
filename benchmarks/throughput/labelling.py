"""Labelling in several arithmetics and batch orders: what the teacher is asked, and how fast it answers."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

BATCH = 256

Logits = npt.NDArray[np.float32]
Ask = Callable[[list[list[int]]], Logits]
Clock = Callable[[], float]
"""Seconds: ``time.perf_counter``, or, of one thread on a busy machine, ``time.process_time``."""


def run(
    ask: Ask, pieces: list[list[int]], *, by_length: bool, batch: int = BATCH, clock: Clock = time.perf_counter
) -> tuple[float, Logits]:
    """Sentences a second, and the logits in the order of the sentences."""
    order = sorted(range(len(pieces)), key=lambda row: len(pieces[row])) if by_length else list(range(len(pieces)))
    started = clock()
    parts = [ask([pieces[row] for row in order[start : start + batch]]) for start in range(0, len(order), batch)]
    seconds = clock() - started
    logits = np.empty_like(np.concatenate(parts))
    logits[order] = np.concatenate(parts)
    return len(pieces) / seconds, logits


def compare(
    contenders: Mapping[str, tuple[Ask, bool]],
    pieces: list[list[int]],
    reference: Logits,
    *,
    rounds: int,
    baseline: str,
    batch: int = BATCH,
    clock: Clock = time.perf_counter,
) -> dict[str, dict[str, float]]:
    """Let contenders label the same sentences in turns.

    Args:
        contenders: by name, what answers a batch, and whether batches are of one length.
        pieces: word-piece ids of each sentence.
        reference: logits ``[sentences, classes]`` that answers are compared with.
        rounds: times that each labels all sentences.
        baseline: the contender that ratios are against.
        batch: sentences a batch.
        clock: what measures them.

    Returns:
        By name ``argmax_agreement``, ``mean_logit_difference``, ``sentences_per_second`` and ``times_…`` (medians).
    """
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    table: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, (ask, by_length) in contenders.items():
            rate, logits = run(ask, pieces, by_length=by_length, batch=batch, clock=clock)
            rates[name].append(rate)
            table[name] = {
                "argmax_agreement": float((logits.argmax(1) == reference.argmax(1)).mean()),
                "mean_logit_difference": float(np.abs(logits - reference).mean()),
            }
    for name, values in table.items():
        values["sentences_per_second"] = float(np.median(rates[name]))
        ratios = np.array(rates[name]) / np.array(rates[baseline])
        values[f"times_{baseline.replace(' ', '_')}"] = float(np.median(ratios))
    return table
