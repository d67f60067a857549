"""Small real things that many tests need: reviews with labels, a BERT of a few thousand parameters, a finished run."""

import random
import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from tokenizers import BertWordPieceTokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from kdbuild.cli import cli

torch.set_num_threads(1)  # models this small only wait for more

GOOD = ("good", "great", "lovely", "warm", "funny")
BAD = ("bad", "awful", "dull", "cold", "boring")
THINGS = ("film", "story", "cast", "plot", "scene")

Example = tuple[str, str]
"""A text and its label."""


def make_reviews(count: int, seed: int) -> list[Example]:
    """Distinct sentences whose label two of their words tell."""
    draw = random.Random(seed)
    reviews: dict[str, str] = {}
    while len(reviews) < count:
        label = draw.choice(("neg", "pos"))
        words = draw.sample(GOOD if label == "pos" else BAD, 2)
        text = f"The {draw.choice(THINGS)} of {draw.choice(THINGS)} {draw.randrange(90)} is {words[0]}, isn't it? {words[1]}!"
        reviews[text] = label
    return list(reviews.items())


def write_tsv(path: Path, rows: list[Example], header: str = "sentence\tlabel") -> Path:
    """A data file in the seed format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in [header, *("\t".join(row) for row in rows)]), encoding="utf-8")
    return path


def run_cli(*arguments: str | Path, stdin: str | None = None) -> Result:
    """Run a kdbuild command in this process; a bug's exception is raised here."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.tsv`` (400 rows) and ``dev.tsv`` (240 rows)."""
    folder = tmp_path_factory.mktemp("data")
    reviews = make_reviews(640, seed=1)
    write_tsv(folder / "train.tsv", reviews[:400])
    write_tsv(folder / "dev.tsv", reviews[400:])
    return folder


def _tiny_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    words = {word for text, _ in make_reviews(640, seed=1) for word in re.findall(r"\w+", text.lower())}
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *".,!?'", *sorted(words), "n", "##n", "t", "##t"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in dict.fromkeys(pieces)), encoding="utf-8")
    backend = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    return BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=64)


def _tiny_config(vocabulary: int) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT encoder with random weights, not fine-tuned."""
    folder = tmp_path_factory.mktemp("models") / "encoder"
    tokenizer = _tiny_tokenizer(folder)
    torch.manual_seed(0)
    return _save(BertModel(_tiny_config(len(tokenizer))), tokenizer, folder)


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT classifier that has learned the reviews' labels."""
    folder = tmp_path_factory.mktemp("models") / "teacher"
    tokenizer = _tiny_tokenizer(folder)
    config = _tiny_config(len(tokenizer))
    config.id2label = {0: "neg", 1: "pos"}
    config.label2id = {"neg": 0, "pos": 1}
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    texts, labels = zip(*make_reviews(400, seed=1), strict=True)
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    targets = torch.tensor([int(label == "pos") for label in labels])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        model(**batch, labels=targets).loss.backward()
        optimizer.step()
    return _save(model, tokenizer, folder)


SMALL_STUDENT = ("--embedding-size", "8", "--hidden-size", "8", "--classifier-size", "8", "--batch-size", "32")


@pytest.fixture(scope="session")
def finished_run(data_folder: Path, teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run: teacher, transfer set, labels, student. Not to be changed; copy it."""
    run = tmp_path_factory.mktemp("runs") / "run"
    small = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0")
    result = run_cli(
        "train", data_folder, "--out", run, "--teacher", teacher_folder, "--rounds", "2", "--p-pos", "0", *small
    )
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="session")
def artefact_folder(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefact of the finished run. Not to be changed; copy it."""
    folder = tmp_path_factory.mktemp("artefacts") / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    result = run_cli("export", finished_run, "--format", "tflite", "--no-calibrate", "--out", folder, *limits)
    assert result.exit_code == 0, result.output
    return folder
