"""What the stages will need of the machine and of the teacher, tried before the first of them has cost anything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdbuild.console import say
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import TrainingOptions, TrainOptions
from kdbuild.trainer.training.processes import Processes

if TYPE_CHECKING:
    from kdbuild.trainer.teacher.model import Teacher


def check_machine(options: TrainOptions, stages: Sequence[str], processes: Processes) -> None:
    """Refuse a device, a number format, a batch size or a tagger that stages can't have here.

    Args:
        options: those of all stages.
        stages: those that will run.
        processes: this one and the others.

    Raises:
        BadInputError: there is no such device, it lacks the format, or the processes can't share a batch.
        MissingExtraError: the tagger isn't installed.
    """
    from kdbuild.trainer.training.device import pick_bf16, pick_device

    device = pick_device(options.machine.device)
    if "label" in stages:
        pick_bf16(options.label.label_dtype, device, options.label.flag("label_dtype"))
    for stage, training in (("teacher", options.teacher_training), ("distill", options.training)):
        if stage in stages:
            pick_bf16(training.dtype, device, training.flag("dtype"))
            training.check_shared(processes.world_size)
    if "augment" in stages and options.tagger is not None:
        from kdbuild.trainer.transfer_set.tagging import check_pipeline

        check_pipeline(options.tagger)


def load_teacher(options: TrainOptions, name: str) -> "Teacher":
    """Load a teacher to try it; one that isn't fine-tuned yet gets a classifier that is drawn at random.

    Args:
        options: those of the teacher and of the machine.
        name: what ``from_pretrained`` takes.

    Raises:
        BadInputError: it can't be loaded, or isn't whole.
    """
    import torch

    from kdbuild.trainer.teacher.model import Teacher, is_fine_tuned
    from kdbuild.trainer.training.device import pick_device
    from kdbuild.trainer.training.pretrained import load_config

    device, pieces = pick_device(options.machine.device), options.teacher.teacher_max_pieces
    whole = is_fine_tuned(load_config(name))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a new classifier is drawn
        return Teacher(name, max_pieces=pieces, device=device, whole=whole)


def check_teacher(options: TrainOptions, teacher: "Teacher", stages: Sequence[str], *, paired: bool = False) -> None:
    """Do on a few texts what the stages will ask of the teacher.

    Args:
        options: those of all stages.
        teacher: from :func:`load_teacher`; not to be used any more.
        stages: those that will run.
        paired: whether the rows are pairs of texts.

    Raises:
        BadInputError: it can't do what a stage needs.
    """
    from kdbuild.trainer.student.embeddings import in_bf16, mean_states
    from kdbuild.trainer.teacher.model import TRIED
    from kdbuild.trainer.training.device import failure, has_bf16
    from kdbuild.trainer.training.pieces import mask_token

    model, tokenizer, device = teacher.model, teacher.tokenizer, teacher.device
    name, kind = teacher.name, type(model).__name__
    pieces = teacher.encode(TRIED, TRIED[::-1] if paired else None)
    if reason := failure(lambda: teacher.answer(pieces), device):
        texts = "pairs of texts" if paired else "texts"
        raise BadInputError(f"--teacher {name}: {kind} can't classify {texts} ({reason}). Use another teacher.")
    if "teacher" in stages and not teacher.is_fine_tuned:
        _check_fine_tuning(options.teacher_training, teacher, pieces)
    if "distill" in stages and options.student.embeddings == "teacher":
        base = model.base_model
        if reason := failure(lambda: mean_states(base, tokenizer, teacher.encode(TRIED)), device):
            raise BadInputError(
                f"--teacher {name}: {kind} gives no word vectors ({reason}). Use --embeddings random or another teacher."
            )
        if options.training.dtype == "bf16" and has_bf16(device):
            in_bf16(base.to("cpu"), tokenizer, "bf16")
            model.to(device)
    if "label" in stages:
        if options.label.label_dtype == "bf16":
            teacher.labels_in_bf16("bf16", options.label.flag("label_dtype"))
        if not tokenizer.mask_token:
            say(f"--teacher {name}: has no mask token, so a masked word reaches it as {mask_token(tokenizer)!r}")


def _check_fine_tuning(options: TrainingOptions, teacher: "Teacher", pieces: Sequence[Sequence[int]]) -> None:
    """Compute the gradients of a batch in the number format that fine-tuning will choose.

    Raises:
        BadInputError: the architecture can't, or can't in the format that was asked for.
    """
    import torch

    from kdbuild.trainer.training.device import failure, pick_bf16
    from kdbuild.trainer.training.loop import training_step
    from kdbuild.trainer.training.losses import Objective

    model, device = teacher.model, teacher.device
    labels = torch.arange(len(pieces)) % model.config.num_labels
    batch = teacher.batch(pieces) | {"labels": labels}

    def step(bf16: bool) -> str | None:
        return failure(lambda: training_step(model, batch, Objective(), device, bf16=bf16), device)

    bf16 = pick_bf16(options.dtype, device, options.flag("dtype"))
    reason = step(bf16)
    kind = type(model).__name__
    if reason and options.dtype == "bf16":
        raise BadInputError(f"{options.flag('dtype')} bf16: {kind} can't compute in it ({reason}). Use auto or fp32.")
    if reason and bf16:  # auto falls back
        reason = step(False)
    if reason:
        raise BadInputError(f"--teacher {teacher.name}: {kind} can't be fine-tuned ({reason}). Use another teacher.")
    model.eval()
