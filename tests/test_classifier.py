"""The runtime: answers, refusals of damaged artefacts, predict and eval."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime import Classifier
from kdbuild.runtime.classifier import Precision
from kdbuild.runtime.data import read_rows

PRECISIONS: tuple[Precision, ...] = ("int8", "fp32")
POSITIVE = "The film of plot 7 is warm, isn't it? lovely!"


@pytest.fixture
def artefact(artefact_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its digest fit."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    content = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(hashlib.sha256(content).hexdigest() + "\n")


def test_one_text_gives_one_answer_and_a_list_gives_a_list(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    answer = classify(POSITIVE)
    assert answer.label == "pos"
    assert answer.score == answer.scores["pos"] > 0.5
    assert sum(answer.scores.values()) == pytest.approx(1)
    assert (answer.tokens, answer.truncated) == (14, False)
    assert classify([POSITIVE, POSITIVE]) == [answer, answer]
    assert classify(text for text in [POSITIVE]) == [answer]
    assert classify([]) == []


def test_scores_are_the_softmax_of_the_logits_over_the_temperature(artefact: Path) -> None:
    edit_manifest(artefact, lambda manifest: manifest.update(temperature=2.0))
    classify = Classifier.load(artefact)
    logits = classify.logits(POSITIVE).astype(np.float64) / 2
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(classify(POSITIVE).scores.values()) == pytest.approx(expected.tolist())


def test_dev_accuracy_is_what_export_said(artefact_folder: Path, data_folder: Path) -> None:
    rows = read_rows(data_folder / "dev.tsv")
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    for precision in PRECISIONS:
        answers = Classifier.load(artefact_folder, precision=precision)(rows.texts)
        right = sum(answer.label == label for answer, label in zip(answers, rows.labels or [], strict=True))
        assert right / len(rows) == manifest["metrics"]["held_out"][precision]["accuracy"]


def test_empty_and_endless_texts_get_an_answer(artefact_folder: Path) -> None:
    classify = Classifier.load(artefact_folder)
    assert classify("").tokens == 0
    assert classify(" \u200b\n").scores == classify("").scores
    endless = classify("film " * 100_000)
    assert (endless.tokens, endless.truncated) == (512, True)
    assert endless.scores == classify("film " * 512).scores
    unknown = classify("zyx zyx warm")
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
    "flipped bit": (lambda f: _flip(f / "model_int8.tflite"), "its sha256 isn't the manifest's"),
    "flipped bit in the vocabulary": (lambda f: _flip(f / "vocab.txt"), "its sha256 isn't the manifest's"),
    "newer format": (
        lambda f: edit_manifest(f, lambda m: m.update(format_version="2.0")),
        r"format_version 2.0 is newer than this kdbuild reads \(1.x\). Upgrade kdbuild.",
    ),
    "other tokenizer": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=2)),
        "tokenizer must have version 1",
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
    "deep nesting": (lambda f: _replace_manifest(f, b"[" * 100_000), "not valid JSON"),
    "no model listed": (
        lambda f: edit_manifest(f, lambda m: [m["files"].pop(n) for n in list(m["files"]) if "tflite" in n]),
        "files lists no model that this version runs",
    ),
    "vocabulary of another length": (lambda f: _shorten_vocabulary(f), "embedding rows in model_int8.tflite"),
}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replace_manifest(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(hashlib.sha256(content).hexdigest())


def _shorten_vocabulary(folder: Path) -> None:
    """An otherwise consistent artefact whose vocabulary lacks its last token."""
    content = "".join(line + "\n" for line in (folder / "vocab.txt").read_text().splitlines()[:-1]).encode()
    (folder / "vocab.txt").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"]["vocab.txt"] = {"bytes": len(content), "sha256": digest}
        manifest["tokenizer"]["sha256"] = digest

    edit_manifest(folder, change)


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
    result = run_cli("predict", artefact_folder, "--json", stdin=f"{POSITIVE}\n\nawful, dull, cold\n")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()][::2] == ["pos", "neg"]
    assert result.stderr == ""


def test_eval_prints_a_table_or_json(artefact_folder: Path, data_folder: Path) -> None:
    result = run_cli("eval", artefact_folder, data_folder / "dev.tsv", "--json")
    values = json.loads(result.stdout)
    manifest = json.loads((artefact_folder / "manifest.json").read_text())
    assert values["n"] == 240
    assert values["accuracy"] == manifest["metrics"]["held_out"]["int8"]["accuracy"]
    assert {"macro_f1", "loss", "perplexity", "confusion", "oov_rate", "texts_per_second", "truncated"} <= set(values)
    assert sum(map(sum, values["confusion"])) == 240
    table = run_cli("eval", artefact_folder, data_folder / "dev.tsv").stdout
    assert [line.split()[0] for line in table.splitlines()[:10]] == (
        "model texts accuracy macro-F1 loss perplexity OOV truncated throughput confusion".split()
    )
