"""What the students of a search learn from and are judged on: a run's transfer set, divided once."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.run.runner import Run
from kdbuild.trainer.run.stages import Output, training_rows
from kdbuild.trainer.student.training_set import TrainingSet

HELD_OUT = 5_000
"""Texts that students are judged on: their agreement is then known to a point or so."""
_SHARE = 5
"""At most a fifth of the texts beside the labelled rows is held out."""
FEWEST = 100
PROXY = 50_000
"""Texts of a short training at most."""


@dataclass(frozen=True)
class Material:
    """A transfer set in two parts, one of which no student of the search is trained on."""

    everything: TrainingSet
    """The transfer set whole: what the vocabulary is taken from, as a run does."""
    rows: TrainingSet
    """What students are trained on."""
    proxy: TrainingSet
    """The same, or a part of it, for short trainings."""
    held_out: list[RowText]
    answers: npt.NDArray[np.float32]
    """The teacher's logits over the held-out texts, ``[texts, classes]``."""


def check_run(run: Run) -> None:
    """Make sure that a run has what a search reads: a teacher's labels over its transfer set.

    Raises:
        BadInputError: it hasn't.
    """
    path = shlex.quote(str(run.folder.path))
    if "label" not in run.stages:
        reason = "the data brings its own scores" if run.scored else f"--loss {run.options.student.loss} needs none"
        raise BadInputError(
            f"search: compares students with the teacher's labels, and this run has none ({reason}). "
            "Search in a run with a teacher."
        )
    if run.options.student.embeddings not in ("teacher", "random"):
        raise BadInputError(
            f"--embeddings {run.options.student.embeddings}: vectors of one width, which the search varies. "
            f"Change it with: kdbuild distill {path} --embeddings teacher"
        )
    for stage in ("teacher", "augment", "label"):
        if not run.folder.is_done(stage, run.inputs(stage)):
            raise BadInputError(
                f"{run.folder.path}: stage '{stage}' isn't done, and the search reads its output. "
                f"Run first: kdbuild {stage} {path}"
            )


def read_material(run: Run, seed: int) -> Material:
    """Read a run's transfer set and labels, and hold out a part of it.

    Held out are unlabelled texts, if there are enough, or else also perturbed copies; never labelled rows, never dev.

    Args:
        run: one that :func:`check_run` lets pass.
        seed: determines what is held out and what short trainings see.

    Raises:
        BadInputError: there are too few texts.
    """
    earlier = {name: Output(run.folder.output(name), run.folder.record(name)) for name in ("augment", "label")}
    whole = training_rows(run.options, earlier, run.data)
    texts = list(whole.texts)
    draw = np.random.default_rng([seed, 11])
    held_out = _hold_out(run, whole, draw)
    kept = np.setdiff1d(np.arange(len(texts)), held_out)
    part = kept if len(kept) <= PROXY else np.sort(draw.choice(kept, PROXY, replace=False))
    logits = _logits(whole)
    return Material(
        everything=whole,
        rows=_taken(whole, texts, kept),
        proxy=_taken(whole, texts, part),
        held_out=[texts[place] for place in held_out],
        answers=logits[held_out],
    )


def _hold_out(run: Run, whole: TrainingSet, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw the places of held-out texts, in order."""
    unlabelled = np.arange(whole.perturbed.stop, len(whole.texts))
    candidates = (
        unlabelled if len(unlabelled) >= _SHARE * HELD_OUT else np.arange(whole.perturbed.start, len(whole.texts))
    )
    count = min(HELD_OUT, len(candidates) // _SHARE)
    if count < FEWEST:
        raise BadInputError(
            f"{run.folder.path}: its transfer set has {len(candidates):,} texts beside the labelled rows, and the search "
            f"needs {FEWEST * _SHARE:,} at least. Add some: "
            f"kdbuild augment {shlex.quote(str(run.folder.path))} --rounds 20 --unlabelled TEXTS.txt"
        )
    if count < HELD_OUT:
        say(
            f"search: students are judged on {count:,} held-out texts, as the transfer set is small: "
            f"differences under {100 * 2 * np.sqrt(0.1 / count):.1f} points may be chance"
        )
    return np.sort(draw.choice(candidates, count, replace=False))


def _taken(whole: TrainingSet, texts: Sequence[RowText], places: npt.NDArray[np.int64]) -> TrainingSet:
    """Return the texts at these places, which are in order."""
    start, stop = np.searchsorted(places, [whole.perturbed.start, whole.perturbed.stop]).tolist()
    chosen = [texts[place] for place in places]
    return TrainingSet(chosen, whole.targets[places], _logits(whole)[places], range(start, stop))


def _logits(rows: TrainingSet) -> npt.NDArray[np.float32]:
    assert rows.logits is not None  # a run with labels has them
    return rows.logits


def agreement(student: npt.NDArray[Any], teacher: npt.NDArray[Any], *, multi_label: bool) -> float:
    """Return the share of texts that two models give the same label or, of several, the same set, 0 to 1.

    Args:
        student: logits, ``[texts, classes]``.
        teacher: the other's.
        multi_label: whether a text may have several labels.
    """
    if multi_label:
        return float(((student > 0) == (teacher > 0)).all(axis=1).mean())
    return float((student.argmax(axis=1) == teacher.argmax(axis=1)).mean())
