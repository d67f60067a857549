"""The teacher made ready: fine-tuned on the labelled rows unless it is already, and checked on dev."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForSequenceClassification, set_seed

from kdbuild.errors import BadInputError
from kdbuild.files import write_json
from kdbuild.runtime.arrays import evaluate_logits
from kdbuild.runtime.metrics import Metrics
from kdbuild.trainer.data.balance import class_weights, row_weights
from kdbuild.trainer.data.split import Data, Split
from kdbuild.trainer.data.texts import columns
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.teacher.ensemble import class_columns
from kdbuild.trainer.teacher.inputs import hold_to_single_texts, padding
from kdbuild.trainer.teacher.model import TRIED, Teacher, check_vocabulary, is_fine_tuned
from kdbuild.trainer.training.batches import SequenceDataset
from kdbuild.trainer.training.device import pick_device
from kdbuild.trainer.training.loop import fit
from kdbuild.trainer.training.losses import Objective
from kdbuild.trainer.training.pieces import encode_pieces, with_segments
from kdbuild.trainer.training.pretrained import load_config, load_model, load_tokenizer
from kdbuild.trainer.training.processes import Processes
from kdbuild.trainer.training.task import problem_type

DEV_LOGITS = "dev_logits.npy"
"""What each of several teachers answers on dev, ``[rows, classes]`` in the order of the data's labels."""


@dataclass(frozen=True)
class ReadyTeacher:
    """A teacher that can be asked."""

    model: str | None
    """What ``from_pretrained`` takes; None for the one that was fine-tuned into the given folder."""
    dev: Metrics
    columns: list[int]
    """Where its logits have each label's."""


def prepare_teacher(
    data: Data, name: str, options: TrainOptions, folder: Path, board: Path, processes: Processes
) -> ReadyTeacher | None:
    """Fine-tune the teacher unless it is already, and check it on dev.

    Args:
        data: train, to learn from, and dev.
        name: what ``from_pretrained`` takes, one of the teachers that the options name.
        options: those of the teacher, of its training, and of the machine.
        folder: gets the metrics and, where it is fine-tuned here, the model; checkpoints found there are taken up.
        board: gets TensorBoard's logs.
        processes: this one and the others that train; the main one writes.

    Returns:
        What the main process found; None in the others.

    Raises:
        BadInputError: the teacher can't be loaded, or it knows nothing of the data.
    """
    device, several = pick_device(options.machine.device), len(options.teacher.teacher) > 1
    folder.mkdir(exist_ok=True)
    was_given = is_fine_tuned(load_config(name))
    columns = class_columns(name, data.labels) if several else list(range(len(data.labels)))
    model = None
    if was_given:
        model = str(Path(name).resolve()) if Path(name).is_dir() else name
    # The earlier one of several teachers, before the run was killed in a later one's training.
    if several and (folder / "dev.json").exists():
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return ReadyTeacher(model, Metrics(**json.loads((folder / "dev.json").read_bytes())), columns)
    log = None if was_given else fine_tune(data, name, options, folder, board, processes)
    if not processes.is_main:
        return None
    if log is not None:
        write_json(folder / "log.json", log)
    teacher = Teacher(model or folder, bf16=False, max_pieces=options.teacher.teacher_max_pieces, device=device)
    logits = teacher.dev_logits(data.dev)[:, columns]
    metrics = evaluate_logits(logits, data.dev.targets)
    check_teacher(name, metrics, logits, data.dev.targets, was_given=was_given)
    if several:
        np.save(folder / DEV_LOGITS, logits, allow_pickle=False)
    write_json(folder / "dev.json", asdict(metrics))
    # Last, so that a kill in the evaluation doesn't cost the training.
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return ReadyTeacher(model, metrics, columns)


def fine_tune(
    data: Data, name: str, options: TrainOptions, folder: Path, board: Path, processes: Processes
) -> list[dict[str, float]]:
    """Fine-tune a pretrained encoder on the labelled rows; resumes from the ``checkpoints`` in the same folder.

    The teacher learns from our tokens joined by spaces, since that is what it will be asked to label. The main process
    saves it.

    Args:
        data: train and dev.
        name: what ``from_pretrained`` takes.
        options: those of the teacher, of its training, and of the machine.
        folder: gets the model.
        board: gets TensorBoard's logs.
        processes: this one and the others that train.

    Returns:
        The training log.
    """
    seed, balance = options.data.seed, options.data.balance
    tokenizer = load_tokenizer(name)
    set_seed(seed)  # the new classifier's weights
    names = dict(enumerate(data.labels))
    model = load_model(
        AutoModelForSequenceClassification,
        name,
        tokenizer,
        num_labels=len(names),
        id2label=names,
        label2id={label: index for index, label in names.items()},
        problem_type=problem_type(multi_label=data.multi_label),
        dtype=torch.float32,
    )

    check_vocabulary(name, tokenizer, model)
    complete, padded = with_segments(model, tokenizer), padding(model, tokenizer)
    pieces = options.teacher.teacher_max_pieces
    hold_to_single_texts(model, padded, complete, encode_pieces(tokenizer, TRIED, None, pieces))

    def dataset(split: Split, weights: npt.NDArray[np.float64] | None = None) -> SequenceDataset:
        encoded = encode_pieces(tokenizer, *columns(split.row_texts()), pieces)
        return SequenceDataset(encoded, split.targets, padded.pad_id, weights=weights, left=padded.left)

    log = fit(
        "teacher",
        model,
        dataset(data.train, row_weights(data.train.targets) if balance == "sampling" else None),
        dataset(data.dev),
        options.teacher_training,
        Objective(class_weights=class_weights(data.train.targets, len(names)) if balance == "weights" else None),
        seed=seed,
        device=options.machine.device,
        checkpoints=folder / "checkpoints",
        board=board,
        collate=complete,
    )
    if processes.is_main:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return log


def check_teacher(
    name: str, metrics: Metrics, logits: npt.NDArray[np.float32], targets: npt.NDArray[Any], *, was_given: bool
) -> None:
    """Refuse a teacher that knows nothing of the data.

    Args:
        name: the teacher's, for the message.
        metrics: what it reaches on dev.
        logits: its logits on dev, ``[rows, classes]``.
        targets: the truth of dev, as in :class:`Split`.
        was_given: whether it was fine-tuned before, rather than here.

    Raises:
        BadInputError: its mean recall over the classes that dev has is below chance + 5 points; for several labels a text:
            the labels that are given don't get higher logits than those that aren't.
    """
    advice = (
        "Are its classes in another order? Use an encoder that is fine-tuned here, or another teacher."
        if was_given
        else "It learned nothing: try --teacher-epochs, another --teacher-learning-rate, or more rows."
    )
    if targets.ndim == 2:
        given, others = logits[targets == 1], logits[targets == 0]
        if len(given) and len(others) and not given.mean() > others.mean():
            raise BadInputError(
                f"--teacher {name}: gives the labels of {metrics.n} dev rows no higher logits than the others. {advice}"
            )
    else:
        answers = logits.argmax(axis=1)
        recall = float(np.mean([(answers[targets == target] == target).mean() for target in np.unique(targets)]))
        if recall < 1 / logits.shape[1] + 0.05:
            raise BadInputError(
                f"--teacher {name}: finds {recall:.1%} of the {metrics.n} dev rows of a class, on average over the classes, "
                f"below chance + 5 points. {advice}"
            )
