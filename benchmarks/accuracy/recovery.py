"""How much of the way from hard labels to the teacher a student goes, and what baselines reach on the same rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy.results import Results
from benchmarks.candidates.baselines import fasttext_model, static_vectors, tfidf
from benchmarks.candidates.baselines.rows import read_data
from kdbuild.trainer.data.store import read_labels
from kdbuild.trainer.options import StudentOptions, TrainOptions
from kdbuild.trainer.run.ablation import StudentRuns, ablate
from kdbuild.trainer.run.folder import RunFolder

SHAPE = StudentOptions(embedding_size=100, hidden_size=150, classifier_size=200)
"""Of the students: the quickstart's."""
STUDENTS = {
    "hard labels": "hard labels",
    "teacher's labels": "teacher's labels",
    "teacher's labels, augmented": "distilled",
}
"""How the results call the ablation's students."""


@dataclass(frozen=True)
class Baseline:
    """A classifier without a recurrent network."""

    train: Callable[..., None]
    """Takes data folder, classes and the folder for its files."""
    open: Callable[..., Any]
    """Returns what gives the index of a text's class and has ``size_bytes``."""


def baselines(teacher: str) -> dict[str, Baseline]:
    """Return the baselines by name; the static one takes its vectors from the teacher."""
    return {
        "fastText": Baseline(fasttext_model.train, partial(fasttext_model.open_fasttext, form="bin")),
        "TF-IDF": Baseline(tfidf.train, tfidf.open_tfidf),
        "static vectors": Baseline(
            lambda data, labels, out: static_vectors.train(data, labels, teacher, out),
            partial(static_vectors.open_static, teacher=teacher),
        ),
    }


def options_of(teacher: str, perturb: tuple[str, ...]) -> TrainOptions:
    """Return the defaults with this teacher, the students' shape, and these perturbations if any are named."""
    defaults = TrainOptions()
    augment = replace(defaults.augment, perturb=perturb) if perturb else defaults.augment
    return replace(defaults, teacher=replace(defaults.teacher, teacher=(teacher,)), student=SHAPE, augment=augment)


def measure_recovery(name: str, data: Path, teacher: str, seeds: int, results: Results, work: Path) -> None:
    """Train teacher, students and baselines on a data folder, and put down how many of dev's rows each answers right.

    Args:
        name: of the data, in the results.
        data: folder of ``train.tsv`` and ``dev.tsv``.
        teacher: folder of an encoder, which is fine-tuned, or of a teacher.
        seeds: students of each kind.
        results: where the figures go.
        work: folder for the run and the baselines; an interrupted run is taken up there.
    """
    found = ablate(str(data), work / "run", options_of(teacher, ()), ablation=True, runs=seeds)
    results.put({"dev": found.teacher["accuracy"], "rows": found.dev_rows}, "sets", name, "teacher")
    for student in found.students:
        results.put(_figures(student), "sets", name, STUDENTS[student.name])
    labels = read_labels(RunFolder(work / "run").output("data"))
    dev = read_data(str(data), labels).dev
    for kind, baseline in baselines(teacher).items():
        folder = work / kind.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        baseline.train(str(data), labels, folder)
        classify = baseline.open(folder=str(folder), data=str(data), labels=labels, threads=1)
        right = [classify(text) == target for text, target in zip(dev.texts, dev.targets, strict=True)]
        results.put({"dev": [sum(right) / len(right)], "bytes": classify.size_bytes}, "sets", name, kind)


def measure_mix(
    name: str, data: Path, teacher: str, perturb: tuple[str, ...], seeds: int, results: Results, work: Path
) -> None:
    """Train the students of one mix of perturbations.

    Args:
        name: of the data, in the results.
        data: folder of ``train.tsv`` and ``dev.tsv``, best one that nothing else is chosen or reported on.
        teacher: as for :func:`measure_recovery`.
        perturb: what ``--perturb`` takes.
        seeds: students.
        results: where the figures go.
        work: folder for the run, which all mixes of this data share, and with it the teacher and its answers.
    """
    found = ablate(str(data), work / "run", options_of(teacher, perturb), ablation=False, runs=seeds)
    results.put({"dev": found.teacher["accuracy"], "rows": found.dev_rows}, "mixes", name, "teacher")
    results.put(_figures(found.students[0]), "mixes", name, ",".join(perturb))


def _figures(student: StudentRuns) -> dict[str, Any]:
    return {"dev": student.accuracy, "texts": student.transfer_sentences, "parameters": student.parameters}
