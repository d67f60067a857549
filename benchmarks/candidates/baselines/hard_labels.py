"""The student's BiLSTM trained on the rows' own labels, without transfer set: what distilling is to be better than."""

from pathlib import Path

from kdbuild.measure.artefact_model import ArtefactModel, open_model

ARTEFACT, FILE = "artefact", "model_int8.tflite"


def prepare(*, folder: str, data: str, labels: list[str], student: str, teacher: str, threads: int) -> None:
    """Train it, unless a student is given, and export it, unless the folder is there."""
    from benchmarks.candidates.baselines.training import export_folder, train_student
    from benchmarks.candidates.once import make_once

    def make(out: Path) -> None:
        trained = Path(student) if student else train_student(data, teacher, out / "run")
        export_folder(trained, data, labels, out / ARTEFACT, ["tflite"])

    make_once(Path(folder), make)


def open_hard_labels(
    *, folder: str, data: str, labels: list[str], student: str, teacher: str, threads: int
) -> ArtefactModel:
    """A contender of the benchmark: what :func:`prepare` left in the folder, as an int8 TFLite file."""
    return open_model(folder=str(Path(folder) / ARTEFACT), file=FILE, threads=threads)
