"""The teacher: loaded, and asked for its logits."""

from collections.abc import Callable, Sequence
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
)

from kdbuild.console import progress
from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import MASK
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import columns
from kdbuild.trainer.training.padding import batches_by_length, pad


def load_config(name: str) -> PretrainedConfig:
    """Load the configuration of a model by hub name or folder.

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
    """Tell whether the model was saved with a sequence classifier."""
    return any(name.endswith("ForSequenceClassification") for name in config.architectures or [])


def class_names(name: str) -> list[str] | None:
    """Return the names that a fine-tuned teacher has for its classes, or None if it isn't fine-tuned.

    Where it has only generic names, they are ``0``, ``1``, ….
    """
    config = load_config(name)
    if not is_fine_tuned(config):
        return None
    names = [str(config.id2label[index]) for index in range(config.num_labels)]
    generic = [f"LABEL_{index}" for index in range(config.num_labels)]
    return list(map(str, range(config.num_labels))) if names == generic else names


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
        self.model: PreTrainedModel = load_model(str(folder), dtype=torch.bfloat16 if bf16 else torch.float32).eval()
        self._max_pieces = max_pieces
        self._device = device or torch.device("cpu")
        self._complete = with_segments(self.tokenizer)
        self.model.to(self._device)

    def encode(self, first: Sequence[str], second: Sequence[str] | None = None) -> list[list[int]]:
        """Return word-piece ids with the model's own special tokens; our mask token becomes the model's.

        Args:
            first: texts, as tokens joined by spaces.
            second: the second texts, where rows are pairs.
        """
        return encode_pieces(self.tokenizer, first, second, self._max_pieces)

    @torch.inference_mode()
    def logits(self, pieces: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return logits ``[texts, classes]`` of one batch of word-piece ids, padded to its longest."""
        ids, mask = pad(pieces, self.tokenizer.pad_token_id or 0)
        batch = self._complete({"input_ids": ids, "attention_mask": mask})
        out = self.model(**{name: value.to(self._device) for name, value in batch.items()}).logits
        return np.asarray(out.float().cpu().numpy())

    def dev_logits(self, split: Split, batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Return logits ``[rows, classes]`` of a split."""
        pieces = self.encode(*columns(split.row_texts()))
        logits = np.empty((len(pieces), self.model.config.num_labels), dtype=np.float32)
        done = 0
        with progress("teacher, dev", len(pieces)) as advance:
            for rows in batches_by_length(pieces, batch_size):
                logits[rows] = self.logits([pieces[row] for row in rows])
                done += len(rows)
                advance(done, "")
        return logits


def encode_pieces(
    tokenizer: PreTrainedTokenizerBase, first: Sequence[str], second: Sequence[str] | None, max_pieces: int
) -> list[list[int]]:
    """Encode as :meth:`Teacher.encode` does, without a model."""
    mask = tokenizer.mask_token or tokenizer.unk_token
    cells = [[text.replace(MASK, mask) for text in texts] for texts in (first, second) if texts is not None]
    longest = min(max_pieces, tokenizer.model_max_length)
    return [list(ids) for ids in tokenizer(*cells, truncation=True, max_length=longest)["input_ids"]]


def with_segments(tokenizer: PreTrainedTokenizerBase) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """Return a function that adds ``token_type_ids`` to a batch, for models that tell the texts of a pair apart by them.

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


def load_model(name: str, **arguments: object) -> PreTrainedModel:
    """Load a sequence classifier.

    Args:
        name: a model's hub name or folder.
        arguments: what ``from_pretrained`` takes besides.

    Raises:
        BadInputError: it can't be loaded.
    """
    try:
        return AutoModelForSequenceClassification.from_pretrained(name, **arguments)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInputError(f"--teacher {name}: can't be loaded ({reason}). Check the folder or the name.") from error
