"""The Markdown page of a result."""

from collections.abc import Mapping
from typing import Any

_INTRODUCTION = """# MediaPipe

`model_mediapipe.tflite`, unchanged, in MediaPipe Tasks' `TextClassifier`, against the student in PyTorch with our tokenizer.
Student: SST-2, 300/300/400, vocabulary {vocabulary:,}; it answers {accuracy:.2%} of dev (872 rows) right.

Texts: SST-2's dev as it stands, tokenised and in small letters; the same as running text, by the rules of
`benchmarks/mediapipe/texts.py` (capitals, punctuation attached, plain or typographic quotes); {train:,} rows of train, both
ways; {golden} of the golden texts, which are there to be awkward.

## By version of MediaPipe

Texts whose label is the student's, of {dev} rows of dev and of all others.

| MediaPipe | dev | running | dev accuracy | train | running | golden | max Δ margin, dev | first answer (ms) | a text (ms) |
|---|---|---|---|---|---|---|---|---|---|
"""

_CUT = """
Margin: the difference of the two logits. First answer: loading the file and one text. A text: median over dev, {rounds} rounds,
MediaPipe's threads as it sets them; the machine was shared with other work, so compare times within a table only.

## By what its tokenizer is given

MediaPipe {latest}. Texts whose token ids are all ours, and texts whose label is; train as running text.

| pattern, vocabulary | bytes | dev: tokens | labels | running: tokens | labels | train: tokens | labels | golden | labels |
|---|---|---|---|---|---|---|---|---|---|
"""

_REMAINS = """
Ours: a pattern of {pattern:,} characters, {spellings:,} spellings of {vocabulary:,} tokens in {bytes:,} bytes. How they work,
and what they can't do, is in `kdbuild/export/mediapipe_vocabulary.py`. What is cut otherwise, of all texts above
(golden texts themselves, of others their rows):

{different}

## By graph

MediaPipe {latest}, int8 with the same classifier, the vocabulary as it is, dev without unknown words: the same ids for all.

| graph | bytes | labels | max Δ margin | first answer (ms) | a text (ms) | ratio |
|---|---|---|---|---|---|---|
"""

_END = """
- Fused: `UNIDIRECTIONAL_SEQUENCE_LSTM` over the tokens that aren't padding; a second graph for WHILE is refused by MediaPipe.
- Unrolled: every step of {tokens} written out, padding made inert by an extra dimension that shuts the input gate. It pays for
  {tokens} steps whatever the text, and the file grows with them.
- Activations with a zero point: no clear difference. fp32: the student's labels, at four times the size.

Machine: {machine}.

```
python -m benchmarks.mediapipe --student RUN/student --data $SST2_DIR --work WORK
```
"""


def page(result: Mapping[str, Any]) -> str:
    """Tables of everything that was measured."""
    texts = result["texts"]
    latest = list(result["versions"])[-1]

    def labels(row: Mapping[str, Any], name: str) -> str:
        return f"{row[name]['labels_equal']:,} of {texts[name]:,}"

    parts = [
        _INTRODUCTION.format(
            vocabulary=result["vocabulary"],
            accuracy=result["student_dev_accuracy"],
            train=texts["train"],
            golden=texts["golden"],
            dev=texts["dev"],
        )
    ]
    for version, row in result["versions"].items():
        per_text = row["texts"]
        parts.append(
            f"| {version} | {labels(per_text, 'dev')} | {labels(per_text, 'dev as running text')} | {row['dev_accuracy']:.2%} "
            f"| {labels(per_text, 'train')} | {labels(per_text, 'train as running text')} | {labels(per_text, 'golden')} "
            f"| {per_text['dev']['largest_difference']:.2f} | {row['first_answer_ms']:.0f} | {row['text_ms']:.2f} |\n"
        )
    parts.append(_CUT.format(rounds=result["rounds"], latest=latest))
    for way, row in result["cut"].items():
        cells = [
            f"{row[name]['tokens_equal']:,} | {row[name]['labels_equal']:,}"
            for name in ("dev", "dev as running text", "train as running text", "golden")
        ]
        parts.append(f"| {way} | {row['bytes']:,} | {' | '.join(cells)} |\n")
    parts.append(
        _REMAINS.format(
            pattern=result["pattern_characters"],
            spellings=result["spellings"],
            vocabulary=result["vocabulary"],
            bytes=result["spellings_bytes"],
            different="\n".join(
                f"- {name}: {', '.join(f'`{text!a}`' for text in found) or 'none'}"
                for name, found in result["different"].items()
            ),
            latest=latest,
        )
    )
    ours = next(iter(result["graphs"].values()))["text_ms"]
    for name, row in result["graphs"].items():
        parts.append(
            f"| {name} | {row['bytes']:,} | {row['labels_equal']} of {texts['dev']} | {row['largest_difference']:.2f} "
            f"| {row['first_answer_ms']:.0f} | {row['text_ms']:.2f} | {row['text_ms'] / ours:.2f} |\n"
        )
    env = result["environment"]
    machine = f"{env['cpu']}, {env['usable_cores']} cores, Python {env['python']}"
    parts.append(_END.format(tokens=result["tokens"], machine=machine))
    return "".join(parts)
