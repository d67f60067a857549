"""Pairs of texts, and students that read them."""

import random
from typing import Any

import numpy as np

from kdbuild.export.trained import Trained
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.split import Split
from students import PIECES, random_torch_student

THINGS = ("film", "story", "cast", "plot", "scene")


def make_pairs(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Two sentences, and whether they are about the ``same`` thing or an ``other`` one."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        first = draw.choice(THINGS)
        second = first if draw.random() < 0.5 else draw.choice([thing for thing in THINGS if thing != first])
        label = "same" if first == second else "other"
        rows.append((f"the {first} is {draw.randrange(90)}", f"what a {second} !", label))
    return rows


def pairs_tsv(rows: list[tuple[str, str, str]]) -> str:
    """A data file."""
    return "".join("\t".join(row) + "\n" for row in [("sentence", "sentence2", "label"), *rows])


def random_trained_of_pairs(version: int, **shape: Any) -> Trained:
    """A student of pairs with random weights for a version of the tokenizer, and held-out pairs."""
    student = random_torch_student(vocab_size=len(PIECES), max_tokens=32, pairs=True, **shape)
    words = ["film", "films", "goooood", "unlikely", "bad", "หนังสนุก", "wortschatzes", "zzz", "不好看", "."]

    def texts(length: int, step: int) -> list[str]:
        return [
            " ".join(words[(row * place + row // step) % len(words)] for place in range(1, length))
            for row in range(240)
        ]

    first, second = texts(9, 7), texts(4, 11)
    held_out = Split(
        first,
        [tokenize(text) for text in first],
        np.arange(240) % 3,
        pair_texts=second,
        pair_tokens=[tokenize(text) for text in second],
    )
    return Trained(student, Vocabulary(PIECES, version), ["no", "yes", "so"], held_out, "pairs", {"kdbuild": "0.1.0"})
