"""The Markdown page of the throughput results."""

from collections.abc import Mapping
from typing import Any

from benchmarks.throughput.work import OURS, PLAIN

_PAGE = """# Training throughput

The jobs of a training run, each done the plain way and ours, in turns in one run; medians of {repeats} turns (of the ratios,
too), {threads}. Movie reviews (the quickstart's). Other work shared the machine: compare within a table.

| job | plain, a second | kdbuild, a second | times as fast |
|---|---|---|---|
| augmentation, copies | {augmentation} |
| labelling, sentences | {labelling} |
| a student's epoch, sentences | {epoch} |

## Augmentation

{rows:,} reviews, {rounds} rounds. Plain: the article's loops, a sentence and a word at a time. Parts of speech are found
before, once, and counted for neither; that takes {tagging:.1f} s with spaCy, and with it in both, ours is {with_tagging:.2f}
times as fast: of ours, {tagging_share:.0%} is tagging. Both draw with the same probabilities:

| | sentences | masked words | masks beside a mask | tokens a sentence |
|---|---|---|---|---|
{check}
## Labelling

{label_sentences:,} sentences of that transfer set, {pieces:.1f} word pieces on average, batches of {batch}, MiniLM-L6 with a
classifier that has learned nothing (speed doesn't depend on it). Plain: batches as the sentences come, padded, fp32. Ours:
sorted by length, {label_arithmetic}.

| | sentences a second | times plain | mean Δ logit |
|---|---|---|---|
{label_table}
The logits themselves deviate by {deviate:.2f} (standard deviation).

## A student's epoch

{epoch_sentences:,} sentences of that transfer set, {tokens:.1f} tokens on average, {vocabulary:,} words, 300/300/400, batches
of 128, AdamW, clipping. Plain: shuffled batches, padded and packed, fp32. Ours: batches of one length, {epoch_arithmetic}.

| | sentences a second | times plain |
|---|---|---|
{epoch_table}
Machine: {cpu}, {cores} cores, Python {python}, torch {torch}, spaCy {spacy}.

```
python -m benchmarks.throughput --work WORK
```
"""


def page(result: Mapping[str, Any]) -> str:
    """All three jobs."""
    augmentation, labelling, epoch = (result[job] for job in ("augmentation", "labelling", "epoch"))
    env = result["environment"]
    threads = env["threads"]
    copies = augmentation["rows"] * augmentation["rounds"]
    ours = copies / augmentation["table"][OURS]["sentences_per_second"]
    check = "".join(
        f"| {name} | {its['sentences']:,} | {its['masked']:.2%} | {its['masked_neighbours']:.2%} | "
        f"{its['tokens_a_sentence']:.2f} |\n"
        for name, its in augmentation["check"].items()
    )
    labels = "".join(
        f"| {name} | {its['sentences_per_second']:,.0f} | {its['times_plain']:.2f} | {its['mean_logit_difference']:.4f} |\n"
        for name, its in labelling["table"].items()
    )
    epochs = "".join(
        f"| {name} | {its['sentences_per_second']:,.0f} | {its['times_plain']:.2f} |\n"
        for name, its in epoch["table"].items()
    )
    return _PAGE.format(
        repeats=result["repeats"],
        threads="one thread, processor time" if threads == 1 else f"{threads} threads, by the clock",
        augmentation=_line(augmentation),
        labelling=_line(labelling),
        epoch=_line(epoch),
        rows=augmentation["rows"],
        rounds=augmentation["rounds"],
        tagging=augmentation["tagging_seconds"],
        with_tagging=augmentation["times_plain_with_tagging"],
        tagging_share=augmentation["tagging_seconds"] / (augmentation["tagging_seconds"] + ours),
        check=check,
        label_sentences=labelling["sentences"],
        pieces=labelling["pieces_a_sentence"],
        batch=labelling["batch"],
        label_arithmetic=_arithmetic(labelling),
        label_table=labels,
        deviate=labelling["logits_deviate"],
        epoch_sentences=epoch["sentences"],
        tokens=epoch["tokens_a_sentence"],
        vocabulary=epoch["vocabulary"],
        epoch_arithmetic=_arithmetic(epoch),
        epoch_table=epochs,
        cpu=env["cpu"],
        cores=env["usable_cores"],
        python=env["python"],
        torch=env["packages"]["torch"],
        spacy=env["packages"]["spacy"],
    )


def _line(job: Mapping[str, Any]) -> str:
    plain, ours = job["table"][PLAIN], job["table"][OURS]
    return f"{plain['sentences_per_second']:,.0f} | {ours['sentences_per_second']:,.0f} | {ours[f'times_{PLAIN}']:.1f}"


def _arithmetic(job: Mapping[str, Any]) -> str:
    return "bfloat16" if job["bf16"] else "fp32, as this processor has no bfloat16"
