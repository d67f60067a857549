"""A training run and its stages in order: data, teacher, augment, label, distill.

Each stage's fingerprint covers its own options and the fingerprints of the stages it reads from, so that a changed option
reruns exactly what depends on it. A stage imports its libraries when it runs.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.files import file_digest, fingerprint, write_json
from kdbuild.runtime.metrics import evaluate_logits
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.data.store import read_splits
from kdbuild.trainer.options import TrainingOptions, TrainOptions
from kdbuild.trainer.run.folder import OUTPUTS, RunFolder
from kdbuild.trainer.student.word_vectors import read_word_list
from kdbuild.trainer.training.processes import ALONE, Processes
from kdbuild.trainer.transfer_set.transfer_set import TransferSet


def stages_of(options: TrainOptions, *, scored: bool) -> tuple[str, ...]:
    """The stages that these options need, in order.

    Args:
        options: of the run.
        scored: whether the training rows bring their own scores.
    """
    if scored:
        return ("data", "distill")
    if options.student.loss != "cross_entropy":
        return tuple(OUTPUTS)
    return ("data", "teacher", "distill") if options.student.embeddings == "teacher" else ("data", "distill")


def _training(options: TrainingOptions) -> dict[str, Any]:
    """What makes a training what it is: how often it is saved doesn't."""
    return {name: value for name, value in options.under_first_names().items() if name != "checkpoint_every"}


class Run:
    """A run folder with what its stages need to know of each other.

    Args:
        folder: a run folder whose data stage is done.
        processes: this one and the others that work on it.
    """

    def __init__(self, folder: RunFolder, processes: Processes = ALONE):
        self.folder = folder
        self.processes = processes
        self.options = folder.options
        record = folder.record("data")
        if not record:
            raise BadInputError(
                f"{folder.path}: its data was never read. Start with: kdbuild train DATA --out {folder.path}"
            )
        self.scored: bool = record["scored"]
        self._multi_label: bool = record.get("multi_label", False)
        self._data: Data | None = None
        self._digests: dict[str, str] = {}

    @property
    def data(self) -> Data:
        """Both splits, read once."""
        if self._data is None:
            self._data = read_splits(self.folder.output("data"), multi_label=self._multi_label)
        return self._data

    @property
    def student_seed(self) -> int:
        """Seed of the student's weights, dropout and batches."""
        own = self.options.student.student_seed
        return self.options.data.seed if own < 0 else own

    @property
    def extra_words(self) -> list[str]:
        """Words that enter the vocabulary in any case."""
        path = self.options.student.extra_words
        return read_word_list(Path(path)) if path else []

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that these options need, in order."""
        return stages_of(self.options, scored=self.scored)

    def inputs(self, stage: str) -> str:
        """The fingerprint of what a stage reads: options and, in turn, the stages before it."""
        options = self.options
        match stage:
            case "data":
                return str(self.folder.record("data")["fingerprint"])
            case "teacher":
                teacher = options.teacher.under_first_names() | {"teacher": self._teacher_digest()}
                return fingerprint(
                    self.inputs("data"), teacher, _training(options.teacher_training), options.data.balance
                )
            case "augment":
                return fingerprint(self.inputs("data"), options.augment.under_first_names() | self._file_digests(stage))
            case "label":
                return fingerprint(self.inputs("teacher"), self.inputs("augment"), options.label.under_first_names())
            case _:
                before = [self.inputs(earlier) for earlier in self.stages if earlier != "distill"]
                student = options.student.under_first_names() | {"student_seed": self.student_seed} | self._file_digests(stage)
                return fingerprint(before, student, _training(options.training), options.data.balance)

    def _file_digests(self, stage: str) -> dict[str, list[str]]:
        """What stands in the files that a stage's options name, in place of their names.

        A file that isn't here any more, as on a machine that the finished run was copied to, can't have changed.
        """
        recorded: dict[str, str] = self.folder.record(stage).get("files", {})
        digests = {}
        for name, paths in self._named_files(stage).items():
            digests[name] = [self._digest(path) if Path(path).is_file() else recorded.get(path, "") for path in paths]
        return digests

    def _named_files(self, stage: str) -> dict[str, list[str]]:
        """Files that a stage's options name, by option."""
        if stage == "augment":
            return {"unlabelled": list(self.options.augment.unlabelled)}
        student = self.options.student
        vectors = [] if student.embeddings in ("teacher", "random") else [student.embeddings]
        named = {"extra_words": [student.extra_words] if student.extra_words else [], "embeddings": vectors}
        return {name: paths for name, paths in named.items() if paths}

    def _digest(self, path: str) -> str:
        """Of a file's content; files of word vectors are large, so each is read once a run."""
        if path not in self._digests:
            self._digests[path] = file_digest(Path(path))
        return self._digests[path]

    def _teacher_digest(self) -> str:
        """What identifies the teacher.

        One that isn't here any more, as on a machine that the finished run was copied to, can't have changed.
        """
        from kdbuild.trainer.teacher.model import teacher_digest

        name, record = self.options.teacher.teacher, self.folder.record("teacher")
        if record.get("source") == name and not Path(name).is_dir():
            return str(record["digest"])
        return teacher_digest(name)

    def run(self, stages: Sequence[str] | None = None) -> None:
        """Run stages that aren't done.

        Args:
            stages: names; all that the options need after the data if None. Every stage before them must be done.

        Raises:
            BadInputError: a stage isn't needed by these options, one before it isn't done, or another process works in
                the folder.
        """
        with self.folder.locked() if self.processes.is_main else nullcontext():
            for stage in stages or self.stages[1:]:
                self._check_order(stage)
                self._run_one(stage)
                if self.processes.is_main:
                    self._write_metrics()

    def _check_order(self, stage: str) -> None:
        if stage not in self.stages:
            reason = (
                "the data brings its own scores" if self.scored else f"--loss {self.options.student.loss} needs none"
            )
            raise BadInputError(f"{stage}: not a stage of this run ({reason}). Its stages: {', '.join(self.stages)}.")
        for earlier in self.stages[: self.stages.index(stage)]:
            if not self.folder.is_done(earlier, self.inputs(earlier)):
                raise BadInputError(
                    f"{self.folder.path}: stage '{earlier}' isn't done with these options, and '{stage}' reads its output. "
                    f"Run first: kdbuild {earlier} {self.folder.path}"
                )

    def _run_one(self, stage: str) -> None:
        inputs = self.inputs(stage)
        done = self.folder.is_done(stage, inputs)
        self.processes.barrier()  # all look before one of them writes
        if done:
            say(f"{stage}: done before, kept")
            return
        begun = time.monotonic()
        with self.folder.writing(stage, inputs, self.processes) as (aside, report):
            getattr(self, f"_{stage}")(aside, report)
            if stage in ("augment", "distill"):
                files = [path for paths in self._named_files(stage).values() for path in paths]
                report["files"] = {path: self._digest(path) for path in files}
            report["seconds"] = round(time.monotonic() - begun, 1)
        if self.processes.is_main:
            say(f"{stage}: {report['summary']} in {report['seconds']:.0f} s")

    def _teacher(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.teacher import model as teacher
        from kdbuild.trainer.training.device import pick_device

        name, device = self.options.teacher.teacher, pick_device(self.options.machine.device)
        pieces = self.options.teacher.teacher_max_pieces
        aside.mkdir(exist_ok=True)
        report["source"], report["digest"] = name, teacher.teacher_digest(name)
        fine_tuned = teacher.is_fine_tuned(teacher.load_config(name))
        log = None if fine_tuned else teacher.fine_tune(self, aside)
        if not self.processes.is_main:
            return
        is_folder = Path(name).is_dir()
        report["model"] = None if not fine_tuned else str(Path(name).resolve()) if is_folder else name
        if log is not None:
            write_json(aside / "log.json", log)
        loaded = teacher.Teacher(report["model"] or aside, bf16=False, max_pieces=pieces, device=device)
        logits = loaded.dev_logits(self.data.dev)
        metrics = evaluate_logits(logits, self.data.dev.targets)
        teacher.check_teacher(name, metrics, logits, self.data.dev.targets, was_given=fine_tuned)
        report["dev"] = asdict(metrics)
        write_json(aside / "dev.json", asdict(metrics))
        # Last, so that a kill in the evaluation doesn't cost the training.
        shutil.rmtree(aside / "checkpoints", ignore_errors=True)
        report["summary"] = f"fine-tuned{' already' if fine_tuned else ''}, dev accuracy {metrics.accuracy:.1%}"

    @property
    def teacher_folder(self) -> str:
        """What ``from_pretrained`` takes for the teacher of this run."""
        return self.folder.record("teacher")["model"] or str(self.folder.output("teacher"))

    def _augment(self, aside: Path, report: dict[str, Any]) -> None:
        if not self.processes.is_main:
            return
        from kdbuild.trainer.transfer_set.transfer_set import write_transfer_set

        train, seed = self.data.train, self.options.data.seed
        counts, report["summary"] = write_transfer_set(train, self.options.augment, seed, aside)
        report |= asdict(counts) | {"sentences": counts.sentences}

    def _label(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.teacher.label import label
        from kdbuild.trainer.teacher.model import Teacher
        from kdbuild.trainer.training.device import pick_bf16, pick_device

        lines, device = self.transfer_set(), pick_device(self.options.machine.device)
        bf16 = pick_bf16(self.options.label.label_dtype, device, "--label-dtype")
        pieces = self.options.teacher.teacher_max_pieces
        teacher = Teacher(self.teacher_folder, bf16=bf16, max_pieces=pieces, device=device)
        processes = self.processes
        rate = label(
            lines,
            teacher,
            self.options.label.label_batch_size,
            aside,
            rank=processes.rank,
            world_size=processes.world_size,
            barrier=processes.barrier,
        )
        report["precision"] = "bf16" if bf16 else "fp32"
        report["summary"] = f"{len(lines):,} texts ({rate:,.0f}/s, {report['precision']})"

    def transfer_set(self) -> TransferSet:
        """What the teacher labels and the student learns from."""
        return TransferSet(self.folder.output("augment"), self.folder.record("augment")["sentences"])

    def _distill(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.student.distill import distill

        distill(self, aside, report)

    def _write_metrics(self) -> None:
        """Collect what the stages reported in ``metrics.json``."""
        records = {stage: self.folder.record(stage) for stage in OUTPUTS if self.folder.record(stage)}
        hidden = ("fingerprint", "summary", "model", "source", "digest", "files")
        metrics = {stage: {k: v for k, v in record.items() if k not in hidden} for stage, record in records.items()}
        write_json(self.folder.path / "metrics.json", metrics)
