"""What bytes must be to be text: UTF-8, its lines ended by LF or CRLF."""

import shlex
from pathlib import Path

from kdbuild.errors import BadInputError


def read_text(path: Path) -> str:
    """A whole UTF-8 file, line ends as they stand; its absence or another encoding is the user's error."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise BadInputError(f"{path}: can't be read ({error.strerror}). Check the path and its permissions.") from error
    check_utf_16(path, content, path.name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}: byte {error.start} is not UTF-8. Convert it first, for example: "
            f"iconv -f LATIN1 -t UTF-8 {shlex.quote(path.name)}"
        ) from None


def check_utf_16(source: Path | str, content: bytes, file: str) -> None:
    """Refuse what begins like UTF-16: with its mark, or with two ASCII characters of two bytes each.

    Args:
        source: where it is from, for the message.
        content: its first bytes, four at least where there are as many.
        file: the name of the file to convert, for the message.

    Raises:
        BadInputError: it begins so.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "UTF-16"
    elif (zeros := [byte == 0 for byte in content[:4]]) in ([True, False] * 2, [False, True] * 2):
        encoding = "UTF-16BE" if zeros[0] else "UTF-16LE"
    else:
        return
    raise BadInputError(
        f"{source}: is UTF-16, not UTF-8. Convert it first: iconv -f {encoding} -t UTF-8 {shlex.quote(file)}"
    )


def cr_alone(source: Path | str) -> BadInputError:
    """The error of text that has no line end but CR."""
    return BadInputError(
        f"{source}: its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW"
    )
