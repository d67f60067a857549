"""The runtime's own share of time: from a fresh process to the first answer, and of every call after it.

    pytest -s benchmarks/speed/test_startup.py

A start is compared with one that imports numpy and the engine and does no more, in turns, each in a process of its own. A
call is compared with the engine's on the same token ids. The artefact has random weights, 300/300/400 in int8, and 14,817
words. Results go to ``results/startup.json``.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed.test_onnx_graph import VOCABULARY, student
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import Classify, measure_latency
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Manifest, file_entry, write_manifest
from kdbuild.runtime.text import tokenizer
from kdbuild.runtime.text.normalize import UNICODE_VERSION
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary

ENGINES: dict[str, str] = {"tflite": "ai_edge_litert.interpreter", "onnx": "onnxruntime"}
STARTS, TEXTS, TOKENS, ROUNDS = 20, 200, 20, 10
MOST_MS = 60
"""That import, load and first answer may take beyond importing numpy and the engine."""
MOST_OF_ENGINE = 1.25
"""Times the engine's own call that text in, label out may take."""
RESULT = Path(__file__).resolve().parents[1] / "results" / "startup.json"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for both engines; its words are made up, as long as English ones are."""
    folder = tmp_path_factory.mktemp("artefact")
    draw, words = random.Random(0), dict.fromkeys(["is", "n't", "."])
    while len(words) < VOCABULARY - len(SPECIAL):
        words["".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(3, 11)))] = None
    vocabulary = Vocabulary([*SPECIAL, *words])
    weights = student()
    contents = {
        "vocab.txt": vocabulary.to_bytes(),
        "labels.txt": b"negative\npositive\n",
        "model_int8.tflite": write_tflite(weights, quantize=True),
        "model_int8.onnx": write_onnx(weights, quantize=True),
    }
    manifest = Manifest(
        labels=["negative", "positive"],
        max_tokens=512,
        tokenizer={"version": 1, "unicode": UNICODE_VERSION, "sha256": vocabulary.sha256},
        files={name: file_entry(content) for name, content in contents.items()},
    )
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    write_manifest(folder, manifest.to_bytes())
    return folder


def programs(engine: str, folder: Path) -> dict[str, str]:
    """What the processes run, by how far it goes; the last two print a label."""
    bare = f"import numpy, {ENGINES[engine]}"
    imported = "from kdbuild.runtime import Classifier"
    load = f"{imported}\nclassify = Classifier.load({str(folder)!r}, engine={engine!r})"
    return {
        "numpy and engine": bare,
        "import": f"{bare}\n{imported}",
        "load": load,
        "answer": f"{load}\nprint(classify('A film that is n\\'t dull .').label)",
        "answer, not ASCII": f"{load}\nprint(classify('A film that isn\\u2019t dull.').label)",
    }


def start(python: str, program: str, variables: Mapping[str, str]) -> tuple[float, float, str]:
    """Milliseconds on the clock and on the processor of a process, from its birth to its end, and what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, "-c", program], env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        printed = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, program
    return 1000 * (time.perf_counter() - began), 1000 * (used.ru_utime + used.ru_stime), printed


def measure_starts(commands: Mapping[str, tuple[str, str]], cache: Path) -> dict[str, dict[str, float]]:
    """Start every program :data:`STARTS` times in turns, with compiled modules as an installed package has them.

    Args:
        commands: by a name, the interpreter and what it runs.
        cache: a folder for the compiled modules.

    Returns:
        By name, the median and the least of both clocks.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"PYTHONPYCACHEPREFIX": str(cache), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    printed = {name: start(*command, variables)[2] for name, command in commands.items()}  # the warm-up
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            wall, cpu, out = start(*command, variables)
            assert out == printed[name]
            taken[name].append((wall, cpu))
    figures = {name: np.array(times) for name, times in taken.items()}
    return {
        name: {
            "wall_ms": round(float(np.median(times[:, 0])), 1),
            "least_wall_ms": round(float(times[:, 0].min()), 1),
            "cpu_ms": round(float(np.median(times[:, 1])), 1),
            "least_cpu_ms": round(float(times[:, 1].min()), 1),
        }
        for name, times in figures.items()
    }


def record(part: str, engine: str, values: object) -> None:
    """Replace one engine's part of the committed results."""
    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    content.setdefault(part, {})[engine] = values
    content["environment"] = environment(threads=1)
    RESULT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({part: {engine: values}}, indent=2))


@pytest.mark.parametrize("engine", ENGINES)
def test_first_answer_comes_60_ms_after_numpy_and_the_engine(engine: str, artefact: Path, tmp_path: Path) -> None:
    pytest.importorskip(ENGINES[engine])
    commands = {name: (sys.executable, program) for name, program in programs(engine, artefact).items()}
    starts = measure_starts(commands, tmp_path)
    record("starts", engine, starts)
    # The least: what the program needs, not what else the machine was doing.
    assert starts["answer"]["least_cpu_ms"] - starts["numpy and engine"]["least_cpu_ms"] <= MOST_MS


def texts_of(vocabulary: Vocabulary) -> list[str]:
    """Running text whose last word and full stop are three tokens."""
    draw = random.Random(1)
    words = vocabulary.tokens[6:]
    texts = [" ".join(draw.choices(words, k=TOKENS - 3)).capitalize() + " isn't." for _ in range(TEXTS)]
    assert {len(vocabulary.encode(text, 512).tokens) for text in texts} == {TOKENS}
    return texts


@pytest.mark.parametrize("engine", ENGINES)
def test_text_in_label_out_takes_a_quarter_more_than_the_engine(engine: str, artefact: Path) -> None:
    pytest.importorskip(ENGINES[engine])
    classify = Classifier.load(artefact, engine=engine)
    texts = texts_of(classify.vocabulary)
    ids = {text: classify.encode(text).ids for text in texts}
    run = classify.engine

    def with_nothing_remembered(text: str) -> str | None:
        remembered, tokenizer._cache = tokenizer._cache, {"": ()}
        try:
            return classify(text).label
        finally:
            tokenizer._cache = remembered

    contenders: dict[str, Classify] = {
        "engine": lambda text: int(np.argmax(run(ids[text]))),
        "text in, label out": lambda text: classify(text).label,
        "no word seen before": with_nothing_remembered,
    }
    report = measure_latency(contenders, texts, rounds=ROUNDS)
    assert [classify(text).label for text in texts] == [
        classify.labels[int(np.argmax(run(ids[text])))] for text in texts
    ]
    medians = {latency.name: round(latency.median_ms, 4) for latency in report.latencies}
    ratios = {name: round(report.speedup("engine", name), 3) for name in contenders if name != "engine"}
    record("calls", engine, {"tokens": TOKENS, "median_ms": medians, "times_the_engine": ratios})
    assert ratios["text in, label out"] <= MOST_OF_ENGINE
