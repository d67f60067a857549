"""``kdbuild verify``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kdbuild.cli.choices import trust_option
from kdbuild.errors import BadInputError, GateError

if TYPE_CHECKING:
    from kdbuild.runtime.artefact import Artefact


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path, readable=False))
@trust_option
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, readable=False),
    help="Of who must have signed the native model.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
@click.option("--only", hidden=True, help="Replay this model file in this process and print JSON.")
def verify(artefact: Path, trust: tuple[str, ...], public_key: Path | None, as_json: bool, only: str | None) -> None:
    r"""Prove an ARTEFACT folder on every engine installed here.

    The digest of every file is compared with the manifest's, the vocabulary is looked through, and each model file answers
    the golden texts, in a process of its own. What doesn't hold makes the exit code 3. MediaPipe's file is run with LiteRT,
    on the token ids of the golden texts.

    \b
    Examples:
      kdbuild verify artefact
      kdbuild verify artefact --trust torchscript --json
      kdbuild verify artefact --public-key reviews.pem.pub
    """
    if only is not None:
        click.echo(json.dumps(_replay(artefact, only)))
        return
    from kdbuild.json_text import json_text
    from kdbuild.runtime.artefact import Artefact

    opened = Artefact.open(artefact)
    failures: list[str] = []
    for name in opened.manifest.files:
        try:
            _check(opened, name)
        except BadInputError as error:
            failures.append(str(error))
    signature = None
    if public_key is not None:
        from kdbuild.runtime.signature import MODEL, check_signature, load_public_key

        key = load_public_key(public_key)
        try:
            signature = check_signature(opened.read(MODEL), key, opened.path(MODEL))
        except BadInputError as error:
            failures.append(str(error))
    results = {}
    for file in opened.manifest.models:
        reason = _why_skipped(file.engine, trust)
        results[file.name] = {"skipped": reason} if reason else _replay_apart(artefact, file.name)
        if "failed" in results[file.name]:
            failures.append(f"{file.name}: {results[file.name]['failed']}")
    if as_json:
        found: dict[str, Any] = {"files": len(opened.manifest.files), "models": results, "failures": failures}
        if signature is not None:
            found["signature"] = {"key": signature.key_id, "serial": signature.serial}
        click.echo(json_text(found, ascii_only=True))
    else:
        if signature is not None:
            click.echo(f"signed with the key {signature.key_id}, serial {signature.serial}")
        _print(len(opened.manifest.files), results, failures)
    if failures:
        raise GateError(f"{artefact}: {len(failures)} of its checks failed. Export the artefact again.")


def _check(artefact: "Artefact", name: str) -> None:
    """Compare a file with its digest, and look through the vocabulary, which an engine that has its own doesn't read."""
    from kdbuild.runtime.artefact import VOCABULARY
    from kdbuild.runtime.text.vocabulary import Vocabulary

    if name != VOCABULARY:
        artefact.read(name)
        return
    lines = artefact.read_lines(name)
    try:
        Vocabulary(lines, artefact.manifest.tokenizer["version"]).check_pieces()
    except BadInputError as error:
        raise BadInputError(f"{artefact.path(name)}: {error}") from None


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


def _why_skipped(engine: str, trusted: tuple[str, ...]) -> str | None:
    """Why the files of an engine aren't run, if they aren't."""
    from kdbuild.requirements import remedy
    from kdbuild.runtime.engines.registry import ENGINES

    row = ENGINES[engine]
    if row.use == "named" and engine not in trusted:
        return f"runs only with --trust {engine}, as {row.caution}"
    return None if row.is_installed else f"no engine: {remedy(row.extra)}"


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

    from kdbuild.cli.predict import load_classifier
    from kdbuild.runtime.artefact import GOLDEN, Artefact
    from kdbuild.runtime.engines.registry import find_model_file
    from kdbuild.runtime.golden import replay

    file = find_model_file(name)
    if file is None:
        raise BadInputError(f"--only {name}: no engine runs such a file. Leave --only out.")
    opened = Artefact.open(artefact)
    manifest = opened.manifest
    classify = load_classifier(artefact, file.precision, file.engine)
    found = replay(
        opened.read(GOLDEN),
        classify.encode,
        name,
        classify.engine,
        manifest.labels,
        thresholds=manifest.thresholds,
        temperature=manifest.temperature,
        pairs=manifest.pairs,
    )
    return asdict(found) | {"passed": found.passed, "engine": f"{classify.engine.name} {classify.engine.version}"}
