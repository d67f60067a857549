"""Batches: whatever the architecture, a text in a batch gets the logits that it gets alone, in labelling and in fine-tuning."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

from kdbuild.trainer.teacher.inputs import hold_to_single_texts, padding
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.training.pieces import encode_pieces, with_segments
from kdbuild.trainer.training.batches import SequenceDataset

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


CASES = [
    (bert, "<cls> $A <sep>", "right", "<pad>", ["input_ids", "token_type_ids", "attention_mask"]),
    (bert, "<cls> $A <sep>", "left", "<pad>", ["input_ids", "token_type_ids", "attention_mask"]),
    (roberta, "<cls> $A <sep>", "right", "<pad>", ["input_ids", "attention_mask"]),
    (xlnet, "$A <sep> <cls>", "left", "<pad>", ["input_ids", "token_type_ids", "attention_mask"]),
    (gpt2, "$A", "right", None, ["input_ids", "attention_mask"]),
    (gpt2, "$A", "left", None, ["input_ids", "attention_mask"]),
    (t5, "$A <sep>", "right", "<pad>", ["input_ids", "attention_mask"]),
    (fnet, "<cls> $A <sep>", "right", "<pad>", ["input_ids", "token_type_ids"]),
]


def save(
    folder: Path, make: Callable[[], PreTrainedModel], template: str, side: str, pad: str | None, names: list[str]
) -> None:
    torch.manual_seed(0)
    make().save_pretrained(folder)
    backend = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(PIECES)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    specials = [(piece, number) for number, piece in enumerate(PIECES) if piece in template]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=specials)
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        eos_token="<sep>",
        sep_token="<sep>",
        cls_token="<cls>",
        mask_token="<mask>",
        pad_token=pad,
        padding_side=side,
        model_input_names=names,
        model_max_length=32,
    ).save_pretrained(folder)


@pytest.mark.parametrize(("make", "template", "side", "pad", "names"), CASES)
def test_a_batch_answers_as_single_texts_do(
    tmp_path: Path,
    make: Callable[[], PreTrainedModel],
    template: str,
    side: str,
    pad: str | None,
    names: list[str],
) -> None:
    save(tmp_path, make, template, side, pad, names)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    pieces = teacher.encode(TEXTS)
    alone = np.concatenate([teacher.logits([text]) for text in pieces])
    assert np.ptp(alone, axis=0).max() > 0.01  # the texts matter at all
    assert np.abs(teacher.logits(pieces) - alone).max() < 1e-4
    # The word pieces as the library itself reads them.
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        reference = torch.cat([plain(input_ids=torch.tensor([text])).logits for text in pieces])
    if "token_type_ids" not in names:
        assert np.abs(reference.numpy() - alone).max() < 1e-4


@pytest.mark.parametrize(("make", "template", "side", "pad", "names"), CASES)
def test_a_batch_of_training_does_too(
    tmp_path: Path,
    make: Callable[[], PreTrainedModel],
    template: str,
    side: str,
    pad: str | None,
    names: list[str],
) -> None:
    save(tmp_path, make, template, side, pad, names)
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    tokenizer = teacher.tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).train()
    complete, padded = with_segments(model, tokenizer), padding(model, tokenizer)
    pieces = encode_pieces(tokenizer, TEXTS, None, 32)
    hold_to_single_texts(model, padded, complete, pieces)
    assert model.training
    rows = SequenceDataset(pieces, np.zeros(5, dtype=np.int64), padded.pad_id, left=padded.left)
    batch = complete(rows.__getitems__([0, 1, 2, 3, 4]))
    del batch["labels"]
    logits = model.eval()(**batch).logits
    alone = np.concatenate([teacher.logits([text]) for text in pieces])
    assert np.abs(logits.detach().numpy() - alone).max() < 1e-4
    logits.sum().backward()


def test_a_text_of_no_piece(tmp_path: Path) -> None:
    save(tmp_path, *CASES[4])
    teacher = Teacher(tmp_path, bf16=False, max_pieces=32)
    assert teacher.encode(["", "a"]) == [[3], [5]]
    assert teacher.logits(teacher.encode([""])).shape == (1, 3)
