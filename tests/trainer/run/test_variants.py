"""Students and data of other kinds, each through the whole training side: pairs, several labels, skewed classes, shapes."""

import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoConfig

from commands import SMALL_STUDENT, run_cli
from kdbuild.runtime.data.readers import read_rows
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import UNK_ID
from kdbuild.trainer.student.bilstm import load_student
from pairs import make_pairs, pairs_tsv
from reviews import make_reviews, write_tsv
from shared_folders import ShareFolder

pytestmark = pytest.mark.trains
HARD = ("--loss", "cross_entropy", "--embeddings", "random", "--dropout", "0", "--warmup-steps", "0")
FAST = (*SMALL_STUDENT, "--learning-rate", "0.01")
WORDS = {"funny": ("funny", "lovely"), "long": ("dull", "boring"), "warm": ("warm", "great")}


def metrics(run: Path, stage: str = "distill") -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text())[stage])


def train(data: Path, run: Path, *options: str | Path) -> str:
    result = run_cli("train", data, "--out", run, *options)
    assert result.exit_code == 0, result.output
    return result.stderr


def make_tagged(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts with any of three labels, which single words tell."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        given = [label for label in WORDS if draw.random() < 0.4]
        words = ["film", "of", *(draw.choice(WORDS[label]) for label in given)]
        draw.shuffle(words)
        rows.append((" ".join(words), "|".join(given)))
    return rows


@pytest.fixture(scope="module")
def tagged(share_folder: ShareFolder) -> Path:
    def fill(folder: Path) -> None:
        write_tsv(folder / "train.tsv", make_tagged(400, seed=1))
        write_tsv(folder / "dev.tsv", make_tagged(240, seed=2))

    return share_folder("tagged", fill)


@pytest.fixture(scope="module")
def tagged_run(tagged: Path, encoder_folder: Path, share_folder: ShareFolder) -> Path:
    """Several labels a text, with a teacher that is fine-tuned on them."""
    training = ("--teacher-epochs", "25", "--teacher-learning-rate", "0.005", "--teacher-batch-size", "16")
    teacher = ("--teacher", encoder_folder, *training)
    augment = ("--rounds", "2", "--p-pos", "0")
    # Of 5 seeds and all three losses, teacher and student reach a micro-F1 of 0.99 to 1.
    student = (*FAST, "--classifier-size", "32", "--epochs", "40", "--dropout", "0")
    return share_folder("tagged-run", lambda run: train(tagged, run, "--multi-label", *teacher, *augment, *student))


def test_several_labels_from_data_to_answers(tagged: Path, tagged_run: Path, tmp_path: Path) -> None:
    assert (tagged_run / "splits" / "labels.txt").read_text() == "funny\nlong\nwarm\n"
    assert AutoConfig.from_pretrained(tagged_run / "teacher").problem_type == "multi_label_classification"
    assert metrics(tagged_run, "teacher")["dev"]["micro_f1"] > 0.9
    dev = metrics(tagged_run)["dev"]
    assert dev["accuracy"] > 0.8
    assert dev["micro_f1"] > 0.9
    assert [sum(cells) for cells in dev["confusion"]] == [240] * 3
    student, _ = load_student(tagged_run / "student")
    assert student.config.multi_label
    assert student.config.thresholds is not None
    assert all(0 < threshold < 1 for threshold in student.config.thresholds)

    artefact = tmp_path / "artefact"
    result = run_cli(
        "export",
        tagged_run,
        "--format",
        "tflite",
        "--no-calibrate",
        "--out",
        artefact,
        "--max-accuracy-loss",
        "5",
        "--max-flip-rate",
        "5",
    )
    assert result.exit_code == 0, result.output
    manifest = json.loads((artefact / "manifest.json").read_text())
    assert (manifest["task"], manifest["thresholds"]) == ("multi", student.config.thresholds)
    result = run_cli("predict", artefact, "--json", "of great lovely film", "film of")
    both, none = map(json.loads, result.stdout.splitlines())
    assert both["labels"] == ["funny", "warm"]
    assert (none["label"], none["labels"]) == (None, [])
    result = run_cli("eval", artefact, tagged / "dev.tsv", "--json")
    assert json.loads(result.stdout)["accuracy"] == pytest.approx(dev["accuracy"], abs=0.03)


def test_several_labels_survive_the_splits(tagged: Path, tagged_run: Path) -> None:
    written = read_rows(tagged_run / "splits" / "train.tsv", multi_label=True)
    given = read_rows(tagged / "train.tsv", multi_label=True)
    assert written.labels == given.labels
    classes = metrics(tagged_run, "data")["classes"]
    assert classes == {name: sum(name in label.split("|") for label in given.labels or []) for name in WORDS}


def test_mistakes_of_several_labels_are_listed(tagged_run: Path) -> None:
    lines = (tagged_run / "misclassified.tsv").read_text().splitlines()
    assert lines[0] == "text\tlabel\tanswer\tprobability"
    dev = metrics(tagged_run)["dev"]
    assert len(lines) - 1 == dev["n"] - round(dev["accuracy"] * dev["n"])


@pytest.mark.parametrize("loss", [("--loss", "kl_div", "--temperature", "2"), ("--loss", "mse", "--alpha", "0.6")])
def test_other_losses_learn_several_labels_too(tagged_run: Path, tmp_path: Path, loss: tuple[str, ...]) -> None:
    run = Path(shutil.copytree(tagged_run, tmp_path / "run"))
    result = run_cli("distill", run, *loss)
    assert result.exit_code == 0, result.output
    assert metrics(run)["dev"]["micro_f1"] > 0.9


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "train.tsv").write_text(pairs_tsv(make_pairs(500, seed=1)))
    (folder / "dev.tsv").write_text(pairs_tsv(make_pairs(200, seed=2)))
    return folder


def test_student_of_pairs_reads_both_texts(pairs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(pairs, run, *HARD, *FAST, "--epochs", "40")
    assert metrics(run)["dev"]["accuracy"] > 0.95  # neither text alone tells more than 0.5
    student, _ = load_student(run / "student")
    assert student.config.pairs
    assert student.hidden.in_features == 4 * 2 * 8


def test_pairs_go_through_all_stages(pairs: Path, encoder_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    teacher = ("--teacher", encoder_folder, "--teacher-epochs", "15", "--teacher-learning-rate", "0.005")
    train(pairs, run, *teacher, "--rounds", "2", *FAST, "--epochs", "6", "--dropout", "0")
    header, first, *_ = (run / "transfer.tsv").read_text().splitlines()
    assert header == "tokens\ttokens2"
    assert first.count("\t") == 1
    assert metrics(run, "teacher")["dev"]["accuracy"] > 0.6
    assert len(np.load(run / "labels" / "logits.npy")) == metrics(run, "augment")["sentences"]
    assert set(metrics(run, "augment")) == {
        *("originals", "perturbed", "perturbations", "unlabelled", "sentences", "seconds")
    }


SHAPES = {
    "two channels": ("--channels", "two"),
    "factorised": ("--factor-size", "4"),
    # A narrow classifier over two layers learns nothing from some seeds.
    "two layers": ("--layers", "2", "--epochs", "15", "--hidden-size", "16", "--classifier-size", "32"),
    "max pooling": ("--pooling", "max"),
    "small vocabulary": ("--max-vocab", "30"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_student_of_another_shape_learns(name: str, data_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(data_folder, run, *HARD, *FAST, "--epochs", "10", *SHAPES[name])
    assert metrics(run)["dev"]["accuracy"] > 0.9
    student, vocabulary = load_student(run / "student")
    match name:
        case "two channels":
            assert student.static.weight.shape == student.embedding.weight.shape
            assert not student.static.weight.requires_grad or student.static.weight.grad is None
            assert student.lstm.input_size == 16
        case "factorised":
            assert student.embedding.weight.shape == (len(vocabulary), 4)
            assert student.projection.weight.shape == (8, 4)
        case "small vocabulary":
            assert len(vocabulary) == 3 + 30


def test_static_channel_stays_as_it_was(data_folder: Path, tmp_path: Path) -> None:
    """Trained twice from one seed, for longer and shorter: only the other channel differs."""
    statics, trained = [], []
    for epochs in ("1", "2"):
        run = tmp_path / epochs
        train(data_folder, run, *HARD, *FAST, "--epochs", epochs, "--channels", "two")
        student, _ = load_student(run / "student")
        statics.append(student.static.weight.detach().numpy())
        trained.append(student.embedding.weight.detach().numpy())
    np.testing.assert_array_equal(statics[0], statics[1])
    assert np.abs(trained[0] - trained[1]).max() > 1e-3


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, 20 to 1. The rare one's only word stands in a tenth of the common one's rows, too: twice as often."""
    draw = random.Random(0)
    folder = tmp_path_factory.mktemp("skewed")

    def rows(counts: dict[str, int]) -> list[tuple[str, str]]:
        made = []
        for label, count in counts.items():
            for number in range(count):
                word = "rare" if label == "common" and number % 10 == 0 else label
                made.append((f"it is {word} number {draw.randrange(3)}", label))
        draw.shuffle(made)
        return made

    write_tsv(folder / "train.tsv", rows({"common": 400, "other": 200, "rare": 20}))
    write_tsv(folder / "dev.tsv", rows({"common": 80, "other": 80, "rare": 80}))
    return folder


def test_class_balance_is_reported_before_training(skewed: Path, tmp_path: Path) -> None:
    stderr = train(skewed, tmp_path / "run", *HARD, *FAST, "--epochs", "0.1")
    assert "data: common 400 (64.5%), other 200 (32.3%), rare 20 (3.2%)" in stderr.splitlines()
    warning = (
        "Warning: the classes are skewed. Consider --balance weights or --balance sampling, and read the macro-F1."
    )
    assert warning in stderr.splitlines()


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_balancing_finds_the_rare_class(skewed: Path, tmp_path: Path, balance: str) -> None:
    """Its word says common, two to one; balanced, it says rare, ten to one."""
    found = []
    for options in ((), ("--balance", balance)):
        run = tmp_path / f"run{len(options)}"
        train(skewed, run, *HARD, *FAST, "--classifier-size", "32", "--epochs", "12", *options)
        confusion = metrics(run)["dev"]["confusion"]
        found.append(confusion[2][2] / sum(confusion[2]))
    assert found[0] < 0.4
    assert found[1] > 0.8


def test_unlabelled_text_joins_the_transfer_set(data_folder: Path, teacher_folder: Path, tmp_path: Path) -> None:
    known = {text for text, _ in make_reviews(640, seed=1)}
    fresh = [text for text, _ in make_reviews(900, seed=5) if text not in known][:200]
    (tmp_path / "more.txt").write_text("\n".join([*fresh, fresh[0], "hm", ""]) + "\n")
    run = tmp_path / "run"
    base = ("--teacher", teacher_folder, "--rounds", "1", "--p-pos", "0", *FAST, "--epochs", "1")
    stderr = train(data_folder, run, *base, "--unlabelled", tmp_path / "more.txt")
    record = metrics(run, "augment")
    assert record["unlabelled"] == 200
    assert record["sentences"] == record["originals"] + record["perturbed"] + 200
    assert "(200 kept, 1 too short, 0 too long, 1 duplicates)" in stderr
    assert len(np.load(run / "labels" / "logits.npy")) == record["sentences"]


@pytest.mark.parametrize("tokenizer", ["pieces", "words"])
def test_private_words_stay_out_of_the_vocabulary(tokenizer: str, teacher_folder: Path, tmp_path: Path) -> None:
    """A word of one row stays out, however often augmentation repeats that row."""
    reviews = make_reviews(300, seed=7)
    rows = [
        (f"{text} zacharias", label) if number == 5 else (text, label) for number, (text, label) in enumerate(reviews)
    ]
    base = ("--teacher", teacher_folder, "--rounds", "5", *FAST, "--epochs", "0.2")
    data = write_tsv(tmp_path / "rows.tsv", [*rows[6:], *rows[:6]])
    train(data, tmp_path / "run", *base, "--min-count", "2", "--tokenizer", tokenizer)
    _, vocabulary = load_student(tmp_path / "run" / "student")
    assert "zacharias" in (tmp_path / "run" / "transfer.tsv").read_text()
    assert "zacharias" not in vocabulary
    assert "##zacharias" not in vocabulary
    assert "film" in vocabulary


def test_without_replacement_no_tagger_is_needed(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    monkeypatch.setitem(sys.modules, "spacy", None)
    assert run_cli("augment", run, "--rounds", "1", "--p-pos", "0").exit_code == 0
    result = run_cli("augment", run, "--rounds", "1", "--perturb", "article", "--p-pos", "0.1")
    assert result.exit_code != 0
    assert "spacy" in result.stderr
    assert len(result.stderr.splitlines()) == 1


MIXED = [
    ("a funny film , warmly filmed", "a long film , coldly filmed"),
    ("หนังเรื่องนี้สนุกมาก", "หนังเรื่องนี้ไม่สนุกเลย"),
    ("这部电影很好看", "这部电影不好看"),
    ("ein lustiger Spielfilm der Filmfestspiele", "ein langer Spielfilm der Filmfestspiele"),
]
"""English, Thai, Chinese and German, each praise and blame."""


def test_every_script_goes_through_training(teacher_folder: Path, tmp_path: Path) -> None:
    rows = [
        (f"{text} {number}", label)
        for number in range(40)
        for pair in MIXED
        for text, label in zip(pair, ("pos", "neg"), strict=True)
    ]
    write_tsv(tmp_path / "train.tsv", rows[: 8 * 30])
    write_tsv(tmp_path / "dev.tsv", rows[8 * 30 :])
    run = tmp_path / "run"
    base = ("--teacher", teacher_folder, "--rounds", "1", "--p-pos", "0", *FAST)
    stderr = train(tmp_path, run, *base, "--epochs", "1", "--max-vocab", "100")
    assert "100.0% of dev's tokens" in stderr
    _, vocabulary = load_student(run / "student")
    assert (vocabulary.version, len(vocabulary)) == (2, 103)
    # Words that no row has are spelled.
    for text in ("Spielfilmfest", "ไม่มาก", "很不好", "warmest"):
        ids = vocabulary.ids(tokenize(text))
        assert 1 < len(ids) <= len(text)
        assert UNK_ID not in ids
    assert metrics(run)["dev_oov_rate"] == 0
    assert metrics(run)["vocabulary"] == 103


def test_vocabulary_grows_by_a_word_list(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("gloomy\nFilm\n")
    run = tmp_path / "run"
    train(data_folder, run, *HARD, *FAST, "--epochs", "0.1", "--extra-words", tmp_path / "words.txt")
    _, vocabulary = load_student(run / "student")
    assert "gloomy" in vocabulary
    assert vocabulary.tokens.count("film") == 1


def test_word_vectors_from_a_file(data_folder: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = [
        f"{word} {' '.join(f'{value:.4f}' for value in draw.normal(size=8))}" for word in ("film", "good", "zebra")
    ]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    run = tmp_path / "run"
    hard = ("--loss", "cross_entropy", "--learning-rate", "0", *SMALL_STUDENT, "--epochs", "0.1")
    stderr = train(data_folder, run, *hard, "--embeddings", tmp_path / "vectors.txt")
    student, vocabulary = load_student(run / "student")
    (film,) = vocabulary.ids(["film"])
    expected = [float(value) for value in lines[0].split()[1:]]
    np.testing.assert_allclose(student.embedding.weight[film].detach().numpy(), expected, atol=1e-6)
    assert "embeddings: vectors for " in stderr


Make = Callable[[Path], tuple[str | Path, ...]]
BAD: dict[str, tuple[Make, str]] = {
    "embedding file that is not there": (
        lambda folder: ("--embeddings", folder / "none.vec"),
        "none.vec: no such file. Name a file of word vectors, or use teacher or random.",
    ),
    "unlabelled file that is not there": (
        lambda folder: ("--unlabelled", folder / "none.txt"),
        "none.txt: no such file. Check the path.",
    ),
    "empty unlabelled file": (
        lambda folder: ("--unlabelled", _file(folder / "a.txt", b"\n \n")),
        "has no line of text. Name a file with a text a line.",
    ),
    "binary unlabelled file": (
        lambda folder: ("--unlabelled", _file(folder / "a.txt", b"text\n\x00\x01")),
        "line 2: holds a NUL byte, so it isn't text in UTF-8. Name a file with a text a line.",
    ),
    "word list that is not there": (lambda folder: ("--extra-words", folder / "none.txt"), "none.txt"),
    "blend without a teacher": (
        lambda folder: ("--loss", "cross_entropy", "--alpha", "0.5"),
        "--alpha 0.5: blends the teacher's loss in, and --loss cross_entropy has none. Use --loss mse or kl_div.",
    ),
    "factor over the embedding": (
        lambda folder: ("--factor-size", "9", "--embedding-size", "8"),
        "--factor-size 9: over --embedding-size 8, so it would save nothing. Lower it.",
    ),
    "factor and two channels": (
        lambda folder: ("--factor-size", "4", "--channels", "two"),
        "--factor-size 4: doesn't go with --channels two, whose second channel is stored in full. Drop one of them.",
    ),
    "lengths the wrong way round": (
        lambda folder: ("--unlabelled-min-words", "9", "--unlabelled-max-words", "3"),
        "--unlabelled-min-words 9: over --unlabelled-max-words 3. Lower it.",
    ),
    "column that is not there": (
        lambda folder: ("--text-column", "sentense"),
        "no column 'sentense'",
    ),
    "negative patience": (lambda folder: ("--patience", "-1"), "--patience -1: out of range. Use a value at least 0."),
    "temperature of zero": (lambda folder: ("--temperature", "0"), "--temperature 0.0: out of range."),
    "ablation without a teacher": (
        lambda folder: ("--ablation",),
        "--ablation: compares with the teacher's labels, and --loss cross_entropy has none. Drop it.",
    ),
    "GPU that is not there": (lambda folder: ("--device", "mps"), "--device mps: torch finds no Apple GPU."),
}


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_refused_before_anything_is_written(name: str, data_folder: Path, tmp_path: Path) -> None:
    make, message = BAD[name]
    run = tmp_path / "run"
    result = run_cli("train", data_folder, "--out", run, *HARD, *SMALL_STUDENT, *make(tmp_path))
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last
    assert not (run / "student").exists()


BAD_VECTORS = {
    "ragged": ("film 1 2 3\ngood 1 2\n", "line 2"),
    "not finite": ("film 1 nan 3\n", "line 1"),
    "of another size": ("film 1 2\n", "--embedding-size 2"),
    "empty": ("", "empty"),
}


@pytest.mark.parametrize("name", BAD_VECTORS)
def test_bad_embedding_file_is_refused(name: str, data_folder: Path, tmp_path: Path) -> None:
    content, message = BAD_VECTORS[name]
    path = _file(tmp_path / "vectors.txt", content.encode())
    hard = ("--loss", "cross_entropy", *SMALL_STUDENT, "--embedding-size", "3")
    result = run_cli("train", data_folder, "--out", tmp_path / "run", *hard, "--embeddings", path)
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {path}")
    assert message in last


def test_checkpoint_of_another_student_is_not_taken_up(data_folder: Path, tmp_path: Path) -> None:
    """Other options mean other inputs: what an interrupted run of theirs left is removed, not resumed."""
    run = tmp_path / "run"
    train(data_folder, run, *HARD, *SMALL_STUDENT, "--epochs", "0.1")
    shutil.rmtree(run / "student")
    (run / ".stages" / "distill.json").unlink()
    left = run / "student.partial" / "checkpoints" / "checkpoint-1"
    left.mkdir(parents=True)
    (left / "complete").touch()
    (run / ".stages" / "distill.partial").write_text("the fingerprint of other options")
    train(data_folder, run, *HARD, *SMALL_STUDENT, "--epochs", "0.1")
    assert metrics(run)["dev"]["n"] == 240
