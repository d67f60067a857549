"""The app's manifest and resources, compiled and linked by aapt2."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from kdbuild.android.tools import Tools
from kdbuild.errors import BadInputError

PACKAGE = "dev.kdbuild.app"
"""Package of the classes, whatever the application is called."""
MIN_SDK, TARGET_SDK = 24, 36
"""Android 7.0, the oldest that it runs on, and Android 16, whose rules it keeps."""

_ANDROID = "http://schemas.android.com/apk/res/android"


@dataclass(frozen=True)
class Linked:
    """What aapt2 made."""

    archive: Path
    """Zip file with the binary manifest, the resource table and the resources."""
    java: Path
    """Folder with the source of the class ``R``."""


@dataclass(frozen=True)
class Identity:
    """What tells an app from others."""

    application_id: str
    name: str
    """That people see; empty for the one in the resources."""
    version: str


def link_resources(tools: Tools, app: Path, identity: Identity, folder: Path) -> Linked:
    """Compile and link the resources of the app.

    Args:
        tools: of which aapt2 is used.
        app: folder with ``AndroidManifest.xml`` and ``res``.
        identity: of the app.
        folder: for what is made.

    Raises:
        BadInputError: aapt2 refuses something; the message is its first one.
    """
    compiled = [folder / "resources.zip"]
    _run(tools, "compile", "--dir", app / "res", "-o", compiled[0])
    if identity.name:
        values = folder / "name" / "values" / "name.xml"
        values.parent.mkdir(parents=True)
        content = f'<resources><string name="app_name">{resource_text(identity.name)}</string></resources>\n'
        values.write_text(content, encoding="utf-8")
        compiled.append(folder / "name.zip")
        _run(tools, "compile", "--dir", values.parents[1], "-o", compiled[1])
    manifest = folder / "AndroidManifest.xml"
    manifest.write_bytes(packaged_manifest((app / "AndroidManifest.xml").read_bytes()))
    linked = Linked(folder / "linked.zip", folder / "java")
    linked.java.mkdir()
    options: list[str | Path] = ["--manifest", manifest, "-I", tools.framework, "--java", linked.java]
    options += ["--min-sdk-version", str(MIN_SDK), "--target-sdk-version", str(TARGET_SDK)]
    options += ["--version-code", "1", "--version-name", identity.version]
    options += ["--rename-manifest-package", identity.application_id, "-o", linked.archive, compiled[0]]
    for overlay in compiled[1:]:
        options += ["-R", overlay]
    _run(tools, "link", *options)
    return linked


def packaged_manifest(content: bytes) -> bytes:
    """The manifest with what Gradle's plugin would add to it: the package, and that libraries are mapped from the APK."""
    ElementTree.register_namespace("android", _ANDROID)
    root = ElementTree.fromstring(content)
    root.set("package", PACKAGE)
    for application in root.iterfind("application"):
        application.set(f"{{{_ANDROID}}}extractNativeLibs", "false")
    packaged: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return packaged


def resource_text(text: str) -> str:
    """A text as a string resource has it: what XML and aapt2 would read otherwise is escaped."""
    escaped = re.sub(r"""(["'\\])""", r"\\\1", text)
    if escaped.startswith(("@", "?")):
        escaped = "\\" + escaped
    return escape(escaped)


def check_application_id(application_id: str) -> None:
    """Let a name pass that Android takes for an app.

    Raises:
        BadInputError: it doesn't.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", application_id):
        raise BadInputError(
            f"--application-id {application_id}: not a name of Android's. "
            "Use words of letters, digits and _ with dots between them, as in com.example.app."
        )


def badging(tools: Tools, apk: Path) -> list[str]:
    """What aapt2 says of an APK, a fact a line.

    Raises:
        BadInputError: it can't read it.
    """
    return _run(tools, "dump", "badging", apk).splitlines()


def fact(badging: Sequence[str], name: str, key: str = "") -> str:
    """A value of what :func:`badging` gave; empty where it isn't there.

    Args:
        badging: its lines.
        name: before the colon.
        key: where there are several values, that of the one that is wanted.
    """
    for line in badging:
        found, _, rest = line.partition(":")
        match = re.search(f"(?:^| ){key}='(.*?)'(?: |$)" if key else "^ ?'(.*)'$", rest)
        if found == name and match:
            return match[1]
    return ""


def _run(tools: Tools, *arguments: str | Path) -> str:
    command: Sequence[str | Path] = [tools.aapt2, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError as error:
        raise BadInputError(f"aapt2: can't be run ({error.strerror}). Build the app on another machine.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or [f"it ended with {done.returncode}"]
        raise BadInputError(f"aapt2: {lines[0].rstrip('.')}. Correct the resources.")
    return done.stdout
