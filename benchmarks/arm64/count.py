"""``python -m benchmarks.arm64 count``: emulated instructions an inference."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median_low
from typing import Any

import click

from benchmarks.arm64.cpus import COUNTED
from benchmarks.arm64.emulator import Emulator, Layout
from benchmarks.arm64.programs import compile_program
from benchmarks.arm64.reference import write_references
from benchmarks.arm64.results import LARGEST_RISE, RESULTS, read, record, rises
from benchmarks.arm64.setup import cache_option, make
from kdbuild.errors import BadInputError, GateError
from kdbuild.files import file_digest
from kdbuild.runtime.native.library import library_path

TOKENS = (8, 20, 32, 64)
NATIVE_TARGET = "linux-aarch64"
ROUNDS = 5
ARTEFACTS = Path(__file__).parents[2] / "android_demo" / "models"
_GUEST = Path(__file__).with_name("guest") / "count.py"
_NATIVE_GUEST = _GUEST.with_name("count_native.c")
_BEST = "-1"


@dataclass(frozen=True)
class Counted:
    """One model file on one processor."""

    engine: str
    """With its version."""
    instructions: dict[int, int]
    """Of one inference, by number of tokens: the median of the rounds."""
    spread: float
    """The largest distance of a round from its median, relative; memory is laid out a little differently each time."""


def count_instructions(emulator: Emulator, cpu: str, model: Path, tokens: Sequence[int] = TOKENS) -> Counted:
    """Count the emulated instructions of an inference, without resizing the input.

    A model of one length only is counted at that, if it is among ``tokens``.

    Raises:
        BadInputError: the model can't be run, takes another length only, or yields the processor itself.
    """
    if not model.is_file() or model.suffix not in (".tflite", ".onnx", ".kdb"):
        raise BadInputError(f"{model}: not a model file. Name a .tflite, .onnx or .kdb file.")
    if model.suffix == ".kdb":
        lengths = [str(length) for length in tokens]
        program = native_program(emulator.layout)
        path, counts = emulator.counted(cpu, [model.absolute(), str(ROUNDS), _BEST, *lengths], program)
        return decode(f"kdbuild {path.strip()}", tokens, counts)
    arguments: list[str | Path] = [_GUEST, model.absolute(), str(ROUNDS), *(str(length) for length in tokens)]
    printed, counts = emulator.counted(cpu, arguments)
    said = json.loads(printed)
    if not said["lengths"]:
        raise BadInputError(f"{model}: takes {said['only']} tokens only. Add --tokens {said['only']}.")
    return decode(said["engine"], said["lengths"], counts)


def native_program(layout: Layout) -> Path:
    """The program that runs the native engine, compiled on first need and kept beside the emulated system.

    Raises:
        BadInputError: it doesn't compile.
        MissingExtraError: there is no compiler.
    """
    folder = layout.program(file_digest(library_path(NATIVE_TARGET)), file_digest(_NATIVE_GUEST))
    make(folder, partial(compile_program, _NATIVE_GUEST, NATIVE_TARGET))
    return folder / _NATIVE_GUEST.stem


def decode(engine: str, lengths: Sequence[int], counts: Sequence[int]) -> Counted:
    """Make sense of the counts at each yield.

    Raises:
        BadInputError: there are more or fewer of them than the rounds have.
    """
    if len(counts) != 3 * ROUNDS * len(lengths):
        raise BadInputError(
            f"{engine}: {len(counts)} yields instead of {3 * ROUNDS * len(lengths)}, so the model yields the processor itself. "
            "It can't be counted with this marker."
        )
    # What yielding itself takes lies between the first two of a round.
    rounds = [(third - second) - (second - first) for first, second, third in zip(*[iter(counts)] * 3, strict=True)]
    instructions = {}
    spread = 0.0
    for place, length in enumerate(lengths):
        of_length = rounds[place * ROUNDS : (place + 1) * ROUNDS]
        instructions[length] = median_low(of_length)
        spread = max(spread, max(abs(value / instructions[length] - 1) for value in of_length))
    return Counted(engine, instructions, spread)


def committed_models() -> dict[str, Path]:
    """The model files of the repository that an engine here runs, by the names that the results give them."""
    files = sorted(path for path in ARTEFACTS.glob("*/model_*") if path.suffix in (".tflite", ".onnx"))
    return {f"{path.parent.name}/{path.name}": path for path in files}


def measure(emulator: Emulator, models: dict[str, Path], cpus: Sequence[str], tokens: Sequence[int]) -> dict[str, Any]:
    """Count each model on each processor, as the results hold it."""
    found = {}
    for name, path in models.items():
        counted = {cpu: count_instructions(emulator, cpu, path, tokens) for cpu in cpus}
        found[name] = {
            "sha256": file_digest(path),
            "bytes": path.stat().st_size,
            "engine": counted[cpus[0]].engine,
            "instructions": {
                cpu: {str(length): value for length, value in one.instructions.items()} for cpu, one in counted.items()
            },
        }
        for cpu, one in counted.items():
            cells = "  ".join(f"{length}: {value:,}" for length, value in one.instructions.items())
            click.echo(f"{name}  {cpu}  {cells}  (rounds within {one.spread:.3%})")
    return found


def named_models(arguments: Sequence[str]) -> dict[str, Path]:
    """Model files by name, of ``FILE`` or ``NAME=FILE``."""
    models = {}
    for argument in arguments:
        name, given, path = argument.rpartition("=")
        models[name if given else Path(path).name] = Path(path)
    return models


@click.command()
@click.argument("models", nargs=-1)
@click.option("--cpu", "cpus", multiple=True, type=click.Choice(COUNTED), default=COUNTED, show_default=True)
@click.option("--tokens", multiple=True, type=click.IntRange(1, 4096), default=TOKENS, show_default=True)
@click.option("--record", "recorded", is_flag=True, help=f"Write the counts into {RESULTS.name} and its page.")
@click.option("--check", is_flag=True, help=f"Fail where a count is over {LARGEST_RISE:.0%} above the recorded one.")
@cache_option
def count(
    models: tuple[str, ...], cpus: tuple[str, ...], tokens: tuple[int, ...], recorded: bool, check: bool, cache: Path
) -> None:
    """Count the emulated instructions of an inference of MODELS (FILE or NAME=FILE).

    Without MODELS, those of the repository, and students with random weights that today's exporter writes.
    """
    emulator = Emulator.open(cache)
    with tempfile.TemporaryDirectory() as work:
        chosen = named_models(models) if models else {**committed_models(), **write_references(Path(work))}
        found = measure(emulator, chosen, cpus, tokens)
    if check and (lines := rises(read(RESULTS)["counts"], found)):
        raise GateError(f"{len(lines)} counts rose by more than {LARGEST_RISE:.0%}: {'; '.join(lines)}.")
    if recorded:
        for name in record(RESULTS, emulator.layout.lock.versions(), "counts", found):
            click.echo(f"Dropped, as it was measured with other versions: {name}")
