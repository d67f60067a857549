"""The stages of a training run in order: data, teacher, augment, label, distill.

Each stage's fingerprint covers its own options and the fingerprints of the stages it reads from, so that a changed option
reruns exactly what depends on it. A stage imports its libraries when it runs.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.runtime.data import read_text
from kdbuild.trainer.data import Data, data_files, digests, load_data, load_rows
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.progress import say
from kdbuild.trainer.run_folder import OUTPUTS, RunFolder, fingerprint, write_json
from kdbuild.trainer.splits import read_splits, write_splits


def start(data: Path, out: Path, options: TrainOptions, *, overwrite: bool = False) -> "Run":
    """Make a run folder for the user's data, or take up the one that is there.

    Raises:
        BadInputError: the data can't be trained on, or the folder holds something else. Nothing is written then.
    """
    files = data_files(data)
    known = digests(files)
    RunFolder.check(out, known, overwrite=overwrite)
    scored = load_rows(files[0]).scores is not None
    names = None
    if "teacher" in stages_of(options, scored=scored):
        from kdbuild.trainer.teacher import class_names

        names = class_names(options.teacher.teacher)
    # The split's options matter only where there is a split to make.
    inputs = fingerprint(known, names, asdict(options.data) if len(files) == 1 else options.data.seed)
    if RunFolder(out).is_done("data", inputs):
        return Run(RunFolder.create(out, known, options))
    loaded = load_data(data, options.data, names)
    folder = RunFolder.create(out, known, options)
    for warning in loaded.warnings:
        say(f"Warning: {warning}")
    with folder.writing("data", inputs) as (aside, report):
        write_splits(aside, loaded)
        report["scored"] = scored
        report["warnings"] = loaded.warnings
    say(f"data: {len(loaded.train):,} train rows, {len(loaded.dev):,} dev rows, {len(loaded.labels)} classes")
    return Run(folder)


def stages_of(options: TrainOptions, *, scored: bool) -> tuple[str, ...]:
    """The stages that these options need, in order.

    Args:
        options: of the run.
        scored: whether the training rows bring their own scores.
    """
    if scored:
        return ("data", "distill")
    if options.student.loss == "mse":
        return tuple(OUTPUTS)
    return ("data", "teacher", "distill") if options.student.embeddings == "teacher" else ("data", "distill")


def change_options(path: Path, change: Callable[[TrainOptions], TrainOptions]) -> "Run":
    """An existing run with other options, which its folder then keeps.

    Raises:
        BadInputError: the folder isn't a run.
    """
    folder = RunFolder.open(path)
    Run(folder)  # refuses a run without data
    folder.save_options(change(folder.options))
    return Run(folder)


class Run:
    """A run folder with what its stages need to know of each other.

    Args:
        folder: a run folder whose data stage is done.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        self.options = folder.options
        record = folder.record("data")
        if not record:
            raise BadInputError(
                f"{folder.path}: its data was never read. Start with: kdbuild train DATA --out {folder.path}"
            )
        self.scored: bool = record["scored"]
        self._data: Data | None = None

    @property
    def data(self) -> Data:
        """Both splits, read once."""
        if self._data is None:
            self._data = read_splits(self.folder.output("data"))
        return self._data

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
                return fingerprint(self.inputs("data"), asdict(options.teacher) | {"teacher": self._teacher_digest()})
            case "augment":
                return fingerprint(self.inputs("data"), asdict(options.augment))
            case "label":
                return fingerprint(self.inputs("teacher"), self.inputs("augment"), asdict(options.label))
            case _:
                before = [self.inputs(earlier) for earlier in self.stages if earlier != "distill"]
                return fingerprint(before, asdict(options.student))

    def _teacher_digest(self) -> str:
        """What identifies the teacher.

        One that isn't here any more, as on a machine that the finished run was copied to, can't have changed.
        """
        from kdbuild.trainer.teacher import teacher_digest

        name, record = self.options.teacher.teacher, self.folder.record("teacher")
        if record.get("source") == name and not Path(name).is_dir():
            return str(record["digest"])
        return teacher_digest(name)

    def run(self, stages: Sequence[str] | None = None) -> None:
        """Run stages that aren't done.

        Args:
            stages: names; all that the options need after the data if None. Every stage before them must be done.

        Raises:
            BadInputError: a stage isn't needed by these options, or one before it isn't done.
        """
        for stage in stages or self.stages[1:]:
            if stage not in self.stages:
                reason = (
                    "the data brings its own scores"
                    if self.scored
                    else f"--loss {self.options.student.loss} needs none"
                )
                raise BadInputError(
                    f"{stage}: not a stage of this run ({reason}). Its stages: {', '.join(self.stages)}."
                )
            for earlier in self.stages[: self.stages.index(stage)]:
                if not self.folder.is_done(earlier, self.inputs(earlier)):
                    raise BadInputError(
                        f"{self.folder.path}: stage '{earlier}' isn't done with these options, and '{stage}' reads its output. "
                        f"Run first: kdbuild {earlier} {self.folder.path}"
                    )
            self._run_one(stage)
            self._write_metrics()

    def _run_one(self, stage: str) -> None:
        inputs = self.inputs(stage)
        if self.folder.is_done(stage, inputs):
            say(f"{stage}: done before, kept")
            return
        begun = time.monotonic()
        with self.folder.writing(stage, inputs) as (aside, report):
            getattr(self, f"_{stage}")(aside, report)
            report["seconds"] = round(time.monotonic() - begun, 1)
        say(f"{stage}: {report['summary']} in {report['seconds']:.0f} s")

    def _teacher(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer import teacher

        options, name = self.options.teacher, self.options.teacher.teacher
        aside.mkdir(exist_ok=True)
        report["source"], report["digest"] = name, teacher.teacher_digest(name)
        if teacher.is_fine_tuned(teacher.load_config(name)):
            report["model"] = str(Path(name).resolve()) if Path(name).is_dir() else name
            loaded = teacher.Teacher(name, bf16=False, max_pieces=options.teacher_max_pieces)
            summary = "fine-tuned already"
        else:
            report["model"] = None
            report["log"] = teacher.fine_tune(name, self.data, options, self.options.data.seed, aside)
            loaded = teacher.Teacher(aside, bf16=False, max_pieces=options.teacher_max_pieces)
            summary = "fine-tuned"
        metrics = loaded.evaluate(self.data.dev)
        teacher.check_teacher(name, metrics, len(self.data.labels))
        report["dev"] = asdict(metrics)
        write_json(aside / "dev.json", asdict(metrics))
        # Last, so that a kill in the evaluation doesn't cost the training.
        shutil.rmtree(aside / "checkpoints", ignore_errors=True)
        report["summary"] = f"{summary}, dev accuracy {metrics.accuracy:.1%}"

    @property
    def teacher_folder(self) -> str:
        """What ``from_pretrained`` takes for the teacher of this run."""
        return self.folder.record("teacher")["model"] or str(self.folder.output("teacher"))

    def _augment(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.augment import augment
        from kdbuild.trainer.tagging import tag

        options, tokens = self.options.augment, self.data.train.tokens
        # Without replacement no tag is read.
        tagged = options.rounds > 0 and options.p_pos > 0
        tags = tag(tokens, options.spacy_model) if tagged else [["X"] * len(row) for row in tokens]
        count = 0
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write("tokens\n")
            for sentence in augment(tokens, tags, options, self.options.data.seed):
                stream.write(sentence + "\n")
                count += 1
        report["sentences"] = count
        report["summary"] = f"{count:,} distinct sentences from {len(tokens):,} rows"

    def _label(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.label import label
        from kdbuild.trainer.teacher import Teacher, pick_bf16

        sentences = self.transfer_sentences()
        bf16 = pick_bf16(self.options.label.precision)
        teacher = Teacher(self.teacher_folder, bf16=bf16, max_pieces=self.options.teacher.teacher_max_pieces)
        rate = label(sentences, teacher, self.options.label.label_batch_size, aside)
        report["precision"] = "bf16" if bf16 else "fp32"
        report["summary"] = f"{len(sentences):,} sentences ({rate:,.0f}/s, {report['precision']})"

    def transfer_sentences(self) -> list[str]:
        """The transfer set, tokens joined by spaces."""
        return read_text(self.folder.output("augment")).removesuffix("\n").split("\n")[1:]

    def _distill(self, aside: Path, report: dict[str, Any]) -> None:
        from kdbuild.trainer.distill import distill

        distill(self, aside, report)

    def _write_metrics(self) -> None:
        """Collect what the stages reported in ``metrics.json``."""
        records = {stage: self.folder.record(stage) for stage in OUTPUTS if self.folder.record(stage)}
        hidden = ("fingerprint", "summary", "log", "model", "source", "digest")
        metrics = {stage: {k: v for k, v in record.items() if k not in hidden} for stage, record in records.items()}
        write_json(self.folder.path / "metrics.json", metrics)
