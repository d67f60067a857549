import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from kdbuild.export.formats.tflite.flatbuffer import Model


def doubled(description: str = "test") -> bytes:
    """A model that adds a constant to its input twice, with the constant declared twice."""
    model = Model(description)
    graph = model.subgraph("main")
    x = graph.input("x", [1, -1], np.float32)
    for name in ("once", "twice"):
        result = graph.result([1, -1], name=name)
        constant = graph.constant(np.array([0.5], np.float32), f"{name}/half")
        graph.operator(schema.BuiltinOperator.ADD, [x, constant], [result], schema.AddOptionsT())
        x = result
    graph.output(x)
    return model.pack()


def test_the_file_runs() -> None:
    interpreter = Interpreter(model_content=doubled())
    (x,) = interpreter.get_input_details()
    (y,) = interpreter.get_output_details()
    assert (x["name"], x["shape"].tolist(), x["shape_signature"].tolist()) == ("x", [1, 1], [1, -1])
    assert y["name"] == "twice"
    interpreter.resize_tensor_input(x["index"], [1, 3], strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(x["index"], np.array([[1, 2, 3]], np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(y["index"]).tolist() == [[2, 3, 4]]


def test_the_file_has_the_format_s_header() -> None:
    data = doubled("a description")
    assert data[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(data)
    assert (model.version, model.description) == (3, b"a description")


def test_equal_constants_and_operators_are_stored_once() -> None:
    model = schema.ModelT.InitFromPackedBuf(doubled())
    (graph,) = model.subgraphs
    assert [(tensor.name, tensor.buffer) for tensor in graph.tensors] == [
        (b"x", 0),
        (b"once", 0),
        (b"once/half", 1),
        (b"twice", 0),
        (b"twice/half", 1),
    ]
    assert [None if buffer.data is None else bytes(buffer.data) for buffer in model.buffers] == [None, b"\0\0\0?"]
    assert [(code.builtinCode, code.version) for code in model.operatorCodes] == [(schema.BuiltinOperator.ADD, 1)]


def test_one_operator_at_two_versions_is_two_entries() -> None:
    model = Model("test")
    assert [model.operator_code(36, version) for version in (1, 2, 1)] == [0, 1, 0]


def test_operators_with_large_numbers_are_marked_in_the_narrow_field() -> None:
    model = Model("test")
    graph = model.subgraph("main")
    graph.operator(schema.BuiltinOperator.GELU, [graph.input("x", [1], np.float32)], [graph.result([1])])
    (code,) = schema.ModelT.InitFromPackedBuf(model.pack()).operatorCodes
    assert (code.builtinCode, code.deprecatedBuiltinCode) == (schema.BuiltinOperator.GELU, 127)


def test_constants_are_aligned() -> None:
    model = Model("test")
    graph = model.subgraph("main")
    for size in (1, 5, 16, 31):
        graph.constant(np.arange(size, dtype=np.int8))
    data = model.pack()
    root = schema.Model.GetRootAs(data)
    found = {}
    for index in range(1, root.BuffersLength()):
        buffer = root.Buffers(index)
        start = buffer._tab.Vector(buffer._tab.Offset(4))
        found[start % 16, buffer.DataLength()] = data[start : start + buffer.DataLength()]
    assert found == {(0, size): bytes(range(size)) for size in (1, 5, 16, 31)}


@pytest.mark.parametrize(("scale", "zero_points"), [(0.25, [0]), (np.array([0.5, 2], np.float32), [0, 0])])
def test_scales_are_written_with_the_constant(scale: float | npt.NDArray[np.float32], zero_points: list[int]) -> None:
    model = Model("test")
    graph = model.subgraph("main")
    graph.constant(np.array([[1, -1], [2, 0]], np.int8), "weights", scale=scale)
    (tensor,) = schema.ModelT.InitFromPackedBuf(model.pack()).subgraphs[0].tensors
    assert (tensor.type, list(tensor.shape)) == (schema.TensorType.INT8, [2, 2])
    assert list(tensor.quantization.scale) == np.atleast_1d(scale).tolist()
    assert list(tensor.quantization.zeroPoint) == zero_points


def test_types_without_a_place_in_the_format_are_refused() -> None:
    with pytest.raises(KeyError, match="complex"):
        Model("test").subgraph("main").input("x", [1], np.complex256)


def test_the_same_calls_give_the_same_bytes() -> None:
    assert doubled() == doubled()
