"""What a perturbation is, and what it is given."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.words import Texts

Sources = Literal["rows", "unlabelled", "both"]
"""The texts that are perturbed."""


@dataclass(frozen=True)
class Material:
    """All that copies may be made of."""

    columns: Sequence[Texts]
    """The training rows' texts and, where rows are pairs, their second texts."""
    vocabulary: npt.NDArray[np.object_]
    """``[words + 1]``: the words by their numbers; the last is the mask."""
    tags: int
    """How many parts of speech there are."""

    @property
    def mask(self) -> int:
        """The number of the mask."""
        return len(self.vocabulary) - 1


class Perturbation(ABC):
    """Makes copies of texts, of many rows at once.

    Args:
        options: of the run; a perturbation reads the section of its own name.
        material: the rows.
    """

    name: ClassVar[str]
    """That of its row in the registry; it also decides the stream of random numbers."""
    sources: Sources = "rows"
    """The texts that it perturbs."""

    @abstractmethod
    def __init__(self, options: TrainOptions, material: Material): ...

    @abstractmethod
    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        """Make one copy of each row of a chunk.

        Args:
            texts: the rows' texts and, where rows are pairs, their second texts. Unlabelled texts have numbers of their own.
            first: the place of the chunk's first row among all rows, or among all unlabelled texts.
            rng: the chunk's random numbers, and the only ones that may be drawn: they depend on the seed, the perturbation's
                name and the chunk's place.

        Returns:
            As many columns of as many rows. A row of which there is no copy has a text without words there.
        """

    @property
    def stream(self) -> int:
        """What tells its random numbers from those of other perturbations, whatever else is registered."""
        return zlib.crc32(self.name.encode())
