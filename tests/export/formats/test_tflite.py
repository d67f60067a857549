import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import kdbuild
from kdbuild.export.formats.tflite.graph import TFLite, write_tflite
from kdbuild.export.model import Array, LstmWeights, Pooling, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.trainer.student.bilstm import student_logits
from references import (
    CLASSES,
    EMBEDDING,
    LENGTHS,
    VARIANTS,
    VOCABULARY,
    changed,
    random_student,
    reference,
    sentence,
    variant_reference,
)
from students import random_torch_student


def rounded(student: StudentModel) -> StudentModel:
    """The student that the int8 file stores."""

    def matrix(values: Array) -> Array:
        integers, scales = quantize_rows(values)
        return (integers * scales[:, None]).astype(np.float32)

    def direction(lstm: LstmWeights) -> LstmWeights:
        return replace(lstm, input=matrix(lstm.input), recurrent=matrix(lstm.recurrent))

    return changed(
        student,
        embedding=matrix(student.encoder.embedding),
        forward=direction(student.encoder.layer.forward),
        backward=direction(student.encoder.layer.backward),
        hidden=matrix(student.head.hidden),
        output=matrix(student.head.output),
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
def student() -> StudentModel:
    return random_student()


@pytest.fixture(scope="module")
def fp32(student: StudentModel) -> bytes:
    return write_tflite(student, quantize=False)


@pytest.fixture(scope="module")
def int8(student: StudentModel) -> bytes:
    return write_tflite(student, quantize=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_int8_differs_from_its_rounded_weights_by_the_rounding_of_activations(
    student: StudentModel, int8: bytes, length: int
) -> None:
    ids = sentence(length)
    assert Runner(int8)(ids) == pytest.approx(reference(rounded(student), ids), abs=0.02)


def test_the_interface_is_ids_of_any_length_in_and_logits_out(int8: bytes) -> None:
    run = Runner(int8)
    assert (run.input["name"], run.input["dtype"]) == ("ids", np.int32)
    assert run.input["shape_signature"].tolist() == [1, -1]
    assert (run.output["name"], run.output["dtype"]) == ("logits", np.float32)
    assert run.output["shape"].tolist() == [1, CLASSES]
    (embedding,) = (tensor for tensor in run.interpreter.get_tensor_details() if tensor["name"] == "embedding")
    assert embedding["shape"].tolist() == [VOCABULARY, EMBEDDING]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_equal_the_reference(name: str) -> None:
    student = random_torch_student(**VARIANTS[name])
    weights = student_model(student)
    fp32, int8 = (Runner(write_tflite(weights, quantize=quantize)) for quantize in (False, True))
    answers = []
    # In turns on each runner: what one sentence leaves behind would show in the next.
    for length in (1, 17, 2, 64, 17, 3):
        ids = sentence(length, 40)
        expected = variant_reference(student, ids)
        assert student_logits(student, [ids.tolist()])[0] == pytest.approx(expected, abs=2e-6)
        assert fp32(ids) == pytest.approx(expected, abs=1e-5)
        assert int8(ids) == pytest.approx(reference(rounded(weights), ids), abs=0.02)
        assert int8(ids) == pytest.approx(expected, abs=0.1)
        answers.append(expected)
    assert answers[1].tolist() == answers[4].tolist()
    assert np.abs(answers[1] - answers[3]).max() > 0.05


def test_options_change_the_answer() -> None:
    """The same parameters without the option answer otherwise: the tests above would see it if it were left out."""
    ids = sentence(17, 40)
    for shape in ({"pooling": "max"}, {"channels": 2}):
        student = random_torch_student(**shape)
        weights = student_model(student)
        logits = Runner(write_tflite(weights, quantize=False))(ids)
        if "pooling" in shape:
            without = changed(weights, pooling="last")
        else:
            embedding = weights.encoder.embedding.copy()
            embedding[:, 24:] = 0
            without = changed(weights, embedding=embedding)
        assert np.abs(Runner(write_tflite(without, quantize=False))(ids) - logits).max() > 0.05


def test_a_factorised_embedding_stays_small() -> None:
    weights = student_model(random_torch_student(factor_size=6))
    assert weights.encoder.embedding.shape == (40, 6)
    assert weights.encoder.layer.forward.input.shape == weights.encoder.layer.backward.input.shape == (80, 6)
    two = student_model(random_torch_student(factor_size=6, channels=2))
    assert two.encoder.embedding.shape == (40, 6 + 24)
    assert two.encoder.layer.forward.input.shape == (80, 6 + 24)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (
            {"layers": 9, "hidden_size": 2},
            "with --layers 9. Leave this format out, distil one with --layers 8, or use this one in torch",
        ),
        ({"layers": 8, "hidden_size": 2, "pairs": True}, None),
        ({"pooling": "mean"}, "with --pooling mean. Distil one with --pooling last, or use this one in torch"),
        ({}, None),
        *((shape, None) for shape in VARIANTS.values()),
    ],
)
def test_students_that_tflite_can_express(shape: dict[str, Any], reason: str | None) -> None:
    assert TFLite().unsupported(student_shape(random_torch_student(**shape))) == reason


def test_texts_of_a_pair_share_weights_and_no_loop() -> None:
    alone, pair = (
        schema.ModelT.InitFromPackedBuf(write_tflite(student_model(random_torch_student(**shape)), quantize=True))
        for shape in ({"layers": 2}, {"layers": 2, "pairs": True})
    )
    names = [[graph.name.decode() for graph in model.subgraphs] for model in (alone, pair)]
    loops = [[f"condition{number}", f"body{number}"] for number in ("", "_2", "_3", "_4")]
    assert names == [["main", *loops[0], *loops[1]], ["main", *loops[0], *loops[1], *loops[2], *loops[3]]]
    # The classifier of a pair reads four times as much; nothing else is larger.
    sizes = [sorted(len(buffer.data) for buffer in model.buffers if buffer.data is not None) for model in (alone, pair)]
    assert sum(sizes[1]) - sum(sizes[0]) == 3 * 2 * 20 * 12
    inputs = [pair.subgraphs[0].tensors[index].name.decode() for index in pair.subgraphs[0].inputs]
    assert inputs == ["ids", "ids2"]


def test_the_operators_of_layers_and_pairs(int8: bytes) -> None:
    layers, pairs = (
        operators(write_tflite(student_model(random_torch_student(**shape)), quantize=True))
        for shape in ({"layers": 2}, {"pairs": True})
    )
    assert layers == operators(int8) | {("SLICE", 1), ("DYNAMIC_UPDATE_SLICE", 1), ("REVERSE_V2", 1)}
    assert pairs == operators(int8) | {("SUB", 1), ("ABS", 1)}


def exact_student() -> StudentModel:
    """Weights of a few binary digits, made without floating-point functions: the same on every machine."""

    def values(*shape: int) -> Array:
        numbers = (np.arange(np.prod(shape)) * 7919 + 104729 * len(shape) + shape[0]) % 1009
        return ((numbers - 504) / 512).astype(np.float32).reshape(shape)

    return StudentModel.one_layer(
        embedding=values(30, 12),
        forward=LstmWeights(values(40, 12), values(40, 10), values(40)),
        backward=LstmWeights(-values(40, 12), -values(40, 10), -values(40)),
        hidden=values(7, 20),
        hidden_bias=values(7),
        output=values(3, 7),
        output_bias=values(3),
    )


@pytest.mark.parametrize(
    ("quantize", "digest"),
    [
        (False, "c0e727a5531f9e0d72c2e6323f2e3a155cd8741ac94698f4739cacb03bb28963"),
        (True, "9e84e2748254c26eeaf54e2da8490fc28655871469cbf039f6b6fb1ffcc6e31e"),
    ],
)
def test_the_graph_of_a_default_student_is_frozen(quantize: bool, digest: str) -> None:
    """What is added for other students must leave a default student's file as it is."""
    assert hashlib.sha256(write_tflite(exact_student(), quantize=quantize)).hexdigest() == digest


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
    assert operators(int8) == common | {("CONV_2D", 5), ("GATHER", 2), ("CAST", 1)}
    pooled = write_tflite(changed(random_student(), pooling="max"), quantize=True)
    assert operators(pooled) == operators(int8) | {("MAXIMUM", 1)}


def test_int8_is_exact_about_biases_of_rows_without_weights(student: StudentModel) -> None:
    bare = changed(student, output=np.zeros_like(student.head.output), output_bias=np.array([1, -2.5, 0], np.float32))
    assert Runner(write_tflite(bare, quantize=True))(sentence(3)).tolist() == [1, -2.5, 0]


def test_a_full_sized_student() -> None:
    vocabulary, embedding, hidden, units, classes = 14_000, 300, 300, 400, 2
    student = random_student(vocabulary, embedding, hidden, units, classes)
    ids = sentence(20, vocabulary)
    expected = reference(student, ids)
    fp32, int8 = (write_tflite(student, quantize=quantize) for quantize in (False, True))
    assert Runner(fp32)(ids) == pytest.approx(expected, abs=1e-5)
    assert Runner(int8)(ids) == pytest.approx(expected, abs=0.05)
    # One byte a weight, four for each row's scale and each bias, eight for the zero point that goes with the scale of a
    # row that is no embedding; the input projections' bias, which is 0, and the first step's; then the graph itself.
    rows = vocabulary + 16 * hidden + units + classes
    matrices = vocabulary * embedding + 8 * hidden * (embedding + hidden) + units * 2 * hidden + classes * units
    biases = 8 * hidden + units + classes
    more = 8 * (rows - vocabulary) + 2 * 4 * 8 * hidden
    assert 0 < len(int8) - (matrices + 4 * (rows + biases) + more) < 10_240
    assert len(int8) < 6_050_000


def test_scales_are_never_all_equal(student: StudentModel) -> None:
    """TensorFlow Lite 2.16 computes 0 where they are."""
    ones = np.ones_like(student.head.output)
    model = write_tflite(changed(student, output=ones, output_bias=np.zeros(len(ones), np.float32)), quantize=True)
    graphs = schema.ModelT.InitFromPackedBuf(model).subgraphs
    scales = [tensor.quantization.scale for graph in graphs for tensor in graph.tensors if tensor.quantization]
    assert [len(np.unique(values)) for values in scales if values is not None and len(values) == len(ones)] == [2]
    assert Runner(model)(sentence(3)) == pytest.approx(
        reference(changed(student, output=ones, output_bias=ones[:, 0] * 0), sentence(3)), abs=0.05
    )


OTHER_RUNTIME = """
import json, pathlib, sys
import numpy as np
from kdbuild.runtime.engines.tflite import TFLiteEngine

engine = TFLiteEngine(pathlib.Path(sys.argv[1]))
answers = [engine(*(np.array(ids, np.int32) for ids in row)).tolist() for row in json.load(sys.stdin)]
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


def asked_elsewhere(python: Path, path: Path, rows: Sequence[tuple[npt.NDArray[np.int32], ...]]) -> Any:
    """What the other interpreter says of itself, and its answers to texts or pairs."""
    answer = subprocess.run(
        [str(python), "-c", OTHER_RUNTIME, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(kdbuild.__file__).parents[1])},
        input=json.dumps([[ids.tolist() for ids in row] for row in rows]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("quantize", "tolerance"), [(False, 1e-5), (True, 0.03)])
@pytest.mark.parametrize("shape", [{"layers": 3}, {"pairs": True}, {"layers": 2, "pairs": True, "pooling": "max"}])
def test_tflite_runtime_2_14_reads_layers_and_pairs(
    tflite_runtime_python: Path, tmp_path: Path, quantize: bool, tolerance: float, shape: dict[str, Any]
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(write_tflite(student_model(random_torch_student(**shape)), quantize=quantize))
    texts = [sentence(length, 40) for length in (1, 17, 5, 64, 5)]
    rows = list(zip(texts, texts[::-1], strict=True)) if shape.get("pairs") else [(ids,) for ids in texts]
    _, _, _, answers = asked_elsewhere(tflite_runtime_python, path, rows)
    engine = TFLiteEngine(path)
    for row, logits in zip(rows, answers, strict=True):
        assert logits == pytest.approx(engine(*row).tolist(), abs=tolerance)


@pytest.mark.slow
# fp32 is the same arithmetic. In int8, LiteRT quantises activations with a zero point and tflite-runtime without.
@pytest.mark.parametrize(("quantize", "tolerance"), [(False, 1e-5), (True, 0.03)])
@pytest.mark.parametrize("pooling", ["last", "max"])
def test_tflite_runtime_2_14_computes_the_same(
    student: StudentModel,
    tflite_runtime_python: Path,
    tmp_path: Path,
    quantize: bool,
    tolerance: float,
    pooling: Pooling,
) -> None:
    model = write_tflite(changed(student, pooling=pooling), quantize=quantize)
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    sentences = [sentence(length) for length in [*LENGTHS, 3]]
    name, version, vocabulary_size, answers = asked_elsewhere(
        tflite_runtime_python, path, [(ids,) for ids in sentences]
    )
    assert (name, version, vocabulary_size) == ("tflite-runtime", "2.14.0", VOCABULARY)
    run = Runner(model)
    for ids, logits in zip(sentences, answers, strict=True):
        assert logits == pytest.approx(run(ids).tolist(), abs=tolerance)
