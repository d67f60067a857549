"""The quickstart: data, teacher, transfer set, students, artefact, and one table that compares them all.

Every number in the table is measured in the run that prints it.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.export.bundles import web
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import check_target, export_student
from kdbuild.export.trained import trained_by
from kdbuild.files import write_atomically, write_json
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import Classify, LatencyReport, measure_latency
from kdbuild.measure.reference_models.bert import random_bert_large
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.quickstart.reviews import write_reviews
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.data.readers import read_rows
from kdbuild.runtime.engines.registry import PRECISIONS
from kdbuild.runtime.metrics import Metrics
from kdbuild.trainer.options import TEACHER_TRAINING, AugmentOptions, StudentOptions, TeacherOptions, TrainOptions
from kdbuild.trainer.run.folder import RunFolder, is_empty
from kdbuild.trainer.run.runner import Run
from kdbuild.trainer.run.start import start
from kdbuild.trainer.teacher.model import Teacher

BERT_LARGE = "BERT-large"
SENTENCES = (
    "A warm, funny film that never puts a foot wrong.",
    "Two hours I won't get back: loud, lazy and far too long.",
    "The cast is better than the script they're given.",
)
RESULT, PAGE = "quickstart.json", "try-it.html"
_HARD = {
    "no-teacher": ("random", "student without a teacher, torch"),
    "hard": ("teacher", "student on hard labels, torch"),
}
"""Students that learn the rows' own labels: the folder of each, its first word vectors, and what the table calls it."""
_SLOW_TEXTS = 24
"""Texts that BERT-large, at about a third of a second each, is timed on."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    accuracy: float | None
    """On the held-out rows; None for random weights."""
    interval: tuple[float, float] | None
    """95 % interval of the accuracy."""
    size_bytes: int
    """Bytes of the model file, or of the parameters of a model that lives in torch."""
    median_ms: float | None
    """Median time of one text, tokenisation included, one thread, on the texts that all contenders share."""
    speedup: float | None
    """BERT-large's median divided by this one's."""


@dataclass(frozen=True)
class Quickstart:
    """What the quickstart made."""

    artefact: Path
    page: Path
    """A page to try it."""
    rows: list[Row]
    held_out: int
    """Number of held-out texts."""
    seconds: float


def options(teacher: str) -> TrainOptions:
    """Settings that fit in ten minutes on two cores: one epoch of the teacher, fewer spans, a student of 2 MB."""
    return TrainOptions(
        teacher=TeacherOptions(teacher=(teacher,)),
        teacher_training=replace(TEACHER_TRAINING, epochs=1, learning_rate=5e-5),
        augment=AugmentOptions(rounds=20),
        student=StudentOptions(embedding_size=100, hidden_size=150, classifier_size=200),
    )


def check_out(out: Path) -> None:
    """Make sure that nothing is lost in the folder, before anything is fetched for it.

    Raises:
        BadInputError: it is no folder, or what a quickstart writes is there and of somebody else's.
    """
    if out.exists() and not out.is_dir():
        raise BadInputError(f"--out {out}: not a folder. Choose another name.")
    if (out / RESULT).exists():
        try:
            is_ours = {"rows", "held_out", "latency"} <= json.loads((out / RESULT).read_bytes()).keys()
        except (OSError, ValueError, AttributeError):
            is_ours = False
        if not is_ours:
            raise BadInputError(f"--out {out}: its {RESULT} is no quickstart's. Choose another folder.")
    for name in ("run", *_HARD):
        if not is_empty(out / name):
            RunFolder.open(out / name)
    check_target(out / "artefact")


def quickstart(out: Path) -> Quickstart:
    """Run it in a folder; interrupted, it goes on where it stopped.

    Raises:
        BadInputError: the data can't be fetched, or the folder holds something else.
        GateError: the int8 file lost too much.
    """
    check_out(out)
    begun = time.monotonic()
    say(
        "reviews: movie-review snippets rated by 20 people each (Hutto & Gilbert 2014), from the PyPI package vaderSentiment"
    )
    write_reviews(out / "data", seed=0)
    distilled = start(out / "data", out / "run", options(str(minilm_folder())))
    distilled.run()
    say("hard labels: the same student without a teacher's labels or a transfer set, for comparison")
    hard = [_on_hard_labels(distilled, out / "data", out / name, embeddings) for name, (embeddings, _) in _HARD.items()]
    made = export_student(
        trained_by(distilled.folder.path),
        out / "artefact",
        formats=["native", "tflite"],
        quantize=True,
        limits=Limits(),
    )
    say("latency: one thread, one text at a time, in turns with BERT-large")
    latency, bert_bytes, teacher_bytes = _measure(distilled, made.folder, out / "data" / "dev.tsv")

    def row(name: str, metrics: Metrics | None, size: int, timed: str | None) -> Row:
        return Row(
            name,
            metrics.accuracy if metrics else None,
            metrics.interval if metrics else None,
            size,
            latency[timed].shared_median_ms if timed else None,
            latency.speedup(timed, BERT_LARGE) if timed else None,
        )

    files = made.comparisons
    rows = [
        row(f"{BERT_LARGE}, random weights, torch", None, bert_bytes, BERT_LARGE),
        row("teacher MiniLM-L6, torch", Metrics(**distilled.folder.record("teacher")["dev"]), teacher_bytes, "teacher"),
        *(
            row(title, Metrics(**record["dev"]), 4 * record["parameters"], None)
            for (_, title), record in zip(_HARD.values(), hard, strict=True)
        ),
        row(
            "student distilled, TFLite fp32",
            files["model_fp32.tflite"].metrics,
            made.sizes["model_fp32.tflite"],
            "fp32",
        ),
        row(
            "student distilled, TFLite int8",
            files["model_int8.tflite"].metrics,
            made.sizes["model_int8.tflite"],
            "int8",
        ),
        row(
            "student distilled, native int8",
            files["model_int8.kdb"].metrics,
            made.sizes["model_int8.kdb"],
            "native",
        ),
    ]
    page = out / PAGE
    write_atomically(page, web.page(Artefact.open(made.folder), SENTENCES).encode())
    result = Quickstart(made.folder, page, rows, made.student.n, time.monotonic() - begun)
    content = {"rows": [asdict(r) for r in rows], "held_out": result.held_out, "seconds": result.seconds}
    write_json(out / RESULT, content | {"latency": asdict(latency), "environment": environment(threads=1)})
    return result


def _on_hard_labels(distilled: Run, data: Path, out: Path, embeddings: str) -> dict[str, Any]:
    """Train the same student on the rows' own labels, for as many epochs as do it good. Returns what is recorded of it."""
    base = distilled.options
    teacher = replace(base.teacher, teacher=(distilled.teacher_folder,))
    options = TrainOptions(
        data=base.data,
        teacher=teacher if embeddings == "teacher" else TeacherOptions(),  # else it would be said that it isn't read
        student=replace(base.student, loss="cross_entropy", embeddings=embeddings),
        training=replace(base.training, epochs=4),
    )
    run = start(data, out, options)
    run.run()
    return run.folder.record("distill")


def _measure(run: Run, artefact: Path, dev: Path) -> tuple[LatencyReport, int, int]:
    """Latencies, and the bytes of BERT-large's and the teacher's parameters."""
    import torch

    texts = read_rows(dev, own=True).texts[:200]
    bert = random_bert_large(Path(run.teacher_folder), threads=1)
    teacher = Teacher(run.teacher_folder, bf16=False, max_pieces=run.options.teacher.teacher_max_pieces)
    int8, fp32 = (Classifier.load(artefact, engine="tflite", precision=precision) for precision in PRECISIONS)
    native = Classifier.load(artefact, engine="native")

    def ask_teacher(text: str) -> int:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return int(teacher.logits(teacher.encode([text])).argmax())
        finally:
            torch.set_num_threads(before)

    contenders: dict[str, Classify] = {
        BERT_LARGE: bert,
        "teacher": ask_teacher,
        "int8": lambda text: int8(text).label,
        "fp32": lambda text: fp32(text).label,
        "native": lambda text: native(text).label,
    }
    report = measure_latency(contenders, texts, rounds=5, slow={BERT_LARGE: _SLOW_TEXTS, "teacher": 100})
    teacher_bytes = sum(parameter.numel() * parameter.element_size() for parameter in teacher.model.parameters())
    return report, bert.size_bytes, teacher_bytes


def table(result: Quickstart) -> str:
    """The table as text."""
    lines = [f"{'':<34}{f'accuracy on {result.held_out}':>24}{'size':>11}{'median':>11}{'vs BERT-large':>15}"]
    for row in result.rows:
        accuracy = (
            f"{row.accuracy:.1%} ({row.interval[0]:.1%} - {row.interval[1]:.1%})"
            if row.accuracy is not None and row.interval is not None
            else "-"
        )
        median = f"{row.median_ms:.3f} ms" if row.median_ms else "-"
        speedup = f"{row.speedup:,.0f} x" if row.speedup else "-"
        lines.append(f"{row.name:<34}{accuracy:>24}{row.size_bytes / 1e6:>8.1f} MB{median:>11}{speedup:>15}")
    return "\n".join(lines)
