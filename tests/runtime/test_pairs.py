"""Students of pairs as classifiers: with the native engine, which reads text, and with one that reads ids, as all others do."""

import json
import pickle
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import kdbuild
from artefacts import edit_manifest
from kdbuild.errors import BadInputError
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact, Manifest
from kdbuild.runtime.data.readers import Rows
from kdbuild.runtime.evaluation import evaluate
from kdbuild.runtime.text.encoding import PIECES, WORDS
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student.bilstm import student_logits
from pairs import random_trained_of_pairs
from students import random_trained

if TYPE_CHECKING:
    from kdbuild.runtime.engines.registry import TokenIds

PAIRS = [
    ("a good film", "bad ."),
    ("bad .", "a good film"),
    ("not a bad film", "not a bad film"),
    ("", "good"),
    ("good", ""),
    ("", ""),
    ("film " * 40, "a"),
    ("unlikely zzz", "goooood 不好看"),
]
ANY = Limits(max_accuracy_loss=1, max_flip_rate=1)


@pytest.fixture(scope="module", params=[WORDS, PIECES], ids=["words", "pieces"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact of pairs. Not to be changed."""
    out = tmp_path_factory.mktemp("pairs") / "artefact"
    export_student(random_trained_of_pairs(request.param), out, formats=["native"], quantize=True, limits=ANY)
    return out


@pytest.fixture(scope="module")
def native(folder: Path) -> Classifier:
    return Classifier.load(folder)


class OfTorch:
    """An engine that reads ids."""

    name = version = "torch"
    vocabulary_size = 51

    def __init__(self) -> None:
        self._student = random_trained_of_pairs(WORDS).student

    def __call__(self, ids: "TokenIds", second: "TokenIds | None" = None, /) -> "array[float]":
        assert second is not None
        texts = [[int(number) for number in text] for text in (ids, second)]
        logits = student_logits(self._student, [texts[0]], second=[texts[1]])[0]
        return array("f", logits.tolist())


@pytest.fixture(scope="module")
def of_ids(folder: Path) -> Classifier:
    artefact = Artefact.open(folder)
    vocabulary = Vocabulary(artefact.read_lines("vocab.txt"), artefact.manifest.tokenizer["version"])
    return Classifier(artefact.manifest, vocabulary, OfTorch(), "model_fp32.torch").warm_up()


@pytest.mark.parametrize("pair", PAIRS, ids=repr)
def test_both_kinds_of_engine_agree(native: Classifier, of_ids: Classifier, pair: tuple[str, str]) -> None:
    one, other = native(*pair), of_ids(*pair)
    assert (one.text, one.second) == (other.text, other.second) == pair
    assert (one.tokens, one.truncated, one.oov_rate) == (other.tokens, other.truncated, other.oov_rate)
    assert list(one.scores.values()) == pytest.approx(list(other.scores.values()), abs=0.05)
    assert np.asarray(native.logits(*pair)) == pytest.approx(np.asarray(of_ids.logits(*pair)), abs=0.15)


def test_what_is_counted(native: Classifier) -> None:
    answer = native("a good zzz", "bad")
    assert answer.tokens == native.encode("a good zzz").token_count + 1
    assert answer.oov_rate == pytest.approx(native.encode("zzz").ids.count(1) / answer.tokens)
    assert not answer.truncated
    # Each text is cut by itself.
    assert native("film " * 32, "film " * 32).tokens == 64
    assert native("a", "film " * 33).truncated
    assert native("film " * 33, "a").tokens == 33
    assert (native("", "").tokens, native("", "").oov_rate) == (0, 0.0)


def test_the_order_of_the_texts_matters(native: Classifier) -> None:
    assert native("a good film", "bad .").scores != native("bad .", "a good film").scores


def test_several_pairs_and_streams(native: Classifier, folder: Path) -> None:
    alone = [native(*pair) for pair in PAIRS]
    assert native(PAIRS) == native([*map(list, PAIRS)]) == alone  # type: ignore[arg-type]  # as of JSON
    assert list(native(iter(PAIRS))) == alone
    assert Classifier.load(folder, threads=3)(PAIRS) == alone
    assert pickle.loads(pickle.dumps(native))(PAIRS) == alone
    assert Classifier.load(folder / "model_int8.kdb")(PAIRS) == alone
    assert Classifier.load(folder / "model_int8.kdb").manifest.pairs


@pytest.fixture(params=["engine that reads text", "engine that reads ids"])
def classify(request: pytest.FixtureRequest, native: Classifier, of_ids: Classifier) -> Classifier:
    return native if request.param == "engine that reads text" else of_ids


@pytest.mark.parametrize("pair", PAIRS, ids=repr)
def test_explanation_masks_each_word_of_both_texts(pair: tuple[str, str], classify: Classifier) -> None:
    explanation = classify.explain(*pair)
    assert explanation.prediction == classify(*pair)
    place = classify.labels.index(explanation.label)
    encodings = [classify.encode(text) for text in pair]
    assert [explanation.tokens, explanation.second_tokens] == [encoding.tokens for encoding in encodings]
    for number, weights in enumerate((explanation.weights, explanation.second_weights or [])):
        assert len(weights) == len(encodings[number].tokens)
        start = 0
        for weight, pieces in zip(weights, encodings[number].pieces, strict=True):
            ids = [encoding.ids[:] for encoding in encodings]
            ids[number][start : start + pieces] = array("i", [2]) * pieces
            start += pieces
            logits = np.asarray(classify.engine(*ids), np.float64) / classify.manifest.temperature
            scores = np.exp(logits - logits.max())
            fallen = explanation.prediction.scores[explanation.label] - (scores / scores.sum())[place]
            assert weight == pytest.approx(fallen, abs=1e-9)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    out = tmp_path_factory.mktemp("single") / "artefact"
    export_student(random_trained(WORDS), out, formats=["native"], quantize=True, limits=ANY)
    return Classifier.load(out)


def test_another_number_of_texts_is_refused_in_one_line(
    native: Classifier, of_ids: Classifier, single: Classifier
) -> None:
    alone = r"^model_int8\.kdb: reads pairs of texts, and 'a film' has no second one\. Give both of them\.$"
    for ask in (native, native.explain, native.logits, lambda text: native([text])):
        with pytest.raises(BadInputError, match=alone):
            ask("a film")
    with pytest.raises(BadInputError, match=r"^model_fp32\.torch: reads pairs"):
        of_ids("a film")
    second = r"^model_int8\.kdb: reads one text, and 'a film' has a second one\. Give each of them alone\.$"
    for ask in (single, single.explain, single.logits, lambda *texts: single([texts])):
        with pytest.raises(BadInputError, match=second):
            ask("a film", "bad")
    with pytest.raises(BadInputError, match=r"^second: belongs to one text\. Give several pairs as a list of"):
        native(["a", "b"], ["c", "d"])  # type: ignore[call-overload]  # what is refused
    assert single("a film").second is None
    assert single.explain("a film").second_weights is None


def test_the_engine_takes_the_ids_of_both(native: Classifier, single: Classifier) -> None:
    for engine, ids in ((native.engine, ([3],)), (single.engine, ([3], [4]))):
        with pytest.raises(ValueError, match=r"^[12] texts for a model that reads [12]$"):
            engine(*ids)
    with pytest.raises(ValueError, match=r"^1 and 33 token ids, which must be 1 to 32, each below 51$"):
        native.engine([3], [3] * 33)


def test_manifest_of_pairs(folder: Path, single: Classifier, tmp_path: Path) -> None:
    written = json.loads((folder / "manifest.json").read_bytes())
    assert (written["format_version"], written["pairs"]) == ("2.0", True)
    of_single = json.loads(single.manifest.to_bytes())
    assert of_single["format_version"] == "1.2"
    assert "pairs" not in of_single
    assert Manifest.from_bytes(single.manifest.to_bytes(), "m") == single.manifest


@pytest.mark.parametrize(
    "change", [{"format_version": "1.2"}, {"pairs": 1}, {"pairs": "yes"}, {"pairs": None}], ids=repr
)
def test_manifests_that_older_readers_would_misread_are_refused(
    change: dict[str, object], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "artefact"
    out.mkdir()
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    edit_manifest(out, lambda manifest: manifest.update(change))
    with pytest.raises(
        BadInputError, match=r"manifest\.json: pairs .* must be true or false, and needs format_version 2\."
    ):
        Artefact.open(out)


def test_a_file_of_pairs_where_the_manifest_says_single_is_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    out.mkdir()
    for path in folder.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    edit_manifest(out, lambda manifest: manifest.pop("pairs"))
    with pytest.raises(BadInputError, match=r"model_int8\.kdb: its pairs isn't the manifest's"):
        Classifier.load(out)


def test_evaluation_counts_both_texts(classify: Classifier) -> None:
    firsts, seconds = map(list, zip(*PAIRS, strict=True))
    answers = [classify(*pair) for pair in PAIRS]
    labels = [str(answer.label) for answer in answers]
    found = evaluate(classify, Rows(firsts, labels, pairs=seconds), Path("rows"))
    assert found.metrics.n == len(PAIRS)
    assert found.truncated == sum(answer.truncated for answer in answers)
    unknown = sum(answer.oov_rate * answer.tokens for answer in answers)
    assert found.oov_rate == pytest.approx(unknown / sum(answer.tokens for answer in answers))
    rows = [(first, second, label) for first, second, label in zip(firsts, seconds, labels, strict=True)]
    assert kdbuild.evaluate(classify, rows).metrics == found.metrics
    with pytest.raises(
        BadInputError, match=r"^rows, row 1: 2 parts\. The classifier's rows are a text, a second text, a label\.$"
    ):
        kdbuild.evaluate(classify, [("a", "no")])
    with pytest.raises(
        BadInputError, match=r"^rows: has no second texts, and the artefact reads pairs\. Name their column"
    ):
        evaluate(classify, Rows(firsts, labels), Path("rows"))
