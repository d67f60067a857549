"""The student beside everything that it could be replaced with: one test a contender, in pytest-benchmark's tables.

    pytest benchmarks/speed/test_contenders.py

Four tables: on one thread and on all, tokenisation included and excluded; batch 1. A round is one call on one text. All
contenders of a table take turns, each in a process of its own, and their calls are then played back to pytest-benchmark;
``-k "TFLite and one"`` measures those alone, on one thread. ``--benchmark-json FILE`` also has what the tables lack: size,
parameters, peak memory, cold start, first call, 95th percentile, accuracy with its interval, tokens, and how many times
BERT-large's speed, which is measured in any case.

These environment variables say what is compared:

=============== =====================================================================================================
``SST2_DIR``    folder with ``train.tsv`` and ``dev.tsv``; without it, the movie reviews of the quickstart
``STUDENT``     folder ``student`` of a run that was trained on them
``ARTEFACT``    its artefact; without it, one with all formats is exported
``HARD_LABELS`` folder ``student`` of a run on hard labels; without it, one is trained: three minutes for SST-2
``TEACHER_DIR`` a fine-tuned teacher, whose word vectors the baselines use; without it, the quickstart's encoder
``PEERS_WORK``  folder for what is trained and exported here; without it, one in the user's cache
=============== =====================================================================================================

Without a student and an artefact, a student is trained on hard labels: its latency is that of any other. Naive exports are
skipped until ``python -m benchmarks.candidates.naive setup`` has made environments for their converters. Everything together
takes 16 GB of memory, and 2 GB in the user's cache for ONNX files of BERT's shapes.
"""

import os
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.candidates.contenders import BASELINE, NAMES, all_contenders
from benchmarks.candidates.naive.environments import naive_cache
from benchmarks.candidates.subject import Subject, find_subject
from kdbuild.files import default_cache
from kdbuild.measure.benchmark.comparison import Raw
from kdbuild.measure.benchmark.comparison import benchmark as run_benchmark
from kdbuild.measure.benchmark.report import BenchmarkReport
from kdbuild.measure.environment import environment
from kdbuild.trainer.student.bilstm import load_student, student_logits

ROUNDS = 3
LARGEST_FLIP_RATE = {"fp32": 0.002, "int8": 0.02}
"""Share of texts on which a form of the student may answer otherwise than it does in torch; in fp32, where it is undecided."""
CUT = "32 tokens"
"""In the name of exports that don't read long texts to their end."""


class _PlayedClock:
    """The clock that pytest-benchmark reads: calls that were measured elsewhere move it."""

    def __init__(self) -> None:
        self.nanoseconds = 0
        self.__name__ = "calls played back"  # in pytest-benchmark's JSON

    def __call__(self) -> float:
        return self.nanoseconds / 1e9

    def play(self, nanoseconds: int) -> None:
        self.nanoseconds += nanoseconds


CLOCK = _PlayedClock()
CORES = int(str(environment(threads=1)["usable_cores"] or 1))
THREADS = {1: "one thread", **({CORES: "all threads"} if CORES > 1 else {})}


class Measurements:
    """What this run of pytest measured so far, by number of threads."""

    def __init__(self, subject: Subject, names: frozenset[str]):
        self.subject = subject
        self.texts, self.labels = subject.dev()
        self._names = names
        self._found: dict[int, tuple[BenchmarkReport, Raw]] = {}

    def with_threads(self, threads: int) -> tuple[BenchmarkReport, Raw]:
        """All chosen contenders, measured when the first of them is asked for."""
        if threads not in self._found:
            chosen = [
                one for one in all_contenders(self.subject, naive_cache()) if one.name in {*self._names, BASELINE}
            ]
            raw = Raw()
            report = run_benchmark(
                chosen, self.texts, self.labels, rounds=ROUNDS, threads=threads, baseline=BASELINE, raw=raw
            )
            self._found[threads] = report, raw
        return self._found[threads]

    @cached_property
    def student_labels(self) -> list[int]:
        """The classes that the student in torch gives all texts."""
        if self.subject.student is None:
            return []
        student, vocabulary = load_student(self.subject.student)
        ids = [vocabulary.encode(text, student.config.max_tokens).ids.tolist() for text in self.texts]
        return [int(place) for place in student_logits(student, ids).argmax(axis=1)]


def _given(variable: str) -> Path | None:
    return Path(os.environ[variable]) if os.environ.get(variable) else None


@pytest.fixture(scope="session")
def measurements(request: pytest.FixtureRequest) -> Measurements:
    subject = find_subject(
        data=_given("SST2_DIR"),
        artefact=_given("ARTEFACT"),
        student=_given("STUDENT"),
        hard_labels=_given("HARD_LABELS"),
        teacher=_given("TEACHER_DIR"),
        work=_given("PEERS_WORK") or default_cache() / "peers",
    )
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    return Measurements(subject, frozenset(call.params["name"] for call in calls if call and "name" in call.params))


def facts(report: BenchmarkReport, name: str, tokenization: bool) -> dict[str, object]:
    """What the tables have no room for."""
    result, slowest = asdict(report[name]), report[BASELINE]
    own, others = (one.latency if tokenization else one.latency_without_tokenization for one in (report[name], slowest))
    for key in ("latency", "latency_without_tokenization", "speedup"):
        del result[key]
    if own is not None:
        result |= {"median_ms": own.median_ms, "p95_ms": own.p95_ms}
        result["times_bert_large"] = others.shared_median_ms / own.shared_median_ms if others else None
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("threads", "tokenization"),
    [
        pytest.param(
            threads,
            tokenization,
            id=f"{title}, {'text' if tokenization else 'ids'} in",
            marks=pytest.mark.benchmark(
                group=f"{title}, tokenisation {'included' if tokenization else 'excluded'}", timer=CLOCK
            ),
        )
        for threads, title in THREADS.items()
        for tokenization in (True, False)
    ],
)
def test_contender(
    name: str, threads: int, tokenization: bool, benchmark: BenchmarkFixture, measurements: Measurements
) -> None:
    report, raw = measurements.with_threads(threads)
    result = report[name]
    if result.status in ("skipped", "not installed"):
        pytest.skip(result.reason)
    assert result.status == "ok", result.reason
    calls = raw.calls[name, tokenization]
    played = iter(calls)
    benchmark.pedantic(lambda: CLOCK.play(next(played)), rounds=len(calls))
    benchmark.extra_info.update(facts(report, name, tokenization))
    # The benchmark has seen to it that timed answers are those of before.
    if result.family in ("kdbuild", "naive export") and CUT not in name:
        expected, answers = measurements.student_labels, raw.answers[name]
        flips = sum(one != other for one, other in zip(answers, expected, strict=True)) if expected else 0
        assert flips <= LARGEST_FLIP_RATE[name.split()[-1]] * len(answers)
