"""Latency of text classifiers on a CPU: one text at a time, all contenders in turns, answers checked.

Times of one machine drift with its load, clock and temperature; contenders that take turns within one run drift
together, so their ratio carries over where their milliseconds don't.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kdbuild.errors import BadInputError, GateError

Classify = Callable[[str], object]
"""Answers one text. Answers are compared by ``==``: give a label or a class index, not an array."""


@dataclass(frozen=True)
class Latency:
    """How long one contender takes for one text, tokenising included."""

    name: str
    median_ms: float
    """Over all its timed calls."""
    p95_ms: float
    """95th percentile of its timed calls."""
    shared_median_ms: float
    """Over its timed calls on the texts that every contender was timed on: what ratios are made of."""
    count: int
    """Timed calls."""
    texts: int
    """Distinct texts timed."""


@dataclass(frozen=True)
class LatencyReport:
    """Latencies measured in one run; ``dataclasses.asdict`` gives what goes into a JSON result."""

    latencies: tuple[Latency, ...]
    """In the order the contenders were given."""
    texts: int
    """Texts given."""
    shared_texts: int
    """Texts that every contender was timed on."""
    rounds: int

    def __getitem__(self, name: str) -> Latency:
        """The latency of the contender of this name."""
        return {latency.name: latency for latency in self.latencies}[name]

    def speedup(self, name: str, baseline: str) -> float:
        """How many times faster ``name`` is than ``baseline``: their medians on the texts that both were timed on."""
        return self[baseline].shared_median_ms / self[name].shared_median_ms


def measure_latency(
    contenders: Mapping[str, Classify],
    texts: Sequence[str],
    *,
    rounds: int = 10,
    slow: Mapping[str, int] | None = None,
    seed: int = 0,
) -> LatencyReport:
    """Time classifiers in turns on the same texts, batch 1.

    A first pass, not timed, warms every contender up and keeps its answers. Then, in each round, every contender is
    timed on every text; the order of contenders and of texts is drawn anew each round. A contender's calls of one
    round follow each other, after one untimed call, so that none is timed with the caches full of another's weights.

    A contender that would need minutes for this (BERT-large takes 300 ms a text) is named in ``slow``: it is timed
    once on each text of a subsample, a share of which is measured in every round. The subsample is evenly spaced in
    the order of the texts' number of words, so that its median length is theirs.

    Args:
        contenders: Name -> classifier. Their threads are their own affair.
        texts: What they classify.
        rounds: Times that each contender is timed on each text.
        slow: Name of a slow contender -> number of texts of its subsample.
        seed: Of the order.

    Raises:
        BadInputError: No contender, no text, or a number out of range.
        GateError: A contender answered a timed call otherwise than it answered this text before.
    """
    sizes = dict(slow or {})
    if not contenders or not texts or rounds < 1:
        raise BadInputError(
            f"Latency of {len(contenders)} contenders on {len(texts)} texts in {rounds} rounds: nothing to measure. "
            "Give at least one of each"
        )
    for name, size in sizes.items():
        if name not in contenders or not 1 <= size <= len(texts):
            raise BadInputError(
                f"Slow contender {name!r} with {size} texts: expected one of {', '.join(contenders)} "
                f"and 1 to {len(texts)} texts. Correct the name or the number"
            )
    samples = {name: list(range(len(texts))) for name in contenders}
    # Each subsample is taken from the next larger one, so that all contenders share the smallest.
    smallest = sorted(range(len(texts)), key=lambda i: len(texts[i].split()))
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        smallest = evenly_spaced(smallest, sizes[name])
        samples[name] = list(smallest)
    shared = frozenset(smallest)
    before = {name: {i: contenders[name](texts[i]) for i in samples[name]} for name in contenders}

    draw = random.Random(seed)
    timed: dict[str, list[tuple[int, float, object]]] = {name: [] for name in contenders}
    for name in sizes:  # Each text once: deal them out, so that every round's share has short and long ones.
        draw.shuffle(samples[name])
    order = list(contenders)
    for turn in range(rounds):
        draw.shuffle(order)
        for name in order:
            if name in sizes:
                share = samples[name][turn::rounds]
            else:
                share = samples[name]
                draw.shuffle(share)
            timed[name] += _time_calls(contenders[name], texts, share)

    for name, calls in timed.items():
        for i, _, answer in calls:
            if answer != before[name][i]:
                raise GateError(
                    f"{name} answered {answer!r} while timed and {before[name][i]!r} before, on {texts[i][:60]!r}: "
                    "its latency means nothing. Make its answers repeatable, then measure again"
                )
    return LatencyReport(
        latencies=tuple(_summary(name, calls, shared) for name, calls in timed.items()),
        texts=len(texts),
        shared_texts=len(shared),
        rounds=rounds,
    )


def evenly_spaced(indices: Sequence[int], size: int) -> list[int]:
    """The middle one of each of ``size`` equal parts, so that neither end is favoured."""
    return [indices[(2 * part + 1) * len(indices) // (2 * size)] for part in range(size)]


def _time_calls(classify: Classify, texts: Sequence[str], share: Sequence[int]) -> list[tuple[int, float, object]]:
    """Index, milliseconds and answer of one call a text, after one call that isn't timed."""
    if share:
        classify(texts[share[0]])
    calls = []
    # The garbage collector stays on: it runs in users' processes too, and a median doesn't see it.
    for i in share:
        start = time.perf_counter_ns()
        answer = classify(texts[i])
        calls.append((i, (time.perf_counter_ns() - start) / 1e6, answer))
    return calls


def _summary(name: str, calls: Sequence[tuple[int, float, object]], shared: frozenset[int]) -> Latency:
    milliseconds = np.array([elapsed for _, elapsed, _ in calls])
    on_shared = np.array([elapsed for i, elapsed, _ in calls if i in shared])
    return Latency(
        name=name,
        median_ms=float(np.median(milliseconds)),
        p95_ms=float(np.percentile(milliseconds, 95)),
        shared_median_ms=float(np.median(on_shared)),
        count=len(calls),
        texts=len({i for i, _, _ in calls}),
    )
