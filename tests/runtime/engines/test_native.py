"""The native engine behind the classifier: one file is enough, and threads, copies and masks change nothing."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdbuild.errors import BadInputError
from kdbuild.export.formats.native.golden import golden_entries
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact, file_entry
from kdbuild.runtime.engines.native import manifest_of
from kdbuild.runtime.engines.open import open_engine
from kdbuild.runtime.native.binding import NativeModel, aligned, paths, read_aligned, utf8
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from native_students import Shape, native_file, numbered, random_student

SHAPES = {"one label": Shape(12, 20, 9, 3), "several labels": Shape(12, 20, 9, 3, multi_label=True)}
VOCABULARY = numbered(40)
PIECED = Vocabulary(
    [*SPECIAL, *"w ##w ##1 1 w2 ##3 ##unknown what ##ever 漢字 漢 字 ... ##'s 's , ' a ##b".split()], PIECES
)
TEXTS = ["w1 w2 w3", "", "W4, w5's “w6” …", "nothing known", "w7 " * 90, "a\x00b \ud83d w8"]


@pytest.fixture(params=SHAPES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shape = SHAPES[request.param]
    path = tmp_path / "model_int8.kdb"
    path.write_bytes(native_file(random_student(shape, len(VOCABULARY)), shape, VOCABULARY))
    return path


def test_a_file_alone_knows_what_its_artefact_does(file: Path) -> None:
    classify = Classifier.load(file)
    manifest = classify.manifest
    several = manifest.task == "multi"
    assert manifest.labels == ["label 0", "label 1", "label 2"]
    assert (manifest.max_tokens, manifest.temperature) == (64, 1.7)
    assert manifest.threshold == (None if several else 0.6)
    if several:
        logits = [-0.5, -0.25, 0.0]
        assert manifest.thresholds == pytest.approx([1 / (1 + np.exp(-logit / 1.7)) for logit in logits])
    assert classify.vocabulary.tokens == VOCABULARY.tokens


def test_answers_follow_from_the_logits(file: Path) -> None:
    classify = Classifier.load(file)
    for text in TEXTS:
        answer = classify(text)
        logits = np.asarray(classify.logits(text), np.float64)
        scores = np.array(list(answer.scores.values()))
        if classify.manifest.thresholds is None:
            shares = np.exp(logits / 1.7 - (logits / 1.7).max())
            np.testing.assert_allclose(scores, shares / shares.sum(), atol=1e-12)
            sure = scores.max() >= 0.6
            assert answer.label == (f"label {scores.argmax()}" if sure else None)
            assert answer.labels is None
        else:
            np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits / 1.7)), atol=1e-12)
            given = [f"label {place}" for place in np.flatnonzero(logits >= [-0.5, -0.25, 0.0])]
            assert answer.labels == given
            assert (answer.label is None) == (given == [])


@pytest.fixture
def pieced(tmp_path: Path) -> Path:
    """A file whose vocabulary has pieces of words."""
    shape = SHAPES["one label"]
    path = tmp_path / "pieced.kdb"
    path.write_bytes(native_file(random_student(shape, len(PIECED)), shape, PIECED))
    return path


@pytest.mark.parametrize("text", [*TEXTS, "w2 w23 whatever w3unknown 漢字漢 zz?z w1w1w1w1", "漢字" * 50, "z" * 300])
def test_pieces_are_read_as_python_reads_them(pieced: Path, text: str) -> None:
    classify = Classifier.load(pieced)
    assert classify.manifest.tokenizer["version"] == classify.vocabulary.version == PIECES
    expected, answer = PIECED.encode(text, 64), classify(text)
    assert classify.encode(text) == expected
    assert (answer.tokens, answer.oov_rate) == (expected.token_count, expected.oov_rate)


def test_explanation_masks_all_pieces_of_a_word_together(pieced: Path) -> None:
    classify, text = Classifier.load(pieced), "w2 w1w3 whatever zz 漢字字"
    explanation = classify.explain(text)
    assert explanation.tokens == ["w2", "w1w3", "whatever", "zz", "漢字", "字"]
    assert classify.encode(text).pieces == [1, 4, 2, 1, 1, 1]
    place = classify.labels.index(explanation.label)
    masks = [(0, 1), (1, 5), (5, 7), (7, 8), (8, 9), (9, 10)]
    for weight, (start, end) in zip(explanation.weights, masks, strict=True):
        ids = classify.encode(text).ids
        for position in range(start, end):
            ids[position] = 2
        shares = np.exp(np.asarray(classify.engine(ids), np.float64) / 1.7)
        assert weight == pytest.approx(
            explanation.prediction.scores[explanation.label] - (shares / shares.sum())[place], abs=1e-12
        )
    assert classify.explain("").weights == []


@pytest.mark.parametrize("text", ["w1w3 " * 40, "“w2”", '"' * 30, "w2" * 70])
def test_every_word_of_an_explanation_has_a_weight(pieced: Path, text: str) -> None:
    """Also where characters become several, or words are cut off."""
    explanation = Classifier.load(pieced).explain(text)
    assert explanation.tokens == PIECED.encode(text, 64).tokens
    assert len(explanation.weights) == len(explanation.tokens)


def test_golden_texts_of_pieces(pieced: Path) -> None:
    """What the engine says of them is what the Python tokenizer and the reference say."""
    shape, texts = SHAPES["one label"], [("w1w3 whatever",), ("漢字字 zz",), ("",)]
    file = native_file(random_student(shape, len(PIECED)), shape, PIECED, golden=texts)
    entries = golden_entries(NativeModel(read_aligned(pieced), pieced), texts)
    assert b"".join(entries) in file
    golden = NativeModel(aligned(file), pieced, verify=True).golden()
    assert [entry.texts for entry in golden] == texts
    assert [[len(ids) for ids in entry.ids] for entry in golden] == [[6], [3], [1]]


def test_golden_pairs() -> None:
    shape = Shape(12, 20, 9, 3, join="pair")
    pairs = [("w1 w2", "w3"), ("w3", "w1 w2"), ("", "w7 " * 70)]
    student = random_student(shape, len(VOCABULARY))
    content = native_file(student, shape, VOCABULARY, golden=pairs)
    model = NativeModel(aligned(content), "model", verify=True)
    assert b"".join(golden_entries(model, pairs)) in content
    golden = model.golden()
    assert [entry.texts for entry in golden] == pairs
    assert [tuple(map(len, entry.ids)) for entry in golden] == [(2, 1), (1, 2), (1, 64)]
    for entry in golden:
        assert entry.logits == model.logits(*entry.ids)


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_as_python_reads_it(file: Path, text: str) -> None:
    classify, expected = Classifier.load(file), VOCABULARY.encode(text, 64)
    found, answer = classify.encode(text), classify(text)
    assert (found.ids, found.tokens, found.truncated) == (expected.ids, expected.tokens, expected.truncated)
    assert (answer.tokens, answer.oov_rate) == (len(expected.tokens), expected.oov_rate)


def test_explanation_masks_each_token_in_turn(file: Path) -> None:
    classify = Classifier.load(file)
    explanation = classify.explain("w1 w2 unknown w3")
    assert explanation.tokens == ["w1", "w2", "unknown", "w3"]
    for place, weight in enumerate(explanation.weights):
        ids = classify.encode("w1 w2 unknown w3").ids
        ids[place] = 2
        masked = np.asarray(classify.engine(ids), np.float64) / 1.7
        several = classify.manifest.task == "multi"
        scores = 1 / (1 + np.exp(-masked)) if several else np.exp(masked - masked.max())
        score = (scores if several else scores / scores.sum())[classify.labels.index(explanation.label)]
        assert weight == pytest.approx(explanation.prediction.scores[explanation.label] - score, abs=1e-12)
    assert classify.explain("").weights == []


def test_threads_and_copies_answer_alike(file: Path) -> None:
    classify = Classifier.load(file)
    texts = TEXTS * 7
    alone = [classify(text) for text in texts]
    assert Classifier.load(file, threads=4)(texts) == alone
    assert list(pickle.loads(pickle.dumps(classify))(iter(texts))) == alone


def test_another_threshold(tmp_path: Path) -> None:
    shape = SHAPES["one label"]
    path = tmp_path / "renamed.kdb"
    path.write_bytes(native_file(random_student(shape, len(VOCABULARY)), shape, VOCABULARY))
    always, never = Classifier.load(path, threshold=0), Classifier.load(path, threshold=0.999999)
    for text in TEXTS:
        assert always(text).label == max(always(text).scores, key=always(text).scores.__getitem__)
        assert never(text).label is None


@pytest.mark.parametrize("options", [{"engine": "tflite"}, {"precision": "fp32"}], ids=str)
def test_a_file_alone_is_for_one_engine(file: Path, options: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="is a file for the native engine, in int8"):
        Classifier.load(file, **options)  # type: ignore[arg-type]


def test_a_damaged_file_is_refused(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInputError, match="is damaged"):
        Classifier.load(file)


@pytest.mark.parametrize("ids", [[], [40], [-1], [1] * 65], ids=["none", "too large", "negative", "too many"])
def test_ids_that_no_text_gives(file: Path, ids: list[int]) -> None:
    with pytest.raises(ValueError, match=r"token ids, which must be 1 to 64, each below 40"):
        Classifier.load(file).engine(ids)


def test_ids_may_come_as_any_sequence(file: Path) -> None:
    engine = Classifier.load(file).engine
    expected = list(engine([3, 4, 5]))
    assert list(engine((3, 4, 5))) == list(engine(np.array([3, 4, 5], np.int32))) == expected


def test_a_path_is_named(file: Path) -> None:
    for name in paths():
        model = NativeModel(aligned(file.read_bytes()), file, path=name)
        assert model.path == name
    assert model.version == struct.unpack_from("<Q", file.read_bytes(), 96)[0]


def test_lone_surrogates_become_replacement_characters() -> None:
    assert utf8("a\ud800\udc00b") == "a\ufffd\ufffdb".encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("labels", ["a", "b", "c"]), ("max_tokens", 63), ("temperature", 1.0), ("threshold", 0.5), ("threshold", None)],
)
def test_a_file_that_says_something_else_than_the_manifest_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    """What it says is what answers follow."""
    shape = SHAPES["one label"]
    content = native_file(random_student(shape, len(VOCABULARY)), shape, VOCABULARY)
    path = tmp_path / "model_int8.kdb"
    path.write_bytes(content)
    manifest = manifest_of(NativeModel(aligned(content), path))._replace(files={path.name: file_entry(content)})
    open_engine(Artefact(tmp_path, manifest), path.name)
    with pytest.raises(BadInputError, match=rf"model_int8\.kdb: its {name} isn't the manifest's"):
        open_engine(Artefact(tmp_path, manifest._replace(**{name: value})), path.name)


def test_a_file_with_another_tokenizer_than_the_manifest_is_refused(pieced: Path) -> None:
    content = pieced.read_bytes()
    pieced = pieced.rename(pieced.with_name("model_int8.kdb"))
    manifest = manifest_of(NativeModel(aligned(content), pieced))._replace(files={pieced.name: file_entry(content)})
    assert manifest.tokenizer["version"] == PIECES
    open_engine(Artefact(pieced.parent, manifest), pieced.name)
    other = manifest._replace(tokenizer=manifest.tokenizer | {"version": 1})
    with pytest.raises(BadInputError, match=r"model_int8\.kdb: its tokenizer version isn't the manifest's"):
        open_engine(Artefact(pieced.parent, other), pieced.name)
