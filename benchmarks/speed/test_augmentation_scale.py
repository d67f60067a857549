"""Augmentation at scale: peak memory and CPU time of transfer sets of millions of sentences, each in a fresh process.

    pytest -s benchmarks/speed/test_augmentation_scale.py

The rows are made up as they are read: lengths as in SST-2 (most of them short), words drawn from a Zipf distribution over
30,000, a part of speech a word. What it takes to make the rows up is measured alone and taken off. Sentences are written
to the null device.
"""

import json
from pathlib import Path

import pytest

from benchmarks.throughput.augmentation import measure_in_fresh_process
from kdbuild.measure.environment import environment

CASES = ((250_000, 5), (500_000, 5), (1_000_000, 5), (250_000, 20))
"""Rows and rounds."""
RESULT = Path(__file__).resolve().parents[1] / "results" / "augmentation_scale.json"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_memory_is_bounded_and_time_linear() -> None:
    results = []
    for case in CASES:
        results.append(measure_in_fresh_process(*case))
        print(results[-1], flush=True)
    RESULT.write_text(json.dumps({"cases": results, "environment": environment(threads=1)}, indent=2) + "\n")
    times = [result["cpu_microseconds_a_row_and_round"] for result in results]
    assert max(times[:3]) < 1.3 * min(times[:3])
    assert results[2]["peak_mb_over_start"] < 600
