"""Pictures of a run: learning curve, confusion, calibration, class balance, ablation.

Each goes to a PNG file or, for a page, into memory as SVG whose letters are the reader's own fonts. The colours are those of
Okabe and Ito (2008), which colour-blind readers tell apart; shapes and dashes say the same again.
"""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from kdbuild.runtime.metrics import sigmoid, softmax
from kdbuild.trainer.run_folder import write_atomically

Target = Path | io.BytesIO
"""Where a picture goes: a PNG file, or memory, as SVG."""

_MOST_CLASSES = 40
"""Classes whose bars or counts are drawn; of more, the bars of the outermost, and no counts."""


@dataclass(frozen=True)
class Theme:
    """Colours for light or dark surroundings."""

    background: str
    text: str
    muted: str
    grid: str
    blue: str
    orange: str
    green: str
    deepest: str
    """Of a cell of a matrix that holds everything."""


LIGHT = Theme("#ffffff", "#1f2328", "#59636e", "#d9dee3", "#0072b2", "#d55e00", "#009e73", "#08457e")
DARK = Theme("#15191e", "#e8edf2", "#a3acb5", "#353c44", "#56b4e9", "#e69f00", "#3fd0a4", "#8cd0f7")


@contextmanager
def _figure(target: Target, theme: Theme, width: float, height: float) -> Iterator[Figure]:
    """A figure of a size in inches, saved when the block ends."""
    style: dict[Any, Any] = {
        "axes.axisbelow": True,
        "axes.edgecolor": theme.muted,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.labelcolor": theme.text,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "figure.facecolor": theme.background if isinstance(target, Path) else "none",
        "font.size": 10,
        "grid.color": theme.grid,
        "legend.edgecolor": "none",
        "legend.facecolor": theme.background,
        "savefig.facecolor": "auto",
        "svg.fonttype": "none",
        "svg.hashsalt": "kdbuild",  # the same picture has the same bytes
        "text.color": theme.text,
        "text.parse_math": False,  # labels come from data, where $ is a dollar
        "xtick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.color": theme.muted,
        "ytick.labelcolor": theme.text,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # Labels of any script: a browser has fonts for them, the PNG shows boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        if isinstance(target, Path):
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=144)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, buffer.getvalue())
        else:
            buffer = io.BytesIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            target.write(_slim(buffer.getvalue()))


def _slim(svg: bytes) -> bytes:
    """A third of the bytes, the same picture: an SVG element alone, places to a hundredth, any sans-serif font."""
    svg = re.sub(rb"<metadata>.*?</metadata>", b"", svg[svg.index(b"<svg") :], flags=re.DOTALL)
    svg = re.sub(rb"'DejaVu Sans'[^;\"]*sans-serif", b"sans-serif", svg)  # else a dozen families in every text's style
    return re.sub(rb"(\d\.\d\d)\d+", rb"\1", svg)


def learning_curve(
    log: Sequence[Mapping[str, float]], path: Target, theme: Theme = LIGHT, *, title: str = "Learning curve"
) -> None:
    """Losses, dev accuracy and macro-F1, and learning rate over the steps; what the log doesn't hold is left out.

    Args:
        log: entries with ``step`` and any of ``epoch``, ``loss``, ``learning_rate``, ``eval_loss``, ``eval_accuracy``,
            ``eval_macro_f1``.
        path: where the picture goes.
        theme: its colours.
        title: stands above it.
    """
    keys = {key for entry in log for key in entry}
    heights = {"loss": 2.2, "dev": 1.9, "rate": 1.1}
    if not keys & {"eval_accuracy", "eval_macro_f1"}:
        del heights["dev"]
    if "learning_rate" not in keys:
        del heights["rate"]
    with _figure(path, theme, 5.4, 0.7 + sum(heights.values())) as figure:
        grid = figure.subplots(
            len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": list(heights.values())}
        )
        panels: dict[str, Axes] = dict(zip(heights, grid[:, 0], strict=True))
        panels["loss"].set_title(title)
        _losses(panels["loss"], log, theme)
        if "dev" in panels:
            _dev_scores(panels["dev"], log, theme)
        if "rate" in panels:
            panels["rate"].plot(*_series(log, "learning_rate"), color=theme.green)
            panels["rate"].set_ylabel("learning rate")
            panels["rate"].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        last = max(log, key=lambda entry: entry["step"])
        bottom = grid[-1, 0]
        bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        an_epoch = last["step"] / last["epoch"] if last.get("epoch") else 0
        bottom.set_xlabel(f"step ({an_epoch:,.0f} an epoch)" if an_epoch else "step")
        figure.align_ylabels()


def _series(log: Sequence[Mapping[str, float]], key: str) -> tuple[list[float], list[float]]:
    """Steps and finite values of a key, one value a step."""
    found = {entry["step"]: entry[key] for entry in log if key in entry and math.isfinite(entry[key])}
    return list(found), list(found.values())


def _losses(axes: Axes, log: Sequence[Mapping[str, float]], theme: Theme) -> None:
    steps, losses = _series(log, "loss")
    window = len(losses) // 25
    if window > 1:
        axes.plot(steps, losses, color=theme.blue, alpha=0.3, linewidth=0.8)
        weights = np.ones(window) / window
        axes.plot(
            np.convolve(steps, weights, "valid"),
            np.convolve(losses, weights, "valid"),
            color=theme.blue,
            label="training (running mean)",
        )
    elif losses:
        axes.plot(steps, losses, color=theme.blue, label="training")
    evaluated, dev = _series(log, "eval_loss")
    if dev:
        axes.plot(evaluated, dev, "o--", color=theme.orange, markersize=4, label="dev")
    known = losses + dev
    if known and min(known) > 0 and max(known) > 8 * min(known):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("loss")
    if known:
        axes.legend()


def _dev_scores(axes: Axes, log: Sequence[Mapping[str, float]], theme: Theme) -> None:
    for key, label, style, colour in (
        ("eval_accuracy", "accuracy", "o-", theme.blue),
        ("eval_macro_f1", "macro-F1", "s--", theme.orange),
    ):
        steps, scores = _series(log, key)
        if scores:
            axes.plot(steps, [100 * score for score in scores], style, color=colour, markersize=4, label=label)
    axes.set_ylabel("dev, %")
    axes.legend(loc="lower right")


def _short(label: str, longest: int = 20) -> str:
    return label if len(label) <= longest else label[: longest - 1] + "…"


def confusion_matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Target, theme: Theme = LIGHT
) -> None:
    """Counts of dev rows by true label and answer; the shade is the share of the true label's rows.

    Args:
        confusion: ``[classes][classes]``.
        labels: of the classes, in order.
        path: where the picture goes.
        theme: its colours.
    """
    count = len(labels)
    cell_size = max(0.42, 0.95 * min(count, 3) / count)
    size = min(12.0, 1.9 + cell_size * count)
    shares = np.array([[cell / max(1, sum(row)) for cell in row] for row in confusion])
    with _figure(path, theme, size + (0.9 if count <= 6 else 1.5), size) as figure:
        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("shares", [theme.background, theme.blue, theme.deepest])
        image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.spines[["right", "top"]].set_visible(True)
        for true, answer in np.ndindex(*shares.shape) if count <= _MOST_CLASSES else ():
            share, cell = shares[true, answer], confusion[true][answer]
            if cell or count <= 6:
                axes.text(
                    answer,
                    true,
                    f"{cell:,}\n{share:.1%}" if cell and count <= 6 else f"{cell}",
                    ha="center",
                    va="center",
                    fontsize=10 if count <= 6 else 8 if count <= 24 else 6,
                    color=theme.background if share > 0.4 else theme.text,
                )
        names = [_short(label) for label in labels]
        small = 10 if count <= 12 else 9 if count <= 24 else 6 if count <= 90 else 4
        if max(map(len, names)) > 11 * cell_size:
            axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=small)
        else:
            axes.set_xticks(range(count), names, fontsize=small)
        axes.set_yticks(range(count), names, fontsize=small)
        rows = sum(map(sum, confusion))
        axes.set(xlabel="answer", ylabel="true label", title=f"Confusion matrix, {rows:,} dev rows")
        bar = figure.colorbar(image, label="share of the true label's rows", shrink=0.8)
        bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
        bar.outline.set_visible(False)


def label_scores(confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Target, theme: Theme = LIGHT) -> None:
    """Precision, recall and F1 of each label, for texts that may have several.

    Args:
        confusion: ``[labels][4]``: dev rows that are true negatives, false positives, false negatives, true positives.
        labels: their names, in order.
        path: where the picture goes.
        theme: its colours.
    """
    rows = range(len(labels))
    scores = np.array([precision_recall_f1(cells) for cells in confusion])
    with _figure(path, theme, 5.4, 1.4 + 0.3 * len(labels)) as figure:
        axes = figure.subplots()
        kinds = (("precision", ">", theme.blue), ("recall", "<", theme.orange), ("F1", "o", theme.green))
        for column, (name, marker, colour) in enumerate(kinds):
            axes.plot(100 * scores[:, column], rows, marker, color=colour, markersize=7, label=name)
        names = [f"{_short(label)} ({cells[2] + cells[3]:,})" for label, cells in zip(labels, confusion, strict=True)]
        axes.set_yticks(rows, names)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set(xlim=(-2, 102), xlabel="%  (in brackets: dev rows that have the label)")
        axes.set_title("Labels one by one", loc="left")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)


def precision_recall_f1(cells: Sequence[int]) -> tuple[float, float, float]:
    """Of a label's true negatives, false positives, false negatives and true positives; NaN for what nothing tells."""
    _, false_positives, false_negatives, hits = map(float, cells)
    return (
        hits / (hits + false_positives or math.nan),
        hits / (hits + false_negatives or math.nan),
        2 * hits / (2 * hits + false_positives + false_negatives or math.nan),
    )


@dataclass(frozen=True)
class Reliability:
    """How often answers of about the same probability were right."""

    edges: tuple[float, ...]
    """Of the bins, one more than there are; a bin holds its upper edge, and the first one 0, too."""
    counts: tuple[int, ...]
    """Answers in each bin."""
    confidence: tuple[float, ...]
    """Mean probability of each bin's answers; 0 where there are none."""
    accuracy: tuple[float, ...]
    """Share of each bin's answers that were right; 0 where there are none."""
    ece: float
    """Expected calibration error, 0 to 1: the mean of the bins' gaps between confidence and accuracy, by their counts."""


def reliability(
    probabilities: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_], bins: int = 10
) -> Reliability:
    """Sort answers into bins of equal width by their probability (Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        probabilities: ``[answers]``, 0 to 1.
        right: ``[answers]``, whether each was right.
        bins: their number.

    Raises:
        ValueError: there are no answers, or other numbers of probabilities and of right.
    """
    if not len(probabilities) or probabilities.shape != right.shape:
        raise ValueError(f"probabilities {probabilities.shape} and right {right.shape} must be of one length, not 0")
    edges = np.arange(bins + 1) / bins
    places = np.maximum(np.searchsorted(edges, probabilities, side="left") - 1, 0)
    counts = np.bincount(places, minlength=bins)
    filled = np.maximum(counts, 1)
    confidence = np.bincount(places, weights=probabilities, minlength=bins) / filled
    accuracy = np.bincount(places, weights=right, minlength=bins) / filled
    return Reliability(
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        tuple(confidence.tolist()),
        tuple(accuracy.tolist()),
        float((np.abs(confidence - accuracy) * counts).sum() / counts.sum()),
    )


def calibration(targets: npt.NDArray[Any], logits: npt.NDArray[np.floating[Any]]) -> Reliability:
    """The reliability of a classifier's answers; where a text may have several labels, of every label on every text.

    Args:
        targets: the true classes ``[rows]``, or 0 or 1 for each label ``[rows, labels]``.
        logits: ``[rows, classes]``.
    """
    if targets.ndim == 2:
        return reliability(sigmoid(logits).ravel(), (targets == 1).ravel())
    return reliability(softmax(logits).max(axis=1), logits.argmax(axis=1) == targets)


def reliability_diagram(
    targets: npt.NDArray[Any], logits: npt.NDArray[np.floating[Any]], path: Target, theme: Theme = LIGHT
) -> None:
    """Accuracy by probability with the gaps to a calibrated classifier, and how the probabilities are spread.

    Args:
        targets: the true classes ``[rows]``, or 0 or 1 for each label ``[rows, labels]``.
        logits: ``[rows, classes]``.
        path: where the picture goes.
        theme: its colours.
    """
    measured = calibration(targets, logits)
    counts, confidence, accuracy = (
        np.array(values, dtype=float) for values in (measured.counts, measured.confidence, measured.accuracy)
    )
    edges = np.array(measured.edges)
    filled, total = counts > 0, counts.sum()
    left, width = 100 * edges[:-1][filled], 100 * np.diff(edges)[filled]
    bars: dict[str, Any] = {"align": "edge", "edgecolor": theme.background, "linewidth": 1}
    with _figure(path, theme, 4.8, 4.5) as figure:
        above, below = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        share, sure = 100 * accuracy[filled], 100 * confidence[filled]
        above.bar(left, share, width, color=theme.blue, label="right", **bars)
        above.bar(
            left,
            sure - share,
            width,
            bottom=share,
            align="edge",
            color="none",
            hatch="////",
            edgecolor=theme.orange,
            linewidth=1.2,
            label="gap to the probability",
        )
        above.plot([0, 100], [0, 100], "--", color=theme.muted, linewidth=1.2, label="calibrated")
        above.set(ylim=(0, 103), ylabel="right, %")
        above.set_title(f"Reliability: expected calibration error {100 * measured.ece:.1f} points")
        above.legend()
        below.bar(left, 100 * counts[filled] / total, width, color=theme.muted, **bars)
        below.set(xlabel="probability of the answer, %", ylabel="answers, %", xlim=(0, 100))
        for mean, style, colour, name in (
            ((counts * confidence).sum() / total, "--", theme.orange, "mean probability"),
            ((counts * accuracy).sum() / total, "-", theme.blue, "right"),
        ):
            below.axvline(100 * mean, linestyle=style, color=colour, label=name)
        below.legend()
        below.grid(visible=False)
        figure.align_ylabels()


def class_balance(classes: Mapping[str, int], path: Target, theme: Theme = LIGHT) -> None:
    """Rows of each class, the most frequent first; of very many classes, the most and the least frequent."""
    total = sum(classes.values()) or 1
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    bars = [(_short(label), count, f"{count:,} ({count / total:.1%})") for label, count in ordered]
    if len(bars) > _MOST_CLASSES:
        half = _MOST_CLASSES // 2
        bars = [*bars[:half], (f"… {len(bars) - 2 * half} more", 0, ""), *bars[-half:]]
    with _figure(path, theme, 5.4, 1.1 + 0.28 * len(bars)) as figure:
        axes = figure.subplots()
        drawn = axes.barh(range(len(bars)), [count for _, count, _ in bars], color=theme.blue, height=0.7)
        axes.bar_label(drawn, [text for _, _, text in bars], padding=4)
        axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
        axes.invert_yaxis()
        axes.margins(x=0.22, y=0.5 / max(1, len(bars)))
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set(xlabel="train rows", title="Class balance")


def ablation_plot(
    names: Sequence[str],
    means: Sequence[float],
    deviations: Sequence[float | None],
    teacher: float | None,
    path: Target,
    theme: Theme = LIGHT,
) -> None:
    """Dev accuracy of several students, with one standard deviation up and down, and of their teacher.

    Args:
        names: of the students.
        means: of each student's accuracy over its runs, 0 to 1.
        deviations: standard deviations of the same; None or 0 where there was one run.
        teacher: its accuracy, 0 to 1, if there is one.
        path: where the picture goes.
        theme: its colours.
    """
    heights = [100 * mean for mean in means]
    reach = [100 * (deviation or math.nan) for deviation in deviations]
    with _figure(path, theme, max(5.0, 1.2 + 1.3 * len(names)), 4.2) as figure:
        axes = figure.subplots()
        places = range(len(names))
        axes.errorbar(places, heights, yerr=reach, fmt="o", color=theme.blue, capsize=6, markersize=8, linewidth=2)
        for place, height, deviation in zip(places, heights, deviations, strict=True):
            spread = f" ± {100 * deviation:.1f}" if deviation else ""
            axes.annotate(f"{height:.1f}{spread}", (place, height), (9, 0), textcoords="offset points", va="center")
        if teacher is not None:
            axes.axhline(100 * teacher, linestyle="--", color=theme.orange)
            axes.annotate(
                f"teacher {100 * teacher:.1f}",
                (0, 100 * teacher),
                (4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=theme.orange,
            )
        axes.set_xticks(places, ["\n".join(textwrap.wrap(_short(name, 40), 14)) for name in names])
        axes.set_xlim(-0.4, len(names) - 0.25)
        axes.margins(y=0.15)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="dev accuracy, %\n(axis doesn't start at 0)", title="Students, mean ± one standard deviation")
