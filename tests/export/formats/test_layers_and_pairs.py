"""Students of several layers and of pairs, in the files of every format, against torch in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.export.formats.format import Content
from kdbuild.export.formats.registry import FORMATS, FormatRow
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.reference import ReferenceLogits, Row
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.artefact import Artefact, Manifest
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.engines.registry import Engine, precision_of
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.student.bilstm import Student
from pairs import random_trained_of_pairs
from references import sentence
from shapes import SHAPES, exact_logits, lively_student
from students import random_torch_student

FILES = [(row, file) for row in FORMATS for file in row.files]
WORDS = Vocabulary([*SPECIAL, *(f"w{number}" for number in range(37))])
LENGTHS = (1, 17, 2, 40, 17, 3, 1)
OTHERS = (17, 1, 2, 5, 40, 3, 1)
"""Of the second texts: shorter, longer and as long."""


@pytest.fixture(params=FILES, ids=lambda case: case[1])
def case(request: pytest.FixtureRequest) -> tuple[FormatRow, str]:
    found: tuple[FormatRow, str] = request.param
    return found


def rows_of(shape: dict[str, Any]) -> list[Row]:
    """Texts, or pairs with each behind it the other way round. No tokenizer gives the id 0."""
    texts = [np.maximum(sentence(length, 40), 1) for length in LENGTHS]
    if not shape.get("pairs"):
        return [(ids,) for ids in texts]
    pairs = [
        (ids, np.maximum(sentence(length + 100, 40)[:length], 1)) for ids, length in zip(texts, OTHERS, strict=True)
    ]
    return [order for one, other in pairs for order in ((one, other), (other, one))]


def written(
    case: tuple[FormatRow, str], folder: Path, student: Student, rows: list[Row], exact: npt.NDArray[Any]
) -> tuple[Engine, ReferenceLogits]:
    """The file, opened, and what it is to answer."""
    row, file = case
    shape = student_shape(student)
    opened = row.open()
    content = Content(student_model(student), shape, WORDS, ["no", "yes", "so"], temperature=1.5)
    (folder / file).write_bytes(opened.write(content, precision_of(file)))
    task = "multi" if shape.multi_label else "single"
    manifest = Manifest(
        list(content.labels), 512, {}, {}, task=task, temperature=1.5, student=shape.to_manifest(), pairs=shape.pairs
    )

    def ask(texts: Any) -> Any:
        return exact_logits(student, texts) if len(texts) else np.zeros((0, 3))

    whole = ReferenceLogits(ask, None, rows, np.zeros(len(rows)), exact, rows, exact)
    return open_engine(Artefact(folder, manifest), file), opened.reference(whole, content)


@pytest.mark.parametrize("name", SHAPES)
def test_every_student_is_held_or_refused_with_the_way_out(
    case: tuple[FormatRow, str], tmp_path: Path, name: str
) -> None:
    shape = SHAPES[name]
    student = lively_student(**shape)
    refusal = case[0].open().unsupported(student_shape(student))
    if case[0].name == "mediapipe" and shape["pairs"]:
        assert refusal == "of pairs. Leave this format out, or use it in torch"
        return
    assert refusal is None
    rows = rows_of(shape)
    exact = exact_logits(student, rows)
    engine, reference = written(case, tmp_path, student, rows, exact)
    answers = np.stack([np.asarray(engine(*row)) for row in reference.texts])
    np.testing.assert_allclose(answers, reference.logits, atol=1e-5 if precision_of(case[1]) == "fp32" else 0.3)
    # What one text leaves behind would show in the next.
    again = np.stack([np.asarray(engine(*row)) for row in reversed(reference.texts)])
    assert again[::-1].tolist() == answers.tolist()
    # The answers are apart by far more than they may be off.
    assert np.ptp(exact, axis=0).max() > 1


def test_a_model_says_how_many_texts_it_reads(case: tuple[FormatRow, str], tmp_path: Path) -> None:
    if case[0].name in ("native", "mediapipe"):
        pytest.skip("its engine has a test of its own")
    for pairs in (False, True):
        student = random_torch_student(pairs=pairs)
        rows = rows_of({"pairs": pairs})[:1]
        engine, _ = written(case, tmp_path, student, rows, exact_logits(student, rows))
        given, read = (1, 2) if pairs else (2, 1)
        with pytest.raises(ValueError, match=rf"^{given} texts for a model that reads {read}$"):
            engine(*[np.ones(3, np.int32)] * given)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_gates_pass_over_layers_and_pairs(tmp_path: Path, layers: int) -> None:
    """Of unequal lengths: first texts of eight words, second ones of three."""
    held = [row.name for row in FORMATS if row.open().reads_pairs]
    limits = Limits(max_accuracy_loss=0.1, max_flip_rate=0.1)
    trained = random_trained_of_pairs(PIECES, layers=layers)
    made = export_student(trained, tmp_path / "artefact", formats=held, quantize=True, limits=limits)
    assert list(made.comparisons) == [file for row, file in FILES if row.name in held]
    for file, comparison in made.comparisons.items():
        most = 1e-5 if precision_of(file) == "fp32" else 0.1
        assert comparison.max_logit_difference < most
        assert comparison.length_difference < most


def test_the_guide_says_what_formats_hold() -> None:
    table = (Path(__file__).parents[3] / "docs" / "student.md").read_text(encoding="utf-8")
    for row in FORMATS:
        opened = row.open()
        pairs = "yes" if opened.reads_pairs else "no: it is given one text"
        assert f"| `{row.name}` | 1 to {opened.most_layers} | {pairs} |" in table
        for pooling in ("last", "max"):
            assert opened.unsupported(student_shape(random_torch_student(pooling=pooling))) is None
