"""JSON that every reader takes: no number that isn't finite, no half of a surrogate pair."""

import json
import math
from typing import Any


def without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which stand for bytes of a file name that aren't UTF-8, by U+FFFD."""
    # Two halves that make a character become it.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False, ascii_only: bool = False) -> str:
    """Write a value as JSON that can be encoded as UTF-8.

    Args:
        value: of dictionaries, lists, tuples, strings, numbers, booleans and None; a number that isn't finite becomes null.
        indent: spaces a level; all on one line if None.
        sort_keys: whether names come in order.
        ascii_only: whether other characters are escaped.
    """
    return json.dumps(_plain(value), indent=indent, sort_keys=sort_keys, ensure_ascii=ascii_only, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_plain(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
