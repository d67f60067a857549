"""Students of every kind, and their answers by torch in float64."""

import copy
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kdbuild.trainer.student.bilstm import Student
from kdbuild.trainer.training.task import MULTI_LABEL
from students import random_torch_student

_WORDS: tuple[dict[str, Any], ...] = (
    {},
    {"factor_size": 6},
    {"channels": 2},
    {"factor_size": 5, "channels": 2},
    {"vector_bits": 4},
)
_SEVERAL = {"problem_type": MULTI_LABEL, "thresholds": [0.4, 0.5, 0.6]}


def _shapes() -> dict[str, dict[str, Any]]:
    """Layers, texts and poolings in full; each kind of word vectors and of labels is met by each number of layers."""
    shapes = {}
    for place, (layers, pairs, pooling) in enumerate(product((1, 2, 3), (False, True), ("last", "max"))):
        words, several = _WORDS[(place + 2 * layers) % len(_WORDS)], _SEVERAL if (place + place // 2) % 2 else {}
        name = f"{layers} {'pairs' if pairs else 'texts'} {pooling}{''.join(f' {key} {size}' for key, size in words.items())}"
        shape = {"layers": layers, "pairs": pairs, "pooling": pooling, **words, **several}
        shapes[name + (" several labels" if several else "")] = shape
    return shapes


SHAPES = _shapes()
"""Of :func:`lively_student`, by a name."""


def lively_student(**shape: Any) -> Student:
    """A random student whose answers to different texts are far apart; deep ones else say nearly the same of all."""
    student = random_torch_student(**shape)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if parameter.ndim == 2 and not name.startswith(("embedding", "static")):
                parameter *= 2.5
    return student


@torch.inference_mode()
def exact_logits(student: Student, rows: Sequence[tuple[npt.NDArray[np.int32], ...]]) -> npt.NDArray[np.float64]:
    """Logits ``[rows, classes]`` of rows of one text or two, by torch in float64."""
    # What isn't fp32 by then is the student's own last conversion, which would round the answer.
    exact = copy.deepcopy(student).double()
    answers = []
    for row in rows:
        read = [exact.encode(torch.from_numpy(ids[None]).long(), None) for ids in row]
        if len(read) == 2:
            u, v = read
            read = [u, v, u * v, (u - v).abs()]
        answers.append(exact.output(torch.relu(exact.hidden(torch.cat(read, dim=1))))[0].numpy())
    return np.stack(answers)
