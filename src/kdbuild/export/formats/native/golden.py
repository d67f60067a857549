"""The golden texts inside a native file: a few, so that any reader of the file can prove itself."""

import struct
from collections.abc import Sequence

from kdbuild.export.golden_texts import GoldenRow
from kdbuild.runtime.native.binding import NativeModel, utf8


def golden_entries(model: NativeModel, rows: Sequence[GoldenRow]) -> list[bytes]:
    """Ask a model some texts, or pairs of texts.

    Returns:
        For each text: the number of its bytes and of its ids, 4 bytes each; the ids; the logits, of a pair those of both; the
        bytes, padded to a multiple of 4.
    """
    return [entry for texts in rows for entry in _entries(model, texts)]


def _entries(model: NativeModel, texts: GoldenRow) -> list[bytes]:
    ids = [model.ids(text)[0] for text in texts]
    logits = model.logits(*ids).tobytes()
    return [_entry(utf8(text), numbers.tobytes(), logits) for text, numbers in zip(texts, ids, strict=True)]


def _entry(text: bytes, ids: bytes, logits: bytes) -> bytes:
    return struct.pack("<2I", len(text), len(ids) // 4) + ids + logits + text + bytes(-len(text) % 4)
