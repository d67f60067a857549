"""The scaling results as one picture of small multiples. What colours say, shapes say again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.scaling.points import BERT, ONNX, TFLITE, call_ms
from kdbuild.drawing import LIGHT, Target, Theme, drawing

AUGMENT = "augmentation"
_COLUMNS, _WIDTH, _HEIGHT = 4, 3.1, 2.5  # inches a panel
_MOST_TICKS = 6

Result = Mapping[str, Any]


@dataclass(frozen=True)
class _Panel:
    """One small picture."""

    axis: str
    title: str
    x: str
    y: Callable[[Mapping[str, Any]], float | None]
    """Of a point."""
    from_zero: bool = False
    """Whether the vertical axis is linear; it starts at 0 then."""


def _text(point: Mapping[str, Any]) -> float:
    return call_ms(point) / int(point["texts_a_call"])


def _rate(point: Mapping[str, Any]) -> float:
    return 1000 / _text(point)


def _peak(point: Mapping[str, Any]) -> float | None:
    # torch alone takes ten times the memory of the others, which would all lie on the floor.
    return None if point["series"] == BERT else point["peak_mb"]


PANELS = (
    _Panel("tokens", "time a text, ms", "tokens", _text),
    _Panel("tokens", "peak memory, MB", "tokens", _peak, from_zero=True),
    _Panel("hidden", "time a text, ms", "units a direction", _text),
    _Panel("hidden", "peak memory, MB", "units a direction", _peak, from_zero=True),
    _Panel("vocabulary", "time a text, ms", "words in the vocabulary", _text, from_zero=True),
    _Panel("vocabulary", "file, MB", "words in the vocabulary", lambda point: point["size_bytes"] / 1e6),
    _Panel("vocabulary", "load, ms", "words in the vocabulary", lambda point: point["load_ms"]),
    _Panel("vocabulary", "peak memory, MB", "words in the vocabulary", _peak, from_zero=True),
    _Panel("batch", "time a text, ms", "texts a call", _text, from_zero=True),
    _Panel("callers", "texts a second", "calling threads", _rate, from_zero=True),
    _Panel("rows", "augmentation, CPU s", "rows (5 rounds)", lambda point: point["cpu_seconds"]),
    _Panel(
        "rows", "memory over start, MB", "rows (5 rounds)", lambda point: point["peak_mb_over_start"], from_zero=True
    ),
)


def scaling_plot(result: Result, path: Target, theme: Theme = LIGHT) -> None:
    """Draw what was measured, a panel for each of several quantities; logarithmic where it doesn't start at 0.

    Args:
        result: of ``python -m benchmarks.scaling``.
        path: where the picture goes.
        theme: its colours.
    """
    panels = [panel for panel in PANELS if panel.axis in result["axes"]]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    styles = {TFLITE: (theme.blue, "o-"), ONNX: (theme.orange, "s--"), BERT: (theme.green, "^-.")}
    styles[AUGMENT] = (theme.muted, "D-")
    with drawing(path, theme, _WIDTH * columns, _HEIGHT * rows + 0.4) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for axes, panel in zip(grid.flat, panels, strict=False):
            points = result["axes"][panel.axis]["points"]
            for series in styles:
                mine = [
                    (_x(point), y) for point in points if _series(point) == series and (y := panel.y(point)) is not None
                ]
                if mine:
                    colour, style = styles[series]
                    (handles[series],) = axes.plot(*zip(*mine, strict=True), style, color=colour, markersize=5)
            axes.set(title=panel.title, xlabel=panel.x)
            _scales(axes, [_x(point) for point in points], panel.from_zero)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        shown = [series for series in styles if series in handles]
        figure.legend(
            [handles[one] for one in shown], shown, loc="outside lower center", ncols=len(shown), frameon=False
        )


def _series(point: Mapping[str, Any]) -> str:
    return str(point.get("series", AUGMENT))


def _x(point: Mapping[str, Any]) -> int:
    return int(point["value"] if "value" in point else point["rows"])


def _scales(axes: Axes, values: Sequence[int], from_zero: bool) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(spread(values)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    if from_zero:
        axes.set_ylim(bottom=0, top=1.1 * axes.get_ylim()[1])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def spread(values: Sequence[int]) -> list[int]:
    """The largest of some values, and those below it that are far enough apart to be named on a logarithmic axis."""
    apart = (max(values) / min(values)) ** (1 / (_MOST_TICKS - 1))
    chosen: list[int] = []
    for value in sorted(set(values), reverse=True):
        if not chosen or value * apart < 1.001 * chosen[-1]:
            chosen.append(value)
    return chosen[::-1]


def short(value: float) -> str:
    """A number with at most a few characters: 20k, 1M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.10g}{letter}"
    return f"{value:.10g}"
