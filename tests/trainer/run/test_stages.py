"""The table of stages: what each is known by, what reruns under former option names, and that data is read once."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.trained import trained_by
from kdbuild.files import folder_digest
from kdbuild.runtime.data import readers
from kdbuild.runtime.text import tokenizer
from kdbuild.trainer.data import sources, split, store
from kdbuild.trainer.data.load import load_data
from kdbuild.trainer.data.sources import open_source
from kdbuild.trainer.data.split import Data, Split
from kdbuild.trainer.data.store import as_stored, read_dev, read_splits, write_splits
from kdbuild.trainer.data.texts import RowText, columns, parse_line
from kdbuild.trainer.options import DataOptions, LabelOptions, StudentOptions, TeacherOptions, TrainOptions
from kdbuild.trainer.recipe import recipe_toml
from kdbuild.trainer.run.folder import RunFolder
from kdbuild.trainer.run.named_files import content_digest, digests, teacher_digest
from kdbuild.trainer.run.runner import open_run
from kdbuild.trainer.run.stages import STAGES, Record, Stage, StageInputs, stages_of
from kdbuild.trainer.student.bilstm import load_student
from kdbuild.trainer.training.processes import Processes

HARD = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "0.1")
RAN = {"data": "d", "teacher": "t", "augment": "a", "label": "l"}
FORMER = TrainOptions.from_dict({})
"""The default options of the versions that had neither pieces nor spans, whose finished runs aren't to run again."""
# Taken when the options were still called arithmetic and precision: with other values, every finished run would run again.
FINGERPRINTS = {
    "teacher": (("data",), "946f3bcf243a67ee6e59125f1c02d3f7b30e7af9790a6c54cce049352c01bf43"),
    "augment": (("data",), "bb243bc38f9fc096cc74bc9d0b67e454921b5fc8eff929d0f65c9a342247358d"),
    "label": (("teacher", "augment"), "ab04c0e83473c3db4965da48e494c4a4d3ad04fbc98286cdb26b289acb0a96e7"),
    "distill": (tuple(RAN), "fe436fa6d5d5d0a2374be288ca9399def63d00bb18c257fec630d88780f6e24a"),
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprint_of_the_default_options(name: str) -> None:
    needs, expected = FINGERPRINTS[name]
    stage = STAGES[name]
    assert stage.needs(FORMER, False) == needs
    assert stage.inputs(FORMER, {other: RAN[other] for other in needs}, {}) == expected


@pytest.mark.parametrize(
    ("teachers", "weights", "same"),
    [(1, "equal", True), (1, "dev", True), (2, "equal", True), (2, "dev", False)],
)
def test_weights_count_where_there_are_several_teachers(teachers: int, weights: Any, same: bool) -> None:
    named = TeacherOptions(teacher=("a", "b")[:teachers])
    needs, expected = FINGERPRINTS["label"]
    options = replace(FORMER, teacher=named, label=LabelOptions(teacher_weights=weights))
    assert (STAGES["label"].inputs(options, {other: RAN[other] for other in needs}, {}) == expected) is same


@pytest.mark.parametrize("written", ["some/model", ["some/model"], ["some/model", "models/other"]])
def test_teachers_are_written_as_they_are_read(written: Any) -> None:
    options = TrainOptions.from_dict({"teacher": {"teacher": written}})
    names = [written] if isinstance(written, str) else written
    assert options.teacher.teacher == tuple(names)
    assert options.to_dict()["teacher"]["teacher"] == (names if len(names) > 1 else "some/model")
    line = 'teacher = "some/model"' if len(names) == 1 else 'teacher = ["some/model", "models/other"]'
    assert line in recipe_toml(options).splitlines()


def test_the_tokenizer_of_a_finished_run_is_kept(data_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert run_cli("train", data_folder, "--out", run, *HARD, "--tokenizer", "words").exit_code == 0
    # A run folder of a version without the option has neither key nor line.
    assert (
        not {"tokenizer", "piece_dropout"} & json.loads((run / "options.json").read_text())["options"]["student"].keys()
    )
    assert "tokenizer" not in (run / "recipe.toml").read_text()
    assert load_student(run / "student")[1].version == 1
    for again in (
        ("train", data_folder, "--out", run, *HARD),
        ("train", run / "recipe.toml", "--out", run),
        ("distill", run),
    ):
        result = run_cli(*again)
        assert result.exit_code == 0, result.output
        assert "distill: done before, kept" in result.stderr
    result = run_cli("distill", run, "--tokenizer", "pieces")
    assert re.search(r"distill: dev accuracy .* words and pieces \(", result.stderr)
    assert load_student(run / "student")[1].version == 2
    assert json.loads((run / "options.json").read_text())["options"]["student"]["tokenizer"] == "pieces"


def test_fingerprint_of_a_student_of_scored_rows() -> None:
    expected = "5cc0149d133287eb3b151b7995d49af191eff35fbcdb1d115d20568c17573d59"
    assert STAGES["distill"].inputs(FORMER, {"data": "d"}, {}) == expected


@pytest.mark.parametrize(
    ("student", "scored", "expected"),
    [
        ({}, False, ("data", "teacher", "augment", "label", "distill")),
        ({}, True, ("data", "distill")),
        ({"loss": "cross_entropy"}, False, ("data", "teacher", "distill")),
        ({"loss": "cross_entropy", "embeddings": "random"}, False, ("data", "distill")),
    ],
)
def test_stages_that_options_need(student: dict[str, Any], scored: bool, expected: tuple[str, ...]) -> None:
    assert stages_of(TrainOptions(student=StudentOptions(**student)), scored=scored) == expected


def test_a_stage_more_is_an_entry_more(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(inputs: StageInputs, path: Path, processes: Processes) -> Record:
        student = inputs.earlier["distill"]
        path.write_text(str(student.record["parameters"]))
        return {"summary": f"{len(inputs.read_data().dev)} rows", "read": student.path.name, "secret": 1}

    counting = Stage(
        "count",
        "count.txt",
        lambda options, scored: ("distill",),
        lambda options, earlier, last: f"counted {earlier['distill']}",
        run,
        hidden=("secret",),
    )
    monkeypatch.setitem(STAGES, "count", counting)
    result = run_cli("train", data_folder, "--out", tmp_path / "run", *HARD)
    assert result.exit_code == 0, result.output
    assert "count: 240 rows in 0 s" in result.stderr.splitlines()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["count"] == {"read": "student", "seconds": metrics["count"]["seconds"]}
    assert (tmp_path / "run" / "count.txt").read_text() == str(metrics["distill"]["parameters"])
    result = run_cli("train", data_folder, "--out", tmp_path / "run", *HARD)
    assert [line for line in result.stderr.splitlines() if line.endswith("kept")] == [
        "distill: done before, kept",
        "count: done before, kept",
    ]


def with_former_names(run: Path) -> Path:
    """Give the options of a run folder and its recipe the names that they had first."""
    content = json.loads((run / "options.json").read_text())
    for section, former, present in (
        ("training", "arithmetic", "dtype"),
        ("teacher_training", "arithmetic", "dtype"),
        ("label", "precision", "label_dtype"),
    ):
        options = content["options"][section]
        options[former] = options.pop(present)
    (run / "options.json").write_text(json.dumps(content))
    recipe = (run / "recipe.toml").read_text()
    recipe = re.sub(r"^dtype = ", "arithmetic = ", recipe, flags=re.MULTILINE)
    (run / "recipe.toml").write_text(re.sub(r"^label_dtype = ", "precision = ", recipe, flags=re.MULTILINE))
    assert recipe.count("arithmetic = ") == 2
    return run


@pytest.fixture
def old_run(finished_run: Path, tmp_path: Path) -> Path:
    return with_former_names(Path(shutil.copytree(finished_run, tmp_path / "run")))


@pytest.mark.parametrize("stage", ["augment", "label", "distill"])
def test_run_folder_with_former_names_reruns_nothing(old_run: Path, stage: str) -> None:
    result = run_cli(stage, old_run, fp32=False)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[0] == f"{stage}: done before, kept"
    # From here on it has the present names.
    assert json.loads((old_run / "options.json").read_text())["options"]["label"]["label_dtype"] == "fp32"


def test_recipe_with_former_names_reruns_nothing(old_run: Path) -> None:
    recipe = old_run.parent / "recipe.toml"
    shutil.copy(old_run / "recipe.toml", recipe)
    result = run_cli("train", recipe, "--out", old_run, fp32=False)
    assert result.exit_code == 0, result.output
    kept = [line.split(":")[0] for line in result.stderr.splitlines() if line.endswith("done before, kept")]
    assert kept == ["teacher", "augment", "label", "distill"]


def test_run_folder_with_former_names_can_be_exported(old_run: Path) -> None:
    assert trained_by(old_run).provenance["options"]["training"]["dtype"] == "fp32"


def test_former_options_of_the_command_line(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    assert run_cli("label", run, "--precision", "fp32", fp32=False).exit_code == 0
    assert run_cli("distill", run, "--arithmetic", "fp32", fp32=False).exit_code == 0
    options = RunFolder(run).options
    assert (options.label.label_dtype, options.training.dtype) == ("fp32", "fp32")
    result = run_cli("distill", run, "--arithmetic", "fp32", "--dtype", "fp32", fp32=False)
    assert result.stderr == "Error: --dtype: given under a former name, too. Give it once.\n"
    assert "--arithmetic" not in run_cli("distill", "--help").stdout


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"label": {"precision": "bf16", "label_dtype": "bf16"}},
            "r.toml: 'precision' and 'label_dtype' in [label] are one option. Keep 'label_dtype' alone.",
        ),
        ({"student": {"arithmetic": "fp32"}}, "r.toml: no option 'arithmetic' in [student]. It belongs in [training]."),
        (
            {"label": {"precision": "int8"}},
            "r.toml, [label]: --label-dtype int8: not a choice. Use one of: auto, bf16, fp32.",
        ),
    ],
)
def test_former_names_that_are_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        TrainOptions().updated(sections, "r.toml")


def test_values_under_first_names() -> None:
    assert LabelOptions().under_first_names() == {
        "label_batch_size": 256,
        "precision": "auto",
        "teacher_weights": "equal",
    }


def test_export_reads_no_train_rows(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "splits" / "train.tsv").unlink()
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    result = run_cli("export", run, "--format", "tflite", "--no-calibrate", "--out", tmp_path / "artefact", *limits)
    assert result.exit_code == 0, result.output
    labels, dev = read_dev(run / "splits", multi_label=False)
    assert labels == ["neg", "pos"]
    assert len(dev) == 240


class Counted:
    """What was parsed, by file name, and how many texts were tokenised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.parsed: list[str] = []
        self.tokenised = 0
        tokenize = tokenizer.tokenize

        def read_rows(path: Path, *arguments: Any, **named: Any) -> readers.Rows:
            self.parsed.append(path.name)
            return readers.read_rows(path, *arguments, **named)

        def count(text: str) -> list[str]:
            self.tokenised += 1
            return tokenize(text)

        monkeypatch.setattr(sources, "read_rows", read_rows)
        monkeypatch.setattr(store, "read_rows", read_rows)
        monkeypatch.setattr(split, "tokenize", count)


def test_data_is_parsed_and_tokenised_once(
    data_folder: Path, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    soft = ("--teacher", teacher_folder, "--rounds", "1", "--p-pos", "0", *SMALL_STUDENT, "--epochs", "0.1")
    with monkeypatch.context() as patch:
        counted = Counted(patch)
        assert run_cli("train", data_folder, "--out", run, *soft).exit_code == 0
    assert (counted.parsed, counted.tokenised) == (["train.tsv", "dev.tsv"], 640)
    with monkeypatch.context() as patch:
        counted = Counted(patch)
        assert run_cli("train", data_folder, "--out", run, *soft).exit_code == 0
    assert (counted.parsed, counted.tokenised) == ([], 0)
    # A stage by itself reads the run folder, if it needs the rows at all.
    for stage, texts in (("label", 0), ("distill", 640)):
        shutil.rmtree(RunFolder(run).output(stage))
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            assert run_cli(stage, run).exit_code == 0
        assert (counted.parsed, counted.tokenised) == (["train.tsv", "dev.tsv"] if texts else [], texts)


def same(first: Data, second: Data) -> bool:
    def parts(one: Split) -> tuple[object, ...]:
        scores = None if one.scores is None else one.scores.tobytes()
        arrays = (one.targets.dtype, one.targets.tobytes(), scores)
        return (one.texts, one.tokens, one.pair_texts, one.pair_tokens, one.tokenized, *arrays)

    return first.labels == second.labels and all(
        parts(one) == parts(other) for one, other in ((first.train, second.train), (first.dev, second.dev))
    )


DATA: dict[str, tuple[str, str, dict[str, Any]]] = {
    "odd texts": ("rows.csv", 'text,label\n"a\tb\nc\r",x\n" d  é\u2028 \x0b.",y\n,x\n"\ufeffnull",y\n', {}),
    "scores": ("rows.tsv", "sentence\tscores\n" + "Good!\t1.23456789 -0.00000049\nbad\t-2.5 1e3\n" * 2, {}),
    "tokens": ("rows.tsv", "tokens\tlabel\n<mask> Film\t1\na\u00a0b\t0\n\t1\nit 's\t0\n", {}),
    "pairs": ("rows.csv", 'text,sentence2,label\n"a\tb",c,x\nd,"e\nf",y\n,g,x\nh,,y\n', {}),
    "several labels": ("rows.tsv", "sentence\tlabel\na\tx|y\nb\t\nc\ty\nd\tx\n", {"multi_label": True}),
}


@pytest.mark.parametrize("name", DATA)
def test_data_in_memory_is_what_the_folder_holds(name: str, tmp_path: Path) -> None:
    file, content, options = DATA[name]
    for part in ("train", "dev"):
        path = tmp_path / f"{part}{Path(file).suffix}"
        path.write_bytes(content.encode())
    read = load_data(open_source(str(tmp_path)), DataOptions(**options))
    data = as_stored(read)
    write_splits(tmp_path / "splits", data)
    again = read_splits(tmp_path / "splits", multi_label=data.multi_label)
    assert same(again, data)
    assert same(as_stored(again), data)
    write_splits(tmp_path / "raw", read)
    for path in (tmp_path / "raw").iterdir():
        assert path.read_bytes() == (tmp_path / "splits" / path.name).read_bytes()
    assert same(replace(data, train=data.dev), replace(data, train=data.train))
    if name == "scores":
        expected = np.array([[1.234568, 0], [-2.5, 1000]], dtype=np.float32)
        assert data.train.scores is not None
        np.testing.assert_array_equal(data.train.scores, np.tile(expected, (2, 1)))


def test_texts_and_lines() -> None:
    one, two, half = RowText("a b"), RowText("a", "b c"), RowText("a", "")
    assert [text.line for text in (one, two, half)] == ["a b", "a\tb c", "a\t"]
    assert [parse_line(text.line) for text in (one, two, half)] == [one, two, half]
    assert [text.tokens() for text in (one, two, half)] == [["a", "b"], ["a", "b", "c"], ["a"]]
    assert [text.is_complete for text in (one, two, half, RowText(""))] == [True, True, False, False]
    assert columns([one, one]) == (["a b", "a b"], None)
    assert columns([two, half]) == (["a", "a"], ["b c", ""])
    assert columns([]) == ([], None)


def test_files_that_are_gone_are_what_they_were(tmp_path: Path) -> None:
    here, gone = tmp_path / "here.txt", tmp_path / "gone.txt"
    here.write_text("abc")
    digest = content_digest(str(here))
    assert digests({"unlabelled": [str(here), str(gone)]}, {str(gone): "known"}) == {"unlabelled": [digest, "known"]}
    assert digests({"unlabelled": [str(gone)]}, {}) == {"unlabelled": [""]}
    here.write_text("abcd")
    assert content_digest(str(here)) != digest


def test_teacher_that_is_gone_is_what_it_was(tmp_path: Path) -> None:
    folder = str(tmp_path / "teacher")
    recorded = {"source": folder, "digest": "known"}
    assert teacher_digest(folder, recorded) == "known"
    assert teacher_digest("bert-base-uncased", recorded) == teacher_digest("bert-base-uncased") == "bert-base-uncased"
    Path(folder).mkdir()
    assert teacher_digest(folder, recorded) not in ("known", folder)


BESIDE = ("run/options.json", "checkpoint-500/model.safetensors", ".git/HEAD", ".DS_Store")
"""What people keep in a teacher's folder, and nothing reads as a part of it."""


@pytest.mark.parametrize("name", BESIDE)
def test_teacher_is_what_its_own_files_say(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("weights")
    digest = teacher_digest(str(tmp_path))
    assert digest == folder_digest(tmp_path)  # as it always was
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("something")
    assert teacher_digest(str(tmp_path)) == digest
    # What was finished while digests covered everything still is, until something changes.
    recorded = {"source": str(tmp_path), "digest": folder_digest(tmp_path)}
    assert teacher_digest(str(tmp_path), recorded) == recorded["digest"] != digest
    (tmp_path / "model.safetensors").write_text("other weights")
    assert teacher_digest(str(tmp_path), recorded) not in (recorded["digest"], digest)


def test_run_in_the_folder_of_its_teacher_is_done_once(teacher_folder: Path, data_folder: Path, tmp_path: Path) -> None:
    teacher = Path(shutil.copytree(teacher_folder, tmp_path / "teacher"))
    command = ("train", data_folder, "--teacher", teacher, "--out", teacher / "run", "--rounds", "1", "--p-pos", "0")
    for expected in ([], ["teacher", "augment", "label", "distill"]):
        result = run_cli(*command, "--epochs", "1", *SMALL_STUDENT)
        assert result.exit_code == 0, result.output
        assert [line.split(":")[0] for line in result.stderr.splitlines() if line.endswith("kept")] == expected


def test_stage_that_a_run_does_not_need(data_folder: Path, tmp_path: Path) -> None:
    assert run_cli("train", data_folder, "--out", tmp_path / "run", *HARD).exit_code == 0
    result = run_cli("label", tmp_path / "run")
    assert result.stderr == (
        "Error: label: not a stage of this run (--loss cross_entropy needs none). Its stages: data, distill.\n"
    )


def test_run_without_data(tmp_path: Path) -> None:
    folder = RunFolder.prepare(tmp_path / "run")
    folder.save_options(TrainOptions(), {"train.tsv": "digest"}, "rows")
    message = f"{folder.path}: its data was never read. Start with: kdbuild train DATA --out {folder.path}"
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        open_run(folder)
