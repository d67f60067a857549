"""Training students on the rows' own labels, and exporting students: for the benchmark, from data folder to artefact."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.candidates.baselines.rows import read_data
from kdbuild.errors import BadInputError
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.trained import Trained
from kdbuild.trainer.options import StudentOptions, TeacherOptions, TrainOptions
from kdbuild.trainer.run.ablation import hard_labels
from kdbuild.trainer.run.start import start
from kdbuild.trainer.student.bilstm import load_student

_ANY = Limits(max_accuracy_loss=1.0, max_flip_rate=1.0)
"""The benchmark shows what a file loses; only an fp32 file that isn't the student is an error."""


def train_student(data: str, teacher: str, run_folder: Path) -> Path:
    """Train the default student on hard labels; about three minutes for SST-2 on two cores.

    Args:
        data: folder with train and dev files.
        teacher: one that is fine-tuned, for its word vectors; empty: random ones.
        run_folder: of the training.

    Returns:
        The student's folder.
    """
    embeddings = "teacher" if teacher else "random"
    base = TrainOptions(teacher=TeacherOptions(teacher=(teacher,)), student=StudentOptions(embeddings=embeddings))
    run = start(data, run_folder, hard_labels(base))
    run.run()
    return run.folder.output("distill")


def student_labels(student_folder: Path) -> list[str]:
    """The classes of a student in order.

    Raises:
        BadInputError: the folder holds none.
    """
    config = load_student(student_folder)[0].config
    return [config.id2label[place] for place in range(config.num_labels)]


def export_folder(student_folder: Path, data: str, labels: list[str], out: Path, formats: Sequence[str]) -> None:
    """Export a student in fp32 and int8, measured on dev.

    Args:
        student_folder: of a finished student.
        data: folder with train and dev files.
        labels: the classes in order.
        out: the artefact folder.
        formats: of the files.

    Raises:
        BadInputError: the student has other classes.
    """
    student, vocabulary = load_student(student_folder)
    named = student_labels(student_folder)
    if named not in (labels, [str(place) for place in range(len(labels))]):
        raise BadInputError(
            f"{student_folder}: its classes are {', '.join(named)}, not {', '.join(labels)}. Give another."
        )
    trained = Trained(
        student, vocabulary, labels, read_data(data, labels).dev, student_folder.resolve().parent.name, {}
    )
    export_student(trained, out, formats=formats, quantize=True, limits=_ANY)
