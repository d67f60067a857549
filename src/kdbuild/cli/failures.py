"""What the system refuses, in one line: files that can't be used, a full disk, an interruption, names that aren't UTF-8."""

import errno
import os
import re
import threading
from collections.abc import Collection

from kdbuild.console import say
from kdbuild.files import FULL, file_size_limit

_RESUMED = ("quickstart", "train", "teacher", "label", "distill", "search")
"""Commands that take up what an interrupted one left."""
_PERMISSIONS = "Check its permissions, or name another"
_WAYS_OUT = {
    errno.ENOENT: "Check the path",
    errno.ENOTDIR: "A part of the path before the last is a file: check the path",
    errno.EISDIR: "Name a file",
    errno.ENOTEMPTY: "Name another folder",
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "Choose a folder that can be written to",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "Its links lead in a circle: check the path",
    errno.EMFILE: "Raise the limit, for example: ulimit -n 4096",
}


def interruption(command: str) -> str:
    """Say what an interruption means for what a command was doing."""
    return "Interrupted." + (" The same command goes on where it stopped." if command in _RESUMED else "")


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, is the system's refusal to store more."""
    # Libraries written in other languages tell it in words only; numpy's says how much of an array was written.
    return _is_or_hides(error, FULL, r"No space left on device|File too large|^\d+ requested and \d+ written$")


def _is_too_large(error: BaseException) -> bool:
    """Whether it is a file's size that was refused; numpy's words for it are those for a full disk."""
    if _is_or_hides(error, (errno.EFBIG,), "File too large"):
        return True
    return file_size_limit() is not None and not _is_or_hides(error, FULL, "No space left on device")


def _is_or_hides(error: BaseException | None, numbers: Collection[int], words: str) -> bool:
    """Whether an error, or one that it was raised from, has one of these numbers, or words."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in numbers) or re.search(words, str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def describe(error: Exception, command: str) -> str | None:
    """Return the line for an error that the user's system or files brought about; None if it may be a bug.

    Args:
        error: what no function turned into an error of kdbuild's.
        command: the name of the command that raised it.
    """
    if disk_is_full(error):
        refusal = "no space left on the disk. Free some"
        if _is_too_large(error):
            refusal = "a file would get larger than the system lets it. Raise the limit (ulimit -f) or use another disk"
        return f"{refusal}, then run the same command again" + (
            ": it goes on where it stopped." if command in _RESUMED else "."
        )
    if isinstance(error, OSError):
        return _refusal(error)
    if isinstance(error, EOFError):
        return f"a file that is read ends too soon ({_first_line(error)}). Make or fetch it again."
    if isinstance(error, UnicodeEncodeError) and _SURROGATE.search(str(error.object)):
        line = next(line for line in str(error.object).splitlines() if _SURROGATE.search(line))
        return (
            f"{_SURROGATE.sub('?', line.strip())[:200]}: "
            "holds a name that isn't UTF-8, which can't be written down. Rename the file or folder."
        )
    return None


def thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Say in one line what the system refused to a thread, such as TensorBoard's writer; show what may be a bug."""
    if isinstance(failure.exc_value, OSError):
        say(f"Warning: a log can't be written ({failure.exc_value.strerror or _first_line(failure.exc_value)}).")
    else:
        _show(failure)


_show = threading.excepthook
"""What was there before."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Stands for a byte that couldn't be decoded."""


def _refusal(error: OSError) -> str:
    """Say what the system refuses to do with which file."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    reason = error.strerror or _first_line(error)
    way_out = _WAYS_OUT.get(error.errno or 0, "Check the path and the disk")
    if not names:
        return f"the system refuses to read or write a file ({reason}). {way_out}."
    return f"{' and '.join(names)}: can't be used ({reason}). {way_out}."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
