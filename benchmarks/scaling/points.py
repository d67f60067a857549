"""The points of an axis: which contender is called with what, and what is measured of it."""

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scaling.artefacts import Size, find_artefact, made_up_words, make_texts
from kdbuild.measure.benchmark.candidates import Contender
from kdbuild.measure.candidate_process import Remote
from kdbuild.measure.latency import measure_timers
from kdbuild.runtime.artefact import VOCABULARY, Artefact
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary

ROOT = str(Path(__file__).parents[2])
TFLITE, ONNX, BERT = "TFLite int8", "ONNX int8", "BERT-tiny, torch fp32"
FILES = {TFLITE: "model_int8.tflite", ONNX: "model_int8.onnx"}
TOKENS, TEXTS, LOADS = 20, 20, 5
"""Tokens a text, unless they are varied; inputs a point; times that a model is loaded."""
CALLERS_TEXTS = 32
"""Texts a call that several threads share."""
TIMEOUT = 120.0
"""Seconds that a process may take for one answer."""

Values = Sequence[int]
DEFAULT = Size()


@dataclass(frozen=True)
class Point:
    """A contender at one place of an axis."""

    series: str
    value: int
    contender: Contender
    inputs: list[str]
    """What its calls are given; of one length, so that their median means something."""
    texts_a_call: int = 1
    threads: int = 1


@dataclass(frozen=True)
class _Timer:
    """A process of a point, which knows its own inputs."""

    remote: Remote
    nanoseconds: list[int] = field(default_factory=list)
    """Of all calls that were timed."""

    def answers(self, indices: Sequence[int], /) -> list[int]:
        return self.remote.answers(indices)

    def time(self, indices: Sequence[int], /) -> list[tuple[int, int]]:
        calls = self.remote.time(indices, tokenization=True)
        self.nanoseconds.extend(nanoseconds for nanoseconds, _ in calls)
        return calls


def measure_points(points: Sequence[Point], *, rounds: int, loads: int) -> list[dict[str, Any]]:
    """Measure points in turns, each in a fresh process.

    Args:
        points: all have as many inputs.
        rounds: times that each is timed on each of its inputs.
        loads: times that each is loaded in another process, after a load that isn't timed; 0: don't.

    Returns:
        For each point its ``series``, ``value`` and ``texts_a_call``; of its calls the median and ``p10_ms``, which nine in
        ten exceed: what they take while other programs leave them alone; ``size_bytes`` of the model; ``peak_mb``, the most
        memory that its process ever held, in MB of 10^6 bytes; and ``load_ms``, the median processor time of a load.
    """
    names = [f"{point.series}, {point.value}" for point in points]
    with ExitStack() as stack:
        remotes, sizes = [], []
        for point in points:
            remote = stack.enter_context(Remote(point.contender, threads=point.threads, timeout=TIMEOUT))
            sizes.append(remote.load()["size_bytes"])
            remote.texts(point.inputs)
            remotes.append(remote)
        timers = dict(zip(names, map(_Timer, remotes), strict=True))
        measure_timers(timers, points[0].inputs, rounds=rounds)
        peaks = [remote.memory() for remote in remotes]
    results: list[dict[str, Any]] = []
    for point, name, size, peak in zip(points, names, sizes, peaks, strict=True):
        calls = np.array(timers[name].nanoseconds) / 1e6
        results.append(
            {
                "series": point.series,
                "value": point.value,
                "texts_a_call": point.texts_a_call,
                "p10_ms": round(float(np.percentile(calls, 10)), 4),
                "median_ms": round(float(np.median(calls)), 4),
                "size_bytes": size,
                "peak_mb": None if peak is None else round(peak / 1e6, 2),
                "load_ms": round(_load_ms(point, loads), 2) if loads else None,
            }
        )
    return results


def _load_ms(point: Point, loads: int) -> float:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        spent = pool.submit(_loads, point.contender, point.threads, loads).result()
    return float(np.median(spent)) / 1e6


def _loads(contender: Contender, threads: int, loads: int) -> list[int]:
    """Nanoseconds on the processor of loads. The first imports the engine, and isn't counted."""
    spent = []
    for _ in range(loads + 1):
        started = time.process_time_ns()
        _make(contender, threads)
        spent.append(time.process_time_ns() - started)
    return spent[1:]


def _make(contender: Contender, threads: int) -> Callable[[str], object]:
    module, _, name = contender.factory.partition(":")
    made: Callable[[str], object] = getattr(importlib.import_module(module), name)(
        **contender.arguments, threads=threads
    )
    return made


def call_ms(point: Mapping[str, Any]) -> float:
    """How long a call of a measured point takes: on the processor, or, of several threads, by the clock."""
    return float(point.get("processor_ms", point["p10_ms"]))


_opened: list[Callable[[str], object]] = []
"""In a process of :func:`processor_ms`, its contender."""


def _open(contender: Contender, threads: int) -> None:
    _opened.append(_make(contender, threads))


def _spend(inputs: Sequence[str]) -> list[int]:
    """Nanoseconds on the processor of a call for each input, after one that isn't counted."""
    call, spent = _opened[0], []
    call(inputs[0])
    for text in inputs:
        started = time.process_time_ns()
        call(text)
        spent.append(time.process_time_ns() - started)
    return spent


def processor_ms(points: Sequence[Point], *, rounds: int) -> list[float]:
    """For each point the median processor time of a call, each point in a process of its own, in turns.

    It leaves out the time that other programs had the processor, which a long call loses in any case on a busy machine.

    Args:
        points: of one thread; of several, the sum over them would say nothing of how long a call takes.
        rounds: times that each is called with each of its inputs.
    """
    spent: list[list[int]] = [[] for _ in points]
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), _open, (point.contender, point.threads)))
            for point in points
        ]
        for _ in range(rounds):
            for mine, pool, point in zip(spent, pools, points, strict=True):
                mine += pool.submit(_spend, point.inputs).result()
    return [round(float(np.median(mine)) / 1e6, 4) for mine in spent]


def load_parts(folder: Path, series: str, loads: int = LOADS) -> dict[str, float]:
    """What loading an artefact consists of: the median processor time of each part, in ms."""
    artefact, model = Artefact.open(folder), FILES[series]

    def median(part: Callable[[], object]) -> float:
        spent = []
        for _ in range(loads):
            started = time.process_time_ns()
            part()
            spent.append(time.process_time_ns() - started)
        return round(float(np.median(spent)) / 1e6, 2)

    return {
        "vocabulary": median(lambda: Vocabulary(artefact.read_lines(VOCABULARY)).sha256),
        "digest": median(lambda: artefact.check(model)),
        "engine": median(lambda: open_engine(artefact, model, 1)),
    }


def _of(
    folder: Path, series: str, factory: str = "kdbuild.measure.artefact_model:open_model", **more: Any
) -> Contender:
    arguments = {"folder": str(folder.resolve()), "file": FILES[series], **more}
    return Contender(series, "kdbuild", factory, arguments, folders=(ROOT,), trained=False)


def _words(size: Size) -> list[str]:
    return made_up_words(size.vocabulary - len(SPECIAL))


def _lines(size: Size, texts_a_call: int) -> list[str]:
    texts = make_texts(_words(size), TOKENS, TEXTS * texts_a_call)
    return ["\n".join(texts[first : first + texts_a_call]) for first in range(0, len(texts), texts_a_call)]


def tokens(work: Path, values: Values = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), size: Size = DEFAULT) -> list[Point]:
    """Tokens a text."""
    folder, words = find_artefact(work, size), _words(size)
    inputs = {value: make_texts(words, value, TEXTS) for value in values}
    return [Point(series, value, _of(folder, series), inputs[value]) for value in values for series in FILES]


def vocabulary(
    work: Path, values: Values = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000), size: Size = DEFAULT
) -> list[Point]:
    """Words of the vocabulary, all of which are equally likely to be in a text."""
    sizes = [Size(value, size.embedding, size.hidden, size.classifier) for value in values]
    return _by_size(work, values, sizes)


def hidden(
    work: Path, values: Values = (50, 100, 150, 200, 250, 300, 350, 400, 500, 600), size: Size = DEFAULT
) -> list[Point]:
    """Units of each direction of the LSTM."""
    sizes = [Size(size.vocabulary, size.embedding, value, size.classifier) for value in values]
    return _by_size(work, values, sizes)


def _by_size(work: Path, values: Values, sizes: Sequence[Size]) -> list[Point]:
    points = []
    for value, size in zip(values, sizes, strict=True):
        folder, inputs = find_artefact(work, size), make_texts(_words(size), TOKENS, TEXTS)
        points += [Point(series, value, _of(folder, series), inputs) for series in FILES]
    return points


def batch(
    work: Path,
    values: Values = (1, 4, 16, 64),
    size: Size = DEFAULT,
    tokenizer: Callable[[], Path] | None = None,
) -> list[Point]:
    """Texts a call: a list for our runtime, a padded batch for BERT-tiny in torch.

    Args:
        work: where artefacts are kept.
        values: texts a call.
        size: of the student.
        tokenizer: finds the folder of BERT's tokenizer; BERT-tiny is left out if None.
    """
    folder, points = find_artefact(work, size), []
    for value in values:
        inputs = _lines(size, value)
        for series in FILES:
            contender = _of(folder, series, "benchmarks.scaling.batches:open_list")
            points.append(Point(series, value, contender, inputs, texts_a_call=value))
        if tokenizer is not None:
            arguments = {"shape": "bert-tiny", "tokenizer": str(tokenizer())}
            contender = Contender(
                BERT, "transformer", "benchmarks.scaling.batches:open_bert_batch", arguments, folders=(ROOT,)
            )
            points.append(Point(BERT, value, contender, english_lines(value), texts_a_call=value))
    return points


def english_lines(texts_a_call: int) -> list[str]:
    """Calls of texts with about as many word pieces as ours have tokens: made-up words fall into many pieces."""
    words = "the film is a good story of love and war with some old people who never stop to talk".split()
    texts = make_texts(words, TOKENS - 2, TEXTS * texts_a_call)  # [CLS] and [SEP] make up for two words
    return ["\n".join(texts[first : first + texts_a_call]) for first in range(0, len(texts), texts_a_call)]


def threads(work: Path, values: Values = (1, 2), size: Size = DEFAULT) -> list[Point]:
    """Threads of the engine, of which one call makes use."""
    folder, inputs = find_artefact(work, size), make_texts(_words(size), TOKENS, TEXTS)
    return [Point(series, value, _of(folder, series), inputs, threads=value) for value in values for series in FILES]


def callers(work: Path, values: Values = (1, 2, 4, 8), size: Size = DEFAULT) -> list[Point]:
    """Threads of the application that call one classifier at the same time; they share the texts of a call."""
    folder, inputs = find_artefact(work, size), _lines(size, CALLERS_TEXTS)
    return [
        Point(
            series,
            value,
            _of(folder, series, "benchmarks.scaling.batches:open_callers", callers=value),
            inputs,
            texts_a_call=CALLERS_TEXTS,
        )
        for value in values
        for series in FILES
    ]
