"""Texts of many lengths as one batch."""

from collections.abc import Sequence

import torch


def pad(texts: Sequence[Sequence[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids padded at the end to the longest text, and the mask that is 1 on tokens and 0 on padding.

    Both ``[texts, tokens]``, int64.
    """
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[pad_id] * (longest - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    return ids, mask
