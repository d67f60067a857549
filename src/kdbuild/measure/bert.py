"""The baseline of the latency tables: a classifier of BERT-large's shape with random weights.

Its latency and size are those of the real one, since neither depends on the values of the weights; its answers mean
nothing, and a table that names it says so.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase

from kdbuild.errors import BadInputError


def bert_large_config(*, classes: int = 2) -> BertConfig:
    """``bert-large-uncased`` (Devlin et al. 2019, arXiv 1810.04805), written out: nothing is downloaded."""
    config = BertConfig(
        vocab_size=30522,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        hidden_act="gelu",
        max_position_embeddings=512,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
    )
    config.num_labels = classes
    return config


@dataclass(frozen=True)
class BertClassifier:
    """Called on one text: word pieces, torch forward pass, index of the greatest logit."""

    model: BertForSequenceClassification
    """In evaluation mode, on the CPU."""
    tokenizer: PreTrainedTokenizerBase
    """Makes the word-piece ids, special tokens included; they are cut at the model's longest input."""
    threads: int
    """torch's intra-op threads during a call; the number set before is restored after it."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the parameters."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.model.parameters())

    def __call__(self, text: str) -> int:
        """The class of one text."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            limit = self.model.config.max_position_embeddings
            pieces = self.tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
            with torch.inference_mode():
                logits = self.model(input_ids=pieces["input_ids"], attention_mask=pieces["attention_mask"]).logits
            return int(logits.argmax(dim=-1).item())
        finally:
            torch.set_num_threads(before)


def random_bert(
    config: BertConfig, tokenizer: PreTrainedTokenizerBase, *, threads: int = 1, seed: int = 0
) -> BertClassifier:
    """A BERT classifier with random weights in fp32; the global random state is left as it was.

    Raises:
        BadInputError: The tokenizer has more word pieces than the model has embeddings.
    """
    if len(tokenizer) > config.vocab_size:
        raise BadInputError(
            f"The baseline's tokenizer has {len(tokenizer)} pieces: the model has {config.vocab_size}. "
            "Give the folder of a tokenizer of bert-*-uncased"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config).train(False)  # eval() is untyped in transformers
    return BertClassifier(model, tokenizer, threads=threads)


def random_bert_large(tokenizer_folder: Path, *, threads: int = 1, seed: int = 0) -> BertClassifier:
    """A classifier of ``bert-large-uncased``'s shape with random weights: 1.3 GB, about 300 ms a text on one thread.

    Args:
        tokenizer_folder: Local folder of a Hugging Face tokenizer with the uncased BERT vocabulary, such as that of a
            MiniLM teacher.
        threads: torch's intra-op threads during a call.
        seed: Of the weights.

    Raises:
        BadInputError: The folder holds no tokenizer, or one of another vocabulary.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{tokenizer_folder} is no tokenizer's folder: transformers can't load one from it. "
            "Give the folder of a Hugging Face model with its tokenizer.json"
        ) from error
    return random_bert(bert_large_config(), tokenizer, threads=threads, seed=seed)
