"""Labelled texts of different kinds, from the package registry alone: those that were rated for sentiment by people.

All come with Hutto & Gilbert 2014, in the source distribution that the quickstart's reviews come from.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.quickstart.reviews import CLEAR_RATING, Review, fetch_ratings
from kdbuild.runtime.data.readers import read_rows
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.containment import find_runs

_HELD_OUT = 0.2


@dataclass(frozen=True)
class RatedSet:
    """One kind of texts."""

    file: str
    sha256: str
    has_neutral: bool = False
    """Whether texts without a clear rating are a class of their own; else they are left out."""


SETS = {
    "tweets": RatedSet("tweets_GroundTruth.txt", "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f"),
    "products": RatedSet(
        "amazonReviewSnippets_GroundTruth.txt", "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2"
    ),
    "newspaper": RatedSet(
        "nytEditorialSnippets_GroundTruth.txt",
        "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
        has_neutral=True,
    ),
    "films": RatedSet(
        "movieReviewSnippets_GroundTruth.txt", "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
    ),
}
WHOLE_SENTENCES = "sst2 sentences"
"""The set of SST-2's rows that are no phrases of others; it is no download of ours."""


def labelled(ratings: Sequence[Review], *, has_neutral: bool) -> list[tuple[str, str]]:
    """Turn ratings into classes; of texts that differ in case alone, the first counts."""
    rows: dict[str, tuple[str, str]] = {}
    for review in ratings:
        clear = abs(review.rating) >= CLEAR_RATING
        if review.text and (clear or has_neutral):
            label = "neutral" if not clear else "positive" if review.rating > 0 else "negative"
            rows.setdefault(review.text.lower(), (review.text, label))
    return list(rows.values())


def divided(rows: Sequence[tuple[str, str]], share: float, seed: int) -> tuple[list[tuple[str, str]], ...]:
    """Hold out a share of each class. Returns what is left, and what is held out, both in the rows' order."""
    draw = random.Random(seed)
    held_out: set[str] = set()
    for label in sorted({label for _, label in rows}):
        texts = [text for text, of in rows if of == label]
        held_out.update(draw.sample(texts, round(share * len(texts))))
    return [row for row in rows if row[0] not in held_out], [row for row in rows if row[0] in held_out]


def write_set(name: str, folder: Path) -> Path:
    """Write ``train.tsv`` and ``dev.tsv`` of a set into a folder, and below it, in ``chosen-on``, train alone, divided again.

    What is chosen is chosen on the second: dev says nothing of it then.
    """
    rated = SETS[name]
    rows = labelled(fetch_ratings(rated.file, rated.sha256), has_neutral=rated.has_neutral)
    train, dev = divided(rows, _HELD_OUT, seed=0)
    _write(folder, train, dev)
    _write(folder / "chosen-on", *divided(train, _HELD_OUT, seed=1))
    return folder


def write_whole_sentences(sst2: Path, folder: Path) -> Path:
    """Write SST-2 without the training rows that are phrases of longer ones; otherwise as :func:`write_set`."""
    train, dev = (read_rows(sst2 / f"{name}.tsv") for name in ("train", "dev"))
    rows = {
        " ".join(tokenize(text)): (text, label) for text, label in zip(train.texts, train.labels or (), strict=True)
    }
    tokens = [line.split() for line in rows if line]
    # What stands in a longer text stands in it without its first or without its last token.
    phrases = find_runs(tokens, [shorter for row in tokens for shorter in (row[1:], row[:-1])])
    sentences = [rows[" ".join(row)] for place, row in enumerate(tokens) if place not in phrases]
    _write(folder, sentences, list(zip(dev.texts, dev.labels or (), strict=True)))
    _write(folder / "chosen-on", *divided(sentences, _HELD_OUT, seed=1))
    return folder


def _write(folder: Path, train: Sequence[tuple[str, str]], dev: Sequence[tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("dev", dev)):
        lines = ["sentence\tlabel\n", *(f"{text}\t{label}\n" for text, label in rows)]
        (folder / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
