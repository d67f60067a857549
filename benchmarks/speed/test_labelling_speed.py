"""Labelling: sentences a second of the teacher in several arithmetics and batch orders, on the same sentences.

    SST2_DIR=…/sst2 TEACHER_DIR=…/minilm-sst2 pytest -s benchmarks/speed/test_labelling_speed.py

Compared in turns: unsorted, padded fp32 batches (what a plain loop does); length-sorted fp32; length-sorted as ``kdbuild
label`` does it (bfloat16 where the processor has it); and ONNX Runtime with dynamic int8, sorted, where it is installed.
"""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.throughput.labelling import BATCH, Ask, Logits, compare, run
from kdbuild.measure.environment import environment
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.device import has_bf16

SENTENCES, ROUNDS = 3072, 3
RESULT = Path(__file__).resolve().parents[1] / "results" / "labelling.json"


def onnx_int8(teacher: Teacher, folder: Path) -> Ask | None:
    """The teacher in ONNX Runtime, its weights dynamically quantised per channel; None where a package is missing."""
    ort = pytest.importorskip("onnxruntime")
    quantization = pytest.importorskip("onnxruntime.quantization")
    example = {"input_ids": torch.ones(2, 8, dtype=torch.long), "attention_mask": torch.ones(2, 8, dtype=torch.long)}
    teacher.model.config.return_dict = False
    axes = {name: {0: "batch", 1: "pieces"} for name in example}
    torch.onnx.export(
        teacher.model,
        tuple(example.values()),
        folder / "fp32.onnx",
        input_names=list(example),
        dynamic_axes=axes,
        dynamo=False,
    )
    quantization.quantize_dynamic(folder / "fp32.onnx", folder / "int8.onnx", per_channel=True)
    session = ort.InferenceSession(folder / "int8.onnx", providers=["CPUExecutionProvider"])

    def ask(batch: list[list[int]]) -> Logits:
        longest = max(map(len, batch))
        ids = np.array([text + [0] * (longest - len(text)) for text in batch], dtype=np.int64)
        mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in batch], dtype=np.int64)
        return np.asarray(session.run(None, {"input_ids": ids, "attention_mask": mask})[0], dtype=np.float32)

    return ask


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the TorchScript exporter is one
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings(
    "ignore:Exporting aten..index"
)  # its indices aren't negative here; the answers are compared
def test_sorted_labelling_is_1_8_times_as_fast(tmp_path: Path) -> None:
    data, folder = os.environ.get("SST2_DIR"), os.environ.get("TEACHER_DIR")
    if not data or not folder:
        pytest.skip("SST2_DIR and TEACHER_DIR name SST-2 and a teacher fine-tuned on it")
    lines = (Path(data) / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    sentences = [line.split("\t")[0] for line in random.Random(0).sample(lines, SENTENCES)]
    fp32 = Teacher(folder, bf16=False, max_pieces=256)
    ours = Teacher(folder, bf16=has_bf16(torch.device("cpu")), max_pieces=256)
    pieces = fp32.encode(sentences)
    contenders: dict[str, tuple[Ask, bool]] = {
        "unsorted fp32": (fp32.logits, False),
        "sorted fp32": (fp32.logits, True),
        "kdbuild label": (ours.logits, True),
    }
    quantised = onnx_int8(Teacher(folder, bf16=False, max_pieces=256), tmp_path)
    if quantised is not None:
        contenders["sorted, ONNX Runtime int8"] = (quantised, True)
    reference = run(fp32.logits, pieces, by_length=True)[1]
    table = compare(contenders, pieces, reference, rounds=ROUNDS, baseline="unsorted fp32")
    threads = torch.get_num_threads()
    content = {
        "sentences": SENTENCES,
        "batch": BATCH,
        "rounds": ROUNDS,
        "table": table,
        "environment": environment(threads=threads),
    }
    RESULT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=2))
    assert table["kdbuild label"]["argmax_agreement"] > 0.99
    assert table["kdbuild label"]["times_unsorted_fp32"] >= 1.8
