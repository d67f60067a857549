"""The student in torch, as it was trained: a contender of the benchmark."""

from dataclasses import dataclass
from pathlib import Path

import torch

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import Encoding, Vocabulary
from kdbuild.trainer.student.bilstm import VOCABULARY_FILE, Student, load_student


@dataclass(frozen=True)
class TorchStudent:
    """Called on one text: our tokens, eager torch, index of the greatest logit."""

    student: Student
    """In evaluation mode, on the CPU."""
    vocabulary: Vocabulary
    size_bytes: int
    """Of ``model.safetensors`` and the vocabulary."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.student.parameters())

    def __call__(self, text: str) -> int:
        """The class of one text."""
        return self.run(self.encode(text))

    def encode(self, text: str) -> Encoding:
        """The tokens of one text."""
        return self.vocabulary.encode(text, self.student.config.max_tokens)

    def run(self, encoded: Encoding) -> int:
        """The class of a text whose tokens are known."""
        with torch.inference_mode():
            logits = self.student(torch.tensor(encoded.ids)[None]).logits
        return int(logits.argmax(dim=-1).item())

    def tokens(self, encoded: Encoding) -> int:
        """Number of tokens that are read."""
        return encoded.token_count


def open_student(*, folder: str, threads: int) -> TorchStudent:
    """A contender of the benchmark: the student of a folder.

    Raises:
        BadInputError: it isn't one, or it gives a text several labels.
    """
    torch.set_num_threads(threads)
    student, vocabulary = load_student(Path(folder))
    if student.config.multi_label or student.config.pairs:
        raise BadInputError(f"{folder}: a student of pairs or of several labels a text. Give one that reads one text.")
    files = ("model.safetensors", VOCABULARY_FILE)
    return TorchStudent(student, vocabulary, sum((Path(folder) / name).stat().st_size for name in files))
