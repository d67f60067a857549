"""Signatures of native model files: who made one, and that nobody changed it.

A signature is ECDSA over P-256 with SHA-256 (FIPS 186-5), in the file's last 128 bytes; ``docs/native-format.md`` has the
layout. It covers all bytes before itself, the key's number and the serial among them. Checking one needs the package
``cryptography``, reading it the standard library alone.
"""

import hashlib
import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from kdbuild.errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "model_int8.kdb"
"""The file of an artefact that can be signed."""
MARK = b"KDBSIGN\x01"
TRAILER = 128
_HEAD = "<8s16sQ"
_HEAD_SIZE = struct.calcsize(_HEAD)
_NUMBER = 32
"""Bytes of each of the signature's two numbers, r and s, big-endian."""
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the group of P-256."""


class Signature(NamedTuple):
    """What the end of a signed file says."""

    key_id: str
    """The first 16 bytes of the SHA-256 of the public key, in hexadecimal."""
    serial: int
    """Grows from one signature to the next: seconds since 1970, unless the signer chose another number."""
    value: bytes
    """r and s, 64 bytes."""


def key_id(public_key: bytes) -> bytes:
    """Return the 16 bytes that stand for a public key, given in DER as SubjectPublicKeyInfo (RFC 5280)."""
    return hashlib.sha256(public_key).digest()[:16]


def trailer(key: bytes, serial: int, value: bytes = b"") -> bytes:
    """Return the last 128 bytes of a file, or, without a value, the part of them that is signed.

    Args:
        key: the key's 16 bytes.
        serial: 0 to 2⁶⁴ - 1.
        value: r and s.
    """
    head = struct.pack(_HEAD, MARK, key, serial)
    return head + value + bytes(TRAILER - _HEAD_SIZE - len(value)) if value else head


def read_signature(content: "bytes | memoryview") -> Signature | None:
    """Read the signature of a file's content, unchecked; None where there is none."""
    last = bytes(content[-TRAILER:])
    if len(last) < TRAILER or not last.startswith(MARK):
        return None
    _, key, serial = struct.unpack_from(_HEAD, last)
    return Signature(key.hex(), serial, last[_HEAD_SIZE : _HEAD_SIZE + 2 * _NUMBER])


def load_public_key(source: "str | bytes | Path") -> Any:
    """Read a public key: a file's path, or the content of one, in PEM or DER as SubjectPublicKeyInfo.

    Raises:
        BadInputError: it isn't one of P-256.
        MissingExtraError: the package ``cryptography`` isn't installed.
    """
    serialization, ec = _cryptography()
    name, content = "public key", source
    if not isinstance(content, bytes):
        name = f"public key {os.fspath(content)}"
        try:
            with open(content, "rb") as stream:
                content = stream.read(1 << 16)
        except OSError as error:
            raise BadInputError(
                f"{name}: can't be read ({error.strerror}). Name the file that kdbuild sign wrote."
            ) from error
    load = serialization.load_pem_public_key if b"-----BEGIN" in content else serialization.load_der_public_key
    try:
        key = load(content)
    except Exception as error:  # of no common base class
        raise BadInputError(
            f"{name}: not a public key in PEM or DER. Name the .pub file that kdbuild sign wrote."
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInputError(f"{name}: not a key of the curve P-256. Make one with: kdbuild sign --new-key FILE")
    return key


def public_bytes(key: Any) -> bytes:
    """Return a public key in DER as SubjectPublicKeyInfo."""
    serialization, _ = _cryptography()
    content: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return content


def check_signature(content: "bytes | memoryview", public_key: Any, name: "str | Path") -> Signature:
    """Check the signature of a file.

    Args:
        content: all bytes of the file.
        public_key: as of :func:`load_public_key`.
        name: of the file, for messages.

    Returns:
        The signature.

    Raises:
        BadInputError: there is none, it is another key's, or it isn't of this content.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    _, ec = _cryptography()
    found, expected = read_signature(content), key_id(public_bytes(public_key)).hex()
    if found is None:
        raise BadInputError(f"{name}: isn't signed. Sign it with: kdbuild sign {name} --key KEY")
    if found.key_id != expected:
        raise BadInputError(
            f"{name}: is signed with the key {found.key_id}, not with {expected}. Get it from its maker."
        )
    r, s = (int.from_bytes(found.value[start : start + _NUMBER], "big") for start in (0, _NUMBER))
    try:
        if not (0 < r < _ORDER and 0 < s < _ORDER):
            raise InvalidSignature
        signed = bytes(content[: -TRAILER + _HEAD_SIZE])
        public_key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_sha256()))
    except InvalidSignature:
        raise BadInputError(
            f"{name}: its signature doesn't hold: it was changed. Get it from its maker again."
        ) from None
    return found


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _cryptography() -> tuple[Any, Any]:
    """The modules of the package for keys and for elliptic curves."""
    from kdbuild.errors import require

    require("cryptography", "sign")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return serialization, ec
