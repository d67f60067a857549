"""Artefacts that the Java runtime must refuse, each with its message; ``@`` stands for the folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artefacts import edit_file, edit_manifest, flip
from kdbuild.runtime.artefact import write_manifest


def replace_manifest(folder: Path, content: bytes) -> Path:
    """Write a manifest and its digest; the folder again."""
    write_manifest(folder, content)
    return folder


def edit_text(folder: Path, old: str, new: str) -> Path:
    """Replace a part of the manifest's JSON, and make its digest fit."""
    content = (folder / "manifest.json").read_text()
    assert old in content
    return replace_manifest(folder, content.replace(old, new, 1).encode())


def setting(**values: Any) -> Callable[[Path], Path]:
    """A damage that sets keys of the manifest."""
    return lambda folder: edit_manifest(folder, lambda manifest: manifest.update(values))


def listing(name: str, entry: Any) -> Callable[[Path], Path]:
    """A damage that lists a file in the manifest."""
    return lambda folder: edit_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))


def drop_models(folder: Path) -> Path:
    """List no model file any more."""
    return edit_manifest(folder, lambda m: [m["files"].pop(name) for name in list(m["files"]) if "model" in name])


AGAIN = "Export the artefact again."
LABELS_NEEDED = f"@/manifest.json: labels must be a list of at least two names. {AGAIN}"
DIFFER = f"@/manifest.json: labels must differ. {AGAIN}"
MODELS = "model_int8.kdb, model_int8.tflite, model_fp32.tflite, model_int8.onnx, model_fp32.onnx, model_int8.pt, model_fp32.pt"
NO_MODEL = f"@/manifest.json: files lists no model that this version runs ({MODELS}). {AGAIN}"
THRESHOLDS = f"@/manifest.json: thresholds must be 2 numbers between 0 and 1, one for each label. {AGAIN}"
TOKENIZER = f"@/manifest.json: tokenizer must have version 1 or 2. {AGAIN}"

REFUSALS: dict[str, tuple[Callable[[Path], object], str] | tuple[Callable[[Path], object], str, str]] = {
    # What is damaged, Java's message, and Python's where that is another; @ stands for the folder.
    "no folder": (shutil.rmtree, "@: no such artefact folder. Make one with: kdbuild export RUN --out @"),
    "no manifest": (
        lambda f: (f / "manifest.json").unlink(),
        "@: not an artefact (no manifest.json). Make one with: kdbuild export RUN --out @",
    ),
    "no manifest digest": (lambda f: (f / "manifest.sha256").unlink(), f"@: manifest.sha256 is missing. {AGAIN}"),
    "manifest digest without its newline": (
        lambda f: (f / "manifest.sha256").write_text((f / "manifest.sha256").read_text().strip()),
        f"@/manifest.json: its sha256 isn't the one in manifest.sha256: it was changed. {AGAIN}",
    ),
    "edited manifest": (
        lambda f: (f / "manifest.json").write_bytes((f / "manifest.json").read_bytes() + b" "),
        f"@/manifest.json: its sha256 isn't the one in manifest.sha256: it was changed. {AGAIN}",
    ),
    "huge manifest": (
        lambda f: replace_manifest(f, (f / "manifest.json").read_bytes() + b" " * (1 << 20)),
        f"@/manifest.json: over 1048576 bytes, so no manifest of ours. {AGAIN}",
    ),
    "manifest that isn't UTF-8": (
        lambda f: replace_manifest(f, b'{"format_version": "\xff"}'),
        f"@/manifest.json: not valid JSON (not UTF-8). {AGAIN}",
        "@/manifest.json: not valid JSON ('utf-8' codec can't decode byte 0xff in position 20: invalid start byte). "
        + AGAIN,
    ),
    "empty manifest": (
        lambda f: replace_manifest(f, b""),
        f"@/manifest.json: not valid JSON (the text ends where a value is due at character 1). {AGAIN}",
        f"@/manifest.json: not valid JSON (Expecting value: line 1 column 1 (char 0)). {AGAIN}",
    ),
    "deep nesting": (
        lambda f: replace_manifest(f, b"[" * 100_000),
        f"@/manifest.json: not valid JSON (nested deeper than 32 at character 34). {AGAIN}",
        "@/manifest.json: not valid JSON (*",
    ),
    "list for a manifest": (lambda f: replace_manifest(f, b"[]"), f"@/manifest.json: not a JSON object. {AGAIN}"),
    "key that stands twice": (
        lambda f: replace_manifest(f, b'{"format_version": "1.1", "labels": [], "labels": []}'),
        f"@/manifest.json: not valid JSON (key 'labels' stands twice at character 41). {AGAIN}",
        LABELS_NEEDED,
    ),
    "NaN": (
        lambda f: replace_manifest(f, b'{"format_version": "1.1", "temperature": NaN}'),
        f"@/manifest.json: not valid JSON (no value at character 42). {AGAIN}",
        LABELS_NEEDED,
    ),
    "newer format": (
        setting(format_version="3.0"),
        "@/manifest.json: format_version 3.0 is newer than this kdbuild reads (up to 2.x). Upgrade kdbuild.",
    ),
    "far newer format": (
        setting(format_version="99999999999999999999.0"),
        "@/manifest.json: format_version 99999999999999999999.0 is newer than this kdbuild reads (up to 2.x). "
        "Upgrade kdbuild.",
    ),
    "format without a minor": (
        setting(format_version="1"),
        "@/manifest.json: format_version '1' is no version. Export it again.",
    ),
    "format that isn't a number": (
        setting(format_version="one.0"),
        "@/manifest.json: format_version 'one.0' is no version. Export it again.",
    ),
    "no format": (
        lambda f: edit_manifest(f, lambda m: m.pop("format_version")),
        "@/manifest.json: format_version null is no version. Export it again.",
        "@/manifest.json: format_version None is no version. Export it again.",
    ),
    "no labels": (lambda f: edit_manifest(f, lambda m: m.pop("labels")), LABELS_NEEDED),
    "labels that aren't a list": (setting(labels={"a": 1, "b": 2}), LABELS_NEEDED),
    "one label": (setting(labels=["a"]), LABELS_NEEDED),
    "labels that aren't text": (setting(labels=["a", 1]), LABELS_NEEDED),
    "empty label": (setting(labels=["a", ""]), LABELS_NEEDED),
    "labels that repeat": (setting(labels=["a", "a"]), DIFFER),
    "other labels": (
        setting(labels=["warm", "funny"]),
        f"@/labels.txt: its labels aren't the manifest's. {AGAIN}",
    ),
    "more labels than logits": (
        lambda f: setting(labels=["funny", "warm", "cold"], thresholds=[0.5] * 3)(
            edit_file(f, "labels.txt", b"funny\nwarm\ncold\n")
        ),
        f"@: 3 labels for 2 logits of model_int8.tflite. {AGAIN}",
        "",
    ),
    "huge number": (
        setting(max_tokens=10**12),
        f"@/manifest.json: max_tokens 1000000000000 must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "number beyond 64 bits": (
        setting(max_tokens=10**30),
        f"@/manifest.json: max_tokens 1{'0' * 30} must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "number of 101 digits": (
        lambda f: replace_manifest(f, b'{"format_version": "1.1", "labels": ["a", "b"], "max_tokens": %d}' % 10**100),
        f"@/manifest.json: not valid JSON (a number longer than 100 characters at character 63). {AGAIN}",
        f"@/manifest.json: max_tokens 1{'0' * 100} must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "no tokens": (
        setting(max_tokens=0),
        f"@/manifest.json: max_tokens 0 must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "fraction of a token": (
        setting(max_tokens=16.5),
        f"@/manifest.json: max_tokens 16.5 must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "whole number as a fraction": (
        setting(max_tokens=16.0),
        f"@/manifest.json: max_tokens 16.0 must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "boolean for a number": (
        setting(max_tokens=True),
        f"@/manifest.json: max_tokens true must be a whole number from 1 to 1000000. {AGAIN}",
        f"@/manifest.json: max_tokens True must be a whole number from 1 to 1000000. {AGAIN}",
    ),
    "wrong type": (
        setting(temperature="hot"),
        f"@/manifest.json: temperature 'hot' must be a positive number. {AGAIN}",
    ),
    "no temperature": (
        setting(temperature=0),
        f"@/manifest.json: temperature 0 must be a positive number. {AGAIN}",
    ),
    "endless temperature": (
        lambda f: edit_text(setting(temperature="hot")(f), '"hot"', "1e999"),
        f"@/manifest.json: temperature Infinity must be a positive number. {AGAIN}",
        f"@/manifest.json: temperature inf must be a positive number. {AGAIN}",
    ),
    "unknown task": (
        setting(task="pairs"),
        f"@/manifest.json: task 'pairs' is not one that this version knows (single, multi). {AGAIN}",
    ),
    "pairs in a format that older readers take for single texts": (
        setting(pairs=True),
        f"@/manifest.json: pairs true must be true or false, and needs format_version 2. {AGAIN}",
        f"@/manifest.json: pairs True must be true or false, and needs format_version 2. {AGAIN}",
    ),
    "pairs that are no boolean": (
        setting(format_version="2.0", pairs=1),
        f"@/manifest.json: pairs 1 must be true or false, and needs format_version 2. {AGAIN}",
    ),
    "pairs where the model reads one text": (
        setting(format_version="2.0", pairs=True),
        f"@: model_int8.tflite reads 1 texts, and the manifest says pairs. {AGAIN}",
        "",
    ),
    "thresholds of a single label": (
        setting(task="single"),
        f"@/manifest.json: thresholds are for task 'multi', and its task is 'single'. {AGAIN}",
    ),
    "no thresholds": (setting(thresholds=None), THRESHOLDS),
    "one threshold": (setting(thresholds=[0.5]), THRESHOLDS),
    "three thresholds": (setting(thresholds=[0.5, 0.5, 0.5]), THRESHOLDS),
    "threshold of 1": (setting(thresholds=[0.5, 1.0]), THRESHOLDS),
    "threshold of text": (setting(thresholds=[0.5, "0.5"]), THRESHOLDS),
    "thresholds by name": (setting(thresholds={"funny": 0.5, "warm": 0.5}), THRESHOLDS),
    "threshold out of range": (
        setting(threshold=1.5),
        f"@/manifest.json: threshold 1.5 must be a number between 0 and 1. {AGAIN}",
    ),
    "threshold of a boolean": (
        setting(threshold=False),
        f"@/manifest.json: threshold false must be a number between 0 and 1. {AGAIN}",
        f"@/manifest.json: threshold False must be a number between 0 and 1. {AGAIN}",
    ),
    "no tokenizer": (lambda f: edit_manifest(f, lambda m: m.pop("tokenizer")), TOKENIZER),
    "tokenizer of another version": (lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=0)), TOKENIZER),
    "newer tokenizer": (
        lambda f: edit_manifest(f, lambda m: m.update(labels=[], tokenizer={"version": 3})),
        "@/manifest.json: tokenizer version 3 is newer than this kdbuild reads (up to 2). Upgrade kdbuild.",
    ),
    "far newer tokenizer": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version=10**25)),
        f"@/manifest.json: tokenizer version 1{'0' * 25} is newer than this kdbuild reads (up to 2). Upgrade kdbuild.",
    ),
    "tokenizer of a version in words": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(version="2")),
        TOKENIZER,
    ),
    "tokenizer that isn't an object": (setting(tokenizer=[1]), TOKENIZER),
    "other Unicode": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(unicode="9.0.0")),
        "@: its tokenizer uses Unicode 9.0.0 tables, this kdbuild 15.1.0. Export the artefact again with this version.",
    ),
    "other vocabulary digest": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(sha256="0" * 64)),
        f"@/vocab.txt: isn't the tokenizer's vocabulary. {AGAIN}",
    ),
    "vocabulary digest that isn't text": (
        lambda f: edit_manifest(f, lambda m: m["tokenizer"].update(sha256=7)),
        f"@/vocab.txt: isn't the tokenizer's vocabulary. {AGAIN}",
    ),
    "files that aren't an object": (setting(files=["vocab.txt"]), f"@/manifest.json: files must be an object. {AGAIN}"),
    **{
        f"path {path}": (
            listing(path, {"bytes": 1, "sha256": ""}),
            f"@/manifest.json: files names {shown}, which isn't a plain file name. {AGAIN}",
        )
        for path, shown in [
            ("../x", "'../x'"),
            ("/etc/passwd", "'/etc/passwd'"),
            ("a/b", "'a/b'"),
            ("..", "'..'"),
            (".hidden", "'.hidden'"),
            ("", "''"),
            ("a\\b", r"'a\\b'"),
        ]
    },
    "file without a digest": (
        listing("x", {"bytes": 1}),
        f"@/manifest.json: files['x'] must have bytes and sha256. {AGAIN}",
    ),
    "file with a size in words": (
        listing("x", {"bytes": "1", "sha256": ""}),
        f"@/manifest.json: files['x'] must have bytes and sha256. {AGAIN}",
    ),
    "file without facts": (listing("x", None), f"@/manifest.json: files['x'] must have bytes and sha256. {AGAIN}"),
    "no vocabulary listed": (
        lambda f: edit_manifest(f, lambda m: m["files"].pop("vocab.txt")),
        f"@/manifest.json: files must list vocab.txt and labels.txt. {AGAIN}",
    ),
    "no model listed": (drop_models, NO_MODEL),
    "MediaPipe's model alone": (
        lambda f: listing("model_mediapipe.tflite", {"bytes": 1, "sha256": ""})(drop_models(f)),
        "@: its only model is model_mediapipe.tflite, which MediaPipe runs and kdbuild doesn't. "
        "Export it again, with --format native as well.",
    ),
    "ONNX alone": (
        lambda f: listing("model_int8.onnx", {"bytes": 1, "sha256": ""})(drop_models(f)),
        "@: has no tflite model. It has: model_int8.onnx.",
        "@/model_int8.onnx: can't be read (No such file or directory). " + AGAIN,
    ),
    "missing model": (
        lambda f: (f / "model_int8.tflite").unlink(),
        f"@/model_int8.tflite: can't be read (No such file or directory). {AGAIN}",
    ),
    "longer labels": (
        lambda f: (f / "labels.txt").write_bytes(b"funny\nwarm\n\n"),
        f"@/labels.txt: 12 bytes instead of 11: it was changed. {AGAIN}",
    ),
    "size beyond 64 bits": (
        lambda f: edit_manifest(f, lambda m: m["files"]["labels.txt"].update(bytes=10**20)),
        f"@/labels.txt: 11 bytes instead of 1{'0' * 20}: it was changed. {AGAIN}",
    ),
    "flipped bit": (
        lambda f: flip(f / "model_int8.tflite"),
        f"@/model_int8.tflite: its sha256 isn't the manifest's: it was changed. {AGAIN}",
    ),
    "flipped bit in the vocabulary": (
        lambda f: flip(f / "vocab.txt"),
        f"@/vocab.txt: its sha256 isn't the manifest's: it was changed. {AGAIN}",
    ),
    "labels that aren't UTF-8": (
        lambda f: edit_file(f, "labels.txt", b"funny\nw\xe9rm\n"),
        f"@/labels.txt: not UTF-8. {AGAIN}",
        "@/labels.txt: not UTF-8 (*",
    ),
    "vocabulary of another length": (
        lambda f: edit_file(f, "vocab.txt", b"<pad>\n<unk>\n<mask>\nfunny\n"),
        f"@: 4 tokens in vocab.txt for 9 embedding rows in model_int8.tflite. {AGAIN}",
    ),
    "vocabulary without special tokens": (
        lambda f: edit_file(f, "vocab.txt", b"a\nb\n"),
        "vocabulary starts with ['a', 'b']: its first tokens must be <pad>, <unk>, <mask>.",
    ),
    "empty vocabulary": (
        lambda f: edit_file(f, "vocab.txt", b""),
        "vocabulary starts with ['']: its first tokens must be <pad>, <unk>, <mask>.",
    ),
    "vocabulary with a token twice": (
        lambda f: edit_file(f, "vocab.txt", b"<pad>\n<unk>\n<mask>\nfunny\nwarm\nwarm\n"),
        "vocabulary holds 'warm' twice: every token needs one id. Rebuild the vocabulary.",
    ),
    "model that is none": (
        lambda f: edit_file(f, "model_int8.tflite", b"no model at all, but long enough"),
        "@/model_int8.tflite: not a TFLite file. Export the model again.",
        "@/model_int8.tflite: ai-edge-litert can't load it (*",
    ),
}
