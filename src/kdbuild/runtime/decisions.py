"""From the logits of one text to probabilities and labels, without numpy: what an answer needs, and nothing else."""

import math
from collections.abc import Sequence


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Probabilities of logits ``[classes]`` that are divided by a temperature; they add up to 1."""
    highest = max(logits)
    exponents = [math.exp((logit - highest) / temperature) for logit in logits]
    total = sum(exponents)
    return [exponent / total for exponent in exponents]


def sigmoid(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """The probability of each logit by itself, divided by a temperature."""
    probabilities = []
    for logit in logits:
        exponent = math.exp(-abs(logit) / temperature)  # of a negative number, so that nothing overflows
        probabilities.append((exponent if logit < 0 else 1.0) / (1.0 + exponent))
    return probabilities


def argmax(values: Sequence[float]) -> int:
    """The place of the largest value, the first of equal ones."""
    return max(range(len(values)), key=values.__getitem__)


def threshold_logit(probability: float, temperature: float) -> float:
    """The logit from which a label is given whose probability must reach a threshold."""
    return temperature * (math.log(probability) - math.log1p(-probability))
