"""From an artefact folder to an app: compile, link, pack, sign, verify; the APK is kept only when all of it went well."""

import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.android.archive import PAGE, Entry, alignment_of, misaligned, read_entries, write_archive
from kdbuild.android.classes import compile_classes, to_dex, write_jar
from kdbuild.android.elf import load_alignment
from kdbuild.android.resources import Identity, badging, check_application_id, link_resources
from kdbuild.android.signing import Key, Signature, debug_key, sign, verify
from kdbuild.android.sources import APP, CORE, PINS, TFLITE, UNICODE_RESOURCE, UNICODE_TABLE, find_sources
from kdbuild.android.tools import Libraries, fetch_libraries, fetch_tools
from kdbuild.errors import BadInputError
from kdbuild.files import FULL, write_atomically
from kdbuild.runtime.artefact import GOLDEN, LABELS, MANIFEST, MANIFEST_DIGEST, VOCABULARY, Artefact
from kdbuild.version import __version__

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64", "x86")
"""Processors that TensorFlow Lite is built for: phones, old phones, emulators."""
ASSETS = "assets/artefact/"
"""Where the app looks for the artefact."""

_LIBRARY = "libtensorflowlite_jni.so"


@dataclass(frozen=True)
class AppOptions:
    """What an app is to be like."""

    application_id: str = "dev.kdbuild.app"
    """Tells it from all other apps; two with the same can't be installed together."""
    name: str = ""
    """That people see; empty: kdbuild."""
    abis: tuple[str, ...] = ("arm64-v8a",)
    """Processors that it runs on."""
    key: Key | None = None
    """That it is signed with; None: the debug key of this machine."""


@dataclass(frozen=True)
class App:
    """An APK that was built and verified."""

    apk: Path
    model: str
    """File name of its model."""
    sizes: Mapping[str, int]
    """Bytes by part, compressed or not as they lie in it."""
    bytes: int
    """Of the whole file."""
    signature: Signature
    debug: bool
    """Whether the debug key signed it."""
    badging: Sequence[str]
    """What aapt2 says of it, a fact a line."""
    pages: Mapping[str, int]
    """By processor, the alignment of its native library's segments, in bytes."""


def model_name(artefact: Artefact) -> str:
    """The TFLite file to embed: int8 where there is one.

    Raises:
        BadInputError: the artefact has none.
    """
    for name in ("model_int8.tflite", "model_fp32.tflite"):
        if name in artefact.manifest.files:
            return name
    raise BadInputError(
        f"{artefact.folder}: has no model that the app runs (model_int8.tflite). Export it again, with --format tflite."
    )


def asset_names(artefact: Artefact) -> list[str]:
    """The files that an app needs of an artefact."""
    return [MANIFEST, MANIFEST_DIGEST, LABELS, VOCABULARY, GOLDEN, model_name(artefact)]


def build_app(folder: Path, out: Path, options: AppOptions) -> App:
    """Build the demo app around an artefact.

    Args:
        folder: the artefact; all of its files are checked.
        out: the APK to write, at once; an earlier one of kdbuild's is replaced.
        options: of the app.

    Raises:
        BadInputError: the artefact is damaged, reads pairs or has no TFLite model, an option is wrong, or something that is
            needed can't be had.
    """
    check_application_id(options.application_id)
    check_abis(options.abis)
    artefact = Artefact.open(folder)
    if artefact.manifest.pairs:
        raise BadInputError(
            f"{artefact.folder}: reads pairs of texts, and the app asks for one text. "
            "Put it into an app of your own: kdbuild export RUN --format android"
        )
    model = model_name(artefact)
    for name in artefact.manifest.files:
        artefact.check(name)
    check_out(out)
    sources = find_sources()
    with tempfile.TemporaryDirectory(prefix="kdbuild-android-") as name:
        work = Path(name)
        tools, libraries = fetch_tools(sources / PINS, work), fetch_libraries(sources / PINS, work)
        key = options.key or debug_key(tools.jdk)
        identity = Identity(options.application_id, options.name, __version__)
        linked = link_resources(tools, sources / APP, identity, work)
        jar = work / "app.jar"
        java = [sources / CORE, sources / TFLITE, sources / APP / "java", linked.java]
        write_jar(jar, compile_classes(libraries, java, work))
        dexes = to_dex(tools, libraries, [jar, *libraries.engine_jars], work)
        engines = native_libraries(libraries, options.abis)
        entries = [
            *_linked_entries(linked.archive),
            *(Entry(dex.name, dex.read_bytes()) for dex in dexes),
            Entry(UNICODE_RESOURCE, UNICODE_TABLE.read_bytes()),
            *(_asset(artefact, asset) for asset in asset_names(artefact)),
            *(Entry(f"lib/{abi}/{_LIBRARY}", library, PAGE) for abi, library in engines.items()),
        ]
        unsigned, signed = work / "unsigned.apk", work / "signed.apk"
        write_archive(unsigned, entries)
        sign(tools, unsigned, signed, key)
        app = App(
            apk=out,
            model=model,
            sizes=part_sizes(signed, model),
            bytes=signed.stat().st_size,
            signature=verify(tools, signed),
            debug=key.is_debug,
            badging=badging(tools, signed),
            pages={abi: load_alignment(library, f"lib/{abi}/{_LIBRARY}") for abi, library in engines.items()},
        )
        problems = misaligned(read_entries(signed))
        if problems:
            raise BadInputError(f"{out}: {problems[0]}, so Android can't map it. Install kdbuild again.")
        keep(signed, out)
    return app


def check_abis(abis: Sequence[str]) -> None:
    """Let processors pass that there is a library for.

    Raises:
        BadInputError: one isn't known, or there is none.
    """
    for abi in abis or ("",):
        if abi not in ABIS:
            raise BadInputError(f"--abi {abi}: not a processor of Android's. Use some of: {', '.join(ABIS)}.")


def native_libraries(libraries: Libraries, abis: Sequence[str]) -> dict[str, bytes]:
    """TensorFlow Lite for each processor."""
    with zipfile.ZipFile(libraries.engine) as archive:
        return {abi: archive.read(f"jni/{abi}/{_LIBRARY}") for abi in ABIS if abi in abis}


def _linked_entries(archive: Path) -> list[Entry]:
    """The manifest first, as installers expect it."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(opened.namelist(), key=lambda name: (name != "AndroidManifest.xml", name))
        return [Entry(name, opened.read(name), alignment_of(name)) for name in names]


def _asset(artefact: Artefact, name: str) -> Entry:
    listed = name in artefact.manifest.files
    content = artefact.read(name) if listed else (artefact.folder / name).read_bytes()
    return Entry(ASSETS + name, content, alignment_of(name))


def part_sizes(apk: Path, model: str) -> dict[str, int]:
    """Bytes of each part of an APK."""
    parts = {"dex": r"classes\d*\.dex", "resources": r"resources\.arsc|AndroidManifest\.xml|res/.*"}
    parts |= {abi: f"lib/{abi}/.*" for abi in ABIS}
    parts |= {model: re.escape(ASSETS + model), "vocabulary": re.escape(ASSETS + VOCABULARY)}
    sizes = dict.fromkeys([*parts, "other"], 0)
    for entry in read_entries(apk):
        part = next((part for part, pattern in parts.items() if re.fullmatch(pattern, entry.name)), "other")
        sizes[part] += entry.bytes
    return {part: size for part, size in sizes.items() if size}


def check_out(out: Path) -> None:
    """Make sure that the app can be written, and replaces none but an app of kdbuild's.

    Raises:
        BadInputError: there is no such folder, or something else has the name.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise BadInputError(f"--out {out}: can't be written there. Name a file in a folder that exists.")
    if not out.is_file():
        return
    try:
        with zipfile.ZipFile(out) as archive:
            is_ours = ASSETS + MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        is_ours = False
    if not is_ours:
        raise BadInputError(f"--out {out}: is there already, and no app of kdbuild's. Choose another name.")


def keep(made: Path, out: Path) -> None:
    """Put a file into its place at once, wherever it was made.

    Raises:
        BadInputError: it can't be written there.
    """
    try:
        write_atomically(out, made.read_bytes())
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInputError(f"--out {out}: can't be written ({error.strerror}). Choose another name.") from error
