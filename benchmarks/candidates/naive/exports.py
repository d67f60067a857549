"""The files that the converters make of a student, each set made once."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.candidates.naive.environments import ENVIRONMENTS, export_in
from benchmarks.candidates.naive.weights import write_weights
from benchmarks.candidates.once import make_once
from kdbuild.export.student_model import student_model
from kdbuild.files import file_digest, fingerprint, write_json
from kdbuild.trainer.student.bilstm import load_student

WEIGHTS, VERSIONS = "weights.npz", "versions.json"


@dataclass(frozen=True)
class NaiveExport:
    """One way to export a student."""

    title: str
    environment: str
    file: str
    """Its file's name, with ``{precision}`` in it."""
    note: str
    keeps_state: bool = False


EXPORTS = (
    NaiveExport(
        "nn.LSTM, 32 tokens",
        "litert-torch",
        "torch32_{precision}.tflite",
        "nn.LSTM through litert-torch, unrolled: texts are padded to 32 tokens, longer ones cut",
    ),
    NaiveExport(
        "nn.LSTM, 64 tokens",
        "litert-torch",
        "torch64_{precision}.tflite",
        "nn.LSTM through litert-torch, unrolled: texts are padded to 64 tokens, longer ones cut",
    ),
    NaiveExport(
        "Keras 3 LSTM", "keras", "keras3_{precision}.tflite", "Keras 3 through TensorFlow's converter: WHILE loops"
    ),
    NaiveExport(
        "Keras 2 LSTM",
        "keras",
        "keras2_{precision}.tflite",
        "tf_keras through TensorFlow's converter: fused LSTM operators, which keep their states from text to text unless the "
        "variables are reset before each, as here",
        keeps_state=True,
    ),
)
PRECISIONS = ("fp32", "int8")


def exports_of(student: Path, environment: str, work: Path) -> Path:
    """Where an environment's files of a student lie, or will lie."""
    given = ENVIRONMENTS[environment]
    parts = [file_digest(student / "model.safetensors"), file_digest(given.requirements), file_digest(given.script)]
    return work / f"naive-{environment}-{fingerprint(parts)[:12]}"


def export_naively(student: Path, environment: str, cache: Path, folder: Path) -> Path:
    """Export a student in an environment, which has been set up, unless the folder is there.

    Raises:
        BadInputError: the student can't be expressed, or its converter fails.
    """

    def make(out: Path) -> None:
        loaded, _ = load_student(student)
        write_weights(out / WEIGHTS, student_model(loaded))
        write_json(out / VERSIONS, export_in(ENVIRONMENTS[environment], cache, out / WEIGHTS, out))
        (out / WEIGHTS).unlink()

    return make_once(folder, make)


def prepare(*, folder: str, student: str, environment: str, cache: str, threads: int, **_: object) -> None:
    """Export the student of a contender, unless that was done before.

    Args:
        folder: of the environment's files.
        student: folder of the student.
        environment: name of the environment.
        cache: where it lies.
        threads: aren't needed.
        **_: what only running it needs.
    """
    export_naively(Path(student), environment, Path(cache), Path(folder))
