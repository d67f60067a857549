"""The runtime: answers, refusals of damaged artefacts, predict and eval."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artefacts import edit_file, edit_manifest, flip
from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.runtime import Classifier
from kdbuild.runtime.arrays import sigmoid, softmax
from kdbuild.runtime.artefact import write_manifest
from kdbuild.runtime.data.readers import Rows, read_rows
from kdbuild.runtime.engines.registry import Precision
from kdbuild.runtime.evaluation import evaluate
from kdbuild.runtime.golden import replay
from students import word_spotter

PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
POSITIVE = "The film of plot 7 is warm, isn't it? lovely!"
NEGATIVE = "The cast of story 7 is dull, isn't it? awful!"


@pytest.fixture(scope="module")
def tags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact whose texts may be funny, warm, both or neither. Not to be changed; copy it."""
    folder = tmp_path_factory.mktemp("tags") / "artefact"
    export_student(word_spotter(), folder, formats=["tflite"], quantize=True, limits=Limits(), temper=False)
    return folder


@pytest.fixture
def tags(tags_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tags_folder, tmp_path / "tags"))


@pytest.fixture
def artefact(artefact_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))


def test_one_text_gives_one_answer_and_a_list_gives_a_list(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    answer = classify(POSITIVE)
    assert answer.label == "pos"
    assert answer.score == answer.scores["pos"] > 0.5
    assert sum(answer.scores.values()) == pytest.approx(1)
    assert answer.labels is None
    assert (answer.tokens, answer.truncated) == (14, False)
    assert classify([POSITIVE, POSITIVE]) == [answer, answer]
    assert classify((POSITIVE,)) == [answer]
    assert classify([]) == []


def test_stream_is_answered_one_by_one(artefact_folder: Path) -> None:
    asked: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(3):
            asked.append(number)
            yield f"{POSITIVE} {number}"

    answers = Classifier.load(artefact_folder)(texts())
    assert asked == []
    assert next(answers).text == f"{POSITIVE} 0"
    assert asked == [0]
    assert [answer.text[-1] for answer in answers] == ["1", "2"]


def test_threads_may_share_a_classifier(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    texts = [" ".join(["good", "film", "bad", "plot"][: 1 + n % 4] * (1 + n % 9)) for n in range(400)]
    alone = classify(texts)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(classify, texts)) == alone


def test_closed_when_the_block_ends(artefact_folder: Path) -> None:
    with Classifier.load(artefact_folder).warm_up() as classify:
        assert classify(POSITIVE).label == "pos"
    with pytest.raises(RuntimeError, match="the classifier was closed: load it again"):
        classify(POSITIVE)


def test_threshold_makes_it_abstain(artefact_folder: Path) -> None:
    sure = Classifier.load(artefact_folder)(POSITIVE)
    assert Classifier.load(artefact_folder, threshold=0.5)(POSITIVE) == sure
    answer = Classifier.load(artefact_folder, threshold=np.nextafter(sure.score, 1))(POSITIVE)
    assert (answer.label, answer.score, answer.scores) == (None, sure.score, sure.scores)
    with pytest.raises(BadInputError, match=r"threshold 1.5: out of range. Use a probability from 0 to below 1."):
        Classifier.load(artefact_folder, threshold=1.5)


def test_threshold_of_the_artefact(artefact: Path) -> None:
    sure = Classifier.load(artefact)(POSITIVE)
    edit_manifest(artefact, lambda manifest: manifest.update(threshold=float(np.nextafter(sure.score, 1))))
    assert Classifier.load(artefact)(POSITIVE).label is None
    assert Classifier.load(artefact, threshold=0)(POSITIVE).label == "pos"


def test_explanation_masks_each_token_in_turn(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    text = "the film is great"
    explanation = classify.explain(text)
    answer = classify(text)
    assert explanation.prediction == answer
    assert explanation.label == answer.label
    assert explanation.tokens == ["the", "film", "is", "great"]
    ids = classify.encode(text).ids
    for place, weight in enumerate(explanation.weights):
        masked = ids[:]
        masked[place] = 2
        logits = np.asarray(classify.engine(masked))
        score = softmax(logits)[classify.labels.index(explanation.label)]
        assert weight == pytest.approx(answer.score - score)
    assert classify.explain("").weights == []


def test_scores_are_the_softmax_of_the_logits_over_the_temperature(artefact: Path) -> None:
    edit_manifest(artefact, lambda manifest: manifest.update(temperature=2.0))
    classify = Classifier.load(artefact)
    logits = np.asarray(classify.logits(POSITIVE), np.float64) / 2
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(classify(POSITIVE).scores.values()) == pytest.approx(expected.tolist())


def test_dev_accuracy_is_what_export_said(artefact_folder: Path, data_folder: Path) -> None:
    rows = read_rows(data_folder / "dev.tsv")
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    for precision in PRECISIONS:
        answers = Classifier.load(artefact_folder, precision=precision)(rows.texts)
        right = sum(answer.label == label for answer, label in zip(answers, rows.labels or [], strict=True))
        assert right / len(rows) == manifest["metrics"]["held_out"]["files"][f"model_{precision}.tflite"]["accuracy"]


def test_empty_and_endless_texts_get_an_answer(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    assert classify("").tokens == 0
    assert classify(" \u200b\n").scores == classify("").scores
    endless = classify("film " * 100_000)
    assert (endless.tokens, endless.truncated) == (512, True)
    assert endless.scores == classify("film " * 512).scores
    unknown = classify("жж жж warm")
    assert unknown.oov_rate == pytest.approx(2 / 3)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest digest": (lambda f: (f / "manifest.sha256").unlink(), "manifest.sha256 is missing"),
    "edited manifest": (
        lambda f: (f / "manifest.json").write_bytes((f / "manifest.json").read_bytes() + b" "),
        "its sha256 isn't the one in manifest.sha256",
    ),
    "missing model": (lambda f: (f / "model_int8.tflite").unlink(), "model_int8.tflite: can't be read"),
    "longer model": (
        lambda f: (f / "model_int8.tflite").write_bytes((f / "model_int8.tflite").read_bytes() + b"0"),
        "bytes instead of",
    ),
    "flipped bit": (lambda f: flip(f / "model_int8.tflite"), "its sha256 isn't the manifest's"),
    "flipped bit in the vocabulary": (lambda f: flip(f / "vocab.txt"), "its sha256 isn't the manifest's"),
    "newer format": (
        lambda f: edit_manifest(f, lambda m: m.update(format_version="3.0")),
        r"format_version 3.0 is newer than this kdbuild reads \(up to 2.x\). Upgrade kdbuild.",
    ),
    "newer tokenizer": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=3)),
        r"tokenizer version 3 is newer than this kdbuild reads \(up to 2\)\. Upgrade kdbuild\.$",
    ),
    "tokenizer of no version": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=0)),
        r"tokenizer must have version 1 or 2\. Export the artefact again\.$",
    ),
    "tokenizer of the wrong type": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=True)),
        "tokenizer must have version 1 or 2",
    ),
    "other Unicode": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(unicode="9.0.0")),
        "its tokenizer uses Unicode 9.0.0 tables",
    ),
    "other labels": (
        lambda f: edit_manifest(f, lambda m: m.update(labels=["pos", "neg"])),
        "its labels aren't the manifest's",
    ),
    "labels that repeat": (lambda f: edit_manifest(f, lambda m: m.update(labels=["a", "a"])), "labels must differ"),
    "path out of the folder": (
        lambda f: edit_manifest(f, lambda m: m["files"].update({"../x": {"bytes": 1, "sha256": ""}})),
        "which isn't a plain file name",
    ),
    "huge number": (
        lambda f: edit_manifest(f, lambda m: m.update(max_tokens=10**12)),
        "max_tokens 1000000000000 must be",
    ),
    "wrong type": (lambda f: edit_manifest(f, lambda m: m.update(temperature="hot")), "temperature 'hot' must be"),
    "deep nesting": (lambda f: write_manifest(f, b"[" * 100_000), "not valid JSON"),
    "no model listed": (
        lambda f: edit_manifest(f, lambda m: [m["files"].pop(n) for n in list(m["files"]) if "tflite" in n]),
        "files lists no model that this version runs",
    ),
    "vocabulary of another length": (lambda f: _shorten_vocabulary(f), "embedding rows in model_int8.tflite"),
}


def _shorten_vocabulary(folder: Path) -> None:
    """An otherwise consistent artefact whose vocabulary lacks its last token."""
    content = "".join(line + "\n" for line in (folder / "vocab.txt").read_text().splitlines()[:-1]).encode()
    edit_file(folder, "vocab.txt", content)


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_artefact_is_refused_with_one_line(name: str, artefact: Path) -> None:
    damage, message = DAMAGE[name]
    damage(artefact)
    with pytest.raises(BadInputError, match=message) as caught:
        Classifier.load(artefact)
    assert "\n" not in str(caught.value)


def test_older_minor_and_unknown_keys_are_read(artefact: Path) -> None:
    edit_manifest(artefact, lambda manifest: manifest.update(format_version="1.7", later={"key": 1}))
    assert Classifier.load(artefact)(POSITIVE).label == "pos"


def test_artefact_of_the_first_format_version_is_read(artefact: Path) -> None:
    new = Classifier.load(artefact)(POSITIVE)

    def age(manifest: dict[str, Any]) -> None:
        manifest["format_version"] = "1.0"
        del manifest["thresholds"], manifest["threshold"]  # what 1.1 brought

    edit_manifest(artefact, age)
    classify = Classifier.load(artefact)
    assert classify.manifest.format_version == "1.0"
    assert classify(POSITIVE) == new
    assert (new.label, new.labels) == ("pos", None)
    content = (artefact / "golden.jsonl").read_bytes()
    result = replay(content, classify.encode, classify.model_file, classify.engine, classify.labels)
    assert (result.wrong_ids, result.wrong_labels) == (0, 0)


# What `word_spotter` says of a word that stands in a text never, once and twice.
NEVER, ONCE, TWICE = (float(sigmoid(np.array(8 * np.tanh(n * np.tanh(3)) - 4))) for n in range(3))


@pytest.mark.parametrize(
    ("text", "label", "labels", "score", "scores"),
    [
        ("a funny film", "funny", ["funny"], ONCE, [ONCE, NEVER]),
        ("a warm film", "warm", ["warm"], ONCE, [NEVER, ONCE]),
        ("warm, warm and funny", "warm", ["funny", "warm"], TWICE, [ONCE, TWICE]),
        ("a film", None, [], NEVER, [NEVER, NEVER]),
        ("", None, [], NEVER, [NEVER, NEVER]),
    ],
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_several_labels(
    tags_folder: Path,
    precision: Precision,
    text: str,
    label: str | None,
    labels: list[str],
    score: float,
    scores: list[float],
) -> None:
    answer = Classifier.load(tags_folder, precision=precision)(text)
    rounding = 1e-6 if precision == "fp32" else 1e-3
    assert (answer.label, answer.labels) == (label, labels)
    assert answer.score == pytest.approx(score, abs=rounding)
    assert list(answer.scores) == ["funny", "warm"]
    assert list(answer.scores.values()) == pytest.approx(scores, abs=rounding)
    assert answer.score in answer.scores.values()


def test_thresholds_and_temperature_of_several_labels(tags: Path) -> None:
    edit_manifest(tags, lambda manifest: manifest.update(thresholds=[0.9, 0.01]))
    classify = Classifier.load(tags)
    assert (classify("funny warm").labels, classify("funny warm").label) == (["warm"], "warm")
    assert classify("funny").labels == ["warm"]
    assert classify("funny").score == pytest.approx(NEVER, abs=1e-6)  # of the label that is given
    assert classify("funny funny").labels == ["funny", "warm"]
    assert classify("funny funny").label == "funny"
    edit_manifest(tags, lambda manifest: manifest.update(temperature=2.0, thresholds=[0.5, 0.2]))
    scores = Classifier.load(tags)("funny").scores
    assert list(scores.values()) == pytest.approx([1 / (1 + np.exp(-2.0770 / 2)), 1 / (1 + np.exp(2))], abs=1e-4)
    assert Classifier.load(tags)("a film").labels == []
    edit_manifest(tags, lambda manifest: manifest.update(thresholds=[0.5, 0.1]))
    assert Classifier.load(tags)("a film").labels == ["warm"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": None}, "thresholds must be 2 numbers between 0 and 1, one for each label"),
        ({"thresholds": [0.5]}, "thresholds must be 2 numbers"),
        ({"thresholds": [0.5, 1.0]}, "thresholds must be 2 numbers"),
        ({"thresholds": [0.0, 0.5]}, "thresholds must be 2 numbers"),
        ({"thresholds": [0.5, float("nan")]}, "thresholds must be 2 numbers"),
        ({"thresholds": [0.5, True]}, "thresholds must be 2 numbers"),
        ({"thresholds": {"funny": 0.5, "warm": 0.5}}, "thresholds must be 2 numbers"),
        ({"task": "single"}, "thresholds are for task 'multi', and its task is 'single'"),
        ({"task": "pairs"}, "task 'pairs' is not one that this version knows (single, multi)"),
    ],
)
def test_task_and_thresholds_must_fit(tags: Path, change: dict[str, Any], message: str) -> None:
    edit_manifest(tags, lambda manifest: manifest.update(change))
    with pytest.raises(BadInputError) as raised:
        Classifier.load(tags)
    assert str(raised.value).startswith(f"{tags / 'manifest.json'}: {message}")
    assert str(raised.value).endswith(". Export the artefact again.")


def test_evaluation_of_several_labels(tags_folder: Path) -> None:
    classify = Classifier.load(tags_folder)
    texts = ["a funny film", "a warm film", "a film", "film"]
    cells = ["funny", "funny|warm", "", "warm"]
    found = evaluate(classify, Rows(texts, cells), Path("dev.tsv"))
    assert found.metrics.confusion == [[2, 0, 1, 1], [2, 0, 1, 1]]
    assert found.metrics.accuracy == 0.5
    assert found.metrics.micro_f1 == pytest.approx(2 * 2 / (2 * 2 + 2))
    # Of scores alone, each positive one is a label.
    scores = [[1.0, -1.0], [0.5, 0.5], [-1.0, -2.0], [-1.0, 3.0]]
    assert evaluate(classify, Rows(texts, scores=scores), Path("dev.tsv")).metrics == found.metrics
    assert evaluate(classify, Rows(texts, cells, scores[::-1]), Path("dev.tsv")).metrics == found.metrics
    with pytest.raises(BadInputError, match=r"^dev\.tsv, row 2: label 'cold' is not one of 'funny', 'warm'\."):
        evaluate(classify, Rows(texts[:2], ["", "warm|cold"]), Path("dev.tsv"))
    with pytest.raises(BadInputError, match=r"^dev\.tsv: 3 scores a row, the artefact has 2 labels\. Use its own data"):
        evaluate(classify, Rows(["a"], scores=[[1, 2, 3]]), Path("dev.tsv"))


def test_predict_prints_several_labels(tags_folder: Path) -> None:
    lines = run_cli("predict", tags_folder, "warm, funny", "a warm film", "a film").stdout.splitlines()
    assert lines == ["funny|warm  0.889  warm, funny", "warm   0.889  a warm film", "-      0.018  a film"]
    rows = [
        json.loads(line) for line in run_cli("predict", tags_folder, "--json", "warm, funny", "").stdout.splitlines()
    ]
    assert list(rows[0]) == ["text", "label", "score", "scores", "tokens", "truncated", "oov_rate", "labels"]
    assert [(row["label"], row["labels"]) for row in rows] == [("funny", ["funny", "warm"]), (None, [])]


def test_eval_prints_a_row_for_each_of_several_labels(tags_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    # A column of other texts, which isn't read where that is said.
    path.write_text("review\ttags\tsentence2\na funny film\tfunny\tx\na film\tfunny\ty\na film\t\tz\n")
    options = ("--text-column", "review", "--label-column", "tags", "--pair-column", "")
    result = run_cli("eval", tags_folder, path, *options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "model        model_int8.tflite",
        "texts        3",
        "accuracy     66.67%  (95 % interval 20.77% to 93.85%)",
        "macro-F1     0.6667",
        "micro-F1     0.6667",
    ]
    assert lines[10] == "labels       (texts that have it, that are given it, and both)"
    assert [line.split() for line in lines[11:]] == [
        ["threshold", "true", "given", "both", "precision", "recall", "F1"],
        ["funny", "0.5", "2", "1", "1", "1.0000", "0.5000", "0.6667"],
        ["warm", "0.5", "0", "0", "0", "-", "-", "-"],
    ]
    values = json.loads(run_cli("eval", tags_folder, path, *options, "--json").stdout)
    assert values["confusion"] == [[1, 0, 1, 1], [3, 0, 0, 0]]
    assert values["micro_f1"] == pytest.approx(2 / 3)


def test_eval_names_a_column_that_is_not_there(tags_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("review\ttags\na film\tfunny\n")
    result = run_cli("eval", tags_folder, path, "--text-column", "review", "--label-column", "tag")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {path}: no column 'tag'; its columns are 'review', 'tags'. Did you mean 'tags'?\n"
    )


def test_predict_prints_columns_or_json(artefact_folder: Path) -> None:
    result = run_cli("predict", artefact_folder, POSITIVE)
    label, score, text = result.stdout.rstrip("\n").split("  ")
    assert (label, text) == ("pos", POSITIVE)
    assert 0.5 < float(score) <= 1
    result = run_cli("predict", artefact_folder, "--json", POSITIVE, "")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == [POSITIVE, ""]
    assert set(rows[0]) == {"text", "label", "score", "scores", "tokens", "truncated", "oov_rate"}
    assert rows[0]["scores"]["pos"] == rows[0]["score"]


def test_predict_reads_lines_from_stdin(artefact_folder: Path) -> None:
    result = run_cli("predict", artefact_folder, "--json", stdin=f"{POSITIVE}\n\n{NEGATIVE}\n")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()][::2] == ["pos", "neg"]
    assert result.stderr == ""


def test_eval_prints_a_table_or_json(artefact_folder: Path, data_folder: Path) -> None:
    result = run_cli("eval", artefact_folder, data_folder / "dev.tsv", "--json")
    values = json.loads(result.stdout)
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    assert values["n"] == 240
    assert values["accuracy"] == manifest["metrics"]["held_out"]["files"]["model_int8.tflite"]["accuracy"]
    assert {"macro_f1", "loss", "perplexity", "confusion", "oov_rate", "texts_per_second", "truncated"} <= set(values)
    assert sum(map(sum, values["confusion"])) == 240
    table = run_cli("eval", artefact_folder, data_folder / "dev.tsv").stdout
    assert [line.split()[0] for line in table.splitlines()[:10]] == (
        "model texts accuracy macro-F1 loss perplexity OOV truncated throughput confusion".split()
    )
