"""Models that an app gets later: what Java's store takes and refuses, and what is there when a process is killed."""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from android_java import Java
from kdbuild.export.sign import load_private_key, make_key, signed
from kdbuild.runtime.native.binding import NativeModel, aligned
from native_students import Shape, native_file, numbered, random_student

pytestmark = pytest.mark.android

TEXT = "w3 w5, w4!"
VOCABULARY = numbered(12)
Model = Callable[[int, int], Path]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; beside it the public one, in DER as Java reads it."""
    path = tmp_path_factory.mktemp("key") / "k"
    make_key(path)
    return path


def model_file(seed: int) -> bytes:
    """A model whose answers depend on the seed, with golden texts."""
    shape = Shape(4, 5, 4, multi_label=seed % 2 == 1)
    return native_file(random_student(shape, 12, seed), shape, VOCABULARY, golden=[("w5 what?",), (TEXT,)])


@pytest.fixture
def model(key: Path, tmp_path: Path) -> Model:
    """Makes a signed file of a seed and a serial."""

    def make(seed: int, serial: int) -> Path:
        path = tmp_path / f"{seed}-{serial}.kdb"
        path.write_bytes(signed(model_file(seed), load_private_key(key), serial, path))
        return path

    return make


def answer(seed: int) -> list[float]:
    """What Python's engine answers, as Java prints it: the shortest decimals that are these floats."""
    found = NativeModel(aligned(model_file(seed)), "model")
    return list(found.logits(found.ids(TEXT)[0]))


class Store:
    """A store, asked in one process after the other."""

    def __init__(self, java: Java, folder: Path, key: Path):
        self._java, self.folder, self._key = java, folder, key

    def __call__(self, *lines: str) -> list[str]:
        given = "".join(line + "\n" for line in lines).encode()
        key = self._key.with_name("k.der")
        found: list[str] = self._java.objects("dev.kdbuild.core.StoreTwin", self.folder, key, given=given)
        return found

    def seed(self, *seeds: int) -> int | None:
        """Which of some seeds' models answers now; None where there is none."""
        (said,) = self(f"load\t{TEXT}")
        if said == "none":
            return None
        floats = struct.pack("<2f", *json.loads(said))
        return next(seed for seed in seeds if struct.pack("<2f", *answer(seed)) == floats)


@pytest.fixture
def store(native_java: Java, key: Path, tmp_path: Path) -> Store:
    return Store(native_java, tmp_path / "store", key)


def test_a_model_takes_the_place_of_another(store: Store, model: Model) -> None:
    assert store.seed(1) is None
    assert store(f"install\t{model(1, 10)}") == ["installed"]
    assert store.seed(1, 2) == 1
    assert store(f"install\t{model(2, 11)}") == ["installed"]
    assert store.seed(1, 2) == 2
    assert store("revert", "revert") == ["true", "false"]
    assert store.seed(1, 2) == 1
    assert store(f"install\t{model(2, 10)}") == ["installed"]  # as new as the other
    assert store.seed(1, 2) == 2


def test_what_is_refused(store: Store, model: Model, key: Path, tmp_path: Path) -> None:
    assert store(f"install\t{model(1, 10)}") == ["installed"]
    make_key(tmp_path / "other")
    others = tmp_path / "others.kdb"
    others.write_bytes(signed(model_file(2), load_private_key(tmp_path / "other"), 99, others))
    unsigned = tmp_path / "unsigned.kdb"
    unsigned.write_bytes(model_file(2))
    half, changed = tmp_path / "half.kdb", tmp_path / "changed.kdb"
    whole = model(2, 20).read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    content = bytearray(whole)
    content[700] ^= 1
    changed.write_bytes(content)
    expected = {
        others: "incoming.kdb: is signed with another key. Get it from its maker.",
        unsigned: "incoming.kdb: isn't signed. Sign it with: kdbuild sign",
        half: "incoming.kdb: isn't signed. Sign it with: kdbuild sign",
        changed: "incoming.kdb: its signature doesn't hold: it was changed. Get it from its maker again.",
        model(
            2, 9
        ): "incoming.kdb: its serial is 9, and the model that is there has 10. Sign it again to go back to it.",
        wrong_golden(key, tmp_path): "incoming.kdb: answers golden text 2 otherwise here than where it was made. "
        "Don't use it on this device.",
    }
    assert store(*(f"install\t{path}" for path in expected)) == list(expected.values())
    assert store.seed(1, 2) == 1
    assert [path.name for path in store.folder.iterdir()] == ["current.kdb"]


def wrong_golden(key: Path, folder: Path) -> Path:
    """A whole, signed file whose last golden logit is another one."""
    content = bytearray(model_file(2))
    offset, size = struct.unpack_from("<2Q", content, 120 + 16 * 7)
    place = offset + size - len(TEXT) - -len(TEXT) % 4 - 4
    (logit,) = struct.unpack_from("<f", content, place)
    struct.pack_into("<f", content, place, logit + 0.5)
    digest = hashlib.sha256(content[512:-128]).digest()
    content[96:104], content[448:480] = digest[:8], digest
    content[480:512] = hashlib.sha256(content[:480]).digest()
    path = folder / "wrong.kdb"
    path.write_bytes(signed(bytes(content), load_private_key(key), 30, path))
    return path


@pytest.mark.parametrize("step", ["checked", "written", "set aside", "in place"])
def test_killed_after_any_step(step: str, store: Store, model: Model) -> None:
    assert store(f"install\t{model(1, 10)}") == ["installed"]
    assert store(f"kill\t{step}\t{model(2, 11)}") == []
    assert store.seed(1, 2) == (2 if step == "in place" else 1)
    assert not (store.folder / "incoming.kdb").exists()
    assert store(f"install\t{model(2, 11)}") == ["installed"]
    assert store.seed(1, 2) == 2


def test_a_model_that_was_damaged_since(store: Store, model: Model) -> None:
    assert store(f"install\t{model(1, 10)}", f"install\t{model(2, 11)}") == ["installed"] * 2
    current = store.folder / "current.kdb"
    current.write_bytes(current.read_bytes()[:-7])
    assert store.seed(1, 2) == 1
    assert store(f"install\t{model(3, 9)}") == [
        "incoming.kdb: its serial is 9, and the model that is there has 10. Sign it again to go back to it."
    ]
    assert store(f"install\t{model(3, 12)}") == ["installed"]
    assert store.seed(1, 2, 3) == 3
