"""Starting a run: the user's data and options, checked, become a run folder whose data stage is done."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.files import fingerprint
from kdbuild.trainer.data.load import make_data, read_parts
from kdbuild.trainer.data.sources import Source, open_source
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.data.store import as_stored, is_paired, read_labels
from kdbuild.trainer.options import PERTURBATION_SECTIONS, TeacherOptions, TrainOptions
from kdbuild.trainer.run.folder import RunFolder, is_empty
from kdbuild.trainer.run.needs import check_machine, check_teacher, load_teacher
from kdbuild.trainer.run.runner import Run, check_stage, open_run
from kdbuild.trainer.run.stages import STAGES, Output, Record, StageInputs, stages_of, teacher_models
from kdbuild.trainer.run.written import check_inputs
from kdbuild.trainer.student.word_vectors import check_word_vectors, read_word_list
from kdbuild.trainer.training.processes import ALONE, Processes
from kdbuild.trainer.transfer_set import unlabelled
from kdbuild.trainer.transfer_set.perturbations.registry import PERTURBATIONS

if TYPE_CHECKING:
    from kdbuild.trainer.teacher.model import Teacher

_SKEWED = 5
"""Rows of the commonest class to those of the rarest from which ``--balance`` is worth a word."""


def start(
    data: str | Path | Source,
    out: Path,
    options: TrainOptions,
    *,
    overwrite: bool = False,
    processes: Processes = ALONE,
    stage: str = "distill",
) -> Run:
    """Make a run folder for the user's data, or take up the one that is there.

    Args:
        data: file, folder or name on the hub; or what was opened of it.
        out: the run folder.
        options: those of all stages.
        overwrite: replace a run that was made from other data.
        processes: this one and the others; the main one reads the data.
        stage: the one that is to be run next.

    Raises:
        BadInputError: the data can't be trained on, another option names something that isn't there or that nothing would
            read, an input lies where the run writes, or the folder holds something else, or the stage isn't one of the run.
            Nothing is written then.
    """
    loaded = None
    if processes.is_main:
        check_inputs(out, _named(options))
        _check_files(options)
        source = data if isinstance(data, Source) else open_source(str(data))
        _check_names(source.location, str(out.absolute()))
        check_inputs(out, [(part.title, Path(part.title)) for part in source.parts] if source.location else [])
        loaded = _read_data(source, out, options, processes, stage, overwrite=overwrite)
    processes.barrier()
    return open_run(RunFolder(out), processes, None if loaded is None else lambda: loaded)


def _named(options: TrainOptions) -> list[tuple[str, Path]]:
    """List the files and folders that options name, as a message calls them; of a name of the hub there is none."""
    student, augment = options.student, options.augment
    named = [*(("--teacher", name) for name in options.teacher.teacher), ("--extra-words", student.extra_words)]
    named += [("--spacy-model", options.article.spacy_model), *(("--unlabelled", path) for path in augment.unlabelled)]
    if student.embeddings not in ("teacher", "random"):
        named.append(("--embeddings", student.embeddings))
    return [(f"{option} {value}", Path(value)) for option, value in named if value]


def _check_names(*names: str) -> None:
    """Refuse names that the run folder can't keep, or that what writes into it can't open.

    Raises:
        BadInputError: one isn't UTF-8.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(name).decode("utf-8", "replace")
            raise BadInputError(
                f"{shown}: isn't UTF-8, as the names in a run must be. Rename the file or folder."
            ) from None


def _check_files(options: TrainOptions) -> None:
    """Find files and perturbations that can't be used before hours are spent on what needs them."""
    student = options.student
    cache_folder = options.machine.label_cache
    if cache_folder and Path(cache_folder).exists() and not Path(cache_folder).is_dir():
        raise BadInputError(f"--label-cache {cache_folder}: not a folder. Choose another name.")
    _check_names(
        *options.teacher.teacher, cache_folder, *options.augment.unlabelled, student.extra_words, student.embeddings
    )
    for name in options.augment.named():
        PERTURBATIONS[name]
    if (
        options.spans.spans_of == "unlabelled"
        and "spans" in options.augment.copies()
        and not options.augment.unlabelled
    ):
        raise BadInputError("--spans-of unlabelled: there are no unlabelled texts. Add --unlabelled FILE, or use rows.")
    unlabelled.check_unlabelled(options.augment.unlabelled)
    if student.extra_words:
        read_word_list(Path(student.extra_words))
    if student.embeddings not in ("teacher", "random"):
        if not Path(student.embeddings).is_file():
            raise BadInputError(
                f"--embeddings {student.embeddings}: no such file. Name a file of word vectors, or use teacher or random."
            )
        check_word_vectors(Path(student.embeddings), student.embedding_size)


def _unread(options: TrainOptions, stages: Sequence[str]) -> list[str]:
    """List the teacher and the unlabelled texts, as the options name them, that none of these stages reads."""
    teacher, augment = options.teacher, options.augment
    unread = []
    if "teacher" not in stages and teacher.teacher != TeacherOptions().teacher:
        unread += [f"{teacher.flag('teacher')} {name}" for name in teacher.teacher]
    if "augment" not in stages:
        unread += [f"{augment.flag('unlabelled')} {name}" for name in augment.unlabelled]
    return unread


def _check_read(options: TrainOptions, stages: Sequence[str], *, scored: bool) -> None:
    """Refuse a teacher and unlabelled texts that are named beside data that brings scores, for which they'd be dropped.

    Raises:
        BadInputError: there are both.
    """
    if scored and (unread := _unread(options, stages)):
        raise BadInputError(
            f"{unread[0]}: the data has a column 'scores', which is learned instead of a teacher's answers. "
            "Leave the option out, or rename the column to have a teacher answer."
        )


def _read_data(
    source: Source, out: Path, options: TrainOptions, processes: Processes, stage: str, *, overwrite: bool
) -> Data | None:
    """Run the data stage unless it is done.

    Returns:
        What was read, as the run folder now holds it; None if it held it before, and the data wasn't parsed.
    """
    RunFolder.check(out, source.digests, overwrite=overwrite)
    folder = RunFolder(out)
    # Whether rows bring scores is a matter of the data alone, so what was recorded of the same data holds.
    known = folder.record("data") if not is_empty(out) and folder.data == source.digests else {}
    rows = None if known else read_parts(source, options.data)
    scored = rows[0].scores is not None if rows else known["scored"]
    stages = stages_of(options, scored=scored)
    check_stage(stage, options, scored=scored)
    _check_read(options, stages, scored=scored)
    if not known or folder.options != options:
        check_machine(options, stages, processes)
    teacher = cache(lambda: load_teacher(options, options.teacher.teacher[0]))
    names = _teacher_names(options, scored=scored)
    inputs = _fingerprint(source, options, names)
    if folder.is_done("data", inputs):
        if "teacher" in stages and folder.options != options:
            _check_teachers(
                options, teacher(), stages, read_labels(folder.output("data")), is_paired(folder.output("data"))
            )
        with folder.locked():
            folder.save_options(options, source.digests, source.location)
        return None
    rows = rows or read_parts(source, options.data)
    in_words = options.student.tokenizer == "words"
    read = make_data(source, rows, options.data, names, lambda split: teacher().dev_logits(split), in_words=in_words)
    data = as_stored(read)
    if "teacher" in stages:
        _check_teachers(options, teacher(), stages, data.labels, data.train.pair_texts is not None)
    RunFolder.prepare(out)
    with folder.locked():
        if not is_empty(out) and folder.data != source.digests:
            folder.clear()
        folder.save_options(options, source.digests, source.location)
        unread = [
            f"{named} isn't read: --loss {options.student.loss} needs none." for named in _unread(options, stages)
        ]
        for warning in [*data.warnings, *unread]:
            say(f"Warning: {warning}")
        reads = StageInputs(options, lambda: data, {}, out)
        record = folder.complete("data", inputs, lambda path: STAGES["data"].run(reads, path, ALONE))
    if record is not None:
        _describe(record, options)
    return data


def _check_teachers(
    options: TrainOptions, first: "Teacher", stages: Sequence[str], labels: Sequence[str], paired: bool
) -> None:
    """Try every teacher; the others must have the classes that the data has with the first one."""
    from kdbuild.trainer.teacher.ensemble import class_columns

    others = options.teacher.teacher[1:]
    for name in others:
        class_columns(name, labels)
    check_teacher(options, first, stages, paired=paired)
    for name in others:
        check_teacher(options, load_teacher(options, name), stages, paired=paired)


def _teacher_names(options: TrainOptions, *, scored: bool) -> list[str] | None:
    """Return the classes of the teacher, if the run needs one and it is fine-tuned already."""
    if "teacher" not in stages_of(options, scored=scored):
        return None
    from kdbuild.trainer.teacher.model import class_names

    return class_names(options.teacher.teacher[0])


def _fingerprint(source: Source, options: TrainOptions, teacher_names: Sequence[str] | None) -> str:
    # How rows are held out matters only where they are; balance acts later, in training.
    ignored = {"balance"} if len(source.parts) == 1 else {"balance", "holdout"}
    read_by = {name: value for name, value in options.data.under_first_names().items() if name not in ignored}
    return fingerprint(source.digests, teacher_names, read_by)


def _describe(record: Record, options: TrainOptions) -> None:
    """Say what was read, and warn of skewed classes."""
    rows, classes = record["rows"], record["classes"]
    say(f"data: {rows['train']:,} train rows, {rows['dev']:,} dev rows, {len(classes)} classes")
    say(f"data: {_balance(classes, rows['train'])}")
    if options.data.balance == "none" and max(classes.values()) > _SKEWED * min(classes.values()):
        say("Warning: the classes are skewed. Consider --balance weights or --balance sampling, and read the macro-F1.")


def _balance(classes: dict[str, int], rows: int) -> str:
    """List the classes with their shares of the training rows, the most frequent first."""
    ordered = sorted(classes.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {count:,} ({count / rows:.1%})" for label, count in ordered[:10])
    return shown + (f", and {len(ordered) - 10} more" if len(ordered) > 10 else "")


def _check_changed(folder: RunFolder, options: TrainOptions, before: TrainOptions, processes: Processes) -> None:
    """Refuse changed options that a stage would only refuse when it runs, and the run would then keep."""
    needed = stages_of(options, scored=folder.record("data")["scored"])
    read_by = {
        "augment": ("augment", *PERTURBATION_SECTIONS),
        "label": ("label", "machine"),
        "distill": ("student", "training", "machine"),
    }
    changed = [
        stage
        for stage, sections in read_by.items()
        if stage in needed and any(getattr(options, name) != getattr(before, name) for name in sections)
    ]
    check_machine(options, changed, processes)
    teacher = folder.record("teacher")
    # A run may have been copied here without the teacher that it doesn't need any more.
    for model in teacher_models(Output(folder.output("teacher"), teacher)) if changed and teacher else []:
        if Path(model).is_dir():
            check_teacher(options, load_teacher(options, model), changed, paired=is_paired(folder.output("data")))


def change_options(
    path: Path,
    change: Callable[[TrainOptions], TrainOptions],
    processes: Processes = ALONE,
    read_data: Callable[[], Data] | None = None,
    stage: str = "distill",
) -> Run:
    """Give an existing run other options, which its folder then keeps.

    Args:
        path: the run folder.
        change: returns the new options, given the old ones.
        processes: this one and the others.
        read_data: returns the run's splits, where they are in memory already.
        stage: the one that is to be run next.

    Raises:
        BadInputError: the folder isn't a run, or the stage isn't one of it with these options, which aren't kept then.
    """
    _check_names(str(path.absolute()))
    folder = RunFolder.open(path)
    open_run(folder)  # refuses a run without data
    if processes.is_main:
        with folder.locked():
            before, options = folder.options, change(folder.options)
            check_inputs(path, _named(options))
            _check_files(options)
            scored = folder.record("data")["scored"]
            check_stage(stage, options, scored=scored)
            if (options.teacher, options.augment) != (before.teacher, before.augment):
                _check_read(options, stages_of(options, scored=scored), scored=scored)
            if options != before:
                _check_changed(folder, options, before, processes)
            folder.save_options(options)
    processes.barrier()
    return open_run(folder, processes, read_data)
