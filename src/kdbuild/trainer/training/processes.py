"""One process or several: what ``torchrun`` or ``accelerate launch`` started, on one machine or more."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kdbuild.errors import KdbuildError


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world_size: int = 1
    barrier: Callable[[], None] = lambda: None
    """Returns when every process has called it."""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that reads the data, writes the files and talks."""
        return self.rank == 0


ALONE = Processes()
"""No others."""
_LONGEST_WAIT = timedelta(days=7)
"""For the main process, which may label or augment for hours while the others wait."""


def join_processes() -> Processes:
    """Meet the other processes that the launcher started; by itself without a launcher."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        return ALONE
    import torch
    import torch.distributed as distributed

    if not distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
    group: Any = distributed.new_group(backend="gloo", timeout=_LONGEST_WAIT)

    def barrier() -> None:
        try:
            distributed.barrier(group)
        except RuntimeError as error:
            raise KdbuildError(
                f"process {distributed.get_rank()} lost the others: one of them ended. Its own message says why."
            ) from error

    return Processes(distributed.get_rank(), distributed.get_world_size(), barrier)
