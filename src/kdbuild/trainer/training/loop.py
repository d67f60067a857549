"""The one training loop, ``transformers.Trainer``, for teacher and student."""

import errno
import math
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.integrations import TensorBoardCallback

from kdbuild.console import Advance, progress, say
from kdbuild.errors import BadInputError
from kdbuild.files import file_size_limit
from kdbuild.runtime.arrays import evaluate_logits
from kdbuild.trainer.options import TrainingOptions
from kdbuild.trainer.training.batches import LengthSampler, SequenceDataset
from kdbuild.trainer.training.device import pick_device, settle_bf16
from kdbuild.trainer.training.losses import Objective

Batch = dict[str, torch.Tensor]
_COMPLETE = "complete"
"""Marks a checkpoint that was written to its end; without it, a kill in between would leave one that can't be read."""
_TARGETS = ("labels", "teacher_logits")


class _Arguments(TrainingArguments):
    """Arguments of a process that trains on one GPU, of however many it sees.

    Trainer would spread the model over all of them, each with a batch as large as that asked for. Of several GPUs, each gets
    a process of its own, as ``torchrun`` starts them.
    """

    @property
    def n_gpu(self) -> int:
        return min(1, int(super().n_gpu))


class _Trainer(Trainer):
    """A Trainer with our batches, losses and schedules, whose checkpoints survive a kill at any moment."""

    loss_is_scaled_for_ga = False  # the losses are means over a batch

    def __init__(self, *, objective: Objective, options: TrainingOptions, steps_an_epoch: int, **arguments: Any):
        super().__init__(**arguments)
        self.model_accepts_loss_kwargs = False
        self._objective, self._options, self._steps_an_epoch = objective, options, steps_an_epoch

    def _get_train_sampler(self, train_dataset: SequenceDataset | None = None) -> LengthSampler:
        dataset = train_dataset or self.train_dataset
        # Batches of the whole step: the processes share each out, so that their number changes nothing but rounding.
        return LengthSampler(dataset, self._options.batch_size, self.args.seed)

    def compute_loss(
        self, model: torch.nn.Module, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        outputs = model(**{name: value for name, value in inputs.items() if name not in _TARGETS})
        loss = self._objective(outputs.logits, inputs)
        return (loss, {"logits": outputs.logits}) if return_outputs else loss

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        if getattr(self, "lr_scheduler", None) is None:
            factor = learning_rate_factor(self._options, num_training_steps, self._steps_an_epoch)
            self.lr_scheduler: LambdaLR = LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)
        except RuntimeError as error:
            # torch.save tells a full disk from nothing else. Weights and two moments of Adam have to fit, and their names.
            needed = 3 * sum(parameter.numel() * parameter.element_size() for parameter in self.model.parameters())
            number = _refused_size(Path(self.args.output_dir), needed + 1_000_000)
            if number is not None:
                raise OSError(number, os.strerror(number), self.args.output_dir) from error
            raise
        self.accelerator.wait_for_everyone()
        if not self.is_world_process_zero():
            return
        folder = Path(self.args.output_dir)
        saved = folder / f"checkpoint-{self.state.global_step}"
        (saved / _COMPLETE).touch()
        kept = {saved, folder / f"checkpoint-{self.state.best_global_step}"}
        for older in folder.glob("checkpoint-*"):
            if older not in kept:
                _remove_checkpoint(older)


def _refused_size(folder: Path, size: int) -> int | None:
    """Return the error that the system has for files of so many bytes in a folder; None if it has none."""
    if shutil.disk_usage(folder).free < size:
        return errno.ENOSPC
    limit = file_size_limit()
    return errno.EFBIG if limit is not None and limit < size else None


def _remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, its mark first, so that a kill in between doesn't leave a marked ruin."""
    (folder / _COMPLETE).unlink(missing_ok=True)
    shutil.rmtree(folder)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the furthest checkpoint that was written to its end, if any."""
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{_COMPLETE}")]
    return max(complete, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def learning_rate_factor(options: TrainingOptions, steps: int, steps_an_epoch: int) -> Callable[[int], float]:
    """Return a function that gives the learning rate at a step as a share of its peak.

    Args:
        options: schedule, warm-up and cycle.
        steps: how many the whole training takes.
        steps_an_epoch: how many one pass takes.
    """
    warmup = options.warmup_steps * steps if options.warmup_steps < 1 else options.warmup_steps
    warmup = min(math.ceil(warmup), steps // 2)
    half_cycle = max(1.0, options.cycle_epochs * steps_an_epoch / 2)

    def factor(step: int) -> float:
        if options.schedule == "cyclic":
            # The triangular policy of Smith 2017 (arXiv 1506.01186), from 0.
            return 1 - abs(step / half_cycle % 2 - 1)
        if step < warmup:
            return step / warmup
        return 1.0 if options.schedule == "constant" else (steps - step) / max(1, steps - warmup)

    return factor


class _Watchman(TrainerCallback):
    """Stops a training whose loss or weights aren't numbers any more, as soon as it is told of it."""

    def __init__(self, title: str, options: TrainingOptions):
        self._title, self._options = title, options

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        if not all(math.isfinite(logs.get(key, 0.0)) for key in ("loss", "eval_loss")):
            raise diverged(self._title, self._options, f"at step {state.global_step}")


def diverged(title: str, options: TrainingOptions, when: str) -> BadInputError:
    """Return the error of a training that ended in what isn't a number."""
    return BadInputError(
        f"{options.flag('learning_rate')} {options.learning_rate:g}: {title}: the loss isn't finite {when}, "
        "so nothing can be learned any more. Use a lower learning rate."
    )


class _Narrator(TrainerCallback):
    """Tells the progress bar how far training is."""

    def __init__(self, advance: Advance):
        self._advance = advance
        self._remarks: dict[str, str] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._advance(state.global_step, " ".join(self._remarks.values()))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        for key, title in (("loss", "loss"), ("eval_accuracy", "dev")):
            if key in logs:
                self._remarks[key] = f"{title} {logs[key]:.3f}"


def training_step(
    model: PreTrainedModel, batch: Batch, objective: Objective, device: torch.device, *, bf16: bool
) -> torch.Tensor:
    """Compute the loss of a batch and its gradients as a training does; the weights stay as they were.

    Args:
        model: is moved to the device and left in training mode.
        batch: as a training has it.
        objective: the loss.
        device: where it is computed.
        bf16: whether in bfloat16, as autocast has it; else in the model's own format.

    Returns:
        The loss and the norms of the gradients, ``[1 + parameters that have one]``.
    """
    model.to(device).train()
    batch = {name: value.to(device) for name, value in batch.items()}
    with torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext():
        outputs = model(**{name: value for name, value in batch.items() if name not in _TARGETS})
        loss = objective(outputs.logits.float(), batch)
    found = torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    return torch.stack([loss.detach(), *(gradient.norm() for gradient in found if gradient is not None)])


def say_idle_gpus(title: str, place: torch.device, world_size: int) -> None:
    """Say how all GPUs of the machine are used, where one process sees several."""
    count = torch.cuda.device_count() if place.type == "cuda" and world_size == 1 else 1
    if count > 1:
        say(f"{title}: trains on one of {count} GPUs; for all: torchrun --nproc-per-node {count} -m kdbuild ...")


def _compute_metrics(title: str, options: TrainingOptions, prediction: EvalPrediction) -> dict[str, float]:
    logits = np.asarray(prediction.predictions)
    if not np.isfinite(logits).all():
        raise diverged(title, options, "in an evaluation")
    metrics = evaluate_logits(logits, np.asarray(prediction.label_ids))
    return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "perplexity": metrics.perplexity}


def fit(
    title: str,
    model: PreTrainedModel,
    train: SequenceDataset,
    dev: SequenceDataset,
    options: TrainingOptions,
    objective: Objective,
    *,
    seed: int,
    device: str,
    checkpoints: Path,
    board: Path,
    collate: Callable[[Batch], Batch] = lambda batch: batch,
) -> list[dict[str, float]]:
    """Train a model in place, from its last checkpoint if there is one; started by ``torchrun``, in all its processes.

    Args:
        title: what the progress bar says.
        model: takes a batch's tensors and returns logits.
        train: the rows to learn.
        dev: rows evaluated now and then, by their cross-entropy; they choose nothing unless the options say so.
        options: how long, how fast and how often.
        objective: the loss.
        seed: determines the order of the batches.
        device: as ``--device`` has it.
        checkpoints: folder for checkpoints; what it holds is taken up.
        board: folder for TensorBoard's logs.
        collate: completes a batch.

    Returns:
        The log: losses, learning rates and dev metrics with their step and epoch.
    """
    place = pick_device(device)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    options.check_shared(world_size)
    steps_an_epoch = math.ceil(math.ceil(len(train) / options.batch_size) / options.accumulation)
    steps = max(1, math.ceil(options.epochs * steps_an_epoch))
    choose_best = options.keep == "best" or options.patience > 0
    evaluate_every = options.evaluate_every or max(1, steps_an_epoch // 4)
    callbacks: list[TrainerCallback] = [_Watchman(title, options)]
    if options.patience:
        callbacks.append(EarlyStoppingCallback(options.patience))

    def a_step() -> torch.Tensor:
        order = sorted(range(len(train)), key=lambda row: int(train.lengths[row]))
        batch = collate(train.__getitems__([order[0], order[len(order) // 2]]))
        return training_step(model, batch, objective, place, bf16=True)

    arguments = _Arguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=options.batch_size // world_size,
        gradient_accumulation_steps=options.accumulation,
        per_device_eval_batch_size=256,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.clip,
        bf16=settle_bf16(options.dtype, place, options.flag("dtype"), a_step, model),
        use_cpu=place.type == "cpu",
        seed=seed,
        eval_strategy="steps",
        eval_steps=evaluate_every,
        logging_steps=max(1, min(50, steps_an_epoch // 4)),
        save_steps=evaluate_every if choose_best else options.checkpoint_every,
        save_total_limit=None,
        load_best_model_at_end=choose_best,
        metric_for_best_model="macro_f1" if dev.multi_label else "accuracy",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=options.patience > 0,
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if place.type == "cpu" and world_size > 1 else None,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )
    say_idle_gpus(title, place, world_size)
    with progress(title, steps, unit="steps") as advance, warnings.catch_warnings():
        # Trainer steps the schedule itself; its first step after a resume trips torch's check of the order.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
        trainer = _Trainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=collate,
            compute_metrics=partial(_compute_metrics, title, options),
            callbacks=[*callbacks, _Narrator(advance)],
            objective=objective,
            options=options,
            steps_an_epoch=steps_an_epoch,
        )
        trainer.remove_callback(PrinterCallback)
        resumed = last_checkpoint(checkpoints)
        if trainer.is_world_process_zero():
            if resumed is None:
                shutil.rmtree(board, ignore_errors=True)
            to_board = TensorBoardCallback()
            to_board.logging_dir = str(board)
            trainer.add_callback(to_board)
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        trainer.evaluate()
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise diverged(title, options, "at the end")
    model.eval()
    return [dict(entry) for entry in trainer.state.log_history]


CURVE_COLUMNS = (
    "step",
    "epoch",
    "loss",
    "learning_rate",
    "eval_loss",
    "eval_accuracy",
    "eval_macro_f1",
    "eval_perplexity",
)


def curve_csv(log: Sequence[dict[str, float]]) -> str:
    """Write the log as CSV: a line an entry, empty where an entry doesn't say."""
    entries = [entry for entry in log if "loss" in entry or "eval_loss" in entry]
    lines = [",".join(str(entry.get(name, "")) for name in CURVE_COLUMNS) for entry in entries]
    return "".join(line + "\n" for line in [",".join(CURVE_COLUMNS), *lines])
