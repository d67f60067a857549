"""A perturbation from outside: the text's words backwards."""

from collections.abc import Sequence

import numpy as np

from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation
from kdbuild.trainer.transfer_set.perturbations.registry import PERTURBATIONS, PerturbationRow
from kdbuild.trainer.transfer_set.words import Texts


class Backwards(Perturbation):
    name = "backwards"

    def __init__(self, options: TrainOptions, material: Material): ...

    def perturb(self, texts: Sequence[Texts], first: int, rng: np.random.Generator) -> list[Texts]:
        return [self._turned(text) for text in texts]

    def _turned(self, text: Texts) -> Texts:
        offset = np.arange(len(text.words)) - np.repeat(text.starts(), text.lengths)
        places = np.repeat(text.starts() + text.lengths - 1, text.lengths) - offset
        return Texts(text.words[places], text.tags[places], text.lengths)


PERTURBATIONS.register(
    PerturbationRow("backwards", "the text's words, the last one first", "toy_perturbation:Backwards")
)
