"""The run folder: what a training run has made so far, and of what.

A stage's output is written aside, renamed into place, and then recorded in ``.stages/NAME.json`` with the fingerprint of
its inputs. A stage is done when its record bears the fingerprint that its inputs have now; otherwise it runs again.
"""

import json
import os
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.files import remove, write_atomically, write_json
from kdbuild.staging import NEW
from kdbuild.trainer.options import AugmentOptions, TrainOptions
from kdbuild.trainer.recipe import recipe_toml
from kdbuild.trainer.run.stages import STAGES, Record
from kdbuild.trainer.run.written import OPTIONS, RECIPE, clear, staging_name
from kdbuild.trainer.training.processes import ALONE, Processes
from kdbuild.version import __version__


@dataclass(frozen=True)
class RunFolder:
    """A training run on disk."""

    path: Path

    @classmethod
    def check(cls, path: Path, data: dict[str, str], *, overwrite: bool) -> None:
        """Make sure that a run of this data may be kept in the folder; changes nothing.

        Args:
            path: the folder; missing, empty, or a run made from the same data.
            data: name and digest of each data file.
            overwrite: a run made from other data is fine too.

        Raises:
            BadInputError: the folder holds something else.
        """
        if path.exists() and not path.is_dir():
            raise BadInputError(f"--out {path}: not a folder. Choose another name.")
        if not is_empty(path):
            made_from = cls.open(path).data
            if made_from != data and not overwrite:
                raise BadInputError(
                    f"--out {path}: was made from other data ({', '.join(made_from)}). "
                    "Choose another folder, or add --overwrite to replace it."
                )

    @classmethod
    def prepare(cls, path: Path) -> "RunFolder":
        """Open the folder, made if it isn't there."""
        (path / ".stages").mkdir(parents=True, exist_ok=True)
        return cls(path)

    def clear(self) -> None:
        """Remove what a run of other data left, and nothing else."""
        clear(self.path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open an existing run folder.

        Raises:
            BadInputError: it isn't one.
        """
        run = cls(path)
        if not path.exists():
            raise BadInputError(
                f"{path}: no such run folder. Make one with: kdbuild train DATA --out {shlex.quote(str(path))}"
            )
        try:
            recognised = {"kdbuild", "files", "options"} <= run._read().keys()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
            recognised = False
        if not recognised:
            raise BadInputError(
                f"{path}: not a run folder of kdbuild (no options.json of ours). Choose another folder."
            )
        return run

    def _read(self) -> dict[str, Any]:
        content = json.loads((self.path / OPTIONS).read_bytes())
        if not isinstance(content, dict):
            raise ValueError("not an object")
        return content

    @property
    def options(self) -> TrainOptions:
        """The options that the run was last called with."""
        return TrainOptions.from_dict(self._read()["options"])

    @property
    def data(self) -> dict[str, str]:
        """Name and digest of each data file."""
        return dict(self._read()["files"])

    @property
    def location(self) -> str:
        """Where the data was read from, as a recipe names it."""
        return str(self._read().get("location", ""))

    def save_options(
        self, options: TrainOptions, data: dict[str, str] | None = None, location: str | None = None
    ) -> None:
        """Keep the options that the next stages run with, also as a recipe that can be run again."""
        files = self.data if data is None else data
        location = self.location if location is None else location
        content = {"kdbuild": __version__, "files": files, "location": location, "options": options.to_dict()}
        write_json(self.path / OPTIONS, content)
        write_atomically(self.path / RECIPE, recipe_toml(options, source=location).encode())

    def keeps(self, recipe: Path, options: TrainOptions, location: str) -> bool:
        """Tell whether a recipe is the folder's own, and running it here loses nothing that somebody wrote into it.

        Args:
            recipe: its file.
            options: what a run would be made with.
            location: where that run's data lies.
        """
        try:
            if not recipe.samefile(self.path / RECIPE):
                return False
            written = recipe_toml(self.options, source=self.location), recipe_toml(options, source=location)
            return recipe.read_bytes() in [text.encode() for text in written]
        except (OSError, ValueError, LookupError):
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder, until the block or this process ends.

        Raises:
            BadInputError: another process works in it.
        """
        from filelock import FileLock, Timeout  # an export reads the folder without a lock

        # One object a path, so that the process that has the lock may ask for it again.
        lock = FileLock(self.path / ".stages" / "lock", is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BadInputError(
                f"{self.path}: another kdbuild is working in this run folder. Wait for it, or choose another folder."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def output(self, stage: str) -> Path:
        """Return where a stage's output lies."""
        return self.path / STAGES[stage].output

    def record(self, stage: str) -> Record:
        """Return what a finished stage recorded: its fingerprint and whatever it reported; empty if it hasn't run."""
        try:
            return dict(json.loads((self.path / ".stages" / f"{stage}.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def is_done(self, stage: str, inputs: str) -> bool:
        """Tell whether the stage's output was made from inputs of this fingerprint."""
        return self.record(stage).get("fingerprint") == inputs and self.output(stage).exists()

    def complete(
        self, stage: str, inputs: str, make: Callable[[Path], Record | None], processes: Processes = ALONE
    ) -> Record | None:
        """Have a stage's output made at a staging path; then rename it into place and record it.

        After an interruption the same path is given again, with what was written there, as long as the inputs are the same:
        a stage that can resume finds its work there.

        Args:
            stage: the stage's name.
            inputs: the fingerprint of what it reads.
            make: writes the output to a path and returns the stage's report; of several processes, the main one's counts.
            processes: this one and the others that run the stage.

        Returns:
            The report of the main process; None in the others.
        """
        output = self.output(stage)
        staging = self.path / staging_name(output.name)
        marker = self.path / ".stages" / f"{stage}.partial"
        if processes.is_main and (not marker.exists() or marker.read_text() != inputs):
            remove(staging)
            write_atomically(marker, inputs.encode())
        processes.barrier()
        report = make(staging)
        if processes.is_main and report is not None:
            record = self.path / ".stages" / f"{stage}.json"
            # The old record goes first: killed in between, it must not vouch for the new output.
            record.unlink(missing_ok=True)
            remove(output)
            os.replace(staging, output)
            write_json(record, {"fingerprint": inputs, **report})
            marker.unlink()
        processes.barrier()
        return report if processes.is_main else None


def keep_former(
    options: TrainOptions, path: Path, given: Mapping[str, Collection[str]] = MappingProxyType({})
) -> TrainOptions:
    """Return options with what a run in the folder was made with by former defaults, so that new ones train nothing anew.

    Args:
        options: of the command.
        path: the run folder, if there is one.
        given: names of the options that the command was given, by section; these win.
    """
    try:
        before = RunFolder.open(path).options
    except BadInputError:
        return options  # whatever is wrong with the folder is said when the run starts
    if "tokenizer" not in given.get("student", ()):
        options = replace(options, student=replace(options.student, tokenizer=before.student.tokenizer))
    augment = given.get("augment", ())
    if "perturb" not in augment and before.augment.perturb == AugmentOptions.unsaid()["perturb"]:
        rounds = options.augment.rounds if "rounds" in augment else before.augment.rounds
        options = replace(options, augment=replace(options.augment, perturb=before.augment.perturb, rounds=rounds))
    return options


def is_empty(path: Path) -> bool:
    """Tell whether there is nothing in the folder but what a run that was stopped at once left there."""
    stopped = (".stages", OPTIONS + NEW)
    return not path.exists() or all(entry.name in stopped for entry in path.iterdir())
