"""Training steps a second: our batches by length through the student, against a plain loop over packed sequences.

    pytest benchmarks/test_training_speed.py

The plain loop is what tutorials show: shuffled texts, padded, sorted and packed a batch at a time. Both train the same
student shape on the same texts (lengths as in SST-2's transfer set: 2 to 30, most short), with AdamW and clipping.
"""

import time

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from kdbuild.trainer.device import has_bf16
from kdbuild.trainer.losses import Objective
from kdbuild.trainer.sequences import LengthSampler, SequenceDataset
from kdbuild.trainer.student import Student, StudentConfig

TEXTS, BATCH, VOCABULARY = 4096, 128, 15_000
CPU = torch.device("cpu")


def texts() -> list[list[int]]:
    """Token ids of random lengths."""
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.gamma(1.6, 6.0, TEXTS).astype(int) + 2, 2, 30)
    return [draw.integers(3, VOCABULARY, length).tolist() for length in lengths]


def make() -> tuple[Student, torch.optim.Optimizer]:
    """The 300/300/400 student and its optimiser."""
    torch.manual_seed(0)
    student = Student(StudentConfig(vocab_size=VOCABULARY)).train()
    return student, torch.optim.AdamW(student.parameters(), lr=1e-3, fused=True)


def step(student: Student, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    """One update."""
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def plain_epoch() -> float:
    """Seconds of an epoch of the plain loop, in fp32."""
    student, optimizer = make()
    data, logits = texts(), torch.randn(TEXTS, 2)
    started = time.perf_counter()
    for rows in torch.randperm(TEXTS).split(BATCH):
        rows = torch.tensor(sorted(rows.tolist(), key=lambda row: -len(data[row])))
        lengths = torch.tensor([len(data[row]) for row in rows])
        ids = pad_sequence([torch.tensor(data[row]) for row in rows], batch_first=True)
        packed = pack_padded_sequence(student.dropout(student.embedding(ids)), lengths, batch_first=True)
        _, (states, _) = student.lstm(packed)
        features = student.dropout(torch.cat([states[0], states[1]], dim=1))
        out = student.output(student.dropout(torch.relu(student.hidden(features))))
        assert np.isfinite(step(student, optimizer, torch.nn.functional.mse_loss(out, logits[rows])))
    return time.perf_counter() - started


def bucketed_epoch(bf16: bool) -> float:
    """Seconds of an epoch over our sampler and dataset."""
    student, optimizer = make()
    logits = torch.randn(TEXTS, 2).numpy()
    dataset = SequenceDataset(texts(), logits.argmax(axis=1), 0, teacher_logits=logits)
    order = list(LengthSampler(dataset.lengths, BATCH, seed=0))
    started = time.perf_counter()
    for start in range(0, TEXTS, BATCH):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            batch = dataset.__getitems__(order[start : start + BATCH])
            answers = student(batch["input_ids"], batch["attention_mask"]).logits
        loss = Objective("mse")(answers, batch)
        assert np.isfinite(step(student, optimizer, loss))
    return time.perf_counter() - started


@pytest.mark.benchmark(group="one student epoch over 4,096 texts")
@pytest.mark.parametrize("name", ["plain packed fp32", "by length fp32", "by length as trained"])
def test_epoch(benchmark: BenchmarkFixture, name: str) -> None:
    run = {
        "plain packed fp32": plain_epoch,
        "by length fp32": lambda: bucketed_epoch(False),
        "by length as trained": lambda: bucketed_epoch(has_bf16(CPU)),
    }[name]
    seconds = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["texts_per_second"] = TEXTS / seconds


def test_by_length_is_at_least_as_fast() -> None:
    """In turns, so that a noisy machine is noisy to both."""
    pairs = [(plain_epoch(), bucketed_epoch(has_bf16(CPU))) for _ in range(3)]
    ratio = float(np.median([plain / ours for plain, ours in pairs]))
    print(f"plain / by length: {ratio:.2f}")
    assert ratio >= 1.0
