"""Transformers to compare with: classifiers of BERT's and its smaller relatives' shapes, with random weights.

Their latency and size are those of the real ones, since neither depends on the values of the weights; their answers mean
nothing, and a table that names them says so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    MobileBertConfig,
    MobileBertForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from kdbuild.errors import BadInputError
from kdbuild.measure.reference_models.shapes import SHAPES, Architecture
from kdbuild.measure.texts import Text, texts_of

Pieces = dict[str, torch.Tensor]
"""``input_ids`` and ``attention_mask`` of a text, ``[1, pieces]`` each."""

_CONFIGS: dict[Architecture, Any] = {
    "bert": BertConfig,
    "distilbert": DistilBertConfig,
    "mobilebert": MobileBertConfig,
}
_MODELS: dict[type[PretrainedConfig], Any] = {
    BertConfig: BertForSequenceClassification,
    DistilBertConfig: DistilBertForSequenceClassification,
    MobileBertConfig: MobileBertForSequenceClassification,
}


def transformer_config(architecture: Architecture, settings: dict[str, Any], *, classes: int = 2) -> PretrainedConfig:
    """The configuration of a classifier of a :class:`~kdbuild.measure.reference_models.shapes.Shape`."""
    config = _CONFIGS[architecture](**settings)
    config.num_labels = classes
    return config


def bert_large_config(*, classes: int = 2) -> PretrainedConfig:
    """``bert-large-uncased`` (Devlin et al. 2019, arXiv 1810.04805), written out: nothing is downloaded."""
    shape = SHAPES["bert-large"]
    return transformer_config(shape.architecture, shape.settings, classes=classes)


@dataclass(frozen=True)
class BertClassifier:
    """Called on one text or pair: word pieces, torch forward pass, index of the greatest logit."""

    model: PreTrainedModel
    """In evaluation mode, on the CPU."""
    tokenizer: PreTrainedTokenizerBase
    """Makes the word-piece ids, special tokens included; they are cut at the model's longest input."""
    threads: int
    """torch's intra-op threads during a call; the number set before is restored after it."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def size_bytes(self) -> int:
        """Bytes of the parameters."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.model.parameters())

    def __call__(self, text: Text) -> int:
        """The class of one text or pair."""
        return self.run(self.encode(text))

    def encode(self, text: Text) -> Pieces:
        """The word pieces of one text, or of both of a pair in one sequence."""
        limit = self.model.config.max_position_embeddings
        pieces = self.tokenizer(*texts_of(text), truncation=True, max_length=limit, return_tensors="pt")
        return {"input_ids": pieces["input_ids"], "attention_mask": pieces["attention_mask"]}

    def run(self, encoded: Pieces) -> int:
        """The class of a text whose pieces are known."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.inference_mode():
                logits = self.model(**encoded).logits
            return int(logits.argmax(dim=-1).item())
        finally:
            torch.set_num_threads(before)

    def tokens(self, encoded: Pieces) -> int:
        """Number of pieces, special tokens included."""
        return int(encoded["input_ids"].shape[1])


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The Hugging Face tokenizer of a local folder.

    Raises:
        BadInputError: The folder holds none.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{folder} is no tokenizer's folder: transformers can't load one from it. "
            "Give the folder of a Hugging Face model with its tokenizer.json"
        ) from error


def random_model(config: PretrainedConfig, *, seed: int = 0) -> PreTrainedModel:
    """A classifier with random weights in fp32, in evaluation mode; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _MODELS[type(config)](config).train(False)  # eval() is untyped in transformers


def random_bert(
    config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, *, threads: int = 1, seed: int = 0
) -> BertClassifier:
    """A classifier with random weights and the tokenizer that it reads with.

    Raises:
        BadInputError: The tokenizer has more word pieces than the model has embeddings.
    """
    check_vocabulary(tokenizer, config.vocab_size)
    return BertClassifier(random_model(config, seed=seed), tokenizer, threads=threads)


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, embeddings: int) -> None:
    """Make sure that a model has an embedding for each word piece.

    Raises:
        BadInputError: It hasn't.
    """
    if len(tokenizer) > embeddings:
        raise BadInputError(
            f"The baseline's tokenizer has {len(tokenizer)} pieces: the model has {embeddings}. "
            "Give the folder of a tokenizer of bert-*-uncased"
        )


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
    return random_bert(bert_large_config(), load_tokenizer(tokenizer_folder), threads=threads, seed=seed)


def open_transformer(
    *, architecture: Architecture, settings: dict[str, Any], tokenizer: str, threads: int
) -> BertClassifier:
    """A contender of the benchmark: a transformer of this shape, with random weights.

    Raises:
        BadInputError: The tokenizer's folder holds none, or one of another vocabulary.
    """
    config = transformer_config(architecture, settings)
    return random_bert(config, load_tokenizer(Path(tokenizer)), threads=threads)
