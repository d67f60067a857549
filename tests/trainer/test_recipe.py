"""Recipes: written, read, run again, and refused with the nearest name."""

import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import AugmentOptions, StudentOptions, TrainingOptions, TrainOptions
from kdbuild.trainer.recipe import NAMED, read_recipe, recipe_toml

ODD = TrainOptions(
    augment=AugmentOptions(rounds=3, unlabelled=('a "b".txt', "ü\x7f\n.gz"), split_sentences=True),
    student=StudentOptions(tokenizer="words", loss="kl_div", alpha=0.5, layers=2, pooling="max"),
    training=TrainingOptions(schedule="cyclic", epochs=1),
)


@pytest.mark.parametrize("options", [TrainOptions(), ODD])
@pytest.mark.parametrize("commented", [False, True])
def test_recipe_says_what_the_options_say(options: TrainOptions, commented: bool, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_toml(options, source="d.tsv", out="runs/d", commented=commented), encoding="utf-8")
    recipe = read_recipe(str(path))
    assert (recipe.source, recipe.out) == ("d.tsv", "runs/d")
    assert TrainOptions.from_dict(recipe.sections, "recipe.toml") == options


def test_a_recipe_of_an_earlier_version_means_what_it_meant(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("[student]\nhidden_size = 7\n")
    options = TrainOptions.from_dict(read_recipe(str(tmp_path / "r.toml")).sections, "r.toml")
    former = AugmentOptions(perturb=("article",), rounds=20)
    assert options == TrainOptions(augment=former, student=StudentOptions(hidden_size=7, tokenizer="words"))
    assert 'tokenizer = "pieces"' in recipe_toml(TrainOptions()).splitlines()
    assert 'tokenizer = "pieces"' in recipe_toml(TrainOptions(), commented=True).splitlines()
    assert '# tokenizer = "words"' in recipe_toml(options, commented=True).splitlines()
    assert [TrainOptions.from_dict(read_recipe(name).sections).student.tokenizer for name in NAMED] == [
        *("pieces", "words", "pieces"),
    ]


def test_commented_recipe_explains_every_option() -> None:
    text = recipe_toml(TrainOptions(), commented=True)
    # Every option is there as a comment with its default: without the marks it is the full recipe, and says what needn't be.
    bare = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)
    full = tomllib.loads(recipe_toml(TrainOptions()))
    assert "vector_bits" not in full["student"]
    full["student"]["vector_bits"] = 8
    assert tomllib.loads(bare) == full
    assert "# Softens the probabilities of kl_div" in text
    assert "(mse | kl_div | cross_entropy)" in text


@pytest.mark.parametrize("name", NAMED)
def test_recipes_that_come_along_are_valid(name: str) -> None:
    TrainOptions.from_dict(read_recipe(name).sections, name)


def test_article_recipe() -> None:
    options = TrainOptions.from_dict(read_recipe("article").sections, "article")
    training, student = options.training, options.student
    assert (training.epochs, training.batch_size, training.learning_rate) == (1.0, 50, 1e-3)
    assert (training.schedule, training.warmup_steps, training.clip) == ("warmup", 100.0, 1.0)
    assert (student.embedding_size, student.hidden_size, student.classifier_size) == (300, 300, 400)
    assert (student.embeddings, student.loss, student.dropout) == ("teacher", "mse", 0.15)
    assert (options.augment.copies(), options.article.ngram) == ({"article": 20}, "mask")


BAD = {
    "unknown option": (
        "[student]\nhiden_size = 3",
        "r.toml: no option 'hiden_size' in [student]. Did you mean 'hidden_size'?",
    ),
    "option of another section": (
        "[student]\nrounds = 3",
        "r.toml: no option 'rounds' in [student]. It belongs in [augment].",
    ),
    "unknown section": ("[studnt]\nlayers = 3", "r.toml: no section [studnt]. Did you mean 'student'?"),
    "unknown top key": ('sorce = "x"', "r.toml: no key 'sorce' before the first section. Did you mean 'source'?"),
    "wrong type": (
        "[student]\nlayers = 1.5",
        "r.toml, [student]: --layers 1.5: must be a whole number. Correct the value.",
    ),
    "string for a number": (
        '[training]\nepochs = "3"',
        "r.toml, [training]: --epochs '3': must be a number. Correct the value.",
    ),
    "number for a truth value": (
        "[augment]\nsplit_sentences = 1",
        "r.toml, [augment]: --split-sentences 1: must be true or false. Correct the value.",
    ),
    "out of range": (
        "[augment]\np_mask = 2.0",
        "r.toml, [article]: --p-mask 2.0: out of range. Use a value from 0 to 1.",
    ),
    "out of range for the teacher": (
        "[teacher_training]\nepochs = 0",
        "r.toml, [teacher_training]: --teacher-epochs 0.0: out of range. Use a value at least 0.001.",
    ),
    "not a choice": (
        '[student]\nloss = "hinge"',
        "r.toml, [student]: --loss hinge: not a choice. Use one of: mse, kl_div, cross_entropy.",
    ),
    "not a list": (
        '[augment]\nunlabelled = "a.txt"',
        "r.toml, [augment]: --unlabelled 'a.txt': must be a list of strings. Correct the value.",
    ),
    "contradiction": (
        "[student]\nfactor_size = 400",
        "r.toml, [student]: --factor-size 400: over --embedding-size 300, so it would save nothing. Lower it.",
    ),
    "not TOML": ("[student", "r.toml: not valid TOML"),
    "path that is no string": ("source = 3", "r.toml: source 3 must be a string. Correct the value."),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recipe_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, message = BAD[name]
    Path("r.toml").write_text(text + "\n")
    result = run_cli("train", "r.toml", "--data", "rows.tsv", "--out", "run")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith(f"Error: {message}"), result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("run").exists()


def test_recipe_that_is_not_there() -> None:
    message = (
        "nowhere.toml: can't be read as a recipe (No such file or directory). Name a TOML file, or one of: default"
    )
    with pytest.raises(BadInputError, match=re.escape(message)):
        read_recipe("nowhere.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "train: no data. Give a file, a folder or a hub name: kdbuild train DATA --out RUN."),
        (("train", "rows.tsv"), "train: no run folder. Add one: kdbuild train rows.tsv --out RUN."),
        (("train", "rows.tsv", "--data", "b.tsv"), "rows.tsv and --data b.tsv: two sets of data. Give one of them."),
        (("train", "r.toml", "--recipe", "small"), "r.toml and --recipe small: two recipes. Give one of them."),
    ],
)
def test_train_without_what_it_needs(arguments: tuple[str, ...], message: str) -> None:
    result = run_cli(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")


def test_resolved_recipe_reruns_to_the_same_student(finished_run: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    shutil.copy(finished_run / "recipe.toml", recipe)
    result = run_cli("train", recipe, "--out", tmp_path / "again")
    assert result.exit_code == 0, result.output
    ours, theirs = (load_file(path / "student" / "model.safetensors") for path in (tmp_path / "again", finished_run))
    assert {name: value.tobytes() for name, value in ours.items()} == {
        name: value.tobytes() for name, value in theirs.items()
    }


def test_options_win_over_the_recipe(data_folder: Path, tmp_path: Path) -> None:
    options = TrainOptions.from_dict(read_recipe("small").sections, "small")
    options = replace(
        options,
        student=replace(options.student, loss="cross_entropy", embeddings="random"),
        training=replace(options.training, epochs=0.1),
    )
    recipe, run = tmp_path / "mine.toml", tmp_path / "run"
    recipe.write_text(recipe_toml(options, source=str(data_folder), out=str(run)))
    result = run_cli("train", recipe, *SMALL_STUDENT)
    assert result.exit_code == 0, result.output
    sections = tomllib.loads((run / "recipe.toml").read_text())
    assert sections["student"]["hidden_size"] == 8
    assert sections["student"]["loss"] == "cross_entropy"
    assert sections["training"]["epochs"] == 0.1
    assert sections["source"] == str(data_folder)


def test_init_writes_a_recipe_that_runs(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("init", "--data", data_folder, "--out", "run", "--from", "small")
    assert (result.exit_code, result.stderr) == (0, "Wrote recipe.toml. Next: kdbuild train recipe.toml\n")
    hard = ("--loss", "cross_entropy", "--embeddings", "random", "--epochs", "0.1")
    result = run_cli("train", "recipe.toml", *hard)
    assert result.exit_code == 0, result.output
    assert tomllib.loads(Path("run/recipe.toml").read_text())["student"]["embedding_size"] == 48
    result = run_cli("init")
    assert result.exit_code == 2
    assert result.stderr == "Error: recipe.toml: is there already. Choose another name, or remove it first.\n"


def test_init_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("# mine\n")
    (tmp_path / "link.toml").symlink_to("nowhere.toml")
    (tmp_path / "folder.toml").mkdir()
    for name in ("mine.toml", "link.toml", "folder.toml"):
        path = tmp_path / name
        result = run_cli("init", path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {path}: is there already. Choose another name, or remove it first.\n"
    assert (tmp_path / "mine.toml").read_text() == "# mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.toml", "link.toml", "mine.toml"]
