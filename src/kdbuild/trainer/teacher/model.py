"""The teacher: loaded, and asked for its logits."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from kdbuild.console import progress
from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import MASK
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import columns
from kdbuild.trainer.teacher.inputs import hold_to_single_texts, padding
from kdbuild.trainer.training.device import settle_bf16
from kdbuild.trainer.training.padding import batches_by_length, pad
from kdbuild.trainer.training.pieces import encode_pieces, with_segments
from kdbuild.trainer.training.pretrained import load_config, load_model, load_tokenizer

TRIED = ("a", "it is a text of more words than the others , and so padded least", f"a {MASK} c \u2e19")
"""Texts of different lengths, with a masked word and one that few tokenizers know, on which it is tried what a model can
read, and what padding and bfloat16 do to its logits."""


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
        whole: whether it must have all its weights; else its classifier may be missing, which is then drawn anew.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        bf16: bool = False,
        max_pieces: int,
        device: torch.device | None = None,
        whole: bool = True,
    ):
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(str(folder))
        dtype = torch.bfloat16 if bf16 else torch.float32
        kind = AutoModelForSequenceClassification
        self.model: PreTrainedModel = load_model(kind, str(folder), self.tokenizer, whole=whole, dtype=dtype).eval()
        check_vocabulary(str(folder), self.tokenizer, self.model)
        self.name = str(folder)
        self.is_fine_tuned = is_fine_tuned(self.model.config)
        self._max_pieces = max_pieces
        self.device = device or torch.device("cpu")
        self._complete = with_segments(self.model, self.tokenizer)
        self._padding = padding(self.model, self.tokenizer)
        self.model.to(self.device)
        hold_to_single_texts(self.model, self._padding, self._complete, self.encode(TRIED))

    @property
    def digest(self) -> str:
        """Identify what the logits of given word pieces depend on: architecture and weights as they are now, and padding."""
        config = self.model.config.to_dict()
        for name in ("_name_or_path", "transformers_version"):
            config.pop(name, None)
        whole = blake2b(
            json.dumps([config, asdict(self._padding)], sort_keys=True, default=str).encode(), digest_size=16
        )
        for name, weights in sorted(self.model.state_dict().items()):
            whole.update(f"{name} {list(weights.shape)} {weights.dtype}".encode())
            whole.update(weights.detach().cpu().contiguous().view(torch.uint8).numpy())
        return whole.hexdigest()

    def encode(self, first: Sequence[str], second: Sequence[str] | None = None) -> list[list[int]]:
        """Cut texts into word pieces, as :func:`~kdbuild.trainer.training.pieces.encode_pieces` does."""
        return encode_pieces(self.tokenizer, first, second, self._max_pieces)

    def labels_in_bf16(self, dtype: str, option: str) -> bool:
        """Turn the model to bfloat16 if that is asked for and it can compute so; whether it does.

        Args:
            dtype: ``auto``, ``bf16`` or ``fp32``.
            option: the command-line option that set it, for messages.

        Raises:
            BadInputError: bfloat16 was asked for, and the device or the architecture lacks it.
        """

        def compute() -> torch.Tensor:
            self.model.to(torch.bfloat16)
            return self.answer(self.encode(TRIED))

        kept = self.model.dtype
        chosen = settle_bf16(dtype, self.device, option, compute, self.model)
        if not chosen:
            self.model.to(kept)
        return chosen

    def batch(self, pieces: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Return what the model reads of texts cut into word pieces, padded to the longest on the tokenizer's side."""
        ids, mask = pad(pieces, self._padding.pad_id, left=self._padding.left)
        return self._complete({"input_ids": ids, "attention_mask": mask})

    @torch.inference_mode()
    def answer(self, pieces: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return what the model answers to one batch, be it finite or not; as :meth:`logits` on the processor, float32."""
        batch = self.batch(pieces)
        out: torch.Tensor = self.model(**{name: value.to(self.device) for name, value in batch.items()}).logits
        return out.float().cpu()

    def logits(self, pieces: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return logits ``[texts, classes]`` of one batch of texts cut into word pieces.

        Raises:
            BadInputError: a logit isn't a finite number.
        """
        logits = np.asarray(self.answer(pieces).numpy())
        if not np.isfinite(logits).all():
            raise BadInputError(
                f"--teacher {self.name}: its logits aren't all finite. Try --label-dtype fp32, or use another teacher."
            )
        return logits

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


def check_vocabulary(name: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Check that a model knows every word piece of its tokenizer.

    Raises:
        BadInputError: the tokenizer has more.
    """
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        raise BadInputError(
            f"--teacher {name}: its tokenizer has {len(tokenizer):,} word pieces, the model {known:,}. "
            "Save the tokenizer that belongs to it."
        )
