"""Students without a training run: one whose weights are set by hand, and random ones of any shape."""

from typing import Any

import numpy as np
import torch

from kdbuild.export.trained import Trained
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import Student, StudentConfig
from kdbuild.trainer.training.task import MULTI_LABEL

WORDS = ("<pad>", "<unk>", "<mask>", "funny", "warm", "a", "film", "and", ",")


def word_spotter(thresholds: tuple[float, float] = (0.5, 0.5)) -> Trained:
    """A student that labels a text ``funny`` and ``warm`` by these two words.

    Gates are wide open, so that each cell counts its word: a word's logit is -4 where it is missing, and
    8 tanh(n tanh 3) - 4 where it stands n times: 2.077, 3.707, ...

    Its 240 held-out texts are four kinds in turn; of every tenth the truth is that there is no label.
    """
    names = {0: "funny", 1: "warm"}
    student = Student(
        StudentConfig(
            vocab_size=len(WORDS),
            embedding_size=2,
            hidden_size=2,
            classifier_size=2,
            max_tokens=16,
            thresholds=list(thresholds),
            problem_type=MULTI_LABEL,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    ).eval()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.zero_()
        student.embedding.weight[3, 0] = student.embedding.weight[4, 1] = 3.0
        for suffix in ("", "_reverse"):
            getattr(student.lstm, f"weight_ih_l0{suffix}")[4:6] = torch.eye(2)
            getattr(student.lstm, f"bias_ih_l0{suffix}")[:] = torch.tensor([50.0, 50, 50, 50, 0, 0, 50, 50])
        student.hidden.weight[:, :2] = torch.eye(2)
        student.output.weight[:] = 8 * torch.eye(2)
        student.output.bias[:] = -4.0
    kinds = (("a film", 0, 0), ("a funny film", 1, 0), ("a warm film", 0, 1), ("a warm and funny film", 1, 1))
    texts = [kinds[row % 4][0] for row in range(240)]
    targets = np.array([kinds[row % 4][1:] if row % 10 else (0, 0) for row in range(240)], dtype=np.int8)
    held_out = Split(texts, [text.split() for text in texts], targets)
    return Trained(student, Vocabulary(WORDS), list(names.values()), held_out, "tags", {"kdbuild": "0.1.0"})


PIECES = (
    *(
        "<pad>",
        "<unk>",
        "<mask>",
        "a",
        "film",
        "good",
        "bad",
        "go",
        "##o",
        "##od",
        "##s",
        "not",
        "un",
        "##like",
        "##ly",
        ".",
    ),
    *("不", "好看", "หนัง", "สนุก", "영화", "##가", "ф", "##ильм", "😀", "wort", "##schatz", "'"),
    *(letter for letter in "bcdefgh"),
    *(f"##{letter}" for letter in "abcdefghiklmnprt"),
)
"""A vocabulary of words and pieces of several scripts."""


def random_trained(version: int) -> Trained:
    """A student with random weights for a version of the tokenizer, and held-out texts that it has no opinion on."""
    student = random_torch_student(vocab_size=len(PIECES), max_tokens=32)
    words = ["film", "films", "goooood", "unlikely", "bad", "หนังสนุก", "wortschatzes", "zzz", "不好看", "."]
    texts = [" ".join(words[(row * place + row // 7) % len(words)] for place in range(1, 9)) for row in range(240)]
    held_out = Split(texts, [tokenize(text) for text in texts], np.arange(240) % 3)
    return Trained(student, Vocabulary(PIECES, version), ["no", "yes", "so"], held_out, "any", {"kdbuild": "0.1.0"})


def random_torch_student(**shape: Any) -> Student:
    """A student with gates and units in the range of a trained one's."""
    torch.manual_seed(5)
    size = {"vocab_size": 40, "embedding_size": 24, "hidden_size": 20, "classifier_size": 12, **shape}
    names = {0: "no", 1: "yes", 2: "so"}
    student = Student(StudentConfig(**size, id2label=names, label2id={name: index for index, name in names.items()}))
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if parameter.ndim == 2:
                scale = 1.0 if name.startswith(("embedding", "static")) else parameter.shape[1] ** -0.5
                parameter.normal_(std=scale)
            else:
                parameter.normal_(std=0.3)
    student.eval()
    return student
