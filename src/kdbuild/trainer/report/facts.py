"""What a report is about: the facts that a run folder holds."""

import json
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.store import read_labels
from kdbuild.trainer.run.folder import RunFolder
from kdbuild.trainer.transfer_set.transfer_set import TransferCounts

_JSON_NAMES: dict[type, str] = {dict: "object", list: "list"}


@dataclass(frozen=True)
class Facts:
    """A run whose student is trained."""

    path: Path
    """The run folder."""
    version: str
    """The version of the kdbuild that made it."""
    files: dict[str, str]
    """SHA-256 of each data file, by its name."""
    options: dict[str, dict[str, Any]]
    """By group, as in a recipe."""
    metrics: dict[str, dict[str, Any]]
    """By stage, those that ran."""
    labels: list[str]

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.path.resolve().name

    @property
    def dev(self) -> dict[str, Any]:
        """The student's metrics on dev."""
        return dict(self.metrics["distill"]["dev"])

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return bool(self.metrics.get("data", {}).get("multi_label", False))

    @property
    def teacher(self) -> str:
        """The teachers' names, of a path the last part; empty where there was none."""
        named = self.options.get("teacher", {}).get("teacher", "")
        names = [named] if isinstance(named, str) else named
        return " and ".join(Path(name).name for name in names) if "teacher" in self.metrics else ""

    @property
    def teachers(self) -> list[tuple[str, float]]:
        """Name and dev accuracy of each of several teachers; empty where there was one."""
        return [
            (Path(one["teacher"]).name, one["accuracy"]) for one in self.metrics.get("teacher", {}).get("teachers", [])
        ]

    @property
    def teacher_accuracy(self) -> float | None:
        """What the student was taught by reaches on dev: the teacher, or the teachers together."""
        label, teacher = self.metrics.get("label", {}), self.metrics.get("teacher", {})
        accuracy: float | None = (label.get("dev") or teacher.get("dev") or {}).get("accuracy")
        return accuracy

    @property
    def shares(self) -> str:
        """How many sentences of the transfer set come from where; empty if the run doesn't say."""
        record = self.metrics.get("augment", {})
        if "perturbations" not in record:
            return ""
        return TransferCounts(**{spec.name: record[spec.name] for spec in fields(TransferCounts)}).shares


def read_facts(run: Path) -> Facts:
    """Read a run folder.

    Raises:
        BadInputError: it isn't a run folder, its student isn't trained, or a file in it is damaged.
    """
    folder = RunFolder.open(run)
    options = read_json(run / "options.json")
    metrics = read_json(run / "metrics.json") if (run / "metrics.json").is_file() else {}
    if "dev" not in metrics.get("distill", {}):
        raise BadInputError(
            f"{run}: its student isn't trained. Finish it with: kdbuild distill {shlex.quote(str(run))}"
        )
    labels = read_labels(folder.output("data"))
    return Facts(run, str(options["kdbuild"]), folder.data, options["options"], metrics, labels)


def read_json(path: Path, kind: type = dict) -> Any:
    """Read one of the run's files, an object or a list.

    Raises:
        BadInputError: it isn't JSON, or of another kind.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInputError(f"{path}: not valid JSON ({error}). Restore the file, or train again.") from error
    if not isinstance(value, kind):
        raise BadInputError(f"{path}: holds no JSON {_JSON_NAMES[kind]}. Restore the file, or train again.")
    return value
