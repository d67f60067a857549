"""The student, its training rows and its initial word vectors."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from kdbuild.errors import BadInputError
from kdbuild.export.student_model import student_model
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student import embeddings
from kdbuild.trainer.student.bilstm import (
    Student,
    StudentConfig,
    load_student,
    save_student,
    student_logits,
)
from kdbuild.trainer.training.batches import LengthSampler, SequenceDataset

SHAPE: dict[str, Any] = {"vocab_size": 12, "embedding_size": 5, "hidden_size": 4, "classifier_size": 6}


def make_student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    names = {0: "no", 1: "yes", 2: "so"}
    student = Student(StudentConfig(**SHAPE, id2label=names, label2id={name: index for index, name in names.items()}))
    student.eval()
    return student


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def reference_logits(student: Student, ids: list[int]) -> np.ndarray:
    """The whole network in float64, written from the paper's equations."""
    weights = student_model(student)

    def last_state(direction: object, order: list[int]) -> np.ndarray:
        hidden = cell = np.zeros(4)
        for token in order:
            vector = weights.encoder.embedding[token].astype(np.float64)
            gates = direction.input @ vector + direction.recurrent @ hidden + direction.bias  # type: ignore[attr-defined]
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
        return hidden

    features = np.concatenate(
        [last_state(weights.encoder.layer.forward, ids), last_state(weights.encoder.layer.backward, ids[::-1])]
    )
    return np.asarray(
        weights.head.output @ np.maximum(weights.head.hidden @ features + weights.head.hidden_bias, 0)
        + weights.head.output_bias
    )


def test_student_agrees_with_the_equations() -> None:
    student = make_student()
    texts = [[3], [4, 5], [6, 7, 8, 9, 10, 11, 3, 4], [5] * 30]
    logits = student_logits(student, texts)
    for text, row in zip(texts, logits, strict=True):
        np.testing.assert_allclose(row, reference_logits(student, text), atol=1e-6)


def test_padding_changes_nothing() -> None:
    student = make_student()
    ids = torch.tensor([[3, 4, 5, 0, 0], [6, 7, 8, 9, 10]])
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    together = student(ids, mask).logits
    torch.testing.assert_close(together[:1], student(ids[:1, :3]).logits)


def test_forget_gates_start_open() -> None:
    student = make_student()
    for suffix in ("", "_reverse"):
        assert getattr(student.lstm, f"bias_ih_l0{suffix}")[4:8].tolist() == [1.0] * 4


def test_saved_student_comes_back(tmp_path: Path) -> None:
    student = make_student()
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", *"abcdefghi"])
    save_student(tmp_path, student, vocabulary)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    loaded, words = load_student(tmp_path)
    assert words.tokens == vocabulary.tokens
    assert loaded.config.id2label == {0: "no", 1: "yes", 2: "so"}
    for name, value in student.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_saved_student_knows_its_tokenizer(tmp_path: Path) -> None:
    save_student(tmp_path, make_student(), Vocabulary(["<pad>", "<unk>", "<mask>", *"abcdefgh", "##i"], 2))
    assert json.loads((tmp_path / "config.json").read_text())["tokenizer_version"] == 2
    student, vocabulary = load_student(tmp_path)
    assert (student.config.tokenizer_version, vocabulary.version) == (2, 2)
    assert vocabulary.ids(["ai"]) == [3, 11]


def test_a_student_without_a_version_reads_words(tmp_path: Path) -> None:
    save_student(tmp_path, make_student(), Vocabulary(["<pad>", "<unk>", "<mask>", *"abcdefgh", "##i"]))
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("tokenizer_version", None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    vocabulary = load_student(tmp_path)[1]
    assert (vocabulary.version, vocabulary.ids(["ai"])) == (1, [1])


def test_a_tokenizer_of_the_future_is_refused(tmp_path: Path) -> None:
    save_student(tmp_path, make_student(), Vocabulary(["<pad>", "<unk>", "<mask>", *"abcdefghi"]))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tokenizer_version": 3}))
    with pytest.raises(BadInputError) as caught:
        load_student(tmp_path)
    assert str(caught.value) == f"{tmp_path}: its tokenizer is version 3, and this kdbuild reads 1, 2. Update kdbuild."


def test_vocabulary_of_another_length_is_refused(tmp_path: Path) -> None:
    save_student(tmp_path, make_student(), Vocabulary(["<pad>", "<unk>", "<mask>", "a"]))
    with pytest.raises(BadInputError, match=r"4 tokens in vocab.txt for 12 embedding rows. Train the student again."):
        load_student(tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no config.json, so not a finished student"):
        load_student(tmp_path)


def _truncate(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def _without(name: str) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        del weights[name]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return spoil


def _of_another_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "classifier_size": 3}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncate, r"can't be loaded \(.+\)"),
        (lambda folder: (folder / "config.json").write_text("{"), r"can't be loaded \(.+\)"),
        (_without("output.bias"), r"its weights output\.bias are missing, or of another shape than in config\.json"),
        (
            _of_another_shape,
            r"its weights hidden\.bias, hidden\.weight, output\.weight are missing, or of another shape than in config\.json",
        ),
    ],
)
def test_a_student_that_is_not_whole(spoil: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    save_student(folder, make_student(), Vocabulary(["<pad>", "<unk>", "<mask>", *"abcdefghi"]))
    spoil(folder)
    with pytest.raises(
        BadInputError, match=rf"^{folder}: {message}\. Remove that folder, then run: kdbuild distill {tmp_path}$"
    ):
        load_student(folder)


def test_weights_that_are_not_finite_are_not_exported() -> None:
    student = make_student()
    with torch.no_grad():
        student.hidden.weight[0, 0] = float("nan")
    with pytest.raises(BadInputError, match=r"hidden.weight holds values that aren't finite"):
        student_model(student)


def test_dataset_pads_a_batch_to_its_longest() -> None:
    dataset = SequenceDataset([[5], [6, 7, 8], [9, 10]], np.array([0, 1, 0]), pad_id=0)
    batch = dataset.__getitems__([2, 0])
    assert batch["input_ids"].tolist() == [[9, 10], [5, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].tolist() == [0, 0]
    assert dataset[1]["input_ids"].tolist() == [[6, 7, 8]]


def texts_of(lengths: Sequence[int]) -> SequenceDataset:
    return SequenceDataset([[3] * length for length in lengths], np.zeros(len(lengths), dtype=np.int64), pad_id=0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 7), st.integers(0, 3))
def test_sampler_reads_every_row_once_in_batches_of_like_length(
    lengths: list[int], batch_size: int, epoch: int
) -> None:
    sampler = LengthSampler(texts_of(lengths), batch_size, seed=0)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths)))
    assert list(sampler) == order
    full = len(order) // batch_size
    batches = [
        sorted(lengths[row] for row in order[start * batch_size : (start + 1) * batch_size]) for start in range(full)
    ]
    # Sorted by their shortest, no two batches overlap by more than an end.
    batches.sort(key=lambda batch: (batch[0], batch[-1]))
    assert all(before[-1] <= after[0] for before, after in pairwise(batches))


def test_sampler_orders_epochs_differently() -> None:
    sampler = LengthSampler(texts_of(range(1, 100)), 8, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_reduction_keeps_what_varies_and_tames_frequent_words() -> None:
    draw = np.random.default_rng(0)
    plane = draw.normal(size=(200, 2)).astype(np.float32) @ draw.normal(size=(2, 10)).astype(np.float32) + 5
    even = np.ones(200, dtype=np.int64)
    reduced = embeddings.reduce(plane, even, 2, seed=0)
    # Two dimensions held all of it: distances keep their ratios.
    wide = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    narrow = np.linalg.norm(reduced[:, None] - reduced[None], axis=2)
    ratio = narrow[wide > 0] / wide[wide > 0]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)
    assert reduced.std() == pytest.approx(0.3, rel=1e-3)
    frequent = even.copy()
    frequent[0] = 10_000
    weighted = embeddings.reduce(plane, frequent, 2, seed=0)
    # SIF: a / (a + p), with p = 10000/10199 for the first word and 1/10199 for the others.
    shrunk = (1e-3 / (1e-3 + 10_000 / 10_199)) / (1e-3 / (1e-3 + 1 / 10_199))
    lengths = np.linalg.norm(weighted, axis=1) / np.linalg.norm(reduced, axis=1)
    assert lengths[0] / lengths[1] == pytest.approx(shrunk, rel=1e-3)


def test_dimensions_that_the_teacher_lacks_are_small_and_random() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    reduced = embeddings.reduce(vectors, np.ones(50, dtype=np.int64), 6, seed=0)
    assert reduced.shape == (50, 6)
    assert 0 < reduced[:, 4:].std() < 0.05


def test_a_piece_starts_as_the_word_of_the_same_text(teacher_folder: Path) -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "film", "warm", "##film"], 2)
    vectors = embeddings.from_teacher(
        str(teacher_folder), vocabulary, np.zeros(6, dtype=np.int64), 3, bf16=False, seed=0
    )
    np.testing.assert_allclose(vectors[5], vectors[3], atol=1e-6)
    assert not np.allclose(vectors[4], vectors[3])


def test_teacher_knows_words_by_their_pieces(teacher_folder: Path) -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "film", "warm", "film"[::-1]])
    counts = np.array([0, 0, 0, 5, 5, 1])
    vectors = embeddings.from_teacher(str(teacher_folder), vocabulary, counts, 3, bf16=False, seed=0)
    assert vectors.shape == (6, 3)
    assert not vectors[:2].any()  # <pad> and <unk> at the origin
    assert vectors[2].any()  # the teacher's own mask token
