"""Texts as a model's tokenizer cuts them: word pieces, each of which carries the segment that the tokenizer gave it."""

import inspect
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from kdbuild.errors import BadInputError
from kdbuild.requirements import first_line
from kdbuild.runtime.text.vocabulary import MASK

Batch = dict[str, torch.Tensor]

_SEGMENT = 1 << 24
"""A word piece is the number ``segment * _SEGMENT + id``, so that a text stays one sequence in files and batches."""
_BLANK = "..."
"""Stands for a masked word where a tokenizer has no token for it: what readers take for something left out."""


def mask_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return what stands for a masked word: the mask token, else that of unknown words, else an ellipsis.

    The unknown token won't do where it also ends texts or pads them, as in GPT-2: the model would take the text to end.
    """
    if tokenizer.mask_token:
        return str(tokenizer.mask_token)
    ends = (tokenizer.eos_token, tokenizer.pad_token)
    return str(tokenizer.unk_token) if tokenizer.unk_token and tokenizer.unk_token not in ends else _BLANK


def encode_pieces(
    tokenizer: PreTrainedTokenizerBase, first: Sequence[str], second: Sequence[str] | None, max_pieces: int
) -> list[list[int]]:
    """Cut texts into word pieces with the model's own special tokens; our mask token becomes the model's.

    A text of no piece, which only models without ``[CLS]`` know, becomes the token of a text's beginning, or its end, or the
    unknown one, or the first of all.

    Args:
        tokenizer: the model's.
        first: texts, as tokens joined by spaces.
        second: the second texts, where rows are pairs.
        max_pieces: word pieces a text is cut to, special tokens included.

    Returns:
        For each text its word pieces, which :func:`with_segments` turns into what a model reads.

    Raises:
        BadInputError: the tokenizer can't read a text.
    """
    mask = mask_token(tokenizer)
    specials = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    nothing = next((one for one in specials if one is not None), 0)
    cells = [[text.replace(MASK, mask) for text in texts] for texts in (first, second) if texts is not None]
    longest, segmented = min(max_pieces, tokenizer.model_max_length), _has_segments(tokenizer)
    try:
        found = tokenizer(*cells, truncation=True, max_length=longest, return_token_type_ids=segmented)
    # What tokenizers fail with on a word that they don't know has no base class.
    except Exception as error:
        raise BadInputError(
            f"--teacher {tokenizer.name_or_path}: its tokenizer can't read every text ({first_line(error).rstrip('.')}). "
            "Save it with a token for unknown words, or use another teacher."
        ) from error
    pieces = [list(ids) or [nothing] for ids in found["input_ids"]]
    for place, segments in enumerate(found["token_type_ids"] if segmented else []):
        if any(segments):
            pieces[place] = [_SEGMENT * segment + one for one, segment in zip(pieces[place], segments, strict=True)]
    return pieces


def with_segments(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Callable[[Batch], Batch]:
    """Return a function that takes the segments of a batch apart from its ids, as ``token_type_ids`` if the model reads them.

    Which texts are of which segment is the tokenizer's knowledge: BERT has two, XLNet a third for its ``<cls>``.
    """
    reads = _has_segments(tokenizer) and "token_type_ids" in inspect.signature(model.forward).parameters

    def split(batch: Batch) -> Batch:
        ids, segments = batch["input_ids"] % _SEGMENT, batch["input_ids"] // _SEGMENT
        return batch | {"input_ids": ids} | ({"token_type_ids": segments} if reads else {})

    return split


def _has_segments(tokenizer: PreTrainedTokenizerBase) -> bool:
    return "token_type_ids" in tokenizer.model_input_names
