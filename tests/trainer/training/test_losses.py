"""The losses, each against a value computed by hand or from its definition in plain Python."""

import math
from collections.abc import Sequence

import pytest
import torch

from kdbuild.trainer.training.losses import UNKNOWN, Objective, cross_entropy, kl_div, mse

LOGITS = [[1.0, 0.0], [0.5, 2.0]]
TEACHER = [[2.0, -1.0], [0.0, 0.0]]


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    exponents = [math.exp(value / temperature) for value in logits]
    return [value / sum(exponents) for value in exponents]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def tensors(first: object, second: object) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(first), torch.tensor(second)


def test_mse() -> None:
    # (1² + 1² + 0.5² + 2²) / 4
    assert mse(*tensors(LOGITS, TEACHER)).item() == 1.5625


def test_kl_div_is_multiplied_by_the_square_of_the_temperature() -> None:
    temperature = 3.0
    expected = 0.0
    for student, teacher in zip(LOGITS, TEACHER, strict=True):
        p, q = softmax(teacher, temperature), softmax(student, temperature)
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 2
    loss = kl_div(*tensors(LOGITS, TEACHER), temperature, multi_label=False)
    assert loss.item() == pytest.approx(9 * expected, rel=1e-5)


def test_kl_div_by_hand() -> None:
    # Teacher ln 3 to 0: 3/4 and 1/4; student 0 to 0: 1/2 each. 3/4 ln(3/2) + 1/4 ln(1/2), at temperature 1.
    loss = kl_div(torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3), 0.0]]), 1.0, multi_label=False)
    assert loss.item() == pytest.approx(0.1308, abs=5e-5)
    # Logits twice as large at temperature 2 are the same probabilities, times 4.
    loss = kl_div(torch.tensor([[0.0, 0.0]]), torch.tensor([[2 * math.log(3), 0.0]]), 2.0, multi_label=False)
    assert loss.item() == pytest.approx(4 * 0.13081, abs=2e-4)


def test_gradient_of_kl_div_nears_that_of_mse_at_high_temperature() -> None:
    """Hinton et al. 2015, section 2.1, for logits of mean zero: dC/dz = (z - v) / N once multiplied by T²."""
    student = torch.tensor([[1.0, -1.0, 0.0]], requires_grad=True)
    kl_div(student, torch.tensor([[0.5, 0.5, -1.0]]), 1000.0, multi_label=False).backward()
    assert student.grad is not None
    assert student.grad[0].tolist() == pytest.approx([0.5 / 3, -1.5 / 3, 1.0 / 3], rel=1e-2)


def test_kl_div_of_several_labels_is_a_mean_of_binary_divergences() -> None:
    expected = 0.0
    for student, teacher in zip(LOGITS, TEACHER, strict=True):
        for s, t in zip(student, teacher, strict=True):
            p, q = sigmoid(t / 2), sigmoid(s / 2)
            expected += (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) / 4
    loss = kl_div(*tensors(LOGITS, TEACHER), 2.0, multi_label=True)
    assert loss.item() == pytest.approx(4 * expected, rel=1e-5)


def test_cross_entropy() -> None:
    # Row 1: ln(1 + e^-1) = 0.31326; row 2, class 0: ln(1 + e^1.5) = 1.70141.
    loss = cross_entropy(*tensors(LOGITS, [0, 0]))
    assert loss.item() == pytest.approx((0.31326 + 1.70141) / 2, abs=1e-5)


def test_cross_entropy_with_class_weights() -> None:
    # Row 1, class 0: 0.31326; row 2, class 1: ln(1 + e^-1.5) = 0.20141; weights 1 and 3.
    loss = cross_entropy(*tensors(LOGITS, [0, 1]), torch.tensor([1.0, 3.0]))
    assert loss.item() == pytest.approx((0.31326 + 3 * 0.20141) / 4, abs=1e-5)


def test_cross_entropy_leaves_unknown_labels_out() -> None:
    assert cross_entropy(*tensors(LOGITS, [0, UNKNOWN])).item() == pytest.approx(0.31326, abs=1e-5)
    assert cross_entropy(*tensors(LOGITS, [UNKNOWN, UNKNOWN])).item() == 0.0
    unknown = [[UNKNOWN, UNKNOWN], [UNKNOWN, UNKNOWN]]
    assert cross_entropy(*tensors(LOGITS, unknown)).item() == 0.0


def test_cross_entropy_of_several_labels() -> None:
    # -ln s(1) = 0.31326, -ln(1 - s(0)) = 0.69315; the second row's labels aren't known.
    loss = cross_entropy(*tensors(LOGITS, [[1, 0], [UNKNOWN, UNKNOWN]]))
    assert loss.item() == pytest.approx((0.31326 + 0.69315) / 2, abs=1e-5)


def test_blend_takes_its_cross_entropy_from_unperturbed_rows_only() -> None:
    batch = {"labels": torch.tensor([0, UNKNOWN]), "teacher_logits": torch.tensor(TEACHER)}
    loss = Objective("mse", alpha=0.75)(torch.tensor(LOGITS), batch)
    assert loss.item() == pytest.approx(0.75 * 1.5625 + 0.25 * 0.31326, abs=1e-5)


def test_batch_without_teacher_is_judged_by_its_labels() -> None:
    loss = Objective("mse")(torch.tensor(LOGITS), {"labels": torch.tensor([0, 0])})
    assert loss.item() == pytest.approx((0.31326 + 1.70141) / 2, abs=1e-5)
