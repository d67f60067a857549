"""How well a student does, for its report: how it learned, what it answers on dev, and where it is wrong."""

import shlex
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import label_indices, label_matrix, read_records, read_rows
from kdbuild.trainer.plots import figures
from kdbuild.trainer.report import html
from kdbuild.trainer.report.facts import Facts, read_json
from kdbuild.trainer.run.folder import RunFolder

_MOST_MISTAKES = 50
_WIDE = 9
"""Classes from which a confusion matrix needs the page's whole width."""
_LOSSES = {
    "mse": "the squared distance to the teacher's logits",
    "kl_div": "the divergence from the teacher's softened probabilities",
}
_MISTAKES_COLUMNS = {"text": "text", "text2": "second text", "label": "true label", "answer": "answer"}
"""Columns of ``misclassified.tsv`` and their headings; ``text2`` is there for pairs only."""


def training(facts: Facts) -> str:
    """The learning curves of the student and, if it was fine-tuned here, of its teacher."""
    meaning = _meaning_of_losses(facts.options.get("student", {}))
    return html.section(
        "Training",
        html.side_by_side(
            _curve(facts, "distill", "student", f"The student, on its training texts and on dev. {meaning}"),
            _curve(facts, "teacher", "teacher", "The teacher, which was fine-tuned here."),
        ),
    )


def _curve(facts: Facts, stage: str, who: str, caption: str) -> str:
    path = RunFolder(facts.path).output(stage) / "log.json"
    log = read_json(path, list) if path.is_file() else []
    if not any("loss" in entry or "eval_loss" in entry for entry in log):
        return ""
    title = f"Learning curve of the {who}"
    return html.picture(partial(figures.learning_curve, log, title=title), title, caption)


def _meaning_of_losses(student: dict[str, Any]) -> str:
    """What the training and dev losses of a student with these options measure."""
    loss = student.get("loss")
    if loss == "cross_entropy":
        return "Both losses are the cross-entropy of the true labels."
    if loss not in _LOSSES:
        return ""
    blend = "" if student.get("alpha", 1) == 1 else ", blended with the cross-entropy of the true labels"
    return (
        f"The training loss is {_LOSSES[loss]}{blend}; the dev loss is the cross-entropy of the true labels. "
        "Compare their courses, not their heights."
    )


def answers(facts: Facts) -> str:
    """What is answered for which label, and how far the probabilities can be relied on."""
    confusion, title = facts.dev["confusion"], "Answers on dev"
    if facts.multi_label:
        scores = html.picture(
            partial(figures.label_scores, confusion, facts.labels), "Precision, recall and F1 by label"
        )
        return html.section(title, html.side_by_side(scores, _reliability(facts)))
    wide = len(facts.labels) >= _WIDE
    matrix = html.picture(
        partial(figures.confusion_matrix, confusion, facts.labels),
        "Confusion matrix",
        "A row holds the dev rows of one true label; the diagonal is right.",
        wide=wide,
    )
    if wide:
        return html.section(title, matrix, html.side_by_side(_reliability(facts)))
    return html.section(title, html.side_by_side(matrix, _reliability(facts)))


def _reliability(facts: Facts) -> str:
    """The reliability diagram, where the run has what it needs: the student's logits and the labels of dev."""
    path = RunFolder(facts.path).output("distill") / "dev_logits.npy"
    if not path.is_file():
        return ""
    dev = RunFolder(facts.path).output("data") / "dev.tsv"
    labels = read_rows(dev, multi_label=facts.multi_label, own=True).labels
    if labels is None:
        return ""
    targets = np.array((label_matrix if facts.multi_label else label_indices)(dev, labels, facts.labels))
    try:
        logits: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise BadInputError(f"{path}: not an array ({error}). {_again(facts)}") from error
    if logits.shape != (len(targets), len(facts.labels)):
        raise BadInputError(
            f"{path}: is of shape {logits.shape}, and dev has {len(targets)} rows and {len(facts.labels)} labels. "
            f"{_again(facts)}"
        )
    return html.picture(
        partial(figures.reliability_diagram, targets, logits),
        "Reliability diagram",
        "Of the answers with about the same probability, how many are right. Where bars end below the dashed line the "
        "student is too sure of itself.",
    )


def mistakes(facts: Facts) -> str:
    """The dev rows that the student gets wrong, those first of which it is surest."""
    path = facts.path / "misclassified.tsv"
    if not path.is_file():
        return ""
    records = [record for _, record in read_records(path, own=True)]
    if not records:
        return html.section("Mistakes", "<p>None: every dev row was answered right.</p>")
    for name in ("text", "label", "answer", "probability"):
        if name not in records[0]:
            raise BadInputError(f"{path}: no column '{name}'. {_again(facts)}")
    columns = [name for name in _MISTAKES_COLUMNS if name in records[0]]
    try:
        records.sort(key=lambda record: -float(record["probability"]))
    except ValueError as error:
        raise BadInputError(f"{path}: {error}. {_again(facts)}") from error
    table = html.table(
        [*(_MISTAKES_COLUMNS[name] for name in columns), "probability"],
        _mistake_cells(islice(records, _MOST_MISTAKES), columns),
        [len(columns)],
    )
    count = f"{len(records):,} of {facts.dev['n']:,} dev rows"
    which, where = "the surest first", ""
    if len(records) > _MOST_MISTAKES:
        which, where = f"the {_MOST_MISTAKES} surest", f"; all of them in <code>{html.text(path.name)}</code>"
    return html.section("Mistakes", f"<p>{count}, {which}{where}.</p>", f'<div class="mistakes">{table}</div>')


def _mistake_cells(records: Iterator[dict[str, str]], columns: list[str]) -> Iterator[list[str]]:
    for record in records:
        cells = [html.text(record[name]) or "<em>none</em>" for name in columns]
        yield [*cells, html.percent(float(record["probability"]))]


def _again(facts: Facts) -> str:
    """The way out when a file that the student's training wrote is damaged."""
    return f"Train again: kdbuild distill {shlex.quote(str(facts.path))}"
