"""Signatures of native models: made, read, checked and refused."""

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.sign import make_key, sign
from kdbuild.runtime import Classifier
from kdbuild.runtime.native.binding import NativeModel, read_aligned
from kdbuild.runtime.signature import read_signature
from kdbuild.runtime.text.encoding import PIECES
from native_former import as_format_1
from native_students import Shape, native_file, numbered, random_student
from students import random_trained

SHAPE, VOCABULARY = Shape(4, 4, 4), numbered(12)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys, ``one`` and ``other``, each with its ``.pub``."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "other"):
        make_key(folder / name)
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file."""
    path = tmp_path / "model_int8.kdb"
    path.write_bytes(native_file(random_student(SHAPE, len(VOCABULARY)), SHAPE, VOCABULARY))
    return path


def test_new_key(tmp_path: Path) -> None:
    result = run_cli("sign", "--new-key", tmp_path / "k.pem")
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    before = (tmp_path / "k.pem").read_bytes()
    again = run_cli("sign", "--new-key", tmp_path / "k.pem")
    assert (again.exit_code, again.stderr) == (
        2,
        f"Error: --new-key {tmp_path}/k.pem: is there already. Choose another name; a key is never replaced.\n",
    )
    assert (tmp_path / "k.pem").read_bytes() == before


def test_a_signed_file_answers_as_before(model: Path, keys: Path) -> None:
    before, content = Classifier.load(model)("w3 w5"), model.read_bytes()
    result = run_cli("sign", model, "--key", keys / "one", "--serial", "7")
    assert result.exit_code == 0, result.output
    found = read_signature(model.read_bytes())
    assert found is not None
    assert result.stdout == f"{model}: signed with the key {found.key_id}, serial 7\n"
    assert model.read_bytes()[:-128] == content[:-128]
    for key in (keys / "one.pub", (keys / "one.pub").read_bytes(), str(keys / "one.pub")):
        classify = Classifier.load(model, public_key=key)
        assert classify("w3 w5") == before
    NativeModel(read_aligned(model), model, verify=True)
    sign(model, keys / "other", serial=8)
    Classifier.load(model, public_key=keys / "other.pub")
    with pytest.raises(
        BadInputError, match=r"model_int8\.kdb: is signed with the key \w{32}, not with \w{32}\. Get it"
    ):
        Classifier.load(model, public_key=keys / "one.pub")


def test_what_is_unsigned_or_changed_is_refused(model: Path, keys: Path) -> None:
    key = keys / "one.pub"
    with pytest.raises(BadInputError, match=r"^model_int8\.kdb: isn't signed\. Sign it with: kdbuild sign "):
        Classifier.load(model, public_key=key)
    sign(model, keys / "one")
    whole = model.read_bytes()
    # A byte of what no digest covers: the serial, r, s.
    for place in (-128 + 24, -128 + 32, -128 + 95):
        content = bytearray(whole)
        content[place] ^= 1
        model.write_bytes(content)
        with pytest.raises(BadInputError, match=r"^model_int8\.kdb: its signature doesn't hold: it was changed\."):
            Classifier.load(model, public_key=key)
    for number in (0, ORDER, ORDER + 1):
        for start in (32, 64):
            content = bytearray(whole)
            content[len(whole) - 128 + start :][:32] = b""
            content[len(whole) - 128 + start : len(whole) - 128 + start + 32] = number.to_bytes(32, "big")
            model.write_bytes(content)
            with pytest.raises(BadInputError, match="its signature doesn't hold"):
                Classifier.load(model, public_key=key)
    model.write_bytes(whole[:-1])
    with pytest.raises(BadInputError, match="has another size than its header says"):
        Classifier.load(model, public_key=key)
    content = bytearray(whole)
    content[-1] = 1
    model.write_bytes(content)
    with pytest.raises(BadInputError, match="is damaged"):
        Classifier.load(model)


def test_what_cannot_be_signed(tmp_path: Path, model: Path, keys: Path) -> None:
    former = tmp_path / "former.kdb"
    former.write_bytes(as_format_1(model.read_bytes()))
    with pytest.raises(
        BadInputError, match=r"former\.kdb: of format 1, which has no signatures\. Export the model again\."
    ):
        sign(former, keys / "one")
    damaged = tmp_path / "damaged.kdb"
    damaged.write_bytes(model.read_bytes()[:-5])
    with pytest.raises(BadInputError, match="has another size than its header says"):
        sign(damaged, keys / "one")
    with pytest.raises(BadInputError, match=r"none\.kdb: can't be read \(No such file or directory\)\."):
        sign(tmp_path / "none.kdb", keys / "one")


def test_keys_that_are_refused(tmp_path: Path, model: Path, keys: Path) -> None:
    other_curve, password, no_curve = tmp_path / "384", tmp_path / "locked", tmp_path / "rsa"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    for path, key, lock in (
        (other_curve, ec.generate_private_key(ec.SECP384R1()), serialization.NoEncryption()),
        (password, ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"secret")),
        (no_curve, rsa.generate_private_key(65537, 2048), serialization.NoEncryption()),
    ):
        path.write_bytes(key.private_bytes(pem, pkcs8, lock))
    before = model.read_bytes()
    for path, reason in (
        (other_curve, "not a key of the curve P-256"),
        (no_curve, "not a key of the curve P-256"),
        (password, "not a private key in PEM without a password"),
        (keys / "one.pub", "not a private key in PEM without a password"),
        (tmp_path / "none", r"can't be read \(No such file or directory\)"),
    ):
        with pytest.raises(
            BadInputError, match=rf"^--key {path}: {reason}\. Make one with: kdbuild sign --new-key FILE$"
        ):
            sign(model, path)
    assert model.read_bytes() == before
    with pytest.raises(BadInputError, match=r"^public key .*one: not a public key in PEM or DER\."):
        Classifier.load(model, public_key=keys / "one")


@pytest.mark.parametrize(
    "arguments", [(), ("artefact",), ("--key", "k"), ("artefact", "--key", "k", "--new-key", "n")], ids=str
)
def test_arguments_that_make_no_sense(arguments: tuple[str, ...]) -> None:
    result = run_cli("sign", *arguments)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: sign: needs ARTEFACT and --key to sign, or --new-key alone to make a key. Give one of both.\n",
    )


def test_an_artefact_is_signed_whole(keys: Path, tmp_path: Path) -> None:
    folder, limits = tmp_path / "artefact", Limits(1.0, 1.0)
    export_student(random_trained(PIECES), folder, formats=["native", "tflite"], quantize=True, limits=limits)
    before = sorted(path.name for path in folder.iterdir())
    unsigned = run_cli("verify", folder, "--public-key", keys / "one.pub")
    assert unsigned.exit_code == 3
    assert f"failed: {folder}/model_int8.kdb: isn't signed." in unsigned.stdout
    assert run_cli("sign", folder, "--key", keys / "one", "--serial", "5").exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    assert os.listdir(tmp_path) == ["artefact"]
    found = read_signature((folder / "model_int8.kdb").read_bytes())
    assert found is not None
    verified = run_cli("verify", folder, "--public-key", keys / "one.pub")
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.splitlines()[0] == f"signed with the key {found.key_id}, serial 5"
    assert run_cli("verify", folder, "--public-key", keys / "other.pub").exit_code == 3
    assert run_cli("verify", folder, "--public-key", tmp_path / "none").exit_code == 2
    shown = json.loads(run_cli("inspect", folder, "--json").stdout)
    assert shown["signature"] == {"key": found.key_id, "serial": 5}
    assert f"signed with the key {found.key_id}, serial 5" in run_cli("inspect", folder).stdout
    assert Classifier.load(folder, public_key=keys / "one.pub")("a film").label is not None
    with pytest.raises(BadInputError, match=r"^model_int8\.tflite: can't be signed, as native files can\."):
        Classifier.load(folder, engine="tflite", public_key=keys / "one.pub")
