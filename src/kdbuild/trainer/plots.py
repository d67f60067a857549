"""Pictures of a run: learning curve and confusion matrix."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kdbuild.trainer.run_folder import write_atomically


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def learning_curve(log: Sequence[dict[str, float]], path: Path) -> None:
    """Training loss and dev accuracy over the steps."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.subplots()
    left.plot([e["step"] for e in log if "loss" in e], [e["loss"] for e in log if "loss" in e], color="tab:blue")
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    left.yaxis.label.set_color("tab:blue")
    right = left.twinx()
    evaluated = [e for e in log if "eval_accuracy" in e]
    right.plot([e["step"] for e in evaluated], [e["eval_accuracy"] for e in evaluated], "o-", color="tab:orange")
    right.set_ylabel("dev accuracy", color="tab:orange")
    left.set_title("Learning curve")
    _save(figure, path)


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str], path: Path) -> None:
    """Counts of dev rows by true label and answer; the shade is the share of the true label's rows."""
    size = max(3.5, 1.5 + 0.5 * len(labels))
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, row in enumerate(confusion):
        for answer, count in enumerate(row):
            shade = "white" if shares[true][answer] > 0.5 else "black"
            axes.text(answer, true, str(count), ha="center", va="center", color=shade)
    axes.set_xticks(range(len(labels)), labels, rotation=45 if len(labels) > 3 else 0)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answer", ylabel="true label", title="Dev rows")
    figure.colorbar(image, label="share of the true label")
    _save(figure, path)
