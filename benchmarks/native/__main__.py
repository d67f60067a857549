"""Measure the native engine: its paths, LiteRT and ONNX Runtime on the same token ids, one thread, in turns.

    python -m benchmarks.native

Two students with random weights, 14,817 words; as many tokens as SST-2's dev sentences have, where SST2_DIR names the folder
of dev.tsv, else 3 to 40. Writes ``benchmarks/results/native.json``; ``native.md`` tells what it means.
"""

import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.model import Encoder, Head, Layer, LstmWeights, StudentModel, StudentShape
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import measure_latency
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.decisions import argmax
from kdbuild.runtime.engines.native import NativeEngine
from kdbuild.runtime.engines.onnx import OnnxEngine
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.native.binding import NativeModel, aligned, library, paths, read_aligned
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary

RESULTS = Path(__file__).resolve().parents[1] / "results" / "native.json"
VOCABULARY, ROUNDS, SENTENCES = 14_817, 10, 100
SHAPES = {"big": (300, 300, 400), "small": (48, 128, 128)}
"""Embedding, hidden units, classifier's units."""

Call = Callable[[str], int]


def student(embedding: int, hidden: int, units: int) -> StudentModel:
    """A student with random weights."""
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> Any:
        return (rng.standard_normal((rows, columns)) * 2 / np.sqrt(columns)).astype(np.float32)

    def direction() -> LstmWeights:
        bias = rng.normal(scale=0.3, size=4 * hidden).astype(np.float32)
        return LstmWeights(matrix(4 * hidden, embedding), matrix(4 * hidden, hidden), bias)

    head = Head(matrix(units, 2 * hidden), np.zeros(units, np.float32), 2 * matrix(2, units), np.zeros(2, np.float32))
    return StudentModel(Encoder(matrix(VOCABULARY, embedding), (Layer(direction(), direction()),)), head)


def content(weights: StudentModel) -> Content:
    """The student with made-up words."""
    hidden = weights.encoder.layer.forward.recurrent.shape[1]
    size, units = weights.encoder.embedding.shape[1], len(weights.head.hidden)
    shape = StudentShape(VOCABULARY, size, 0, 1, 1, hidden, "last", units, 2, 512, False, False, 0)
    words = [f"w{number}" for number in range(VOCABULARY - len(SPECIAL))]
    return Content(weights, shape, Vocabulary([*SPECIAL, *words]), ["no", "yes"], 1.0)


def lengths() -> list[int]:
    """Tokens of the sentences."""
    folder = os.environ.get("SST2_DIR")
    if not folder:
        return [int(size) for size in np.random.default_rng(1).integers(3, 41, SENTENCES)]
    rows = (Path(folder) / "dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [len(tokenize(row.split("\t")[0])) for row in rows[:: max(1, len(rows) // SENTENCES)]]


def in_turns(calls: dict[str, Call], texts: list[str]) -> dict[str, float]:
    """Median microseconds of each."""
    report = measure_latency(calls, texts, rounds=ROUNDS)
    return {latency.name: latency.median_ms * 1000 for latency in report.latencies}


def measure(shape: tuple[int, int, int], folder: Path) -> dict[str, Any]:
    """All engines on one student."""
    weights = student(*shape)
    file = Native().write(content(weights), "int8")
    (folder / "model.tflite").write_bytes(write_tflite(weights, quantize=True))
    (folder / "model.onnx").write_bytes(write_onnx(weights, quantize=True))
    rng = np.random.default_rng(2)
    ids = {f"{number}": rng.integers(3, VOCABULARY, size).astype(np.int32) for number, size in enumerate(lengths())}
    ids["32"] = rng.integers(3, VOCABULARY, 32).astype(np.int32)
    tflite, onnx = TFLiteEngine(folder / "model.tflite"), OnnxEngine(folder / "model.onnx")
    models = {name: NativeModel(aligned(file), Path("model_int8.kdb"), path=name) for name in paths()}
    calls: dict[str, Call] = {
        "LiteRT": lambda text: int(np.argmax(tflite(ids[text]))),
        "ONNX Runtime": lambda text: int(np.argmax(onnx(ids[text]))),
    }
    own = {name: array("i", values.tolist()) for name, values in ids.items()}
    for name, model in models.items():
        calls[name] = lambda text, model=model: argmax(model.logits(own[text]))  # type: ignore[misc]
    sentences = [name for name in ids if name != "32"]
    return {
        "bytes": len(file),
        "sentences": in_turns(calls, sentences),
        "32 tokens": in_turns(calls, ["32"] * 20),
        "text in, label out": text_in_label_out(content(weights), tflite, file, [ids[name] for name in sentences]),
        "cold start": cold_start(file, folder),
    }


def text_in_label_out(made: Content, tflite: TFLiteEngine, file: bytes, ids: list[Any]) -> dict[str, float]:
    """Median microseconds of a classifier's whole call. LiteRT's has seen all words before, which is its best case."""
    manifest = Manifest(list(made.labels), 512, {"version": 1}, {})
    beside = Classifier(manifest, made.vocabulary, tflite, "model_int8.tflite")
    own = Classifier(
        manifest, made.vocabulary, NativeEngine(NativeModel(aligned(file), "model_int8.kdb")), "model_int8.kdb"
    )
    texts = [" ".join(made.vocabulary.tokens[number] for number in numbers) for numbers in ids]
    calls: dict[str, Call] = {
        "LiteRT": lambda text: made.labels.index(str(beside(text).label)),
        "native": lambda text: made.labels.index(str(own(text).label)),
    }
    return in_turns(calls, texts)


def cold_start(file: bytes, folder: Path) -> dict[str, float]:
    """Least milliseconds from the file, which the system has in memory, to the first answer: read, and mapped as C may."""
    path = folder / "model_int8.kdb"
    path.write_bytes(file)
    (folder / "cold.tflite").write_bytes((folder / "model.tflite").read_bytes())
    text = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"
    found: dict[str, list[float]] = {"read": [], "mapped": [], "LiteRT": []}
    for _ in range(30):
        start = time.perf_counter()
        NativeModel(read_aligned(path), path).answer(text)
        found["read"].append(time.perf_counter() - start)
        with path.open("rb") as opened:
            start = time.perf_counter()
            # Private and writable, as ctypes takes no address of what it may not change.
            mapped = mmap.mmap(opened.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
            model = NativeModel(memoryview(mapped), path)
            model.answer(text)
            found["mapped"].append(time.perf_counter() - start)
            del model
        start = time.perf_counter()
        TFLiteEngine(folder / "cold.tflite")(np.arange(3, 13, dtype=np.int32))
        found["LiteRT"].append(time.perf_counter() - start)
    return {name: min(times) * 1000 for name, times in found.items()}


def floor(folder: Path) -> dict[str, Any] | None:
    """What the processor could do; None where it has no AVX-512-VNNI."""
    if "avx512-vnni" not in paths():
        return None
    program = folder / "floor"
    source = Path(__file__).with_name("floor.c")
    flags = ["-O2", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni"]
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *flags, source, "-o", program], check=True)
    found: dict[str, Any] = json.loads(subprocess.run([program], check=True, capture_output=True).stdout)
    return found


def main() -> None:
    """Measure everything, and write it down."""
    library()
    with tempfile.TemporaryDirectory() as name:
        result = {shape: measure(sizes, Path(name)) for shape, sizes in SHAPES.items()}
        result["floor"] = floor(Path(name)) or {}
    result["environment"] = environment(threads=1)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
