"""``python -m benchmarks.arm64 golden``: an artefact's golden texts on emulated processors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.arm64.count import ARTEFACTS
from benchmarks.arm64.cpus import CPUS
from benchmarks.arm64.emulator import Emulator
from benchmarks.arm64.results import RESULTS, record
from benchmarks.arm64.setup import cache_option
from kdbuild.errors import GateError
from kdbuild.files import file_digest
from kdbuild.runtime.artefact import MANIFEST, Artefact

_GUEST = Path(__file__).with_name("guest") / "golden.py"


def replay_golden(emulator: Emulator, cpu: str, artefact: Path) -> dict[str, Any]:
    """Replay an artefact's golden texts with LiteRT and, where it has files for it, ONNX Runtime.

    Returns:
        By model file, a :class:`kdbuild.runtime.golden.Replay` as a dict, with ``engine`` and ``passed``.

    Raises:
        BadInputError: the artefact can't be read or run.
    """
    Artefact.open(artefact)  # says what is wrong with it without the emulator's delay
    found: dict[str, Any] = json.loads(emulator.output(cpu, [_GUEST, artefact.absolute()]))
    return found


def committed_artefacts() -> list[Path]:
    """The artefact folders of the repository."""
    return sorted(path.parent for path in ARTEFACTS.glob(f"*/{MANIFEST}"))


def failures(artefact: str, cpu: str, replays: dict[str, Any]) -> list[str]:
    """A line for each model file whose answers aren't the golden ones."""
    return [
        f"{artefact}/{name} on {cpu}: {found['wrong_ids']} texts with other token ids, {found['wrong_labels']} with another "
        f"label, max |Δlogit| {found['max_difference']:.2g} (at most {found['tolerance']:g})"
        for name, found in replays.items()
        if not found["passed"]
    ]


@click.command()
@click.argument("artefacts", nargs=-1, type=click.Path(path_type=Path))
@click.option("--cpu", "cpus", multiple=True, type=click.Choice(list(CPUS)), default=list(CPUS), show_default=True)
@click.option("--record", "recorded", is_flag=True, help=f"Write the outcome into {RESULTS.name} and its page.")
@cache_option
def golden(artefacts: Sequence[Path], cpus: tuple[str, ...], recorded: bool, cache: Path) -> None:
    """Replay the golden texts of ARTEFACTS (folders); without any, of those of the repository."""
    emulator = Emulator.open(cache)
    failed = []
    results = {}
    for artefact in artefacts or committed_artefacts():
        replays = {}
        for cpu in cpus:
            replays[cpu] = replay_golden(emulator, cpu, artefact)
            failed += failures(artefact.name, cpu, replays[cpu])
            for name, found in replays[cpu].items():
                click.echo(
                    f"{artefact.name}/{name}  {cpu}  {found['engine']}: {found['texts']} texts, "
                    f"{found['wrong_ids']} with other token ids, {found['wrong_labels']} with another label, "
                    f"max |Δlogit| {found['max_difference']:.2g}"
                )
        results[artefact.name] = {"manifest_sha256": file_digest(artefact / MANIFEST), "replays": replays}
    if failed:
        raise GateError(f"{len(failed)} replays failed: {'; '.join(failed)}.")
    if recorded:
        for name in record(RESULTS, emulator.layout.lock.versions(), "golden", results):
            click.echo(f"Dropped, as it was measured with other versions: {name}")
