"""How latency and memory grow, as a committed page and a picture.

    python -m benchmarks.scaling --work WORK [--only tokens,hidden]

Writes ``benchmarks/results/scaling.json``, ``scaling.md`` and ``scaling.png``; with ``--only``, the other axes stay as they
are. Six minutes on one core.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.scaling import points
from benchmarks.scaling.artefacts import Size, find_artefact
from benchmarks.scaling.picture import scaling_plot
from benchmarks.scaling.report import page
from benchmarks.throughput.augmentation import measure_in_fresh_process
from kdbuild.errors import BadInputError, KdbuildError
from kdbuild.files import write_atomically, write_json
from kdbuild.measure.environment import environment
from kdbuild.measure.reference_models.minilm import minilm_folder

RESULTS = Path(__file__).parents[1] / "results"
ROWS, AUGMENT_ROUNDS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000), 5
ROUNDS = {"tokens": 12, "vocabulary": 20, "hidden": 20, "batch": 4, "threads": 30, "callers": 10}
"""Times that a point of an axis is timed on each of its inputs."""
AXES = (*ROUNDS, "rows")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def caches(folder: Path = CACHES) -> dict[str, int]:
    """Bytes of the first core's caches for data, by level; empty where the system doesn't tell."""
    found = {}
    for cache in sorted(folder.glob("index*")):
        kind, level, size = ((cache / name).read_text().strip() for name in ("type", "level", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = int(size.removesuffix("K")) * 1024
    return found


def measure_axis(axis: str, work: Path) -> dict[str, Any]:
    """All points of an axis, and how busy the machine was when they were begun."""
    busy = round(os.getloadavg()[0], 1)
    if axis == "rows":
        return {"points": [measure_in_fresh_process(rows, AUGMENT_ROUNDS) for rows in ROWS], "load_average": busy}
    if axis == "batch":
        found = points.batch(work, tokenizer=minilm_folder)
    else:
        makers = {one.__name__: one for one in (points.tokens, points.vocabulary, points.hidden)}
        makers |= {one.__name__: one for one in (points.threads, points.callers)}
        found = makers[axis](work)
    loads = points.LOADS if axis == "vocabulary" else 0
    measured = points.measure_points(found, rounds=ROUNDS[axis], loads=loads)
    if axis not in ("threads", "callers"):
        spent = points.processor_ms(found, rounds=ROUNDS[axis])
        measured = [point | {"processor_ms": its} for point, its in zip(measured, spent, strict=True)]
    result: dict[str, Any] = {"points": measured, "load_average": busy}
    if axis == "vocabulary":
        largest = find_artefact(work, Size(vocabulary=max(point.value for point in found)))
        result["load_parts_ms"] = {series: points.load_parts(largest, series) for series in points.FILES}
    return result


@click.command()
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for the artefacts; kept.")
@click.option("--only", default=",".join(AXES), show_default=True, help="Axes to measure, separated by commas.")
@click.option("--out", default=RESULTS, type=click.Path(path_type=Path), help="Folder for the results.")
def main(work: Path, only: str, out: Path) -> None:
    """Reproduce benchmarks/results/scaling.md."""
    chosen = only.split(",")
    for axis in chosen:
        if axis not in AXES:
            raise BadInputError(f"--only {axis!r}: no such axis. There are: {', '.join(AXES)}.")
    result: dict[str, Any] = {"size": asdict(Size()), "caches": caches(), "environment": environment(threads=1)}
    kept: dict[str, Any] = {}
    file = out / "scaling.json"
    if set(chosen) < set(AXES) and file.is_file():
        before = json.loads(file.read_bytes())
        kept = before.pop("axes")
        if before != result:
            raise BadInputError(f"--only {only}: {file} was measured on another machine or version. Measure all axes.")
    for axis in chosen:
        kept[axis] = measure_axis(axis, work)
        click.echo(f"{axis}: {json.dumps(kept[axis])}")
    result["axes"] = {axis: kept[axis] for axis in AXES if axis in kept}
    out.mkdir(parents=True, exist_ok=True)
    write_json(file, result)
    write_atomically(out / "scaling.md", page(result).encode())
    scaling_plot(result, out / "scaling.png")


if __name__ == "__main__":
    try:
        main(prog_name="python -m benchmarks.scaling")
    except KdbuildError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
