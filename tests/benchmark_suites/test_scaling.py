"""The scaling and throughput benchmarks at a tiny size, and that the committed pages say what their JSON says."""

import io
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.scaling import points
from benchmarks.scaling import report as scaling_report
from benchmarks.scaling.__main__ import caches, main
from benchmarks.scaling.artefacts import Size, find_artefact, made_up_words, make_texts
from benchmarks.scaling.batches import open_callers, open_list
from benchmarks.scaling.picture import scaling_plot, short, spread
from benchmarks.scaling.points import ONNX, TFLITE, Point, measure_points
from benchmarks.throughput import report as throughput_report
from benchmarks.throughput import work
from benchmarks.throughput.augmentation import measure
from benchmarks.throughput.epochs import step
from benchmarks.throughput.labelling import compare
from benchmarks.throughput.plain_augmentation import describe, plain_augment
from kdbuild.errors import BadInputError
from kdbuild.runtime import Classifier
from kdbuild.trainer.transfer_set.augment import augment
from pictures import png_size, texts
from reviews import make_reviews
from transfer_sets import article

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
TINY = Size(vocabulary=40, embedding=4, hidden=4, classifier=4)


@pytest.mark.parametrize(
    ("name", "page"),
    [("scaling", scaling_report.page), ("throughput", throughput_report.page)],
    ids=["scaling", "throughput"],
)
def test_committed_page_is_its_json(name: str, page: Any) -> None:
    result = json.loads((RESULTS / f"{name}.json").read_bytes())
    assert (RESULTS / f"{name}.md").read_text(encoding="utf-8") == page(result)


def test_committed_results_are_complete() -> None:
    result = json.loads((RESULTS / "scaling.json").read_bytes())
    found = {
        axis: [point.get("value", point.get("rows")) for point in its["points"]] for axis, its in result["axes"].items()
    }
    assert {axis: (min(values), max(values)) for axis, values in found.items()} == {
        "tokens": (1, 512),
        "vocabulary": (5_000, 200_000),
        "hidden": (50, 600),
        "batch": (1, 64),
        "threads": (1, 2),
        "callers": (1, 8),
        "rows": (1_000, 1_000_000),
    }
    width, height = png_size(RESULTS / "scaling.png")
    assert width > 1500
    assert height > 900


def test_points_are_measured_in_fresh_processes(tmp_path: Path) -> None:
    found = points.tokens(tmp_path, (1, 3), TINY) + points.callers(tmp_path, (2,), TINY)[:1]
    assert [(point.series, point.value, point.texts_a_call) for point in found] == [
        (TFLITE, 1, 1),
        (ONNX, 1, 1),
        (TFLITE, 3, 1),
        (ONNX, 3, 1),
        (TFLITE, 2, 32),
    ]
    assert {len(text.split()) for text in found[2].inputs} == {3}
    assert {line.count("\n") for line in found[4].inputs} == {31}
    results = measure_points([found[0], found[4]], rounds=1, loads=1)
    model = tmp_path / "student-40-4-4-4" / "model_int8.tflite"
    for result, point in zip(results, (found[0], found[4]), strict=True):
        assert result.keys() == {
            "series",
            "value",
            "texts_a_call",
            "p10_ms",
            "median_ms",
            "size_bytes",
            "peak_mb",
            "load_ms",
        }
        assert (result["series"], result["value"]) == (point.series, point.value)
        assert result["size_bytes"] == model.stat().st_size + (model.parent / "vocab.txt").stat().st_size
        assert 0 < result["p10_ms"] <= result["median_ms"] < 1000
        assert 5 < result["peak_mb"] < 1000
        assert 0 < result["load_ms"] < 60_000


def test_sizes_and_batches_make_their_points(tmp_path: Path) -> None:
    by_vocabulary = points.vocabulary(tmp_path, (20, 40), TINY)
    by_units = points.hidden(tmp_path, (2,), TINY)
    folders = [Path(point.contender.arguments["folder"]).name for point in by_vocabulary + by_units]
    assert folders == [
        "student-20-4-4-4",
        "student-20-4-4-4",
        "student-40-4-4-4",
        "student-40-4-4-4",
        "student-40-4-2-4",
        "student-40-4-2-4",
    ]
    assert [(point.value, point.threads) for point in points.threads(tmp_path, (1, 2), TINY)][1:3] == [(1, 1), (2, 2)]
    in_batches = points.batch(tmp_path, (1, 4), TINY, tokenizer=lambda: tmp_path)
    assert [(point.series, point.value) for point in in_batches] == [
        (TFLITE, 1),
        (ONNX, 1),
        ("BERT-tiny, torch fp32", 1),
        (TFLITE, 4),
        (ONNX, 4),
        ("BERT-tiny, torch fp32", 4),
    ]
    parts = points.load_parts(tmp_path / "student-40-4-4-4", TFLITE, loads=1)
    assert parts.keys() == {"vocabulary", "digest", "engine"}
    assert min(parts.values()) > 0


def test_lists_and_callers_answer_as_single_calls_do(tmp_path: Path) -> None:
    folder = find_artefact(tmp_path, TINY)
    lines = make_texts(made_up_words(37), 5, 12)
    classify = Classifier.load(folder, engine="tflite")
    expected = sum(["negative", "positive"].index(str(classify(text).label)) << i for i, text in enumerate(lines))
    arguments: dict[str, Any] = {"folder": str(folder), "file": "model_int8.tflite", "threads": 1}
    for model in (open_list(**arguments), open_callers(**arguments, callers=3)):
        assert model("\n".join(lines)) == expected
        assert model.tokens(lines) == 60


def test_line_is_least_squares() -> None:
    assert scaling_report.line([1, 2, 4], [5.0, 7.0, 11.0]) == pytest.approx((3.0, 2.0))
    # The slope of points at 1 and 2, of 1 and 3: hardly moved by a third that is far away and large.
    _, slope = scaling_report.line([1, 2, 100], [1.0, 3.0, 9999.0])
    assert slope == pytest.approx(2.0, rel=0.2)


def synthetic(scale: float = 1.0) -> dict[str, Any]:
    """Results that no machine gave, whose slopes are known."""

    def point(series: str, value: int, milliseconds: float, megabytes: float, texts_a_call: int) -> dict[str, Any]:
        return {
            "series": series,
            "value": value,
            "texts_a_call": texts_a_call,
            "processor_ms": milliseconds,
            "p10_ms": 1.5 * milliseconds,
            "median_ms": 2 * milliseconds,
            "size_bytes": 1_000_000 + 300 * value,
            "peak_mb": megabytes,
            "load_ms": 0.001 * value + 1,
        }

    def axis(values: tuple[int, ...], time: Any, texts: Any = lambda value: 1) -> dict[str, Any]:
        measured = [point(one, v, time(v), 50 + 0.02 * v, texts(v)) for v in values for one in (TFLITE, ONNX)]
        return {"points": measured, "load_average": 1.5}

    def by_clock(axis: dict[str, Any]) -> dict[str, Any]:
        for point in axis["points"]:
            point["p10_ms"] = point.pop("processor_ms")
        return axis

    packages = {"ai-edge-litert": "2", "onnxruntime": "1", "torch": "2"}
    return {
        "size": {"vocabulary": 100, "embedding": 300, "hidden": 300, "classifier": 400},
        "caches": {"L1": 32768, "L2": 1048576},
        "environment": {"cpu": "a processor", "usable_cores": 2, "python": "3", "packages": packages},
        "axes": {
            "tokens": axis((4, 64, 128, 512), lambda v: 0.05 + 0.01 * v + (scale - 1) * 0.01 * max(0, v - 128)),
            "vocabulary": axis((100, 1100), lambda v: 0.3)
            | {"load_parts_ms": {one: {"vocabulary": 1.0, "digest": 2.0, "engine": 3.0} for one in (TFLITE, ONNX)}},
            "hidden": axis((100, 200, 300, 400, 500), lambda v: v**2 / 1e6),
            "batch": axis((1, 64), lambda v: 0.3 * v, lambda v: v),
            "threads": by_clock(axis((1, 2), lambda v: 0.3 / v)),
            "callers": by_clock(axis((1, 8), lambda v: 9.6, lambda v: 32)),
            "rows": {"points": [ROW, ROW | {"rows": 10, "cpu_microseconds_a_row_and_round": 1.0}], "load_average": 0.0},
        },
    }


ROW = {
    "rows": 1,
    "rounds": 5,
    "words_a_row": 10.0,
    "sentences": 6_000_000,
    "cpu_seconds": 0.0123,
    "cpu_microseconds_a_row_and_round": 4.0,
    "peak_mb": 100,
    "peak_mb_over_start": 60,
}


def test_page_says_where_it_bends() -> None:
    page = scaling_report.page(synthetic())
    assert max(len(line) for line in page.splitlines() if not line.startswith("|")) <= 120
    assert "| 4 | 0.0900 (0.180) | 0.0900 (0.180) | 50.1 | 50.1 |\n" in page
    assert "| 8 | 0.300 (0.600) | 0.300 (0.600) | 50.2 | 50.2 |\n" in page
    assert "| 1 | 6,000,000 | 0.0123 | 4.00 | 60 | 10 |\n" in page
    straight, bent = (" ".join(text.split()) for text in (page, scaling_report.page(synthetic(2.0))))
    assert (
        "TFLite int8 takes 50 us a call and 10.0 us a token from 4 to 64 tokens, and 10.0 us a token from 128 to 512 "
        "(1.00 times). The input projections of all tokens, 9.6 kB a token in fp32, are made before the loop. No clear "
        "bend" in straight
    )
    assert "10.0 us a token from 4 to 64 tokens, and 20.0 us a token from 128 to 512 (2.00 times). The" in bent
    assert "It bends; more than 109 tokens' don't fit into 1,024 KiB of L2" in bent
    assert "11 times the words cost +0 % of a text's time; a word costs 300 bytes of the file, 20000 bytes" in straight
    assert "outgrow L2 at 363 units" in straight
    assert "TFLite int8 grows with the power 2.0 of the units at first, 2.0 at last." in straight
    assert "times that at 1: TFLite int8 1.00, ONNX int8 1.00." in straight
    assert "TFLite int8 2.00 times as fast (2.00 by medians)" in straight
    assert "Time is linear from 10 rows on" in straight


def test_picture_has_a_panel_a_quantity() -> None:
    svg = io.BytesIO()
    scaling_plot(synthetic(), svg)
    found = texts(svg)
    assert found.count("peak memory, MB") == 3
    assert {"tokens", "units a direction", "calling threads", "rows (5 rounds)", TFLITE, ONNX, "augmentation"} <= {
        *found
    }
    svg = io.BytesIO()
    result = synthetic()
    scaling_plot(result | {"axes": {"callers": result["axes"]["callers"]}}, svg)
    assert [text for text in texts(svg) if text and not text[0].isdigit()] == [
        "calling threads",
        "texts a second",
        TFLITE,
        ONNX,
    ]


def test_ticks_are_spread() -> None:
    assert spread([1, 2, 4, 8, 16, 32, 64, 128, 256, 512]) == [2, 8, 32, 128, 512]
    assert spread([1, 4, 16, 64]) == [1, 4, 16, 64]
    assert spread([5, 10, 20, 50, 100, 200]) == [5, 20, 50, 200]


def test_processor_time_is_that_of_the_contender(tmp_path: Path) -> None:
    found = points.tokens(tmp_path, (2,), TINY)[:1]
    (spent,) = points.processor_ms(found, rounds=2)
    assert 0 < spent < 1000


def test_short_numbers() -> None:
    assert [short(value) for value in (1, 512, 1000, 14_500, 2_000_000)] == ["1", "512", "1k", "14.5k", "2M"]


def test_caches_are_read_from_the_system(tmp_path: Path) -> None:
    for index, (kind, level, size) in enumerate(
        (("Data", 1, "48K"), ("Instruction", 1, "32K"), ("Unified", 2, "2048K"))
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, content in (("type", kind), ("level", level), ("size", size)):
            (folder / name).write_text(f"{content}\n")
    assert caches(tmp_path) == {"L1": 49152, "L2": 2097152}
    assert caches(tmp_path / "nowhere") == {}


def test_unknown_axis_and_another_machine_are_refused(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["--work", str(tmp_path), "--only", "tokens,moon"])
    assert isinstance(outcome.exception, BadInputError)
    assert str(outcome.exception) == (
        "--only 'moon': no such axis. There are: tokens, vocabulary, hidden, batch, threads, callers, rows."
    )
    (tmp_path / "scaling.json").write_text('{"size": {}, "axes": {}}')
    arguments = ["--work", str(tmp_path), "--only", "tokens", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(main, arguments)
    assert isinstance(outcome.exception, BadInputError)
    assert str(outcome.exception) == (
        f"--only tokens: {tmp_path / 'scaling.json'} was measured on another machine or version. Measure all axes."
    )


def test_augmentation_of_made_up_rows() -> None:
    found = measure(50, 2)
    assert (found["rows"], found["rounds"]) == (50, 2)
    assert 50 < found["sentences"] <= 150


def tagged(count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of words, and tags of a kind."""
    rows = [text.split() for text, _ in make_reviews(count, seed=1)]
    return rows, [[f"TAG{len(word) % 3}" for word in row] for row in rows]


def test_plain_augmentation_draws_as_ours_does() -> None:
    rows, tags = tagged(300)
    options = article()
    plain = describe(plain_augment(rows, tags, options, 0), rows)
    ours = describe([text.line for text in augment(rows, tags, options, 0)], rows)
    assert plain == pytest.approx(ours, rel=0.04)
    assert plain_augment(rows, tags, article(rounds=0), 0) == [" ".join(row) for row in rows]


def test_plain_augmentation_replaces_by_another_word_of_the_tag() -> None:
    options = article(rounds=1, p_mask=0.0, p_pos=1.0, p_ng=0.0)
    rows = [["a", "big"], ["the", "big"]]
    found = plain_augment(rows, [["DET", "ADJ"], ["DET", "ADJ"]], options, 0)
    assert found == ["a big", "the big"]  # "big" has no other; "a" and "the" change places
    masked = plain_augment([["a", "b", "c"]], [["X"] * 3], article(rounds=1, p_mask=1.0, p_pos=0.0), 0)
    assert masked == ["a b c", "<mask> <mask> <mask>"]


def test_description_of_a_transfer_set() -> None:
    assert describe(["a b", "a <mask> <mask> b", "<mask> b"], [["a", "b"]]) == {
        "sentences": 3,
        "masked": 0.5,
        "masked_neighbours": 1 / 6,
        "tokens_a_sentence": 3.0,
    }


def test_contenders_label_the_same_sentences() -> None:
    pieces = [[1, 2, 3], [4], [5, 6]]
    asked: list[list[int]] = []

    def ask(batch: list[list[int]]) -> Any:
        asked.extend(batch)
        return np.array([[sum(its), -1.0] for its in batch], dtype=np.float32)

    reference = ask(pieces)
    asked.clear()
    table = compare(
        {"plain": (ask, False), "sorted": (ask, True)}, pieces, reference, rounds=1, baseline="plain", batch=2
    )
    assert asked == [[1, 2, 3], [4], [5, 6], [4], [5, 6], [1, 2, 3]]
    assert table["sorted"]["argmax_agreement"] == 1.0
    assert table["sorted"]["mean_logit_difference"] == 0.0
    assert table["plain"]["times_plain"] == 1.0
    assert table["sorted"]["times_plain"] == pytest.approx(
        table["sorted"]["sentences_per_second"] / table["plain"]["sentences_per_second"]
    )


def test_a_step_that_diverged_is_an_error() -> None:
    weight = torch.nn.Parameter(torch.tensor(float("inf")))
    model: Any = torch.nn.ParameterList([weight])
    with pytest.raises(ValueError, match="a step's loss is inf"):
        step(model, torch.optim.SGD([weight], lr=0.1), weight * 1.0)


def test_all_three_jobs_and_their_page(teacher_folder: Path, tmp_path: Path) -> None:
    rows, tags = tagged(40)
    augmented, transfer = work.augmentation(rows, tags, 0.5, rounds=1, clock=time.perf_counter)
    assert augmented["table"]["plain"]["times_plain"] == 1.0
    assert augmented["rows"] == 40
    assert augmented["check"]["kdbuild"]["sentences"] == len(transfer)
    chosen = work.sample(transfer, 12)
    assert len(set(chosen)) == 12
    assert work.teacher_folder(tmp_path, teacher_folder) == teacher_folder
    result: dict[str, Any] = {
        "repeats": 1,
        "augmentation": augmented,
        "labelling": work.labelling(teacher_folder, chosen, rounds=1, batch=5, clock=time.perf_counter),
        "epoch": work.epoch(chosen, rounds=1, clock=time.perf_counter),
        "environment": {"cpu": "a processor", "usable_cores": 2, "threads": 1, "python": "3"},
    }
    result["environment"]["packages"] = {"torch": "2", "spacy": "3"}
    assert result["labelling"]["table"]["sorted by length, fp32"]["argmax_agreement"] == 1.0
    assert result["labelling"]["table"]["sorted by length, fp32"]["mean_logit_difference"] < 1e-5
    assert result["epoch"]["sentences"] == 12
    page = throughput_report.page(result)
    for job in ("augmentation", "labelling", "epoch"):
        ours = result[job]["table"]["kdbuild"]
        assert f"| {ours['sentences_per_second']:,.0f} | {ours['times_plain']:.1f} |" in page
    assert "40 reviews, 20 rounds." in page


def test_samples_are_the_same_each_time() -> None:
    sentences = [str(number) for number in range(5)]
    assert work.sample(sentences, 9) == work.sample(sentences, 9)
    assert sorted(work.sample(sentences, 9)) == sentences
    assert random.Random(0).sample(sentences, 2) == work.sample(sentences, 2)


def test_points_differ_by_name() -> None:
    assert Point("a", 1, points._of(Path(), TFLITE), ["x"]).threads == 1
