import json
import os
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import kdbuild
from kdbuild.export.quantize import quantize_rows
from kdbuild.export.tflite import write_tflite
from kdbuild.export.weights import Array, LstmWeights, StudentWeights

VOCABULARY, EMBEDDING, HIDDEN, UNITS, CLASSES = 50, 24, 20, 12, 3
LENGTHS = [1, 2, 3, 17, 64, 512]

Float64 = npt.NDArray[np.float64]


def random_student(
    vocabulary: int = VOCABULARY,
    embedding: int = EMBEDDING,
    hidden: int = HIDDEN,
    units: int = UNITS,
    classes: int = CLASSES,
) -> StudentWeights:
    """Weights that keep the gates and the units in the range of a trained student's, rows of unlike sizes."""
    rng = np.random.default_rng(7)

    def matrix(rows: int, columns: int) -> Array:
        size = rng.uniform(0.5, 1.5, (rows, 1)) / np.sqrt(columns)
        values: Array = (rng.standard_normal((rows, columns)) * size).astype(np.float32)
        return values

    def bias(size: int) -> Array:
        return rng.normal(scale=0.3, size=size).astype(np.float32)

    def direction() -> LstmWeights:
        return LstmWeights(matrix(4 * hidden, embedding), matrix(4 * hidden, hidden), bias(4 * hidden))

    return StudentWeights(
        embedding=rng.normal(size=(vocabulary, embedding)).astype(np.float32),
        forward=direction(),
        backward=direction(),
        hidden=matrix(units, 2 * hidden),
        hidden_bias=bias(units),
        output=matrix(classes, units),
        output_bias=bias(classes),
    )


def sentence(length: int, vocabulary: int = VOCABULARY) -> npt.NDArray[np.int32]:
    return np.random.default_rng(length).integers(0, vocabulary, length, dtype=np.int32)


def sigmoid(x: Float64) -> Float64:
    return 1 / (1 + np.exp(-x))


def last_state(lstm: LstmWeights, vectors: Float64) -> Float64:
    size = lstm.recurrent.shape[1]
    hidden, cell = np.zeros(size), np.zeros(size)
    for vector in vectors:
        gates = lstm.input.astype(np.float64) @ vector + lstm.recurrent.astype(np.float64) @ hidden + lstm.bias
        cell = sigmoid(gates[size : 2 * size]) * cell + sigmoid(gates[:size]) * np.tanh(gates[2 * size : 3 * size])
        hidden = sigmoid(gates[3 * size :]) * np.tanh(cell)
    return hidden


def reference(student: StudentWeights, ids: npt.NDArray[np.int32]) -> Float64:
    """The student's logits in float64."""
    vectors = student.embedding.astype(np.float64)[ids]
    states = np.concatenate([last_state(student.forward, vectors), last_state(student.backward, vectors[::-1])])
    units = np.maximum(student.hidden.astype(np.float64) @ states + student.hidden_bias, 0)
    logits: Float64 = student.output.astype(np.float64) @ units + student.output_bias
    return logits


def rounded(student: StudentWeights) -> StudentWeights:
    """The student that the int8 file stores."""

    def matrix(values: Array) -> Array:
        integers, scales = quantize_rows(values)
        return (integers * scales[:, None]).astype(np.float32)

    def direction(lstm: LstmWeights) -> LstmWeights:
        return replace(lstm, input=matrix(lstm.input), recurrent=matrix(lstm.recurrent))

    return replace(
        student,
        embedding=matrix(student.embedding),
        forward=direction(student.forward),
        backward=direction(student.backward),
        hidden=matrix(student.hidden),
        output=matrix(student.output),
    )


class Runner:
    def __init__(self, model: bytes) -> None:
        self.interpreter = Interpreter(model_content=model, num_threads=1)
        (self.input,) = self.interpreter.get_input_details()
        (self.output,) = self.interpreter.get_output_details()

    def __call__(self, ids: npt.NDArray[np.int32]) -> Array:
        self.interpreter.resize_tensor_input(self.input["index"], [1, len(ids)], strict=True)
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(self.input["index"], ids[None])
        self.interpreter.invoke()
        logits: Array = self.interpreter.get_tensor(self.output["index"])
        assert logits.shape[0] == 1
        return logits.reshape(-1)


@pytest.fixture(scope="module")
def student() -> StudentWeights:
    return random_student()


@pytest.fixture(scope="module")
def fp32(student: StudentWeights) -> bytes:
    return write_tflite(student, quantize=False)


@pytest.fixture(scope="module")
def int8(student: StudentWeights) -> bytes:
    return write_tflite(student, quantize=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_fp32_equals_the_reference(student: StudentWeights, fp32: bytes, length: int) -> None:
    ids = sentence(length)
    assert Runner(fp32)(ids) == pytest.approx(reference(student, ids), abs=1e-5)


@pytest.mark.parametrize("length", LENGTHS)
def test_int8_differs_from_its_rounded_weights_by_the_rounding_of_activations(
    student: StudentWeights, int8: bytes, length: int
) -> None:
    ids = sentence(length)
    assert Runner(int8)(ids) == pytest.approx(reference(rounded(student), ids), abs=0.02)


@pytest.mark.parametrize("quantize", [False, True])
def test_nothing_is_kept_between_calls(student: StudentWeights, quantize: bool) -> None:
    run = Runner(write_tflite(student, quantize=quantize))
    first, second = sentence(9), np.array([4, 4, 31], np.int32)
    answer = run(first)
    assert not np.allclose(run(second), answer, atol=0.05)
    assert run(first).tolist() == answer.tolist()
    assert run(first).tolist() == answer.tolist()


def test_each_direction_reads_the_sentence_its_own_way(student: StudentWeights) -> None:
    mirrored = replace(
        student,
        forward=student.backward,
        backward=student.forward,
        hidden=np.roll(student.hidden, HIDDEN, axis=1),
    )
    ids = sentence(11)
    there, back = (Runner(write_tflite(weights, quantize=False)) for weights in (student, mirrored))
    assert back(ids[::-1].copy()) == pytest.approx(there(ids), abs=1e-6)
    assert not np.allclose(there(ids[::-1].copy()), there(ids), atol=0.05)


def test_the_interface_is_ids_of_any_length_in_and_logits_out(int8: bytes) -> None:
    run = Runner(int8)
    assert (run.input["name"], run.input["dtype"]) == ("ids", np.int32)
    assert run.input["shape_signature"].tolist() == [1, -1]
    assert (run.output["name"], run.output["dtype"]) == ("logits", np.float32)
    assert run.output["shape"].tolist() == [1, CLASSES]
    (embedding,) = (tensor for tensor in run.interpreter.get_tensor_details() if tensor["name"] == "embedding")
    assert embedding["shape"].tolist() == [VOCABULARY, EMBEDDING]


def operators(model: bytes) -> set[tuple[str, int]]:
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    codes = schema.ModelT.InitFromPackedBuf(model).operatorCodes
    return {(names[code.builtinCode], code.version) for code in codes}


def test_only_old_versions_of_builtin_operators_are_used(fp32: bytes, int8: bytes) -> None:
    common = {
        ("RESHAPE", 1),
        ("GATHER", 1),
        ("SHAPE", 1),
        ("MUL", 1),
        ("ADD", 1),
        ("WHILE", 1),
        ("GREATER_EQUAL", 1),
        ("SPLIT", 1),
        ("CONCATENATION", 1),
        ("LOGISTIC", 1),
        ("TANH", 1),
    }
    assert operators(fp32) == common | {("FULLY_CONNECTED", 1)}
    assert operators(int8) == common | {("FULLY_CONNECTED", 3), ("GATHER", 2), ("CAST", 1)}


@pytest.mark.parametrize("quantize", [False, True])
def test_the_same_weights_give_the_same_bytes(quantize: bool) -> None:
    files = [write_tflite(random_student(), quantize=quantize) for _ in range(2)]
    assert files[0] == files[1]


def test_int8_is_exact_about_biases_of_rows_without_weights(student: StudentWeights) -> None:
    bare = replace(student, output=np.zeros_like(student.output), output_bias=np.array([1, -2.5, 0], np.float32))
    assert Runner(write_tflite(bare, quantize=True))(sentence(3)).tolist() == [1, -2.5, 0]


def test_a_full_sized_student() -> None:
    vocabulary, embedding, hidden, units, classes = 14_000, 300, 300, 400, 2
    student = random_student(vocabulary, embedding, hidden, units, classes)
    ids = sentence(20, vocabulary)
    expected = reference(student, ids)
    fp32, int8 = (write_tflite(student, quantize=quantize) for quantize in (False, True))
    assert Runner(fp32)(ids) == pytest.approx(expected, abs=1e-5)
    assert Runner(int8)(ids) == pytest.approx(expected, abs=0.05)
    # One byte a weight, four for each row's scale, each bias and each initial state; then the graph itself.
    rows = vocabulary + 16 * hidden + units + classes
    matrices = vocabulary * embedding + 8 * hidden * (embedding + hidden) + units * 2 * hidden + classes * units
    biases = 8 * hidden + units + classes
    states = 2 * hidden
    assert 0 < len(int8) - (matrices + 4 * (rows + biases + states)) < 8192
    assert len(int8) < 6_000_000


OTHER_RUNTIME = """
import json, pathlib, sys
import numpy as np
from kdbuild.runtime.engines.tflite import TFLiteEngine

engine = TFLiteEngine(pathlib.Path(sys.argv[1]))
answers = [engine(np.array(ids, np.int32)).tolist() for ids in json.load(sys.stdin)]
print(json.dumps([engine.name, engine.version, engine.vocabulary_size, answers]))
"""


@pytest.fixture(scope="module")
def tflite_runtime_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with tflite-runtime 2.14.0, which needs an older numpy than ours."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("tflite-runtime 2.14.0 has no wheel for this Python; its last is for 3.11")
    folder = tmp_path_factory.mktemp("tflite-runtime")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "tflite-runtime==2.14.0", "numpy<2"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"pip can't install tflite-runtime 2.14.0: {installed.stderr.strip()[-200:]}")
    return python


@pytest.mark.slow
# fp32 is the same arithmetic. In int8, LiteRT quantises activations with a zero point and tflite-runtime without.
@pytest.mark.parametrize(("quantize", "tolerance"), [(False, 1e-5), (True, 0.03)])
def test_tflite_runtime_2_14_computes_the_same(
    student: StudentWeights, tflite_runtime_python: Path, tmp_path: Path, quantize: bool, tolerance: float
) -> None:
    model = write_tflite(student, quantize=quantize)
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    sentences = [sentence(length) for length in [*LENGTHS, 3]]
    answer = subprocess.run(
        [str(tflite_runtime_python), "-c", OTHER_RUNTIME, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(kdbuild.__file__).parents[1])},
        input=json.dumps([ids.tolist() for ids in sentences]),
        capture_output=True,
        text=True,
        check=True,
    )
    name, version, vocabulary_size, answers = json.loads(answer.stdout)
    assert (name, version, vocabulary_size) == ("tflite-runtime", "2.14.0", VOCABULARY)
    run = Runner(model)
    for ids, logits in zip(sentences, answers, strict=True):
        assert logits == pytest.approx(run(ids).tolist(), abs=tolerance)
