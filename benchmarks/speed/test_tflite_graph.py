"""The TFLite graph against a plain one: int8, the default shape (300/300/400), random weights, one thread.

    SST2_DIR=…/sst2 pytest -s benchmarks/speed/test_tflite_graph.py

The plain graph is what one writes first: the input projections hoisted out of the loop, and in it each direction's
FULLY_CONNECTED, gates and states. Sentences are as long as SST-2's dev, or of 3 to 40 tokens where it isn't at hand.
What was tried on the way from one to the other, with emulated instruction counts, is in ``results/tflite-graph.md``.
To count both:

    python -m benchmarks.speed.test_tflite_graph FOLDER
    python -m benchmarks.arm64 count --cpu cortex-a76 FOLDER/plain.tflite FOLDER/ours.tflite
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from benchmarks.arm64.reference import HIDDEN, reference_weights
from kdbuild.export.formats.tflite import operators
from kdbuild.export.formats.tflite.flatbuffer import Model, Subgraph, Tensor
from kdbuild.export.formats.tflite.graph import lstm_step, write_tflite
from kdbuild.export.model import Array, LstmWeights, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.measure.latency import measure_latency
from kdbuild.runtime.data.readers import read_rows

VOCABULARY = 14_817
LARGEST_FILE = 6_300_000
_Op = schema.BuiltinOperator


def write_plain(weights: StudentModel) -> bytes:
    """The plain graph; products with a scale a row are FULLY_CONNECTED with a MUL behind."""
    model = Model("BiLSTM text classifier")
    main, condition, body = (model.subgraph(name) for name in ("main", "condition", "body"))
    ids = main.input("ids", [1, -1], np.int32)
    flat = operators.reshape(main, ids, [-1])
    rows, scales = quantize_rows(weights.encoder.embedding)
    gathered = operators.gather(main, main.constant(rows, "embedding"), flat)
    vectors = main.result(gathered.shape)
    cast = schema.CastOptionsT(inDataType=schema.TensorType.INT8, outDataType=schema.TensorType.FLOAT32)
    main.operator(_Op.CAST, [gathered], [vectors], cast)
    vectors = operators.multiply(main, vectors, operators.gather(main, main.constant(scales[:, None]), flat))
    matrix = np.concatenate([weights.encoder.layer.forward.input, weights.encoder.layer.backward.input])
    bias = np.concatenate([weights.encoder.layer.forward.bias, weights.encoder.layer.backward.bias])
    projected = linear(main, vectors, matrix, bias)

    shape = main.result([2], np.int32)
    main.operator(_Op.SHAPE, [ids], [shape], schema.ShapeOptionsT(outType=schema.TensorType.INT32))
    tokens = operators.gather(main, shape, main.constant(operators.int32(1)))
    zeros = main.constant(np.zeros((1, HIDDEN), np.float32))
    loop = [main.constant(operators.int32(0)), tokens, projected, zeros, zeros, zeros, zeros]

    step, length, *_ = [condition.input(f"{place}", t.shape, t.dtype) for place, t in enumerate(loop)]
    going_on = condition.result([], np.bool_)
    condition.operator(_Op.LESS, [step, length], [going_on], schema.LessOptionsT())
    condition.output(going_on)
    step, length, projected, *states = (body.input(f"{place}", t.shape, t.dtype) for place, t in enumerate(loop))
    left = body.result([], np.int32)
    body.operator(_Op.SUB, [length, step], [left], schema.SubOptionsT())
    last = operators.add(body, left, body.constant(operators.int32(-1)))
    forward = step_of(body, projected, step, states[:2], weights.encoder.layer.forward, 0)
    backward = step_of(body, projected, last, states[2:], weights.encoder.layer.backward, 1)
    following = operators.add(body, step, body.constant(operators.int32(1)))
    body.output(following, length, projected, *forward, *backward)
    ends = [main.result(tensor.shape, tensor.dtype) for tensor in loop]
    options = schema.WhileOptionsT(condSubgraphIndex=condition.index, bodySubgraphIndex=body.index)
    main.operator(_Op.WHILE, loop, ends, options)

    both = main.result([1, 2 * HIDDEN])
    main.operator(_Op.CONCATENATION, [ends[3], ends[5]], [both], schema.ConcatenationOptionsT(axis=1))
    hidden = linear(main, both, weights.head.hidden, weights.head.hidden_bias, relu=True)
    main.output(linear(main, hidden, weights.head.output, weights.head.output_bias))
    return model.pack()


def step_of(
    body: Subgraph, projected: Tensor, token: Tensor, states: list[Tensor], lstm: LstmWeights, direction: int
) -> tuple[Tensor, Tensor]:
    """One direction's new states, both ``[1, hidden]``."""
    hidden, cell = states
    directions = operators.reshape(body, operators.gather(body, projected, token), [2, 4 * HIDDEN])
    own = operators.gather(body, directions, body.constant(operators.int32(direction)))
    from_token = operators.reshape(body, own, [1, 4 * HIDDEN])
    integers, scales = quantize_rows(lstm.recurrent)
    from_state = operators.multiply(body, product(body, hidden, integers), body.constant(scales))
    return lstm_step(body, operators.add(body, from_state, from_token), cell)


def linear(graph: Subgraph, x: Tensor, matrix: Array, bias: Array, *, relu: bool = False) -> Tensor:
    """``x @ matrix.T + bias``."""
    integers, scales = quantize_rows(matrix)
    return operators.multiply(graph, product(graph, x, integers, bias / scales, relu), graph.constant(scales))


def product(
    graph: Subgraph, x: Tensor, integers: npt.NDArray[np.int8], bias: Array | None = None, relu: bool = False
) -> Tensor:
    """The product with int8 weights of scale 1."""
    result = graph.result([x.shape[0], len(integers)])
    inputs = [x, graph.constant(integers, scale=1.0), None if bias is None else graph.constant(bias)]
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=operators.activation(relu))
    graph.operator(_Op.FULLY_CONNECTED, inputs, [result], options, version=3)
    return result


class Runner:
    """A file in LiteRT on one thread. Called with a text, it reads one token a word."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = Interpreter(model_content=content, num_threads=1)
        self.length = 0
        rng = np.random.default_rng(0)
        self.ids = {length: rng.integers(0, VOCABULARY, (1, length), dtype=np.int32) for length in range(1, 100)}

    def logits(self, length: int) -> Array:
        """Resize as the runtime does, infer, and return the logits of a sentence of this length."""
        index = self.interpreter.get_input_details()[0]["index"]
        if length != self.length:
            self.interpreter.resize_tensor_input(index, [1, length], strict=True)
            self.interpreter.allocate_tensors()
            self.length = length
        self.interpreter.set_tensor(index, self.ids[length])
        self.interpreter.invoke()
        logits: Array = self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])[0]
        return logits

    def __call__(self, text: str) -> int:
        """The class of a sentence with as many tokens as the text has words."""
        return int(self.logits(len(text.split())).argmax())


def texts() -> list[str]:
    """SST-2's dev, which is tokenised as it stands; else words of 3 to 40."""
    folder = os.environ.get("SST2_DIR")
    return read_rows(Path(folder) / "dev.tsv").texts if folder else ["word " * length for length in range(3, 41)]


def cold_start(content: bytes) -> float:
    """Milliseconds from the file's bytes to the first answer, of 20 tokens."""
    begun = time.perf_counter()
    Runner(content).logits(20)
    return (time.perf_counter() - begun) * 1e3


def test_ours_is_as_accurate_and_faster() -> None:
    weights = reference_weights(VOCABULARY)
    contents = {"plain": write_plain(weights), "ours": write_tflite(weights, quantize=True)}
    assert len(contents["ours"]) <= LARGEST_FILE
    exact = Runner(write_tflite(weights, quantize=False))
    runners = {name: Runner(content) for name, content in contents.items()}
    errors = {
        name: np.sqrt(np.mean([(run.logits(length) - exact.logits(length)) ** 2 for length in range(1, 65)]))
        for name, run in runners.items()
    }
    print(f"\nbytes { ({name: len(content) for name, content in contents.items()}) }")
    print(f"root mean square distance from fp32: plain {errors['plain']:.5f}, ours {errors['ours']:.5f}")
    assert errors["ours"] < 1.1 * errors["plain"]
    starts = {name: np.median([cold_start(content) for _ in range(20)]) for name, content in contents.items()}
    print(f"bytes to first answer: plain {starts['plain']:.2f} ms, ours {starts['ours']:.2f} ms")
    report = measure_latency(runners, texts(), rounds=20)
    ratio = report["ours"].median_ms / report["plain"].median_ms
    print(f"{report['ours'].texts} texts: plain {report['plain'].median_ms:.3f} ms, ", end="")
    print(f"ours {report['ours'].median_ms:.3f} ms, ratio {ratio:.3f}")
    # Times of a busy machine: what is guarded is the direction, not the third digit.
    assert ratio < 1


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "plain.tflite").write_bytes(write_plain(reference_weights(VOCABULARY)))
    (folder / "ours.tflite").write_bytes(write_tflite(reference_weights(VOCABULARY), quantize=True))
