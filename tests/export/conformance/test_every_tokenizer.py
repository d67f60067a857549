"""What the artefact of a student must do for each version of the tokenizer, in every format that holds it."""

import json
from pathlib import Path

import pytest

from artefacts import edit_file
from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.export.formats.registry import FORMATS
from kdbuild.export.gates import Limits
from kdbuild.export.golden_texts import GOLDEN_TEXTS, golden_texts
from kdbuild.export.pipeline import Export, export_student
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.engines.registry import ENGINES
from kdbuild.runtime.golden import replay
from kdbuild.runtime.text.encoding import PIECES, VERSIONS, WORDS
from students import random_trained

LOOSE = Limits(max_accuracy_loss=0.2, max_flip_rate=0.2)
FILES = [file for row in FORMATS for file in row.files]


def export(out: Path, version: int) -> Export:
    return export_student(random_trained(version), out, formats=["all"], quantize=True, limits=LOOSE)


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    asked: int = request.param
    return asked


@pytest.fixture(scope="module")
def made(version: int, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export(tmp_path_factory.mktemp("made") / "artefact", version)


def test_every_format_that_can_hold_it_is_written(made: Export, version: int) -> None:
    manifest = json.loads((made.folder / "manifest.json").read_bytes())
    assert manifest["tokenizer"]["version"] == version
    left_out = {file for row in FORMATS if row.name in made.left_out for file in row.files}
    assert {name for name in manifest["files"] if name.startswith("model_")} == {*FILES} - left_out
    assert set(made.left_out) == ({"mediapipe"} if version == PIECES else set())


@pytest.mark.parametrize("file", FILES)
def test_golden_texts_replay(made: Export, version: int, file: str) -> None:
    artefact = Artefact.open(made.folder)
    model = next((model for model in artefact.manifest.models if model.name == file), None)
    if model is None:
        assert file == "model_mediapipe.tflite"
        return
    classify = Classifier.load(made.folder, engine=model.engine, precision=model.precision)
    content = artefact.read("golden.jsonl")
    found = replay(content, classify.encode, file, classify.engine, classify.labels)
    assert found.passed, found
    assert found.texts == len(golden_texts(version))


def test_verify_passes(made: Export) -> None:
    result = run_cli("verify", made.folder, "--trust", "torchscript", "--json")
    assert result.exit_code == 0, result.output
    models = json.loads(result.stdout)["models"]
    assert set(models) == set(made.sizes)
    assert all(model["passed"] for model in models.values())


def test_an_export_gives_the_same_bytes_and_no_difference(made: Export, version: int, tmp_path: Path) -> None:
    again = export(tmp_path / "again", version)
    for path in made.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name
    texts = len(golden_texts(version))
    result = run_cli("diff", made.folder, again.folder)
    assert result.stdout == f"{'answers':<24}0 of {texts} texts are answered otherwise\n"


@pytest.mark.parametrize("engine", [row.name for row in ENGINES if row.use != "verify"])
def test_words_are_explained(made: Export, version: int, engine: str) -> None:
    explanation = Classifier.load(made.folder, engine=engine).explain("Goooood films 不好看")
    found = (
        explanation.tokens,
        len(explanation.weights),
        explanation.prediction.tokens,
        explanation.prediction.oov_rate,
    )
    if version == PIECES:  # go ##o ##o ##o ##od, film ##s, 不, 好看
        assert found == (["goooood", "films", "不", "好看"], 4, 9, 0.0)
    else:  # of these, 不 is in the vocabulary
        assert found == (["goooood", "films", "不", "好", "看"], 5, 5, 0.8)


def test_versions_differ(tmp_path: Path) -> None:
    old, new = (export(tmp_path / str(version), version).folder for version in VERSIONS)
    result = run_cli("diff", old, new)
    assert result.exit_code == 0, result.output
    assert f"\n{'tokenizer':<24}version 1 -> 2\n" in result.stdout
    assert f"of {len(GOLDEN_TEXTS)} texts are answered otherwise" in result.stdout


def test_a_format_that_is_named_is_not_left_out(tmp_path: Path) -> None:
    for formats in (["mediapipe"], ["all", "mediapipe"]):
        with pytest.raises(BadInputError) as raised:
            export_student(random_trained(PIECES), tmp_path / "artefact", formats=formats, quantize=True, limits=LOOSE)
        assert str(raised.value) == (
            "--format mediapipe: can't express a student that reads pieces of words, which MediaPipe's tokenizer can't cut. "
            "Train one with --tokenizer words, or use this one in torch: kdbuild.trainer.student.bilstm.load_student."
        )
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_a_format_that_is_left_out(tmp_path: Path) -> None:
    message = r"^--mediapipe-tokens 16: no file of format mediapipe is written\. Add --format mediapipe, or drop it\.$"
    with pytest.raises(BadInputError, match=message):
        export_student(
            random_trained(PIECES),
            tmp_path / "artefact",
            formats=["all"],
            quantize=True,
            limits=LOOSE,
            settings={"mediapipe_tokens": 16},
        )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    export_student(random_trained(PIECES), tmp_path / "artefact", formats=["tflite"], quantize=True, limits=LOOSE)
    return tmp_path / "artefact"


def test_what_commands_say_of_pieces(small: Path, tmp_path: Path) -> None:
    shown = run_cli("inspect", small).stdout
    assert "\ntokenizer    version 2, Unicode 15.1.0, 24 words and 24 pieces that continue one\n" in shown
    assert "\nmax tokens   32 pieces\n" in shown
    assert json.loads(run_cli("inspect", small, "--json").stdout)["vocabulary"] == {"words": 24, "pieces": 24}
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\ngood films zz\tyes\n", encoding="utf-8")
    assert "\nOOV rate     25.00% of pieces\n" in run_cli("eval", small, rows).stdout
    answer = json.loads(run_cli("predict", small, "--json", "--explain", "good films").stdout)
    assert answer["tokens"] == 3
    assert [word for word, _ in answer["weights"]] == ["good", "films"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("##", "vocabulary holds '##': nothing is behind the mark."),
        ("##É", "vocabulary holds '##É': no text has that piece, as words are normalised to 'é'."),
        ("##好看", "vocabulary holds '##好看': nothing continues a word in a script without spaces."),
        ("film", "vocabulary holds 'film' twice: every token needs one id."),
    ],
)
def test_verify_looks_through_the_vocabulary(small: Path, line: str, message: str) -> None:
    lines = (small / "vocab.txt").read_text(encoding="utf-8").splitlines()
    edit_file(small, "vocab.txt", "".join(f"{entry}\n" for entry in [*lines[:-1], line]).encode())
    result = run_cli("verify", small)
    assert result.exit_code == 3
    assert f"failed: {small / 'vocab.txt'}: {message} Rebuild the vocabulary.\n" in result.stdout


def test_verify_of_words_alone_knows_no_marks(tmp_path: Path) -> None:
    trained = random_trained(WORDS)
    export_student(trained, tmp_path / "artefact", formats=["tflite"], quantize=True, limits=LOOSE)
    lines = (tmp_path / "artefact" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    edit_file(tmp_path / "artefact", "vocab.txt", "".join(f"{entry}\n" for entry in [*lines[:-1], "##"]).encode())
    assert run_cli("verify", tmp_path / "artefact").exit_code == 0
