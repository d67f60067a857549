"""Pictures of a benchmark: what they say, and that no name lies upon another."""

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from kdbuild.drawing import DARK, drawing
from kdbuild.measure.benchmark import plots as benchmark_plots
from kdbuild.measure.benchmark.candidates import Family
from kdbuild.measure.benchmark.label_placement import Box, Line, place_labels, way_to
from kdbuild.measure.benchmark.plots import accuracy_latency_plot, accuracy_size_plot, latency_size_plot
from kdbuild.measure.benchmark.report import BenchmarkReport, ContenderResult
from kdbuild.measure.latency import Latency
from pictures import png_size, texts

Plot = Callable[..., None]
PLOTS: list[Plot] = [accuracy_size_plot, accuracy_latency_plot, latency_size_plot]


def result(
    name: str, family: Family, megabytes: float, milliseconds: float, accuracy: float | None = None, **changes: Any
) -> ContenderResult:
    values: dict[str, Any] = {
        "size_bytes": round(1e6 * megabytes),
        "latency": Latency(name, milliseconds, milliseconds, milliseconds, 1, 1),
        "accuracy": accuracy,
        "interval": None if accuracy is None else (accuracy - 0.02, accuracy + 0.02),
        **changes,
    }
    return ContenderResult(name, family, None, "ok", **values)


def report(*results: ContenderResult) -> BenchmarkReport:
    return BenchmarkReport(results, "BERT-large", None, 872, True, 200, 24, 5, 1, {})


FEW = report(
    result("TFLite int8", "kdbuild", 6.2, 0.324, 0.881),
    result("word list", "baseline", 0.004, 0.02, 0.62),
    result("BERT-large", "transformer", 1340.6, 296, quoted_accuracy=0.949),
    result("MiniLM-L6", "transformer", 90.9, 11),
    ContenderResult("broken", "kdbuild", "model.onnx", "failed"),
)

# Real ones, many of which lie at the same place, or nearly.
MANY = report(
    *(
        result(f"{title} {precision}", "kdbuild", size, milliseconds, 0.881)
        for title, factor in (("TFLite", 1.0), ("ONNX", 1.4), ("TorchScript", 3.0))
        for precision, size, milliseconds in (("int8", 6.2, 0.32 * factor), ("fp32", 24.5, 1.3 * factor))
    ),
    *(
        result(f"a baseline, number {number}", "baseline", 6.2 + number / 50, 0.4 + number / 100, 0.80 + number / 500)
        for number in range(6)
    ),
    *(result(f"naive export {number}", "naive export", 24.5, 3.9, 0.881) for number in range(3)),
    *(
        result(name, "transformer", megabytes, milliseconds, quoted_accuracy=quoted)
        for name, megabytes, milliseconds, quoted in (
            ("BERT-large", 1340.6, 296, 0.949),
            ("BERT-base", 437.9, 90, 0.935),
            ("DistilBERT", 267.8, 45, 0.913),
            ("MobileBERT", 99.4, 70, 0.928),
            ("TinyBERT-4", 57.4, 7, 0.926),
            ("BERT-tiny", 17.5, 1.7, 0.832),
            ("MiniLM-L6", 90.9, 9, None),
            ("BERT-large, ONNX", 1340.7, 250, None),
            ("BERT-large, ONNX int8", 337.9, 80, None),
            ("DistilBERT, ONNX", 267.8, 35, None),
        )
    ),
)


def words(svg: io.BytesIO) -> list[str]:
    """All that stands in a picture but numbers."""
    return sorted(text for text in texts(svg) if text and not text.replace(",", "").replace(".", "").isdigit())


def test_accuracy_against_size() -> None:
    svg = io.BytesIO()
    accuracy_size_plot(FEW, svg)
    assert words(svg) == sorted(
        [
            "Accuracy against size, 872 texts",
            "(axis doesn't start at 0)",
            "accuracy, %",
            "size, MB",
            *("TFLite int8", "word list", "BERT-large", "MiniLM-L6"),
            *("kdbuild", "transformer", "baseline", "accuracy unknown"),
        ]
    )
    # A logarithmic axis with plain numbers.
    assert {"0.01", "0.1", "1", "10", "100", "1,000"} <= set(texts(svg))


def test_quoted_accuracies_are_marked() -> None:
    svg = io.BytesIO()
    accuracy_latency_plot(FEW, svg, quoted=True)
    found = words(svg)
    assert {"BERT-large (quoted)", "quoted, not measured", "accuracy unknown", "MiniLM-L6"} <= set(found)
    assert "BERT-large" not in found
    assert "median latency of a text, ms (one thread)" in found


def test_latency_against_size() -> None:
    svg = io.BytesIO()
    latency_size_plot(FEW, svg, DARK)
    assert words(svg) == sorted(
        [
            "Latency against size",
            "size, MB",
            "median latency of a text, ms (one thread)",
            *("TFLite int8", "word list", "BERT-large", "MiniLM-L6", "kdbuild", "transformer", "baseline"),
        ]
    )


@pytest.mark.parametrize("plot", PLOTS)
def test_one_contender_is_enough(plot: Plot) -> None:
    svg = io.BytesIO()
    plot(report(result("TFLite int8", "kdbuild", 6.2, 0.324, 1.0)), svg)
    assert "TFLite int8" in texts(svg)


def test_png_is_written_whole(tmp_path: Path) -> None:
    for plot in PLOTS:
        plot(FEW, tmp_path / f"{plot.__name__}.png")
        assert png_size(tmp_path / f"{plot.__name__}.png") == (1152, 777)
    assert len(list(tmp_path.iterdir())) == 3


def test_same_report_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        accuracy_size_plot(FEW, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def meet(one: Any, other: Any) -> bool:
    """Whether two of matplotlib's boxes share more than an edge."""
    return bool(one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)


@pytest.mark.parametrize(
    ("drawn", "plot", "quoted"),
    [
        (FEW, accuracy_latency_plot, True),
        (MANY, accuracy_size_plot, False),
        (MANY, accuracy_size_plot, True),
        (MANY, accuracy_latency_plot, False),
        (MANY, accuracy_latency_plot, True),
        (MANY, latency_size_plot, False),
    ],
)
def test_no_name_lies_upon_another(
    drawn: BenchmarkReport, plot: Plot, quoted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes: dict[str, Any] = {}

    @contextmanager
    def kept(*args: Any) -> Iterator[Figure]:
        with drawing(*args) as figure:
            yield figure
            figure.set_dpi(144)  # as a PNG file has it
            figure.draw_without_rendering()
            (axes,) = figure.axes
            boxes["inside"] = axes.get_window_extent().frozen()
            for child in axes.get_children():
                if isinstance(child, Annotation):
                    name = child.get_text().removesuffix(" (quoted)")
                    boxes[name] = Text.get_window_extent(child).frozen()  # without its line

    monkeypatch.setattr(benchmark_plots, "drawing", kept)
    plot(drawn, io.BytesIO(), **({"quoted": True} if quoted else {}))
    inside = boxes.pop("inside")
    assert sorted(boxes) == sorted(entry.name for entry in drawn.results if entry.status == "ok")
    for name, box in boxes.items():
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1, name
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1, name
    for (one, box), (other, its_box) in itertools.combinations(boxes.items(), 2):
        assert not meet(box, its_box), (one, other)


AREA = Box(0, 0, 1000, 600)


def test_a_free_place_to_the_right_is_taken() -> None:
    assert place_labels([(100, 100)], [(80, 12)], AREA, [], gap=10) == [Box(110, 94, 190, 106)]


def test_an_upright_label_stands_above() -> None:
    (box,) = place_labels([(100, 100)], [(12, 80)], AREA, [], gap=10)
    assert box == pytest.approx(Box(94, 110, 106, 190))


def test_labels_avoid_marks_edges_and_each_other() -> None:
    mark = Box(105, 90, 125, 110)
    (beside,) = place_labels([(100, 100)], [(80, 12)], AREA, [mark], gap=10)
    assert not beside.meets(mark)
    (at_the_edge,) = place_labels([(990, 5)], [(80, 12)], AREA, [], gap=10)
    assert at_the_edge.within(AREA)
    first, second = place_labels([(100, 100), (100, 100)], [(80, 12), (80, 12)], AREA, [], gap=10)
    assert first == Box(110, 94, 190, 106)
    assert not first.meets(second)


def test_where_nothing_is_free_a_label_is_placed_all_the_same() -> None:
    small = Box(0, 0, 90, 20)
    boxes = place_labels([(45, 10)] * 3, [(80, 12)] * 3, small, [], gap=2)
    assert len(boxes) == 3
    (outside,) = place_labels([(5, 5)], [(80, 12)], Box(0, 0, 10, 10), [], gap=2)
    assert outside == Box(7, -1, 87, 11)


def test_lines_cross_boxes() -> None:
    box = Box(10, 10, 20, 20)
    assert Line((0, 15), (30, 15)).crosses(box)
    assert Line((15, 15), (16, 16)).crosses(box)
    assert Line((0, 0), (30, 30)).crosses(box)
    assert Line((15, 0), (15, 11)).crosses(box)
    assert not Line((15, 0), (15, 9)).crosses(box)
    assert not Line((0, 10), (30, 10)).crosses(box)  # along the edge
    assert not Line((0, 12), (12, 30)).crosses(box)
    assert way_to((0, 15), box) == Line((0, 15), (10, 15))
    assert way_to((15, 15), box) == Line((15, 15), (15, 15))
    assert Line((0, 0), (30, 40)).is_drawn(19.9)
    assert not Line((0, 0), (30, 40)).is_drawn(20)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 600), st.integers(20, 160)), min_size=1, max_size=14))
def test_fourteen_labels_always_find_room(labels: list[tuple[int, int, int]]) -> None:
    points = [(float(x), float(y)) for x, y, _ in labels]
    sizes = [(float(width), 14.0) for _, _, width in labels]
    boxes = place_labels(points, sizes, AREA, [], gap=8)
    assert boxes == place_labels(points, sizes, AREA, [], gap=8)
    for box, size in zip(boxes, sizes, strict=True):
        assert box.within(AREA)
        assert (box.right - box.left, box.top - box.bottom) == pytest.approx(size)
    assert not any(one.meets(other) for one, other in itertools.combinations(boxes, 2))
