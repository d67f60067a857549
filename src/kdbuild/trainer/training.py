"""The one training loop, ``transformers.Trainer``, for teacher and student."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler
from transformers import (
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from kdbuild.runtime.metrics import evaluate_logits
from kdbuild.trainer.progress import Advance, progress


class SequenceDataset(Dataset[dict[str, torch.Tensor]]):
    """Sequences of ids of many lengths, laid end to end, that come out as padded batches.

    Args:
        sequences: ids of each text, none empty.
        labels: float logits ``[texts, classes]`` or integer classes ``[texts]``.
        pad_id: fills the shorter rows of a batch.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], labels: npt.NDArray[Any], pad_id: int):
        self.lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._ids = np.fromiter((i for sequence in sequences for i in sequence), np.int32, int(self.lengths.sum()))
        self._labels = torch.from_numpy(labels)
        self._pad_id = pad_id

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """A batch: ``input_ids`` and ``attention_mask`` ``[batch, tokens]``, ``labels``."""
        rows = np.asarray(indices)
        lengths, starts = self.lengths[rows], self._starts[rows]
        places = np.arange(lengths.max())
        mask = places < lengths[:, None]
        ids = np.full(mask.shape, self._pad_id, dtype=np.int64)
        ids[mask] = self._ids[(starts[:, None] + places)[mask]]
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "labels": self._labels[torch.from_numpy(rows)],
        }


class LengthSampler(Sampler[int]):
    """Rows in an order whose batches hold texts of one length, or nearly; new in every epoch.

    Rows are sorted by length, equal lengths in random order, cut into batches, and the batches are shuffled. What doesn't
    fill a batch is drawn from all lengths and comes last.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, seed: int):
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; so a resumed run reads on where it stopped."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, 2, self._epoch])
        order = rng.permutation(len(self._lengths))
        rest = len(order) % self._batch_size
        last, full = order[:rest], order[rest:]
        full = full[np.argsort(self._lengths[full], kind="stable")].reshape(-1, self._batch_size)
        return iter(np.concatenate([full[rng.permutation(len(full))].ravel(), last]).tolist())


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train."""

    epochs: float
    batch_size: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    seed: int
    evaluations: int = 4
    """Evaluations on the dev split an epoch."""
    checkpoint_every: int = 500
    """Steps between checkpoints, from which an interrupted run goes on."""


class _LengthTrainer(Trainer):
    """A Trainer that reads its rows by :class:`LengthSampler`."""

    def _get_train_sampler(self, train_dataset: SequenceDataset | None = None) -> LengthSampler:
        dataset = train_dataset or self.train_dataset
        return LengthSampler(dataset.lengths, self.args.train_batch_size, self.args.seed)


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


def has_bf16() -> bool:
    """Whether the hardware at hand computes in bfloat16 (and not merely emulates it)."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.backends.mkldnn.is_available()


def _compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    metrics = evaluate_logits(np.asarray(prediction.predictions), np.asarray(prediction.label_ids))
    return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1, "perplexity": metrics.perplexity}


def fit(
    title: str,
    model: PreTrainedModel,
    train: SequenceDataset,
    dev: SequenceDataset,
    settings: FitSettings,
    checkpoints: Path,
) -> list[dict[str, float]]:
    """Train a model in place, from its last checkpoint if there is one.

    Args:
        title: what the progress bar says.
        model: takes ``input_ids``, ``attention_mask`` and ``labels``, returns loss and logits.
        train: the rows to learn.
        dev: rows with integer classes, evaluated now and then; nothing is chosen by them.
        settings: how long and how fast.
        checkpoints: folder for checkpoints; what it holds is taken up.

    Returns:
        The log: losses, learning rates and dev metrics with their step and epoch.
    """
    steps_an_epoch = -(-len(train) // settings.batch_size)
    steps = max(1, int(np.ceil(settings.epochs * steps_an_epoch)))
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=256,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=min(settings.warmup_steps, steps // 2),
        max_grad_norm=1.0,
        bf16=has_bf16(),
        use_cpu=not torch.accelerator.is_available(),
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=max(1, steps_an_epoch // settings.evaluations),
        logging_steps=max(1, min(50, steps_an_epoch // 4)),
        save_steps=settings.checkpoint_every,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )
    with progress(title, steps) as advance, warnings.catch_warnings():
        # Trainer steps the schedule itself; its first step after a resume trips torch's check of the order.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
        trainer = _LengthTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=dev,
            data_collator=lambda batch: batch,
            compute_metrics=_compute_metrics,
            callbacks=[_Narrator(advance)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
        trainer.evaluate()
    model.eval()
    return [dict(entry) for entry in trainer.state.log_history]
