"""All contenders: transformers with random weights, the student in each form, naive exports of it, simple baselines."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.candidates.naive.environments import ENVIRONMENTS
from benchmarks.candidates.naive.exports import EXPORTS, PRECISIONS, exports_of
from benchmarks.candidates.subject import Subject
from kdbuild.files import file_digest, folder_digest
from kdbuild.measure.benchmark.candidates import KNOWN, Contender, artefact_contenders, known_contenders
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.trainer.student.bilstm import VOCABULARY_FILE, load_student

BASELINE = "BERT-large"
"""What speedups are against."""
TORCH = "torch fp32"
OURS = (
    TORCH,
    *(f"{form} {precision}" for form in ("TorchScript", "ONNX", "TFLite") for precision in PRECISIONS),
    "native int8",
)
NAIVE = tuple(f"{export.title} {precision}" for export in EXPORTS for precision in PRECISIONS)
TFIDF, FASTTEXT, FASTTEXT_SMALL = "TF-IDF + logistic regression", "fastText", "fastText, quantised"
STATIC, HARD_LABELS = "static vectors", "BiLSTM on hard labels"
BASELINES = (TFIDF, FASTTEXT, FASTTEXT_SMALL, STATIC, HARD_LABELS)
TRANSFORMERS = tuple(make("").name for make in KNOWN.values())
NAMES = (*TRANSFORMERS, *OURS, *NAIVE, *BASELINES)
"""In the order of the tables."""

_ROOT = str(Path(__file__).parents[2])
"""From where the worker imports ``benchmarks``."""
_HERE = Path(__file__).parent
_NO_STUDENT = "only an artefact was given: give the folder of its student, too"


def all_contenders(subject: Subject, cache: Path) -> list[Contender]:
    """All of :data:`NAMES`; those that can't be run here say why.

    Args:
        subject: what is compared.
        cache: of the environments for naive exports.
    """
    made = [
        *known_contenders(KNOWN, minilm_folder()),
        *_ours(subject),
        *_naive(subject, cache),
        *_baselines(subject),
    ]
    by_name = {contender.name: contender for contender in made}
    return [by_name[name] for name in NAMES]


def _ours(subject: Subject) -> Iterator[Contender]:
    """The student in torch, and its artefact's files."""
    why = "" if subject.student else _NO_STUDENT
    factory, arguments = "benchmarks.candidates.torch_student:open_student", {"folder": str(subject.student)}
    yield Contender(TORCH, "kdbuild", factory, arguments, folders=(_ROOT,), skipped=why, note=subject.remark)
    files = {contender.name: contender for contender in artefact_contenders(subject.artefact, trusted=("torchscript",))}
    for name in OURS[1:]:
        missing = Contender(name, "kdbuild", "", skipped="the artefact has no such file: export it with --format all")
        yield replace(files.get(name, missing), note=subject.remark)


def _naive(subject: Subject, cache: Path) -> Iterator[Contender]:
    """The student's naive exports."""
    student, vocabulary = load_student(subject.student) if subject.student else (None, None)
    for export in EXPORTS:
        for precision in PRECISIONS:
            name = f"{export.title} {precision}"
            if student is None or vocabulary is None or subject.student is None:
                yield Contender(name, "naive export", "", skipped=_NO_STUDENT)
            elif not ENVIRONMENTS[export.environment].folder(cache).is_dir():
                setup = f"python -m benchmarks.candidates.naive setup {export.environment}"
                yield Contender(name, "naive export", "", skipped=f"no environment for its converter: {setup}")
            else:
                folder = exports_of(subject.student, export.environment, subject.work)
                yield Contender(
                    name=name,
                    family="naive export",
                    factory="benchmarks.candidates.naive.model:open_naive",
                    arguments={
                        "file": str(folder / export.file.format(precision=precision)),
                        "vocabulary": str(subject.student / VOCABULARY_FILE),
                        "tokenizer": vocabulary.version,
                        "max_tokens": int(student.config.max_tokens),
                        "parameters": sum(parameter.numel() for parameter in student.parameters()),
                        "keeps_state": export.keeps_state,
                        "folder": str(folder),
                        "student": str(subject.student),
                        "environment": export.environment,
                        "cache": str(cache),
                    },
                    prepare="benchmarks.candidates.naive.exports:prepare",
                    folders=(_ROOT,),
                    note=f"{export.note}; {'dynamic int8' if precision == 'int8' else 'fp32'}",
                )


def _baselines(subject: Subject) -> Iterator[Contender]:
    """Simple classifiers, trained on the same rows."""
    yield _baseline(subject, TFIDF, "tfidf:open_tfidf", "of words and pairs of words; answered by numpy")
    for name, form in ((FASTTEXT, "bin"), (FASTTEXT_SMALL, "ftz")):
        yield _baseline(subject, name, "fasttext_model:open_fasttext", "words and pairs of words", form=form)
    note = "each word through the teacher, PCA, frequency weights; their mean, logistic regression; answered by numpy"
    yield _baseline(subject, STATIC, "static_vectors:open_static", note, teacher=subject.encoder)
    if subject.remark:
        yield Contender(HARD_LABELS, "baseline", "", skipped=f"the student itself was {subject.remark}")
    else:
        given = {"student": subject.hard_labels, "teacher": subject.teacher}
        yield _baseline(subject, HARD_LABELS, "hard_labels:open_hard_labels", "TFLite int8", **given)


def _baseline(subject: Subject, name: str, factory: str, note: str, **arguments: str) -> Contender:
    """A baseline whose folder is named after all that it is made of; the form that is opened makes no difference."""
    module = factory.partition(":")[0]
    digests = [folder_digest(Path(arguments[key])) for key in ("student", "teacher") if arguments.get(key)]
    made_of = subject.fingerprint(file_digest(_HERE / "baselines" / f"{module}.py"), digests)
    return Contender(
        name=name,
        family="baseline",
        factory=f"benchmarks.candidates.baselines.{factory}",
        arguments={
            "folder": str(subject.work / f"{module}-{made_of}"),
            "data": str(subject.data.resolve()),
            "labels": subject.labels,
            **arguments,
        },
        prepare=f"benchmarks.candidates.baselines.{module}:prepare",
        folders=(_ROOT,),
        note=note,
    )
