"""A run: the stages that its options need, each run once unless what it reads has changed."""

import json
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.files import write_json
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.data.store import read_splits
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.folder import RunFolder
from kdbuild.trainer.run.named_files import content_digest
from kdbuild.trainer.run.needs import check_machine
from kdbuild.trainer.run.stages import STAGES, Output, Record, StageInputs, stages_of, teacher_model
from kdbuild.trainer.training.processes import ALONE, Processes

_HIDDEN = ("fingerprint", "summary", "files")
"""What of any stage's record is kept out of ``metrics.json``."""


def check_stage(name: str, options: TrainOptions, *, scored: bool) -> None:
    """Refuse a stage that a run doesn't need.

    Args:
        name: of the stage.
        options: the run's.
        scored: whether its training rows bring their own scores.

    Raises:
        BadInputError: it isn't among the run's stages.
    """
    stages = stages_of(options, scored=scored)
    if name not in stages:
        reason = "the data brings its own scores" if scored else f"--loss {options.student.loss} needs none"
        raise BadInputError(f"{name}: not a stage of this run ({reason}). Its stages: {', '.join(stages)}.")


@dataclass(frozen=True)
class Run:
    """A run folder whose data stage is done, with the options that its stages run with."""

    folder: RunFolder
    options: TrainOptions
    scored: bool
    """Whether the training rows bring their own scores."""
    multi_label: bool
    """Whether a text may have several labels."""
    read_data: Callable[[], Data]
    """Returns both splits; they are read once."""
    processes: Processes = ALONE
    """This one and the others that work on it."""

    @property
    def data(self) -> Data:
        """Both splits."""
        return self.read_data()

    @property
    def metrics(self) -> dict[str, Any]:
        """What the finished stages reported, by stage: ``metrics.json``; empty if none is finished."""
        path = self.folder.path / "metrics.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return found

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that these options need, in order."""
        return stages_of(self.options, scored=self.scored)

    @property
    def teacher_folder(self) -> str:
        """What ``from_pretrained`` takes for the teacher of this run."""
        return teacher_model(self._output("teacher"))

    def inputs(self, stage: str) -> str:
        """Return the fingerprint of what a stage reads: options and, in turn, the stages before it."""
        return self._fingerprints()[stage]

    def run(self, stages: Sequence[str] | None = None) -> None:
        """Run stages that aren't done.

        Args:
            stages: names; all that the options need after the data if None. Every stage before them must be done.

        Raises:
            BadInputError: a stage isn't needed by these options, one before it isn't done, or another process works in
                the folder.
        """
        names = stages or self.stages[1:]
        with self.folder.locked() if self.processes.is_main else nullcontext():
            if self.processes.is_main:
                self._check_machine(names)
            for stage in names:
                self._run_one(stage)
                if self.processes.is_main:
                    self._write_metrics()

    def _fingerprints(self) -> dict[str, str]:
        """Return the fingerprint of each stage that these options need."""
        found: dict[str, str] = {}
        for name in self.stages:
            stage = STAGES[name]
            earlier = {other: found[other] for other in stage.needs(self.options, self.scored)}
            found[name] = stage.inputs(self.options, earlier, self.folder.record(name))
        return found

    def _check_machine(self, names: Sequence[str]) -> None:
        """Refuse what stages that aren't done can't have here, which may be elsewhere than where the run was started.

        Raises:
            BadInputError: as :func:`check_machine` does.
        """
        fingerprints = self._fingerprints()
        missing = [name for name in names if name in fingerprints and not self.folder.is_done(name, fingerprints[name])]
        if missing:
            check_machine(self.options, missing, self.processes)

    def _output(self, stage: str) -> Output:
        return Output(self.folder.output(stage), self.folder.record(stage))

    def _run_one(self, name: str) -> None:
        check_stage(name, self.options, scored=self.scored)
        fingerprints = self._fingerprints()
        for earlier in self.stages[: self.stages.index(name)]:
            if not self.folder.is_done(earlier, fingerprints[earlier]):
                raise BadInputError(
                    f"{self.folder.path}: stage '{earlier}' isn't done with these options, and '{name}' reads its output. "
                    f"Run first: kdbuild {earlier} {shlex.quote(str(self.folder.path))}"
                )
        done = self.folder.is_done(name, fingerprints[name])
        self.processes.barrier()  # all look before one of them writes
        if done:
            say(f"{name}: done before, kept")
            return
        record = self.folder.complete(name, fingerprints[name], lambda path: self._make(name, path), self.processes)
        if record is not None:
            say(f"{name}: {record['summary']} in {record['seconds']:.0f} s")

    def _make(self, name: str, path: Path) -> Record | None:
        """Have a stage write its output to a path, and return its record."""
        stage, begun = STAGES[name], time.monotonic()
        named = {} if stage.files is None else stage.files(self.options)
        # Digested first: by the time that the stage ends, a file may have changed or gone.
        files = {path: content_digest(path) for paths in named.values() for path in paths}
        earlier = {other: self._output(other) for other in stage.needs(self.options, self.scored)}
        record = stage.run(StageInputs(self.options, self.read_data, earlier, self.folder.path), path, self.processes)
        if record is None:
            return None
        known = {} if stage.files is None else {"files": files}
        return {**record, **known, "seconds": round(time.monotonic() - begun, 1)}

    def _write_metrics(self) -> None:
        """Collect what the stages reported in ``metrics.json``."""
        metrics = {}
        for name, stage in STAGES.items():
            if record := self.folder.record(name):
                hidden = (*_HIDDEN, *stage.hidden)
                metrics[name] = {key: value for key, value in record.items() if key not in hidden}
        write_json(self.folder.path / "metrics.json", metrics)


def open_run(folder: RunFolder, processes: Processes = ALONE, read_data: Callable[[], Data] | None = None) -> Run:
    """Open a run folder with the options that it keeps.

    Args:
        folder: a run folder.
        processes: this one and the others that work on it.
        read_data: returns the splits, where they are in memory already; else the folder's are read when they are needed.

    Raises:
        BadInputError: its data stage isn't done.
    """
    options, record = folder.options, folder.record("data")
    if not record:
        raise BadInputError(
            f"{folder.path}: its data was never read. "
            f"Start with: kdbuild train DATA --out {shlex.quote(str(folder.path))}"
        )
    multi_label = record.get("multi_label", False)
    if read_data is None:
        read_data = cache(lambda: read_splits(folder.output("data"), multi_label=multi_label))
    return Run(folder, options, record["scored"], multi_label, read_data, processes)
