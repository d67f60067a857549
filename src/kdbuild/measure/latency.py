"""Latency of text classifiers on a CPU: one text at a time, all contenders in turns, answers checked.

Times of one machine drift with its load, clock and temperature; contenders that take turns within one run drift
together, so their ratio carries over where their milliseconds don't.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from kdbuild.errors import BadInputError, GateError, KdbuildError
from kdbuild.measure.texts import Text, shown, word_count
from kdbuild.measure.worker import time_calls

Classify = Callable[[Any], object]
"""Answers one text, or one pair. Answers are compared by ``==``: give a label or a class index, not an array."""


class Timer(Protocol):
    """A contender that knows the texts, in this process or in one of its own."""

    def answers(self, indices: Sequence[int], /) -> Sequence[object]:
        """The answer to each of these texts."""
        ...

    def time(self, indices: Sequence[int], /) -> Sequence[tuple[int, object]]:
        """Nanoseconds and answer of a call for each of these texts, after one call that isn't timed."""
        ...


@dataclass(frozen=True)
class _Here:
    """A classifier of this process."""

    classify: Classify
    texts: Sequence[Text]

    def answers(self, indices: Sequence[int], /) -> list[object]:
        return [self.classify(self.texts[i]) for i in indices]

    def time(self, indices: Sequence[int], /) -> list[tuple[int, object]]:
        return time_calls(self.classify, [self.texts[i] for i in indices])


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
    texts: Sequence[Text],
    *,
    rounds: int = 10,
    slow: Mapping[str, int] | None = None,
    seed: int = 0,
) -> LatencyReport:
    """Time classifiers of this process in turns on the same texts, as :func:`measure_timers` does.

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
    timers = {name: _Here(classify, texts) for name, classify in contenders.items()}
    return measure_timers(timers, texts, rounds=rounds, slow=slow, seed=seed)


def measure_timers(
    timers: Mapping[str, Timer],
    texts: Sequence[Text],
    *,
    rounds: int = 10,
    slow: Mapping[str, int] | None = None,
    seed: int = 0,
    failed: Callable[[str, KdbuildError], None] | None = None,
    advance: Callable[[float, str], None] | None = None,
) -> LatencyReport:
    """Time contenders in turns on the same texts, batch 1, wherever they run.

    A first pass, not timed, warms every contender up and keeps its answers. Then, in each round, every contender is
    timed on every text; the order of contenders and of texts is drawn anew each round. A contender's calls of one
    round follow each other, after one untimed call, so that none is timed with the caches full of another's weights.

    A contender that would need minutes for this (BERT-large takes 300 ms a text) is named in ``slow``: it is timed
    once on each text of a subsample, a share of which is measured in every round. The subsample is evenly spaced in
    the order of the texts' number of words, so that its median length is theirs.

    Args:
        timers: Name -> contender.
        texts: What their indices stand for.
        rounds: Times that each contender is timed on each text.
        slow: Name of a slow contender -> number of texts of its subsample.
        seed: Of the order.
        failed: Told the name of a contender that raised an error or changed an answer, and the error; the contender is
            left out of the report, and the others go on. If None, the error is raised.
        advance: Told the share of the work that is done, 0 to 1, and whose turn it is.

    Raises:
        BadInputError: No contender, no text, or a number out of range.
        GateError: A contender answered a timed call otherwise than it answered this text before.
    """
    sizes = dict(slow or {})
    if not timers or not texts or rounds < 1:
        raise BadInputError(
            f"Latency of {len(timers)} contenders on {len(texts)} texts in {rounds} rounds: nothing to measure. "
            "Give at least one of each"
        )
    for name, size in sizes.items():
        if name not in timers or not 1 <= size <= len(texts):
            raise BadInputError(
                f"Slow contender {name!r} with {size} texts: expected one of {', '.join(timers)} "
                f"and 1 to {len(texts)} texts. Correct the name or the number"
            )
    samples = {name: list(range(len(texts))) for name in timers}
    # Each subsample is taken from the next larger one, so that all contenders share the smallest.
    smallest = sorted(range(len(texts)), key=lambda i: word_count(texts[i]))
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        smallest = evenly_spaced(smallest, sizes[name])
        samples[name] = list(smallest)
    shared = frozenset(smallest)

    before: dict[str, dict[int, object]] = {}
    timed: dict[str, list[tuple[int, float, object]]] = {name: [] for name in timers}
    turns = iter(range(1, (rounds + 1) * len(timers) + 1))

    def take_turn(name: str, work: Callable[[], None]) -> None:
        """Do a contender's part, unless it failed earlier; should it fail now, drop what it did."""
        if name in timed:
            try:
                work()
            except KdbuildError as error:
                if failed is None:
                    raise
                failed(name, error)
                del timed[name]
        if advance is not None:
            advance(next(turns) / ((rounds + 1) * len(timers)), name)

    def ask(name: str) -> None:
        before[name] = dict(zip(samples[name], timers[name].answers(samples[name]), strict=True))

    def time_share(name: str, share: Sequence[int]) -> None:
        calls = timers[name].time(share)
        for i, (nanoseconds, answer) in zip(share, calls, strict=True):
            timed[name].append((i, nanoseconds / 1e6, answer))
            if answer != before[name][i]:
                raise GateError(
                    f"{name} answered {answer!r} while timed and {before[name][i]!r} before, on {shown(texts[i])}: "
                    "its latency means nothing. Make its answers repeatable, then measure again"
                )

    for name in timers:
        take_turn(name, partial(ask, name))
    draw = random.Random(seed)
    for name in sizes:  # Each text once: deal them out, so that every round's share has short and long ones.
        draw.shuffle(samples[name])
    order = list(timers)
    for turn in range(rounds):
        draw.shuffle(order)
        for name in order:
            if name in sizes:
                share = samples[name][turn::rounds]
            else:
                share = samples[name]
                draw.shuffle(share)
            take_turn(name, partial(time_share, name, share))
    return LatencyReport(
        latencies=tuple(_summary(name, calls, shared) for name, calls in timed.items()),
        texts=len(texts),
        shared_texts=len(shared),
        rounds=rounds,
    )


def evenly_spaced(indices: Sequence[int], size: int) -> list[int]:
    """The middle one of each of ``size`` equal parts, so that neither end is favoured."""
    return [indices[(2 * part + 1) * len(indices) // (2 * size)] for part in range(size)]


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
