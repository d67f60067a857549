import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from kdbuild.errors import BadInputError
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.golden import golden_rows
from kdbuild.export.golden_texts import GOLDEN_TEXTS, few_golden_texts, golden_texts
from kdbuild.export.model import Array, LstmWeights, StudentModel
from kdbuild.runtime.engines.tflite import TFLiteEngine
from kdbuild.runtime.golden import FP32_TOLERANCE, INT8_TOLERANCE, Engine, Replay, replay, tolerance
from kdbuild.runtime.text.encoding import PIECES, WORDS
from kdbuild.runtime.text.vocabulary import Encoding, Vocabulary

FP32, INT8 = "model_fp32.tflite", "model_int8.tflite"
LABELS = ("negative", "positive")
ROWS = golden_texts(WORDS)
VOCABULARY = Vocabulary(["<pad>", "<unk>", "<mask>", ".", "good", "not", "bad", "film", "<", ">", "mask"])


def encode(text: str) -> Encoding:
    return VOCABULARY.encode(text, 64)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    """A student of a few units in both precisions."""
    rng = np.random.default_rng(3)

    def draw(*shape: int) -> Array:
        return rng.normal(scale=0.7, size=shape).astype(np.float32)

    student = StudentModel.one_layer(
        embedding=draw(len(VOCABULARY), 4),
        forward=LstmWeights(draw(12, 4), draw(12, 3), draw(12)),
        backward=LstmWeights(draw(12, 4), draw(12, 3), draw(12)),
        hidden=draw(5, 6),
        hidden_bias=draw(5),
        output=draw(2, 5),
        output_bias=np.array([0.33, -0.33], np.float32),  # so that both labels occur
    )
    folder = tmp_path_factory.mktemp("models")
    (folder / FP32).write_bytes(write_tflite(student, quantize=False))
    (folder / INT8).write_bytes(write_tflite(student, quantize=True))
    return {name: TFLiteEngine(folder / name) for name in (FP32, INT8)}


@pytest.fixture(scope="module")
def content(engines: dict[str, Engine]) -> bytes:
    return golden_rows(encode, engines, LABELS, FP32, ROWS)


def read(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode("utf-8").split("\n")[:-1]]


def write(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode("utf-8")


def fixed(*logits: float) -> Engine:
    """An engine that always answers the same."""
    return lambda ids: np.array(logits, dtype=np.float32)


def one_row(label: str, logits: dict[str, list[float]], ids: tuple[int, ...] = (4, 7)) -> bytes:
    return write([{"text": "Good film", "ids": list(ids), "logits": logits, "label": label}])


def test_texts_are_about_200_and_distinct() -> None:
    assert len(GOLDEN_TEXTS) == len(set(GOLDEN_TEXTS)) == 216


@pytest.mark.parametrize(
    "part",
    [
        *("\t", "\n", "\r\n", "\x00", "\x7f", "\x85", "\xa0", "\xad", "\u2028", "\u200b", "\u200d", "\u200e", "\ufeff"),
        *("\u0301", "\u3099", "\u1161", "\ufe0f", "\ufffe", "👍🏽", "🇫🇷", "\U000e007f", "𝔉", "𠮷"),
        *("İ", "ß", "ẞ", "ﬁ", "\u212a", "\u212b", "ΣΊΣΥΦΟΣ", "фильм", "电影", "映画", "영화", "فيلم", "סרט", "फ़", "ห", "½"),
        *("“", "’", "–", "—", "…", "<mask>", "[MASK]", "https://", "@example", "#", "$1,000.00", "10:30", "'70s", "n't"),
        *("cannot", "shouldn't've", "e.g.", "U.S.", "Mr.", "-lrb-", "!!!", "do n't", "C++", "24/7", "R&B"),
    ],
)  # fmt: skip
def test_texts_hold(part: str) -> None:
    assert any(part in text for text in GOLDEN_TEXTS)


def test_texts_reach_every_length() -> None:
    assert {"", " "} <= set(GOLDEN_TEXTS)
    assert max(len(text.split()) for text in GOLDEN_TEXTS) == 1000
    assert max(len(word) for text in GOLDEN_TEXTS for word in text.split()) == 2000
    lengths = {len(VOCABULARY.encode(text, 512).ids) for text in GOLDEN_TEXTS}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64, 512} <= lengths


def test_texts_for_pieces_are_added_to_the_others() -> None:
    texts = [text for (text,) in golden_texts(PIECES)]
    assert [text for (text,) in golden_texts(WORDS)] == list(GOLDEN_TEXTS) == texts[:216]
    assert len(texts) == len(set(texts)) == 247
    added = texts[216:]
    assert [text.encode("utf-8").decode("utf-8") for text in added] == list(added)
    for part in (
        "goooood",
        "Donaudampf",
        "l'homme",
        "ไม่ชอบ app",
        "这部电影",
        "龘龘龘",
        "モデル",
        "영화가",
        "والفيلم",
        "😂😂😂",
        "##ing",
    ):
        assert any(part in text for text in added), part


def test_texts_for_pieces_are_cut() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = Vocabulary([*VOCABULARY.tokens, *letters, *(f"##{letter}" for letter in letters)], PIECES)
    encodings = [vocabulary.encode(text, 512) for (text,) in golden_texts(PIECES)[216:]]
    assert sum(max(encoding.pieces) > 1 for encoding in encodings) > 12
    assert max(count for encoding in encodings for count in encoding.pieces) > 500
    assert any(encoding.truncated and encoding.pieces[-1] < encoding.pieces[0] for encoding in encodings)


def test_texts_survive_utf8() -> None:
    assert [text.encode("utf-8").decode("utf-8") for text in GOLDEN_TEXTS] == list(GOLDEN_TEXTS)


def test_rows_are_the_engines_answers(engines: dict[str, Engine], content: bytes) -> None:
    rows = read(content)
    assert [row["text"] for row in rows] == list(GOLDEN_TEXTS)
    for row in rows:
        assert list(row) == ["text", "ids", "logits", "label"]
        ids = encode(row["text"]).ids
        assert row["ids"] == ids.tolist()
        # Every float32 comes back exactly.
        answers = {name: engine(ids) for name, engine in engines.items()}
        for name, answer in answers.items():
            assert np.array(row["logits"][name], dtype=np.float32).tolist() == np.asarray(answer).tolist()
        assert row["label"] == LABELS[int(np.argmax(answers[FP32]))]
    assert {row["label"] for row in rows} == set(LABELS)


def test_content_of_a_row() -> None:
    logits = {FP32: fixed(0.1, -1 / 3), INT8: fixed(1e-8, 16777216)}
    lines = golden_rows(encode, logits, LABELS, FP32, ROWS).decode("utf-8").split("\n")
    assert lines[GOLDEN_TEXTS.index("Not bad at all.")] == (
        '{"text": "Not bad at all.", "ids": [5, 6, 1, 1, 3], '
        '"logits": {"model_fp32.tflite": [0.1, -0.33333334], "model_int8.tflite": [1e-08, 16777216.0]}, '
        '"label": "negative"}'
    )
    assert lines[GOLDEN_TEXTS.index("Don’t")].startswith('{"text": "Don’t", "ids": [1, 1], ')
    assert lines[GOLDEN_TEXTS.index("")].startswith('{"text": "", "ids": [1], ')


def test_content_is_deterministic(engines: dict[str, Engine], content: bytes) -> None:
    assert golden_rows(encode, engines, LABELS, FP32, ROWS) == content


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        golden_rows(encode, {FP32: fixed(float("nan"), 0)}, LABELS, FP32, ROWS)


def test_tolerances() -> None:
    assert (FP32_TOLERANCE, INT8_TOLERANCE) == (1e-4, 0.05)
    assert (tolerance(FP32), tolerance(INT8)) == (1e-4, 0.05)


@pytest.mark.parametrize("name", [FP32, INT8])
def test_replay_of_the_same_engine(name: str, engines: dict[str, Engine], content: bytes) -> None:
    result = replay(content, encode, name, engines[name], LABELS)
    assert result == Replay(216, wrong_ids=0, wrong_labels=0, max_difference=0.0, tolerance=tolerance(name))
    assert result.passed


@pytest.mark.parametrize(("name", "change"), [(FP32, 2e-4), (FP32, -2e-4), (INT8, 0.06), (INT8, float("nan"))])
def test_changed_logit_fails(name: str, change: float, engines: dict[str, Engine], content: bytes) -> None:
    rows = read(content)
    rows[17]["logits"][name][1] += change
    result = replay(write(rows), encode, name, engines[name], LABELS)
    assert not result.passed
    assert (result.texts, result.wrong_ids) == (216, 0)
    assert result.max_difference == pytest.approx(abs(change), abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("name", "change"), [(FP32, 5e-5), (INT8, 0.04)])
def test_small_change_passes(name: str, change: float, engines: dict[str, Engine], content: bytes) -> None:
    rows = read(content)
    rows[17]["logits"][name][1] += change
    assert replay(write(rows), encode, name, engines[name], LABELS).passed


def test_changed_id_fails(engines: dict[str, Engine], content: bytes) -> None:
    rows = read(content)
    rows[-1]["ids"].append(4)
    result = replay(write(rows), encode, FP32, engines[FP32], LABELS)
    assert (result.wrong_ids, result.passed) == (1, False)


def test_wrong_tokenizer_is_told_from_a_wrong_engine(engines: dict[str, Engine], content: bytes) -> None:
    def split(text: str) -> Encoding:
        tokens = text.split()[:64]
        return Encoding(array("i", VOCABULARY.ids(tokens) or [1]), tokens, [1] * len(tokens), False)

    result = replay(content, split, FP32, engines[FP32], LABELS)
    assert result.wrong_ids > 50
    assert (result.wrong_labels, result.max_difference, result.passed) == (0, 0.0, False)


def test_changed_label_fails(engines: dict[str, Engine], content: bytes) -> None:
    rows = read(content)
    rows[0]["label"] = LABELS[1 - LABELS.index(rows[0]["label"])]
    result = replay(write(rows), encode, FP32, engines[FP32], LABELS)
    assert (result.wrong_ids, result.wrong_labels, result.max_difference, result.passed) == (0, 1, 0.0, False)


@pytest.mark.parametrize(
    ("name", "golden", "answer", "wrong_labels"),
    [
        (FP32, [0.5, 0.50005], [0.50002, 0.5], 0),  # too close to call
        (FP32, [0.5, 0.51], [0.52, 0.51], 1),
        (INT8, [0.5, 0.53], [0.53, 0.5], 0),
        (INT8, [0.5, 0.58], [0.55, 0.54], 1),  # each logit is near enough, the answer isn't
    ],
)
def test_label_may_differ_only_in_a_close_call(
    name: str, golden: list[float], answer: list[float], wrong_labels: int
) -> None:
    result = replay(one_row("positive", {name: golden}), encode, name, fixed(*answer), LABELS)
    assert result.wrong_labels == wrong_labels


def test_int8_is_held_to_its_own_golden_answer() -> None:
    content = one_row("positive", {FP32: [0.0, 0.2], INT8: [0.2, 0.0]})
    assert replay(content, encode, INT8, fixed(0.2, 0.0), LABELS).passed
    assert replay(content, encode, INT8, fixed(0.0, 0.2), LABELS).wrong_labels == 1


def test_mediapipes_file_is_held_to_its_own_golden_answer_like_int8() -> None:
    name = "model_mediapipe.tflite"
    content = one_row("positive", {FP32: [0.0, 0.2], name: [0.1, -0.1]})
    found = replay(content, encode, name, fixed(0.06, -0.06), LABELS)
    assert (found.passed, found.tolerance) == (True, 0.05)
    assert found.max_difference == pytest.approx(0.04)
    assert replay(content, encode, name, fixed(-0.1, 0.1), LABELS).wrong_labels == 1
    content = golden_rows(encode, {name: fixed(0.25, -0.25)}, LABELS, name, ROWS)
    assert read(content)[0]["logits"] == {name: [0.25, -0.25]}
    assert read(content)[0]["label"] == "negative"
    assert replay(content, encode, name, fixed(0.25, -0.25), LABELS).passed


def test_engine_gets_the_golden_ids() -> None:
    seen: list[list[int]] = []

    def engine(ids: Any) -> npt.NDArray[np.float32]:
        assert np.asarray(ids).dtype == np.int32
        seen.append(ids.tolist())
        return np.zeros(2, np.float32)

    replay(one_row("negative", {FP32: [0, 0]}, ids=(3, 4, 5)), encode, FP32, engine, LABELS)
    assert seen == [[3, 4, 5]]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"\xff",
        b"[]",
        b'{"text": "a", "ids": [1], "logits": {"model_int8.tflite": [0, 1]}, "label": "positive"}',
        b'{"text": "a", "ids": [1], "logits": {"model_fp32.tflite": [0, 1, 2]}, "label": "positive"}',
        b'{"text": "a", "ids": [1], "logits": {"model_fp32.tflite": [0, "x"]}, "label": "positive"}',
        b'{"text": "a", "ids": [1], "logits": {"model_fp32.tflite": [0, 1]}}',
        b'{"text": "a", "ids": [], "logits": {"model_fp32.tflite": [0, 1]}, "label": "positive"}',
        b'{"text": "a", "ids": [5000000000], "logits": {"model_fp32.tflite": [0, 1]}, "label": "positive"}',
        b'{"text": 1, "ids": [1], "logits": {"model_fp32.tflite": [0, 1]}, "label": "positive"}',
    ],
)
def test_damaged_row_is_named(line: bytes) -> None:
    content = one_row("positive", {FP32: [0, 1]}) + line + b"\n"
    with pytest.raises(BadInputError) as raised:
        replay(content, encode, FP32, fixed(0, 1), LABELS)
    assert str(raised.value) == (
        "golden.jsonl: line 2 isn't a golden row with text, ids, label and logits of model_fp32.tflite. "
        "Export the artefact again."
    )


def test_no_rows_prove_nothing() -> None:
    with pytest.raises(
        BadInputError, match=r"^golden\.jsonl: holds no texts, so it proves nothing\. Export the artefact"
    ):
        replay(b"", encode, FP32, fixed(0, 1), LABELS)


def test_content_of_a_row_of_several_labels() -> None:
    def first(thresholds: list[float], *logits: float, temperature: float = 1.0) -> tuple[object, object]:
        content = golden_rows(
            encode, {FP32: fixed(*logits)}, LABELS, FP32, ROWS, thresholds=thresholds, temperature=temperature
        )
        row = read(content)[0]
        assert list(row) == ["text", "ids", "logits", "label", "labels"]
        return row["label"], row["labels"]

    assert first([0.5, 0.5], 0.1, 0.2) == ("positive", ["negative", "positive"])
    assert first([0.5, 0.6], 0.1, 0.2) == ("negative", ["negative"])
    assert first([0.6, 0.6], 0.1, 0.2) == (None, [])
    # A logistic of 1 / 2 is 0.62, of 1 it is 0.73.
    assert first([0.7, 0.99], 1.0, 0.0) == ("negative", ["negative"])
    assert first([0.7, 0.99], 1.0, 0.0, temperature=2.0) == (None, [])


def row_of_sets(labels: list[str], logits: dict[str, list[float]]) -> bytes:
    label = labels[0] if labels else None
    return write([{"text": "Good film", "ids": [4, 7], "logits": logits, "label": label, "labels": labels}])


@pytest.mark.parametrize(
    ("name", "golden", "labels", "answer", "wrong_labels"),
    [
        (FP32, [1.0, -1.0], ["negative"], [1.0, -1.0], 0),
        (FP32, [1.0, -1.0], [], [1.0, -1.0], 1),
        (FP32, [1.0, -1.0], ["negative", "positive"], [1.0, -1.0], 1),
        (FP32, [1.0, -5e-5], ["negative"], [1.0, 1e-5], 0),  # too close to call
        (FP32, [1.0, -2e-4], ["negative"], [1.0, 1e-5], 1),
        (INT8, [0.04, -0.04], [], [-0.001, 0.001], 0),
        (INT8, [0.06, -0.04], [], [-0.001, 0.001], 1),
        (INT8, [1.0, -1.0], [], [1.0, -1.0], 0),  # held to its own golden logits, not to those of fp32
    ],
)
def test_labels_may_differ_only_in_a_close_call(
    name: str, golden: list[float], labels: list[str], answer: list[float], wrong_labels: int
) -> None:
    content = row_of_sets(labels, {name: golden})
    result = replay(content, encode, name, fixed(*answer), LABELS, thresholds=[0.5, 0.5])
    assert result.wrong_labels == wrong_labels


def test_close_calls_lie_at_the_threshold() -> None:
    cutoff = float(np.log(0.8 / 0.2))
    for shift, temperature, wrong in ((5e-5, 1.0, 0), (2e-4, 1.0, 1), (5e-5, 2.0, 0), (2e-4, 2.0, 1)):
        golden = temperature * cutoff + shift
        content = row_of_sets(["negative"], {FP32: [golden, -9.0]})
        engine = fixed(temperature * cutoff - 1e-5, -9.0)
        result = replay(content, encode, FP32, engine, LABELS, thresholds=[0.8, 0.5], temperature=temperature)
        assert result.wrong_labels == wrong


@pytest.mark.parametrize("labels", [["bad"], "negative", None, [["negative"]]])
def test_damaged_labels_are_named(labels: Any) -> None:
    content = write([{"text": "a", "ids": [1], "logits": {FP32: [0, 1]}, "label": None, "labels": labels}])
    with pytest.raises(BadInputError, match=r"^golden\.jsonl: line 1 isn't a golden row"):
        replay(content, encode, FP32, fixed(0, 1), LABELS, thresholds=[0.5, 0.5])


def test_exported_artefact_replays(artefact_folder: Path) -> None:
    from kdbuild.runtime.classifier import Classifier

    content = (artefact_folder / "golden.jsonl").read_bytes()
    for precision in ("fp32", "int8"):
        classifier = Classifier.load(artefact_folder, precision=precision)
        result = replay(content, classifier.encode, classifier.model_file, classifier.engine, classifier.labels)
        assert result.passed
        assert result.texts == 247


PAIR_ROWS = golden_texts(WORDS, pairs=True)


def test_pairs_of_texts_come_in_both_orders_and_of_unequal_lengths() -> None:
    assert len(PAIR_ROWS) == 216 + 3
    assert PAIR_ROWS[:2] == [(GOLDEN_TEXTS[0], GOLDEN_TEXTS[-1]), (GOLDEN_TEXTS[1], GOLDEN_TEXTS[-2])]
    assert PAIR_ROWS[215] == (GOLDEN_TEXTS[-1], GOLDEN_TEXTS[0])
    assert {(second, first) for first, second in PAIR_ROWS} == set(PAIR_ROWS)
    assert sum(first == second for first, second in PAIR_ROWS) == 3
    lengths = [tuple(len(encode(text).ids) for text in row) for row in PAIR_ROWS]
    assert sum(one != other for one, other in lengths) > 150
    assert sum(min(pair) == 1 and max(pair) == 64 for pair in lengths) >= 10
    assert {text for row in golden_texts(PIECES, pairs=True) for text in row} == {
        text for (text,) in golden_texts(PIECES)
    }


@pytest.mark.parametrize("pairs", [False, True])
def test_few_texts_are_of_every_kind_and_for_pieces_some_are_cut(pairs: bool) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = Vocabulary([*VOCABULARY.tokens, *letters, *(f"##{letter}" for letter in letters)], PIECES)
    words, pieces = (few_golden_texts(version, pairs=pairs) for version in (WORDS, PIECES))
    assert (len(set(words)), len(set(pieces))) == (12, 16)
    assert set(words) <= set(golden_texts(WORDS, pairs=pairs))
    assert set(pieces) <= set(golden_texts(PIECES, pairs=pairs))
    cut = [any(max(vocabulary.encode(text, 512).pieces, default=0) > 1 for text in row) for row in pieces[12:]]
    assert sum(cut) >= 3


def both(ids: npt.NDArray[np.int32], second: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """An engine of pairs to which each token of the first text counts for, and of the second against, the first label."""
    return np.array([len(ids) - 2 * len(second), 0.5], np.float32)


def test_rows_of_pairs_replay() -> None:
    content = golden_rows(encode, {FP32: both}, LABELS, FP32, PAIR_ROWS)
    rows = read(content)
    assert [(row["text"], row["text2"]) for row in rows] == PAIR_ROWS
    for row in rows:
        assert list(row) == ["text", "text2", "ids", "ids2", "logits", "label"]
        assert [row["ids"], row["ids2"]] == [encode(row[key]).ids.tolist() for key in ("text", "text2")]
        difference = len(row["ids"]) - 2 * len(row["ids2"])
        assert row["label"] == ("negative" if difference > 0.5 else "positive")
    assert replay(content, encode, FP32, both, LABELS, pairs=True) == Replay(219, 0, 0, 0.0, 1e-4)
    swapped = replay(content, encode, FP32, lambda ids, second: both(second, ids), LABELS, pairs=True)
    assert (swapped.passed, swapped.wrong_ids) == (False, 0)
    rows[5]["ids2"].append(4)
    assert replay(write(rows), encode, FP32, both, LABELS, pairs=True).wrong_ids == 1


@pytest.mark.parametrize("change", [{"text2": None}, {"ids2": []}, {"ids2": None}, {"text2": 1}], ids=repr)
def test_damaged_row_of_pairs_is_named(change: dict[str, Any]) -> None:
    row = {"text": "a", "text2": "b", "ids": [1], "ids2": [1], "logits": {FP32: [0, 1]}, "label": "positive"}
    damaged = {name: value for name, value in (row | change).items() if value is not None}
    with pytest.raises(
        BadInputError, match="line 2 isn't a golden row with text, text2, ids, ids2, label and logits of"
    ):
        replay(write([row, damaged]), encode, FP32, lambda *ids: np.array([0, 1], np.float32), LABELS, pairs=True)
