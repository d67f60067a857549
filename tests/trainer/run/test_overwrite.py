"""Inputs where the run writes, and files of others in a run folder: nothing of them is lost."""

import os
import shutil
from pathlib import Path

import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.sums import SUMS, write_sums
from kdbuild.trainer.report.html import page
from kdbuild.trainer.run.folder import RunFolder
from kdbuild.trainer.run.written import check_inputs, written_name
from reviews import make_reviews, write_tsv

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "1")
VECTORS = "film " + " ".join(["0.5"] * 8) + "\n"


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, but for the lock, whose file may come anew."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def refused(*arguments: str | Path) -> str:
    result = run_cli(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    return result.stderr


INPUTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "data": (("train", "{run}/splits/train.tsv", "--out", "{run}"), "{run}/splits/train.tsv", "splits"),
    "data, overwritten": (
        ("train", "{run}/misclassified.tsv", "--out", "{run}", "--overwrite"),
        "{run}/misclassified.tsv",
        "misclassified.tsv",
    ),
    "folder of data": (("train", "{run}/splits", "--out", "{run}", "--overwrite"), "{run}/splits/train.tsv", "splits"),
    "transfer set": (("train", "{run}/transfer.tsv", "--out", "{run}"), "{run}/transfer.tsv", "transfer.tsv"),
    "recipe, overwritten": (
        ("train", "{run}/recipe.toml", "--out", "{run}", "--overwrite"),
        "{run}/recipe.toml",
        "recipe.toml",
    ),
    "recipe of an ablation": (
        ("train", "{run}/recipe.toml", "--out", "{run}", "--runs", "2"),
        "{run}/recipe.toml",
        "recipe.toml",
    ),
    "teacher": (
        ("teacher", "{data}", "--out", "{run}", "--teacher", "{run}/teacher"),
        "--teacher {run}/teacher",
        "teacher",
    ),
    "student as teacher": (
        ("train", "{data}", "--out", "{run}", "--teacher", "{run}/student"),
        "--teacher {run}/student",
        "student",
    ),
    "unlabelled": (
        ("augment", "{run}", "--unlabelled", "{run}/transfer.tsv"),
        "--unlabelled {run}/transfer.tsv",
        "transfer.tsv",
    ),
    "extra words": (
        ("distill", "{run}", "--extra-words", "{run}/student/vocab.txt"),
        "--extra-words {run}/student/vocab.txt",
        "student",
    ),
    "word vectors": (
        ("distill", "{run}", "--embeddings", "{run}/labels/vectors.txt"),
        "--embeddings {run}/labels/vectors.txt",
        "labels",
    ),
    "spaCy pipeline": (
        ("augment", "{run}", "--spacy-model", "{run}/teacher"),
        "--spacy-model {run}/teacher",
        "teacher",
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_input_where_the_run_writes_is_refused(
    name: str, finished_run: Path, data_folder: Path, tmp_path: Path
) -> None:
    command, title, inside = INPUTS[name]
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "labels" / "vectors.txt").write_text(VECTORS)
    before = contents(run)
    found = refused(*(part.format(run=run, data=data_folder) for part in command))
    assert found == (
        f"Error: {title.format(run=run)}: lies in {run / inside}, which this run writes anew. Copy it to another place, or "
        "choose another run folder.\n"
    )
    assert contents(run) == before


@pytest.fixture
def hard_run(data_folder: Path, tmp_path: Path) -> Path:
    assert run_cli("train", data_folder, "--out", tmp_path / "run", *HARD).exit_code == 0
    return tmp_path / "run"


@pytest.mark.parametrize("through", ["run/recipe.toml", "run/../run/recipe.toml", "link.toml"])
def test_recipe_of_the_run_itself_repeats_it(through: str, hard_run: Path, tmp_path: Path) -> None:
    (tmp_path / "link.toml").symlink_to("run/recipe.toml")
    before = contents(hard_run)
    result = run_cli("train", tmp_path / through, "--out", hard_run, fp32=False)
    assert result.exit_code == 0, result.output
    assert "distill: done before, kept" in result.stderr
    assert contents(hard_run) == before


def test_recipe_of_the_run_itself_takes_options(hard_run: Path, tmp_path: Path) -> None:
    recipe = hard_run / "recipe.toml"
    before = recipe.read_text()
    result = run_cli("train", recipe, "--out", hard_run, "--student-seed", "1", fp32=False)
    assert result.exit_code == 0, result.output
    assert recipe.read_text() == before.replace("student_seed = -1", "student_seed = 1") != before
    # Changed by hand, to what the run then writes: nothing is lost either.
    recipe.write_text(before)
    assert run_cli("train", recipe, "--out", hard_run, fp32=False).exit_code == 0
    assert recipe.read_text() == before


@pytest.mark.parametrize(
    ("edited", "option"), [("# mine\n{}", ()), ("{}\n", ()), ("{}", ("--epochs", "3")), ("source = 3", ())]
)
def test_recipe_of_the_run_itself_that_would_lose_something_is_refused(
    edited: str, option: tuple[str, ...], hard_run: Path
) -> None:
    recipe = hard_run / "recipe.toml"
    recipe.write_text(edited.format(recipe.read_text().replace("student_seed = -1", "student_seed = 1")))
    before = contents(hard_run)
    assert refused("train", recipe, "--out", hard_run, *option)
    assert contents(hard_run) == before


PLACES: dict[str, tuple[str, str | None]] = {
    "an output": ("run/teacher", "teacher"),
    "below an output": ("run/teacher/model/config.json", "teacher"),
    "a staging file": ("run/transfer.partial.tsv", "transfer.partial.tsv"),
    "a picture": ("run/plots/reliability.png", "plots/reliability.png"),
    "a student of an ablation": ("run/students/student-0/vocab.txt", "students/student-0"),
    "through a link to the run": ("link/teacher", "teacher"),
    "through a link into the run": ("into/model", "teacher"),
    "a link in the run that leads elsewhere": ("run/labels", "labels"),
    "around the run": ("run/teacher/../teacher", "teacher"),
    "the run itself": ("run", None),
    "a file of the user's": ("run/new.tsv", None),
    "a picture of the user's": ("run/plots/mine.png", None),
    "a name that begins like an output": ("run/teachers", None),
    "beside the run": ("teacher", None),
    "above the run": ("", None),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_that_a_run_writes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, found = PLACES[name]
    (tmp_path / "run" / "teacher").mkdir(parents=True)
    (tmp_path / "link").symlink_to("run")
    (tmp_path / "into").symlink_to("run/teacher")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "labels").symlink_to("../elsewhere")
    assert written_name(tmp_path / "run", tmp_path / place) == found
    assert written_name(tmp_path / "link", tmp_path / place) == found
    monkeypatch.chdir(tmp_path / "run")
    assert written_name(Path("."), Path(os.path.relpath(tmp_path / place))) == found


def test_name_of_the_hub_is_no_place(tmp_path: Path) -> None:
    check_inputs(tmp_path, [("--teacher teacher", tmp_path / "teacher")])  # there is no such file
    (tmp_path / "teacher").mkdir()
    with pytest.raises(BadInputError, match=r"^--teacher teacher: lies in "):
        check_inputs(tmp_path, [("--teacher teacher", tmp_path / "teacher")])


def test_words_that_mean_no_file_are_no_inputs(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    monkeypatch.chdir(run)  # where --embeddings teacher has the name of a folder
    assert run_cli("distill", ".").exit_code == 0


KEPT = {
    "notes.txt": "a note",
    "new.tsv": "",
    ".git/config": "[core]",
    "plots/mine.png": "a picture",
    "tensorboard/other/events": "events",
    "students/notes.txt": "a note",
    "models/config.json": "{}",
    "report.html": "<html>a page of mine</html>",
    "artefact/notes.txt": "a note",
    "web/main.js": "a program",
    "notes.kdbuild-new-abcdefgh/notes.txt": "a note",
}


def make_bundle(folder: Path) -> None:
    """The files of a bundle, whatever they are."""
    (folder / "engine").mkdir(parents=True)
    (folder / "engine" / "model.c").touch()
    write_sums(folder)


def test_overwrite_removes_only_what_kdbuild_wrote(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    shutil.copytree(artefact_folder, run / "artefact")
    make_bundle(run / "c")
    for name, content in KEPT.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(content)
    data = write_tsv(run / "new.tsv", make_reviews(60, seed=2))
    kept = {name: (run / name).read_bytes() for name in KEPT}
    result = run_cli("train", data, "--out", run, "--overwrite", *HARD)
    assert result.exit_code == 0, result.output
    assert {name: (run / name).read_bytes() for name in KEPT} == kept
    assert not (run / "teacher").exists()
    assert not (run / "labels").exists()
    assert (run / "artefact" / "manifest.json").exists()
    assert not (run / "c" / SUMS).exists()


def test_all_of_a_run_goes(finished_run: Path, artefact_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    shutil.copytree(artefact_folder, run / "artefact")
    make_bundle(run / "c")
    (run / "report.html").write_text(page("run", "A student.", []))
    for name in (
        "students/student-0/result.json",
        "ablation.json",
        "ablation.md",
        "teacher.partial/x",
        "plots/ablation.png",
        # What killed processes leave.
        ".artefact.kdbuild-new-abcdefgh/x",
        ".c.kdbuild-old/x",
        "students/.student-1.kdbuild-new-abcdefgh/x",
        "metrics.json.kdbuild-new",
        "plots/ablation.png.kdbuild-new",
    ):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    RunFolder(run).clear()
    # Kept to know the folder by, until the next run's options take their place.
    assert sorted(contents(run)) == ["options.json"]
    assert sorted(path.name for path in run.iterdir()) == [".stages", "options.json"]


def test_run_that_was_killed_while_it_wrote_its_first_file_begins_again(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    run = tmp_path / "run"
    (run / ".stages").mkdir(parents=True)
    (run / "options.json.kdbuild-new").write_text('{"kdbuild": ')
    result = run_cli("train", data, "--out", run, *HARD)
    assert result.exit_code == 0, result.output
    assert not list(run.rglob("*.kdbuild-new"))


def test_outputs_that_are_links_are_replaced_and_what_they_point_to_stays(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    for name in ("student", "splits", "transfer.tsv"):
        (run / name).rename(tmp_path / name)
        (run / name).symlink_to(tmp_path / name)
    before = {name: contents(tmp_path / name) for name in ("student", "splits")}
    write_tsv(tmp_path / "new.tsv", make_reviews(60, seed=2))
    result = run_cli("train", tmp_path / "new.tsv", "--out", run, "--overwrite", *HARD)
    assert result.exit_code == 0, result.output
    assert {name: contents(tmp_path / name) for name in ("student", "splits")} == before
    assert (tmp_path / "transfer.tsv").exists()
    assert not (run / "student").is_symlink()


OUTS = {
    "a stage's output": ("export", "student", "student"),
    "below a stage's output": ("export", "teacher/artefact", "teacher"),
    "where the stages are recorded": ("export", ".stages/artefact", ".stages"),
    "a page in an output": ("report", "student/page.html", "student"),
    "a page in place of figures": ("report", "metrics.json", "metrics.json"),
}


@pytest.mark.parametrize("name", OUTS)
def test_export_and_report_stay_out_of_the_outputs(name: str, finished_run: Path, tmp_path: Path) -> None:
    command, out, inside = OUTS[name]
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = contents(run)
    kind = "folder" if command == "export" else "file"
    assert refused(command, run, "--out", run / out) == (
        f"Error: --out {run / out}: lies in {run / inside}, which the run writes. Choose another {kind}.\n"
    )
    assert contents(run) == before
