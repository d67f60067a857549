"""Texts of many lengths in batches."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch


def pad(texts: Sequence[Sequence[int]], pad_id: int, *, left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids padded to the longest text, and the mask that is 1 on tokens and 0 on padding.

    Padding stands at the end or, ``left``, at the beginning. Both ``[texts, tokens]``, int64.
    """
    longest = max(map(len, texts))
    if left:
        ids, mask = pad([text[::-1] for text in texts], pad_id)
        return ids.flip(1), mask.flip(1)
    ids = torch.tensor([[*text, *[pad_id] * (longest - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    return ids, mask


def batches_of_one_length(texts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Yield the places of texts in batches that need no padding, the shortest texts first."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for _, rows in groupby(order, key=lambda row: len(texts[row])):
        alike = list(rows)
        for start in range(0, len(alike), batch_size):
            yield alike[start : start + batch_size]


def batches_by_length(texts: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """Yield the places of texts, the shortest first, in batches that hardly need padding."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
