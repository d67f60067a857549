"""Pictures: what they say, read from their SVG, and how they are saved."""

import io
from pathlib import Path

import numpy as np

from kdbuild.drawing import DARK, LIGHT
from kdbuild.trainer.plots import figures
from kdbuild.trainer.plots.figures import precision_recall_f1
from pictures import png_size, texts

LOG = [
    {"step": 10, "epoch": 0.5, "loss": 2.0, "learning_rate": 0.001, "grad_norm": 1.0},
    {"step": 20, "epoch": 1.0, "loss": 1.5, "learning_rate": 0.0005},
    {"step": 20, "epoch": 1.0, "eval_loss": 0.6, "eval_accuracy": 0.75, "eval_macro_f1": 0.7},
    {"step": 40, "epoch": 2.0, "loss": float("nan"), "learning_rate": 0.0},
    {"step": 40, "epoch": 2.0, "eval_loss": 0.5, "eval_accuracy": 0.8, "eval_macro_f1": 0.78},
    {"step": 40, "epoch": 2.0, "train_runtime": 3.0},
]


def test_learning_curve_says_what_it_draws() -> None:
    svg = io.BytesIO()
    figures.learning_curve(LOG, svg)
    found = texts(svg)
    words = [text for text in found if text and not text.replace(".", "").replace(",", "").isdigit()]
    expected = ["1e−3", "Learning curve", "accuracy", "dev", "dev, %", "learning rate", "loss", "macro-F1"]
    assert sorted(words) == [*expected, "step (20 an epoch)", "training"]


def test_learning_curve_without_evaluations() -> None:
    svg = io.BytesIO()
    figures.learning_curve([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}], svg, title="The teacher's")
    words = {text for text in texts(svg) if text and not text[0].isdigit()}
    assert words == {"loss", "The teacher's", "training", "step"}


def test_long_noisy_losses_are_smoothed() -> None:
    svg = io.BytesIO()
    figures.learning_curve([{"step": step, "loss": 1 + 9 / step} for step in range(1, 101)], svg)
    found = texts(svg)
    assert "training (running mean)" in found
    assert {"1", "2", "5", "10"} <= set(found)  # a logarithmic axis, with plain numbers


def test_confusion_matrix_counts_and_shares() -> None:
    svg = io.BytesIO()
    figures.confusion_matrix([[30, 10], [0, 1200]], ["neg", "pos"], svg)
    found = texts(svg)
    for text in (
        "30",
        "75.0%",
        "10",
        "25.0%",
        "0",
        "1,200",
        "100.0%",
        "neg",
        "pos",
        "Confusion matrix, 1,240 dev rows",
    ):
        assert text in found
    assert {"answer", "true label", "share of the true label's rows"} <= set(found)


def test_confusion_matrix_of_twenty_classes_leaves_zeros_out() -> None:
    labels = [f"a rather long label, number {index}" for index in range(20)]
    confusion = [[100 + row if row == column else 0 for column in range(20)] for row in range(20)]
    confusion[3][7] = 77
    svg = io.BytesIO()
    figures.confusion_matrix(confusion, labels, svg)
    found = texts(svg)
    assert found.count("a rather long label…") == 40
    assert [text for text in found if text.isdigit()] == ["100", "101", "102", "103", "77"] + [
        str(count) for count in range(104, 120)
    ]


def test_confusion_matrix_of_very_many_classes_has_shades_only() -> None:
    svg = io.BytesIO()
    figures.confusion_matrix((9 * np.eye(60, dtype=int)).tolist(), [f"class {index}" for index in range(60)], svg)
    assert "9" not in texts(svg)
    assert texts(svg).count("class 59") == 2


def test_several_labels_get_precision_recall_and_f1() -> None:
    svg = io.BytesIO()
    counts = [[90, 0, 0, 10], [80, 5, 5, 10], [97, 0, 3, 0], [100, 0, 0, 0]]
    figures.label_scores(counts, ["a", "b", "c", "d"], svg)
    found = texts(svg)
    assert [text for text in found if "(" in text][:4] == [
        "%  (in brackets: dev rows that have the label)",
        "a (10)",
        "b (15)",
        "c (3)",
    ]
    assert {"d (0)", "precision", "recall", "F1", "Labels one by one"} <= set(found)


def test_scores_of_a_label() -> None:
    assert precision_recall_f1([80, 5, 15, 10]) == (10 / 15, 10 / 25, 0.5)
    assert precision_recall_f1([97, 0, 3, 0])[1:] == (0.0, 0.0)
    assert np.isnan(precision_recall_f1([97, 0, 3, 0])[0])  # never answered
    assert np.isnan(precision_recall_f1([100, 0, 0, 0])).all()


def test_reliability_diagram_names_its_error_and_units() -> None:
    svg = io.BytesIO()
    figures.reliability_diagram(np.array([1, 1]), np.array([[0.0, np.log(3)], [np.log(9), 0.0]]), svg)
    found = texts(svg)
    assert "Reliability: expected calibration error 57.5 points" in found
    assert {"right, %", "answers, %", "probability of the answer, %", "calibrated", "gap to the probability"} <= set(
        found
    )


def test_class_balance_from_the_most_frequent() -> None:
    svg = io.BytesIO()
    figures.class_balance({"rare": 250, "common": 1500, "middling": 250}, svg)
    found = [text for text in texts(svg) if text in ("rare", "common", "middling") or "(" in text]
    assert found == ["common", "rare", "middling", "1,500 (75.0%)", "250 (12.5%)", "250 (12.5%)"]


def test_class_balance_of_very_many_classes_shows_both_ends() -> None:
    svg = io.BytesIO()
    figures.class_balance({f"class {index}": 1000 - index for index in range(77)}, svg)
    found = [text for text in texts(svg) if "class" in text or "more" in text]
    assert found == [
        *(f"class {index}" for index in range(20)),
        "… 37 more",
        *(f"class {index}" for index in range(57, 77)),
    ]


def test_ablation_shows_means_deviations_and_the_teacher() -> None:
    svg = io.BytesIO()
    names = ["hard labels", "teacher's labels", "teacher's labels, augmented"]
    figures.ablation_plot(names, [0.836, 0.851, 0.8807], [0.004, 0.0, None], 0.8888, svg)
    found = texts(svg)
    assert {"83.6 ± 0.4", "85.1", "88.1", "teacher 88.9", "dev accuracy, %", "(axis doesn't start at 0)"} <= set(found)
    ticks = [float(text) for text in found if text.replace(".", "").isdigit()]
    assert min(ticks) > 80
    alone = io.BytesIO()
    figures.ablation_plot(["one"], [0.5], [0.0], None, alone)
    assert not any("teacher" in text for text in texts(alone))


def test_labels_are_text_and_nothing_else() -> None:
    """No formulas, no markup, and scripts that the PNG's font lacks raise no warning."""
    labels = ["$\\frac{1}$", '<b>&"', "映画"]
    svg = io.BytesIO()
    figures.confusion_matrix([[1, 0, 0], [0, 1, 0], [0, 0, 1]], labels, svg)
    found = texts(svg)
    assert [found.count(label) for label in labels] == [2, 2, 2]
    figures.class_balance(dict.fromkeys(labels, 1), svg)


def test_png_files_for_screens(tmp_path: Path) -> None:
    figures.learning_curve(LOG, tmp_path / "plots" / "curve.png")
    figures.confusion_matrix([[1, 2], [3, 4]], ["映", "b"], tmp_path / "plots" / "matrix.png")
    assert png_size(tmp_path / "plots" / "curve.png") == (777, 849)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["curve.png", "matrix.png"]


def test_same_picture_same_bytes_and_themes_differ() -> None:
    drawn = []
    for theme in (LIGHT, LIGHT, DARK):
        svg = io.BytesIO()
        figures.class_balance({"a": 1, "b": 2}, svg, theme)
        drawn.append(svg.getvalue())
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(b"<svg ")
    assert (b"#1f2328" in drawn[0], b"#e8edf2" in drawn[0]) == (True, False)
    assert (b"#1f2328" in drawn[2], b"#e8edf2" in drawn[2]) == (False, True)
