"""Keys, signatures, and whether a signature holds."""

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kdbuild.android.java import Jdk
from kdbuild.android.tools import Tools
from kdbuild.errors import BadInputError
from kdbuild.files import link_or_copy
from kdbuild.staging import staging_folder

_MAIN = Path(__file__).resolve().parent / "Signing.java"
_PASSWORD = "KDBUILD_STORE_PASSWORD"
"""The variable that hands a password to another process: everybody can read a command line."""

_DEBUG_ALIAS, _DEBUG_PASSWORD = "androiddebugkey", "android"
"""As every Android tool has them: a debug key is no secret."""


@dataclass(frozen=True)
class Key:
    """A key in a key store."""

    store: Path
    alias: str
    password: str

    @property
    def is_debug(self) -> bool:
        """Whether it is one that anybody may have."""
        return self.alias == _DEBUG_ALIAS


@dataclass(frozen=True)
class Signature:
    """What Android's verifier says of an APK."""

    schemes: tuple[str, ...]
    """Those that hold, of ``v2`` (Android 7 and 8) and ``v3`` (Android 9 and newer)."""
    certificate: str
    """SHA-256 of the signer's, in hex."""


def debug_key(jdk: Jdk) -> Key:
    """The debug key that Android's tools share, made if there is none yet: ``~/.android/debug.keystore``.

    Raises:
        BadInputError: it can't be made.
    """
    folder = Path(os.environ.get("ANDROID_USER_HOME") or Path.home() / ".android")
    key = Key(folder / "debug.keystore", _DEBUG_ALIAS, _DEBUG_PASSWORD)
    if key.store.exists():
        return key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with staging_folder(folder, key.store.name) as staging:
            made = staging / key.store.name
            _make_key(jdk, Key(made, key.alias, key.password))
            # Where another process was faster, its key stays.
            with contextlib.suppress(FileExistsError):
                link_or_copy(made, key.store)
    except OSError as error:
        raise BadInputError(
            f"{folder}: no debug key can be kept there ({error.strerror}). Name a folder in ANDROID_USER_HOME."
        ) from error
    return key


def _make_key(jdk: Jdk, key: Key) -> None:
    command = [str(jdk.java.with_name("keytool" + jdk.java.suffix)), "-genkeypair", "-keystore", str(key.store)]
    command += ["-storetype", "PKCS12", "-storepass:env", _PASSWORD, "-alias", key.alias, "-dname", "CN=Android Debug"]
    command += ["-keyalg", "RSA", "-keysize", "2048", "-sigalg", "SHA256withRSA", "-validity", "10950"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(key.password))
    if done.returncode:
        raise BadInputError(f"keytool: {_reason(done)}. Check the JDK.")


def sign(tools: Tools, unsigned: Path, signed: Path, key: Key) -> None:
    """Sign an APK; its entries stay where they lie.

    Raises:
        BadInputError: the key can't be used.
    """
    arguments: list[str | Path] = ["sign", unsigned, signed, key.store, key.alias, _PASSWORD]
    command = tools.jdk.command(str(_MAIN), arguments, classpath=[tools.apksig])
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(key.password))
    if done.returncode:
        raise BadInputError(
            f"{key.store}: can't be signed with ({_reason(done)}). Check --keystore, --key-alias and the password."
        )


def verify(tools: Tools, apk: Path) -> Signature:
    """Let Android's own verifier judge an APK.

    Raises:
        BadInputError: its signature doesn't hold.
    """
    command = tools.jdk.command(str(_MAIN), ["verify", apk], classpath=[tools.apksig])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    facts = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    if done.returncode or ("verified", "true") not in facts:
        reasons = [value for name, value in facts if name == "error"] or [_reason(done)]
        raise BadInputError(f"{apk}: its signature doesn't hold ({reasons[0]}). Build it again.")
    schemes = tuple(scheme for scheme in ("v2", "v3") if (scheme, "true") in facts)
    return Signature(schemes, dict(facts)["certificate"])


def _environment(password: str) -> dict[str, str]:
    return {**os.environ, _PASSWORD: password}


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
    return lines[-1].strip().rstrip(".")
