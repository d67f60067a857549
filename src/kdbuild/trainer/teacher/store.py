"""A teacher's answers by what it read, so that a text is asked once, whatever transfer set it is in.

A store is a folder of files, a folder in it for each teacher and number format. A file holds one shard: 128 bits that stand
for the word pieces of a text, and the logits. Its name is the digest of its bytes, so files are never changed, several
processes and runs may add to a folder at once, and damage shows.

Memory: ``16 + 4 * classes`` bytes a text that is known, 24 MB for a million texts of two classes; twice that while they are
sorted.
"""

import io
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from kdbuild.errors import BadInputError
from kdbuild.staging import NEW

_BYTES = 16

Digests = npt.NDArray[np.bytes_]
Logits = npt.NDArray[np.float32]


def digests_of(texts: Iterable[npt.NDArray[np.int32]]) -> Digests:
    """Digest texts, each given as all word pieces that the teacher reads of it; ``[texts]``."""
    found = b"".join(blake2b(pieces.astype("<i4").tobytes(), digest_size=_BYTES).digest() for pieces in texts)
    return np.frombuffer(found, dtype=f"S{_BYTES}")


class LabelStore:
    """The answers of one teacher in one number format.

    Args:
        folder: of this teacher and format; made when something is added.
        classes: logits a text.
    """

    def __init__(self, folder: Path, classes: int):
        self._folder = folder
        self._row = np.dtype([("text", f"S{_BYTES}"), ("logits", "<f4", (classes,))])

    def add(self, texts: Digests, logits: Logits) -> None:
        """Keep logits ``[texts, classes]``."""
        rows = np.empty(len(texts), dtype=self._row)
        rows["text"], rows["logits"] = texts, logits
        buffer = io.BytesIO()
        np.save(buffer, rows, allow_pickle=False)
        content = buffer.getvalue()
        self._folder.mkdir(parents=True, exist_ok=True)
        # A name of its own also aside: two runs may write the same shard at once.
        aside = self._folder / f"{uuid4().hex}{NEW}"
        try:
            aside.write_bytes(content)
            os.replace(aside, self._folder / f"{_name(content)}.npy")
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def find(self, texts: Digests) -> tuple[npt.NDArray[np.bool_], Logits]:
        """Look texts up.

        Returns:
            Which of them are known, ``[texts]``, and the logits of these in the same order, ``[known, classes]``. Of a text
            that several files know, always the same file's.

        Raises:
            BadInputError: a file is damaged, or of another number of classes.
        """
        rows = np.concatenate([np.empty(0, self._row), *map(self._read, sorted(self._folder.glob("*.npy")))])
        keys, firsts = np.unique(rows["text"], return_index=True)
        places = np.searchsorted(keys, texts)
        known = places < len(keys)
        known[known] = keys[places[known]] == texts[known]
        return known, rows["logits"][firsts[places[known]]]

    def _read(self, path: Path) -> npt.NDArray[np.void]:
        content = path.read_bytes()
        if _name(content) == path.stem:
            rows: npt.NDArray[np.void] = np.load(io.BytesIO(content), allow_pickle=False)
            if rows.dtype == self._row:
                return rows
        raise BadInputError(
            f"{path}: damaged, its bytes aren't those that were written. Remove the file; the teacher is then asked its texts "
            "again."
        )


def _name(content: bytes) -> str:
    return blake2b(content, digest_size=_BYTES).hexdigest()
