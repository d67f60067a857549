"""The three jobs of training, each done by the plain way and by ours in turns, with a check that both did the same."""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.throughput.epochs import bucketed_epoch, plain_epoch
from benchmarks.throughput.labelling import Clock, compare, run
from benchmarks.throughput.plain_augmentation import Rows, describe, plain_augment
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.options import AugmentOptions, TrainOptions
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.device import has_bf16
from kdbuild.trainer.transfer_set.augment import augment

PLAIN, OURS = "plain", "kdbuild"
MAX_PIECES = 256

Result = dict[str, Any]


def _in_turns(ways: Mapping[str, Callable[[], float]], count: int, rounds: int) -> Result:
    """Sentences a second of each way, and how many times the first's (medians of all rounds)."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    first = next(iter(ways))
    return {
        name: {
            "sentences_per_second": count / statistics.median(its),
            f"times_{first}": statistics.median(a / b for a, b in zip(seconds[first], its, strict=True)),
        }
        for name, its in seconds.items()
    }


def augmentation(
    rows: Rows, tags: Rows, tagging_seconds: float, *, rounds: int, clock: Clock
) -> tuple[Result, list[str]]:
    """The transfer set of rows whose parts of speech are known, 20 rounds.

    Args:
        rows: tokens, none empty.
        tags: their parts of speech.
        tagging_seconds: what it took to find these out, the same for both.
        rounds: times that each way makes the set.
        clock: what measures them.

    Returns:
        Copies (row and round) a second, what the two sets have in common, and ours.
    """
    options = TrainOptions(augment=AugmentOptions(perturb=("article",), rounds=20))
    made: dict[str, list[str]] = {}

    def timed(name: str, way: Callable[[], list[str]]) -> Callable[[], float]:
        def call() -> float:
            started = clock()
            made[name] = way()
            return clock() - started

        return call

    ways = {
        PLAIN: timed(PLAIN, lambda: plain_augment(rows, tags, options, 0)),
        OURS: timed(OURS, lambda: [text.line for text in augment(rows, tags, options, 0)]),
    }
    copies = len(rows) * options.augment.rounds
    table = _in_turns(ways, copies, rounds)
    seconds = {name: copies / values["sentences_per_second"] for name, values in table.items()}
    result = {
        "table": table,
        "rows": len(rows),
        "rounds": options.augment.rounds,
        "tagging_seconds": tagging_seconds,
        "times_plain_with_tagging": (seconds[PLAIN] + tagging_seconds) / (seconds[OURS] + tagging_seconds),
        "check": {name: describe(sentences, rows) for name, sentences in made.items()},
    }
    return result, made[OURS]


def labelling(folder: Path, sentences: Sequence[str], *, rounds: int, batch: int, clock: Clock) -> Result:
    """The teacher's logits of sentences: unsorted fp32 batches, and as ``kdbuild label`` makes them."""
    fp32 = Teacher(folder, bf16=False, max_pieces=MAX_PIECES)
    ours = Teacher(folder, bf16=has_bf16(torch.device("cpu")), max_pieces=MAX_PIECES)
    pieces = fp32.encode(sentences)
    reference = run(fp32.logits, pieces, by_length=True, batch=batch)[1]
    contenders = {
        PLAIN: (fp32.logits, False),
        "sorted by length, fp32": (fp32.logits, True),
        OURS: (ours.logits, True),
    }
    return {
        "table": compare(contenders, pieces, reference, rounds=rounds, baseline=PLAIN, batch=batch, clock=clock),
        "sentences": len(pieces),
        "batch": batch,
        "pieces_a_sentence": float(np.mean([len(its) for its in pieces])),
        "logits_deviate": float(reference.std()),
        "bf16": has_bf16(torch.device("cpu")),
    }


def epoch(sentences: Sequence[str], *, rounds: int, clock: Clock) -> Result:
    """One epoch of the default student over sentences."""
    tokens = [sentence.split(" ") for sentence in sentences]
    vocabulary = Vocabulary.build(tokens)
    data, words = [vocabulary.ids(its) for its in tokens], len(vocabulary)
    bf16 = has_bf16(torch.device("cpu"))
    ways = {
        PLAIN: lambda: plain_epoch(data, words, clock=clock),
        "batches of one length, fp32": lambda: bucketed_epoch(data, words, bf16=False, clock=clock),
        OURS: lambda: bucketed_epoch(data, words, bf16=bf16, clock=clock),
    }
    return {
        "table": _in_turns(ways, len(data), rounds),
        "sentences": len(data),
        "vocabulary": words,
        "tokens_a_sentence": float(np.mean([len(its) for its in data])),
        "bf16": bf16,
    }


def sample(sentences: Sequence[str], count: int) -> list[str]:
    """Some of the sentences, in random order; the same each time."""
    return random.Random(0).sample(list(sentences), min(count, len(sentences)))


def teacher_folder(encoder: Path, folder: Path) -> Path:
    """An encoder with a classifier that hasn't learned anything, saved, so that all arithmetics have the same weights."""
    if not folder.is_dir():
        torch.manual_seed(0)
        teacher = Teacher(encoder, bf16=False, max_pieces=MAX_PIECES)
        aside = folder.with_name(folder.name + ".partial")
        teacher.model.save_pretrained(aside)
        teacher.tokenizer.save_pretrained(aside)
        aside.rename(folder)
    return folder
