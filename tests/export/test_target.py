"""Where an export goes: what it replaces, what stops it, and what is left when it is killed."""

import shutil
from pathlib import Path

import pytest

from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.pipeline import check_target
from kdbuild.files import staged_folder
from kdbuild.runtime.artefact import MANIFEST_DIGEST, Artefact

OPTIONS = ("--format", "tflite", "--no-quantize")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FOREIGN = {
    "notes": ("notes.txt", "notes.txt"),
    "a repository": (".git/config", ".git"),
    "a folder": ("old/model_int8.tflite", "old"),
    "a model file that the manifest doesn't list": ("model_int8.onnx", "model_int8.onnx"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_no_export_wrote_stops_it(name: str, finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    place, found = FOREIGN[name]
    out = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    (out / place).parent.mkdir(exist_ok=True)
    (out / place).write_text("precious")
    before = contents(out)
    result = run_cli("export", finished_run, "--out", out, *OPTIONS)
    message = f"--out {out}: holds {found}, which no export wrote. Move it away, or choose another folder."
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    assert contents(out) == before


def test_run_in_the_artefact_stops_it(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    shutil.copytree(finished_run, out / "run")
    before = contents(out)
    assert run_cli("export", out / "run", "--out", out, *OPTIONS).exit_code == 2
    assert contents(out) == before


def test_export_into_the_working_folder(
    finished_run: Path, artefact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    monkeypatch.chdir(out)
    result = run_cli("export", finished_run, "--out", ".", *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "model_int8.tflite" not in contents(out)
    assert set(contents(out)) == {*Artefact.open(Path(".")).manifest.files, "manifest.json", "manifest.sha256"}
    assert [path.name for path in tmp_path.iterdir()] == ["artefact"]
    assert run_cli("predict", ".", "a fine film").exit_code == 0


def test_export_through_a_link(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(artefact_folder, tmp_path / "version-1")
    (tmp_path / "current").symlink_to("version-1")
    result = run_cli("export", finished_run, "--out", tmp_path / "current", *OPTIONS)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "current").is_symlink()
    assert not (tmp_path / "version-1" / "model_int8.tflite").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "version-1"]


def test_artefact_that_was_moved_aside_is_put_back_by_the_next_command(artefact_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "artefact"
    for arguments in (("predict", out, "a fine film"), ("inspect", out)):
        shutil.copytree(artefact_folder, tmp_path / ".artefact.kdbuild-old")
        result = run_cli(*arguments)
        assert result.exit_code == 0, result.output
        assert [path.name for path in tmp_path.iterdir()] == ["artefact"]
        shutil.rmtree(out)
    shutil.copytree(artefact_folder, tmp_path / ".artefact.kdbuild-old")
    check_target(out)
    assert Artefact.open(out).manifest.labels == ["neg", "pos"]


def test_interrupted_fill_is_refused_by_name_and_then_repaired(
    artefact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    (out / MANIFEST_DIGEST).unlink()
    (out / "model_int8.tflite").unlink()
    (out / ".kdbuild-fill").write_text('["manifest.json", "manifest.sha256", "model_int8.tflite"]')
    with pytest.raises(BadInputError) as refused:
        Artefact.open(out)
    assert str(refused.value) == f"{out}: an export into it was interrupted. Run the export again."
    with pytest.raises(BadInputError, match=r"holds README\.md, which no export wrote\."):
        check_target(out)
    names = [path.name for path in artefact_folder.iterdir()]
    (out / ".kdbuild-fill").write_text(str(names).replace("'", '"'))
    check_target(out)
    monkeypatch.chdir(out)
    with staged_folder(out, MANIFEST_DIGEST, lambda: check_target(out)) as staging:
        shutil.copytree(artefact_folder, staging, dirs_exist_ok=True)
    assert contents(out) == contents(artefact_folder)


def test_artefact_that_lost_its_digest_otherwise_is_told_as_before(artefact_folder: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    (out / MANIFEST_DIGEST).unlink()
    with pytest.raises(BadInputError, match=r"manifest\.sha256 is missing\. Export the artefact again\.$"):
        Artefact.open(out)
    with pytest.raises(BadInputError, match=r"holds something that isn't an artefact\. Choose another folder\.$"):
        check_target(out)
