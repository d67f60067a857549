"""A teacher's answers by text: found again exactly, shared by writers, and never wrong."""

import os
import threading
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from kdbuild.errors import BadInputError
from kdbuild.trainer.teacher.store import LabelStore, digests_of

TEXTS = [np.array(text, dtype=np.int32) for text in ([101, 7, 102], [101, 7, 8, 102], [], [101, 7 + (1 << 24), 102])]
LOGITS = np.array([[1.5, -2], [0.1, 7], [3, 4], [-0.0, 1e-30]], dtype=np.float32)


def test_a_digest_covers_every_piece() -> None:
    little_endian = b"\x65\0\0\0\x07\0\0\0\x66\0\0\0"
    assert digests_of(TEXTS[:1])[0] == blake2b(little_endian, digest_size=16).digest()
    assert len(set(digests_of(TEXTS).tolist())) == 4
    assert digests_of([]).shape == (0,)


def test_what_was_added_is_found(tmp_path: Path) -> None:
    digests = digests_of(TEXTS)
    LabelStore(tmp_path / "made" / "here", 2).add(digests[[2, 0]], LOGITS[[2, 0]])
    LabelStore(tmp_path / "made" / "here", 2).add(digests[[1]], LOGITS[[1]])
    known, logits = LabelStore(tmp_path / "made" / "here", 2).find(digests)
    assert known.tolist() == [True, True, True, False]
    assert logits.dtype == np.float32
    assert logits.tobytes() == LOGITS[:3].tobytes()


@pytest.mark.parametrize("texts", [0, 3])
def test_an_empty_store_knows_nothing(texts: int, tmp_path: Path) -> None:
    known, logits = LabelStore(tmp_path / "none", 2).find(digests_of(TEXTS[:texts]))
    assert known.tolist() == [False] * texts
    assert logits.shape == (0, 2)
    assert not (tmp_path / "none").exists()


def test_digests_that_end_in_zeros(tmp_path: Path) -> None:
    digests = np.array([b"\0" * 16, b"a" + b"\0" * 15, b"a" + b"\0" * 14 + b"b", b"\0" * 15 + b"a"], dtype="S16")
    store = LabelStore(tmp_path, 2)
    store.add(digests[:3], LOGITS[:3])
    known, logits = store.find(digests)
    assert known.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(logits, LOGITS[:3])


def test_of_two_answers_always_the_same_is_taken(tmp_path: Path) -> None:
    store, digests = LabelStore(tmp_path, 2), digests_of(TEXTS)
    for logits in (LOGITS, LOGITS + 1):
        store.add(digests, logits)
    first = min(tmp_path.iterdir())
    _, found = store.find(digests)
    assert found.tobytes() == np.load(first, allow_pickle=False)["logits"].tobytes()


def test_many_writers_at_once(tmp_path: Path) -> None:
    numbers = [np.arange(10, dtype=np.int32) + writer for writer in range(16)]

    def write(writer: int) -> None:
        # Each file is written by two.
        LabelStore(tmp_path, 1).add(digests_of([numbers[writer // 2]]), np.array([[writer // 2]], dtype=np.float32))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known, logits = LabelStore(tmp_path, 1).find(digests_of(numbers))
    assert known.all()
    assert logits[:, 0].tolist() == list(range(16))
    assert len(list(tmp_path.iterdir())) == 16  # nothing is left aside


def test_what_a_kill_left_half_written_is_not_read(tmp_path: Path) -> None:
    store = LabelStore(tmp_path, 2)
    store.add(digests_of(TEXTS[:2]), LOGITS[:2])
    path = next(tmp_path.iterdir())
    (tmp_path / "0123.kdbuild-new").write_bytes(path.read_bytes()[:100])
    assert store.find(digests_of(TEXTS))[0].tolist() == [True, True, False, False]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damage_is_said(damage: str, tmp_path: Path) -> None:
    store = LabelStore(tmp_path, 2)
    store.add(digests_of(TEXTS), LOGITS)
    path = next(tmp_path.iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut": bytes(content[:-8]), "flipped": bytes(content), "empty": b""}[damage])
    with pytest.raises(BadInputError) as raised:
        store.find(digests_of(TEXTS))
    assert str(raised.value) == (
        f"{path}: damaged, its bytes aren't those that were written. Remove the file; the teacher is then asked its texts "
        "again."
    )


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        LabelStore(tmp_path, 2).add(digests_of(TEXTS), LOGITS)
    assert list(tmp_path.iterdir()) == []
