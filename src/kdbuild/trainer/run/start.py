"""Starting a run: the user's data and options, checked, become a run folder whose data stage is done."""

from collections.abc import Callable
from pathlib import Path

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.files import fingerprint
from kdbuild.trainer.data.balance import class_counts
from kdbuild.trainer.data.sources import Source, open_source
from kdbuild.trainer.data.split import load_data
from kdbuild.trainer.data.store import write_splits
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.folder import RunFolder, is_empty
from kdbuild.trainer.run.stages import Run, stages_of
from kdbuild.trainer.student.word_vectors import check_word_vectors, read_word_list
from kdbuild.trainer.training.processes import ALONE, Processes
from kdbuild.trainer.transfer_set import unlabelled

_SKEWED = 5
"""Rows of the commonest class to those of the rarest from which ``--balance`` is worth a word."""


def start(
    data: str | Path,
    out: Path,
    options: TrainOptions,
    *,
    overwrite: bool = False,
    processes: Processes = ALONE,
) -> "Run":
    """Make a run folder for the user's data, or take up the one that is there.

    Args:
        data: file, folder or name on the hub.
        out: the run folder.
        options: of all stages.
        overwrite: replace a run that was made from other data.
        processes: this one and the others; the main one reads the data.

    Raises:
        BadInputError: the data can't be trained on, another option names something that isn't there, or the folder holds
            something else. Nothing is written then.
    """
    if processes.is_main:
        _check_files(options)
        _read_data(open_source(str(data)), out, options, overwrite=overwrite)
    processes.barrier()
    return Run(RunFolder(out), processes)


def _check_files(options: TrainOptions) -> None:
    """Find files that can't be used before hours are spent on what needs them."""
    unlabelled.check_unlabelled(options.augment.unlabelled)
    student = options.student
    if student.extra_words:
        read_word_list(Path(student.extra_words))
    if student.embeddings not in ("teacher", "random"):
        if not Path(student.embeddings).is_file():
            raise BadInputError(
                f"--embeddings {student.embeddings}: no such file. Name a file of word vectors, or use teacher or random."
            )
        check_word_vectors(Path(student.embeddings), student.embedding_size)


def _read_data(source: Source, out: Path, options: TrainOptions, *, overwrite: bool) -> None:
    """The data stage."""
    RunFolder.check(out, source.digests, overwrite=overwrite)
    first = source.parts[0].read(options.data)
    scored = first.scores is not None
    names = None
    if "teacher" in stages_of(options, scored=scored):
        from kdbuild.trainer.teacher.model import class_names

        names = class_names(options.teacher.teacher)
    # How rows are held out matters only where they are; balance acts later, in training.
    ignored = {"balance"} if len(source.parts) == 1 else {"balance", "holdout"}
    read_by = {name: value for name, value in options.data.under_first_names().items() if name not in ignored}
    inputs = fingerprint(source.digests, names, read_by)
    done = RunFolder(out).is_done("data", inputs)
    loaded = None if done else load_data(source, options.data, names)
    folder = RunFolder.prepare(out)
    with folder.locked():
        if loaded is None:
            folder.save_options(options, source.digests, source.location)
            return
        if not is_empty(out) and folder.data != source.digests:
            folder.clear()
        folder.save_options(options, source.digests, source.location)
        for warning in loaded.warnings:
            say(f"Warning: {warning}")
        with folder.writing("data", inputs) as (aside, report):
            write_splits(aside, loaded)
            report["scored"] = scored
            report["multi_label"] = loaded.multi_label
            report["warnings"] = loaded.warnings
            report["rows"] = {"train": len(loaded.train), "dev": len(loaded.dev)}
            counts = class_counts(loaded.train.targets, len(loaded.labels)).tolist()
            report["classes"] = dict(zip(loaded.labels, counts, strict=True))
    say(f"data: {len(loaded.train):,} train rows, {len(loaded.dev):,} dev rows, {len(loaded.labels)} classes")
    say(f"data: {_balance(report['classes'], len(loaded.train))}")
    if options.data.balance == "none" and max(counts) > _SKEWED * min(counts):
        say("Warning: the classes are skewed. Consider --balance weights or --balance sampling, and read the macro-F1.")


def _balance(classes: dict[str, int], rows: int) -> str:
    """The classes with their shares of the training rows, the most frequent first."""
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {count:,} ({count / rows:.1%})" for label, count in ordered[:10])
    return shown + (f", and {len(ordered) - 10} more" if len(ordered) > 10 else "")


def change_options(path: Path, change: Callable[[TrainOptions], TrainOptions], processes: Processes = ALONE) -> "Run":
    """An existing run with other options, which its folder then keeps.

    Raises:
        BadInputError: the folder isn't a run.
    """
    folder = RunFolder.open(path)
    Run(folder)  # refuses a run without data
    if processes.is_main:
        with folder.locked():
            options = change(folder.options)
            _check_files(options)
            folder.save_options(options)
    processes.barrier()
    return Run(folder, processes)
