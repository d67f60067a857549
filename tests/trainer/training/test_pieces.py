"""Tokenizers of all kinds: without a mask token, without an unknown one, with words that give no piece."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.needs import check_teacher, load_teacher
from kdbuild.trainer.student.embeddings import encode_words, from_teacher
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.pieces import encode_pieces, mask_token
from kdbuild.trainer.training.pretrained import load_tokenizer
from reviews import make_reviews, write_tsv

SPECIALS = ("<s>", "</s>", "<pad>", "<unk>", "<mask>")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def of_words(known: list[str], **named: str) -> PreTrainedTokenizerFast:
    """Whole words, and an error for others unless there is a token for them."""
    words = {word: number for number, word in enumerate([*named.values(), *known])}
    backend = Tokenizer(models.WordLevel(words, **({"unk_token": named["unk_token"]} if "unk_token" in named else {})))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **named)


def of_letters(known: str, **named: str) -> PreTrainedTokenizerFast:
    """Letters, and nothing for others unless there is a token for them: a word may give no piece."""
    letters = {letter: number for number, letter in enumerate([*dict.fromkeys(named.values()), *known])}
    backend = Tokenizer(models.BPE(letters, [], **({"unk_token": named["unk_token"]} if "unk_token" in named else {})))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **named)


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"mask_token": "<mask>", "unk_token": "<unk>", "pad_token": "<pad>"}, "<mask>"),
        ({"unk_token": "<unk>", "pad_token": "<pad>", "eos_token": "</s>"}, "<unk>"),  # T5, Llama
        ({"unk_token": "</s>", "eos_token": "</s>"}, "..."),  # GPT-2
        ({"unk_token": "<pad>", "pad_token": "<pad>"}, "..."),
        ({"pad_token": "<pad>", "eos_token": "</s>"}, "..."),
        ({}, "..."),
    ],
)
def test_what_a_masked_word_becomes(named: dict[str, str], expected: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(save(of_letters(LETTERS + ".", **named), tmp_path)))
    assert mask_token(tokenizer) == expected
    (masked,), (written,) = (encode_pieces(tokenizer, [text], None, 32) for text in ("a <mask> b", f"a {expected} b"))
    assert masked == written
    assert tokenizer.pad_token_id not in masked


def test_no_letter_is_cut_out_of_words_as_padding(tmp_path: Path) -> None:
    tokenizer = of_words(["a", "cat", "..."])
    folder = save(tokenizer, tmp_path)
    assert encode_pieces(load_tokenizer(str(folder)), ["cat a"], None, 32) == [[1, 0]]
    assert encode_words(str(folder), ["cat", "a"], bf16=False).shape == (2, 16)


def test_the_stand_in_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(of_letters(LETTERS + ".", unk_token="</s>", eos_token="</s>"), tmp_path)
    check_teacher(TrainOptions(), load_teacher(TrainOptions(), str(folder)), ("label",))
    line = f"--teacher {folder}: has no mask token, so a masked word reaches it as '...'"
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_words_of_no_piece(tmp_path: Path) -> None:
    folder = save(of_letters("abc.", eos_token="</s>"), tmp_path)
    teacher = Teacher(folder, max_pieces=32)
    assert teacher.encode(["ab", "\u4e2d\u6587", ""]) == [[1, 2], [0], [0]]
    assert np.isfinite(teacher.logits(teacher.encode(["ab", "\u4e2d\u6587"]))).all()
    vectors = encode_words(str(folder), ["ab", "\u4e2d", "\u6587", "c"], bf16=False)
    assert np.isfinite(vectors).all()
    assert np.abs(vectors[1] - vectors[2]).max() < 1e-6
    assert np.abs(vectors[0] - vectors[3]).max() > 0.01
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "ab", "\u4e2d", "\u6587", "c"])
    made = from_teacher(str(folder), vocabulary, np.ones(7, dtype=np.int64), 8, bf16=False, seed=0)
    assert made.shape == (7, 8)
    assert np.isfinite(made).all()


def test_words_that_are_all_the_same_to_the_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(of_words(["x"], unk_token="<unk>", pad_token="<pad>"), tmp_path)
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "ab", "c", "d"])
    made = from_teacher(str(folder), vocabulary, np.ones(6, dtype=np.int64), 8, bf16=False, seed=0)
    assert np.isfinite(made).all()
    assert made[3:].std() > 0.2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "embeddings: the teacher tells no two words apart, so the word vectors start random"
    )


UNREADABLE: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "no unknown token": lambda: of_words([*LETTERS, "..."], pad_token="<pad>", mask_token="<mask>"),
    "none at all": lambda: of_words([*LETTERS, "..."]),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_tokenizer_that_fails_on_unknown_words(kind: str, tmp_path: Path) -> None:
    folder = save(UNREADABLE[kind](), tmp_path / "teacher")
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    result = run_cli("train", data, "--out", tmp_path / "run", "--teacher", folder, "--p-pos", "0", *SMALL_STUDENT)
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: --teacher {folder}: its tokenizer can't read every text (")
    assert last.endswith("). Save it with a token for unknown words, or use another teacher.")
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadInputError, match="its tokenizer can't read every text"):
        encode_words(str(folder), ["unheard"], bf16=False)


def save_encoder(tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    save(tokenizer, folder)
    content = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**content, "architectures": None}))
    return folder


@pytest.mark.trains
@pytest.mark.parametrize("named", [{}, {"eos_token": "</s>"}, {"unk_token": "</s>", "eos_token": "</s>"}])
def test_whole_runs_with_few_special_tokens(
    named: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What it reaches isn't asked here.
    monkeypatch.setattr("kdbuild.trainer.teacher.fine_tune.check_teacher", lambda *_, **__: None)
    folder = save_encoder(of_letters(LETTERS[:20], **named), tmp_path / "encoder")
    rows = [
        (f"{text} \u4e2d\u6587" if number % 3 else "\u4e2d\u6587 ok", label)
        for number, (text, label) in enumerate(make_reviews(60, seed=2))
    ]
    data = write_tsv(tmp_path / "rows.tsv", rows)
    short = ("--teacher-epochs", "1", "--epochs", "1", "--rounds", "1", "--p-pos", "0")
    result = run_cli("train", data, "--out", tmp_path / "run", "--teacher", folder, *short, *SMALL_STUDENT)
    assert result.exit_code == 0, result.output
    assert np.isfinite(np.load(tmp_path / "run" / "labels" / "logits.npy")).all()
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "teacher").config.num_labels == 2
