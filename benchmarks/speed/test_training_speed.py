"""Training steps a second: our batches by length through the student, against a plain loop over packed sequences.

    pytest benchmarks/speed/test_training_speed.py

Both loops are in ``throughput/epochs.py``. The texts are made up, with lengths as in SST-2's transfer set: 2 to 30, most
short.
"""

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.throughput.epochs import bucketed_epoch, plain_epoch
from kdbuild.trainer.training.device import has_bf16

TEXTS, VOCABULARY = 4096, 15_000
CPU = torch.device("cpu")


def texts() -> list[list[int]]:
    """Token ids of random lengths."""
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.gamma(1.6, 6.0, TEXTS).astype(int) + 2, 2, 30)
    return [draw.integers(3, VOCABULARY, length).tolist() for length in lengths]


@pytest.mark.benchmark(group="one student epoch over 4,096 texts")
@pytest.mark.parametrize("name", ["plain packed fp32", "by length fp32", "by length as trained"])
def test_epoch(benchmark: BenchmarkFixture, name: str) -> None:
    data = texts()
    run = {
        "plain packed fp32": lambda: plain_epoch(data, VOCABULARY),
        "by length fp32": lambda: bucketed_epoch(data, VOCABULARY, bf16=False),
        "by length as trained": lambda: bucketed_epoch(data, VOCABULARY, bf16=has_bf16(CPU)),
    }[name]
    seconds = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    benchmark.extra_info["texts_per_second"] = TEXTS / seconds


def test_by_length_is_at_least_as_fast() -> None:
    """In turns, so that a noisy machine is noisy to both."""
    data = texts()
    pairs = [(plain_epoch(data, VOCABULARY), bucketed_epoch(data, VOCABULARY, bf16=has_bf16(CPU))) for _ in range(3)]
    ratio = float(np.median([plain / ours for plain, ours in pairs]))
    print(f"plain / by length: {ratio:.2f}")
    assert ratio >= 1.0
