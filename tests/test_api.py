"""What ``import kdbuild`` gives: the page of the guide runs, flags are those of the commands, and nothing heavy is imported."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kdbuild
import kdbuild.export
from commands import SMALL_STUDENT
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import StudentOptions, TrainOptions
from kdbuild.trainer.run.runner import Run
from reviews import make_reviews, write_tsv

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
SMALL = {
    name.removeprefix("--").replace("-", "_"): int(value)
    for name, value in zip(*[iter(SMALL_STUDENT)] * 2, strict=True)
}


def test_importing_it_loads_the_standard_library_alone() -> None:
    program = """
import sys
before = set(sys.modules)
import kdbuild
print(*sorted(name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "kdbuild kdbuild.lazy kdbuild.version\n"


def test_names() -> None:
    assert kdbuild.__all__ == ["Classifier", "__version__", "evaluate", "export_run", "open_run", "train"]
    assert set(kdbuild.__all__) <= set(dir(kdbuild))
    assert kdbuild.Classifier.__module__ == "kdbuild.runtime.classifier"
    assert kdbuild.export.__name__ == "kdbuild.export"  # the package, not a function
    with pytest.raises(AttributeError, match=r"^module 'kdbuild' has no attribute 'trian'$"):
        _ = kdbuild.trian


def test_the_page_runs_as_it_is(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tsv(tmp_path / "reviews.tsv", make_reviews(400, seed=1))
    write_tsv(tmp_path / "dev.tsv", make_reviews(60, seed=2))
    (tmp_path / "teachers").mkdir()
    (tmp_path / "teachers" / "reviews").symlink_to(teacher_folder)
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    # The page trains the default student, which is large for a test; gates judge what such tiny ones hardly reach.
    small = {**SMALL, "learning_rate": 0.01, "dropout": 0.0}
    shown = first.replace("epochs=6)", f"epochs=6, **{small})").replace(
        '"tflite"])', '"tflite"], max_flip_rate=5, max_accuracy_loss=5)'
    )
    assert shown.count("**{") == 1
    exec(compile(shown, "api.md", "exec"), {})
    accuracy, sizes, answer, evaluated = capsys.readouterr().out.splitlines()
    assert float(accuracy) > 0.7
    assert re.fullmatch(r"\d{4,6} 0\.\d+", sizes)
    assert re.fullmatch(r"pos [01]\.\d+", answer)
    assert float(evaluated) > 0.7
    exec(compile(second, "api.md", "exec"), {})
    stages, on_rows, error = capsys.readouterr().out.splitlines()
    assert stages == "('data', 'teacher', 'augment', 'label', 'distill') 8"
    assert on_rows == "1.0"
    assert error.endswith(" 2")


def test_flags_are_those_of_the_command_line(data_folder: Path, teacher_folder: Path, tmp_path: Path) -> None:
    options = TrainOptions(student=StudentOptions(hidden_size=77))
    with pytest.raises(BadInputError, match=r"^train\(epoch=…\): no such option\. Did you mean 'epochs'\?$"):
        kdbuild.train(data_folder, out=tmp_path / "run", epoch=3)
    with pytest.raises(BadInputError, match=r"^train\(\), \[training\]: --epochs 0\.0: out of range\."):
        kdbuild.train(data_folder, out=tmp_path / "run", epochs=0)
    with pytest.raises(BadInputError, match=r"^train\(\), \[student\]: --layers 'two': "):
        kdbuild.train(data_folder, out=tmp_path / "run", layers="two")
    missing = tmp_path / "missing.txt"
    with pytest.raises(BadInputError, match=rf"^--unlabelled {re.escape(str(missing))}: "):
        kdbuild.train(data_folder, out=tmp_path / "run", unlabelled=str(missing), options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "data: no rows. Give at least one text with its label."),
        ([("good", "pos"), ("bad",)], "data, row 2: ('bad',) isn't a text and a label. Give pairs of strings."),
        ([("good", 1)], "data, row 1: ('good', 1) isn't a text and a label. Give pairs of strings."),
    ],
)
def test_rows_that_are_none(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(BadInputError) as raised:
        kdbuild.train(rows, out=tmp_path / "run")
    assert str(raised.value) == message
    assert list(tmp_path.iterdir()) == []


def test_rows_are_data_like_a_file(teacher_folder: Path, tmp_path: Path) -> None:
    """The same rows go on with the same run; other rows don't."""
    rows = make_reviews(120, seed=3)
    out = tmp_path / "run"
    flags: dict[str, Any] = {**SMALL, "teacher": str(teacher_folder), "rounds": 0, "epochs": 0.1}
    run = kdbuild.train(rows, out=out, **flags)
    assert run.metrics["data"]["rows"]["train"] > 90
    assert run.options.student.hidden_size == 8
    seconds = run.metrics["distill"]["seconds"]
    again = kdbuild.train(rows, out=out, **flags)
    assert again.metrics["distill"]["seconds"] == seconds
    with pytest.raises(BadInputError, match=r"was made from other data \(rows\)"):
        kdbuild.train(rows[:100], out=out, **flags)
    assert isinstance(kdbuild.open_run(out), Run)


def test_exports_are_those_of_the_command(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^export_run\(quantise=…\): no such option\. Did you mean 'quantize'\?$"):
        kdbuild.export_run(finished_run, out=tmp_path / "artefact", quantise=False)
    with pytest.raises(BadInputError, match=r"^format tfilte: unknown\. Did you mean 'tflite'\?$"):
        kdbuild.export_run(finished_run, out=tmp_path / "artefact", formats=["tfilte"])
    assert list(tmp_path.iterdir()) == []
    made = kdbuild.export_run(
        kdbuild.open_run(finished_run), out=tmp_path / "artefact", formats=["onnx"], fp32=False, max_flip_rate=5
    )
    assert made.next_step == f'kdbuild predict {tmp_path / "artefact"} "your text"'
    assert made.bundle == ()
    assert {path.name for path in (tmp_path / "artefact").glob("model_*")} == {"model_int8.onnx"}


def test_an_unfinished_run_is_not_exported(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no such run folder"):
        kdbuild.open_run(tmp_path / "run")
    with pytest.raises(BadInputError, match=r"no such run folder"):
        kdbuild.export_run(tmp_path / "run")


def test_other_labels_are_refused(artefact_folder: Path) -> None:
    classify = kdbuild.Classifier.load(artefact_folder)
    with pytest.raises(BadInputError, match=r"^rows, row 1: label 'good' is not one of 'neg', 'pos'"):
        kdbuild.evaluate(classify, [("a film", "good")])
