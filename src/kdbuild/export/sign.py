"""Signing native model files, alone or in an artefact folder."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError, require
from kdbuild.files import staged_folder, write_atomically
from kdbuild.json_text import json_text
from kdbuild.runtime.artefact import MANIFEST, MANIFEST_DIGEST, Artefact, file_entry, files_of_artefact, write_manifest
from kdbuild.runtime.native.binding import NativeModel, aligned
from kdbuild.runtime.signature import MODEL, TRAILER, Signature, key_id, public_bytes, read_signature, trailer

_FORMAT = 8
"""Where a file has the version of its format."""
_FIRST_WITH_SIGNATURES = 2


def make_key(path: Path) -> Path:
    """Make a key: the private one, which only its owner may read, and beside it the public one, in PEM and in DER.

    Returns:
        The file of the public key in PEM, ``PATH.pub``; the other is ``PATH.der``.

    Raises:
        BadInputError: one of the files is there, or can't be written.
        MissingExtraError: the package ``cryptography`` isn't installed.
    """
    require("cryptography", "sign")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    public, der = (path.with_name(path.name + suffix) for suffix in (".pub", ".der"))
    for taken in (path, public, der):
        if os.path.lexists(taken):
            raise BadInputError(f"--new-key {taken}: is there already. Choose another name; a key is never replaced.")
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        # Private from its first byte on.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(private)
        for file, encoding in ((public, serialization.Encoding.PEM), (der, serialization.Encoding.DER)):
            write_atomically(
                file, key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
            )
    except OSError as error:
        raise BadInputError(f"--new-key {path}: can't be written ({error.strerror}). Choose another place.") from error
    return public


def load_private_key(path: Path) -> Any:
    """Read a private key in PEM.

    Raises:
        BadInputError: it can't be read, needs a password, or isn't one of P-256.
        MissingExtraError: the package ``cryptography`` isn't installed.
    """
    require("cryptography", "sign")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    way_out = "Make one with: kdbuild sign --new-key FILE"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise BadInputError(f"--key {path}: can't be read ({error.strerror}). {way_out}") from error
    except Exception as error:  # of no common base class
        raise BadInputError(f"--key {path}: not a private key in PEM without a password. {way_out}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInputError(f"--key {path}: not a key of the curve P-256. {way_out}")
    return key


def signed(content: bytes, key: Any, serial: int, name: str | Path) -> bytes:
    """Return a model file's content with a signature, in place of an earlier one.

    Args:
        content: the file's.
        key: as of :func:`load_private_key`.
        serial: for apps, which take no model with a smaller one than they have.
        name: of the file, for messages.

    Raises:
        BadInputError: it isn't a whole model, or of a format without signatures.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    NativeModel(aligned(content), name, verify=True)
    if content[_FORMAT] < _FIRST_WITH_SIGNATURES:
        raise BadInputError(f"{name}: of format {content[_FORMAT]}, which has no signatures. Export the model again.")
    body = content[:-TRAILER]
    number = key_id(public_bytes(key.public_key()))
    value = key.sign(body + trailer(number, serial), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(value)
    return body + trailer(number, serial, r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def sign(path: Path, key_file: Path, serial: int | None = None) -> Signature:
    """Sign a model file, or that of an artefact folder, whose manifest then says so; all or nothing is written.

    Args:
        path: the file or folder.
        key_file: of the private key.
        serial: seconds since 1970 if None.

    Raises:
        BadInputError: there is no native model, it is damaged, or the key can't be used.
        MissingExtraError: the package ``cryptography`` isn't installed.
    """
    key = load_private_key(key_file)
    number = int(time.time()) if serial is None else serial
    if not path.is_dir():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadInputError(
                f"{path}: can't be read ({error.strerror}). Name a model_int8.kdb or its folder."
            ) from error
        made = signed(content, key, number, path)
        write_atomically(path, made)
    else:
        made = _sign_in(path, key, number)
    found = read_signature(made)
    assert found is not None
    return found


def _sign_in(folder: Path, key: Any, serial: int) -> bytes:
    artefact = Artefact.open(folder)
    if MODEL not in artefact.manifest.files:
        raise BadInputError(
            f"{folder}: has no {MODEL}, and no other file can be signed. Export it with --format native."
        )
    made = signed(artefact.read(MODEL), key, serial, folder / MODEL)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"][MODEL] = file_entry(made)
    names = files_of_artefact(folder)
    with staged_folder(folder, MANIFEST_DIGEST) as aside:
        for name in names:
            if name not in (MODEL, MANIFEST, MANIFEST_DIGEST):
                shutil.copyfile(folder / name, aside / name)
        (aside / MODEL).write_bytes(made)
        write_manifest(aside, (json_text(manifest, indent=2, sort_keys=True) + "\n").encode("utf-8"))
    return made
