"""The panels of a learning curve, each drawn from the log of a training.

A log has entries with ``step`` and any of ``loss``, ``learning_rate``, ``eval_loss``, ``eval_accuracy``, ``eval_macro_f1``.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from kdbuild.drawing import Theme

Log = Sequence[Mapping[str, float]]


def draw_losses(axes: Axes, log: Log, theme: Theme) -> None:
    """Draw the training loss, with a running mean from 50 entries on, and the dev loss; if they fall far, logarithmically."""
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


def draw_dev_scores(axes: Axes, log: Log, theme: Theme) -> None:
    """Draw accuracy and macro-F1 on dev, in percent."""
    for key, label, style, colour in (
        ("eval_accuracy", "accuracy", "o-", theme.blue),
        ("eval_macro_f1", "macro-F1", "s--", theme.orange),
    ):
        steps, scores = _series(log, key)
        if scores:
            axes.plot(steps, [100 * score for score in scores], style, color=colour, markersize=4, label=label)
    axes.set_ylabel("dev, %")
    axes.legend(loc="lower right")


def draw_learning_rate(axes: Axes, log: Log, theme: Theme) -> None:
    """Draw the learning rate, its power of ten above the axis."""
    axes.plot(*_series(log, "learning_rate"), color=theme.green)
    axes.set_ylabel("learning rate")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _series(log: Log, key: str) -> tuple[list[float], list[float]]:
    """Steps and finite values of a key; of several values at a step, the last."""
    found = {entry["step"]: entry[key] for entry in log if key in entry and math.isfinite(entry[key])}
    return list(found), list(found.values())
