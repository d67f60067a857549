"""The perturbations that ``--perturb`` names: one module and one row here each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdbuild.registry import Registry, load

if TYPE_CHECKING:
    from kdbuild.trainer.options import TrainOptions
    from kdbuild.trainer.transfer_set.perturbations.perturbation import Material, Perturbation


@dataclass(frozen=True)
class PerturbationRow:
    """What kdbuild knows of a perturbation without importing it."""

    name: str
    """What ``--perturb`` takes, and the section of its options, if it has any."""
    help: str
    """What it does to a text, for people."""
    opener: str
    """``"module:object"`` of the subclass of :class:`Perturbation`."""

    def open(self, options: "TrainOptions", material: "Material") -> "Perturbation":
        """Import the perturbation and make it ready for rows."""
        opened: Perturbation = load(self.opener)(options, material)
        return opened


_HERE = "kdbuild.trainer.transfer_set.perturbations"

PERTURBATIONS = Registry(
    "--perturb",
    PerturbationRow("spans", "a stretch of the text's words, of any length and at any place", f"{_HERE}.spans:Spans"),
    PerturbationRow(
        "article",
        "words masked or replaced by others of their part of speech, n-grams masked or kept (Tang et al. 2019)",
        f"{_HERE}.article:Article",
    ),
    PerturbationRow(
        "clauses", "one clause or several in a row: cut at punctuation and conjunctions", f"{_HERE}.clauses:Clauses"
    ),
    PerturbationRow("joins", "the text, and behind it another row's", f"{_HERE}.joins:Joins"),
)
"""All perturbations."""
