"""Teachers that can't be loaded: each a line that says why, before anything is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, GPT2Config, RobertaConfig

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.trainer.training import pretrained
from kdbuild.trainer.training.pretrained import load_config, load_model, load_tokenizer, positions
from reviews import make_reviews, write_tsv

WEIGHTS = "model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 437955512\n"


def _truncate(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def _pickled(content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / "pytorch_model.bin").write_bytes(content)

    return spoil


def _unsafe(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"weights": Path("something")}, folder / "pytorch_model.bin")


def _configured(**values: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return spoil


def _written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _without_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated weights": (_truncate, "can't be loaded ("),
    "empty weights": (_written(WEIGHTS, b""), "can't be loaded ("),
    "pointer of weights": (_written(WEIGHTS, POINTER), f"{WEIGHTS} is a pointer of Git LFS, not the file."),
    "pointer of a tokenizer": (_written("tokenizer.json", POINTER), "tokenizer.json is a pointer of Git LFS"),
    "no weights": (_without_weights, "can't be loaded ("),
    "damaged tokenizer": (_written("tokenizer.json", b'{"version": "1.0", "model"'), "can't be loaded ("),
    "another tokenizer": (_written("tokenizer.json", b'{"version": "1.0"}'), "can't be loaded ("),
    "damaged configuration": (_written("config.json", b"{"), "can't be loaded ("),
    "configuration of nothing": (_written("config.json", b"[]"), "can't be loaded ("),
    "sizes that don't fit": (_configured(hidden_size=7), "can't be loaded ("),
    "unknown model": (_configured(model_type="nosuch"), "can't be loaded ("),
    "pickle of weights that is damaged": (_pickled(b"\x80\x02nonsense"), "can't be loaded ("),
    "pickle of weights that is empty": (_pickled(b""), "can't be loaded ("),
    "pickle of code": (_unsafe, "can't be loaded ("),
    "quantised": (
        _configured(quantization_config={"quant_method": "gptq", "bits": 4}),
        "Its weights are quantised, which needs a library of their own: name the model that isn't.",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_teacher_is_one_line(kind: str, teacher_folder: Path, tmp_path: Path) -> None:
    spoil, message = SPOILT[kind]
    teacher = Path(shutil.copytree(teacher_folder, tmp_path / "teacher"))
    spoil(teacher)
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    out = tmp_path / "run"
    result = run_cli("train", data, "--out", out, "--teacher", teacher, "--p-pos", "0", *SMALL_STUDENT)
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"Error: --teacher {teacher}: ")
    assert message in lines[0]
    assert not out.exists()


def test_an_adapter_is_explained(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-large-uncased"}')
    with pytest.raises(BadInputError) as caught:
        load_config(str(tmp_path))
    assert str(caught.value) == (
        f"--teacher {tmp_path}: holds an adapter (PEFT) of bert-large-uncased, not a model. Merge them and name the "
        "result: model.merge_and_unload().save_pretrained(FOLDER), and the tokenizer's save_pretrained."
    )


def test_sentencepiece_without_its_library(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Path(shutil.copytree(teacher_folder, tmp_path / "teacher"))
    (teacher / "tokenizer.json").rename(teacher / "spiece.model")
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(BadInputError) as caught:
        load_tokenizer(str(teacher))
    assert str(caught.value) == (
        f"--teacher {teacher}: its tokenizer is spiece.model alone, which SentencePiece reads. "
        "Install it with: pip install sentencepiece protobuf"
    )


@pytest.mark.parametrize("name", ["models/bert", "./bert", "a/b/c", "~/bert", "/nowhere/bert"])
def test_a_mistyped_path_asks_no_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "_load", lambda *_: pytest.fail("asked the hub"))
    with pytest.raises(BadInputError, match=r"no such folder\. Check the path\.$"):
        load_config(name)


SHAPE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "num_labels": 2}


@pytest.mark.parametrize(
    ("config", "read"),
    [
        (BertConfig(**SHAPE, vocab_size=2000, max_position_embeddings=16), 16),
        # RoBERTa's positions begin after that of padding, 1.
        (RobertaConfig(**SHAPE, vocab_size=2000, max_position_embeddings=18), 16),
        (GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=2000, n_positions=16, num_labels=2), 16),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_are_cut_to_the_positions_there_are(
    config: BertConfig, read: int, teacher_folder: Path, tmp_path: Path
) -> None:
    """Also where the tokenizer knows no limit and no padding."""
    from kdbuild.trainer.teacher.model import Teacher

    model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(teacher_folder)
    tokenizer.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_bytes())
    for name in ("model_max_length", "pad_token"):
        settings.pop(name, None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert positions(model) == read
    teacher = Teacher(tmp_path, max_pieces=512)
    assert teacher.tokenizer.pad_token_id is not None
    pieces = teacher.encode(["film " * 100, "a film"])
    assert len(pieces[0]) == read
    assert teacher.logits(pieces).shape == (2, 2)


def test_a_tokenizer_without_padding_pads_with_a_token_of_no_text(teacher_folder: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(teacher_folder)
    tokenizer.pad_token = None
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).pad_token == "[SEP]"


def test_load_model_says_what_the_limit_is(teacher_folder: Path) -> None:
    tokenizer = load_tokenizer(str(teacher_folder))
    tokenizer.model_max_length = 10**30
    model = load_model(AutoModelForSequenceClassification, str(teacher_folder), tokenizer)
    assert tokenizer.model_max_length == model.config.max_position_embeddings
