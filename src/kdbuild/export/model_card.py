"""The model card of an artefact, from what its manifest holds."""

from collections.abc import Mapping
from typing import Any

from kdbuild.export.formats.registry import FORMATS, FormatRow
from kdbuild.requirements import install_command, packages_of
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.engines.registry import ENGINES
from kdbuild.runtime.text.encoding import WORDS


def model_card(manifest: Manifest, title: str, language: str = "en") -> str:
    """Markdown for the artefact's ``README.md``; what the manifest doesn't hold is left out.

    Args:
        manifest: all that is known.
        title: what to call the model.
        language: code of the texts' language (ISO 639), for model hubs.
    """
    version = manifest.provenance.get("kdbuild")
    labels = ", ".join(f"`{label}`" for label in manifest.labels)
    several = manifest.task == "multi"
    lines = [
        "---",
        f"language: {language}",
        "library_name: kdbuild",
        "pipeline_tag: text-classification",
        "tags: [bilstm, knowledge-distillation, tflite, on-device]",
        "---",
        "",
        f"# {title}",
        "",
        f"A text classifier for mobile CPUs, made by kdbuild{f' {version}' if version else ''}: "
        f"{'two texts' if manifest.pairs else 'text'} in, {'any number of' if several else 'one of'} {labels} out.",
        "",
        *_shape(manifest),
        "## Use",
        "",
        *_use(manifest),
        "## Measured",
        "",
        *_measurements(manifest),
        "",
        "## Tokenizer",
        "",
        _tokenizer(manifest),
        "",
        "## Limits",
        "",
        "It knows the kind of text that it was trained on, and inherits its teacher's mistakes and biases. "
        f"{_unknown(manifest)} Upper and lower case are the same to it.",
        "",
        "## Provenance",
        "",
        *_provenance(manifest.provenance),
        "`manifest.json` has all options, versions and digests; `golden.jsonl` proves an engine.",
    ]
    return "".join(line + "\n" for line in lines)


def _tokenizer(manifest: Manifest) -> str:
    version, most = manifest.tokenizer["version"], f"{manifest.max_tokens:,}"
    text = "each text" if manifest.pairs else "a text"
    words = f"Version {version}: Penn-Treebank-style words in lower case, looked up in `vocab.txt`."
    if version == WORDS:
        return f"{words} The first {most} tokens of {text} are read."
    return (
        f"{words} A word that isn't in it is cut into pieces that are, the longest first; those that continue a word are "
        f"marked `##`. The first {most} pieces of {text} are read: a word in the vocabulary counts as one, and a "
        "prediction's `tokens` are pieces."
    )


def _unknown(manifest: Manifest) -> str:
    """What becomes of words that the vocabulary lacks."""
    if manifest.tokenizer["version"] == WORDS:
        return (
            "A word outside its vocabulary is read as `<unk>`, which says nothing but that a word was there; a prediction's "
            "`oov_rate` is the share of such tokens: where it is high, trust the answer less."
        )
    return (
        "Characters outside its vocabulary are read as `<unk>`, which says nothing but that something was there; a "
        "prediction's `oov_rate` is the share of such pieces: where it is high, trust the answer less."
    )


def _use(manifest: Manifest) -> list[str]:
    """Say how to run what there is."""
    several = manifest.task == "multi"
    texts = '"some text", "another text"' if manifest.pairs else '"some text"'
    lines = []
    rows = [ENGINES[file.engine] for file in manifest.models]
    # The fastest, which the runtime prefers, too; those whose files need caution it runs only when told to.
    engine = next((row for use in ("auto", "named") for row in rows if row.use == use), None)
    if engine is not None:
        named = f'".", engine="{engine.name}"' if engine.use == "named" else '"."'
        packages = packages_of(engine.extra)
        lines += [
            "```sh",
            f"{install_command(engine.extra)}  # in a checkout of kdbuild"
            + (f"; brings {', '.join(packages)}" if packages else ""),
            "```",
            "",
            "```python",
            "from kdbuild.runtime import Classifier",
            "",
            f"classify = Classifier.load({named})  # this folder",
            f"print(classify({texts}).{'labels' if several else 'label'})",
            "```",
            "",
        ]
    for file, row in _formats(manifest):
        lines += row.open().usage(file, manifest)
    return lines


def _formats(manifest: Manifest) -> list[tuple[str, FormatRow]]:
    """The model files that there are, each with the format that wrote it."""
    return [(file.name, row) for file in manifest.models for row in FORMATS if file.name in row.files]


def _shape(manifest: Manifest) -> list[str]:
    student = manifest.student
    if not {"parameters", "vocabulary", "embedding_size", "hidden_size", "classifier_size"} <= student.keys():
        return []
    words = f"{student['vocabulary']:,} {'words' if manifest.tokenizer['version'] == WORDS else 'words and pieces'} in "
    if student.get("factor_size"):
        words += f"{student['factor_size']} dimensions, projected to {student['embedding_size']}"
    else:
        words += f"{student['embedding_size']} dimensions"
    if student.get("vector_bits") == 4:
        words += " of 4 bits each"
    if student.get("channels") == 2:
        words += " twice, once trained and once not"
    pooled = " (their maximum over the tokens)" if student.get("pooling") == "max" else ""
    layers = student.get("layers", 1)
    lines = [
        f"{'One' if layers == 1 else layers}-layer BiLSTM, {student['parameters']:,} parameters: {words}, "
        f"{student['hidden_size']} units each direction{pooled}, classifier of {student['classifier_size']} units.",
        "",
    ]
    if manifest.pairs:
        lines += [
            "It reads pairs of texts: one network makes the features u and v of the first and the second text, and the "
            "classifier reads u, v, their product and the size of their difference. Which text is the first can matter.",
            "",
        ]
    return lines


def _measurements(manifest: Manifest) -> list[str]:
    """A table with a row for each model file, and one for the student that they were made from."""
    held_out: dict[str, Any] = manifest.metrics.get("held_out", {})
    several = manifest.task == "multi"
    columns = ["model", "size", "accuracy (95 % interval)", "labels changed", "max \\|Δ logit\\|"]
    if several:
        columns[2:4] = ["all labels right (95 % interval)", "micro-F1", "macro-F1", "texts with other labels"]
    lines = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    if "n" in held_out:
        lines = [f"On {held_out['n']:,} held-out texts, against the student in PyTorch:", "", *lines]
    if "student" in held_out:
        lines.append(f"| student in PyTorch | | {_quality(held_out['student'], several)} | | |")
    for file in manifest.models:
        measured = held_out.get("files", {}).get(file.name, {})
        changed = f"{measured['flip_rate']:.2%}" if "flip_rate" in measured else ""
        difference = f"{measured['max_logit_difference']:.2g}" if "max_logit_difference" in measured else ""
        size = f"{manifest.files[file.name]['bytes'] / 1e6:.2f} MB"
        lines.append(f"| `{file.name}` | {size} | {_quality(measured, several)} | {changed} | {difference} |")
    for name, row in _formats(manifest):
        lines += row.open().remarks(name, manifest)
    if manifest.thresholds is not None:
        given = zip(manifest.labels, manifest.thresholds, strict=True)
        shown = ", ".join(f"`{label}` {threshold:.4g}" for label, threshold in given)
        lines += [
            "",
            f"A label is given from a probability of: {shown}. These were chosen on held-out texts.",
        ]
    return lines


def _quality(measured: Mapping[str, Any], several: bool) -> str:
    """The cells of the accuracy and, of several labels, the two F1 scores."""
    accuracy = ""
    if {"accuracy", "interval"} <= measured.keys():
        low, high = measured["interval"]
        accuracy = f"{measured['accuracy']:.1%} ({low:.1%} to {high:.1%})"
    scores = [f"{measured[name]:.3f}" if name in measured else "" for name in ("micro_f1", "macro_f1")]
    return " | ".join([accuracy, *(scores if several else [])])


def _provenance(provenance: Mapping[str, Any]) -> list[str]:
    """A list of what is known, and an empty line if that is anything."""
    options: dict[str, dict[str, Any]] = provenance.get("options", {})
    named = options.get("teacher", {}).get("teacher") or []
    teachers = [named] if isinstance(named, str) else named
    sentences = provenance.get("transfer_sentences")
    loss = options.get("student", {}).get("loss")
    seed = options.get("data", {}).get("seed")
    data, versions = provenance.get("data", {}), provenance.get("versions", {})
    facts = {
        "data": ", ".join(f"`{name}` (sha256 `{digest[:12]}…`)" for name, digest in sorted(data.items())),
        "teacher": ", ".join(f"`{teacher}`" for teacher in teachers),
        "transfer set": f"{sentences:,} sentences, labelled with the teacher's logits" if sentences else "",
        "loss": f"`{loss}`" if loss else "",
        "seed": "" if seed is None else str(seed),
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
    }
    lines = [f"- {name}: {fact}" for name, fact in facts.items() if fact]
    return [*lines, ""] if lines else []
