import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.formats.tflite.flatbuffer import Model
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.runtime.engines.tflite import TFLiteEngine
from references import counting_student


def ids(*values: int) -> npt.NDArray[np.int32]:
    return np.array(values, np.int32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The counting student."""
    model = tmp_path_factory.mktemp("model") / "model_fp32.tflite"
    model.write_bytes(write_tflite(counting_student(), quantize=False))
    return model


def test_logits(path: Path) -> None:
    engine = TFLiteEngine(path)
    logits = engine(ids(0, 1))
    assert (logits.shape, logits.dtype.name) == ((2,), "float32")
    # tanh(tanh(1) + tanh(2))
    assert logits.tolist() == pytest.approx([0.9385364, -0.9385364], abs=1e-6)
    assert engine(ids(2)).tolist() == [0, 0]


def test_calls_are_independent(path: Path) -> None:
    engine = TFLiteEngine(path, threads=2)
    first = engine(ids(0, 1))
    assert engine(ids(2, 2, 0)).tolist() == pytest.approx([0.6420150, -0.6420150], abs=1e-6)  # tanh(tanh(1))
    assert engine(ids(1, 2)).tolist() == pytest.approx([0.7460680, -0.7460680], abs=1e-6)  # tanh(tanh(2))
    assert engine(ids(0, 1)).tolist() == first.tolist()
    assert first.tolist() == pytest.approx([0.9385364, -0.9385364], abs=1e-6)


def test_the_input_is_resized_only_when_the_length_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TFLiteEngine(path)
    lengths: list[int] = []
    resize = engine._interpreter.resize_tensor_input

    def record(index: int, shape: list[int]) -> None:
        lengths.append(shape[1])
        resize(index, shape)

    monkeypatch.setattr(engine._interpreter, "resize_tensor_input", record)
    for length in (1, 2, 2, 2, 1, 3):
        engine(np.zeros(length, np.int32))
    assert lengths == [1, 2, 1, 3]


def test_attributes(path: Path) -> None:
    engine = TFLiteEngine(path)
    assert engine.name == "ai-edge-litert"
    assert int(engine.version.split(".")[0]) >= 2
    assert engine.vocabulary_size == 3


def test_a_model_of_another_maker_has_no_vocabulary(tmp_path: Path) -> None:
    model = Model("identity")
    graph = model.subgraph("main")
    graph.output(graph.input("x", [1, 1], np.int32))
    path = tmp_path / "model.tflite"
    path.write_bytes(model.pack())
    with pytest.raises(BadInputError, match="no tensor named 'embedding'"):
        _ = TFLiteEngine(path).vocabulary_size


@pytest.mark.parametrize("content", [None, b"", b"not a model at all, but long enough"])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"model\.tflite: .*can't (load it|be read) \(.+\)\. Export the model"):
        TFLiteEngine(path)


def test_without_an_interpreter_the_error_names_the_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install --force-reinstall 'ai-edge-litert>=2\.0'$"):
        TFLiteEngine(path)


def test_nothing_is_written_to_standard_output(path: Path) -> None:
    program = f"""
from pathlib import Path
import numpy as np
from kdbuild.runtime.engines.tflite import TFLiteEngine
TFLiteEngine(Path({str(path)!r}))(np.zeros(3, np.int32))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
