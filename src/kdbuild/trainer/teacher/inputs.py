"""Batches of word pieces as a teacher reads them: padded where that changes nothing, else cut into texts of one length."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

from kdbuild.trainer.training.padding import pad

_SAME = {torch.float32: (1e-4, 1e-4), torch.float64: (1e-4, 1e-4)}
_NEARLY = (0.1, 0.1)
"""Absolute and relative tolerance in number formats of fewer digits."""


@dataclass(frozen=True)
class Padding:
    """What the shorter texts of a batch are filled with, and where."""

    pad_id: int
    left: bool


def padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Padding:
    """Choose the padding that a model knows how to skip, on the side on which its tokenizer pads.

    A model that has no padding token, such as GPT-2, is told to take its end of text for one, since no text holds it.
    """
    config, rows = model.config, model.get_input_embeddings().weight.shape[0]
    found = getattr(config, "pad_token_id", None)
    if found is None or not 0 <= found < rows:
        found = next((one for one in (tokenizer.pad_token_id, tokenizer.eos_token_id) if one is not None), 0)
        config.pad_token_id = found
    return Padding(int(found), tokenizer.padding_side == "left")


def hold_to_single_texts(
    model: PreTrainedModel,
    padded: Padding,
    complete: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    pieces: Sequence[Sequence[int]],
) -> None:
    """Let a model answer each text of a batch as it answers the text alone.

    If padding changes its logits, as in models without a mask (FNet), its ``forward`` is replaced: it cuts batches into
    texts of one length.

    Args:
        model: changed in place.
        padded: how batches are padded.
        complete: adds to a batch what else the model reads.
        pieces: word pieces of texts of different lengths, to try it on.
    """
    known = inspect.signature(model.forward).parameters
    if "attention_mask" not in known or not _pads_well(model, padded, complete, pieces):
        model.forward = _by_length(model.forward, "attention_mask" in known)


@torch.no_grad()
def _pads_well(
    model: PreTrainedModel,
    padded: Padding,
    complete: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    pieces: Sequence[Sequence[int]],
) -> bool:
    was_training = model.training
    model.eval()

    def logits(texts: Sequence[Sequence[int]]) -> torch.Tensor:
        ids, mask = pad(texts, padded.pad_id, left=padded.left)
        batch = complete({"input_ids": ids, "attention_mask": mask})
        found: torch.Tensor = model(**{name: value.to(model.device) for name, value in batch.items()}).logits
        return found

    together, alone = logits(pieces), torch.cat([logits([text]) for text in pieces])
    model.train(was_training)
    absolute, relative = _SAME.get(together.dtype, _NEARLY)
    return bool(torch.allclose(together, alone, atol=absolute, rtol=relative))


def _by_length(forward: Callable[..., Any], masked: bool) -> Callable[..., SequenceClassifierOutput]:
    def by_length(
        input_ids: torch.Tensor, attention_mask: torch.Tensor, **others: torch.Tensor
    ) -> SequenceClassifierOutput:
        lengths = attention_mask.sum(1)
        places, found = [], []
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero()[:, 0]
            here = attention_mask[rows].bool()

            def cut(values: torch.Tensor, rows: torch.Tensor = rows, here: torch.Tensor = here) -> torch.Tensor:
                return values[rows][here].view(len(rows), -1)

            batch = {name: cut(value) for name, value in others.items()} | {"input_ids": cut(input_ids)}
            if masked:
                batch["attention_mask"] = cut(attention_mask)
            places.append(rows)
            found.append(forward(**batch).logits)
        return SequenceClassifierOutput(logits=torch.cat(found)[torch.cat(places).argsort()])

    return by_length
