import json
import os
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import kdbuild
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.model import Array, LstmWeights, Pooling, StudentModel
from kdbuild.export.student_model import student_model
from kdbuild.trainer.student.bilstm import student_logits
from references import (
    CLASSES,
    EMBEDDING,
    HIDDEN,
    LENGTHS,
    VARIANTS,
    VOCABULARY,
    changed,
    features,
    random_student,
    reference,
    sentence,
    variant_reference,
)
from students import random_torch_student

MICROSOFT = "com.microsoft"


def constants(content: bytes) -> dict[str, npt.NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(content).graph.initializer}


def nodes(content: bytes) -> list[tuple[str, str]]:
    return [(node.domain, node.op_type) for node in onnx.load_from_string(content).graph.node]


def stored(content: bytes, pooling: Pooling = "last") -> StudentModel:
    """The student that an int8 file holds, its integers multiplied by their scales."""
    arrays = constants(content)

    def gates(rows: npt.NDArray[Any]) -> Array:
        """From ONNX's order, input, output, forget, cell, to PyTorch's."""
        size = len(rows) // 4
        order = [0, 2, 3, 1]
        return np.concatenate([rows[gate * size : (gate + 1) * size] for gate in order]).astype(np.float32)

    def matrix(name: str, direction: int) -> Array:
        scales = arrays[f"{name}_scales"][direction]
        return gates((arrays[name][direction] * scales).T)

    def lstm(direction: int) -> LstmWeights:
        rows = len(arrays["bias"][direction]) // 2
        return LstmWeights(
            input=matrix("input", direction)[:, :-2],
            recurrent=matrix("recurrent", direction),
            bias=gates(arrays["bias"][direction][:rows] + arrays["bias"][direction][rows:]),
        )

    return StudentModel.one_layer(
        embedding=arrays["embedding"][:, :-2].astype(np.float32),
        forward=lstm(0),
        backward=lstm(1),
        hidden=(arrays["hidden"] * arrays["hidden_scales"]).T.astype(np.float32),
        hidden_bias=arrays["hidden_bias"],
        output=arrays["output"],
        output_bias=arrays["output_bias"],
        pooling=pooling,
    )


class Runner:
    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, ids: npt.NDArray[np.int32], output: str = "logits") -> Array:
        (answer,) = self.session.run([output], {"ids": ids[None]})
        assert answer.shape[0] == 1
        result: Array = answer.reshape(-1)
        return result


@pytest.fixture(scope="module")
def student() -> StudentModel:
    return random_student()


@pytest.fixture(scope="module")
def fp32(student: StudentModel) -> bytes:
    return write_onnx(student, quantize=False)


@pytest.fixture(scope="module")
def int8(student: StudentModel) -> bytes:
    return write_onnx(student, quantize=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_int8_differs_from_its_stored_weights_by_the_rounding_of_activations(
    student: StudentModel, int8: bytes, length: int
) -> None:
    ids = sentence(length)
    logits = Runner(int8)(ids)
    assert logits == pytest.approx(reference(stored(int8), ids), abs=0.01)
    assert logits == pytest.approx(reference(student, ids), abs=0.05)


@pytest.mark.parametrize("quantize", [False, True])
def test_the_interface_is_ids_of_any_length_in_and_logits_out(student: StudentModel, quantize: bool) -> None:
    content = write_onnx(student, quantize=quantize)
    session = Runner(content).session
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("ids", "tensor(int32)", [1, "tokens"])]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [("logits", "tensor(float)", [1, CLASSES])]
    assert constants(content)["embedding"].shape == (VOCABULARY, EMBEDDING + 2 * quantize)
    assert constants(content)["embedding"].dtype == (np.int8 if quantize else np.float32)


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("quantize", [False, True])
def test_the_checker_finds_nothing(student: StudentModel, pooling: Pooling, quantize: bool) -> None:
    model = onnx.load_from_string(write_onnx(changed(student, pooling=pooling), quantize=quantize))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    own = {MICROSOFT: 1} if quantize else {}
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 17, **own}
    names = [node.name for node in model.graph.node] + [tensor.name for tensor in model.graph.initializer]
    assert len(names) == len(set(names))


def test_fp32_uses_the_operators_of_onnx_alone(student: StudentModel, fp32: bytes, int8: bytes) -> None:
    assert nodes(fp32) == [("", name) for name in ("Reshape", "Gather", "LSTM", "Reshape", "Gemm", "Relu", "Gemm")]
    assert nodes(int8) == [
        ("", "Reshape"),
        ("", "Gather"),
        ("", "Cast"),
        (MICROSOFT, "DynamicQuantizeLSTM"),
        ("", "Reshape"),
        (MICROSOFT, "DynamicQuantizeMatMul"),
        ("", "Relu"),
        ("", "Gemm"),
    ]
    pooled = [nodes(write_onnx(changed(student, pooling="max"), quantize=quantize)) for quantize in (False, True)]
    assert pooled[0] == [*nodes(fp32)[:3], ("", "ReduceMax"), *nodes(fp32)[3:]]
    assert pooled[1] == [*nodes(int8)[:4], ("", "ReduceMax"), *nodes(int8)[4:]]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_equal_the_reference(name: str) -> None:
    student = random_torch_student(**VARIANTS[name])
    weights = student_model(student)
    content = write_onnx(weights, quantize=True)
    fp32, int8 = Runner(write_onnx(weights, quantize=False)), Runner(content)
    answers = []
    # In turns on each runner: what one sentence leaves behind would show in the next.
    for length in (1, 17, 2, 64, 17, 3):
        ids = sentence(length, 40)
        expected = variant_reference(student, ids)
        assert student_logits(student, [ids.tolist()])[0] == pytest.approx(expected, abs=2e-6)
        assert fp32(ids) == pytest.approx(expected, abs=1e-5)
        assert int8(ids) == pytest.approx(reference(stored(content, weights.encoder.pooling), ids), abs=0.02)
        assert int8(ids) == pytest.approx(expected, abs=0.1)
        answers.append(expected)
    assert answers[1].tolist() == answers[4].tolist()
    assert np.abs(answers[1] - answers[3]).max() > 0.05


@pytest.mark.parametrize("quantize", [False, True])
def test_pooling_changes_the_answer(student: StudentModel, quantize: bool) -> None:
    """The tests above would see it if it were left out."""
    last, highest = (
        Runner(write_onnx(weights, quantize=quantize)) for weights in (student, changed(student, pooling="max"))
    )
    assert np.abs(last(sentence(17)) - highest(sentence(17))).max() > 0.05
    assert last(sentence(1)).tolist() == highest(sentence(1)).tolist()


def test_the_metadata() -> None:
    weights = random_student(classes=2)
    content = write_onnx(weights, quantize=True, labels=["né", 'a "b"'], vocabulary_sha256="ab" * 32)
    model = onnx.load_from_string(content)
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [
        ("format", "kdbuild-1"),
        ("precision", "int8"),
        ("vocabulary_size", "50"),
        ("labels", '["né", "a \\"b\\""]'),
        ("vocabulary_sha256", "ab" * 32),
    ]
    assert model.producer_name == "kdbuild"
    bare = onnx.load_from_string(write_onnx(weights, quantize=False))
    assert {entry.key: entry.value for entry in bare.metadata_props} == {
        "format": "kdbuild-1",
        "precision": "fp32",
        "vocabulary_size": "50",
    }


def test_labels_must_be_as_many_as_logits(student: StudentModel) -> None:
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        write_onnx(student, quantize=False, labels=["a", "b"])


DIGEST = """
import hashlib
import numpy as np
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.export.model import LstmWeights, StudentModel

def values(*shape):
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)

lstm = LstmWeights(values(12, 4), values(12, 3), values(12))
weights = StudentModel.one_layer(values(9, 4), lstm, lstm, values(5, 6), values(5), values(3, 5), values(3))
for quantize in (False, True):
    content = write_onnx(weights, quantize=quantize, labels=["a", "b", "c"], vocabulary_sha256="0" * 64)
    print(hashlib.sha256(content).hexdigest())
"""


def test_another_process_writes_the_same_bytes() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert len(set(printed[0])) == 2


def test_neighbours_of_one_sign_fit_in_sixteen_bits(int8: bytes) -> None:
    """Twice 255 times a weight must: else x86-64 processors without VNNI saturate their sum."""
    arrays = constants(int8)
    for name in ("input", "recurrent", "hidden"):
        # [..., inputs, outputs]: neighbours are two inputs of one output.
        rows = np.swapaxes(arrays[name].astype(np.int32), -1, -2)
        pairs = rows.reshape(*rows.shape[:-1], -1, 2)
        sums = np.array([pairs.clip(min=0).sum(axis=-1).max(), pairs.clip(max=0).sum(axis=-1).min()])
        # One of the two signs reaches the bound somewhere: the steps are as fine as they may be.
        assert np.abs(sums).max() in (127, 128)
        assert (255 * sums >= -32768).all() and (255 * sums <= 32767).all()


def test_vectors_end_with_the_range_of_activations(int8: bytes) -> None:
    arrays = constants(int8)
    embedding = arrays["embedding"]
    assert (embedding[:, -2:] == [-128, 127]).all()
    assert np.abs(embedding[:, :-2].astype(np.int32)).max(axis=0).tolist() == [127] * EMBEDDING
    assert not arrays["input"][:, -2:, :].any()


def with_features(content: bytes) -> bytes:
    """The same graph, which also gives what the classifier reads."""
    model = onnx.load_from_string(content)
    model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 2 * HIDDEN]))
    extended: bytes = model.SerializeToString()
    return extended


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_the_input_projection_of_int8_is_exact(student: StudentModel, pooling: Pooling) -> None:
    """Without a recurrence, states are those of the stored weights, whatever else is in the sentence."""
    embedding = student.encoder.embedding.copy()
    embedding[7] *= 100  # beside it, other words would be nothing with a scale that served them all
    still = [
        replace(lstm, recurrent=np.zeros_like(lstm.recurrent))
        for lstm in (student.encoder.layer.forward, student.encoder.layer.backward)
    ]
    weights = changed(student, embedding=embedding, forward=still[0], backward=still[1], pooling=pooling)
    content = write_onnx(weights, quantize=True)
    run, held = Runner(with_features(content)), stored(content, pooling)
    for ids in (sentence(1), sentence(17), np.array([7, 1, 2, 7, 3], np.int32)):
        vectors = held.encoder.embedding.astype(np.float64)[ids]
        both = [(held.encoder.layer.forward, vectors), (held.encoder.layer.backward, vectors[::-1])]
        expected = np.concatenate([features(lstm, order, pooling) for lstm, order in both])
        assert run(ids, "features") == pytest.approx(expected, abs=1e-6)


def test_recurrent_matrices_of_like_rows_have_one_scale(student: StudentModel, int8: bytes) -> None:
    assert constants(int8)["recurrent_scales"].shape == (2,)
    uneven = student.encoder.layer.backward.recurrent.copy()
    uneven[3] *= 30
    weights = changed(student, backward=replace(student.encoder.layer.backward, recurrent=uneven))
    content = write_onnx(weights, quantize=True)
    assert constants(content)["recurrent_scales"].shape == (2, 4 * HIDDEN)
    for length in LENGTHS:
        ids = sentence(length)
        assert Runner(content)(ids) == pytest.approx(reference(stored(content), ids), abs=0.03)
        assert Runner(content)(ids) == pytest.approx(reference(weights, ids), abs=0.1)


def test_sizes_that_are_odd() -> None:
    weights = random_student(vocabulary=11, embedding=5, hidden=3, units=7, classes=2)
    content = write_onnx(weights, quantize=True)
    for length in LENGTHS:
        ids = sentence(length, 11)
        assert Runner(write_onnx(weights, quantize=False))(ids) == pytest.approx(reference(weights, ids), abs=1e-5)
        assert Runner(content)(ids) == pytest.approx(reference(stored(content), ids), abs=0.02)


def test_rows_and_columns_of_zeros(student: StudentModel) -> None:
    """They have no scale of their own."""
    embedding, hidden = student.encoder.embedding.copy(), student.head.hidden.copy()
    embedding[:, 4] = 0
    hidden[2] = 0
    recurrent = np.zeros_like(student.encoder.layer.forward.recurrent)
    weights = changed(
        student, embedding=embedding, hidden=hidden, forward=replace(student.encoder.layer.forward, recurrent=recurrent)
    )
    content = write_onnx(weights, quantize=True)
    assert np.isfinite(np.concatenate([a.ravel() for n, a in constants(content).items() if n.endswith("scales")])).all()
    ids = sentence(9)
    assert Runner(content)(ids) == pytest.approx(reference(weights, ids), abs=0.05)
    nothing = changed(student, hidden=np.zeros_like(hidden), output_bias=np.array([1, -2.5, 0], np.float32))
    nothing = changed(nothing, hidden_bias=-np.abs(student.head.hidden_bias))
    assert Runner(write_onnx(nothing, quantize=True))(ids).tolist() == [1, -2.5, 0]


def test_a_full_sized_student() -> None:
    vocabulary, embedding, hidden, units, classes = 14_817, 300, 300, 400, 2
    student = random_student(vocabulary, embedding, hidden, units, classes)
    ids = sentence(20, vocabulary)
    expected = reference(student, ids)
    fp32, int8 = (write_onnx(student, quantize=quantize) for quantize in (False, True))
    assert Runner(fp32)(ids) == pytest.approx(expected, abs=1e-5)
    assert Runner(int8)(ids) == pytest.approx(expected, abs=0.05)
    # One byte a weight but for the last layer, with two a word and two an input row of zeros behind them; four bytes for
    # each scale and each bias (LSTM's is twice as long as it need be); one for each zero point. Then the graph itself.
    matrices = vocabulary * (embedding + 2) + 8 * hidden * (embedding + 2 + hidden) + units * 2 * hidden
    scales = 8 * hidden + 2 + units
    biases = 16 * hidden + units + classes
    zero_points = 8 * hidden + units
    assert 0 < len(int8) - (matrices + 4 * (scales + biases + classes * units) + zero_points) < 4096
    assert len(int8) < 6_300_000
    assert 0.24 < len(int8) / len(fp32) < 0.26


OTHER_RUNTIME = """
import json, pathlib, sys
import numpy as np
from kdbuild.runtime.engines.onnx import OnnxEngine

engine = OnnxEngine(pathlib.Path(sys.argv[1]))
answers = [engine(np.array(ids, np.int32)).tolist() for ids in json.load(sys.stdin)]
print(json.dumps([engine.version, engine.vocabulary_size, answers]))
"""


@pytest.fixture(scope="module")
def onnxruntime_1_17_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with ONNX Runtime 1.17.3, which needs an older numpy than ours."""
    if sys.version_info[:2] > (3, 12):
        pytest.skip("onnxruntime 1.17.3 has no wheel for this Python; its last is for 3.12")
    folder = tmp_path_factory.mktemp("onnxruntime")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "onnxruntime==1.17.3", "numpy<2"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"pip can't install onnxruntime 1.17.3: {installed.stderr.strip()[-200:]}")
    return python


@pytest.mark.slow
@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("quantize", [False, True])
def test_onnx_runtime_1_17_computes_the_same(
    student: StudentModel,
    onnxruntime_1_17_python: Path,
    tmp_path: Path,
    quantize: bool,
    pooling: Pooling,
    uneven: bool,
) -> None:
    recurrent = student.encoder.layer.forward.recurrent.copy()
    recurrent[5] *= 30 if uneven else 1
    weights = changed(student, forward=replace(student.encoder.layer.forward, recurrent=recurrent), pooling=pooling)
    content = write_onnx(weights, quantize=quantize)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    sentences = [sentence(length) for length in [*LENGTHS, 3]]
    answer = subprocess.run(
        [str(onnxruntime_1_17_python), "-c", OTHER_RUNTIME, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(kdbuild.__file__).parents[1])},
        input=json.dumps([ids.tolist() for ids in sentences]),
        capture_output=True,
        text=True,
        check=True,
    )
    version, vocabulary_size, answers = json.loads(answer.stdout)
    assert (version, vocabulary_size) == ("1.17.3", VOCABULARY)
    run = Runner(content)
    for ids, logits in zip(sentences, answers, strict=True):
        assert logits == pytest.approx(run(ids).tolist(), abs=1e-5)
