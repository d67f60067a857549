from pathlib import Path
from typing import Any

import pytest

from kdbuild.export.model_card import model_card
from kdbuild.runtime.artefact import Manifest

FILES: dict[str, dict[str, Any]] = {
    "labels.txt": {"bytes": 18, "sha256": "0" * 64},
    "model_fp32.tflite": {"bytes": 23_456_789, "sha256": "0" * 64},
    "model_int8.tflite": {"bytes": 5_990_000, "sha256": "0" * 64},
    "vocab.txt": {"bytes": 99_000, "sha256": "0" * 64},
}
FULL = Manifest(
    labels=["negative", "positive"],
    max_tokens=1024,
    tokenizer={"version": 1, "unicode": "14.0.0", "sha256": "0" * 64},
    files=FILES,
    student={
        "architecture": "bilstm",
        "vocabulary": 14820,
        "embedding_size": 300,
        "hidden_size": 256,
        "classifier_size": 400,
        "parameters": 5862002,
    },
    metrics={
        "held_out": {
            "n": 2000,
            "student": {"accuracy": 0.8875, "interval": [0.8729, 0.9006], "macro_f1": 0.887},
            "files": {
                "model_fp32.tflite": {
                    "accuracy": 0.8875,
                    "interval": [0.8729, 0.9006],
                    "flip_rate": 0.0,
                    "max_logit_difference": 3.2e-06,
                },
                "model_int8.tflite": {
                    "accuracy": 0.887,
                    "interval": [0.8724, 0.9002],
                    "flip_rate": 0.0025,
                    "max_logit_difference": 0.123,
                },
            },
        }
    },
    provenance={
        "kdbuild": "0.1.0",
        "data": {"train.tsv": "ab" * 32, "dev.tsv": "cd" * 32},
        "versions": {"torch": "2.13.0", "numpy": "2.3.1"},
        "options": {
            "data": {"seed": 0},
            "teacher": {"teacher": "bert-large-uncased"},
            "student": {"loss": "mse"},
        },
        "transfer_sentences": 940123,
    },
)
CARD = """\
---
language: en
library_name: kdbuild
pipeline_tag: text-classification
tags: [bilstm, knowledge-distillation, tflite, on-device]
---

# reviews

A text classifier for mobile CPUs, made by kdbuild 0.1.0: text in, one of `negative`, `positive` out.

One-layer BiLSTM, 5,862,002 parameters: 14,820 words in 300 dimensions, 256 units each direction, classifier of 400 units.

## Use

```sh
pip install '.[tflite]'  # in a checkout of kdbuild; brings ai-edge-litert, numpy, click
```

```python
from kdbuild.runtime import Classifier

classify = Classifier.load(".")  # this folder
print(classify("some text").label)
```

## Measured

On 2,000 held-out texts, against the student in PyTorch:

| model | size | accuracy (95 % interval) | labels changed | max \\|Δ logit\\| |
|---|---:|---:|---:|---:|
| student in PyTorch | | 88.8% (87.3% to 90.1%) | | |
| `model_int8.tflite` | 5.99 MB | 88.7% (87.2% to 90.0%) | 0.25% | 0.12 |
| `model_fp32.tflite` | 23.46 MB | 88.8% (87.3% to 90.1%) | 0.00% | 3.2e-06 |

## Tokenizer

Version 1: Penn-Treebank-style words in lower case, looked up in `vocab.txt`. The first 1,024 tokens of a text are read.

## Limits

It knows the kind of text that it was trained on, and inherits its teacher's mistakes and biases. A word outside its \
vocabulary is read as `<unk>`, which says nothing but that a word was there; a prediction's `oov_rate` is the share of \
such tokens: where it is high, trust the answer less. Upper and lower case are the same to it.

## Provenance

- data: `dev.tsv` (sha256 `cdcdcdcdcdcd…`), `train.tsv` (sha256 `abababababab…`)
- teacher: `bert-large-uncased`
- transfer set: 940,123 sentences, labelled with the teacher's logits
- loss: `mse`
- seed: 0
- versions: numpy 2.3.1, torch 2.13.0

`manifest.json` has all options, versions and digests; `golden.jsonl` proves an engine.
"""


def test_full_card() -> None:
    assert model_card(FULL, "reviews") == CARD


def test_card_of_a_student_that_reads_pieces() -> None:
    card = model_card(FULL._replace(tokenizer=FULL.tokenizer | {"version": 2}, max_tokens=64), "reviews")
    assert "5,862,002 parameters: 14,820 words and pieces in 300 dimensions, 256 units" in card
    assert (
        "\n## Tokenizer\n\n"
        "Version 2: Penn-Treebank-style words in lower case, looked up in `vocab.txt`. A word that isn't in it is cut into "
        "pieces that are, the longest first; those that continue a word are marked `##`. The first 64 pieces of a text are "
        "read: a word in the vocabulary counts as one, and a prediction's `tokens` are pieces.\n\n## Limits\n"
    ) in card
    assert (
        "biases. Characters outside its vocabulary are read as `<unk>`, which says nothing but that something was there; a "
        "prediction's `oov_rate` is the share of such pieces: where it is high, trust the answer less. Upper and"
    ) in card


def test_language() -> None:
    assert model_card(FULL, "reviews", language="de") == CARD.replace("language: en\n", "language: de\n")


def test_what_the_manifest_does_not_hold_is_left_out() -> None:
    files = {name: entry for name, entry in FILES.items() if name != "model_int8.tflite"}
    card = model_card(Manifest(FULL.labels, 64, FULL.tokenizer, files), "bare")
    assert "made by kdbuild: text in, one of `negative`, `positive` out.\n\n## Use\n" in card
    assert (
        "## Measured\n\n"
        "| model | size | accuracy (95 % interval) | labels changed | max \\|Δ logit\\| |\n"
        "|---|---:|---:|---:|---:|\n"
        "| `model_fp32.tflite` | 23.46 MB |  |  |  |\n\n"
        "## Tokenizer\n"
    ) in card
    assert card.endswith(
        "\n## Provenance\n\n`manifest.json` has all options, versions and digests; `golden.jsonl` proves an engine.\n"
    )


MEDIAPIPE = {
    "accuracy": 0.8865,
    "interval": [0.8718, 0.8997],
    "flip_rate": 0.003,
    "max_logit_difference": 0.0951,
    "tokens": 64,
    "cut": 12,
}


def with_mediapipe(manifest: Manifest) -> Manifest:
    held_out = manifest.metrics["held_out"]
    return manifest._replace(
        files=manifest.files | {"model_mediapipe.tflite": {"bytes": 6_880_000, "sha256": "0" * 64}},
        metrics={"held_out": held_out | {"files": held_out["files"] | {"model_mediapipe.tflite": MEDIAPIPE}}},
    )


FOR_MEDIAPIPE = """\
`model_mediapipe.tflite` is for MediaPipe's `TextClassifier`, on a phone or in Python (`pip install mediapipe`), and has its \
own tokenizer, vocabulary and labels in it. Its scores are probabilities:

```python
from mediapipe.tasks.python.text import TextClassifier

with TextClassifier.create_from_model_path("model_mediapipe.tflite") as classifier:
    for category in classifier.classify("some text").classifications[0].categories:
        print(category.category_name, category.score)
```

"""
ROW = "| `model_mediapipe.tflite` | 6.88 MB | 88.6% (87.2% to 90.0%) | 0.30% | 0.095 |\n"
READS = (
    "\n`model_mediapipe.tflite` reads the first 64 tokens of a text, and was compared with what the student says of these; "
    "its differences are those of the logits that its scores come from.\n"
)


def test_card_with_a_file_for_mediapipe() -> None:
    last = "| `model_fp32.tflite` | 23.46 MB | 88.8% (87.3% to 90.1%) | 0.00% | 3.2e-06 |\n"
    expected = CARD.replace("## Measured\n", f"{FOR_MEDIAPIPE}## Measured\n").replace(last, last + ROW + READS)
    assert model_card(with_mediapipe(FULL), "reviews") == expected


@pytest.mark.parametrize(
    ("suffix", "packages", "load"),
    [
        ("onnx", "'.[onnx]'  # in a checkout of kdbuild; brings onnxruntime", 'load(".")'),
        ("pt", "'.[torchscript]'  # in a checkout of kdbuild; brings torch", 'load(".", engine="torchscript")'),
    ],
)
def test_card_of_another_format(suffix: str, packages: str, load: str) -> None:
    files = {name.replace(".tflite", f".{suffix}"): entry for name, entry in FULL.files.items()}
    card = model_card(FULL._replace(files=files), "reviews")
    assert f"pip install {packages}, numpy, click\n" in card
    assert f"classify = Classifier.{load}  # this folder\n" in card


def test_card_of_a_file_for_mediapipe_alone() -> None:
    manifest = with_mediapipe(FULL)
    files = {name: entry for name, entry in manifest.files.items() if name not in FILES or name.endswith(".txt")}
    card = model_card(manifest._replace(files=files), "reviews")
    assert f"## Use\n\n{FOR_MEDIAPIPE}## Measured\n" in card
    assert f"| student in PyTorch | | 88.8% (87.3% to 90.1%) | | |\n{ROW}{READS}\n## Tokenizer\n" in card
    assert "Classifier.load" not in card


SETS = FULL._replace(
    task="multi",
    thresholds=[0.5, 0.2667],
    metrics={
        "held_out": {
            "n": 2000,
            "student": {"accuracy": 0.8875, "interval": [0.8729, 0.9006], "macro_f1": 0.8871, "micro_f1": 0.9},
            "files": {
                "model_int8.tflite": {
                    "accuracy": 0.887,
                    "interval": [0.8724, 0.9002],
                    "macro_f1": 0.8866,
                    "micro_f1": 0.8994,
                    "flip_rate": 0.0025,
                    "max_logit_difference": 0.123,
                },
            },
        }
    },
)


def test_card_of_several_labels() -> None:
    card = model_card(SETS, "reviews")
    assert "text in, any number of `negative`, `positive` out.\n" in card
    assert 'print(classify("some text").labels)\n' in card
    assert (
        "| model | size | all labels right (95 % interval) | micro-F1 | macro-F1 | texts with other labels "
        "| max \\|Δ logit\\| |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
        "| student in PyTorch | | 88.8% (87.3% to 90.1%) | 0.900 | 0.887 | | |\n"
        "| `model_int8.tflite` | 5.99 MB | 88.7% (87.2% to 90.0%) | 0.899 | 0.887 | 0.25% | 0.12 |\n"
        "| `model_fp32.tflite` | 23.46 MB |  |  |  |  |  |\n\n"
        "A label is given from a probability of: `negative` 0.5, `positive` 0.2667. These were chosen on held-out texts.\n\n"
        "## Tokenizer\n"
    ) in card


def test_card_of_an_export(artefact_folder: Path, finished_run: Path) -> None:
    card = (artefact_folder / "README.md").read_text(encoding="utf-8")
    manifest = Manifest.from_bytes((artefact_folder / "manifest.json").read_bytes(), artefact_folder)
    assert card == model_card(manifest, finished_run.name)
    assert "- teacher: `teacher`\n" in card
    assert str(finished_run.parent) not in card


def test_card_of_several_labels_for_mediapipe() -> None:
    assert (
        "Its scores are probabilities, each label's by itself; compare them with the thresholds below:\n"
        in model_card(with_mediapipe(SETS), "reviews")
    )
