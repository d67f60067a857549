"""What every format and its engine must do, for each model file of each that is registered.

The reference is computed in float64 from the equations (``references.py``); a format may say that its file can't tell all of
it, as MediaPipe's, which answers with probabilities.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.formats.format import Content, Format
from kdbuild.export.formats.registry import FORMATS, FormatRow
from kdbuild.export.model import StudentModel, StudentShape
from kdbuild.export.reference import Ids, ReferenceLogits, Row
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.artefact import Artefact, Manifest
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.engines.registry import ENGINES, Engine, EngineRow, find_model_file, precision_of
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.encoding import WORDS as WORDS_ALONE
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from references import LENGTHS, VARIANTS, changed, counting_student, random_student, reference, sentence, sunken_student
from students import random_torch_student

WORDS = Vocabulary((*SPECIAL, *(f"w{number}" for number in range(47))))
LABELS = ("no", "yes", "so")
FILES = [(row, file) for row in FORMATS for file in row.files]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """A student in a file, opened."""

    file: str
    format: Format
    content: Content
    artefact: Artefact
    opened: Engine

    def engine(self, *ids: Ids) -> Logits:
        """What the engine answers, as an array."""
        return np.asarray(self.opened(*ids), np.float32)

    @property
    def precision(self) -> str:
        return precision_of(self.file)

    @property
    def engine_row(self) -> str:
        known = find_model_file(self.file)
        assert known is not None
        return known.engine

    def logits(self, *ids: Ids) -> Logits:
        return np.asarray(self.engine(*ids), np.float32)

    def expected(self, texts: Sequence[Ids]) -> tuple[list[Ids], npt.NDArray[Any]]:
        """The ids that the file is given of some texts, and what it must answer to them, ``[texts, classes]``."""
        rows, logits = self.expected_of([(ids,) for ids in texts])
        return [ids for (ids,) in rows], logits

    def expected_of(self, rows: Sequence[Row]) -> tuple[list[Row], npt.NDArray[Any]]:
        """The same of texts or pairs."""

        def ask(asked: Sequence[Row]) -> Logits:
            answers = [reference(self.content.student, *row) for row in asked]
            return np.array(answers, np.float64).reshape(len(asked), self.content.shape.classes)  # type: ignore[return-value]  # more exact

        logits = ask(rows)
        whole = ReferenceLogits(ask, None, list(rows), np.zeros(len(rows)), logits, list(rows), logits)
        told = self.format.reference(whole, self.content)
        return told.texts, told.logits


def shape_of(student: StudentModel) -> StudentShape:
    encoder = student.encoder
    vocabulary, size = encoder.embedding.shape
    hidden, units = encoder.layer.forward.recurrent.shape[1], len(student.head.hidden)
    classes = len(student.head.output)
    return StudentShape(
        vocabulary, size, 0, 1, 1, hidden, encoder.pooling, units, classes, 512, False, False, parameters=0
    )


def write(
    case: tuple[FormatRow, str], folder: Path, student: StudentModel, shape: StudentShape | None = None
) -> Written:
    row, file = case
    shape = shape or shape_of(student)
    vocabulary = Vocabulary(WORDS.tokens[: shape.vocabulary])
    content = Content(student, shape, vocabulary, LABELS[: shape.classes], temperature=1.5)
    opened = row.open()
    (folder / file).write_bytes(opened.write(content, precision_of(file)))
    manifest = Manifest(
        labels=list(content.labels),
        max_tokens=shape.max_tokens,
        tokenizer={},
        files={},
        task="multi" if shape.multi_label else "single",
        temperature=content.temperature,
        student=shape.to_manifest(),
        pairs=shape.pairs,
    )
    artefact = Artefact(folder, manifest)
    return Written(file, opened, content, artefact, open_engine(artefact, file))


@pytest.fixture(params=FILES, ids=lambda case: case[1])
def case(request: pytest.FixtureRequest) -> tuple[FormatRow, str]:
    found: tuple[FormatRow, str] = request.param
    return found


@pytest.fixture
def written(case: tuple[FormatRow, str], tmp_path: Path) -> Written:
    return write(case, tmp_path, random_student())


def words(length: int, vocabulary: int = len(WORDS)) -> Ids:
    """A text of that many tokens; no tokenizer ever gives the id 0."""
    return np.maximum(sentence(length, vocabulary), 1)


def close(found: npt.NDArray[Any], expected: npt.NDArray[Any], precision: str) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5 if precision == "fp32" else 0.15)


def test_every_file_has_an_engine_and_every_engine_a_format() -> None:
    files = [file for _, file in FILES]
    assert len(set(files)) == len(files)
    assert sorted(files) == sorted(file for row in ENGINES for file in row.files)


def test_answers_are_those_of_the_reference_at_any_length(written: Written) -> None:
    texts, expected = written.expected([words(length) for length in LENGTHS])
    answers = np.stack([written.logits(ids) for ids in texts])
    assert answers.dtype == np.float32
    close(answers, expected, written.precision)


DEEPER: dict[str, dict[str, Any]] = {"two layers": {"layers": 2}, "three layers": {"layers": 3, "pooling": "max"}}


@pytest.mark.parametrize("shape", [*VARIANTS.values(), *DEEPER.values()], ids=[*VARIANTS, *DEEPER])
def test_a_student_of_any_shape_is_refused_or_answers_as_the_reference(
    case: tuple[FormatRow, str], tmp_path: Path, shape: dict[str, Any]
) -> None:
    student = random_torch_student(**shape)
    reason = case[0].open().unsupported(student_shape(student))
    if reason is not None:
        assert reason.startswith(f"with --{next(iter(shape))} ")
        return
    written = write(case, tmp_path, student_model(student), student_shape(student))
    texts, expected = written.expected([words(length, 40) for length in (1, 17, 2, 64, 17, 3)])
    close(np.stack([written.logits(ids) for ids in texts]), expected, written.precision)


PAIRED: dict[str, dict[str, Any]] = {"one layer": {}, "maximum": {"pooling": "max"}, "two layers": {"layers": 2}}


@pytest.mark.parametrize("shape", PAIRED.values(), ids=PAIRED)
def test_pairs_are_refused_or_answered_as_by_the_reference(
    case: tuple[FormatRow, str], tmp_path: Path, shape: dict[str, Any]
) -> None:
    """Of unequal lengths, in both orders, one behind the other."""
    student = random_torch_student(pairs=True, **shape)
    reason = case[0].open().unsupported(student_shape(student))
    if reason is not None:
        assert reason == "of pairs. Leave this format out, or use it in torch" or shape.get("layers")
        return
    written = write(case, tmp_path, student_model(student), student_shape(student))
    lengths = [(1, 17), (17, 1), (2, 64), (64, 2), (5, 5), (1, 1), (3, 40), (40, 3)]
    rows = [(words(one, 40), words(other, 40)) for one, other in lengths]
    given, expected = written.expected_of(rows)
    close(np.stack([written.logits(*row) for row in given]), expected, written.precision)
    one, other = rows[6]
    assert not np.allclose(written.logits(one, other), written.logits(other, one), atol=0.02)
    for wrong in ((one,), (other,)):
        with pytest.raises(ValueError, match=r"."):
            written.engine(*wrong)


def test_what_a_format_holds_is_what_people_may_distil(case: tuple[FormatRow, str]) -> None:
    """The default student at least; and a refusal says what to do."""
    opened = case[0].open()
    assert opened.unsupported(student_shape(random_torch_student())) is None
    reason = opened.unsupported(student_shape(random_torch_student(pairs=True)))
    assert (reason is None) == opened.reads_pairs
    assert reason is None or reason == "of pairs. Leave this format out, or use it in torch"
    deepest = random_torch_student(layers=opened.most_layers, hidden_size=4)
    assert opened.unsupported(student_shape(deepest)) is None


def test_a_format_that_can_not_cut_words_says_how_to_get_whole_ones(case: tuple[FormatRow, str]) -> None:
    opened = case[0].open()
    assert opened.unsupported(student_shape(random_torch_student(), WORDS_ALONE)) is None
    reason = opened.unsupported(student_shape(random_torch_student(), PIECES))
    assert reason is None or reason.endswith(". Train one with --tokenizer words, or use this one in torch")


def test_nothing_is_kept_between_calls(written: Written) -> None:
    first, second = words(9), np.array([4, 4, 31], np.int32)
    answer = written.logits(first).tolist()
    assert not np.allclose(written.logits(second), answer, atol=0.05)
    assert written.logits(first).tolist() == answer
    assert written.logits(first).tolist() == answer


def test_each_direction_reads_the_text_its_own_way(case: tuple[FormatRow, str], tmp_path: Path) -> None:
    student = random_student()
    layer, head = student.encoder.layer, student.head
    mirrored = changed(
        student,
        forward=layer.backward,
        backward=layer.forward,
        hidden=np.roll(head.hidden, head.hidden.shape[1] // 2, axis=1),
    )
    ids = words(11)
    there = write(case, tmp_path, student)
    forwards, reversed_there = there.logits(ids), there.logits(ids[::-1].copy())
    back = write(case, tmp_path, mirrored).logits(ids[::-1].copy())
    close(back, forwards, there.precision)
    assert not np.allclose(reversed_there, forwards, atol=0.05)


def test_a_maximum_of_states_below_zero(case: tuple[FormatRow, str], tmp_path: Path) -> None:
    written = write(case, tmp_path, sunken_student())
    (ids,), (expected,) = written.expected([np.array([1, 2, 1], np.int32)])
    close(written.logits(ids), expected, written.precision)


def test_words_are_counted(case: tuple[FormatRow, str], tmp_path: Path) -> None:
    written = write(case, tmp_path, counting_student())
    texts, expected = written.expected([np.array(ids, np.int32) for ids in ([1], [2, 1], [2, 2, 2])])
    close(np.stack([written.logits(ids) for ids in texts]), expected, written.precision)


def test_eight_threads_at_once(written: Written) -> None:
    texts = [words(length) for length in (3, 17, 5, 9) * 16]
    alone = [written.logits(ids).tolist() for ids in texts]
    with ThreadPoolExecutor(8) as pool:
        assert [logits.tolist() for logits in pool.map(written.engine, texts)] == alone


def test_the_same_student_gives_the_same_bytes(written: Written, case: tuple[FormatRow, str], tmp_path: Path) -> None:
    before = (tmp_path / written.file).read_bytes()
    assert case[0].open().write(written.content, precision_of(written.file)) == before


def test_the_engine_says_what_it_is(written: Written) -> None:
    assert written.opened.vocabulary_size == len(written.content.vocabulary)
    assert written.opened.name
    assert written.opened.version[0].isdigit()


def test_the_parts_fit_into_the_file(written: Written) -> None:
    parts = written.format.parts(written.content, precision_of(written.file))
    assert parts.keys() <= {"embedding", "recurrent", "classifier", "vocabulary"}
    assert 0 <= sum(parts.values()) < (written.artefact.folder / written.file).stat().st_size


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04" + bytes(64)], ids=["empty", "text", "zip"])
def test_a_file_that_is_no_model_is_refused_in_one_line(
    case: tuple[FormatRow, str], tmp_path: Path, content: bytes
) -> None:
    file = case[1]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(BadInputError) as raised:
        open_engine(Artefact(tmp_path, Manifest(["no", "yes"], 8, {}, {})), file)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith("Export the model again.")


def test_without_its_engine_the_command_to_install_it_is_named(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ENGINES[written.engine_row].modules:
        pytest.skip("it is no package that could be missing")
    monkeypatch.setattr(EngineRow, "is_installed", False)
    with pytest.raises(MissingExtraError, match=r": needs .*, which isn't installed\. Install .*: pip install "):
        open_engine(written.artefact, written.file)


def test_rows_name_what_there_is(case: tuple[FormatRow, str]) -> None:
    row, file = case
    known = find_model_file(file)
    assert known is not None
    engine = ENGINES[known.engine]
    assert row.help
    assert engine.help
    assert engine.is_installed
    assert isinstance(row.open(), Format)
