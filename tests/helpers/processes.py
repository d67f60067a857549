"""kdbuild commands in processes of their own, which can be stopped and killed, without importing torch for each of them."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
"""Processes start as copies of a server that has imported what they need: in milliseconds instead of six seconds."""
CONTEXT.set_forkserver_preload(
    ["kdbuild.trainer.run.start", "kdbuild.trainer.student.distill", "kdbuild.trainer.teacher.fine_tune"]
)


def start(arguments: Sequence[str], errors: Path, prepare: Callable[[], object] | None = None) -> ForkServerProcess:
    """Run a kdbuild command in a process that leads a group of its own.

    Args:
        arguments: of the command.
        errors: file for what it writes to standard error; standard output is dropped.
        prepare: called in the process before the command, to change what that does; a function of a module.
    """
    process = CONTEXT.Process(target=_run, args=(list(arguments), errors, prepare))
    process.start()
    return process


def _run(arguments: list[str], errors: Path, prepare: Callable[[], object] | None) -> None:
    os.setsid()
    sys.stdin.close()
    for descriptor, path in ((1, os.devnull), (2, errors)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
    import torch

    from kdbuild.cli import main

    torch.set_num_threads(1)
    if prepare:
        prepare()
    sys.argv = ["kdbuild", *arguments]
    main()


def is_alive(pid: int) -> bool:
    """Whether the process exists and isn't only waiting to be forgotten."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
