"""``kdbuild verify``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from kdbuild.errors import BadInputError, GateError


@click.command()
@click.argument("artefact", type=click.Path(path_type=Path))
@click.option("--torchscript", is_flag=True, help="Also run TorchScript files, which can carry code.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
@click.option("--only", hidden=True, help="Replay this model file in this process and print JSON.")
def verify(artefact: Path, torchscript: bool, as_json: bool, only: str | None) -> None:
    r"""Prove an ARTEFACT folder: the digest of every file, and the golden texts on every engine installed here.

    Each model file is run in a process of its own. What doesn't hold makes the exit code 3.

    \b
    Examples:
      kdbuild verify artefact
      kdbuild verify artefact --torchscript --json
    """
    if only is not None:
        click.echo(json.dumps(_replay(artefact, only)))
        return
    from kdbuild.runtime.artefact import MODEL_FILES, Artefact
    from kdbuild.runtime.engines import SUFFIXES, is_installed

    opened = Artefact.open(artefact)
    failures: list[str] = []
    for name in opened.manifest.files:
        try:
            opened.read(name)
        except BadInputError as error:
            failures.append(str(error))
    results = {}
    engines = {suffix: engine for engine, suffix in SUFFIXES.items()}
    for name in MODEL_FILES:
        if name not in opened.manifest.files:
            continue
        engine = engines[Path(name).suffix]
        if engine == "torchscript" and not torchscript:
            results[name] = {"skipped": "runs only with --torchscript, as such files can carry code"}
        elif not is_installed(engine):
            results[name] = {"skipped": f"no engine: pip install 'kdbuild[{engine}]'"}
        else:
            results[name] = _replay_apart(artefact, name)
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
            click.echo(f"{name:<20}skipped: {result['skipped']}")
        elif "texts" in result:
            click.echo(
                f"{name:<20}{result['engine']}: {result['texts']} golden texts, {result['wrong_ids']} with other token ids, "
                f"{result['wrong_labels']} with another label, max |Δlogit| {result['max_difference']:.2g} "
                f"(at most {result['tolerance']:g})"
            )
    for failure in failures:
        click.echo(f"failed: {failure}")


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
    from kdbuild.export.golden import replay
    from kdbuild.runtime.artefact import GOLDEN, Artefact
    from kdbuild.runtime.engines import SUFFIXES

    engine = next(engine for engine, suffix in SUFFIXES.items() if name.endswith(suffix))
    classify = load_classifier(artefact, "int8" if "int8" in name else "fp32", engine)
    found = replay(
        Artefact.open(artefact).read(GOLDEN),
        classify.encode,
        name,
        classify.engine,
        classify.labels,
        thresholds=classify.manifest.thresholds,
        temperature=classify.manifest.temperature,
    )
    return asdict(found) | {"passed": found.passed, "engine": f"{classify.engine.name} {classify.engine.version}"}
