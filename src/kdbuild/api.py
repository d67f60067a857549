"""The public functions, each what a command of the same purpose does; ``kdbuild`` itself gives them under these names.

Errors are those of :mod:`kdbuild.errors`, with the messages of the command line. Libraries are imported when a function needs
them.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbuild.errors import BadInputError, nearest, require

if TYPE_CHECKING:
    from kdbuild.export.run import Export
    from kdbuild.runtime.classifier import Classifier
    from kdbuild.runtime.data.readers import Rows
    from kdbuild.runtime.evaluation import Evaluation
    from kdbuild.trainer.options import TrainOptions
    from kdbuild.trainer.run.runner import Run

LabelledRows = Iterable[tuple[str, str]]
"""Texts with their labels."""
LabelledPairs = Iterable[tuple[str, str, str]]
"""First texts, second texts, and their labels."""


def train(
    data: "str | Path | LabelledRows",
    *,
    out: str | Path,
    options: "TrainOptions | None" = None,
    overwrite: bool = False,
    **flags: Any,
) -> "Run":
    """Distil a student from labelled text and a teacher, as ``kdbuild train`` does.

    A run that was interrupted goes on where it stopped, and a stage whose inputs didn't change isn't run again.

    Args:
        data: a file, a folder with train and dev files, the name of a dataset of the Hugging Face hub, or (text, label) rows,
            of which some are held out.
        out: the run folder.
        options: what to start from; the defaults if None.
        overwrite: replace a run that was made from other data.
        flags: options of the command line, with underscores: ``teacher="bert-base-uncased", teacher_epochs=2, epochs=3``.

    Raises:
        BadInputError: an option is unknown, or data or options can't be used.
        MissingExtraError: a library of the extra ``train`` isn't installed.
    """
    from kdbuild.trainer.options import TrainOptions

    chosen = _with_flags(options or TrainOptions(), flags)
    for module in ("torch", "transformers", "accelerate", "safetensors", "filelock"):
        require(module, "train")
    from kdbuild.trainer.data.sources import rows_source
    from kdbuild.trainer.run.folder import keep_former
    from kdbuild.trainer.run.start import start
    from kdbuild.trainer.training.processes import join_processes

    source = data if isinstance(data, str | Path) else rows_source(list(data))
    if options is None:
        chosen = keep_former(chosen, Path(out), {"student": flags, "augment": flags})
    run = start(source, Path(out), chosen, overwrite=overwrite, processes=join_processes())
    run.run()
    return run


def open_run(path: str | Path) -> "Run":
    """Open the folder of a run, finished or not, to look at it, to go on with it or to export it.

    Args:
        path: the run folder.

    Raises:
        BadInputError: it isn't a run folder.
    """
    from kdbuild.trainer.run.folder import RunFolder
    from kdbuild.trainer.run.runner import open_run as open_folder

    return open_folder(RunFolder.open(Path(path)))


def export_run(
    run: "Run | str | Path",
    *,
    out: str | Path | None = None,
    formats: Sequence[str] = ("all",),
    **flags: Any,
) -> "Export":
    """Write the student of a finished run as an artefact folder, as ``kdbuild export`` does.

    Every file is compared with the student first. Where one loses too much, nothing is written.

    Args:
        run: a run, or its folder.
        out: the artefact folder, which is replaced whole; ``RUN/artefact`` if None.
        formats: what ``--format`` takes: formats of the model files, ``all``, or one bundle.
        flags: the other options of ``kdbuild export``, with underscores: ``quantize=False, min_precision=95``.

    Raises:
        BadInputError: the run isn't finished, or the options can't be used.
        MissingExtraError: a library of the extra ``export`` isn't installed.
        GateError: a file loses too much, or the precision can't be reached.
    """
    for module in ("torch", "transformers", "safetensors"):
        require(module, "export")
    from kdbuild.export.run import export_run as export

    folder = Path(run) if isinstance(run, str | Path) else run.folder.path
    return export(folder, out=None if out is None else Path(out), formats=formats, **flags)


def evaluate(
    classifier: "Classifier",
    data: "str | Path | LabelledRows | LabelledPairs",
    *,
    text_column: str = "",
    pair_column: str = "sentence2",
    label_column: str = "label",
) -> "Evaluation":
    """Compare a classifier's answers with labels, as ``kdbuild eval`` does.

    Args:
        classifier: a loaded artefact.
        data: a TSV, CSV or JSONL file, or (text, label) rows, or, for a classifier of pairs, (text, second text, label) rows.
        text_column: the column of the texts; if empty, the one called sentence, text or tokens.
        pair_column: the column of second texts, for a classifier of pairs; if empty, the first texts alone are answered.
        label_column: the column of the labels.

    Raises:
        BadInputError: the data can't be read, or has other labels than the classifier, or pairs where it reads one text, or
            single texts where it reads pairs.
    """
    from kdbuild.runtime.data.readers import Columns, read_rows
    from kdbuild.runtime.evaluation import evaluate as evaluate_rows

    if not isinstance(data, str | Path):
        return evaluate_rows(classifier, _rows(list(data), pairs=classifier.manifest.pairs), Path("rows"))
    columns = Columns(text_column, pair_column, label_column)
    several = classifier.manifest.task == "multi"
    return evaluate_rows(classifier, read_rows(Path(data), columns, multi_label=several), Path(data))


def _rows(rows: Sequence[tuple[str, ...]], *, pairs: bool) -> "Rows":
    """Rows at hand, as those of a file.

    Raises:
        BadInputError: there are more or fewer texts in one than the classifier reads.
    """
    from kdbuild.runtime.data.readers import Rows

    expected = ("a text", "a second text", "a label") if pairs else ("a text", "a label")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(expected):
            raise BadInputError(
                f"rows, row {number}: {len(row)} parts. The classifier's rows are {', '.join(expected)}."
            )
    texts, *seconds, labels = ([row[place] for row in rows] for place in range(len(expected)))
    return Rows(texts, labels, pairs=seconds[0] if seconds else None)


def _with_flags(options: "TrainOptions", flags: dict[str, Any]) -> "TrainOptions":
    """The options with those that flags name.

    Raises:
        BadInputError: a flag is unknown or its value can't be used.
    """
    places = {}
    for part in dataclasses.fields(options):
        group = getattr(options, part.name)
        for spec in dataclasses.fields(group):
            for known in (spec.name, *spec.metadata["former"]):
                places[group.flag(known).removeprefix("--").replace("-", "_")] = (part.name, known)
    sections: dict[str, dict[str, Any]] = {}
    for flag, value in flags.items():
        if flag not in places:
            raise BadInputError(f"train({flag}=…): no such option. {nearest(flag, places)}")
        section, name = places[flag]
        sections.setdefault(section, {})[name] = [value] if _is_lone(options, section, name, value) else value
    return options.updated(sections, "train()")


def _is_lone(options: "TrainOptions", section: str, name: str, value: Any) -> bool:
    """Whether one string is given where several may be."""
    group = getattr(options, section)
    return isinstance(value, str | Path) and isinstance(getattr(group, group.present_name(name)), tuple)
