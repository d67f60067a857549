"""What an app replaces, and what stops it; needs no JDK."""

import zipfile
from pathlib import Path

import pytest

from kdbuild.android.app import check_out, keep
from kdbuild.errors import BadInputError

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
