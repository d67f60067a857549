"""What a file format does: tell which students it can hold, write one, and say how its file is to be judged."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kdbuild.export.model import StudentModel, StudentShape
from kdbuild.runtime.artefact import Manifest
from kdbuild.runtime.engines.registry import Precision
from kdbuild.runtime.inspection import dense_parts
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student.torch_only import torch_only

if TYPE_CHECKING:
    from kdbuild.export.reference import ReferenceLogits


MOST_LAYERS = 8
"""LSTM layers that are tried: more than any student that paid."""


@dataclass(frozen=True)
class Content:
    """What model files are made of."""

    student: StudentModel
    shape: StudentShape
    vocabulary: Vocabulary
    labels: Sequence[str]
    """In the order of the logits."""
    temperature: float
    """Divides the logits where a file gives probabilities."""
    threshold: float | None = None
    """The probability below which the artefact abstains; None: it always answers."""
    threshold_logits: Sequence[float] | None = None
    """Where a text may have several labels: the logit from which each is given."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The values of the options that formats bring; None where one isn't given."""


class Format(ABC):
    """A file format. Writing the same content always gives the same bytes."""

    most_layers: ClassVar[int] = 1
    """LSTM layers that a file can hold."""
    reads_pairs: ClassVar[bool] = False
    """Whether a file can hold a student that reads two texts."""

    def unsupported(self, shape: StudentShape) -> str | None:
        """Why a file can't hold a student of this shape, with the way out; None if it can.

        Asked before any weight is read.
        """
        if shape.layers > self.most_layers:
            most = f"distil one with --layers {self.most_layers}"
            return f"with --layers {shape.layers}. Leave this format out, {most}, or use this one in torch"
        if shape.pairs and not self.reads_pairs:
            return "of pairs. Leave this format out, or use it in torch"
        return torch_only(shape.pooling)

    def check(self, shape: StudentShape, settings: Mapping[str, Any]) -> None:
        """Check the options that the format brings, before any weight is read.

        Raises:
            BadInputError: a value can't be used.
        """
        return  # most formats bring none

    @abstractmethod
    def write(self, content: Content, precision: Precision) -> bytes:
        """The bytes of the file with weights in this precision."""

    def parts(self, content: Content, precision: Precision) -> dict[str, int]:
        """How many bytes of the file are for what: ``embedding``, ``recurrent``, ``classifier``; empty if it can't be told."""
        return dense_parts(content.shape.to_manifest(), len(content.labels), precision, pairs=content.shape.pairs)

    def reference(self, reference: "ReferenceLogits", content: Content) -> "ReferenceLogits":
        """What the file is compared with, from what the student says; the same unless the file can't say as much."""
        return reference

    def usage(self, file: str, manifest: Manifest) -> list[str]:
        """Lines of Markdown for the model card on how to run a file that kdbuild doesn't run itself."""
        return []

    def remarks(self, file: str, manifest: Manifest) -> list[str]:
        """Lines of Markdown for the model card on how the file was compared, where that needs a word."""
        return []
