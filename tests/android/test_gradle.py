"""The Gradle project, as far as it can be checked where Gradle can't be run.

Its scripts are compiled against the interfaces of Gradle and of Android's plugin, which they configure: a script becomes the
body of a function, and what Gradle generates for scripts (the accessors of the catalog and of the plugins) is declared here.
"""

import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kdbuild import __version__
from kdbuild.android.app import ASSETS, ENGINES, asset_names
from kdbuild.android.java import Jdk
from kdbuild.android.resources import MIN_SDK, PACKAGE, TARGET_SDK
from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import Artefact
from pinned import fetch_listed

DEMO = Path(__file__).resolve().parents[2] / "android_demo"
CATALOG = tomllib.loads((DEMO / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
SCRIPTS = ("settings.gradle.kts", "build.gradle.kts", "core/build.gradle.kts", "app/build.gradle.kts")

ACCESSORS = """
fun plugins(configure: Plugins.() -> Unit) {}

abstract class Plugins {
    abstract fun alias(plugin: Provider<PluginDependency>): PluginDependencySpec
    abstract val `java-library`: PluginDependencySpec
}

infix fun PluginDependencySpec.apply(apply: Boolean): PluginDependencySpec = apply(apply)

abstract class Dependencies : DependencyHandler {
    abstract fun implementation(notation: Any): Dependency?
    abstract fun testImplementation(notation: Any): Dependency?
    abstract fun testRuntimeOnly(notation: Any): Dependency?
    abstract fun project(path: String): ProjectDependency
}

fun Project.dependencies(configure: Dependencies.() -> Unit) {}
fun Project.java(configure: JavaPluginExtension.() -> Unit) {}
fun Project.android(configure: com.android.build.api.dsl.ApplicationExtension.() -> Unit) {}
fun Project.androidComponents(
    configure: com.android.build.api.variant.ApplicationAndroidComponentsExtension.() -> Unit,
) {}

inline fun <reified T : Task> TaskContainer.register(name: String, noinline configure: T.() -> Unit): TaskProvider<T> =
    register(name, T::class.java) { configure() }

val TaskContainer.processResources: TaskProvider<ProcessResources>
    get() = named("processResources", ProcessResources::class.java)

operator fun <T : Any> NamedDomainObjectProvider<T>.invoke(configure: T.() -> Unit) = configure { configure() }
"""


def catalog_accessors() -> str:
    """What ``libs`` has: a property for each library and plugin, with a dot for each hyphen of its alias."""
    tree: dict[str, Any] = {}
    for kind, aliases in (("library", CATALOG["libraries"]), ("plugin", CATALOG["plugins"])):
        for alias in aliases:
            node = tree if kind == "library" else tree.setdefault("plugins", {})
            for part in alias.split("-"):
                node = node.setdefault(part, {})
            node["="] = kind
    types = {"library": "MinimalExternalModuleDependency", "plugin": "PluginDependency"}

    def declare(name: str, node: dict[str, Any]) -> str:
        provider = f" : Provider<{types[node['=']]}>" if "=" in node else ""
        inner = "".join(
            f"abstract val {part}: {name}_{part}\n{declare(f'{name}_{part}', child)}"
            for part, child in node.items()
            if part != "="
        )
        return f"abstract class {name}{provider} {{\n{inner}}}\n"

    return declare("Libs", tree) + "lateinit var libs: Libs\n"


def as_function(script: str, receiver: str) -> tuple[str, str]:
    """The imports of a script, and its classes and a function of the rest."""
    imports = "\n".join(re.findall(r"^import .*$", script, re.MULTILINE))
    classes = re.findall(r"^abstract class .*?^\}$", script, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^import .*$", "", script, flags=re.MULTILINE)
    for declared in classes:
        rest = rest.replace(declared, "")
    return imports, "\n".join([*classes, f"fun {receiver}.script() {{\n{rest}\n}}"])


def compile_scripts(scripts: dict[str, str], folder: Path) -> list[str]:
    """What the compiler has against scripts, by their names in the project."""
    try:
        jdk = Jdk.find()
    except BadInputError as error:
        pytest.skip(str(error))
    compiler, interfaces = fetch_listed("kotlin.sha256"), fetch_listed("gradle-api.sha256")
    gradle = next(path for path in interfaces if "gradleplugins" in path.parts)
    with zipfile.ZipFile(gradle) as archive:
        # Those that Gradle gives every script; some are of packages that aren't in this archive.
        packages = {name.rpartition("/")[0].replace("/", ".") for name in archive.namelist()}
        default = [
            line
            for line in archive.read("default-imports.txt").decode().split("\n")
            if (found := re.fullmatch(r"import ([\w.]+)\.\*", line)) and found[1] in packages
        ]
    default += ["import org.gradle.language.jvm.tasks.ProcessResources", "import org.gradle.plugin.use.*"]
    for name, script in scripts.items():
        is_settings = name.startswith("settings")
        imports, body = as_function(script, "Settings" if is_settings else "Project")
        package = re.sub(r"\W", "_", name)
        accessors = "" if is_settings else catalog_accessors() + ACCESSORS
        source = "\n".join([f"package {package}", *default, imports, accessors, body])
        (folder / f"{package}.kt").write_text(source, encoding="utf-8")
    (plugin,) = (path for path in compiler if "sam-with-receiver" in path.name)
    library = [path for path in compiler if path.name.startswith(("kotlin-stdlib", "annotations"))]
    options = ["-no-stdlib", "-no-reflect", "-jvm-target", "11", f"-Xplugin={plugin}"]
    options += ["-P", "plugin:org.jetbrains.kotlin.samWithReceiver:annotation=org.gradle.api.HasImplicitReceiver"]
    classpath = os.pathsep.join(map(str, [*interfaces, *library]))
    command = jdk.command(
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        [*options, "-classpath", classpath, "-d", folder / "classes", folder],
        classpath=compiler,
        options=["-Xmx1g"],
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    errors = [line.partition("error: ")[2] for line in done.stderr.splitlines() if "error: " in line]
    assert (done.returncode == 0) == (not errors), done.stderr
    return errors


def read_scripts() -> dict[str, str]:
    return {name: (DEMO / name).read_text(encoding="utf-8") for name in SCRIPTS}


@pytest.mark.android
def test_scripts_compile(tmp_path: Path) -> None:
    assert compile_scripts(read_scripts(), tmp_path) == []


@pytest.mark.android
def test_scripts_that_are_wrong_do_not_compile(tmp_path: Path) -> None:
    scripts = read_scripts()
    for name, right, wrong in [
        ("settings.gradle.kts", "mavenCentral()", "mavenCentre()"),
        ("core/build.gradle.kts", "libs.junit", "libs.junior"),
        ("app/build.gradle.kts", "compileSdk = 36", 'compileSdk = "36"'),
        ("app/build.gradle.kts", "ArtefactAssets::assets", "ArtefactAssets::files"),
    ]:
        assert right in scripts[name]
        scripts[name] = scripts[name].replace(right, wrong)
    errors = compile_scripts(scripts, tmp_path)
    assert set(errors) == {
        "assignment type mismatch: actual type is 'String', but 'Int?' was expected.",
        "inapplicable candidate(s): val files: FileSystemOperations",
        "unresolved reference 'junior'.",
        "unresolved reference 'mavenCentre'.",
    }


# What can be read without a compiler


def test_versions_are_those_of_the_package() -> None:
    script = (DEMO / "app/build.gradle.kts").read_text(encoding="utf-8")
    said = dict(re.findall(r"^ +(\w+) = (.+)$", script, re.MULTILINE))
    assert said["versionName"] == f'"{__version__}"'
    assert (said["minSdk"], said["targetSdk"], said["compileSdk"]) == (str(MIN_SDK), str(TARGET_SDK), str(TARGET_SDK))
    assert said["namespace"] == said["applicationId"] == f'"{PACKAGE}"'
    assert said["versionCode"] == "1"


def test_assets_are_those_of_the_command() -> None:
    script = (DEMO / "app/build.gradle.kts").read_text(encoding="utf-8")
    (included,) = re.findall(r"include\((.*)\)", script)
    artefact = Artefact.open(DEMO / "models/sst2")
    assert set(re.findall(r'"([^"]+)"', included)) == {*asset_names(artefact, ENGINES["tflite"])} - {
        "model_int8.tflite"
    }
    assert f'into(assets.dir("{Path(ASSETS).name}"))' in script
    assert '"models/sst2"' in script


def test_versions_stand_in_one_place() -> None:
    assert CATALOG["libraries"]["litert"]["module"] == "com.google.ai.edge.litert:litert"
    used = {
        alias.replace(".", "-")
        for name in SCRIPTS
        for alias in re.findall(r"\blibs\.([\w.]+)", (DEMO / name).read_text(encoding="utf-8"))
    }
    known = {*CATALOG["libraries"], *(f"plugins-{alias}" for alias in CATALOG["plugins"])}
    assert "litert" in used <= known
    for name in SCRIPTS:
        assert not re.search(r'"[\w.]+:[\w.-]+:[\d.]+"', (DEMO / name).read_text(encoding="utf-8"))


def test_wrapper_names_a_gradle_that_the_plugin_takes() -> None:
    properties = (DEMO / "gradle/wrapper/gradle-wrapper.properties").read_text(encoding="utf-8")
    (version,) = re.findall(
        r"^distributionUrl=https\\://services\.gradle\.org/distributions/gradle-([\d.]+)-bin\.zip$",
        properties,
        re.MULTILINE,
    )
    # Android's plugin 8.13 needs Gradle 8.13.
    assert CATALOG["versions"]["android-gradle-plugin"].startswith("8.13.")
    assert tuple(map(int, version.split("."))) >= (8, 13)
