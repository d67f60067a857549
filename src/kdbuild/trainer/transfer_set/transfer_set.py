"""What the student learns from: the transfer set, written once and then read line by line as often as needed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import RowText, parse_line
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.dedup import SentenceSet
from kdbuild.trainer.transfer_set.tagging import tag
from kdbuild.trainer.transfer_set.unlabelled import UnlabelledCounts, read_unlabelled


@dataclass(frozen=True)
class TransferCounts:
    """How many lines of a transfer set come from where, in this order."""

    originals: int
    """Distinct training rows."""
    perturbed: int
    unlabelled: int
    perturbations: dict[str, int] = field(default_factory=dict)
    """How many of the perturbed ones each perturbation gave; what two give counts for the first."""

    @property
    def shares(self) -> str:
        """The counts, for people."""
        parts = {"originals": self.originals, **self.perturbations, "unlabelled": self.unlabelled}
        return ", ".join(f"{name} {count:,}" for name, count in parts.items() if count or name == "originals")

    @property
    def sentences(self) -> int:
        """All lines."""
        return self.originals + self.perturbed + self.unlabelled


def write_transfer_set(train: Split, options: TrainOptions, path: Path) -> tuple[TransferCounts, str]:
    """Write the training rows, their perturbed copies and the unlabelled texts, each distinct line once.

    Args:
        train: the training rows.
        options: of the run; the same options, seed included, give the same file.
        path: the file to write; its first line names the columns.

    Returns:
        The counts, and a line that says what became of the rows and texts.

    Raises:
        BadInputError: unlabelled texts can't be used, or the rows are pairs, of which they are none.
    """
    augmentation, tagger = options.augment, options.tagger
    if augmentation.unlabelled and train.pair_tokens is not None:
        raise BadInputError("--unlabelled: the data is of sentence pairs, and unlabelled texts are none. Drop it.")
    tags = tag(train.tokens, tagger) if tagger is not None else None
    pairs = None
    if train.pair_tokens is not None:
        pairs = train.pair_tokens, tag(train.pair_tokens, tagger) if tagger is not None else None
    originals = len({text for text in train.row_texts() if text.is_complete})
    seen, copies = SentenceSet(), Counter[str]()
    written = unlabelled = 0
    remark = f"from {len(train):,} rows"

    def describe(counts: UnlabelledCounts) -> None:
        nonlocal remark
        remark += (
            f" and {counts.read:,} unlabelled texts ({counts.kept:,} kept, {counts.too_short:,} too short, "
            f"{counts.too_long:,} too long, {counts.duplicates:,} duplicates)"
        )

    # To be perturbed they are read by themselves, since copies come before all of them in the file.
    sources = read_unlabelled(augmentation.unlabelled, augmentation) if augmentation.unlabelled else ()
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("tokens\n" if pairs is None else "tokens\ttokens2\n")
        for text in augment(
            train.tokens, tags, options, options.data.seed, pairs, seen, unlabelled=sources, counts=copies
        ):
            stream.write(text.line + "\n")
            written += 1
        if augmentation.unlabelled:
            for tokens in read_unlabelled(augmentation.unlabelled, augmentation, seen, describe):
                stream.write(" ".join(tokens) + "\n")
                unlabelled += 1
    counts = TransferCounts(originals, written - originals, unlabelled, dict(copies))
    kind = "sentences" if pairs is None else "pairs"
    return counts, f"{counts.sentences:,} distinct {kind} {remark}: {counts.shares}"


class TransferSet:
    """The texts of ``transfer.tsv``, read from the file each time.

    Args:
        path: the file, whose first line names the columns.
        count: the number of lines after it.
    """

    def __init__(self, path: Path, count: int):
        self._path, self._count = path, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[RowText]:
        with self._path.open(encoding="utf-8", newline="\n") as stream:
            next(stream)
            for line in stream:
                yield parse_line(line.removesuffix("\n"))
