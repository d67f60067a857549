"""Pinned files of Maven repositories, and the Java tools; repositories are folders and a server on this machine."""

import hashlib
import os
import shutil
import stat
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kdbuild.android.java import Jdk, take_from
from kdbuild.android.maven import Coordinate, fetch, repositories
from kdbuild.android.pins import fetch_pinned, read_pins
from kdbuild.errors import BadInputError

PINS = Path(__file__).resolve().parents[2] / "android_demo" / "gradle"
CENTRAL, GOOGLE = "https://repo1.maven.org/maven2", "https://dl.google.com/dl/android/maven2"

COORDINATE = Coordinate.parse("org.example:thing:1.2-3:linux-x86_64@zip")
PATH = "org/example/thing/1.2-3/thing-1.2-3-linux-x86_64.zip"
CONTENT = b"what it holds"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a repository of one file, and the only one that is asked."""
    file = tmp_path / "repository" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    monkeypatch.setenv("KDBUILD_MAVEN", (tmp_path / "repository").as_uri() + "/")
    return tmp_path / "repository"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("org.example:thing:1.2", "org/example/thing/1.2/thing-1.2.jar"),
        ("junit:junit:4.13.2@aar", "junit/junit/4.13.2/junit-4.13.2.aar"),
        ("org.example:thing:1.2-3:linux-x86_64@zip", PATH),
    ],
)
def test_coordinates(text: str, path: str) -> None:
    coordinate = Coordinate.parse(text)
    assert coordinate.path == path
    assert str(coordinate) == (text if "@" in text else f"{text}@jar")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:b",
        "a:b:1:c:d",
        "a::1",
        "a:b:",
        "a:b:1@",
        "a:b:..",
        "a:../b:1",
        "a:b:1@x/y",
        "a b:c:1",
        "a:b\\c:1",
        "ä:b:1",
    ],
)
def test_what_is_no_coordinate(text: str) -> None:
    with pytest.raises(BadInputError) as raised:
        Coordinate.parse(text)
    form = "group:artifact:version[:classifier][@extension]"
    assert str(raised.value) == f"{text}: no Maven coordinate. Write {form}."


def test_a_file_is_fetched_once(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = fetch(COORDINATE, SHA256, cache=cache)
    assert path == cache / PATH
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    shutil.rmtree(repository)
    assert fetch(COORDINATE, SHA256, cache=cache) == path


def test_a_damaged_file_in_the_cache_is_fetched_again(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "cache" / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1])
    assert fetch(COORDINATE, SHA256, cache=tmp_path / "cache").read_bytes() == CONTENT


def test_another_file_than_the_pinned_one_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / PATH).write_bytes(b"something else")
    with pytest.raises(BadInputError) as raised:
        fetch(COORDINATE, SHA256, cache=tmp_path / "cache")
    found = hashlib.sha256(b"something else").hexdigest()
    assert str(raised.value) == (
        f"{COORDINATE}: can't be downloaded ({repository.as_uri()}: has sha256 {found} instead of {SHA256}). "
        "Check the network, or name a mirror in KDBUILD_MAVEN."
    )
    assert not any(file.is_file() for file in (tmp_path / "cache").rglob("*"))


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDBUILD_MAVEN", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(BadInputError) as raised:
        fetch(COORDINATE, SHA256, cache=tmp_path)
    assert str(raised.value) == (
        f"{COORDINATE}: can't be downloaded (http://127.0.0.1:9: Connection refused). "
        "Check the network, or name a mirror in KDBUILD_MAVEN."
    )


def test_a_cache_that_cannot_be_written(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BadInputError) as raised:
        fetch(COORDINATE, SHA256, cache=tmp_path / "cache")
    assert str(raised.value) == (
        f"{tmp_path / 'cache' / PATH}: can't be read or written (Not a directory). "
        "Name another folder with XDG_CACHE_HOME."
    )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a web server whose folder is ``tmp_path``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def write_settings(home: Path, *mirrors: tuple[str, str]) -> None:
    """The user's settings of Maven, with the address of each mirror after what it is a mirror of."""
    entries = "".join(f"<mirror><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror>" for of, url in mirrors)
    (home / ".m2").mkdir()
    (home / ".m2" / "settings.xml").write_text(
        f'<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors>{entries}</mirrors></settings>'
    )


def test_the_second_repository_is_asked_for_what_the_first_lacks(
    repository: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(tmp_path, ("central", f"{server}/empty"), ("google", f"{server}/repository"))
    monkeypatch.delenv("KDBUILD_MAVEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(COORDINATE, SHA256, cache=tmp_path / "cache").read_bytes() == CONTENT
    (repository / PATH).unlink()
    with pytest.raises(BadInputError) as raised:
        fetch(COORDINATE, SHA256, cache=tmp_path / "other")
    assert str(raised.value) == (
        f"{COORDINATE}: can't be downloaded ({server}/empty: HTTP 404; {server}/repository: HTTP 404). "
        "Check the network, or name a mirror in KDBUILD_MAVEN."
    )


@pytest.mark.parametrize(
    ("mirrors", "expected"),
    [
        ((), [CENTRAL, GOOGLE]),
        ((("*", "https://mirror.example/all/"),), ["https://mirror.example/all"]),
        ((("external:*", "https://mirror.example"),), ["https://mirror.example"]),
        ((("central", "https://mirror.example"),), ["https://mirror.example", GOOGLE]),
        ((("*, !google", "https://mirror.example"),), ["https://mirror.example", GOOGLE]),
        (
            (("other,google", "https://g.example"), ("*", "https://a.example")),
            ["https://a.example", "https://g.example"],
        ),
        ((("external:http:*", "http://0.0.0.0/"),), [CENTRAL, GOOGLE]),
    ],
)
def test_mirrors_of_the_settings(mirrors: tuple[tuple[str, str], ...], expected: list[str], tmp_path: Path) -> None:
    write_settings(tmp_path, *mirrors)
    assert repositories({}, tmp_path) == expected


def test_repositories_without_settings(tmp_path: Path) -> None:
    assert repositories({}, tmp_path) == [CENTRAL, GOOGLE]
    assert repositories({"KDBUILD_MAVEN": "https://mirror.example/"}, tmp_path) == ["https://mirror.example"]


def test_settings_without_a_namespace_and_blocked_mirrors(tmp_path: Path) -> None:
    (tmp_path / ".m2").mkdir()
    settings = tmp_path / ".m2" / "settings.xml"
    blocked = "<mirror><mirrorOf>*</mirrorOf><url>http://0.0.0.0</url><blocked>true</blocked></mirror>"
    good = "<mirror><mirrorOf>*</mirrorOf><url>\n https://mirror.example/ </url></mirror>"
    settings.write_text(f"<settings><mirrors>{blocked}{good}</mirrors></settings>")
    assert repositories({}, tmp_path) == ["https://mirror.example"]
    settings.write_text("<settings>")
    with pytest.raises(
        BadInputError, match=r"settings\.xml: can't be read as XML \(no element found: line 1, column 10\)"
    ):
        repositories({}, tmp_path)


CATALOG = '[versions]\nx = "1.2-3"\n[libraries]\nthing = { module = "org.example:thing", version.ref = "x" }\n'


def write_pins(folder: Path, digests: str, catalog: str = CATALOG) -> Path:
    (folder / "libs.versions.toml").write_text(catalog)
    (folder / "artifacts.sha256").write_text(digests)
    return folder


def test_pins(repository: Path, tmp_path: Path) -> None:
    pins = write_pins(tmp_path, f"{SHA256}  org.example:thing:linux-x86_64@zip\n")
    assert read_pins(pins) == {"org.example:thing:linux-x86_64@zip": (COORDINATE, SHA256)}
    assert fetch_pinned(pins, "org.example:thing:linux-x86_64@zip", cache=tmp_path).read_bytes() == CONTENT
    with pytest.raises(BadInputError) as raised:
        fetch_pinned(pins, "org.example:thing@jar")
    assert str(raised.value) == (
        f"org.example:thing@jar: not pinned in {tmp_path / 'artifacts.sha256'}. "
        "It has: org.example:thing:linux-x86_64@zip."
    )


@pytest.mark.parametrize(
    ("digests", "catalog", "message"),
    [
        (
            "abc  org.example:thing@jar\n",
            CATALOG,
            "artifacts.sha256, line 1: not a SHA-256, two spaces and a file of its own",
        ),
        (f"{SHA256} org.example:thing@jar\n", CATALOG, "artifacts.sha256, line 1: not a SHA-256, two spaces"),
        (f"{SHA256}  org.example:thing@jar\n" * 2, CATALOG, "artifacts.sha256, line 2: not a SHA-256, two spaces"),
        (f"{SHA256}  org.example:more@jar\n", CATALOG, "line 1: libs.versions.toml has no version of org.example:more"),
        ("", "[versions", "libs.versions.toml: not valid TOML"),
        ("", "", "libs.versions.toml: each of its libraries needs module and version.ref. Mend it."),
        ("", "[libraries]\na = 'b'", "libs.versions.toml: each of its libraries needs module and version.ref"),
    ],
)
def test_damaged_pins(digests: str, catalog: str, message: str, tmp_path: Path) -> None:
    write_pins(tmp_path, digests, catalog)
    with pytest.raises(BadInputError) as raised:
        read_pins(tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pins_of_the_demo() -> None:
    pins = read_pins(PINS)
    assert {str(coordinate) for coordinate, _ in pins.values()} >= {
        "org.tensorflow:tensorflow-lite:2.16.1@aar",
        "org.tensorflow:tensorflow-lite-api:2.16.1@aar",
        "org.bytedeco:tensorflow-lite:2.21.0-1.5.14:linux-x86_64@jar",
        "junit:junit:4.13.2@jar",
    }
    with pytest.raises(BadInputError, match=r"nowhere/libs\.versions\.toml: can't be read"):
        read_pins(Path("/nowhere"))


def test_taking_files_out_of_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "library.aar"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("classes.jar", b"classes")
        writer.writestr("jni/x/lib.so", b"code")
    take_from(archive, {"jni/x/lib.so": tmp_path / "out" / "lib.so", "classes.jar": tmp_path / "out" / "c.jar"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        "lib.so": b"code",
        "c.jar": b"classes",
    }
    with pytest.raises(BadInputError, match=r"library\.aar: can't be unpacked \(.*no item named 'more' in the archive"):
        take_from(archive, {"classes.jar": tmp_path / "new" / "c.jar", "more": tmp_path / "new" / "more"})
    assert not (tmp_path / "new").exists()
    archive.write_bytes(b"none")
    with pytest.raises(
        BadInputError, match=r"library\.aar: can't be unpacked \(File is not a zip file\)\. Remove it and"
    ):
        take_from(archive, {"classes.jar": tmp_path / "c.jar"})


def test_no_jdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way_out = "Install a JDK, 11 or newer, or name its folder in JAVA_HOME."
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BadInputError) as raised:
        Jdk.find()
    assert str(raised.value) == f"javac: not on JAVA_HOME {tmp_path}. {way_out}"
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInputError) as raised:
        Jdk.find()
    assert str(raised.value) == f"javac: not on the path. {way_out}"


@pytest.fixture
def jdk() -> Jdk:
    try:
        return Jdk.find()
    except BadInputError as error:
        pytest.skip(str(error))


def test_compiling_and_running(jdk: Jdk, tmp_path: Path) -> None:
    source = tmp_path / "src" / "Hello.java"
    source.parent.mkdir()
    source.write_text(
        'class Hello { public static void main(String[] a) { System.out.println("hé " + a[0]); } }', "utf-8"
    )
    jdk.compile([tmp_path / "src"], tmp_path / "out")
    command = jdk.command("Hello", ["you"], classpath=[tmp_path / "out"])
    assert subprocess.run(command, capture_output=True, check=True).stdout.decode() == "hé you" + os.linesep
    content = (tmp_path / "out" / "Hello.class").read_bytes()
    assert int.from_bytes(content[6:8], "big") == 52  # class files of Java 8


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class A { int a() { return b; } }", r"A\.java:1: error: cannot find symbol\. Correct the source\.$"),
        (
            "class A { java.util.List a; }",
            r"A\.java:1: warning: \[rawtypes\] found raw type: List\. Correct the source\.$",
        ),
        ("class A { /** {@link B} */ int a; }", r"A\.java:1: error: reference not found\. Correct the source\.$"),
        ("class A { String a() { return String.valueOf(1).strip(); } }", r"A\.java:1: error: cannot find symbol"),
    ],
)
def test_what_does_not_compile(jdk: Jdk, code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "A.java").write_text(code)
    with pytest.raises(BadInputError, match=rf"^javac: .*{message}"):
        jdk.compile([tmp_path / "A.java"], tmp_path / "out")


def test_no_sources(jdk: Jdk, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r": no \.java file there\. Check the path\.$"):
        jdk.compile([tmp_path], tmp_path / "out")
