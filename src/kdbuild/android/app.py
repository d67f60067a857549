"""From an artefact folder to an app: compile, link, pack, sign, verify; the APK is kept only when all of it went well."""

import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.android.archive import PAGE, Entry, alignment_of, misaligned, read_entries, write_archive
from kdbuild.android.classes import compile_classes, to_dex, write_jar
from kdbuild.android.elf import load_alignment
from kdbuild.android.resources import Identity, badging, check_application_id, link_resources
from kdbuild.android.signing import Key, Signature, debug_key, sign, verify
from kdbuild.android.sources import APP, CORE, PINS, TFLITE, UNICODE_RESOURCE, UNICODE_TABLE, find_sources
from kdbuild.android.tools import fetch_libraries, fetch_tools
from kdbuild.errors import BadInputError
from kdbuild.files import FULL, write_atomically
from kdbuild.runtime.artefact import GOLDEN, LABELS, MANIFEST, MANIFEST_DIGEST, VOCABULARY, Artefact
from kdbuild.runtime.native.library import library_path
from kdbuild.version import __version__


@dataclass(frozen=True)
class AppEngine:
    """What may run the model inside an app."""

    models: tuple[str, ...]
    """Names of the files that it runs, the preferred one first."""
    format: str
    """Name of the export's format that writes them."""
    library: str
    """Name of its native library."""
    abis: tuple[str, ...]
    """Processors that the library is built for: phones, old phones, emulators."""
    libraries: Callable[[Path | None, Sequence[str]], dict[str, bytes]]
    """Gives the library for each of some processors; takes TensorFlow Lite's archive, if that is the engine."""


def _own_libraries(_: Path | None, abis: Sequence[str]) -> dict[str, bytes]:
    return {abi: library_path(f"android-{abi}").read_bytes() for abi in abis}


def _tensorflow_lite(archive: Path | None, abis: Sequence[str]) -> dict[str, bytes]:
    assert archive is not None
    with zipfile.ZipFile(archive) as opened:
        return {abi: opened.read(f"jni/{abi}/libtensorflowlite_jni.so") for abi in abis}


ENGINES = {
    "native": AppEngine(
        ("model_int8.kdb",), "native", "libkdbuild.so", ("arm64-v8a", "armeabi-v7a", "x86_64"), _own_libraries
    ),
    "tflite": AppEngine(
        ("model_int8.tflite", "model_fp32.tflite"),
        "tflite",
        "libtensorflowlite_jni.so",
        ("arm64-v8a", "armeabi-v7a", "x86_64", "x86"),
        _tensorflow_lite,
    ),
}
"""The engines that an app may have, by name; the first is the default."""
ASSETS = "assets/artefact/"
"""Where the app looks for the artefact."""


@dataclass(frozen=True)
class AppOptions:
    """What an app is to be like."""

    application_id: str = "dev.kdbuild.app"
    """Tells it from all other apps; two with the same can't be installed together."""
    name: str = ""
    """That people see; empty: kdbuild."""
    abis: tuple[str, ...] = ("arm64-v8a",)
    """Processors that it runs on."""
    engine: str = "native"
    """What runs the model: one of :data:`ENGINES`."""
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
    """Size of the whole file."""
    signature: Signature
    debug: bool
    """Whether the debug key signed it."""
    badging: Sequence[str]
    """What aapt2 says of it, a fact a line."""
    pages: Mapping[str, int]
    """By processor, the alignment of its native library's segments, in bytes."""


def model_name(artefact: Artefact, engine: AppEngine) -> str:
    """Return the model file to embed, int8 where there is one.

    Raises:
        BadInputError: the artefact has none that the engine runs.
    """
    for name in engine.models:
        if name in artefact.manifest.files:
            return name
    raise BadInputError(
        f"{artefact.folder}: has no model that the app runs ({engine.models[0]}). "
        f"Export it again, with --format {engine.format}."
    )


def asset_names(artefact: Artefact, engine: AppEngine) -> list[str]:
    """List the files that an app needs of an artefact."""
    return [MANIFEST, MANIFEST_DIGEST, LABELS, VOCABULARY, GOLDEN, model_name(artefact, engine)]


def build_app(folder: Path, out: Path, options: AppOptions) -> App:
    """Build the demo app around an artefact.

    Args:
        folder: the artefact; all of its files are checked.
        out: the APK to write, at once; an earlier one of kdbuild's is replaced.
        options: of the app.

    Raises:
        BadInputError: the artefact is damaged, reads pairs or has no model that the engine runs, an option is wrong, or
            something that is needed can't be had.
    """
    check_application_id(options.application_id)
    engine = ENGINES[options.engine]
    check_abis(options.abis, engine)
    artefact = Artefact.open(folder)
    if artefact.manifest.pairs:
        raise BadInputError(
            f"{artefact.folder}: reads pairs of texts, and the app asks for one text. "
            "Put it into an app of your own: kdbuild export RUN --format aar"
        )
    model = model_name(artefact, engine)
    for name in artefact.manifest.files:
        artefact.check(name)
    check_out(out)
    sources = find_sources()
    with tempfile.TemporaryDirectory(prefix="kdbuild-android-") as name:
        work = Path(name)
        tools, libraries = (
            fetch_tools(sources / PINS, work),
            fetch_libraries(sources / PINS, work, tflite=engine is ENGINES["tflite"]),
        )
        key = options.key or debug_key(tools.jdk)
        identity = Identity(options.application_id, options.name, __version__)
        linked = link_resources(tools, sources / APP, identity, work)
        jar = work / "app.jar"
        java = [
            sources / CORE,
            *([sources / TFLITE] if libraries.engine_jars else []),
            sources / APP / "java",
            linked.java,
        ]
        write_jar(jar, compile_classes(libraries, java, work))
        dexes = to_dex(tools, libraries, [jar, *libraries.engine_jars], work)
        engines = engine.libraries(libraries.engine, [abi for abi in engine.abis if abi in options.abis])
        entries = [
            *_linked_entries(linked.archive),
            *(Entry(dex.name, dex.read_bytes()) for dex in dexes),
            Entry(UNICODE_RESOURCE, UNICODE_TABLE.read_bytes()),
            *(asset(artefact, name, ASSETS) for name in asset_names(artefact, engine)),
            *(Entry(f"lib/{abi}/{engine.library}", library, PAGE) for abi, library in engines.items()),
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
            pages={abi: load_alignment(library, f"lib/{abi}/{engine.library}") for abi, library in engines.items()},
        )
        problems = misaligned(read_entries(signed))
        if problems:
            raise BadInputError(f"{out}: {problems[0]}, so Android can't map it. Install kdbuild again.")
        keep(signed, out)
    return app


def check_abis(abis: Sequence[str], engine: AppEngine) -> None:
    """Let processors pass that there is a library for.

    Raises:
        BadInputError: one isn't known, or there is none.
    """
    for abi in abis or ("",):
        if abi not in engine.abis:
            raise BadInputError(f"--abi {abi}: the engine isn't built for it. Use some of: {', '.join(engine.abis)}.")


def _linked_entries(archive: Path) -> list[Entry]:
    """The manifest first, as installers expect it."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(opened.namelist(), key=lambda name: (name != "AndroidManifest.xml", name))
        return [Entry(name, opened.read(name), alignment_of(name)) for name in names]


def asset(artefact: Artefact, name: str, folder: str) -> Entry:
    """Read a file of an artefact as an entry of an archive, below a folder there; what the manifest lists is checked."""
    listed = name in artefact.manifest.files
    content = artefact.read(name) if listed else (artefact.folder / name).read_bytes()
    return Entry(folder + name, content, alignment_of(name))


def part_sizes(apk: Path, model: str) -> dict[str, int]:
    """Bytes of each part of an APK."""
    parts = {"dex": r"classes\d*\.dex", "resources": r"resources\.arsc|AndroidManifest\.xml|res/.*"}
    parts |= {abi: f"lib/{abi}/.*" for abi in ENGINES["tflite"].abis}
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
