"""The app's screens: run on the desktop with Robolectric, drawn with Android's own graphics, and looked through by Lint.

The engine is TensorFlow Lite for x86-64 Linux, plugged in where the app plugs in Android's.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from android_demo.core import build
from kdbuild.android.app import ASSETS, ENGINES, asset_names
from kdbuild.android.classes import write_jar
from kdbuild.android.java import RELEASE, take_from
from kdbuild.android.resources import Identity, Linked, link_resources
from kdbuild.android.tools import Libraries, Tools
from kdbuild.runtime.artefact import Artefact
from pinned import fetch_listed

pytestmark = pytest.mark.android

DEMO = Path(__file__).resolve().parents[2] / "android_demo"
APP = DEMO / "app" / "src"
SOURCES = (DEMO / "core/src/main/java", DEMO / "core/src/tflite/java", APP / "main/java")
SST2 = DEMO / "models" / "sst2"
SCREENSHOTS = DEMO / "screenshots"


@dataclass(frozen=True)
class Built:
    """The app and its tests, compiled."""

    tools: Tools
    classpath: tuple[Path, ...]
    """To run the tests with."""
    main: Path
    """Classes of the app and its engine."""
    core: Path
    """Classes of the runtime."""
    folder: Path


@pytest.fixture(scope="module")
def linked(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Linked:
    """The app's resources, with the artefact among the assets."""
    folder = tmp_path_factory.mktemp("linked")
    found = link_resources(tools, APP / "main", Identity("dev.kdbuild.app", "", "0.1.0"), folder)
    with zipfile.ZipFile(found.archive, "a") as archive:
        for name in asset_names(Artefact.open(SST2), ENGINES["tflite"]):
            archive.write(SST2 / name, ASSETS + name)
    return found


def compile_strictly(libraries: Libraries, sources: Sequence[Path], out: Path, classpath: Sequence[Path]) -> None:
    """Compile for the app; a warning is an error."""
    files = [file for source in sources for file in sorted(source.rglob("*.java"))]
    # Classes of Android bear annotations that its archive lacks, which isn't their users' affair.
    checks = ["-Xlint:all,-options,-path,-classfile", "-Xdoclint:all,-missing", "-Werror", "-proc:none"]
    options = ["--release", RELEASE, "-encoding", "UTF-8", *checks]
    path = os.pathsep.join(map(str, classpath))
    command: list[str | Path] = [libraries.jdk.javac, *options, "-classpath", path, "-d", out, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def built(tools: Tools, libraries: Libraries, linked: Linked, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The app and its tests, on a class path with Robolectric."""
    if sys.platform != "linux":
        pytest.skip("the engine for tests is that of x86-64 Linux")
    folder = tmp_path_factory.mktemp("app")
    jars = []
    for path in fetch_listed("robolectric.sha256"):
        if path.suffix == ".aar":
            jars.append(folder / (path.stem + ".jar"))
            take_from(path, {"classes.jar": jars[-1]})
        elif path.name.startswith("android-all-instrumented"):
            offline = folder / "offline"
            offline.mkdir(exist_ok=True)
            (offline / path.name).symlink_to(path)
        else:
            jars.append(path)
    core = build.compile_core(folder / "core")
    core_tests = build.compile_tests(core, folder / "core-tests")
    main, tests = folder / "main", folder / "tests"
    main.mkdir()
    tests.mkdir()
    given = [*core.classpath, *libraries.engine_jars, libraries.android]
    compile_strictly(libraries, [*SOURCES[1:], linked.java], main, given)
    classpath = [main, *core_tests.classpath, *jars, *libraries.engine_jars]
    compile_strictly(libraries, [APP / "test/java"], tests, [*classpath, libraries.android])
    configuration = tests / "com/android/tools/test_config.properties"
    configuration.parent.mkdir(parents=True)
    configuration.write_text(
        f"android_resource_apk={linked.archive}\n"
        f"android_merged_manifest={linked.archive.parent / 'AndroidManifest.xml'}\n"
        "android_custom_package=dev.kdbuild.app\n"
    )
    # JUnit looks at the classes of the tests before Robolectric gives them an Android that runs.
    return Built(tools, (tests, *classpath, libraries.android), main, core.classpath[0], folder)


def run_tests(built: Built, *names: str, screenshots: Path) -> int:
    """Run test classes; the number of tests, all of which passed."""
    options = [
        "-Xmx1g",
        "-Drobolectric.offline=true",
        f"-Drobolectric.dependency.dir={built.folder / 'offline'}",
        f"-Dorg.bytedeco.javacpp.cachedir={built.folder / 'javacpp'}",
        f"-Dscreenshots={screenshots}",
    ]
    command = built.tools.jdk.command(
        "org.junit.runner.JUnitCore",
        [f"dev.kdbuild.app.{name}" for name in names],
        classpath=built.classpath,
        options=options,
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=built.folder)
    found = re.search(r"^OK \((\d+) tests?\)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    return int(found[1])


def test_screens(built: Built, tmp_path: Path) -> None:
    """What they show and say; and what they look like, which ``SCREENSHOTS=folder`` keeps for people."""
    sources = sorted((APP / "test/java/dev/kdbuild/app").glob("*Test.java"))
    written = sum(source.read_text(encoding="utf-8").count("@Test") for source in sources)
    assert run_tests(built, *(source.stem for source in sources), screenshots=tmp_path) == written == 32
    drawn = {path.name: np.asarray(Image.open(path).convert("L"), dtype=float) for path in tmp_path.iterdir()}
    assert {name: pixels.shape for name, pixels in drawn.items()} == {
        **dict.fromkeys(("abstaining.png", "benchmark.png", "dark.png", "empty.png", "light.png"), (1096, 616)),
        "benchmark-dark.png": (1096, 616),
        "turned.png": (616, 1096),
    }
    brightness = {name: float(np.median(pixels)) for name, pixels in drawn.items()}
    assert all(value < 40 if "dark" in name else value > 240 for name, value in brightness.items()), brightness
    # An answer and its words cover more than an empty screen, and nothing is blank.
    ink = {name: float(np.mean(np.abs(pixels - np.median(pixels)) > 60)) for name, pixels in drawn.items()}
    assert 0.005 < ink["empty.png"] < ink["light.png"] < 0.2
    assert {path.name for path in SCREENSHOTS.glob("*.png")} == drawn.keys()
    if "SCREENSHOTS" in os.environ:
        shutil.copytree(tmp_path, os.environ["SCREENSHOTS"], dirs_exist_ok=True)


# The oldest Android


class Classes:
    """Classes of a jar or a folder: what each refers to, and what each declares."""

    def __init__(self, place: Path) -> None:
        self.archive = zipfile.ZipFile(place)
        self.names = {name.removesuffix(".class") for name in self.archive.namelist() if name.endswith(".class")}

    @cache  # noqa: B019  # as long as the test
    def read(self, name: str) -> tuple[set[tuple[str, str, str]], set[tuple[str, str]], list[str]]:
        """The members that a class refers to, those that it declares, and the names of its parents.

        The Java Virtual Machine Specification, chapter 4.
        """
        content = self.archive.read(f"{name}.class")
        (count,) = struct.unpack_from(">H", content, 8)
        sizes = {
            3: 4,
            4: 4,
            5: 8,
            6: 8,
            7: 2,
            8: 2,
            9: 4,
            10: 4,
            11: 4,
            12: 4,
            15: 3,
            16: 2,
            17: 4,
            18: 4,
            19: 2,
            20: 2,
        }
        pool: dict[int, tuple[int, bytes]] = {}
        at, index = 10, 1
        while index < count:
            kind = content[at]
            size = 2 + struct.unpack_from(">H", content, at + 1)[0] if kind == 1 else sizes[kind]
            pool[index] = (kind, content[at + 1 : at + 1 + size])
            at += 1 + size
            index += 2 if kind in (5, 6) else 1

        def text(number: int) -> str:
            return pool[number][1][2:].decode("utf-8", "surrogatepass")

        def numbers(number: int) -> tuple[int, ...]:
            return struct.unpack(">HH", pool[number][1])

        def class_name(number: int) -> str:
            return text(struct.unpack(">H", pool[number][1])[0])

        refers = set()
        for number, (kind, _) in pool.items():
            if kind in (9, 10, 11):
                owner, member = numbers(number)
                name_of, kind_of = numbers(member)
                refers.add((class_name(owner), text(name_of), text(kind_of)))
        _, _, parent, interfaces = struct.unpack_from(">HHHH", content, at)
        parents = [class_name(parent)] if parent else []
        parents += [class_name(value) for value in struct.unpack_from(f">{interfaces}H", content, at + 8)]
        at += 8 + 2 * interfaces
        declares = set()
        for _ in range(2):
            (members,) = struct.unpack_from(">H", content, at)
            at += 2
            for _ in range(members):
                _, name_at, kind_at, attributes = struct.unpack_from(">HHHH", content, at)
                declares.add((text(name_at), text(kind_at)))
                at += 8
                for _ in range(attributes):
                    at += 6 + struct.unpack_from(">I", content, at + 2)[0]
        return refers, declares, parents

    def has(self, owner: str, member: tuple[str, str]) -> bool:
        """Whether a class or one of its parents declares a member, or may: Java's own aren't there."""
        if owner not in self.names:
            return owner.startswith("java/") and owner != "java/lang/Object"
        _, declares, parents = self.read(owner)
        return member in declares or any(self.has(parent, member) for parent in parents)


NEWER = {
    "Edges": {
        "android/view/WindowInsets$Type.displayCutout",
        "android/view/WindowInsets$Type.ime",
        "android/view/WindowInsets$Type.systemBars",
        "android/view/WindowInsets.getInsets",
    },
    "BenchmarkJob": {"android/os/Build.SOC_MANUFACTURER", "android/os/Build.SOC_MODEL"},
}
"""What the app uses of newer Androids, behind a look at the version of the one that it runs on."""


def test_android_7_has_all_that_is_used(built: Built, tmp_path: Path) -> None:
    """Lint would need Android's SDK to know it."""
    (path,) = fetch_listed("oldest.sha256")
    system = Classes(path)
    found: dict[str, set[str]] = {}
    for number, folder in enumerate((built.main, built.core)):
        jar = tmp_path / f"{number}.jar"
        write_jar(jar, folder)
        classes = Classes(jar)
        for name in classes.names:
            for owner, member, kind in classes.read(name)[0]:
                if owner.startswith("android/") and not system.has(owner, (member, kind)):
                    found.setdefault(name.rpartition("/")[2].partition("$")[0], set()).add(f"{owner}.{member}")
    assert found == NEWER


# Lint


def run_lint(tools: Tools, libraries: Libraries, resources: Path, folder: Path) -> list[str]:
    """What Lint finds, errors and warnings: where, which issue, and why."""
    jars = fetch_listed("lint.sha256")
    manifest = folder / "AndroidManifest.xml"
    content = (APP / "main/AndroidManifest.xml").read_text(encoding="utf-8")
    # What Gradle's plugin and kdbuild add.
    content = content.replace("<manifest ", '<manifest package="dev.kdbuild.app" ', 1)
    content = content.replace("<manifest ", '<manifest android:versionCode="1" android:versionName="1" ', 1)
    sdk = '<uses-sdk android:minSdkVersion="24" android:targetSdkVersion="36" />'
    manifest.write_text(content.replace("<application", f"{sdk}\n    <application", 1), encoding="utf-8")
    project = ElementTree.Element("project")
    ElementTree.SubElement(project, "root", dir=str(DEMO))
    ElementTree.SubElement(project, "classpath", jar=str(libraries.android))
    module = {"name": "app", "android": "true", "library": "false", "compile-sdk-version": "36"}
    app = ElementTree.SubElement(project, "module", module)
    ElementTree.SubElement(app, "manifest", file=str(manifest))
    for path in sorted(resources.rglob("*.xml")):
        ElementTree.SubElement(app, "resource", file=str(path))
    for source in SOURCES:
        for path in sorted(source.rglob("*.java")):
            ElementTree.SubElement(app, "src", file=str(path))
    for jar in libraries.engine_jars:
        ElementTree.SubElement(app, "classpath", jar=str(jar))
    ElementTree.ElementTree(project).write(folder / "project.xml")
    report = folder / "report.xml"
    arguments: list[str | Path] = ["--project", folder / "project.xml", "--xml", report, "--offline"]
    arguments += ["--config", DEMO / "app/lint.xml"]
    command = tools.jdk.command("com.android.tools.lint.Main", arguments, classpath=jars, options=["-Xmx1g"])
    environment = {**os.environ, "ANDROID_USER_HOME": str(folder), "HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = []
    for issue in ElementTree.parse(report).getroot().iterfind("issue"):
        where = Path(issue.find("location").attrib["file"]).name  # type: ignore[union-attr]  # each has a place
        found.append(f"{issue.attrib['severity']} {issue.attrib['id']} in {where}: {issue.attrib['message']}")
    return found


def test_lint_finds_nothing(tools: Tools, libraries: Libraries, tmp_path: Path) -> None:
    assert run_lint(tools, libraries, APP / "main/res", tmp_path) == []


def test_lint_would_find_something(tools: Tools, libraries: Libraries, tmp_path: Path) -> None:
    resources = Path(shutil.copytree(APP / "main/res", tmp_path / "res"))
    layout = resources / "layout/main.xml"
    layout.write_text(layout.read_text(encoding="utf-8").replace("@string/words", "Words"), encoding="utf-8")
    found = run_lint(tools, libraries, resources, tmp_path)
    assert sorted(issue.partition(":")[0] for issue in found) == [
        "Warning HardcodedText in main.xml",
        "Warning UnusedResources in strings.xml",
    ]
