"""Several students of one teacher: the article's three, or one over several seeds, side by side.

All share one run folder, and so one teacher, and one transfer set with its labels; what differs between seeds is the
student's weights, dropout and order of batches. Each finished student is kept under ``students/``, from where an
interrupted ablation goes on. At the end the run folder holds the last variant's student of the first seed.
"""

import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kdbuild.console import progress, say
from kdbuild.errors import BadInputError
from kdbuild.files import fingerprint, link_or_copy, staged_folder, write_atomically, write_json
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.plots import figures
from kdbuild.trainer.run.runner import Run
from kdbuild.trainer.run.start import change_options, start
from kdbuild.trainer.training.processes import ALONE, Processes

Change = Callable[[TrainOptions], TrainOptions]


@dataclass(frozen=True)
class StudentRuns:
    """One student, trained once for each seed."""

    name: str
    accuracy: list[float]
    """On dev, 0 to 1, a value a seed."""
    macro_f1: list[float]
    mean: float
    """The mean of the accuracies."""
    deviation: float
    """Their sample standard deviation; 0 for one seed."""
    parameters: int
    transfer_sentences: int
    """Texts it was trained on."""
    epochs: float
    cpu_seconds: float
    """Processor time over all dev rows, one at a time, one thread, in torch; the mean over the seeds."""


@dataclass(frozen=True)
class Ablation:
    """What :func:`ablate` found."""

    teacher: dict[str, Any]
    """The teacher's metrics on dev; empty where there was none."""
    students: list[StudentRuns]
    dev_rows: int
    seeds: list[int]


def hard_labels(options: TrainOptions) -> TrainOptions:
    """Train on the rows' own labels, without a teacher's, for one and a half times the epochs (the set is smaller)."""
    training = replace(options.training, epochs=1.5 * options.training.epochs)
    return replace(options, student=replace(options.student, loss="cross_entropy", alpha=1.0), training=training)


def soft_labels(options: TrainOptions) -> TrainOptions:
    """Train on the teacher's logits over the rows alone, for three times the epochs."""
    training = replace(options.training, epochs=3 * options.training.epochs)
    return replace(options, augment=replace(options.augment, rounds=0, unlabelled=()), training=training)


ARTICLE: dict[str, Change] = {
    "hard labels": hard_labels,
    "teacher's labels": soft_labels,
    "teacher's labels, augmented": lambda options: options,
}
"""The article's three students. The factors on the epochs are those that suited SST-2; see the benchmark's results."""


def ablate(
    data: str,
    out: Path,
    options: TrainOptions,
    *,
    ablation: bool,
    runs: int,
    overwrite: bool = False,
    processes: Processes = ALONE,
) -> Ablation:
    """Train the students that aren't trained yet, and compare them.

    Writes ``ablation.json``, ``ablation.md`` and ``plots/ablation.png`` into the run folder.

    Args:
        data: as for :func:`start`.
        out: the run folder.
        options: those of the augmented student, from which the others' differ.
        ablation: train the article's three students, instead of the one that the options describe.
        runs: seeds, from the options' own upwards.
        overwrite: as for :func:`start`.
        processes: this one and the others.

    Raises:
        BadInputError: as for :func:`start`, or the options have no teacher to do without.
    """
    if ablation and options.student.loss == "cross_entropy":
        raise BadInputError(
            "--ablation: compares with the teacher's labels, and --loss cross_entropy has none. Drop it."
        )
    first = options.data.seed if options.student.student_seed < 0 else options.student.student_seed
    seeds = list(range(first, first + runs))
    variants = ARTICLE if ablation else {"student": lambda given: given}
    run = start(data, out, options, overwrite=overwrite, processes=processes)
    if ablation and run.scored:
        raise BadInputError(
            "--ablation: the data brings its own scores, so there's no teacher to label anything. Drop it."
        )
    students = []
    with run.folder.locked() if processes.is_main else nullcontext():
        for name, change in variants.items():
            # The first seed comes last: its student stays in the run folder.
            results = [_result(run, change(options), name, seed) for seed in reversed(seeds)]
            students.append(_summary(name, results[::-1], change(options).training.epochs))
        teacher = run.folder.record("teacher").get("dev", {})
        found = Ablation(teacher, students, len(run.data.dev), seeds)
        if processes.is_main:
            _write(out, found)
    return found


def _result(run: Run, options: TrainOptions, name: str, seed: int) -> dict[str, Any]:
    """Return one student's figures; trains it if that wasn't done before."""
    options = replace(options, student=replace(options.student, student_seed=seed))
    path, processes = run.folder.path, run.processes
    folder = path / "students" / f"{name.replace(chr(39), '').replace(',', '').replace(' ', '-')}-{seed}"
    run = change_options(path, lambda _: options, processes, run.read_data)
    wanted = fingerprint(run.inputs("distill"))
    try:
        result = json.loads((folder / "result.json").read_bytes())
    except FileNotFoundError:
        result = {}
    processes.barrier()
    if result.get("fingerprint") == wanted:
        say(f"{name}, seed {seed}: done before, kept")
        return dict(result)
    say(f"{name}, seed {seed}")
    run.run()
    if processes.is_main:
        record = run.folder.record("distill")
        result = {name: record[name] for name in ("dev", "parameters", "texts")} | {"fingerprint": wanted, "seed": seed}
        result["cpu_seconds"] = cpu_seconds(run)
        _keep(run.folder.output("distill"), folder, result)
    processes.barrier()
    return dict(json.loads((folder / "result.json").read_bytes()))


def _keep(student: Path, folder: Path, result: dict[str, Any]) -> None:
    """Keep a student beside the run: its files are linked, not copied, since no stage changes a file in place."""
    with staged_folder(folder, "result.json") as aside:
        shutil.copytree(student, aside, copy_function=link_or_copy, dirs_exist_ok=True)
        write_json(aside / "result.json", result)


def cpu_seconds(run: Run) -> float:
    """Measure the processor time of the student in torch over the dev rows, one at a time, in one thread, warmed up."""
    import torch

    from kdbuild.trainer.student.bilstm import load_student

    student, vocabulary = load_student(run.folder.output("distill"))
    columns = [run.data.dev.tokens, *([run.data.dev.pair_tokens] if run.data.dev.pair_tokens is not None else [])]
    longest = student.config.max_tokens
    rows = [
        [torch.tensor([vocabulary.text_ids(tokens)[:longest]]) for tokens in texts]
        for texts in zip(*columns, strict=True)
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for texts in rows[:10]:
                _answer(student, texts)
            begun = time.process_time()
            with progress("CPU time", len(rows)) as advance:
                for number, texts in enumerate(rows, start=1):
                    _answer(student, texts)
                    advance(number, "")
            return time.process_time() - begun
    finally:
        torch.set_num_threads(threads)


def _answer(student: Any, texts: Sequence[Any]) -> None:
    student(input_ids=texts[0], input_ids2=texts[1] if len(texts) > 1 else None)


def _summary(name: str, results: Sequence[dict[str, Any]], epochs: float) -> StudentRuns:
    accuracy = [result["dev"]["accuracy"] for result in results]
    return StudentRuns(
        name=name,
        accuracy=accuracy,
        macro_f1=[result["dev"]["macro_f1"] for result in results],
        mean=statistics.fmean(accuracy),
        deviation=statistics.stdev(accuracy) if len(accuracy) > 1 else 0.0,
        parameters=results[0]["parameters"],
        transfer_sentences=results[0]["texts"],
        epochs=epochs,
        cpu_seconds=statistics.fmean(result["cpu_seconds"] for result in results),
    )


def _write(out: Path, found: Ablation) -> None:
    write_json(out / "ablation.json", asdict(found))
    write_atomically(out / "ablation.md", table(found).encode())
    figures.ablation_plot(
        [student.name for student in found.students],
        [student.mean for student in found.students],
        [student.deviation for student in found.students],
        found.teacher.get("accuracy"),
        out / "plots" / "ablation.png",
    )


def table(found: Ablation) -> str:
    """Write the comparison as Markdown: a row a student, and one for the teacher."""
    lines = [
        f"| dev, {found.dev_rows:,} rows, {len(found.seeds)} seed{'s' if len(found.seeds) > 1 else ''} | trained on | epochs "
        "| accuracy | macro-F1 | parameters | CPU time over dev |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    if found.teacher:
        teacher = found.teacher
        lines.append(f"| teacher | | | {teacher['accuracy']:.1%} | {teacher['macro_f1']:.3f} | | |")
    for student in found.students:
        spread = f" ± {student.deviation * 100:.1f}" if len(student.accuracy) > 1 else ""
        lines.append(
            f"| {student.name} | {student.transfer_sentences:,} | {student.epochs:g} | {student.mean * 100:.1f}{spread} % | "
            f"{statistics.fmean(student.macro_f1):.3f} | {student.parameters / 1e6:.2f} M | {student.cpu_seconds:.2f} s |"
        )
    return "".join(line + "\n" for line in lines)
