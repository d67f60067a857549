"""Texts as sequences of ids: the rows that the training loop reads, and in which order."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler


class Sequences:
    """Sequences of many lengths, laid end to end, four bytes an id.

    Args:
        ids: those of all sequences, ``[ids]``, int32.
        lengths: how many of them are each sequence's, ``[sequences]``, int64.
    """

    def __init__(self, ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64]):
        self.ids, self.lengths = ids, lengths
        self.starts: npt.NDArray[np.int64] = np.cumsum(lengths) - lengths

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]]) -> "Sequences":
        """Lay sequences end to end."""
        ids, lengths = array("i"), array("i")
        for sequence in sequences:
            ids.extend(sequence)
            lengths.append(len(sequence))
        return cls(np.array(ids, dtype=np.int32), np.array(lengths, dtype=np.int64))

    def batch(
        self, rows: npt.NDArray[np.int64], pad_id: int, *, left: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids padded at one end to the longest, and the mask that is 1 on ids; both ``[rows, ids]``, int64."""
        lengths, starts = self.lengths[rows], self.starts[rows]
        places = np.arange(lengths.max())
        offset = (lengths.max() - lengths if left else np.zeros_like(lengths))[:, None]
        mask = (places >= offset) & (places - offset < lengths[:, None])
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        ids[mask] = self.ids[(starts[:, None] + places - offset)[mask]]
        return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


Texts = Iterable[Sequence[int]] | Sequences | Callable[[int], Sequences]
"""The ids of texts, none of them empty; or a function that gives those of an epoch."""


def _by_epoch(texts: Texts) -> Callable[[int], Sequences]:
    if callable(texts):
        return texts
    same = texts if isinstance(texts, Sequences) else Sequences.of(texts)
    return lambda epoch: same


class SequenceDataset(Dataset[dict[str, torch.Tensor]]):
    """Texts that come out as padded batches.

    Args:
        sequences: ids of each text.
        labels: classes ``[texts]``, or 0 or 1 ``[texts, classes]``; ``losses.UNKNOWN`` where not known.
        pad_id: fills the shorter rows of a batch.
        second: ids of the second texts of pairs.
        teacher_logits: ``[texts, classes]``.
        weights: how often each text is to be drawn, relative to the others; all once an epoch if None.
        left: whether shorter rows are filled at their beginning.
    """

    def __init__(
        self,
        sequences: Texts,
        labels: npt.NDArray[Any],
        pad_id: int,
        *,
        second: Texts | None = None,
        teacher_logits: npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        left: bool = False,
    ):
        self._left = left
        self._first_of = _by_epoch(sequences)
        self._second_of = None if second is None else _by_epoch(second)
        self._take(0)
        self.weights = weights
        self._labels = torch.from_numpy(labels)
        self._teacher_logits = None if teacher_logits is None else torch.from_numpy(teacher_logits)
        self._pad_id = pad_id

    def begin_epoch(self, epoch: int) -> None:
        """Take the ids of an epoch; where every epoch has its own, the lengths are new, too."""
        if epoch != self._epoch:
            self._take(epoch)

    def _take(self, epoch: int) -> None:
        self._epoch = epoch
        self._first = self._first_of(epoch)
        self._second = None if self._second_of is None else self._second_of(epoch)
        self.lengths = self._first.lengths + (0 if self._second is None else self._second.lengths)

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
    as there are, with replacement. Going through the order begins the dataset's epoch.
    """

    def __init__(self, dataset: SequenceDataset, batch_size: int, seed: int):
        self._dataset, self._batch_size, self._seed, self._epoch = dataset, batch_size, seed, 0
        weights = dataset.weights
        self._shares = None if weights is None else weights / weights.sum()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; so a resumed run reads on where it stopped."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, 2, self._epoch])
        count = len(self._dataset)
        self._dataset.begin_epoch(self._epoch)
        order = rng.permutation(count) if self._shares is None else rng.choice(count, size=count, p=self._shares)
        rest = len(order) % self._batch_size
        last, full = order[:rest], order[rest:]
        full = full[np.argsort(self._dataset.lengths[full], kind="stable")].reshape(-1, self._batch_size)
        return iter(np.concatenate([full[rng.permutation(len(full))].ravel(), last]).tolist())
