"""Contenders measured for pytest-benchmark: all in turns, each in a process of its own, and every call kept."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from kdbuild.errors import KdbuildError
from kdbuild.measure.benchmark import SLOW_TEXTS, Show
from kdbuild.measure.contenders import Contender
from kdbuild.measure.latency import Latency, Timer, measure_timers
from kdbuild.measure.remote import ContenderError, Remote, RemoteTimer
from kdbuild.trainer.progress import progress

_TIMEOUT, _PREPARING = 300.0, 3600.0
"""Seconds for an answer, and for preparing: BERT-large is written as an ONNX file, a student is trained."""

Key = tuple[str, bool]
"""Name of a contender, and whether tokenisation is timed."""


@dataclass
class Measured:
    """A contender of one run."""

    contender: Contender
    failure: str = ""
    """Why it couldn't be measured; empty if it could."""
    missing: bool = False
    """Whether it is only that something isn't installed."""
    parameters: int | None = None
    size_bytes: int | None = None
    peak_rss_bytes: int | None = None
    """The most memory that its process had, after all."""
    cold_start_seconds: float | None = None
    """From the start of its process to its first answer."""
    first_call_ms: float | None = None
    tokens_median: float | None = None
    answers: list[int] = field(default_factory=list)
    """Classes of all texts, of one that was trained."""
    calls: dict[bool, list[int]] = field(default_factory=lambda: {True: [], False: []})
    """Nanoseconds of all timed calls, with and without tokenisation."""
    latency: dict[bool, Latency] = field(default_factory=dict)
    speedup: dict[bool, float] = field(default_factory=dict)
    """Over the baseline, on the texts that all were timed on."""


@dataclass(frozen=True)
class _Recorder:
    """A timer that keeps what it measured."""

    timer: Timer
    nanoseconds: list[int]

    def answers(self, indices: Sequence[int], /) -> Sequence[object]:
        return self.timer.answers(indices)

    def time(self, indices: Sequence[int], /) -> Sequence[tuple[int, object]]:
        calls = self.timer.time(indices)
        self.nanoseconds.extend(nanoseconds for nanoseconds, _ in calls)
        return calls


def measure_all(
    contenders: Sequence[Contender],
    texts: Sequence[str],
    sample: Sequence[int],
    *,
    threads: int,
    rounds: int,
    baseline: str,
    show: Show = progress,
) -> dict[str, Measured]:
    """Measure contenders, by name; what fails is marked, and the others go on.

    Args:
        contenders: their names differ.
        texts: that trained ones answer.
        sample: places of the texts that all are timed on; slow ones on an evenly spaced part of them.
        threads: that a call may use.
        rounds: times that each is timed on each text, in turns.
        baseline: name of the contender that speedups are against.
        show: shows how far the work is.
    """
    found = {contender.name: Measured(contender, contender.skipped) for contender in contenders}
    remotes: dict[str, Remote] = {}

    def fail(name: str, error: KdbuildError) -> None:
        found[name].failure = str(error)
        found[name].missing = isinstance(error, ContenderError) and error.missing
        if name in remotes:
            remotes[name].kill()

    with ExitStack() as stack:
        with show("start", len(found), "contenders") as advance:
            for done, (name, measured) in enumerate(found.items()):
                advance(done, name)
                try:
                    if not measured.failure:
                        remotes[name] = _start(measured, stack, texts, sample, threads)
                except ContenderError as error:
                    fail(name, error)
        timers: dict[str, Timer] = {}
        keys: dict[str, Key] = {}
        slow = {}
        for name, remote in remotes.items():
            for tokenization in (True, False) if not found[name].failure else ():
                title = f"{name}{'' if tokenization else ', without tokenisation'}"
                timers[title] = _Recorder(RemoteTimer(remote, tokenization), found[name].calls[tokenization])
                keys[title] = name, tokenization
                if found[name].contender.slow:
                    slow[title] = min(SLOW_TEXTS, len(sample))
        with show("time", 100, "percent") as advance:
            report = measure_timers(
                timers,
                [texts[place] for place in sample],
                rounds=rounds,
                slow=slow,
                failed=lambda title, error: fail(keys[title][0], error),
                advance=lambda share, title: advance(100 * share, title),
            )
        by_key = {keys[latency.name]: latency for latency in report.latencies}
        for (name, tokenization), latency in by_key.items():
            found[name].latency[tokenization] = latency
            if (baseline, tokenization) in by_key:
                slowest = by_key[baseline, tokenization]
                found[name].speedup[tokenization] = report.speedup(latency.name, slowest.name)
        for name, remote in remotes.items():
            if not found[name].failure:
                found[name].peak_rss_bytes = remote.memory()
    return found


def _start(measured: Measured, stack: ExitStack, texts: Sequence[str], sample: Sequence[int], threads: int) -> Remote:
    """Start a contender's process, note all that isn't latency, and leave it with the texts to be timed on."""
    contender = measured.contender
    if contender.prepare:
        with Remote(contender, threads=threads, timeout=_PREPARING) as preparing:
            preparing.prepare()
    remote = stack.enter_context(Remote(contender, threads=threads, timeout=_TIMEOUT))
    loaded = remote.load()
    measured.first_call_ms = 1000 * remote.first(texts[sample[len(sample) // 2]])
    measured.cold_start_seconds = time.perf_counter() - remote.started
    measured.parameters, measured.size_bytes = loaded["parameters"], loaded["size_bytes"]
    if contender.trained:
        remote.texts(texts)
        measured.answers = remote.answers(range(len(texts)))
    remote.texts([texts[place] for place in sample])
    measured.tokens_median = float(statistics.median(remote.tokens(range(len(sample)))))
    return remote
