"""Small real things that many tests need: reviews with labels, a BERT of a few thousand parameters, a finished run."""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from tokenizers import BertWordPieceTokenizer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from commands import SMALL_STUDENT, run_cli
from reviews import make_reviews, write_tsv
from shared_folders import ShareFolder

torch.set_num_threads(1)  # models this small only wait for more
# How long an example takes depends on the machine, and on what else it does.
settings.register_profile("kdbuild", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kdbuild")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands on the finished run's weights as something that trains."""
    for item in items:
        if isinstance(item, pytest.Function) and {"finished_run", "words_run"} & {*item.fixturenames}:
            item.add_marker("trains")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Put back what an engine of torch sets for the process: with another number of threads, trainings round differently."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let the processes that tests start be interrupted, even if this one ignores it, as under nohup or after ``&``.

    They would inherit that; of a signal that is handled, whatever the handler does, they get the default.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(scope="session")
def share_folder(tmp_path_factory: pytest.TempPathFactory) -> ShareFolder:
    """Folders that are made once, whatever the number of pytest-xdist's workers. Not to be changed."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each worker has a folder of its own in it
    base = base / "shared"
    base.mkdir(exist_ok=True)

    def share(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                fill(folder)
                done.touch()
        return folder

    return share


@pytest.fixture(scope="session")
def data_folder(share_folder: ShareFolder) -> Path:
    """``train.tsv`` (400 rows) and ``dev.tsv`` (240 rows)."""

    def fill(folder: Path) -> None:
        reviews = make_reviews(640, seed=1)
        write_tsv(folder / "train.tsv", reviews[:400])
        write_tsv(folder / "dev.tsv", reviews[400:])

    return share_folder("data", fill)


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
        initializer_range=0.25,  # 1 / sqrt(16); with the 0.02 of 768 dimensions, many a seed learns nothing
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def encoder_folder(share_folder: ShareFolder) -> Path:
    """A BERT encoder with random weights, not fine-tuned."""

    def fill(folder: Path) -> None:
        tokenizer = _tiny_tokenizer(folder)
        torch.manual_seed(0)
        _save(BertModel(_tiny_config(len(tokenizer))), tokenizer, folder)

    return share_folder("encoder", fill)


def _train_teacher(folder: Path) -> None:
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
    _save(model, tokenizer, folder)


@pytest.fixture(scope="session")
def teacher_folder(share_folder: ShareFolder) -> Path:
    """A BERT classifier that has learned the reviews' labels."""
    return share_folder("teacher", _train_teacher)


@pytest.fixture(scope="session")
def finished_run(data_folder: Path, teacher_folder: Path, share_folder: ShareFolder) -> Path:
    """A whole run: teacher, transfer set, labels, student. Not to be changed; copy it."""

    def fill(run: Path) -> None:
        small = (*SMALL_STUDENT, "--epochs", "6", "--learning-rate", "0.01", "--dropout", "0")
        augment = ("--perturb", "article", "--rounds", "2", "--p-pos", "0")
        result = run_cli("train", data_folder, "--out", run, "--teacher", teacher_folder, *augment, *small)
        assert result.exit_code == 0, result.output

    return share_folder("run", fill)


@pytest.fixture(scope="session")
def words_run(finished_run: Path, share_folder: ShareFolder) -> Path:
    """The finished run with a student that knows whole words alone. Not to be changed; copy it."""

    def fill(run: Path) -> None:
        shutil.copytree(finished_run, run)
        result = run_cli("distill", run, "--tokenizer", "words")
        assert result.exit_code == 0, result.output

    return share_folder("words_run", fill)


@pytest.fixture(scope="session")
def artefact_folder(finished_run: Path, share_folder: ShareFolder) -> Path:
    """The artefact of the finished run. Not to be changed; copy it."""

    def fill(folder: Path) -> None:
        limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
        result = run_cli("export", finished_run, "--format", "tflite", "--no-calibrate", "--out", folder, *limits)
        assert result.exit_code == 0, result.output

    return share_folder("artefact", fill)
