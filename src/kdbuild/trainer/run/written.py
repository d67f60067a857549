"""The names that kdbuild writes in a run folder: what ``--overwrite`` removes, and where no input may lie."""

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from kdbuild.errors import BadInputError
from kdbuild.files import foreign_file, remove
from kdbuild.runtime.artefact import files_of_artefact
from kdbuild.staging import NEW, OLD, remove_leavings
from kdbuild.sums import listed_files
from kdbuild.trainer.run.stages import LABEL_CACHE, STAGES

OPTIONS = "options.json"
RECIPE = "recipe.toml"
REPORT = "report.html"
PAGE_MARK = '<meta name="generator" content="kdbuild">'
"""What tells a page of kdbuild's from others."""
EXPORTS = ("artefact", "aar", "c", "web")
"""Folders that an export writes by default."""
_STUDENTS = "students/*"
_OTHERS = (
    ".stages",
    OPTIONS,
    RECIPE,
    LABEL_CACHE,
    "metrics.json",
    "metrics.csv",
    "misclassified.tsv",
    "plots/learning_curve.png",
    "plots/label_scores.png",
    "plots/confusion_matrix.png",
    "plots/reliability.png",
    "plots/ablation.png",
    "tensorboard/teacher",
    "tensorboard/teacher-*",
    "tensorboard/student",
    "ablation.json",
    "ablation.md",
    _STUDENTS,
    REPORT,
    *EXPORTS,
)


def staging_name(output: str) -> str:
    """Return the name beside a stage's output that it is written to first."""
    path = PurePath(output)
    return f"{path.stem}.partial{path.suffix}"


def written_names() -> tuple[str, ...]:
    """Return patterns of the names, relative to the run folder; what lies below one belongs to it."""
    outputs = [stage.output for stage in STAGES.values()]
    return (*outputs, *map(staging_name, outputs), *_OTHERS)


def is_page(path: Path) -> bool:
    """Tell whether a file is a page that ``kdbuild report`` wrote."""
    with path.open("rb") as stream:
        return PAGE_MARK.encode() in stream.read(4096)


def clear(run: Path) -> None:
    """Remove what a run left, but for its lock and ``options.json``, by which the folder is known; other files stay."""
    # The records go first: killed in between, they must not vouch for what is half removed.
    for path in (run / ".stages").glob("*.*"):
        remove(path)
    for path in _left(run):
        remove(path)
    for place in (run, run / "students"):
        remove_leavings(place)
        for path in place.glob(f".*{OLD}"):
            remove(path)
    for folder in ("plots", "tensorboard", "students"):
        if (run / folder).is_dir() and not any((run / folder).iterdir()):
            remove(run / folder)


def _left(run: Path) -> Iterator[Path]:
    """List what is there of a run and is its own."""
    for name in written_names():
        if name in (".stages", OPTIONS):
            continue
        for path in [*run.glob(name), *run.glob(name + NEW)]:
            if name == _STUDENTS and not (path / "result.json").is_file():
                continue
            if name == REPORT and not (path.is_file() and is_page(path)):
                continue
            if name in EXPORTS and not _is_export(path):
                continue
            yield path


def _is_export(folder: Path) -> bool:
    """Tell whether a folder holds an artefact or a bundle, and nothing else."""
    return folder.is_dir() and foreign_file(folder, [*files_of_artefact(folder), *listed_files(folder)]) is None


def check_inputs(run: Path, inputs: Iterable[tuple[str, Path]]) -> None:
    """Refuse inputs at or below what the run folder writes itself, since writing it would replace them.

    Args:
        run: the run folder, there or not.
        inputs: how each input is called in a message, and its path; one that isn't there is fine.

    Raises:
        BadInputError: one lies there.
    """
    for title, path in inputs:
        name = written_name(run, path)
        if name is not None and os.path.lexists(path):
            raise BadInputError(
                f"{title}: lies in {run / name}, which this run writes anew. Copy it to another place, or choose another "
                "run folder."
            )


def written_name(run: Path, path: Path) -> str | None:
    """Return the name in the run folder that a path is at or below, if kdbuild writes it; links count where they lie, too."""
    base = Path(os.path.realpath(run))
    # A link in the folder is replaced as well as what a link from elsewhere points to.
    for found in (Path(os.path.realpath(path)), Path(os.path.realpath(path.parent)) / path.name):
        if not found.is_relative_to(base):
            continue
        parts = found.relative_to(base).parts
        for pattern in written_names():
            head = "/".join(parts[: pattern.count("/") + 1])
            if fnmatchcase(head, pattern):
                return head
    return None
