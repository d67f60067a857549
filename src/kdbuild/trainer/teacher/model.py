"""The teacher: found or fine-tuned, and asked for its logits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from kdbuild.console import progress
from kdbuild.errors import BadInputError
from kdbuild.files import folder_digest
from kdbuild.runtime.metrics import Metrics
from kdbuild.runtime.text.tokenizer import MASK
from kdbuild.trainer.data.balance import class_weights, row_weights
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.student.bilstm import MULTI_LABEL
from kdbuild.trainer.training.batches import SequenceDataset
from kdbuild.trainer.training.loop import fit
from kdbuild.trainer.training.losses import Objective
from kdbuild.trainer.training.padding import pad

if TYPE_CHECKING:
    from kdbuild.trainer.run.stages import Run


def load_config(name: str) -> PretrainedConfig:
    """The configuration of a model by hub name or folder.

    Raises:
        BadInputError: there is none, or it can't be fetched.
    """
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise BadInputError(f"--teacher {name}: the folder has no config.json. Name a folder made by save_pretrained.")
    if not folder.is_dir() and (folder.is_absolute() or name.startswith(".") or name.count("/") > 1):
        raise BadInputError(f"--teacher {name}: no such folder. Check the path.")
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInputError(
            f"--teacher {name}: can't be loaded ({reason}). Name a local folder, or check the name and the network."
        ) from error


def is_fine_tuned(config: PretrainedConfig) -> bool:
    """Whether the model was saved with a sequence classifier."""
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or [])


def class_names(name: str) -> list[str] | None:
    """The names that a fine-tuned teacher has for its classes; ``0``, ``1``, … where it has none, None if not fine-tuned."""
    config = load_config(name)
    if not is_fine_tuned(config):
        return None
    names = [str(config.id2label[index]) for index in range(config.num_labels)]
    generic = [f"LABEL_{index}" for index in range(config.num_labels)]
    return list(map(str, range(config.num_labels))) if names == generic else names


def teacher_digest(name: str) -> str:
    """What identifies a teacher: the content of its folder, or its hub name."""
    return folder_digest(Path(name)) if Path(name).is_dir() else name


class Teacher:
    """A fine-tuned classifier with its word-piece tokenizer.

    Args:
        folder: what ``from_pretrained`` takes.
        bf16: compute in bfloat16 instead of float32.
        max_pieces: word pieces a text is cut to, special tokens included.
        device: where it computes.
    """

    def __init__(self, folder: str | Path, *, bf16: bool, max_pieces: int, device: torch.device | None = None):
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
        self.model: PreTrainedModel = _load_model(str(folder), dtype=torch.bfloat16 if bf16 else torch.float32).eval()
        self._max_pieces = max_pieces
        self._device = device or torch.device("cpu")
        self._complete = with_segments(self.tokenizer)
        self.model.to(self._device)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Word-piece ids with the model's own special tokens; our mask token becomes the model's.

        Args:
            lines: texts; or the two texts of a pair with a tab between them.
        """
        return encode_pieces(self.tokenizer, lines, self._max_pieces)

    @torch.inference_mode()
    def logits(self, pieces: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Logits ``[texts, classes]`` of one batch of word-piece ids, padded to its longest."""
        ids, mask = pad(pieces, self.tokenizer.pad_token_id or 0)
        batch = self._complete({"input_ids": ids, "attention_mask": mask})
        out = self.model(**{name: value.to(self._device) for name, value in batch.items()}).logits
        return np.asarray(out.float().cpu().numpy())

    def dev_logits(self, split: Split, batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Logits ``[rows, classes]`` of a split."""
        pieces = self.encode(split.lines())
        order = sorted(range(len(pieces)), key=lambda row: len(pieces[row]))
        logits = np.empty((len(pieces), self.model.config.num_labels), dtype=np.float32)
        with progress("teacher, dev", len(order)) as advance:
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                logits[rows] = self.logits([pieces[row] for row in rows])
                advance(start + len(rows), "")
        return logits


def encode_pieces(tokenizer: PreTrainedTokenizerBase, lines: Sequence[str], max_pieces: int) -> list[list[int]]:
    """See :meth:`Teacher.encode`."""
    mask = tokenizer.mask_token or tokenizer.unk_token
    texts = [line.replace(MASK, mask) if MASK in line else line for line in lines]
    longest = min(max_pieces, tokenizer.model_max_length)
    if texts and "\t" in texts[0]:
        first, second = (list(part) for part in zip(*(text.split("\t") for text in texts), strict=True))
        return [list(ids) for ids in tokenizer(first, second, truncation=True, max_length=longest)["input_ids"]]
    return [list(ids) for ids in tokenizer(texts, truncation=True, max_length=longest)["input_ids"]]


def with_segments(tokenizer: PreTrainedTokenizerBase) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """A function that adds ``token_type_ids`` to a batch, for models that tell the texts of a pair apart by them.

    The second segment begins after the first separator (Devlin et al. 2019). Models without such ids get none.
    """
    if "token_type_ids" not in tokenizer.model_input_names or tokenizer.sep_token_id is None:
        return lambda batch: batch

    def complete(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        ids = batch["input_ids"]
        separators = (ids == tokenizer.sep_token_id).long()
        after_first = (separators.cumsum(1) - separators > 0).long()
        return batch | {"token_type_ids": after_first * batch["attention_mask"]}

    return complete


def _load_model(name: str, **arguments: object) -> PreTrainedModel:
    try:
        return AutoModelForSequenceClassification.from_pretrained(name, **arguments)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInputError(f"--teacher {name}: can't be loaded ({reason}). Check the folder or the name.") from error


def fine_tune(run: "Run", out: Path) -> list[dict[str, float]]:
    """Fine-tune a pretrained encoder on the labelled rows; resumes from the ``checkpoints`` in the same folder.

    The teacher learns from our tokens joined by spaces, since that is what it will be asked to label. The main process
    saves it.

    Args:
        run: its data and options.
        out: folder of the model.

    Returns:
        The training log.
    """
    name, data, options, seed = run.options.teacher.teacher, run.data, run.options.teacher, run.options.data.seed
    tokenizer = AutoTokenizer.from_pretrained(name)
    set_seed(seed)  # the new classifier's weights
    names = dict(enumerate(data.labels))
    model = _load_model(
        name,
        num_labels=len(names),
        id2label=names,
        label2id={v: k for k, v in names.items()},
        problem_type=MULTI_LABEL if data.multi_label else "single_label_classification",
        dtype=torch.float32,
    )

    def dataset(split: Split, weights: npt.NDArray[np.float64] | None = None) -> SequenceDataset:
        pieces = encode_pieces(tokenizer, split.lines(), options.teacher_max_pieces)
        return SequenceDataset(pieces, split.targets, tokenizer.pad_token_id or 0, weights=weights)

    balance = run.options.data.balance
    log = fit(
        "teacher",
        model,
        dataset(data.train, row_weights(data.train.targets) if balance == "sampling" else None),
        dataset(data.dev),
        run.options.teacher_training,
        Objective(class_weights=class_weights(data.train.targets, len(names)) if balance == "weights" else None),
        seed=seed,
        device=run.options.machine.device,
        checkpoints=out / "checkpoints",
        board=run.folder.path / "tensorboard" / "teacher",
        collate=with_segments(tokenizer),
    )
    if run.processes.is_main:
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    return log


def check_teacher(
    name: str, metrics: Metrics, logits: npt.NDArray[np.float32], targets: npt.NDArray[Any], *, was_given: bool
) -> None:
    """Refuse a teacher that knows nothing of the data.

    Args:
        name: of the teacher.
        metrics: its, on dev.
        logits: its, ``[rows, classes]``.
        targets: of dev, as in :class:`Split`.
        was_given: whether it was fine-tuned before, rather than here.

    Raises:
        BadInputError: its dev accuracy is below chance + 5 points; for several labels a text: the labels that are given
            don't get higher logits than those that aren't.
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
    elif metrics.accuracy < 1 / logits.shape[1] + 0.05:
        raise BadInputError(
            f"--teacher {name}: answers {metrics.accuracy:.1%} of {metrics.n} dev rows right, below chance + 5 points. "
            f"{advice}"
        )
