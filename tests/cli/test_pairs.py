"""A student of pairs, and one of two layers, through every command from the data to the benchmark."""

import json
import shutil
from pathlib import Path

import pytest

from artefacts import edit_file
from commands import SMALL_STUDENT, run_cli
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from pairs import make_pairs, pairs_tsv, random_trained_of_pairs
from reviews import make_reviews, write_tsv
from shared_folders import ShareFolder

HARD = (
    *("--loss", "cross_entropy", "--embeddings", "random", "--dropout", "0", "--warmup-steps", "0"),
    *SMALL_STUDENT,
    *("--learning-rate", "0.01"),
)
LOOSE = ("--max-flip-rate", "10", "--max-accuracy-loss", "10")
SAME, OTHER = ("the film is 3", "what a film !"), ("the film is 3", "what a story !")


@pytest.fixture(scope="module")
def data(share_folder: ShareFolder) -> Path:
    """Pairs that are about the same thing or not: ``train.tsv`` (500 rows) and ``dev.tsv`` (240 rows)."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / "train.tsv").write_text(pairs_tsv(make_pairs(500, seed=1)))
        (folder / "dev.tsv").write_text(pairs_tsv(make_pairs(240, seed=2)))

    return share_folder("same-or-other", fill)


@pytest.fixture(scope="module")
def artefact(data: Path, share_folder: ShareFolder) -> Path:
    """The artefact of a student of pairs, as train and export make it. Not to be changed."""

    def fill(folder: Path) -> None:
        result = run_cli("train", data, "--out", folder / "run", *HARD, "--epochs", "40")
        assert result.exit_code == 0, result.output
        result = run_cli("export", folder / "run", "--format", "native", "--out", folder / "artefact", *LOOSE)
        assert result.exit_code == 0, result.output
        assert f'kdbuild predict {folder / "artefact"} "your text" --pair "another text"' in result.stdout

    return share_folder("pairs-run", fill) / "artefact"


trains = pytest.mark.trains


@trains
def test_predict_takes_both_texts(artefact: Path) -> None:
    result = run_cli("predict", artefact, SAME[0], OTHER[0], "--pair", SAME[1], "--pair", OTHER[1])
    assert result.exit_code == 0, result.output
    same, other = result.stdout.splitlines()
    assert (same.split()[0], other.split()[0]) == ("same", "other")
    assert same.endswith("  the film is 3\twhat a film !")
    lines = "".join("\t".join(pair) + "\n" for pair in (SAME, OTHER))
    assert run_cli("predict", artefact, stdin=lines).stdout == result.stdout
    one, two = map(json.loads, run_cli("predict", artefact, "--json", stdin=lines).stdout.splitlines())
    assert (one["text"], one["second"], one["label"]) == (*SAME, "same")
    assert (two["text"], two["second"], two["label"]) == (*OTHER, "other")


@trains
def test_both_texts_are_explained(artefact: Path) -> None:
    result = run_cli("predict", artefact, "--explain", "--json", SAME[0], "--pair", SAME[1])
    found = json.loads(result.stdout)
    weights = [dict(found[name]) for name in ("weights", "second_weights")]
    assert [list(words) for words in weights] == [["the", "film", "is", "3"], ["what", "a", "film", "!"]]
    # What the label hangs on is that both name one thing.
    for words in weights:
        assert max(words, key=lambda word: abs(words[word])) == "film"
    shown = run_cli("predict", artefact, "--explain", SAME[0], "--pair", SAME[1]).stdout
    assert shown.count("film(+") == 2
    assert shown.count("\t") == 1


@trains
def test_eval_diff_verify_and_inspect(artefact: Path, data: Path, tmp_path: Path) -> None:
    result = run_cli("eval", artefact, data / "dev.tsv", "--json")
    assert json.loads(result.stdout)["accuracy"] > 0.95, result.output
    rows = [
        json.dumps({"a": first, "b": second, "label": label}) + "\n" for first, second, label in make_pairs(240, seed=2)
    ]
    (tmp_path / "dev.jsonl").write_text("".join(rows))
    renamed = run_cli("eval", artefact, tmp_path / "dev.jsonl", "--json", "--text-column", "a", "--pair-column", "b")
    assert json.loads(renamed.stdout) | {"texts_per_second": 0} == json.loads(result.stdout) | {"texts_per_second": 0}
    assert run_cli("diff", artefact, artefact).stdout == f"{'answers':<24}0 of 250 pairs are answered otherwise\n"
    on_data = run_cli("diff", artefact, artefact, "--data", data / "dev.tsv")
    assert on_data.stdout == f"{'answers':<24}0 of 240 pairs are answered otherwise\n"
    verified = run_cli("verify", artefact)
    assert verified.exit_code == 0, verified.output
    assert "0 with other token ids, 0 with another label" in verified.stdout
    shown = run_cli("inspect", artefact).stdout
    assert "format       2.0\n" in shown
    assert "texts        pairs: one network reads both" in shown
    assert "of each text" in shown


@trains
def test_verify_proves_both_texts(artefact: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(artefact, tmp_path / "artefact"))
    rows = [json.loads(line) for line in (copy / "golden.jsonl").read_bytes().decode().removesuffix("\n").split("\n")]
    rows[3]["ids2"] = [*rows[3]["ids2"][1:], 1]
    edit_file(copy, "golden.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    result = run_cli("verify", copy)
    assert result.exit_code == 3
    assert "1 texts with other token ids" in result.stdout


@trains
def test_benchmark_times_pairs(artefact: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("rich")
    out = tmp_path / "out"
    options = ("--against", "none", "--rounds", "1", "--out", out)
    result = run_cli("benchmark", artefact, "--data", data / "dev.tsv", *options)
    assert result.exit_code == 0, result.output
    (measured,) = json.loads((out / "benchmark.json").read_text())["results"]
    assert measured["status"] == "ok"
    assert measured["accuracy"] > 0.95
    assert measured["tokens_median"] == 8
    assert "36 pairs of sentences of 5 to 35 tokens, built in" in run_cli("benchmark", artefact, *options).stderr
    (tmp_path / "pairs.txt").write_text("a film\ta story\na cast\ta cast\n")
    assert run_cli("benchmark", artefact, "--texts", tmp_path / "pairs.txt", *options).exit_code == 0
    (tmp_path / "texts.txt").write_text("a film\ta story\na cast\n")
    refused = run_cli("benchmark", artefact, "--texts", tmp_path / "texts.txt", *options)
    assert refused.stderr == (
        f"Error: {tmp_path / 'texts.txt'}: 'a cast' has 0 tabs, and the artefact reads pairs of texts. "
        "Write both in a line, with one tab between them.\n"
    )


@trains
def test_the_model_card_says_what_it_is(artefact: Path) -> None:
    card = (artefact / "README.md").read_text()
    assert "two texts in, one of `other`, `same` out." in card
    assert "It reads pairs of texts: one network makes the features u and v of the first and the second text" in card
    assert 'print(classify("some text", "another text").label)' in card
    assert "pieces of each text are read" in card


BOTH = "and the artefact reads pairs of texts. Write both in a line, with one tab between them."
REFUSALS: dict[str, tuple[tuple[str, ...], str | None, str]] = {
    "no second text": (
        ("predict", "PAIRS", "a film"),
        None,
        "PAIRS: reads pairs of texts, and there are 1 first and 0 second ones. Give --pair TEXT once for each of TEXTS.",
    ),
    "a second text alone": (
        ("predict", "PAIRS", "--pair", "a film"),
        None,
        "PAIRS: reads pairs of texts, and there are 0 first and 1 second ones. Give --pair TEXT once for each of TEXTS.",
    ),
    "two second texts": (
        ("predict", "PAIRS", "a", "--pair", "b", "--pair", "c"),
        None,
        "PAIRS: reads pairs of texts, and there are 1 first and 2 second ones. Give --pair TEXT once for each of TEXTS.",
    ),
    "a line without a tab": (
        ("predict", "PAIRS"),
        "a film\n",
        f"standard input, line 1: 0 tabs, {BOTH}",
    ),
    "a line with two": (
        ("predict", "PAIRS"),
        "a\tb\nc\td\te\n",
        f"standard input, line 2: 2 tabs, {BOTH}",
    ),
    "a second text for one": (
        ("predict", "SINGLE", "a film", "--pair", "a story"),
        None,
        "--pair 'a story': SINGLE reads one text. Leave it out.",
    ),
    "eval of single texts": (
        ("eval", "PAIRS", "DATA"),
        None,
        "DATA: has no second texts, and the artefact reads pairs. Name their column: --pair-column NAME",
    ),
    "benchmark of single texts": (
        ("benchmark", "PAIRS", "--data", "DATA"),
        None,
        "DATA: has no second texts, and the artefact reads pairs. Name their column: --pair-column NAME",
    ),
    "diff of single texts": (
        ("diff", "PAIRS", "PAIRS", "--data", "DATA"),
        None,
        "DATA: has no second texts, and the artefact reads pairs. Name their column: --pair-column NAME",
    ),
    "diff with one of single texts": (
        ("diff", "SINGLE", "PAIRS"),
        None,
        "PAIRS: reads pairs of texts, and SINGLE reads one text: their answers can't be compared. Give two of a kind.",
    ),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, artefact_folder: Path) -> dict[str, str]:
    """What the words in capitals stand for."""
    folder = tmp_path_factory.mktemp("refused")
    export_student(random_trained_of_pairs(2), folder / "pairs", formats=["native"], quantize=True, limits=Limits(1, 1))
    data = write_tsv(folder / "rows.tsv", [("a film", "no"), ("a story", "yes")])
    return {"PAIRS": str(folder / "pairs"), "SINGLE": str(artefact_folder), "DATA": str(data)}


@pytest.mark.parametrize("name", REFUSALS)
def test_another_number_of_texts_is_refused_in_one_line(
    name: str, places: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, stdin, message = REFUSALS[name]
    result = run_cli(*(places.get(part, part) for part in command), stdin=stdin)
    for word, path in places.items():
        message = message.replace(word, path)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


@trains
def test_two_layers_from_data_to_answers(data_folder: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "artefact"
    layers = ("--layers", "2", "--hidden-size", "16", "--classifier-size", "32", "--epochs", "15")
    trained = run_cli("train", data_folder, "--out", run, *HARD, *layers)
    assert trained.exit_code == 0, trained.output
    result = run_cli("export", run, "--format", "native", "--out", out, *LOOSE)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "manifest.json").read_text())["student"]["layers"] == 2
    assert "2-layer BiLSTM, " in (out / "README.md").read_text()
    assert run_cli("verify", out).exit_code == 0
    assert json.loads(run_cli("eval", out, data_folder / "dev.tsv", "--json").stdout)["accuracy"] > 0.9
    assert run_cli("predict", out, make_reviews(1, seed=1)[0][0]).exit_code == 0
