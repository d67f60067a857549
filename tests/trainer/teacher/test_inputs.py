"""Batches: whatever the architecture, a text in a batch gets the logits that it gets alone, in labelling and in fine-tuning."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from commands import run_cli
from kdbuild.trainer.student.embeddings import encode_words
from kdbuild.trainer.teacher.inputs import hold_to_single_texts, padding
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.batches import SequenceDataset
from kdbuild.trainer.training.pieces import encode_pieces, with_segments

PIECES = ["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", *"abcdefghijklmnopqrstuvw"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
COMMON = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 0, "initializer_range": 0.5}
TEXTS = ["a", "b c d e f g h i j k", "l m n", "o p q r s", "a b c"]


def bert() -> PreTrainedModel:
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES, **COMMON))


def roberta() -> PreTrainedModel:
    return transformers.RobertaForSequenceClassification(transformers.RobertaConfig(**SIZES, **COMMON))


def xlnet() -> PreTrainedModel:
    config = transformers.XLNetConfig(d_model=16, n_layer=2, n_head=2, d_inner=32, **COMMON)
    return transformers.XLNetForSequenceClassification(config)


def gpt2() -> PreTrainedModel:
    config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, **COMMON | {"pad_token_id": None})
    return transformers.GPT2ForSequenceClassification(config)


def t5() -> PreTrainedModel:
    config = transformers.T5Config(
        d_model=16, num_layers=2, num_heads=2, d_kv=8, d_ff=32, eos_token_id=3, decoder_start_token_id=0, **COMMON
    )
    return transformers.T5ForSequenceClassification(config)


def fnet() -> PreTrainedModel:
    config = transformers.FNetConfig(
        **{name: size for name, size in SIZES.items() if name != "num_attention_heads"}, **COMMON
    )
    return transformers.FNetForSequenceClassification(config)


SEGMENTED = ["input_ids", "token_type_ids", "attention_mask"]
PLAIN = ["input_ids", "attention_mask"]
OF_BERT = ("<cls> $A <sep>", "<cls> $A <sep> $B:1 <sep>:1")
OF_XLNET = ("$A <sep> <cls>:2", "$A <sep> $B:1 <sep>:1 <cls>:2")


@dataclass(frozen=True)
class Case:
    """A model of random weights, and the tokenizer of its kind."""

    make: Callable[[], PreTrainedModel]
    templates: tuple[str, str]
    """Of single texts and of pairs, with the segments."""
    side: str
    pad: str | None
    names: list[str]

    def save(self, folder: Path) -> None:
        torch.manual_seed(0)
        self.make().save_pretrained(folder)
        backend = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(PIECES)}, unk_token="<unk>"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        single, pair = self.templates
        specials = [(piece, number) for number, piece in enumerate(PIECES) if piece in pair]
        backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=specials)
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            unk_token="<unk>",
            eos_token="<sep>",
            sep_token="<sep>",
            cls_token="<cls>",
            mask_token="<mask>",
            pad_token=self.pad,
            padding_side=self.side,
            model_input_names=self.names,
            model_max_length=32,
        ).save_pretrained(folder)


CASES = {
    "BERT": Case(bert, OF_BERT, "right", "<pad>", SEGMENTED),
    "BERT, left": Case(bert, OF_BERT, "left", "<pad>", SEGMENTED),
    "RoBERTa": Case(roberta, ("<cls> $A <sep>", "<cls> $A <sep> <sep> $B <sep>"), "right", "<pad>", PLAIN),
    "XLNet": Case(xlnet, OF_XLNET, "left", "<pad>", SEGMENTED),
    "GPT-2": Case(gpt2, ("$A", "$A $B"), "right", None, PLAIN),
    "GPT-2, left": Case(gpt2, ("$A", "$A $B"), "left", None, PLAIN),
    "T5": Case(t5, ("$A <sep>", "$A <sep> $B <sep>"), "right", "<pad>", PLAIN),
    "FNet": Case(fnet, OF_BERT, "right", "<pad>", ["input_ids", "token_type_ids"]),
}
PAIRED = pytest.mark.parametrize("second", [None, TEXTS[::-1]], ids=["texts", "pairs"])


@PAIRED
@pytest.mark.parametrize("name", CASES)
def test_a_batch_answers_as_single_texts_do(name: str, second: list[str] | None, tmp_path: Path) -> None:
    CASES[name].save(tmp_path)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    pieces = teacher.encode(TEXTS, second)
    alone = np.concatenate([teacher.logits([text]) for text in pieces])
    assert np.ptp(alone, axis=0).max() > 0.01  # the texts matter at all
    assert np.abs(teacher.logits(pieces) - alone).max() < 1e-4
    # What the library itself makes of each text, segments included.
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    cells = zip(TEXTS, *([] if second is None else [second]), strict=True)
    with torch.no_grad():
        reference = torch.cat([plain(**tokenizer(*texts, return_tensors="pt")).logits for texts in cells])
    assert np.abs(reference.numpy() - alone).max() < 1e-4


@PAIRED
@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_training_does_too(name: str, second: list[str] | None, tmp_path: Path) -> None:
    CASES[name].save(tmp_path)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    tokenizer = teacher.tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).train()
    complete, padded = with_segments(model, tokenizer), padding(model, tokenizer)
    pieces = encode_pieces(tokenizer, TEXTS, second, 32)
    hold_to_single_texts(model, padded, complete, pieces)
    assert model.training
    rows = SequenceDataset(pieces, np.zeros(5, dtype=np.int64), padded.pad_id, left=padded.left)
    batch = complete(rows.__getitems__([0, 1, 2, 3, 4]))
    del batch["labels"]
    logits = model.eval()(**batch).logits
    alone = np.concatenate([teacher.logits([text]) for text in pieces])
    assert np.abs(logits.detach().numpy() - alone).max() < 1e-4
    logits.sum().backward()


@pytest.mark.parametrize("name", ["BERT", "XLNet", "FNet"])
def test_segments_are_the_tokenizers(name: str, tmp_path: Path) -> None:
    CASES[name].save(tmp_path)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    for texts in (["a b"], ["a b", "c"], ["a", "b <sep> c"]):
        own = teacher.tokenizer(*texts)
        batch = teacher.batch(teacher.encode(*([text] for text in texts)))
        assert batch["input_ids"].tolist() == [own["input_ids"]]
        assert batch["token_type_ids"].tolist() == [own["token_type_ids"]]
    if name == "XLNet":
        assert batch["token_type_ids"].tolist() == [[0, 0, 1, 1, 1, 1, 2]]


def test_segments_that_the_model_does_not_read_are_left_out(tmp_path: Path) -> None:
    # A tokenizer of BERT's kind beside a model of another.
    dataclasses.replace(CASES["T5"], templates=OF_BERT, names=SEGMENTED).save(tmp_path)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    batch = teacher.batch(teacher.encode(["a b"], ["c"]))
    assert batch.keys() == {"input_ids", "attention_mask"}
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3, 7, 3]]
    assert teacher.logits(teacher.encode(["a b"], ["c"])).shape == (1, 3)


@pytest.mark.parametrize("name", CASES)
def test_word_vectors_do_not_depend_on_the_other_words(name: str, tmp_path: Path) -> None:
    CASES[name].save(tmp_path)
    words = ["a b c d", "e", "", "f g", "<mask>"]
    together = encode_words(str(tmp_path), words, bf16=False)
    assert np.isfinite(together).all()
    for word, vector in zip(words, together, strict=True):
        assert np.abs(encode_words(str(tmp_path), [word], bf16=False) - vector).max() < 1e-4
    # As the library has it.
    model, tokenizer = AutoModel.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        states = encoder(**tokenizer("f g", return_tensors="pt")).last_hidden_state
    assert np.abs(states[0].mean(0).numpy() - together[3]).max() < 1e-4


@pytest.mark.trains
@pytest.mark.parametrize("paired", [False, True])
def test_fnet_is_fine_tuned_without_padding(
    paired: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """FNet has no mask: it would mix padding into its states."""
    CASES["FNet"].save(tmp_path / "encoder")
    content = json.loads((tmp_path / "encoder" / "config.json").read_bytes())
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**content, "architectures": None}))
    draw = np.random.default_rng(0)
    rows = [" ".join(draw.choice(list("defghij"), int(draw.integers(1, 9)))) for _ in range(120)]
    texts = [f"{'a' if number % 2 else 'b'} {row}" for number, row in enumerate(rows)]
    header, cells = ("sentence\tsentence2\tlabel", texts[::-1]) if paired else ("sentence\tlabel", [])
    lines = [
        "\t".join([*row, str(n % 2)]) for n, row in enumerate(zip(texts, *([cells] if paired else []), strict=True))
    ]
    data = tmp_path / "rows.tsv"
    data.write_text("\n".join([header, *lines]) + "\n")
    read: list[torch.Tensor] = []
    of_library = transformers.FNetModel.forward

    def forward(self: transformers.FNetModel, input_ids: torch.Tensor, **others: Any) -> Any:
        if torch.is_grad_enabled():
            read.append(input_ids)
        return of_library(self, input_ids, **others)

    monkeypatch.setattr(transformers.FNetModel, "forward", forward)
    # What it reaches isn't asked here.
    monkeypatch.setattr("kdbuild.trainer.teacher.fine_tune.check_teacher", lambda *_, **__: None)
    size = ("--teacher-epochs", "2", "--teacher-batch-size", "16", "--teacher-dtype", "fp32", "--device", "cpu")
    result = run_cli("teacher", data, "--out", tmp_path / "run", "--teacher", tmp_path / "encoder", *size)
    assert result.exit_code == 0, result.output
    trained = [ids for ids in read if len(ids) > 1]
    assert len({ids.shape[1] for ids in trained}) > 4
    assert not any((ids == 0).any() for ids in read)


def test_a_text_of_no_piece(tmp_path: Path) -> None:
    CASES["GPT-2"].save(tmp_path)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    assert teacher.encode(["", "a"]) == [[3], [5]]
    assert teacher.logits(teacher.encode([""])).shape == (1, 3)
