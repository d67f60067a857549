"""Texts as sequences of ids: the rows that the training loop reads, and in which order."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler


class _Flat:
    """Sequences of many lengths, laid end to end, four bytes an id."""

    def __init__(self, sequences: Iterable[Sequence[int]]):
        ids, lengths = array("i"), array("i")
        for sequence in sequences:
            ids.extend(sequence)
            lengths.append(len(sequence))
        self.lengths = np.frombuffer(lengths, dtype=np.int32).astype(np.int64) if lengths else np.zeros(0, np.int64)
        self._ids = np.frombuffer(ids, dtype=np.int32) if ids else np.zeros(0, np.int32)
        self._starts = np.cumsum(self.lengths) - self.lengths

    def batch(
        self, rows: npt.NDArray[np.int64], pad_id: int, *, left: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids padded at one end to the longest, and the mask that is 1 on ids; both ``[rows, ids]``, int64."""
        lengths, starts = self.lengths[rows], self._starts[rows]
        places = np.arange(lengths.max())
        offset = (lengths.max() - lengths if left else np.zeros_like(lengths))[:, None]
        mask = (places >= offset) & (places - offset < lengths[:, None])
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        ids[mask] = self._ids[(starts[:, None] + places - offset)[mask]]
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


class SequenceDataset(Dataset[dict[str, torch.Tensor]]):
    """Texts that come out as padded batches.

    Args:
        sequences: ids of each text, none empty.
        labels: classes ``[texts]``, or 0 or 1 ``[texts, classes]``; ``losses.UNKNOWN`` where not known.
        pad_id: fills the shorter rows of a batch.
        second: ids of the second texts of pairs.
        teacher_logits: ``[texts, classes]``.
        weights: how often each text is to be drawn, relative to the others; all once an epoch if None.
        left: whether shorter rows are filled at their beginning.
    """

    def __init__(
        self,
        sequences: Iterable[Sequence[int]],
        labels: npt.NDArray[Any],
        pad_id: int,
        *,
        second: Iterable[Sequence[int]] | None = None,
        teacher_logits: npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        left: bool = False,
    ):
        self._left = left
        self._first = _Flat(sequences)
        self._second = None if second is None else _Flat(second)
        self.lengths = self._first.lengths + (0 if self._second is None else self._second.lengths)
        self.weights = weights
        self._labels = torch.from_numpy(labels)
        self._teacher_logits = None if teacher_logits is None else torch.from_numpy(teacher_logits)
        self._pad_id = pad_id

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several labels."""
        return self._labels.ndim == 2

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """Return a batch: ``input_ids`` and ``attention_mask`` ``[batch, ids]``, ``labels``, and what else the rows have."""
        rows = np.asarray(indices)
        ids, mask = self._first.batch(rows, self._pad_id, left=self._left)
        batch = {"input_ids": ids, "attention_mask": mask}
        if self._second is not None:
            batch["input_ids2"], batch["attention_mask2"] = self._second.batch(rows, self._pad_id, left=self._left)
        places = torch.from_numpy(rows)
        batch["labels"] = self._labels[places]
        if self._teacher_logits is not None:
            batch["teacher_logits"] = self._teacher_logits[places]
        return batch


class LengthSampler(Sampler[int]):
    """Rows in an order whose batches hold texts of one length, or nearly; new in every epoch.

    Rows are sorted by length, equal lengths in random order, cut into batches, and the batches are shuffled. What doesn't
    fill a batch is drawn from all lengths and comes last. With weights, the epoch's rows are drawn by them first, as many
    as there are, with replacement.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int64],
        batch_size: int,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
    ):
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0
        self._shares = None if weights is None else weights / weights.sum()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; so a resumed run reads on where it stopped."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, 2, self._epoch])
        count = len(self._lengths)
        order = rng.permutation(count) if self._shares is None else rng.choice(count, size=count, p=self._shares)
        rest = len(order) % self._batch_size
        last, full = order[:rest], order[rest:]
        full = full[np.argsort(self._lengths[full], kind="stable")].reshape(-1, self._batch_size)
        return iter(np.concatenate([full[rng.permutation(len(full))].ravel(), last]).tolist())
