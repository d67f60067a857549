"""Pictures of a run: learning curve, confusion, calibration, class balance, ablation.

Each goes to a PNG file or, for a page, into memory as SVG. What colours say, shapes or dashes say again.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import StrMethodFormatter

from kdbuild.drawing import LIGHT, Target, Theme, drawing, shortened
from kdbuild.runtime.reliability import calibration
from kdbuild.trainer.plots.curves import draw_dev_scores, draw_learning_rate, draw_losses

_MOST_CLASSES = 40
"""The most classes that are shown one by one: beyond, a confusion matrix shows shades without counts, and the class
balance both ends without the middle."""


def learning_curve(
    log: Sequence[Mapping[str, float]], path: Target, theme: Theme = LIGHT, *, title: str = "Learning curve"
) -> None:
    """Draw losses, dev accuracy and macro-F1, and learning rate over the steps; what the log doesn't hold is left out.

    Args:
        log: entries with ``step`` and any of ``epoch``, ``loss``, ``learning_rate``, ``eval_loss``, ``eval_accuracy``,
            ``eval_macro_f1``.
        path: where the picture goes.
        theme: its colours.
        title: stands above it.
    """
    keys = {key for entry in log for key in entry}
    panels = [(2.2, draw_losses)]  # heights in inches
    if keys & {"eval_accuracy", "eval_macro_f1"}:
        panels.append((1.9, draw_dev_scores))
    if "learning_rate" in keys:
        panels.append((1.1, draw_learning_rate))
    heights = [height for height, _ in panels]
    with drawing(path, theme, 5.4, 0.7 + sum(heights)) as figure:
        grid = figure.subplots(len(panels), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
        top, bottom = grid[0, 0], grid[-1, 0]
        top.set_title(title)
        for axes, (_, draw) in zip(grid[:, 0], panels, strict=True):
            draw(axes, log, theme)
        last = max(log, key=lambda entry: entry["step"])
        bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        an_epoch = last["step"] / last["epoch"] if last.get("epoch") else 0
        bottom.set_xlabel(f"step ({an_epoch:,.0f} an epoch)" if an_epoch else "step")
        figure.align_ylabels()


def confusion_matrix(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Target, theme: Theme = LIGHT
) -> None:
    """Counts of dev rows by true label and answer; the shade is the share of the true label's rows.

    Args:
        confusion: ``[classes][classes]``.
        labels: names of the classes, in order.
        path: where the picture goes.
        theme: its colours.
    """
    count = len(labels)
    few = count <= 6
    cell_size = max(0.42, 0.95 * min(count, 3) / count)  # inches
    size = min(12.0, 1.9 + cell_size * count)
    counts = np.array(confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    with drawing(path, theme, size + (0.9 if few else 1.5), size) as figure:
        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("shares", [theme.background, theme.blue, theme.deepest])
        image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
        axes.grid(visible=False)
        axes.spines[["right", "top"]].set_visible(True)
        for true, answer in np.ndindex(*shares.shape) if count <= _MOST_CLASSES else ():
            share, cell = shares[true, answer], confusion[true][answer]
            if cell or few:  # zeros would only hide the other counts
                axes.text(
                    answer,
                    true,
                    f"{cell:,}\n{share:.1%}" if cell and few else f"{cell}",
                    ha="center",
                    va="center",
                    fontsize=10 if few else 8 if count <= 24 else 6,
                    color=theme.background if share > 0.4 else theme.text,
                )
        names = [shortened(label) for label in labels]
        font_size = 10 if count <= 12 else 9 if count <= 24 else 6 if count <= 90 else 4
        if count > 200:  # nobody could read them, and 1,500 take a minute
            axes.set_xticks([])
            axes.set_yticks([])
        elif max(map(len, names)) > 11 * cell_size:  # some 11 letters fit into an inch
            axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=font_size)
        else:
            axes.set_xticks(range(count), names, fontsize=font_size)
        if count <= 200:
            axes.set_yticks(range(count), names, fontsize=font_size)
        rows = sum(map(sum, confusion))
        axes.set(xlabel="answer", ylabel="true label", title=f"Confusion matrix, {rows:,} dev rows")
        bar = figure.colorbar(image, label="share of the true label's rows", shrink=0.8)
        bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
        bar.outline.set_visible(False)


_MOST_LABELS = 100
"""Labels that are drawn one by one at most: those that occur or are given most."""


def label_scores(confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Target, theme: Theme = LIGHT) -> None:
    """Precision, recall and F1 of each label, for texts that may have several.

    Args:
        confusion: ``[labels][4]``: dev rows that are true negatives, false positives, false negatives, true positives.
        labels: their names, in order.
        path: where the picture goes.
        theme: its colours.
    """
    shown = sorted(range(len(labels)), key=lambda label: -sum(confusion[label][1:]))[:_MOST_LABELS]
    confusion, labels = [confusion[label] for label in sorted(shown)], [labels[label] for label in sorted(shown)]
    rows = range(len(labels))
    scores = np.array([precision_recall_f1(cells) for cells in confusion])
    with drawing(path, theme, 5.4, 1.4 + 0.3 * len(labels)) as figure:
        axes = figure.subplots()
        kinds = (("precision", ">", theme.blue), ("recall", "<", theme.orange), ("F1", "o", theme.green))
        for column, (name, marker, colour) in enumerate(kinds):
            axes.plot(100 * scores[:, column], rows, marker, color=colour, markersize=7, label=name)
        names = [
            f"{shortened(label)} ({cells[2] + cells[3]:,})" for label, cells in zip(labels, confusion, strict=True)
        ]
        axes.set_yticks(rows, names)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set(xlim=(-2, 102), xlabel="%  (in brackets: dev rows that have the label)")
        axes.set_title("Labels one by one", loc="left")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3)


def precision_recall_f1(cells: Sequence[int]) -> tuple[float, float, float]:
    """Scores of one label, 0 to 1 each; NaN where one would be 0 / 0.

    Args:
        cells: the label's true negatives, false positives, false negatives and true positives.
    """
    _, false_positives, false_negatives, hits = map(float, cells)
    return (
        hits / (hits + false_positives or math.nan),
        hits / (hits + false_negatives or math.nan),
        2 * hits / (2 * hits + false_positives + false_negatives or math.nan),
    )


def reliability_diagram(
    targets: npt.NDArray[Any], logits: npt.NDArray[np.floating[Any]], path: Target, theme: Theme = LIGHT
) -> None:
    """Draw accuracy by probability with the gaps to a calibrated classifier, and how the probabilities are spread.

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
    with drawing(path, theme, 4.8, 4.5) as figure:
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
    """Draw the rows of each class, the most frequent first; of over 40 classes, the 20 most and 20 least frequent."""
    total = sum(classes.values()) or 1
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    bars = [(shortened(label), count, f"{count:,} ({count / total:.1%})") for label, count in ordered]
    if len(bars) > _MOST_CLASSES:
        half = _MOST_CLASSES // 2
        bars = [*bars[:half], (f"… {len(bars) - 2 * half} more", 0, ""), *bars[-half:]]
    with drawing(path, theme, 5.4, 1.1 + 0.28 * len(bars)) as figure:
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
        names: what the students are called.
        means: each student's mean accuracy over its runs, 0 to 1.
        deviations: standard deviations of the same; None or 0 where there was one run.
        teacher: the teacher's accuracy, 0 to 1, if there is one.
        path: where the picture goes.
        theme: its colours.
    """
    heights = [100 * mean for mean in means]
    reach = [100 * (deviation or math.nan) for deviation in deviations]
    with drawing(path, theme, max(5.0, 1.2 + 1.3 * len(names)), 4.2) as figure:
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
        axes.set_xticks(places, ["\n".join(textwrap.wrap(shortened(name, 40), 14)) for name in names])
        axes.set_xlim(-0.4, len(names) - 0.25)
        axes.margins(y=0.15)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="dev accuracy, %\n(axis doesn't start at 0)", title="Students, mean ± one standard deviation")
