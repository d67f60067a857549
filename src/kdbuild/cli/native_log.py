"""Keeping an engine's start-up notes off the terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Discard what native code writes to file descriptor 2.

    LiteRT announces its delegate there for every model and heeds no setting. Python's own ``sys.stderr`` keeps working:
    it is moved to a copy of the descriptor meanwhile.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    kept = os.dup(2)
    python_stderr = sys.stderr
    with open(os.devnull, "wb") as nothing, os.fdopen(os.dup(2), "w", buffering=1) as copy:
        os.dup2(nothing.fileno(), 2)
        if python_stderr is sys.__stderr__:
            sys.stderr = copy
        try:
            yield
        finally:
            sys.stderr = python_stderr
            os.dup2(kept, 2)
            os.close(kept)
