"""``kdbuild verify``."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdbuild.errors import BadInputError, GateError

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact
    from kdbuild.runtime.engines.mediapipe import MediaPipeEngine
    from kdbuild.runtime.engines.registry import Engine, EngineName
    from kdbuild.runtime.text.tokenizer import Encoding

    Encode = Callable[[str], Encoding]


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path))
@click.option("--torchscript", is_flag=True, help="Also run TorchScript files, which can carry code.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
@click.option("--only", hidden=True, help="Replay this model file in this process and print JSON.")
def verify(artefact: Path, torchscript: bool, as_json: bool, only: str | None) -> None:
    r"""Prove an ARTEFACT folder on every engine installed here.

    The digest of every file is compared with the manifest's, and each model file answers the golden texts, in a process of
    its own. What doesn't hold makes the exit code 3. MediaPipe's file is run with LiteRT, on the token ids of the golden
    texts.

    \b
    Examples:
      kdbuild verify artefact
      kdbuild verify artefact --torchscript --json
    """
    if only is not None:
        click.echo(json.dumps(_replay(artefact, only)))
        return
    from kdbuild.runtime.artefact import MEDIAPIPE_MODEL, MODEL_FILES, Artefact

    opened = Artefact.open(artefact)
    failures: list[str] = []
    for name in opened.manifest.files:
        try:
            opened.read(name)
        except BadInputError as error:
            failures.append(str(error))
    results = {}
    for name in (*MODEL_FILES, MEDIAPIPE_MODEL):
        if name not in opened.manifest.files:
            continue
        reason = _why_skipped(name, torchscript)
        results[name] = {"skipped": reason} if reason else _replay_apart(artefact, name)
        if "failed" in results[name]:
            failures.append(f"{name}: {results[name]['failed']}")
    if as_json:
        click.echo(json.dumps({"files": len(opened.manifest.files), "models": results, "failures": failures}))
    else:
        _print(len(opened.manifest.files), results, failures)
    if failures:
        raise GateError(f"{artefact}: {len(failures)} of its checks failed. Export the artefact again.")


def _print(files: int, results: dict[str, dict[str, Any]], failures: list[str]) -> None:
    click.echo(f"{files} files with a digest")
    for name, result in results.items():
        if "skipped" in result:
            click.echo(f"{name:<24}skipped: {result['skipped']}")
        elif "texts" in result:
            click.echo(
                f"{name:<24}{result['engine']}: {result['texts']} golden texts, {result['wrong_ids']} with other token ids, "
                f"{result['wrong_labels']} with another label, max |Δlogit| {result['max_difference']:.2g} "
                f"(at most {result['tolerance']:g})"
            )
    for failure in failures:
        click.echo(f"failed: {failure}")


def _why_skipped(name: str, torchscript: bool) -> str | None:
    """Why a model file isn't run, if it isn't."""
    from kdbuild.requirements import remedy
    from kdbuild.runtime.artefact import MEDIAPIPE_MODEL
    from kdbuild.runtime.engines import mediapipe as mediapipe_engine
    from kdbuild.runtime.engines.registry import is_installed

    if name == MEDIAPIPE_MODEL:
        return None if mediapipe_engine.is_installed() else f"no LiteRT: {remedy('tflite')}"
    engine = _engine(name)
    if engine == "torchscript" and not torchscript:
        return "runs only with --torchscript, as such files can carry code"
    return None if is_installed(engine) else f"no engine: {remedy(engine)}"


def _engine(name: str) -> "EngineName":
    """Which engine runs a model file."""
    from kdbuild.runtime.engines.registry import SUFFIXES

    return next(engine for engine, suffix in SUFFIXES.items() if name.endswith(suffix))


def _replay_apart(artefact: Path, name: str) -> dict[str, Any]:
    """Replay in a process of its own, which a broken file may take down."""
    command = [sys.executable, "-m", "kdbuild", "verify", str(artefact), "--only", name]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        result: dict[str, Any] = json.loads(process.stdout)
    except ValueError:
        reason = process.stderr.strip().splitlines()[-1:] or [f"its process ended with {process.returncode}"]
        return {"failed": reason[0].removeprefix("Error: ")}
    if not result["passed"]:
        result["failed"] = (
            f"{result['wrong_ids']} texts with other token ids, {result['wrong_labels']} with another label, "
            f"max |Δlogit| {result['max_difference']:.2g} (at most {result['tolerance']:g})"
        )
    return result


def _replay(artefact: Path, name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from kdbuild.export.golden import replay
    from kdbuild.runtime.artefact import GOLDEN, MEDIAPIPE_MODEL, Artefact

    opened = Artefact.open(artefact)
    manifest = opened.manifest
    encode, engine = _open_for_mediapipe(opened) if name == MEDIAPIPE_MODEL else _open(artefact, name)
    found = replay(
        opened.read(GOLDEN),
        encode,
        name,
        engine,
        manifest.labels,
        thresholds=manifest.thresholds,
        temperature=manifest.temperature,
    )
    return asdict(found) | {"passed": found.passed, "engine": f"{engine.name} {engine.version}"}


def _open(artefact: Path, name: str) -> "tuple[Encode, Engine]":
    """What makes token ids of a text, and what runs a model file."""
    from kdbuild.cli.predict import load_classifier

    classify = load_classifier(artefact, "int8" if "int8" in name else "fp32", _engine(name))
    return classify.encode, classify.engine


def _open_for_mediapipe(opened: "Artefact") -> "tuple[Encode, MediaPipeEngine]":
    """The same of MediaPipe's file."""
    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.runtime.artefact import MEDIAPIPE_MODEL, VOCABULARY
    from kdbuild.runtime.engines.mediapipe import MediaPipeEngine
    from kdbuild.runtime.text.tokenizer import Vocabulary

    manifest = opened.manifest
    vocabulary = Vocabulary(opened.read_lines(VOCABULARY))
    opened.read(MEDIAPIPE_MODEL)  # checks it
    with quiet_native_log():
        engine = MediaPipeEngine(
            opened.folder / MEDIAPIPE_MODEL, temperature=manifest.temperature, multi_label=manifest.task == "multi"
        )
    return lambda text: vocabulary.encode(text, manifest.max_tokens), engine
