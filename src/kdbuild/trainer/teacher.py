"""The teacher: found or fine-tuned, and asked for its logits."""

from collections.abc import Sequence
from pathlib import Path

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

from kdbuild.errors import BadInputError
from kdbuild.runtime.metrics import Metrics, evaluate_logits
from kdbuild.runtime.tokenizer import MASK
from kdbuild.trainer.data import Data, Split
from kdbuild.trainer.options import TeacherOptions
from kdbuild.trainer.padding import pad
from kdbuild.trainer.progress import progress
from kdbuild.trainer.run_folder import folder_digest
from kdbuild.trainer.training import FitSettings, SequenceDataset, fit, has_bf16


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
    """

    def __init__(self, folder: str | Path, *, bf16: bool, max_pieces: int):
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder))
        self.model: PreTrainedModel = _load_model(str(folder), dtype=torch.bfloat16 if bf16 else torch.float32).eval()
        self._max_pieces = max_pieces
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model.to(self._device)

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Word-piece ids with the model's own special tokens; our mask token becomes the model's."""
        return encode_pieces(self.tokenizer, sentences, self._max_pieces)

    @torch.inference_mode()
    def logits(self, pieces: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Logits ``[texts, classes]`` of one batch of word-piece ids, padded to its longest."""
        ids, mask = pad(pieces, self.tokenizer.pad_token_id or 0)
        out = self.model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
        return np.asarray(out.float().cpu().numpy())

    def evaluate(self, split: Split, batch_size: int = 64) -> Metrics:
        """Metrics on a split."""
        pieces = self.encode([" ".join(tokens) for tokens in split.tokens])
        order = sorted(range(len(pieces)), key=lambda row: len(pieces[row]))
        logits = np.empty((len(pieces), self.model.config.num_labels), dtype=np.float32)
        with progress("teacher, dev", len(order)) as advance:
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                logits[rows] = self.logits([pieces[row] for row in rows])
                advance(start + len(rows), "")
        return evaluate_logits(logits, split.targets)


def encode_pieces(tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], max_pieces: int) -> list[list[int]]:
    """See :meth:`Teacher.encode`."""
    mask = tokenizer.mask_token or tokenizer.unk_token
    texts = [sentence.replace(MASK, mask) if MASK in sentence else sentence for sentence in sentences]
    longest = min(max_pieces, tokenizer.model_max_length)
    return [list(ids) for ids in tokenizer(texts, truncation=True, max_length=longest)["input_ids"]]


def _load_model(name: str, **arguments: object) -> PreTrainedModel:
    try:
        return AutoModelForSequenceClassification.from_pretrained(name, **arguments)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInputError(f"--teacher {name}: can't be loaded ({reason}). Check the folder or the name.") from error


def fine_tune(name: str, data: Data, options: TeacherOptions, seed: int, out: Path) -> list[dict[str, float]]:
    """Fine-tune a pretrained encoder on the labelled rows and save it; resumes from the ``checkpoints`` in the same folder.

    The teacher learns from our tokens joined by spaces, since that is what it will be asked to label.

    Returns:
        The training log.
    """
    tokenizer = AutoTokenizer.from_pretrained(name)
    set_seed(seed)  # the new classifier's weights
    names = dict(enumerate(data.labels))
    model = _load_model(
        name, num_labels=len(names), id2label=names, label2id={v: k for k, v in names.items()}, dtype=torch.float32
    )

    def dataset(split: Split) -> SequenceDataset:
        pieces = encode_pieces(tokenizer, [" ".join(tokens) for tokens in split.tokens], options.teacher_max_pieces)
        return SequenceDataset(pieces, split.targets, tokenizer.pad_token_id or 0)

    train = dataset(data.train)
    steps = options.teacher_epochs * len(train) / options.teacher_batch_size
    settings = FitSettings(
        epochs=options.teacher_epochs,
        batch_size=options.teacher_batch_size,
        learning_rate=options.teacher_learning_rate,
        warmup_steps=round(0.06 * steps),
        weight_decay=0.01,
        seed=seed,
        evaluations=1,
        checkpoint_every=200,
    )
    log = fit("teacher", model, train, dataset(data.dev), settings, out / "checkpoints")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return log


def check_teacher(name: str, metrics: Metrics, classes: int) -> None:
    """Refuse a teacher that knows nothing of the data.

    Raises:
        BadInputError: its dev accuracy is below chance + 5 points.
    """
    if metrics.accuracy < 1 / classes + 0.05:
        raise BadInputError(
            f"--teacher {name}: answers {metrics.accuracy:.1%} of {metrics.n} dev rows right, below chance + 5 points. "
            "Are its classes in another order? Use an encoder that is fine-tuned here, or another teacher."
        )


def pick_bf16(precision: str) -> bool:
    """Whether ``--precision`` means bfloat16 here.

    Raises:
        BadInputError: it was asked for and the processor lacks it.
    """
    if precision == "bf16" and not has_bf16():
        raise BadInputError("--precision bf16: this processor has no bfloat16 arithmetic. Use auto or fp32.")
    return precision == "bf16" or (precision == "auto" and has_bf16())
