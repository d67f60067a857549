"""The stages of a run, one entry of a table each: data, teacher, augment, label, distill.

A stage's fingerprint covers its own options and the fingerprints of the stages that it needs, so that a changed option
reruns exactly what depends on it. A stage imports its libraries when it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbuild.console import say
from kdbuild.files import fingerprint, remove
from kdbuild.trainer.data.balance import class_counts
from kdbuild.trainer.data.split import Data
from kdbuild.trainer.data.store import write_splits
from kdbuild.trainer.options import TrainingOptions, TrainOptions
from kdbuild.trainer.run.named_files import digests, teacher_digest
from kdbuild.trainer.training.processes import Processes

if TYPE_CHECKING:
    from kdbuild.trainer.student.training_set import TrainingSet
    from kdbuild.trainer.transfer_set.transfer_set import TransferSet

Record = dict[str, Any]
"""What a stage reports of itself, as JSON-ready values; kept in the run folder, and shown in ``metrics.json``."""
Fingerprints = Mapping[str, str]
"""What identifies the inputs of stages, by their names."""
LABEL_CACHE = "label-cache"
"""The folder in a run for the teacher's answers by text, where no other is named."""
Needs = Callable[[TrainOptions, bool], tuple[str, ...]]


@dataclass(frozen=True)
class Output:
    """What an earlier stage left."""

    path: Path
    record: Mapping[str, Any]


@dataclass(frozen=True)
class StageInputs:
    """What a stage reads when it runs."""

    options: TrainOptions
    read_data: Callable[[], Data]
    """Returns both splits."""
    earlier: Mapping[str, Output]
    """The outputs of the stages that it needs."""
    run_folder: Path
    """The folder for what people look at while a stage runs, or beside its output: curves, pictures, TensorBoard's logs."""


@dataclass(frozen=True)
class Stage:
    """One step of a run."""

    name: str
    output: str
    """The file or folder in the run folder that it writes."""
    needs: Needs
    """Returns the stages that it reads from, given the options and whether the rows bring their own scores."""
    inputs: Callable[[TrainOptions, Fingerprints, Mapping[str, Any]], str]
    """Returns the fingerprint of what it reads, given the options, the fingerprints of the stages that it needs, and what
    it recorded when it ran last (empty if it never did), which stands for files that aren't here any more."""
    run: Callable[[StageInputs, Path, Processes], Record | None]
    """Writes its output to a path, where it may find what an interrupted run left of it, and returns its report, in
    processes other than the main one None. A ``summary`` in the report is said, and kept out of ``metrics.json``."""
    files: Callable[[TrainOptions], dict[str, list[str]]] | None = None
    """Returns the files that its options name, by option; their digests are recorded."""
    hidden: tuple[str, ...] = ()
    """What of its record is for kdbuild alone, and kept out of ``metrics.json``."""


def stages_of(options: TrainOptions, *, scored: bool) -> tuple[str, ...]:
    """Return the stages that these options need, in order: the last of all stages, and those that it builds on.

    Args:
        options: the run's.
        scored: whether the training rows bring their own scores.
    """
    needed = {next(reversed(STAGES))}
    for stage in reversed(STAGES.values()):
        if stage.name in needed:
            needed.update(stage.needs(options, scored))
    return tuple(name for name in STAGES if name in needed)


def student_seed(options: TrainOptions) -> int:
    """Return the seed of the student's weights, dropout and batches."""
    own = options.student.student_seed
    return options.data.seed if own < 0 else own


def teacher_model(teacher: Output) -> str:
    """Return what ``from_pretrained`` takes for the teacher of a run, of several the first."""
    return str(teacher.record["model"] or teacher.path)


def teacher_folder(output: Path, place: int) -> Path:
    """Return the folder of one of several teachers: the first one's holds those of the others."""
    return output / str(place + 1) if place else output


def teacher_models(teacher: Output) -> list[str]:
    """Return what ``from_pretrained`` takes for each teacher of a run."""
    records = [teacher.record, *teacher.record.get("others", [])]
    return [str(one["model"] or teacher_folder(teacher.path, place)) for place, one in enumerate(records)]


def _always(*stages: str) -> Needs:
    return lambda options, scored: stages


def _training(options: TrainingOptions) -> dict[str, Any]:
    """Return what makes a training what it is: how often it is saved doesn't."""
    return {name: value for name, value in options.under_first_names().items() if name != "checkpoint_every"}


def _data_inputs(options: TrainOptions, earlier: Fingerprints, last: Mapping[str, Any]) -> str:
    # The user's data is read when a run is started; from then on, what was read then is what there is.
    return str(last["fingerprint"])


def _write_data(inputs: StageInputs, folder: Path, processes: Processes) -> Record:
    data = inputs.read_data()
    write_splits(folder, data)
    counts = class_counts(data.train.targets, len(data.labels)).tolist()
    return {
        "scored": data.train.scores is not None,
        "multi_label": data.multi_label,
        "warnings": data.warnings,
        "rows": {"train": len(data.train), "dev": len(data.dev)},
        "classes": dict(zip(data.labels, counts, strict=True)),
    }


def _teacher_inputs(options: TrainOptions, earlier: Fingerprints, last: Mapping[str, Any]) -> str:
    known = [last, *last.get("others", [])]
    named = [
        teacher_digest(name, next((one for one in known if one.get("source") == name), None))
        for name in options.teacher.teacher
    ]
    teacher = options.teacher.under_first_names() | {"teacher": named if len(named) > 1 else named[0]}
    return fingerprint(earlier["data"], teacher, _training(options.teacher_training), options.data.balance)


def _make_teacher(inputs: StageInputs, folder: Path, processes: Processes) -> Record | None:
    from kdbuild.trainer.teacher.fine_tune import prepare_teacher

    made: list[Record] = []
    summaries = []
    for place, name in enumerate(inputs.options.teacher.teacher):
        digest = teacher_digest(name)
        own = f"-{place + 1}" if place else ""
        board = inputs.run_folder / "tensorboard" / f"teacher{own}"
        to = teacher_folder(folder, place)
        ready = prepare_teacher(inputs.read_data(), name, inputs.options, to, board, processes)
        if ready is not None and processes.is_main:
            already = "" if ready.model is None else " already"
            summaries.append(f"fine-tuned{already}, dev accuracy {ready.dev.accuracy:.1%}")
            made.append({"source": name, "digest": digest, "model": ready.model, "dev": asdict(ready.dev)})
            if place:
                made[-1]["columns"] = ready.columns
    if not made:
        return None
    first, *others = made
    if not others:
        return {**first, "summary": summaries[0]}
    accuracies = [{"teacher": one["source"], "accuracy": one["dev"]["accuracy"]} for one in made]
    summary = "; ".join(f"{one['source']} {summary}" for one, summary in zip(made, summaries, strict=True))
    return {**first, "others": others, "teachers": accuracies, "summary": summary}


def _augment_files(options: TrainOptions) -> dict[str, list[str]]:
    return {"unlabelled": list(options.augment.unlabelled)}


def _augment_inputs(options: TrainOptions, earlier: Fingerprints, last: Mapping[str, Any]) -> str:
    read = options.augment.under_first_names()
    for name, group in (options.perturbations() or {"article": options.article}).items():
        values = group.under_first_names()
        # What stood in [augment] once is taken as if it still did.
        read |= values if group.former_section else {name: values}
    return fingerprint(earlier["data"], read | digests(_augment_files(options), last.get("files", {})))


def _augment(inputs: StageInputs, path: Path, processes: Processes) -> Record | None:
    if not processes.is_main:
        return None
    from kdbuild.trainer.transfer_set.transfer_set import write_transfer_set

    options = inputs.options
    for name, flags in options.unread_flags().items() if options.augment.rounds else ():
        say(f"Warning: {', '.join(flags)}: not read, since --perturb doesn't name {name}.")
    counts, summary = write_transfer_set(inputs.read_data().train, options, path)
    return {"summary": summary, **asdict(counts), "sentences": counts.sentences}


def _label_inputs(options: TrainOptions, earlier: Fingerprints, last: Mapping[str, Any]) -> str:
    label = options.label.under_first_names()
    # Left out where it changes nothing of what was done before it could be chosen.
    if len(options.teacher.teacher) == 1 or options.label.teacher_weights == "equal":
        del label["teacher_weights"]
    return fingerprint(earlier["teacher"], earlier["augment"], label)


def label_cache(inputs: StageInputs) -> Path:
    """Return the folder that keeps the teacher's answers by text."""
    return Path(inputs.options.machine.label_cache or inputs.run_folder / LABEL_CACHE)


def _label(inputs: StageInputs, folder: Path, processes: Processes) -> Record:
    models = teacher_models(inputs.earlier["teacher"])
    if len(models) == 1:
        return _ask(inputs, models[0], folder, processes)
    folder.mkdir(exist_ok=True)
    answered = [folder / f"teacher-{place}" for place in range(1, len(models) + 1)]
    asked = [_ask(inputs, model, to, processes) for model, to in zip(models, answered, strict=True)]
    pooled = _pool(inputs, answered, folder) if processes.is_main else {}
    said = pooled.pop("said", "")
    summary = "; ".join(f"{Path(model).name}: {one['summary']}" for model, one in zip(models, asked, strict=True))
    totals = {name: sum(one[name] for one in asked) for name in ("asked", "known")}
    return {"precision": [one["precision"] for one in asked], **totals, **pooled, "summary": summary + said}


def _pool(inputs: StageInputs, answered: Sequence[Path], folder: Path) -> Record:
    """Write the weighted mean of the teachers' logits, and return their weights and what they reach on dev together."""
    import numpy as np

    from kdbuild.runtime.arrays import evaluate_logits
    from kdbuild.trainer.teacher.ensemble import combine, weigh
    from kdbuild.trainer.teacher.fine_tune import DEV_LOGITS
    from kdbuild.trainer.teacher.label import write_labels

    teacher, dev, chosen = inputs.earlier["teacher"], inputs.read_data().dev, inputs.options.label.teacher_weights
    multi_label = dev.targets.ndim == 2
    on_dev = [
        np.load(teacher_folder(teacher.path, place) / DEV_LOGITS, allow_pickle=False) for place in range(len(answered))
    ]
    weights = weigh(on_dev, dev.targets, chosen)
    metrics = evaluate_logits(combine(on_dev, weights, multi_label=multi_label), dev.targets)
    columns = [list(range(on_dev[0].shape[1])), *(one["columns"] for one in teacher.record["others"])]
    if not (folder / "logits.npy").exists():
        logits = [
            np.load(path / "logits.npy", allow_pickle=False)[:, order]
            for path, order in zip(answered, columns, strict=True)
        ]
        write_labels(folder, _transfer_set(inputs), combine(logits, weights, multi_label=multi_label))
    for path in answered:
        remove(path)
    said = f"; together dev accuracy {metrics.accuracy:.1%}" + (", weighted on it" if chosen == "dev" else "")
    return {"weights": weights.tolist(), "weighted_on": chosen, "dev": asdict(metrics), "said": said}


def _transfer_set(inputs: StageInputs) -> "TransferSet":
    from kdbuild.trainer.transfer_set.transfer_set import TransferSet

    augment = inputs.earlier["augment"]
    return TransferSet(augment.path, augment.record["sentences"])


def _ask(inputs: StageInputs, model: str, folder: Path, processes: Processes) -> Record:
    """Have one teacher label the transfer set."""
    from kdbuild.trainer.teacher.label import label
    from kdbuild.trainer.teacher.model import Teacher
    from kdbuild.trainer.teacher.store import LabelStore
    from kdbuild.trainer.training.device import pick_device

    options, texts = inputs.options, _transfer_set(inputs)
    device = pick_device(options.machine.device)
    teacher = Teacher(model, max_pieces=options.teacher.teacher_max_pieces, device=device)
    digest = teacher.digest  # of the weights as they were saved, whatever they are turned to
    bf16 = teacher.labels_in_bf16(options.label.label_dtype, options.label.flag("label_dtype"))
    precision = "bf16" if bf16 else "fp32"
    store = LabelStore(label_cache(inputs) / f"{digest}-{precision}", teacher.model.config.num_labels)
    asked, known, rate = label(
        texts,
        teacher,
        options.label.label_batch_size,
        folder,
        store=store,
        rank=processes.rank,
        world_size=processes.world_size,
        barrier=processes.barrier,
    )
    return {
        "precision": precision,
        "asked": asked,
        "known": known,
        "summary": f"{len(texts):,} texts, {known:,} known before, {asked:,} asked ({rate:,.0f}/s, {precision})",
    }


def _distill_needs(options: TrainOptions, scored: bool) -> tuple[str, ...]:
    if scored:
        return ("data",)
    if options.student.loss != "cross_entropy":
        return ("data", "teacher", "augment", "label")
    return ("data", "teacher") if options.student.embeddings == "teacher" else ("data",)


def _distill_files(options: TrainOptions) -> dict[str, list[str]]:
    student = options.student
    vectors = [] if student.embeddings in ("teacher", "random") else [student.embeddings]
    named = {"extra_words": [student.extra_words] if student.extra_words else [], "embeddings": vectors}
    return {name: paths for name, paths in named.items() if paths}


def _distill_inputs(options: TrainOptions, earlier: Fingerprints, last: Mapping[str, Any]) -> str:
    student = options.student.under_first_names() | {"student_seed": student_seed(options)}
    student |= digests(_distill_files(options), last.get("files", {}))
    return fingerprint(list(earlier.values()), student, _training(options.training), options.data.balance)


def training_rows(options: TrainOptions, earlier: Mapping[str, Output], data: Data) -> "TrainingSet":
    """Read what a student is trained on: the labelled transfer set or, where nothing labels it, the rows.

    Args:
        options: the run's.
        earlier: the outputs of the stages that the student needs, those of ``augment`` and ``label`` at least.
        data: both splits.
    """
    import numpy as np

    from kdbuild.trainer.student.training_set import labelled_rows, transfer_rows
    from kdbuild.trainer.transfer_set.transfer_set import TransferSet

    if "label" not in earlier:
        return labelled_rows(data.train, use_scores=options.student.loss != "cross_entropy")
    counts = earlier["augment"].record
    return transfer_rows(
        TransferSet(earlier["augment"].path, counts["sentences"]),
        np.load(earlier["label"].path / "logits.npy", allow_pickle=False),
        range(counts["originals"], counts["sentences"] - counts["unlabelled"]),
        data.train,
        use_labels=options.student.alpha != 1,
    )


def _distill(inputs: StageInputs, folder: Path, processes: Processes) -> Record | None:
    from kdbuild.trainer.student.distill import distill
    from kdbuild.trainer.student.word_vectors import read_word_list

    options, earlier, data = inputs.options, inputs.earlier, inputs.read_data()
    rows = training_rows(options, earlier, data)
    student = distill(
        data,
        rows,
        options,
        seed=student_seed(options),
        teacher=teacher_model(earlier["teacher"]) if "teacher" in earlier else None,
        extra_words=read_word_list(Path(options.student.extra_words)) if options.student.extra_words else [],
        folder=folder,
        run_folder=inputs.run_folder,
        processes=processes,
    )
    if student is None:
        return None
    low, high = student.dev.interval
    entries = "words and pieces" if options.student.tokenizer == "pieces" else "words"
    summary = (
        f"dev accuracy {student.dev.accuracy:.1%} ({low:.1%} to {high:.1%}), {student.parameters / 1e6:.1f} M parameters, "
        f"{student.vocabulary:,} {entries} ({1 - student.dev_oov_rate:.1%} of dev's tokens), from {student.texts:,} texts"
    )
    return {**asdict(student), "summary": summary}


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("data", "splits", _always(), _data_inputs, _write_data),
        Stage(
            "teacher",
            "teacher",
            _always("data"),
            _teacher_inputs,
            _make_teacher,
            hidden=("source", "digest", "model", "others"),
        ),
        Stage("augment", "transfer.tsv", _always("data"), _augment_inputs, _augment, files=_augment_files),
        Stage("label", "labels", _always("teacher", "augment"), _label_inputs, _label),
        Stage("distill", "student", _distill_needs, _distill_inputs, _distill, files=_distill_files),
    )
}
"""All stages in order. The last is what a run is for: it runs, and before it whatever it needs."""
