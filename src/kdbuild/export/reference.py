"""What the student says of the texts that model files are compared on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kdbuild.runtime.arrays import Targets

Ids = npt.NDArray[np.int32]
Row = tuple[Ids, ...]
"""Token ids ``[tokens]`` of a row's text, or of both its texts."""
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ReferenceLogits:
    """What the student says of the held-out texts that are compared, and of random ones of many lengths."""

    ask: Callable[[Sequence[Row]], Logits]
    """Asks the student: token ids of texts, or of pairs, to logits ``[texts, labels]``."""
    thresholds: Sequence[float] | None
    """For several labels: the probability from which each is given."""
    texts: list[Row]
    """The held-out texts, or pairs."""
    targets: Targets
    """The truth of the held-out texts."""
    logits: Logits
    """The student's answers to the held-out texts, ``[texts, labels]``."""
    probes: list[Row]
    """Random texts, or pairs."""
    probe_logits: Logits
    """The student's answers to the random texts, ``[texts, labels]``."""
    tokens: int | None = None
    """Where a file reads fewer tokens than the student: how many."""
    cut: int = 0
    """How many of the held-out texts have more tokens than that."""

    def truncated(self, tokens: int) -> "ReferenceLogits":
        """The same of the first tokens of each held-out text, and of the random texts that aren't longer."""
        logits = self.logits.copy()
        texts = [tuple(text[:tokens] for text in row) for row in self.texts]
        longer = [place for place, row in enumerate(self.texts) if max(map(len, row)) > tokens]
        logits[longer] = self.ask([texts[place] for place in longer])
        short = [place for place, row in enumerate(self.probes) if max(map(len, row)) <= tokens]
        return replace(
            self,
            texts=texts,
            logits=logits,
            probes=[self.probes[place] for place in short],
            probe_logits=self.probe_logits[short],
            tokens=tokens,
            cut=len(longer),
        )

    def mapped(self, change: Callable[[Logits], Logits]) -> "ReferenceLogits":
        """The same texts with other logits, such as those that can be read from probabilities."""
        return replace(self, logits=change(self.logits), probe_logits=change(self.probe_logits))
