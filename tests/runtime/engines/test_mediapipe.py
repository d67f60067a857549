"""MediaPipe's file, run as MediaPipe does and read as logits."""

from pathlib import Path

import numpy as np
import pytest

from kdbuild.errors import BadInputError
from kdbuild.export.formats.mediapipe.graph import write_mediapipe
from kdbuild.export.student_model import student_model
from kdbuild.runtime.engines.mediapipe import MediaPipeEngine, expected_answer
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student.bilstm import Student, student_logits
from students import random_torch_student, word_spotter

LABELS = ["no", "yes", "so"]
WORDS = Vocabulary(["<pad>", "<unk>", "<mask>", *(f"w{number}" for number in range(37))])


def opened(folder: Path, student: Student, temperature: float = 1.0, tokens: int = 8) -> MediaPipeEngine:
    path = folder / "model_mediapipe.tflite"
    path.write_bytes(write_mediapipe(student_model(student), WORDS, LABELS, tokens=tokens, temperature=temperature))
    return MediaPipeEngine(path, temperature=temperature, multi_label=False)


def sentence(length: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.random.default_rng(length).integers(1, 40, length, dtype=np.int32)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_logits_of_one_label_have_a_mean_of_0(tmp_path: Path, temperature: float) -> None:
    student = random_torch_student()
    engine = opened(tmp_path, student, temperature)
    assert (engine.name, engine.tokens) == ("ai-edge-litert", 8)
    for length in (1, 3, 8):
        ids = sentence(length)
        (logits,) = student_logits(student, [ids.tolist()])
        found = engine(ids)
        assert found.dtype == np.float32
        assert found.shape == (3,)
        np.testing.assert_allclose(found, logits - logits.mean(), atol=0.02)
        np.testing.assert_allclose(
            expected_answer(logits, temperature=temperature, multi_label=False), logits - logits.mean(), atol=1e-6
        )


def test_only_the_first_tokens_are_read(tmp_path: Path) -> None:
    engine = opened(tmp_path, random_torch_student())
    assert engine(sentence(20)).tolist() == engine(sentence(20)[:8]).tolist() != engine(sentence(20)[:7]).tolist()


def test_logits_of_several_labels_are_those_of_the_student(tmp_path: Path) -> None:
    trained = word_spotter()
    path = tmp_path / "model_mediapipe.tflite"
    path.write_bytes(
        write_mediapipe(
            student_model(trained.student),
            trained.vocabulary,
            trained.labels,
            tokens=8,
            temperature=2.5,
            multi_label=True,
        )
    )
    engine = MediaPipeEngine(path, temperature=2.5, multi_label=True)
    funny = np.array(trained.vocabulary.ids(["funny"]), np.int32)
    np.testing.assert_allclose(engine(funny), [2.077, -4.0], atol=0.01)
    np.testing.assert_allclose(
        expected_answer(np.array([2.077, -4.0]), temperature=2.5, multi_label=True), [2.077, -4.0], atol=1e-6
    )


def test_what_probabilities_can_not_say_is_cut_on_both_sides(tmp_path: Path) -> None:
    """Scores of 1 and 0: the file's, and the student's read as if they were a file's."""
    trained = word_spotter()
    trained.student.output.weight.data *= 30  # logits of 178 and -4
    trained.student.output.bias.data[1] = -300
    weights = student_model(trained.student)
    funny = np.array(trained.vocabulary.ids(["funny"]), np.int32)
    (logits,) = student_logits(trained.student, [funny.tolist()])
    assert logits.tolist() == pytest.approx([178.3, -300], abs=0.1)
    path = tmp_path / "model_mediapipe.tflite"
    # The logarithm of 1e-30 is -69.08.
    for several, expected in ((True, [12.0, -69.08]), (False, [34.54, -34.54])):
        path.write_bytes(write_mediapipe(weights, trained.vocabulary, trained.labels, tokens=8, multi_label=several))
        engine = MediaPipeEngine(path, temperature=1.0, multi_label=several)
        np.testing.assert_allclose(engine(funny), expected, atol=0.01)
        np.testing.assert_allclose(expected_answer(logits, temperature=1.0, multi_label=several), expected, atol=0.01)


def test_scores_that_are_not_numbers_stay_so() -> None:
    assert np.isnan(expected_answer(np.array([np.nan, 0.0, 0.0]), temperature=1.0, multi_label=False)).all()


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model_mediapipe.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(BadInputError) as raised:
        MediaPipeEngine(path, temperature=1.0, multi_label=False)
    message = str(raised.value)
    assert message.startswith(f"{path}: ai-edge-litert can't load it (")
    assert message.endswith("). Export the model again.")
    assert "\n" not in message
