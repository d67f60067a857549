"""A benchmark: every contender in a process of its own, all in turns in one run, what fails marked and the rest measured."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

from kdbuild.console import Advance, progress
from kdbuild.errors import BadInputError, KdbuildError
from kdbuild.measure.benchmark.candidates import Contender
from kdbuild.measure.benchmark.recommend import recommend
from kdbuild.measure.benchmark.report import BenchmarkReport, ContenderResult, Status
from kdbuild.measure.candidate_process import ContenderError, Remote, RemoteTimer
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import LatencyReport, evenly_spaced, measure_timers
from kdbuild.measure.texts import Text, word_count
from kdbuild.runtime.engines.registry import model_files
from kdbuild.runtime.metrics import wilson_interval

Arguments = ParamSpec("Arguments")
Show = Callable[[str, float, str], AbstractContextManager[Advance]]
"""Shows how far work is: called with its title, its amount and what the amount counts."""

TIMED_TEXTS, SLOW_TEXTS = 200, 24
"""Texts that a contender is timed on at most, and a slow one."""
_COLD_STARTS = 3
"""Processes that a contender is started in, unless it is slow."""
_TIMEOUT = 300.0
"""Seconds that a process may take for one answer; BERT-large on a small machine needs some tens to load."""
_PREPARING = 12
"""Times that for preparing: BERT-large is written as an ONNX file and quantised."""
_WITHOUT = ", without tokenisation"
"""Added to the name of a contender that is timed so."""


@dataclass
class Raw:
    """What a report sums up, by name of the contender; :func:`benchmark` fills it."""

    answers: dict[str, list[int]] = field(default_factory=dict)
    """Classes of all texts, of those that were trained."""
    calls: dict[tuple[str, bool], list[int]] = field(default_factory=dict)
    """Nanoseconds of all timed calls, with (True) and without tokenisation."""


@dataclass
class _Trial:
    """A contender and what has been measured of it so far."""

    contender: Contender
    status: Status = "ok"
    reason: str = ""
    remote: Remote | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    """Fields of its result."""
    answers: list[int] = field(default_factory=list)
    """Classes of all texts, of one that was trained."""
    timers: dict[bool, RemoteTimer] = field(default_factory=dict)
    """With and without tokenisation."""

    def lose(self, error: KdbuildError) -> None:
        """Mark it as failed, and end its process."""
        if self.status == "ok":
            self.reason = str(error)
            self.status = "not installed" if isinstance(error, ContenderError) and error.missing else "failed"
        if self.remote is not None:
            self.remote.kill()

    def result(self) -> ContenderResult:
        """Its line of the table."""
        contender = self.contender
        return ContenderResult(
            name=contender.name,
            family=contender.family,
            file=contender.file,
            status=self.status,
            reason=self.reason,
            note=contender.note,
            trained=contender.trained,
            quoted_accuracy=contender.quoted_accuracy,
            quoted_source=contender.quoted_source,
            **(self.measured if self.status == "ok" else {}),
        )


def benchmark(
    contenders: Sequence[Contender],
    texts: Sequence[Text],
    labels: Sequence[int] | None = None,
    *,
    rounds: int = 5,
    threads: int = 1,
    baseline: str | None = None,
    timeout: float = _TIMEOUT,
    show: Show = progress,
    raw: Raw | None = None,
) -> BenchmarkReport:
    """Measure contenders: size, memory, cold start, latency with and without tokenisation, accuracy.

    Contenders whose answers mean something answer all texts. They are timed, in turns, on 200 of them, evenly spaced in the
    order of their number of words; slow ones on 24 of these. One that can't be loaded, dies, hangs or changes an answer
    is marked, and the others go on.

    Args:
        contenders: their names differ.
        texts: what they classify; pairs of texts for classifiers of pairs.
        labels: the true class of each text, as :class:`~kdbuild.measure.benchmark.candidates.Loaded` counts them.
        rounds: times that each contender is timed on each text; slow ones once in all rounds together.
        threads: that a call may use.
        baseline: name of the contender that speedups are against; none if None.
        timeout: seconds that a contender may take for an answer before it counts as hanging.
        show: shows how far the work is.
        raw: filled with the answers and with the time of every call, where they are wanted.

    Raises:
        BadInputError: no contender or text, names or numbers that don't fit.
    """
    names = [contender.name for contender in contenders]
    if not texts or rounds < 1 or threads < 1 or not names:
        raise BadInputError(
            f"Benchmark of {len(names)} contenders on {len(texts)} texts in {rounds} rounds with {threads} threads: nothing "
            "to measure. Give at least one of each."
        )
    if len(set(names)) < len(names) or (labels is not None and len(labels) != len(texts)):
        raise BadInputError(
            f"Benchmark of {', '.join(names)} on {len(texts)} texts: names must differ and labels be as many as texts. "
            "Correct them."
        )
    if baseline is not None and baseline not in names:
        raise BadInputError(f"Baseline {baseline!r}: not among {', '.join(names)}. Name one of these.")
    by_words = sorted(range(len(texts)), key=lambda i: word_count(texts[i]))
    sample = sorted(evenly_spaced(by_words, min(TIMED_TEXTS, len(texts))))
    typical = texts[by_words[len(texts) // 2]]
    trials = [
        _Trial(contender, "skipped" if contender.skipped else "ok", contender.skipped) for contender in contenders
    ]
    with ExitStack() as stack:
        with show("start", len(trials), "contenders") as advance:
            for done, trial in enumerate(trials):
                advance(done, trial.contender.name)
                _attempt(trial, _start, stack, typical, threads, timeout)
        with show("answer", len(trials), "contenders") as advance:
            for done, trial in enumerate(trials):
                advance(done, trial.contender.name)
                _attempt(trial, _answer, texts, sample)
        latency = _time(trials, [texts[i] for i in sample], rounds, show)
        for trial in trials:
            _attempt(trial, _measure_memory)
    _compare(trials, latency, labels, baseline)
    if raw is not None:
        alive = [trial for trial in trials if trial.status == "ok"]
        raw.answers |= {trial.contender.name: trial.answers for trial in alive}
        raw.calls |= {
            (trial.contender.name, tokenization): timer.nanoseconds
            for trial in alive
            for tokenization, timer in trial.timers.items()
        }
    results = tuple(trial.result() for trial in trials)
    return BenchmarkReport(
        results=results,
        baseline=baseline,
        ship=recommend(results),
        texts=len(texts),
        labelled=labels is not None,
        timed_texts=len(sample),
        shared_texts=latency.shared_texts if latency else 0,
        rounds=rounds,
        threads=threads,
        environment=environment(threads=threads),
    )


def _attempt(
    trial: _Trial,
    step: Callable[Concatenate[_Trial, Arguments], None],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> None:
    """Take a step with a contender that hasn't failed yet."""
    if trial.status == "ok":
        try:
            step(trial, *args, **kwargs)
        except ContenderError as error:
            trial.lose(error)


def _start(trial: _Trial, stack: ExitStack, text: Text, threads: int, timeout: float) -> None:
    """Start a contender in several processes, one after the other, and keep the last."""
    contender = trial.contender
    if contender.prepare:
        with Remote(contender, threads=threads, timeout=_PREPARING * timeout) as remote:
            remote.prepare()
    starts: list[dict[str, float]] = []
    count = 1 if contender.slow else _COLD_STARTS
    while len(starts) < count:
        if trial.remote is not None:
            trial.remote.close()
        trial.remote = stack.enter_context(Remote(contender, threads=threads, timeout=timeout))
        loaded = trial.remote.load()
        first = trial.remote.first(text)
        starts.append(
            {
                "cold_start_seconds": time.perf_counter() - trial.remote.started,
                "import_seconds": loaded["import_seconds"],
                "load_seconds": loaded["load_seconds"],
                "first_call_ms": 1000 * first,
            }
        )
        trial.measured |= {name: loaded[name] for name in ("parameters", "size_bytes", "engine_bytes")}
    trial.measured |= {key: statistics.median(start[key] for start in starts) for key in starts[0]}
    trial.measured["cold_starts"] = count


def _answer(trial: _Trial, texts: Sequence[Text], sample: Sequence[int]) -> None:
    """Have all texts answered, if the answers mean something; then leave the contender with those to be timed."""
    remote = _remote(trial)
    if trial.contender.trained:
        remote.texts(texts)
        trial.answers = remote.answers(range(len(texts)))
    remote.texts([texts[i] for i in sample])
    trial.measured["tokens_median"] = float(statistics.median(remote.tokens(range(len(sample)))))


def _time(trials: Sequence[_Trial], texts: Sequence[Text], rounds: int, show: Show) -> LatencyReport | None:
    """Time all in turns, each with and without tokenisation; None where all have failed."""
    timers: dict[str, RemoteTimer] = {}
    slow: dict[str, int] = {}
    by_timer: dict[str, _Trial] = {}
    for trial in trials:
        if trial.status == "ok":
            for tokenization in (True, False):
                name = trial.contender.name + ("" if tokenization else _WITHOUT)
                timers[name], by_timer[name] = RemoteTimer(_remote(trial), tokenization), trial
                trial.timers[tokenization] = timers[name]
                if trial.contender.slow:
                    slow[name] = min(SLOW_TEXTS, len(texts))
    if not timers:
        return None
    turns = (rounds + 1) * len(timers)
    with show("time", turns, "turns") as advance:
        return measure_timers(
            timers,
            texts,
            rounds=rounds,
            slow=slow,
            failed=lambda name, error: by_timer[name].lose(error),
            advance=lambda share, name: advance(share * turns, name),
        )


def _measure_memory(trial: _Trial) -> None:
    trial.measured["peak_rss_bytes"] = _remote(trial).memory()


def _remote(trial: _Trial) -> Remote:
    if trial.remote is None:
        raise ContenderError("its process was never started")
    return trial.remote


def _compare(
    trials: Sequence[_Trial], latency: LatencyReport | None, labels: Sequence[int] | None, baseline: str | None
) -> None:
    """Add what is said of a contender by others or by labels: latencies and their ratio, accuracy, agreement."""
    alive = [trial for trial in trials if trial.status == "ok"]
    exact = {file.name for file in model_files() if file.precision == "fp32"}
    reference = next((trial for trial in alive if trial.contender.file in exact), None)
    has_baseline = any(trial.contender.name == baseline for trial in alive)
    for trial in alive:
        name, measured = trial.contender.name, trial.measured
        if latency is not None:
            measured["latency"] = latency[name]
            measured["latency_without_tokenization"] = latency[name + _WITHOUT]
            if baseline is not None and has_baseline:
                measured["speedup"] = latency.speedup(name, baseline)
        if trial.answers and labels is not None:
            right = sum(answer == label for answer, label in zip(trial.answers, labels, strict=True))
            measured["accuracy"], measured["interval"] = right / len(labels), wilson_interval(right, len(labels))
        if trial.contender.file is not None and reference is not None:
            same = sum(one == other for one, other in zip(trial.answers, reference.answers, strict=True))
            measured["agreement"] = same / len(reference.answers)
