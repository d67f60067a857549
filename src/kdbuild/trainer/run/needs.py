"""What the stages will need of the machine and of the teacher, tried before the first of them has cost anything."""

from collections.abc import Sequence

from kdbuild.errors import BadInputError
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.training.processes import Processes


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
    if "augment" in stages and options.augment.p_pos > 0:
        from kdbuild.trainer.transfer_set.tagging import check_pipeline

        check_pipeline(options.augment.spacy_model)


def check_teacher(options: TrainOptions, name: str, stages: Sequence[str]) -> None:
    """Do on a few texts what the stages will ask of the teacher.

    Args:
        options: those of all stages.
        name: what ``from_pretrained`` takes.
        stages: those that will run.

    Raises:
        BadInputError: it can't be loaded, or can't do what a stage needs.
    """
    import torch

    from kdbuild.trainer.student.embeddings import in_bf16, mean_states
    from kdbuild.trainer.teacher.model import TRIED, Teacher, is_fine_tuned
    from kdbuild.trainer.training.device import failure, has_bf16, pick_bf16, pick_device
    from kdbuild.trainer.training.loop import bf16_step
    from kdbuild.trainer.training.losses import Objective
    from kdbuild.trainer.training.pretrained import load_config

    fine_tunes = "teacher" in stages and not is_fine_tuned(load_config(name))
    device = pick_device(options.machine.device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a new classifier is drawn
        teacher = Teacher(name, max_pieces=options.teacher.teacher_max_pieces, device=device, whole=not fine_tunes)
    kind = type(teacher.model).__name__
    if reason := failure(lambda: torch.from_numpy(teacher.logits(teacher.encode(TRIED))), device):
        raise BadInputError(f"--teacher {name}: {kind} can't classify two texts ({reason}). Use another teacher.")
    training = options.teacher_training
    if fine_tunes and pick_bf16(training.dtype, device, training.flag("dtype")) and training.dtype == "bf16":
        batch = teacher.batch(teacher.encode(TRIED)) | {"labels": torch.arange(len(TRIED)) % 2}
        if reason := failure(lambda: bf16_step(teacher.model, batch, Objective(), device), device):
            raise BadInputError(
                f"{training.flag('dtype')} bf16: {kind} can't compute in it ({reason}). Use auto or fp32."
            )
        teacher.model.eval()
    if "distill" in stages and options.student.embeddings == "teacher":
        base = teacher.model.base_model
        if reason := failure(lambda: mean_states(base, teacher.tokenizer, teacher.encode(TRIED)), device):
            raise BadInputError(
                f"--teacher {name}: {kind} gives no word vectors ({reason}). Use --embeddings random or another teacher."
            )
        if options.training.dtype == "bf16" and has_bf16(device):
            in_bf16(base.to("cpu"), teacher.tokenizer, "bf16")
            teacher.model.to(device)
    if "label" in stages and options.label.label_dtype == "bf16":
        teacher.labels_in_bf16("bf16", options.label.flag("label_dtype"))
