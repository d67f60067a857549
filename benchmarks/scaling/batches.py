"""Contenders that answer several texts a call: a list through our runtime, callers side by side, a batch through torch.

A call's texts come as one string, a line each; its answer is a number whose bit i is the class of text i.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kdbuild.measure.artefact_model import open_model

AnswerAll = Callable[[list[str]], Iterable[int]]


@dataclass(frozen=True)
class Batches:
    """A contender of the benchmark, called on lines of text."""

    answer: AnswerAll
    """The class, 0 or 1, of each of some texts."""
    size_bytes: int
    parameters: int | None = None

    def __call__(self, text: str) -> int:
        """The classes of the texts."""
        return self.run(self.encode(text))

    def encode(self, text: str) -> list[str]:
        """The texts of a call; making tokens of them is timed, too."""
        return text.split("\n")

    def run(self, encoded: list[str]) -> int:
        """The classes of the texts."""
        return sum(answer << place for place, answer in enumerate(self.answer(encoded)))

    def tokens(self, encoded: list[str]) -> int:
        """Words of all texts."""
        return sum(len(text.split()) for text in encoded)


def open_list(*, folder: str, file: str, threads: int) -> Batches:
    """Our runtime, which is given a list."""
    model = open_model(folder=folder, file=file, threads=threads)
    return Batches(
        lambda texts: (model.places[str(answer.label)] for answer in model.classify(texts)), model.size_bytes
    )


def open_callers(*, folder: str, file: str, callers: int, threads: int) -> Batches:
    """Our runtime, one classifier that several threads call."""
    model = open_model(folder=folder, file=file, threads=threads)
    pool = ThreadPoolExecutor(callers)
    return Batches(lambda texts: pool.map(model, texts), model.size_bytes)


def open_bert_batch(*, shape: str, tokenizer: str, threads: int) -> Batches:
    """A transformer with random weights in torch, all texts of a call in one padded batch."""
    import torch

    from kdbuild.measure.reference_models.bert import load_tokenizer, random_model, transformer_config
    from kdbuild.measure.reference_models.shapes import SHAPES

    torch.set_num_threads(threads)
    model = random_model(transformer_config(SHAPES[shape].architecture, SHAPES[shape].settings))
    pieces_of = load_tokenizer(Path(tokenizer))
    limit = int(model.config.max_position_embeddings)

    def answer(texts: list[str]) -> list[int]:
        pieces = pieces_of(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")
        with torch.inference_mode():
            logits = model(input_ids=pieces["input_ids"], attention_mask=pieces["attention_mask"]).logits
        classes: list[int] = logits.argmax(dim=-1).tolist()
        return classes

    parameters = list(model.parameters())
    size = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    return Batches(answer, size, sum(parameter.numel() for parameter in parameters))
