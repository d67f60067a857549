"""The library for Android that ``kdbuild export --format aar`` writes."""

import http.server
import os
import re
import shutil
import subprocess
import threading
import zipfile
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from commands import run_cli
from kdbuild.android.aar import Coordinates, write_library
from kdbuild.android.classes import java_home, write_jar
from kdbuild.android.elf import load_alignment
from kdbuild.android.maven import Coordinate, fetch
from kdbuild.android.tools import Libraries, Tools
from kdbuild.errors import BadInputError
from kdbuild.files import file_digest
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.native.library import library_path
from pinned import fetch_listed

SST2 = Path(__file__).resolve().parents[2] / "android_demo" / "models" / "sst2"
REVIEWS = Coordinates("com.example", "my-reviews", "1.2")
REPOSITORY = "maven/com/example/my-reviews/1.2/my-reviews-1.2"
FILES = [
    "Example.java",
    "Example.kt",
    "README.md",
    "SHA256SUMS",
    f"{REPOSITORY}-javadoc.jar",
    f"{REPOSITORY}.aar",
    f"{REPOSITORY}.pom",
    "my-reviews-1.2.aar",
]
ASSETS = "assets/kdbuild/com.example.my_reviews/"


# Without a JDK


def test_names_that_follow_from_the_coordinates() -> None:
    assert (REVIEWS.package, REVIEWS.class_name) == ("com.example.my_reviews", "MyReviews")
    assert (Coordinates().package, Coordinates().class_name) == ("com.example.text_classifier", "TextClassifier")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--group", "com/example"),
            "--group com/example: not a name that Maven and Java take. Use words with dots between them, as in com.example.",
        ),
        (
            ("--artifact", "2good"),
            "--artifact 2good: not a name that Maven and Java take. Use letters, digits and hyphens, as in my-reviews.",
        ),
        (
            ("--artifact", "classifier"),
            "--artifact classifier: its class would be Classifier, as another one is called. "
            "Use a name of its own, as in my-reviews.",
        ),
        (
            ("--library-version", "../1"),
            "--library-version ../1: not a name that Maven and Java take. Use a version as in 1.0.",
        ),
    ],
)
def test_coordinates_that_are_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = run_cli("export", tmp_path / "run", "--format", "aar", "--out", tmp_path / "out", *arguments)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_coordinates_of_no_library(tmp_path: Path) -> None:
    result = run_cli("export", tmp_path / "run", "--format", "web", "--group", "com.example")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --group com.example: no aar is written. Add --format aar, or drop it.\n",
    )


def test_without_a_jdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BadInputError, match=r"^javac: not on JAVA_HOME "):
        write_library(SST2, tmp_path / "library", REVIEWS)
    assert list(tmp_path.iterdir()) == []


# With one


@pytest.fixture(scope="module")
def library(tools: Tools, libraries: Libraries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the demo's artefact."""
    pytest.importorskip("ziglang")
    out = tmp_path_factory.mktemp("library") / "for-android"
    assert [path.as_posix() for path in write_library(SST2, out, REVIEWS)] == FILES
    return out


@pytest.mark.android
def test_what_the_library_holds(library: Path) -> None:
    aar = library / "my-reviews-1.2.aar"
    assert (library / f"{REPOSITORY}.aar").read_bytes() == aar.read_bytes()
    artefact = Artefact.open(SST2)
    with zipfile.ZipFile(aar) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = ElementTree.fromstring(content["AndroidManifest.xml"])
    assert manifest.get("package") == "com.example.my_reviews"
    assert content["R.txt"] == b""
    assert b"minCompileSdk=1\n" in content["META-INF/com/android/build/gradle/aar-metadata.properties"]
    for abi in ("arm64-v8a", "armeabi-v7a", "x86_64"):
        name = f"jni/{abi}/libkdbuild.so"
        assert content[name] == library_path(f"android-{abi}").read_bytes()
        assert load_alignment(content[name], name) == 16384
    assert content[f"{ASSETS}model_int8.kdb"] == artefact.read("model_int8.kdb")
    names = {name.removeprefix(ASSETS) for name in content if name.startswith(ASSETS)}
    assert names == {"manifest.json", "manifest.sha256", "labels.txt", "vocab.txt", "golden.jsonl", "model_int8.kdb"}
    with zipfile.ZipFile(library / f"{REPOSITORY}-javadoc.jar") as pages:
        assert {"index.html", "com/example/my_reviews/MyReviews.html", "dev/kdbuild/core/Classifier.html"} <= set(
            pages.namelist()
        )
    readme = (library / "README.md").read_text(encoding="utf-8")
    assert 'implementation("com.example:my-reviews:1.2")' in readme
    assert "The labels are `negative`, `positive`; a text is read up to 512 tokens." in readme
    assert "$" not in readme


@pytest.mark.android
def test_the_library_is_had_through_maven(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a repository's paths, over HTTP; and by Maven itself where there is one."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(library / "maven"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("KDBUILD_MAVEN", url)
        aar = library / "my-reviews-1.2.aar"
        for extension in ("aar", "pom"):
            file = library / f"{REPOSITORY}.{extension}"
            coordinate = Coordinate.parse(f"com.example:my-reviews:1.2@{extension}")
            assert fetch(coordinate, file_digest(file), cache=tmp_path / "cache").read_bytes() == file.read_bytes()
        server.shutdown()
    pom = ElementTree.parse(library / f"{REPOSITORY}.pom").getroot()
    said = {child.tag.rpartition("}")[2]: child.text for child in pom}
    assert said == {
        **{"modelVersion": "4.0.0", "groupId": "com.example", "artifactId": "my-reviews"},
        **{"version": "1.2", "packaging": "aar"},
    }
    assert aar.stat().st_size < 1_700_000


@pytest.mark.android
def test_the_same_library_again(library: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(library, tmp_path / "library"))
    (out / "Example.kt").write_text("old")
    write_library(SST2, out, REVIEWS)
    assert (out / "SHA256SUMS").read_bytes() == (library / "SHA256SUMS").read_bytes()
    (out / "notes.txt").touch()
    with pytest.raises(BadInputError, match=r"holds notes\.txt, which no export wrote\."):
        write_library(SST2, out, REVIEWS)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(BadInputError, match=r"holds something that isn't a library for Android\."):
        write_library(SST2, tmp_path, REVIEWS)


def classes_of(library: Path, folder: Path) -> Path:
    """The classes of the library, as an app compiles against them."""
    jar = folder / "library.jar"
    with zipfile.ZipFile(library / "my-reviews-1.2.aar") as archive:
        jar.write_bytes(archive.read("classes.jar"))
    return jar


@pytest.mark.android
def test_example_in_java_compiles(library: Path, libraries: Libraries, tmp_path: Path) -> None:
    classpath = os.pathsep.join(map(str, (libraries.android, classes_of(library, tmp_path))))
    checks = ["--release", "8", "-Xlint:all,-options,-path,-classfile", "-Werror"]
    command: list[str | Path] = [libraries.jdk.javac, *checks, "-classpath", classpath, "-d", tmp_path]
    done = subprocess.run([*command, library / "Example.java"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / "Example.class").exists()


@pytest.mark.android
@pytest.mark.parametrize("source", ["the library's example", "the README"])
def test_kotlin_compiles(source: str, library: Path, libraries: Libraries, tmp_path: Path) -> None:
    program = library / "Example.kt"
    if source == "the README":
        readme = (SST2.parents[2] / "README.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"^```kotlin\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
        program = tmp_path / "Moods.kt"
        code = code.replace("com.example.reviews.Reviews", "com.example.my_reviews.MyReviews")
        program.write_text(code.replace("Reviews.load", "MyReviews.load"), encoding="utf-8")
    compiler = fetch_listed("kotlin.sha256")
    standard = [path for path in compiler if path.name.startswith(("kotlin-stdlib", "annotations"))]
    classpath = os.pathsep.join(map(str, [libraries.android, classes_of(library, tmp_path), *standard]))
    arguments: list[str | Path] = ["-no-stdlib", "-no-reflect", "-Werror", "-classpath", classpath, "-d", tmp_path]
    command = libraries.jdk.command(
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        [*arguments, program],
        classpath=compiler,
        options=["-Xmx1g"],
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (tmp_path / ("ExampleKt.class" if program.name == "Example.kt" else "Moods.class")).exists()


@pytest.mark.android
@pytest.mark.parametrize("with_rules", [True, False])
def test_rules_for_shrinking(
    with_rules: bool, library: Path, tools: Tools, libraries: Libraries, tmp_path: Path
) -> None:
    """Where classes lose their names, the table and the methods in C are still found; without the rules they wouldn't be."""
    runtime, classes, app = classes_of(library, tmp_path), tmp_path / "classes", tmp_path / "app.jar"
    classpath = os.pathsep.join(map(str, (libraries.android, runtime)))
    command: list[str | Path] = [libraries.jdk.javac, "--release", "8", "-nowarn", "-Xlint:none"]
    command += ["-classpath", classpath, "-d", classes, library / "Example.java"]
    subprocess.run(command, capture_output=True, check=True)
    write_jar(app, classes)
    rules = tmp_path / "app.pro"
    with zipfile.ZipFile(library / "my-reviews-1.2.aar") as archive:
        own = archive.read("proguard.txt").decode() if with_rules else ""
    rules.write_text(f"-allowaccessmodification\n-repackageclasses ''\n-keep class Example {{ *; }}\n{own}")
    arguments: list[str | Path] = ["--release", "--min-api", "24", "--output", tmp_path, "--pg-conf", rules]
    arguments += ["--lib", libraries.android, "--lib", java_home(tools.jdk), app, runtime]
    shrink = tools.jdk.command("com.android.tools.r8.R8", arguments, classpath=[tools.r8], options=["-Xmx1g"])
    done = subprocess.run(shrink, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    dex = (tmp_path / "classes.dex").read_bytes()
    assert b"LExample;" in dex
    for name in (b"Ldev/kdbuild/core/UnicodeTable;", b"Ldev/kdbuild/core/NativeEngine;"):
        assert (name in dex) == with_rules


@pytest.mark.android
def test_export_of_a_run(tools: Tools, finished_run: Path, tmp_path: Path) -> None:
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    out = tmp_path / "for-android"
    result = run_cli("export", finished_run, "--format", "aar", "--out", out, *limits)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"Next: add it to your app, as {out}/README.md says"
    assert (out / "text-classifier-1.0.aar").is_file()
    assert re.search(r"labels are `neg`, `pos`", (out / "README.md").read_text(encoding="utf-8"))
