"""One epoch of a student: a plain loop over shuffled, packed batches, and ours over batches of one length.

The plain loop is what tutorials show: shuffled texts, padded, sorted and packed a batch at a time. Both train the same
student shape on the same texts with AdamW and clipping.
"""

import time

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from benchmarks.throughput.labelling import Clock
from kdbuild.trainer.student.bilstm import Student, StudentConfig
from kdbuild.trainer.training.batches import LengthSampler, SequenceDataset
from kdbuild.trainer.training.losses import Objective

BATCH = 128
Ids = list[list[int]]
"""Token ids of each text."""


def make(vocabulary: int) -> tuple[Student, torch.optim.Optimizer]:
    """The 300/300/400 student and its optimiser."""
    torch.manual_seed(0)
    student = Student(StudentConfig(vocab_size=vocabulary)).train()
    return student, torch.optim.AdamW(student.parameters(), lr=1e-3, fused=True)


def step(student: Student, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> float:
    """One update.

    Raises:
        ValueError: the loss isn't finite, so that the time means nothing.
    """
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimizer.step()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise ValueError(f"a step's loss is {value}")
    return value


def plain_epoch(data: Ids, vocabulary: int, *, clock: Clock = time.perf_counter) -> float:
    """Seconds of an epoch of the plain loop, in fp32."""
    student, optimizer = make(vocabulary)
    logits = torch.randn(len(data), 2)
    started = clock()
    for rows in torch.randperm(len(data)).split(BATCH):
        rows = torch.tensor(sorted(rows.tolist(), key=lambda row: -len(data[row])))
        lengths = torch.tensor([len(data[row]) for row in rows])
        ids = pad_sequence([torch.tensor(data[row]) for row in rows], batch_first=True)
        packed = pack_padded_sequence(student.dropout(student.embedding(ids)), lengths, batch_first=True)
        _, (states, _) = student.lstm(packed)
        features = student.dropout(torch.cat([states[0], states[1]], dim=1))
        out = student.output(student.dropout(torch.relu(student.hidden(features))))
        step(student, optimizer, torch.nn.functional.mse_loss(out, logits[rows]))
    return clock() - started


def bucketed_epoch(data: Ids, vocabulary: int, *, bf16: bool, clock: Clock = time.perf_counter) -> float:
    """Seconds of an epoch over our sampler and dataset."""
    student, optimizer = make(vocabulary)
    logits = torch.randn(len(data), 2).numpy()
    dataset = SequenceDataset(data, logits.argmax(axis=1), 0, teacher_logits=logits)
    order = list(LengthSampler(dataset, BATCH, seed=0))
    started = clock()
    for start in range(0, len(data), BATCH):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            batch = dataset.__getitems__(order[start : start + BATCH])
            answers = student(batch["input_ids"], batch["attention_mask"]).logits
        step(student, optimizer, Objective("mse")(answers, batch))
    return clock() - started
