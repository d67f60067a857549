"""What the contenders are made from: the data, and a student with its artefact, given or made on the way."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.candidates.baselines.rows import read_data
from benchmarks.candidates.baselines.training import export_folder, student_labels, train_student
from benchmarks.candidates.once import make_once
from kdbuild.errors import BadInputError
from kdbuild.files import file_digest, fingerprint, folder_digest
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.quickstart.reviews import write_reviews
from kdbuild.runtime.artefact import Artefact
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.student.bilstm import VOCABULARY_FILE, load_student

FORMATS = ("native", "tflite", "onnx", "torchscript")
RUN = "run"
_REVISION = 1
"""Of how things are trained and exported: a new one makes them be made again."""


@dataclass(frozen=True)
class Subject:
    """What is compared, and on what."""

    data: Path
    """Folder with train and dev files."""
    source: str
    """Of the data, in a few words."""
    labels: list[str]
    """The classes in order."""
    artefact: Path
    student: Path | None
    """Folder of the student that the artefact was made of; None: it isn't at hand."""
    remark: str
    """On the student, for the table; empty if it was given."""
    hard_labels: str
    """Folder of a student that was trained on hard labels; empty: one is trained."""
    teacher: str
    """Fine-tuned; empty: there is none."""
    work: Path
    """Folder for what is trained and exported on the way."""

    def dev(self) -> tuple[list[str], list[int]]:
        """The texts to classify, with their classes."""
        dev = read_data(str(self.data), self.labels).dev
        return dev.texts, [int(target) for target in dev.targets]

    def fingerprint(self, *parts: object) -> str:
        """Of the data and the given parts, short enough for a folder's name."""
        return fingerprint(_REVISION, open_source(str(self.data)).digests, self.labels, *parts)[:12]

    @property
    def encoder(self) -> str:
        """What word vectors are derived from: the teacher, or the encoder that the quickstart fine-tunes."""
        return self.teacher or str(minilm_folder())


def find_subject(
    *,
    data: Path | None = None,
    artefact: Path | None = None,
    student: Path | None = None,
    hard_labels: Path | None = None,
    teacher: Path | None = None,
    work: Path,
) -> Subject:
    """Take what is given and make the rest: the reviews of the quickstart, a student on hard labels, its artefact.

    Args:
        data: folder with train and dev files.
        artefact: of the student; exported from it if None.
        student: folder ``student`` of a run; if neither it nor an artefact is given, one is trained on hard labels.
        hard_labels: the same of a run on hard labels.
        teacher: local folder of a fine-tuned one.
        work: folder for what is made here.

    Raises:
        BadInputError: something given isn't what it should be, or they don't fit together.
    """
    source = data.name if data else "movie reviews (Hutto & Gilbert 2014)"
    if data is None:
        data = work / "reviews"
        write_reviews(data, seed=0)
    remark = ""
    if artefact is None:
        if student is None:
            student, remark = _trained_here(data, teacher, work), "trained here, as none was given: on hard labels"
            remark += ", word vectors of the teacher" if teacher else ", random word vectors"
        artefact = _exported_here(data, student, work)
    opened = Artefact.open(artefact)
    if student is not None and load_student(student)[1].sha256 != opened.manifest.tokenizer["sha256"]:
        raise BadInputError(
            f"{student}: its vocabulary isn't that of {artefact}. Give the student that it was made of."
        )
    return Subject(
        data=data,
        source=source,
        labels=opened.manifest.labels,
        artefact=artefact,
        student=student,
        remark=remark,
        hard_labels=str(hard_labels or ""),
        teacher=str(teacher or ""),
        work=work,
    )


def _trained_here(data: Path, teacher: Path | None, work: Path) -> Path:
    """The folder of a student that is trained on hard labels, unless it was."""
    name = str(teacher or "")
    of = fingerprint(_REVISION, open_source(str(data)).digests, folder_digest(teacher) if teacher else "")[:12]
    made = make_once(work / f"student-{of}", lambda out: train_student(str(data), name, out / RUN))
    return made / RUN / "student"


def _exported_here(data: Path, student: Path, work: Path) -> Path:
    """The folder of a student's artefact, exported unless it was."""
    labels = student_labels(student)
    weights = [file_digest(student / name) for name in ("model.safetensors", VOCABULARY_FILE)]
    of = fingerprint(_REVISION, open_source(str(data)).digests, weights)[:12]
    return make_once(work / f"artefact-{of}", lambda out: export_folder(student, str(data), labels, out, FORMATS))
