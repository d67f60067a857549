"""The APK that ``kdbuild android`` builds."""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from artefacts import edit_manifest
from commands import run_cli
from kdbuild import __version__
from kdbuild.android.app import AppOptions, build_app
from kdbuild.android.archive import PAGE, Entry, misaligned, read_entries, write_archive
from kdbuild.android.elf import load_alignment
from kdbuild.android.java import Jdk
from kdbuild.android.resources import badging, fact, packaged_manifest, resource_text
from kdbuild.android.signing import verify
from kdbuild.android.tools import Libraries, Tools
from kdbuild.errors import BadInputError
from kdbuild.runtime.native.library import library_path
from reviews import Example, make_reviews, write_tsv

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "android_demo"
SST2 = DEMO / "models" / "sst2"
LIBRARY, TENSORFLOW_LITE = "lib/arm64-v8a/libkdbuild.so", "lib/arm64-v8a/libtensorflowlite_jni.so"


# Without a JDK


def elf(alignments: list[int], *, bits: int = 64) -> bytes:
    """A library with a segment that isn't mapped, and one that is for each alignment."""
    wide = bits == 64
    header = b"\x7fELF" + bytes([2 if wide else 1, 1]) + bytes(10)
    start, size = (64, 56) if wide else (52, 32)
    content = bytearray(header + bytes(start - 16))
    struct.pack_into("<Q" if wide else "<I", content, 32 if wide else 28, start)
    struct.pack_into("<HH", content, 54 if wide else 42, size, len(alignments) + 1)
    for kind, alignment in [(2, 8), *((1, alignment) for alignment in alignments)]:
        segment = bytearray(size)
        struct.pack_into("<I", segment, 0, kind)
        struct.pack_into("<Q" if wide else "<I", segment, 48 if wide else 28, alignment)
        content += segment
    return bytes(content)


@pytest.mark.parametrize("bits", [64, 32])
def test_alignment_of_segments(bits: int) -> None:
    assert load_alignment(elf([16384, 16384], bits=bits), "x") == 16384
    assert load_alignment(elf([16384, 4096], bits=bits), "x") == 4096


@pytest.mark.parametrize(
    "library", [b"", b"MZ" + bytes(100), elf([]), elf([4096])[:100], b"\x7fELF\x02\x02" + bytes(90)]
)
def test_alignment_of_no_library(library: bytes) -> None:
    with pytest.raises(BadInputError, match=r"^lib/x\.so: no native library of Android's\. Take it from an Android "):
        load_alignment(library, "lib/x.so")


def test_archive_is_aligned_and_follows_from_its_content(tmp_path: Path) -> None:
    entries = [
        Entry("AndroidManifest.xml", b"manifest" * 50),
        Entry("lib/arm64-v8a/libx.so", b"code" * 1000, PAGE),
        Entry("resources.arsc", b"table", 4),
        Entry("assets/ä/model_int8.tflite", b"weights", PAGE),
        Entry("classes.dex", b"classes" * 100),
    ]
    for name in ("one.apk", "two.apk"):
        write_archive(tmp_path / name, entries)
    assert (tmp_path / "one.apk").read_bytes() == (tmp_path / "two.apk").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.apk") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            entry.name: entry.content for entry in entries
        }
    packed = read_entries(tmp_path / "one.apk")
    assert [(entry.name, entry.stored) for entry in packed] == [
        ("AndroidManifest.xml", False),
        ("lib/arm64-v8a/libx.so", True),
        ("resources.arsc", True),
        ("assets/ä/model_int8.tflite", True),
        ("classes.dex", False),
    ]
    assert [entry.start % PAGE for entry in packed if entry.name.endswith(("so", "tflite"))] == [0, 0]
    content = (tmp_path / "one.apk").read_bytes()
    assert content[packed[3].start :].startswith(b"weights")
    assert misaligned(packed) == []


def test_misaligned_entries_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.apk"
    write_archive(path, [Entry("lib/x86/libx.so", b"code", 4), Entry("resources.arsc", b"table")])
    assert misaligned(read_entries(path)) == [
        "lib/x86/libx.so starts at 52, no multiple of 16,384",
        "resources.arsc is compressed",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Reviews", "Reviews"),
        ('It\'s <so> & "so"', 'It\\\'s &lt;so&gt; &amp; \\"so\\"'),
        ("@home", "\\@home"),
        ("?", "\\?"),
        ("a\\n@", "a\\\\n@"),
    ],
)
def test_names_in_resources(text: str, expected: str) -> None:
    assert resource_text(text) == expected


def test_manifest_is_completed() -> None:
    content = packaged_manifest((DEMO / "app/src/main/AndroidManifest.xml").read_bytes()).decode()
    assert 'package="dev.kdbuild.app"' in content
    assert content.count('android:extractNativeLibs="false"') == 1
    assert "uses-permission" not in content


def test_facts_of_badging() -> None:
    lines = ["package: name='a.b' versionCode='1' versionName='2.0'", "minSdkVersion:'24'", "application-label:'It's'"]
    assert fact(lines, "package", "name") == "a.b"
    assert fact(lines, "package", "versionName") == "2.0"
    assert fact(lines, "minSdkVersion") == "24"
    assert fact(lines, "application-label") == "It's"
    assert fact(lines, "targetSdkVersion") == ""


def refused(*arguments: str | Path) -> str:
    """The one line that a call ends with."""
    result = run_cli("android", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--application-id", "reviews"),
            "--application-id reviews: not a name of Android's. "
            "Use words of letters, digits and _ with dots between them, as in com.example.app.",
        ),
        (
            ("--abi", "arm64-v8a,mips"),
            "--abi mips: the engine isn't built for it. Use some of: arm64-v8a, armeabi-v7a, x86_64.",
        ),
        (("--abi", "x86"), "--abi x86: the engine isn't built for it. Use some of: arm64-v8a, armeabi-v7a, x86_64."),
        (
            ("--abi", "", "--engine", "tflite"),
            "--abi : the engine isn't built for it. Use some of: arm64-v8a, armeabi-v7a, x86_64, x86.",
        ),
        (
            ("--keystore", "release.p12"),
            "--key-alias: is missing. A key needs all three: --keystore, --key-alias, --store-password-env.",
        ),
        (
            ("--key-alias", "upload", "--store-password-env", "X"),
            "--keystore: is missing. A key needs all three: --keystore, --key-alias, --store-password-env.",
        ),
        (
            ("--keystore", "release.p12", "--key-alias", "upload", "--store-password-env", "KDBUILD_TEST"),
            "--keystore release.p12: no such file. Make one with keytool.",
        ),
        (
            ("--keystore", "pyproject.toml", "--key-alias", "upload", "--store-password-env", "KDBUILD_TEST"),
            "--store-password-env KDBUILD_TEST: is not set. Put the password into this variable.",
        ),
        (
            ("--out", "missing/app.apk"),
            "--out missing/app.apk: can't be written there. Name a file in a folder that exists.",
        ),
        (("--out", "src"), "--out src: can't be written there. Name a file in a folder that exists."),
    ],
)
def test_options_that_are_wrong(arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("KDBUILD_TEST", raising=False)
    assert refused(SST2, *arguments) == f"Error: {message}\n"


def test_artefacts_that_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").startswith(f"Error: {tmp_path}/none: no such artefact folder. Make one with: ")
    other = Path(shutil.copytree(SST2, tmp_path / "other"))
    edit_manifest(other, lambda it: it["files"].update({"model_int8.onnx": it["files"].pop("model_int8.tflite")}))
    assert refused(other, "--engine", "tflite") == (
        f"Error: {other}: has no model that the app runs (model_int8.tflite). Export it again, with --format tflite.\n"
    )
    edit_manifest(other, lambda it: it["files"].pop("model_int8.kdb"))
    assert refused(other) == (
        f"Error: {other}: has no model that the app runs (model_int8.kdb). Export it again, with --format native.\n"
    )
    pairs = Path(shutil.copytree(SST2, tmp_path / "pairs"))
    edit_manifest(pairs, lambda it: it.update(format_version="2.0", pairs=True))
    assert refused(pairs) == (
        f"Error: {pairs}: reads pairs of texts, and the app asks for one text. "
        "Put it into an app of your own: kdbuild export RUN --format aar\n"
    )
    damaged = Path(shutil.copytree(SST2, tmp_path / "damaged"))
    with (damaged / "vocab.txt").open("ab") as stream:
        stream.write(b"x")
    assert re.fullmatch(rf"Error: {damaged}/vocab\.txt: \d+ bytes instead of \d+: .*\n", refused(damaged))


@pytest.fixture
def no_jdk_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs with the names of a JDK's, so that nothing but the network is missing."""
    binaries = tmp_path / "jdk/bin"
    binaries.mkdir(parents=True)
    for name in ("java", "javac"):
        (binaries / name).write_text("#!/bin/sh\nexit 1\n")
        (binaries / name).chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_without_a_jdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    message = (
        f"Error: javac: not on JAVA_HOME {tmp_path}. Install a JDK, 11 or newer, or name its folder in JAVA_HOME.\n"
    )
    assert refused(SST2, "--out", tmp_path / "app.apk") == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="aapt2 has other names elsewhere")
def test_without_a_network(no_jdk_of_its_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDBUILD_MAVEN", "http://127.0.0.1:9")
    out = no_jdk_of_its_own / "app.apk"
    assert refused(SST2, "--out", out) == (
        "Error: org.apktool:apktool-lib:3.0.3@jar: can't be downloaded (http://127.0.0.1:9: Connection refused). "
        "Check the network, or name a mirror in KDBUILD_MAVEN.\n"
    )
    assert not out.exists()


def test_on_a_processor_without_aapt2(no_jdk_of_its_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert refused(SST2, "--out", no_jdk_of_its_own / "app.apk") == (
        "Error: aapt2: there is none for Linux on aarch64. Build the app on x86-64 Linux, macOS or Windows.\n"
    )


def test_export_of_both_kinds_is_refused(tmp_path: Path) -> None:
    result = run_cli("export", tmp_path, "--format", "onnx", "--format", "aar")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --format aar --format onnx: aar is a folder for Android instead of an artefact. Drop one of them.\n",
    )


# The app


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the debug key is kept."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def key_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to the user's folder."""
    monkeypatch.setenv("ANDROID_USER_HOME", str(home))


@pytest.fixture(scope="module")
def apk(
    tools: Tools, libraries: Libraries, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, str]:
    """An APK of the demo's artefact, and what the command that built it said."""
    out = tmp_path_factory.mktemp("apk") / "app.apk"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_USER_HOME", str(home))
        result = run_cli("android", SST2, "--out", out)
    assert result.exit_code == 0, result.output
    return out, result.stdout, result.stderr


@pytest.mark.android
def test_what_the_command_says(apk: tuple[Path, str, str]) -> None:
    path, said, warned = apk
    lines = said.splitlines()
    assert lines[0] == f"{path}  {path.stat().st_size / 1e6:.2f} MB"
    assert [line.split()[0] for line in lines[1:-4]] == [
        *("dex", "resources", "arm64-v8a", "model_int8.kdb", "vocabulary", "other"),
    ]
    sizes = [float(line.split()[1]) for line in lines[1:-4]]
    assert sum(sizes) == pytest.approx(path.stat().st_size / 1e6, abs=0.1)
    assert sizes[2:4] == [0.08, pytest.approx((SST2 / "model_int8.kdb").stat().st_size / 1e6, abs=0.005)]
    assert re.fullmatch(r"signature    v2 and v3 hold, certificate [0-9a-f]{16}…", lines[-4])
    assert lines[-3] == (
        f"badging      dev.kdbuild.app {__version__} 'kdbuild', API 24 and newer, target 36, 0 permissions"
    )
    assert lines[-2] == "alignment    native libraries and model at multiples of 16,384 bytes, not compressed"
    assert lines[-1] == f"Next: adb install -r {path}"
    assert [line.partition(",")[0] for line in warned.splitlines()] == ["Warning: signed with a debug key"]


@pytest.mark.android
def test_what_the_apk_holds(apk: tuple[Path, str, str]) -> None:
    with zipfile.ZipFile(apk[0]) as archive:
        names = archive.namelist()
        assert names[0] == "AndroidManifest.xml"
        assets = {name: archive.read(name) for name in names if name.startswith("assets/")}
        table = archive.read("dev/kdbuild/core/unicode.tsv")
        dex, library = archive.read("classes.dex"), archive.read(LIBRARY)
        assert len({info.date_time for info in archive.infolist()}) == 1
    files = ("manifest.json", "manifest.sha256", "labels.txt", "vocab.txt", "golden.jsonl", "model_int8.kdb")
    assert assets == {f"assets/artefact/{name}": (SST2 / name).read_bytes() for name in files}
    assert hashlib.sha256(table).hexdigest() == "2d6fef2444757873d06718d3f77314c0e330a7c9b5476bb7318810a4bab9717e"
    others = {name for name in names if not name.startswith(("assets/", "res/"))}
    assert others == {"AndroidManifest.xml", "resources.arsc", "classes.dex", "dev/kdbuild/core/unicode.tsv", LIBRARY}
    assert dex[:4] == b"dex\n"
    sources = [
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in (DEMO / "core/src/main/java", DEMO / "app/src/main/java")
        for path in folder.rglob("*.java")
        if path.stem != "package-info"
    ]
    assert len(sources) > 30
    assert [name for name in sources if f"L{name};".encode() not in dex] == []
    assert b"Ldev/kdbuild/tflite/TfLiteEngine;" not in dex
    assert library == library_path("android-arm64-v8a").read_bytes()
    assert load_alignment(library, LIBRARY) == 16384
    assert misaligned(read_entries(apk[0])) == []


@pytest.mark.android
def test_an_app_with_tensorflow_lite(libraries: Libraries, tmp_path: Path) -> None:
    out = tmp_path / "app.apk"
    result = run_cli("android", SST2, "--out", out, "--engine", "tflite")
    assert result.exit_code == 0, result.output
    assert "fewer than 16,384 bytes (arm64-v8a 4,096)" in result.stderr
    assert libraries.engine is not None
    with zipfile.ZipFile(out) as archive, zipfile.ZipFile(libraries.engine) as engine:
        library = archive.read(TENSORFLOW_LITE)
        assert library == engine.read("jni/arm64-v8a/libtensorflowlite_jni.so")
        assert b"Ldev/kdbuild/tflite/TfLiteEngine;" in archive.read("classes.dex")
        assert "assets/artefact/model_int8.tflite" in archive.namelist()
        assert "assets/artefact/model_int8.kdb" not in archive.namelist()
    assert load_alignment(library, TENSORFLOW_LITE) == 4096


@pytest.mark.android
def test_what_android_is_told(apk: tuple[Path, str, str], tools: Tools) -> None:
    facts = badging(tools, apk[0])
    assert fact(facts, "launchable-activity", "name") == "dev.kdbuild.app.MainActivity"
    assert fact(facts, "native-code") == "arm64-v8a"
    assert [line for line in facts if "permission" in line] == []
    command: list[str | Path] = [tools.aapt2, "dump", "xmltree", "--file", "AndroidManifest.xml", apk[0]]
    tree = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r'android:name\(0x01010003\)="([^"]+)"', tree) == [
        "dev.kdbuild.app.App",
        "dev.kdbuild.app.MainActivity",
        "android.intent.action.MAIN",
        "android.intent.category.LAUNCHER",
        "android.intent.action.SEND",
        "android.intent.category.DEFAULT",
        "dev.kdbuild.app.BenchmarkActivity",
    ]
    assert 'android:mimeType(0x01010026)="text/plain"' in tree
    assert re.findall(r"android:extractNativeLibs\(\w+\)=(\w+)", tree) == ["false"]
    assert re.findall(r"android:exported\(\w+\)=(\w+)", tree) == ["true", "false"]
    assert "debuggable" not in tree


@pytest.mark.android
def test_signature(apk: tuple[Path, str, str], tools: Tools, tmp_path: Path) -> None:
    signature = verify(tools, apk[0])
    assert signature.schemes == ("v2", "v3")
    changed = tmp_path / "changed.apk"
    content = bytearray(apk[0].read_bytes())
    start = next(entry.start for entry in read_entries(apk[0]) if entry.name.endswith(".kdb"))
    content[start + 1000] ^= 1
    changed.write_bytes(content)
    with pytest.raises(BadInputError, match=rf"^{changed}: its signature doesn't hold \(.*\)\. Build it again\.$"):
        verify(tools, changed)
    unsigned = tmp_path / "unsigned.apk"
    write_archive(unsigned, [Entry("AndroidManifest.xml", b"x")])
    with pytest.raises(BadInputError, match=rf"^{unsigned}: its signature doesn't hold "):
        verify(tools, unsigned)


@pytest.mark.android
def test_the_same_app_again(apk: tuple[Path, str, str], home: Path, tmp_path: Path) -> None:
    """Not only what is signed: this key's signatures follow from it."""
    key = (home / "debug.keystore").read_bytes()
    out = tmp_path / "again.apk"
    with zipfile.ZipFile(out, "w") as older:
        older.writestr("assets/artefact/manifest.json", "{}")
    build_app(SST2, out, AppOptions())
    assert out.read_bytes() == apk[0].read_bytes()
    assert (home / "debug.keystore").read_bytes() == key
    assert [path.name for path in tmp_path.iterdir()] == ["again.apk"]


def make_key(jdk: Jdk, store: Path, alias: str, password: str) -> None:
    """A release key, as Android's guide makes one."""
    command: list[str | Path] = [jdk.java.with_name("keytool"), "-genkeypair", "-keystore", store, "-alias", alias]
    command += ["-keyalg", "RSA", "-keysize", "2048", "-validity", "10000", "-storepass", password]
    command += ["-dname", "CN=Reviews"]
    subprocess.run(command, capture_output=True, check=True)


@pytest.mark.android
def test_options(apk: tuple[Path, str, str], tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, out = tmp_path / "release.p12", tmp_path / "reviews.apk"
    make_key(tools.jdk, store, "upload", "secret words")
    monkeypatch.setenv("STORE_PASSWORD", "secret words")
    key = ("--keystore", store, "--key-alias", "upload", "--store-password-env", "STORE_PASSWORD")
    identity = ("--application-id", "com.example.reviews", "--name", "Bob's <best> & co")
    result = run_cli("android", SST2, "--out", out, "--abi", "x86_64, arm64-v8a", *identity, *key)
    assert result.exit_code == 0, result.output
    assert "debug key" not in result.stderr
    facts = badging(tools, out)
    assert fact(facts, "package", "name") == "com.example.reviews"
    assert fact(facts, "application-label") == "Bob's <best> & co"
    assert fact(facts, "launchable-activity", "name") == "dev.kdbuild.app.MainActivity"
    (code,) = (line for line in facts if line.startswith("native-code"))
    assert code == "native-code: 'arm64-v8a' 'x86_64'"
    assert verify(tools, out).certificate != verify(tools, apk[0]).certificate

    before = out.read_bytes()
    monkeypatch.setenv("STORE_PASSWORD", "wrong")
    wrong = refused(SST2, "--out", out, *key)
    assert wrong == (
        f"Error: {store}: can't be signed with (keystore password was incorrect). "
        "Check --keystore, --key-alias and the password.\n"
    )
    monkeypatch.setenv("STORE_PASSWORD", "secret words")
    other = refused(SST2, "--out", out, *key[:2], "--key-alias", "other", *key[4:])
    assert other == (
        f"Error: {store}: can't be signed with (it holds no key called other, but [upload]). "
        "Check --keystore, --key-alias and the password.\n"
    )
    assert out.read_bytes() == before


@pytest.mark.android
def test_an_fp32_model(tools: Tools, libraries: Libraries, artefact_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    (folder / "model_int8.tflite").unlink()
    edit_manifest(folder, lambda manifest: manifest["files"].pop("model_int8.tflite"))
    result = run_cli("android", folder, "--out", tmp_path / "app.apk", "--engine", "tflite")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == (
        "model_fp32.tflite: there is no model_int8.tflite, which is a quarter of it and faster."
    )
    with zipfile.ZipFile(tmp_path / "app.apk") as archive:
        assert archive.read("assets/artefact/model_fp32.tflite") == (folder / "model_fp32.tflite").read_bytes()


@pytest.mark.android
def test_an_installed_wheel_builds_the_same(
    apk: tuple[Path, str, str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "models", "screenshots")
    for name in ("src", "tools", "android_demo"):
        shutil.copytree(ROOT / name, tree / name, ignore=left_out)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    built = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(tree)]
    subprocess.run(built, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    shutil.rmtree(tree)
    code = "import sys, kdbuild; sys.exit(not kdbuild.__file__.startswith(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(installed), "ANDROID_USER_HOME": str(home)}
    subprocess.run([sys.executable, "-c", code, str(installed)], check=True, cwd=tmp_path, env=environment)
    command = [sys.executable, "-m", "kdbuild", "android", str(SST2), "--out", "app.apk"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app.apk").read_bytes() == apk[0].read_bytes()


# The guide


@pytest.mark.android
def test_from_labels_to_a_phone(
    tools: Tools, libraries: Libraries, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/android.md tells people to type, in its order; the teacher is a small one, and the data made here."""
    monkeypatch.chdir(tmp_path)
    reviews: list[Example] = make_reviews(520, seed=1)
    write_tsv(tmp_path / "reviews.tsv", reviews)
    page = (ROOT / "docs/android.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    typed = [command.split()[1:] for command in commands if command.startswith("kdbuild ")]
    assert [arguments[0] for arguments in typed] == ["train", "export", "android", "android", "android", "export"]
    make_key(tools.jdk, tmp_path / "release.p12", "upload", "secret words")
    monkeypatch.setenv("STORE_PASSWORD", "secret words")
    for arguments in typed:
        given = [str(teacher_folder) if word == "bert-base-uncased" else word for word in arguments]
        if given[0] == "train":
            given += ["--embedding-size", "16", "--hidden-size", "16", "--classifier-size", "16", "--rounds", "4"]
        result = run_cli(*given)
        assert result.exit_code == 0, result.output
    assert {"app.apk", "reviews.apk", "release.apk", "for-android"} <= {path.name for path in tmp_path.iterdir()}
    with zipfile.ZipFile(tmp_path / "app.apk") as archive:
        model = archive.read("assets/artefact/model_int8.kdb")
    assert model == (tmp_path / "artefact/model_int8.kdb").read_bytes()
