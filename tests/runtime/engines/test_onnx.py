import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from blocked import BLOCK, run_python
from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.formats.onnx import write_onnx
from kdbuild.runtime.artefact import Artefact, Manifest
from kdbuild.runtime.engines.onnx import OnnxEngine
from kdbuild.runtime.engines.open import open_engine
from references import counting_student


def ids(*values: int) -> npt.NDArray[np.int32]:
    return np.array(values, np.int32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The counting student."""
    model = tmp_path_factory.mktemp("model") / "model_fp32.onnx"
    model.write_bytes(write_onnx(counting_student(), quantize=False))
    return model


def identity(
    folder: Path, *, name: str = "ids", kind: int = TensorProto.INT32, shape: tuple[int, ...] = (1, 1)
) -> Path:
    """A model that gives back what it is given, as ``logits``."""
    graph = helper.make_graph(
        [helper.make_node("Cast", [name], ["logits"], to=TensorProto.FLOAT)],
        "identity",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_logits(path: Path) -> None:
    engine = OnnxEngine(path)
    logits = engine(ids(0, 1))
    assert (logits.shape, logits.dtype.name) == ((2,), "float32")
    # tanh(tanh(1) + tanh(2))
    assert logits.tolist() == pytest.approx([0.9385364, -0.9385364], abs=1e-6)
    assert engine(ids(2)).tolist() == [0, 0]
    assert engine(ids(0, 2, 1)[::2]).tolist() == logits.tolist()


def test_calls_are_independent(path: Path) -> None:
    engine = OnnxEngine(path, threads=2)
    first = engine(ids(0, 1))
    assert engine(ids(2, 2, 0)).tolist() == pytest.approx([0.6420150, -0.6420150], abs=1e-6)  # tanh(tanh(1))
    assert engine(ids(1, 2)).tolist() == pytest.approx([0.7460680, -0.7460680], abs=1e-6)  # tanh(tanh(2))
    assert engine(ids(0, 1)).tolist() == first.tolist()
    assert first.tolist() == pytest.approx([0.9385364, -0.9385364], abs=1e-6)


def test_threads_get_the_answers_to_their_own_sentences(path: Path) -> None:
    engine = OnnxEngine(path)
    rng = np.random.default_rng(3)
    sentences = [rng.integers(0, 3, length, dtype=np.int32) for length in rng.integers(1, 40, 400)]
    alone = [engine(sentence).tolist() for sentence in sentences]
    with ThreadPoolExecutor(max_workers=8) as pool:
        together = [logits.tolist() for logits in pool.map(engine, sentences)]
    assert together == alone
    assert len({logits[0] for logits in alone}) > 20


def test_attributes(path: Path) -> None:
    engine = OnnxEngine(path)
    assert engine.name == "onnxruntime"
    assert engine.version == onnxruntime.__version__
    assert engine.vocabulary_size == 3


def test_the_engine_of_the_file(path: Path) -> None:
    manifest = Manifest(labels=["more", "less"], max_tokens=8, tokenizer={}, files={})
    engine = open_engine(Artefact(path.parent, manifest), path.name)
    assert isinstance(engine, OnnxEngine)
    assert engine(ids(2)).tolist() == [0, 0]


def test_the_session_has_one_thread_and_runs_on_the_processor(path: Path) -> None:
    session = OnnxEngine(path)._session
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert OnnxEngine(path, threads=2)._session.get_session_options().intra_op_num_threads == 2


def test_ids_out_of_the_vocabulary_are_refused(path: Path) -> None:
    with pytest.raises(Exception, match="idx=3 must be within the inclusive range"):
        OnnxEngine(path)(ids(0, 3))


def test_a_model_of_another_maker_has_no_vocabulary(tmp_path: Path) -> None:
    engine = OnnxEngine(identity(tmp_path))
    with pytest.raises(BadInputError) as raised:
        _ = engine.vocabulary_size
    assert str(raised.value) == (
        "The model's metadata give '' as 'vocabulary_size': it was not written by `kdbuild export`."
    )


@pytest.mark.parametrize("size", ["-3", "three", "3.0", "", "9" * 5000, "٣"])
def test_a_vocabulary_size_that_is_no_number(path: Path, tmp_path: Path, size: str) -> None:
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "vocabulary_size")
    entry.value = size
    changed = tmp_path / "model.onnx"
    changed.write_bytes(model.SerializeToString())
    with pytest.raises(BadInputError, match="as 'vocabulary_size': it was not written by `kdbuild export`"):
        _ = OnnxEngine(changed).vocabulary_size


@pytest.mark.parametrize(
    ("interface", "reads"),
    [
        ({"name": "x"}, "x tensor(int32) of 2 dimensions"),
        ({"kind": TensorProto.INT64}, "ids tensor(int64) of 2 dimensions"),
        ({"shape": (1,)}, "ids tensor(int32) of 1 dimensions"),
    ],
)
def test_a_model_with_another_input_or_output(tmp_path: Path, interface: dict[str, Any], reads: str) -> None:
    path = identity(tmp_path, **interface)
    with pytest.raises(BadInputError) as raised:
        OnnxEngine(path)
    answers = f"logits tensor(float) of {len(interface.get('shape', (1, 1)))} dimensions"
    assert str(raised.value) == (
        f"{path}: reads {reads} and answers {answers}, instead of ids int32 and logits float of two dimensions. "
        "Export the model again."
    )


def test_a_model_without_an_output(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    model.graph.output[0].name = "units"  # another result of the graph
    changed = tmp_path / "model.onnx"
    changed.write_bytes(model.SerializeToString())
    with pytest.raises(BadInputError, match=r"and answers units tensor\(float\) of 2 dimensions, instead of"):
        OnnxEngine(changed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "can't be read (No such file or directory)"),
        (b"", "onnxruntime can't load it (No graph was found in the protobuf)"),
        (b"not a model at all, but long enough", "onnxruntime can't load it (protobuf parsing failed)"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError) as raised:
        OnnxEngine(path)
    assert str(raised.value) == f"{path}: {reason}. Export the model again."


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_ends_early(path: Path, tmp_path: Path, share: float) -> None:
    content = path.read_bytes()
    cut = tmp_path / "model.onnx"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        BadInputError, match=r"model\.onnx: onnxruntime can't load it \(.+\)\. Export the model again\."
    ):
        OnnxEngine(cut)


def test_an_operator_that_is_unknown(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    model.graph.node[0].op_type = "Reshapes"
    changed = tmp_path / "model.onnx"
    changed.write_bytes(model.SerializeToString())
    with pytest.raises(
        BadInputError, match=r"model\.onnx: onnxruntime can't load it \(.*Reshapes.*\)\. Export the model"
    ):
        OnnxEngine(changed)


def test_without_onnx_runtime_the_error_names_the_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install --force-reinstall 'onnxruntime>=1\.17'$"):
        OnnxEngine(path)


ANSWER = """
import sys
from pathlib import Path
import numpy as np
from kdbuild.runtime.engines.onnx import OnnxEngine
print(OnnxEngine(Path(sys.argv[1]))(np.array([2, 2], np.int32)).tolist())
print(sorted({"torch", "transformers", "onnx", "spacy", "datasets"} & set(sys.modules)))
"""


def test_neither_torch_nor_onnx_is_needed(path: Path) -> None:
    assert '"torch", "transformers", "spacy", "datasets", "onnx"' in BLOCK
    done = run_python(BLOCK + ANSWER, str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[0.0, 0.0]\n[]\n"


def test_errors_are_raised_and_not_printed(path: Path) -> None:
    program = f"""
from pathlib import Path
import numpy as np
from kdbuild.runtime.engines.onnx import OnnxEngine
try:
    OnnxEngine(Path({str(path)!r}))(np.array([7], np.int32))
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("InvalidArgument\n", "")
