import io
import os
import platform
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.formats.torchscript import write_torchscript
from kdbuild.export.model import Array, LstmWeights, Pooling, StudentModel
from kdbuild.export.student_model import student_model
from kdbuild.runtime.engines.torchscript import TorchScriptEngine, expected_warnings
from references import LENGTHS, changed, random_student, reference, sentence
from students import random_torch_student

FROM_TORCH = {
    "default": {},
    "max": {"pooling": "max"},
    "factorised": {"factor_size": 6},
    "two channels": {"channels": 2},
}


@pytest.fixture(autouse=True)
def settings_of_torch() -> Iterator[None]:
    """What an engine sets, or a test, is put back."""
    kernel, threads = torch.backends.quantized.engine, torch.get_num_threads()
    yield
    torch.backends.quantized.engine = kernel
    torch.set_num_threads(threads)


def rounded(student: StudentModel) -> StudentModel:
    """The student that the int8 file stores: words in steps of 1/127 of their largest value, weights of 1/63."""

    def rows(matrix: Array, steps: int) -> Array:
        step = np.abs(matrix).max(axis=1, keepdims=True) / steps
        return np.asarray(np.rint(matrix / step) * step, np.float32)

    def direction(lstm: LstmWeights) -> LstmWeights:
        return replace(lstm, input=rows(lstm.input, 63), recurrent=rows(lstm.recurrent, 63))

    return changed(
        student,
        embedding=rows(student.encoder.embedding, 127),
        forward=direction(student.encoder.layer.forward),
        backward=direction(student.encoder.layer.backward),
        hidden=rows(student.head.hidden, 63),
        output=rows(student.head.output, 63),
    )


def opened(folder: Path, student: StudentModel, *, quantize: bool, threads: int = 1) -> TorchScriptEngine:
    path = folder / f"model_{'int8' if quantize else 'fp32'}.pt"
    path.write_bytes(write_torchscript(student, quantize=quantize))
    return TorchScriptEngine(path, threads)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_logits_are_those_of_the_student(tmp_path: Path, pooling: Pooling) -> None:
    student = random_student(pooling=pooling)
    fp32, int8 = (opened(tmp_path, student, quantize=quantize) for quantize in (False, True))
    for length in LENGTHS:
        ids = sentence(length)
        expected = reference(student, ids)
        assert fp32(ids).tolist() == pytest.approx(expected, abs=1e-6)
        assert int8(ids).tolist() == pytest.approx(reference(rounded(student), ids), abs=0.01)
        assert int8(ids).tolist() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("shape", FROM_TORCH.values(), ids=FROM_TORCH)
def test_students_of_every_shape(tmp_path: Path, shape: dict[str, str | int]) -> None:
    student = student_model(random_torch_student(**shape))
    fp32, int8 = (opened(tmp_path, student, quantize=quantize) for quantize in (False, True))
    for length in (1, 17):
        ids = sentence(length, len(student.encoder.embedding))
        assert fp32(ids).tolist() == pytest.approx(reference(student, ids), abs=1e-5)
        assert int8(ids).tolist() == pytest.approx(reference(rounded(student), ids), abs=0.03)


def test_pooling_changes_the_answer(tmp_path: Path) -> None:
    """The test above would see it if it were left out."""
    last, largest = (
        opened(tmp_path, random_student(pooling=pooling), quantize=False)(sentence(17)) for pooling in ("last", "max")
    )
    assert np.abs(last - largest).max() > 0.05


@pytest.mark.parametrize("quantize", [False, True])
def test_biases_of_rows_without_weights(tmp_path: Path, quantize: bool) -> None:
    student = random_student()
    bare = changed(student, output=np.zeros_like(student.head.output), output_bias=np.array([1, -2.5, 0], np.float32))
    assert opened(tmp_path, bare, quantize=quantize)(sentence(3)).tolist() == [1, -2.5, 0]


def test_attributes(tmp_path: Path) -> None:
    for quantize in (False, True):
        engine = opened(tmp_path, random_student(), quantize=quantize)
        assert (engine.name, engine.version) == ("torch", torch.__version__.partition("+")[0])
        assert engine.vocabulary_size == 50
        logits = engine(sentence(4))
        assert (logits.shape, logits.dtype.name) == ((3,), "float32")


def test_threads_are_those_of_the_last_engine(tmp_path: Path) -> None:
    engine = opened(tmp_path, random_student(), quantize=True, threads=2)
    assert torch.get_num_threads() == 2
    two = engine(sentence(17)).tolist()
    opened(tmp_path, random_student(), quantize=True)
    assert torch.get_num_threads() == 1
    assert engine(sentence(17)).tolist() == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize("kernel", torch.backends.quantized.supported_engines)
def test_every_kernel_gives_the_same_logits(tmp_path: Path, kernel: str) -> None:
    student = random_student()
    engine = opened(tmp_path, student, quantize=True)
    with expected_warnings():
        torch.backends.quantized.engine = kernel
        module = torch.jit.load(str(tmp_path / "model_int8.pt"))
    for length in LENGTHS:
        ids = sentence(length)
        logits = module(torch.from_numpy(ids[None]))[0].tolist()
        assert logits == pytest.approx(engine(ids).tolist(), abs=0.001)
        assert logits == pytest.approx(reference(rounded(student), ids), abs=0.01)


def test_the_engine_has_its_own_choice_of_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in ("fbgemm", "qnnpack") if name in torch.backends.quantized.supported_engines]
    if len(names) < 2:
        pytest.skip("this build of torch has one kernel")
    path = tmp_path / "model.pt"
    chosen: list[str] = []
    load: Any = torch.jit.load

    def record(*arguments: str, **options: str) -> Any:
        chosen.append(torch.backends.quantized.engine)
        return load(*arguments, **options)

    monkeypatch.setattr(torch.jit, "load", record)
    torch.backends.quantized.engine = "qnnpack"
    path.write_bytes(write_torchscript(random_student(), quantize=True))
    TorchScriptEngine(path)
    assert torch.backends.quantized.engine == "qnnpack"
    monkeypatch.setattr("kdbuild.runtime.engines.torchscript._KERNELS", ("none of these", "qnnpack"))
    torch.backends.quantized.engine = "fbgemm"
    TorchScriptEngine(path)
    assert torch.backends.quantized.engine == "fbgemm"
    assert chosen == ["fbgemm", "qnnpack"]


WITHOUT_KDBUILD = """
import sys, warnings

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "kdbuild":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
try:
    import kdbuild
except ImportError:
    print("blocked")

import torch
warnings.filterwarnings("ignore", r"`torch\\.jit\\.load` is deprecated", FutureWarning)
for file in sys.argv[2:]:
    if sys.argv[1]:
        torch.backends.quantized.engine = sys.argv[1]
    module = torch.jit.load(file)
    for dtype in (torch.int32, torch.int64):
        logits = module(torch.tensor([[3, 1, 2, 3]], dtype=dtype))
        print(list(logits.shape), logits.dtype, *logits[0].tolist())
"""


def in_another_process(*files: Path, kernel: str = "", **environment: str) -> list[list[float]]:
    """Logits of the ids 3, 1, 2, 3, as int32 and as int64, from each file in a process that has torch alone."""
    command = [sys.executable, "-c", WITHOUT_KDBUILD, kernel, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    first, *lines = done.stdout.splitlines()
    assert first == "blocked"
    heads, logits = zip(*(line.split(" torch.float32 ") for line in lines), strict=True)
    assert set(heads) <= {"[1, 2]", "[1, 3]"}
    return [[float(value) for value in line.split()] for line in logits]


def test_a_process_without_kdbuild(tmp_path: Path) -> None:
    student = random_student()
    for quantize in (False, True):
        opened(tmp_path, student, quantize=quantize)
    ids = np.array([3, 1, 2, 3], np.int32)
    fp32, fp32_of_int64, int8, int8_of_int64 = in_another_process(
        tmp_path / "model_fp32.pt", tmp_path / "model_int8.pt"
    )
    assert fp32 == fp32_of_int64 == pytest.approx(reference(student, ids), abs=1e-6)
    assert int8 == int8_of_int64 == pytest.approx(reference(rounded(student), ids), abs=0.01)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="about instructions of x86")
@pytest.mark.skipif("onednn" not in torch.backends.quantized.supported_engines, reason="this torch has no oneDNN")
def test_sums_fit_without_vnni(tmp_path: Path) -> None:
    """Products of large weights and activations, added in 16 bits where the processor has nothing better.

    With weights up to 127 the logits are 0 there.
    """
    words = np.array([[1], [-1], [0.5], [2]], np.float32) * np.ones((1, 32), np.float32)
    lstm = LstmWeights(
        np.full((256, 32), 1 / 64, np.float32), np.full((256, 64), 1 / 128, np.float32), np.zeros(256, np.float32)
    )
    student = StudentModel.one_layer(
        embedding=words,
        forward=lstm,
        backward=lstm,
        hidden=np.full((6, 128), 1 / 128, np.float32),
        hidden_bias=np.zeros(6, np.float32),
        output=np.ones((2, 6), np.float32),
        output_bias=np.zeros(2, np.float32),
    )
    here = opened(tmp_path, student, quantize=True)(np.array([3, 1, 2, 3], np.int32)).tolist()
    there, _ = in_another_process(tmp_path / "model_int8.pt", kernel="onednn", ONEDNN_MAX_CPU_ISA="AVX2")
    assert there == pytest.approx(here, abs=0.001)
    assert there == pytest.approx(reference(student, np.array([3, 1, 2, 3], np.int32)), abs=0.02)


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
import numpy as np
from kdbuild.export.formats.torchscript import write_torchscript
from kdbuild.export.model import LstmWeights, StudentModel
folder = Path(sys.argv[1])
arrays = list(np.load(folder / "arrays.npz").values())
student = StudentModel.one_layer(arrays[0], LstmWeights(*arrays[1:4]), LstmWeights(*arrays[4:7]), *arrays[7:])
for quantize in (True, False):
    (folder / f"{quantize}.pt").write_bytes(write_torchscript(student, quantize=quantize))
"""
    student = random_student()
    directions = [
        getattr(lstm, name)
        for lstm in (student.encoder.layer.forward, student.encoder.layer.backward)
        for name in vars(lstm)
    ]
    classifier = [student.head.hidden, student.head.hidden_bias, student.head.output, student.head.output_bias]
    np.savez(tmp_path / "arrays.npz", student.encoder.embedding, *directions, *classifier)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    for quantize in (False, True):
        assert (tmp_path / f"{quantize}.pt").read_bytes() == write_torchscript(student, quantize=quantize)


@pytest.mark.parametrize("quantize", [False, True])
def test_the_archive(quantize: bool) -> None:
    model = write_torchscript(random_student(), quantize=quantize)
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        assert archive.testzip() is None
        records = archive.infolist()
        program = archive.read("archive/code/__torch__/kdbuild/export/formats/torchscript.py").decode()
    assert {record.date_time for record in records} == {(1980, 1, 1, 0, 0, 0)}
    assert {record.compress_type for record in records} == {zipfile.ZIP_STORED}
    for record in records:
        # Where the content starts: behind 30 bytes, the name and the extra field of the record's own head.
        head = model[record.header_offset : record.header_offset + 30]
        lengths = (int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little"))
        assert (record.header_offset + 30 + sum(lengths)) % 64 == 0
    assert str(Path.cwd()).encode() not in model
    assert "mangle" not in program
    assert program.startswith(f"class {'_Int8' if quantize else '_Fp32'}OneText(Module):\n")
    assert program.count("ops.quantized.") == (4 if quantize else 0)


def test_a_full_sized_student(tmp_path: Path) -> None:
    vocabulary = 14_817
    student = random_student(vocabulary, 300, 300, 400, 2)
    ids = sentence(20, vocabulary)
    fp32, int8 = (opened(tmp_path, student, quantize=quantize) for quantize in (False, True))
    assert fp32(ids).tolist() == pytest.approx(reference(student, ids), abs=1e-5)
    assert int8(ids).tolist() == pytest.approx(reference(student, ids), abs=0.05)
    assert int8.vocabulary_size == vocabulary
    sizes = [(tmp_path / f"model_{kind}.pt").stat().st_size for kind in ("fp32", "int8")]
    assert sizes[1] < 6_300_000 < sizes[0] / 3.8


@pytest.mark.parametrize("content", [b"", b"not a model at all, but long enough", "half"])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "model.pt"
    if content == "half":
        model = write_torchscript(random_student(), quantize=True)
        path.write_bytes(model[: len(model) // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    message = r"^\S+model\.pt: torch [\d.]+ can't load it \([^\n]+\)\. Export the model again\.$"
    with pytest.raises(BadInputError, match=message):
        TorchScriptEngine(path)


def test_the_message_about_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(BadInputError) as raised:
        TorchScriptEngine(path)
    assert str(raised.value) == f"{path}: can't be read (No such file or directory). Export the model again."


class _Other(torch.nn.Module):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return ids.float()


class _OfThree(torch.nn.Module):
    def forward(self, ids: torch.Tensor, lengths: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        return ids.float() + lengths + kinds


def test_models_of_another_maker(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with expected_warnings():
        torch.jit.save(torch.jit.script(_Other()), str(path))
    with pytest.raises(BadInputError, match=r"^The model has no tensor named 'embedding': it was not written by"):
        _ = TorchScriptEngine(path).vocabulary_size
    with expected_warnings():
        torch.jit.save(torch.jit.script(_OfThree()), str(path))
    with pytest.raises(BadInputError, match=r"can't load it \(it reads 3 inputs instead of one text or two\)"):
        TorchScriptEngine(path)


def test_without_torch_the_error_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingExtraError, match=r"a \.pt file needs it to run\. Install it again: pip install --force-"
    ):
        TorchScriptEngine(tmp_path / "model.pt")


def test_the_engine_says_nothing_and_imports_torch_late(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(write_torchscript(random_student(), quantize=True))
    program = """
import sys
from pathlib import Path
import numpy as np
from kdbuild.runtime.engines.torchscript import TorchScriptEngine
assert "torch" not in sys.modules
print(TorchScriptEngine(Path(sys.argv[1]))(np.zeros(3, np.int32)).shape)
"""
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(3,)\n", "")


def test_other_warnings_are_heard() -> None:
    with pytest.warns(FutureWarning, match="not supported in Python 3.14"), expected_warnings():
        warnings.warn("`torch.jit.load` is not supported in Python 3.14+ and may break.", FutureWarning, stacklevel=1)
