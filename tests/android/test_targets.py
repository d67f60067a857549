"""What an app and a library for apps replace, and what stops them; needs no JDK."""

import shutil
import zipfile
from pathlib import Path

import pytest

from kdbuild.android.app import check_out, keep
from kdbuild.android.library import _check_target
from kdbuild.errors import BadInputError


def make_library(artefact: Path, out: Path) -> Path:
    """A folder with the files of a library, most of them empty."""
    assets = Path(shutil.copytree(artefact, out / "assets/artefact"))
    assert assets.is_dir()
    for name in ("libs/kdbuild-core.jar", "Example.java", "Example.kt", "README.md"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).touch()
    return out


LIBRARIES: dict[str, tuple[str, str | None, str]] = {
    "a library": ("README.md", None, ""),
    "notes": ("notes.txt", None, "holds notes.txt, which no export wrote. Move it away, or choose another folder."),
    "a repository": (".git/config", None, "holds .git, which no export wrote. Move it away, or choose another folder."),
    "another jar": (
        "libs/other.jar",
        None,
        "holds libs/other.jar, which no export wrote. Move it away, or choose another folder.",
    ),
    "assets of an app": (
        "assets/logo.png",
        None,
        "holds assets/logo.png, which no export wrote. Move it away, or choose another folder.",
    ),
    "a file among the artefact's": (
        "assets/artefact/notes.txt",
        None,
        "holds assets/artefact/notes.txt, which no export wrote. Move it away, or choose another folder.",
    ),
    "no jar": (
        "README.md",
        "libs/kdbuild-core.jar",
        "holds something that isn't a library for apps. Choose another folder.",
    ),
    "no artefact": (
        "README.md",
        "assets/artefact/manifest.json",
        "holds something that isn't a library for apps. Choose another folder.",
    ),
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_library_with_files_of_others_is_not_replaced(name: str, artefact_folder: Path, tmp_path: Path) -> None:
    added, missing, reason = LIBRARIES[name]
    out = make_library(artefact_folder, tmp_path / "library")
    (out / added).parent.mkdir(exist_ok=True)
    (out / added).touch()
    if missing is not None:
        (out / missing).unlink()
    if not reason:
        _check_target(out)
        return
    with pytest.raises(BadInputError) as refused:
        _check_target(out)
    assert str(refused.value) == f"--out {out}: {reason}"


APPS: dict[str, tuple[bytes | dict[str, str], bool]] = {
    "an app": ({"assets/artefact/manifest.json": "{}"}, True),
    "another app": ({"AndroidManifest.xml": ""}, False),
    "notes": (b"years of work", False),
    "an empty file": (b"", False),
    "a damaged archive": (b"PK\x03\x04", False),
}


@pytest.mark.parametrize("name", APPS)
def test_app_replaces_only_an_app(name: str, tmp_path: Path) -> None:
    content, ours = APPS[name]
    out = tmp_path / "app.apk"
    if isinstance(content, bytes):
        out.write_bytes(content)
    else:
        with zipfile.ZipFile(out, "w") as archive:
            for entry, text in content.items():
                archive.writestr(entry, text)
    if ours:
        check_out(out)
        return
    with pytest.raises(BadInputError) as refused:
        check_out(out)
    assert str(refused.value) == f"--out {out}: is there already, and no app of kdbuild's. Choose another name."


def test_app_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"new")
    (tmp_path / "app.apk").symlink_to("real.apk")
    keep(tmp_path / "made", tmp_path / "app.apk")
    assert (tmp_path / "app.apk").is_symlink()
    assert (tmp_path / "real.apk").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.apk", "made", "real.apk"]
