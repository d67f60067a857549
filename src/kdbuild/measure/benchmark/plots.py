"""Pictures of a benchmark: accuracy against size, accuracy against latency, latency against size.

Each contender is named beside its point. What colours say, shapes say again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import TICKUP
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from kdbuild.drawing import LIGHT, Target, Theme, drawing
from kdbuild.measure.benchmark.candidates import Family
from kdbuild.measure.benchmark.label_placement import Box, place_labels, way_to
from kdbuild.measure.benchmark.report import BenchmarkReport, ContenderResult

_MARKERS: dict[Family, str] = {"kdbuild": "o", "transformer": "s", "baseline": "^", "naive export": "D"}
_MARKER_POINTS, _NAME_POINTS = 9.0, 9.0
_WIDTH, _HEIGHT = 8.0, 5.4  # inches


@dataclass(frozen=True)
class _Point:
    """A contender in a picture."""

    result: ContenderResult
    x: float
    y: float | None
    """None: it stands on the lower edge, as only its x is known."""
    quoted: bool = False
    interval: tuple[float, float] | None = None
    """Interval of y."""


def accuracy_size_plot(report: BenchmarkReport, path: Target, theme: Theme = LIGHT, *, quoted: bool = False) -> None:
    """Accuracy against the size of the model.

    Args:
        report: one with labels.
        path: where the picture goes.
        theme: its colours.
        quoted: show accuracies from the literature, hollow, of those that none was measured of: the data is SST-2.
    """
    _accuracy_plot(report, path, theme, quoted, _megabytes, "size, MB", "Accuracy against size")


def accuracy_latency_plot(report: BenchmarkReport, path: Target, theme: Theme = LIGHT, *, quoted: bool = False) -> None:
    """Accuracy against the median latency of a text; as :func:`accuracy_size_plot` otherwise."""
    _accuracy_plot(report, path, theme, quoted, _milliseconds, _latency_title(report), "Accuracy against latency")


def latency_size_plot(report: BenchmarkReport, path: Target, theme: Theme = LIGHT) -> None:
    """Median latency of a text against the size of the model; where there are no labels."""
    points = [_Point(result, _megabytes(result), _milliseconds(result)) for result in _measured(report)]
    with drawing(path, theme, _WIDTH, _HEIGHT) as figure:
        axes = figure.subplots()
        axes.set(xlabel="size, MB", ylabel=_latency_title(report), title="Latency against size")
        _logarithmic(axes, "x", [point.x for point in points])
        _logarithmic(axes, "y", [point.y for point in points if point.y is not None])
        _draw(figure, axes, points, theme)


def _accuracy_plot(
    report: BenchmarkReport,
    path: Target,
    theme: Theme,
    quoted: bool,
    x_of: Callable[[ContenderResult], float],
    x_title: str,
    title: str,
) -> None:
    points = []
    for result in _measured(report):
        if result.accuracy is not None:
            interval = (100 * result.interval[0], 100 * result.interval[1]) if result.interval else None
            points.append(_Point(result, x_of(result), 100 * result.accuracy, interval=interval))
        elif quoted and result.quoted_accuracy is not None:
            points.append(_Point(result, x_of(result), 100 * result.quoted_accuracy, quoted=True))
        else:
            points.append(_Point(result, x_of(result), None))
    known = [y for point in points if point.y is not None for y in point.interval or (point.y,)]
    with drawing(path, theme, _WIDTH, _HEIGHT) as figure:
        axes = figure.subplots()
        axes.set(
            xlabel=x_title, ylabel="accuracy, %\n(axis doesn't start at 0)", title=f"{title}, {report.texts:,} texts"
        )
        _logarithmic(axes, "x", [point.x for point in points])
        room = max(2.0, 0.25 * (max(known) - min(known))) if known else 0.0
        below = 2.5 if any(point.y is None for point in points) else 0.6
        axes.set_ylim(min(known, default=0.0) - below * room, min(100.5, max(known, default=100.0) + 0.6 * room))
        _draw(figure, axes, points, theme)


def _measured(report: BenchmarkReport) -> list[ContenderResult]:
    return [result for result in report.results if result.latency is not None and result.size_bytes]


def _megabytes(result: ContenderResult) -> float:
    return (result.size_bytes or 0) / 1e6


def _milliseconds(result: ContenderResult) -> float:
    return result.latency.shared_median_ms if result.latency else 0.0


def _latency_title(report: BenchmarkReport) -> str:
    threads = "one thread" if report.threads == 1 else f"{report.threads} threads"
    return f"median latency of a text, ms ({threads})"


def _logarithmic(axes: Axes, which: str, values: Sequence[float]) -> None:
    """A logarithmic axis with plain numbers, and room at its ends for names."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if values:
        low, high = min(values), max(values)
        room = max(2.0, (high / low) ** 0.15)
        (axes.set_xlim if which == "x" else axes.set_ylim)(low / room, high * room)
    axis.set_major_locator(LogLocator(subs=(1.0,) if values and max(values) > 300 * min(values) else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw(figure: Figure, axes: Axes, points: Sequence[_Point], theme: Theme) -> None:
    """Marks, intervals, legend, then names where there is room for them."""
    floor = axes.get_ylim()[0]
    colours: dict[Family, str] = {
        "kdbuild": theme.blue,
        "transformer": theme.orange,
        "baseline": theme.green,
        "naive export": theme.muted,
    }
    # Ours last, as several points may lie upon each other.
    for point in sorted(points, key=lambda point: point.result.family == "kdbuild"):
        result = point.result
        colour, hollow = colours[result.family], point.quoted or point.y is None
        if point.interval is not None:
            axes.plot([point.x, point.x], point.interval, color=colour, linewidth=1, alpha=0.4, zorder=1)
        axes.plot(
            [point.x],
            [floor if point.y is None else point.y],
            linestyle="none",
            marker=_MARKERS[result.family] if point.y is not None else TICKUP,
            color=colour,
            markersize=_MARKER_POINTS,
            markerfacecolor="none" if hollow else colour,
            markeredgecolor=colour if hollow else theme.background,
            markeredgewidth=2 if point.y is None else 1,
            clip_on=False,
        )
    _legend(figure, axes, points, colours, theme)
    _name(figure, axes, points, floor, theme)


def _legend(figure: Figure, axes: Axes, points: Sequence[_Point], colours: dict[Family, str], theme: Theme) -> None:
    """Below the picture: families, and how those without a measured accuracy are drawn."""
    families = [family for family in _MARKERS if any(point.result.family == family for point in points)]
    style: dict[str, Any] = {"linestyle": "none", "markersize": _MARKER_POINTS}
    handles = [
        axes.plot([], [], marker=_MARKERS[family], color=colours[family], label=family, **style)[0]
        for family in families
    ]
    if any(point.quoted for point in points):
        handles += axes.plot(
            [], [], marker="s", color=theme.muted, markerfacecolor="none", label="quoted, not measured", **style
        )
    if any(point.y is None for point in points):
        handles += axes.plot(
            [], [], marker="|", markeredgewidth=2, color=theme.muted, label="accuracy unknown", **style
        )
    columns = len(handles) if len(handles) <= 4 else 3
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=_NAME_POINTS)


def _name(figure: Figure, axes: Axes, points: Sequence[_Point], floor: float, theme: Theme) -> None:
    """Write each contender's name near its point, with a line to it where it had to go further away."""
    figure.draw_without_rendering()  # settles where the axes are
    scale = figure.dpi / 72  # pixels of a point, the typographic unit
    corners = axes.get_window_extent()
    area = Box(corners.x0, corners.y0, corners.x1, corners.y1)
    places: list[tuple[float, float]] = []
    sizes = []
    for point in points:
        x, y = axes.transData.transform((point.x, floor if point.y is None else point.y))
        places.append((float(x), float(y)))
        measured = axes.text(0, 0, _shown(point), fontsize=_NAME_POINTS, rotation=_rotation(point))
        extent = measured.get_window_extent()
        measured.remove()
        sizes.append((extent.width + 4 * scale, extent.height + 2 * scale))
    half = (_MARKER_POINTS / 2 + 1) * scale
    marks = [Box(x - half, y - half, x + half, y + half) for x, y in places]
    gap = half + scale
    for point, (x, y), box in zip(points, places, place_labels(places, sizes, area, marks, gap=gap), strict=True):
        way = way_to((x, y), box)
        line = {
            "arrowstyle": "-",
            "color": theme.muted,
            "linewidth": 0.7,
            "relpos": (
                (way.end[0] - box.left) / (box.right - box.left),
                (way.end[1] - box.bottom) / (box.top - box.bottom),
            ),
            "shrinkA": 0,
            "shrinkB": _MARKER_POINTS / 2,
        }
        name = axes.annotate(
            _shown(point),
            (point.x, floor if point.y is None else point.y),
            (((box.left + box.right) / 2 - x) / scale, ((box.bottom + box.top) / 2 - y) / scale),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_NAME_POINTS,
            rotation=_rotation(point),
            arrowprops=line if way.is_drawn(gap) else None,
            bbox={
                "facecolor": theme.background,
                "alpha": 0.7,
                "edgecolor": "none",
                "pad": 0.5,
            },  # grid and intervals pale
        )
        name.set_in_layout(False)  # or the axes would move again


def _rotation(point: _Point) -> int:
    """Names on the lower edge stand upright: there is room above them, and little beside them."""
    return 90 if point.y is None else 0


def _shown(point: _Point) -> str:
    return f"{point.result.name} (quoted)" if point.quoted else point.result.name
