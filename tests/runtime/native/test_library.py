"""Where the engine's library comes from."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kdbuild.errors import BadInputError
from kdbuild.runtime.native import build as building
from kdbuild.runtime.native import library as finding
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.native.targets import find_target
from small_engine import write_small_engine


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of a checkout with nothing built, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    sources = write_small_engine(tmp_path / "c")
    monkeypatch.setattr(building, "SOURCES", sources)
    monkeypatch.setattr(finding, "PACKAGED", tmp_path / "lib")
    return sources


def test_it_is_built_once(checkout: Path, tmp_path: Path) -> None:
    target = find_target()
    found = library_path()
    assert found.parent.parent.parent == tmp_path / "cache" / "kdbuild" / "native"
    assert (found.parent.name, found.name) == (target.name, target.library)
    before = found.stat()
    assert library_path() == found
    assert found.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in found.parent.iterdir()] == [target.library]


def test_it_is_keyed_by_the_sources(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = library_path()
    main = checkout / "main.c"
    text = main.read_text(encoding="utf-8")
    main.write_text(text.replace("return a * b + c", "return a * b - c"), encoding="utf-8")
    after = library_path()
    assert after != before
    assert after.read_bytes() != before.read_bytes()
    main.write_text(text, encoding="utf-8")
    assert library_path() == before
    if shutil.which("cc"):
        monkeypatch.setenv("CC", "cc")
        assert library_path() not in (before, after)


def test_each_target_has_its_own(checkout: Path) -> None:
    assert library_path("wasm").read_bytes()[:4] == b"\0asm"
    assert library_path("wasm").parent != library_path("wasm-simd").parent
    with pytest.raises(BadInputError, match=r"^target wsm: unknown\. Did you mean 'wasm'\?$"):
        library_path("wsm")


def test_what_the_package_has_goes_first(checkout: Path, tmp_path: Path) -> None:
    target = find_target()
    packaged = tmp_path / "lib" / target.name / target.library
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert library_path() == packaged
    assert not (tmp_path / "cache").exists()


def test_several_processes_at_once(checkout: Path, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from kdbuild.runtime.native import build, library
build.SOURCES = Path({str(checkout)!r})
library.PACKAGED = Path({str(tmp_path / "lib")!r})
print(library.library_path())
"""
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert answers == {str(library_path())}
    assert len(list((tmp_path / "cache").rglob("*.*"))) == 1


def test_a_cache_that_cannot_be_written(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(
        BadInputError, match=r"can't be written \(Not a directory\)\. XDG_CACHE_HOME names another folder"
    ):
        library_path()
