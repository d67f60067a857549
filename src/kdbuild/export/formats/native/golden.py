"""The golden texts inside a native file: a few, so that any reader of the file can prove itself."""

import struct
from collections.abc import Sequence

from kdbuild.export.golden_texts import GOLDEN_TEXTS
from kdbuild.runtime.native.binding import NativeModel, utf8

TEXTS = GOLDEN_TEXTS[:: len(GOLDEN_TEXTS) // 12][:12]
"""Those in the file: some of every kind."""


def golden_entries(model: NativeModel, texts: Sequence[str] = TEXTS) -> list[bytes]:
    """Ask a model some texts.

    Returns:
        For each: the number of the text's bytes and of its ids, 4 bytes each; the ids; the logits; the bytes, padded to a
        multiple of 4.
    """
    return [_entry(model, text) for text in texts]


def _entry(model: NativeModel, text: str) -> bytes:
    ids, _ = model.ids(text)
    encoded = utf8(text)
    padding = bytes(-len(encoded) % 4)
    return struct.pack("<2I", len(encoded), len(ids)) + ids.tobytes() + model.logits(ids).tobytes() + encoded + padding
