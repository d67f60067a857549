"""What the student learns from: the transfer set, written once and then read line by line as often as needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.trainer.data.split import Split
from kdbuild.trainer.data.texts import RowText, parse_line
from kdbuild.trainer.options import AugmentOptions
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

    @property
    def sentences(self) -> int:
        """All lines."""
        return self.originals + self.perturbed + self.unlabelled


def write_transfer_set(train: Split, options: AugmentOptions, seed: int, path: Path) -> tuple[TransferCounts, str]:
    """Write the training rows, their perturbed copies and the unlabelled texts, each distinct line once.

    Args:
        train: the training rows.
        options: those of the augmentation.
        seed: the same seed gives the same file.
        path: the file to write; its first line names the columns.

    Returns:
        The counts, and a line that says what became of the rows and texts.

    Raises:
        BadInputError: unlabelled texts can't be used, or the rows are pairs, of which they are none.
    """
    if options.unlabelled and train.pair_tokens is not None:
        raise BadInputError("--unlabelled: the data is of sentence pairs, and unlabelled texts are none. Drop it.")
    # Without replacement no tag is read.
    tagged = options.rounds > 0 and options.p_pos > 0
    tags = tag(train.tokens, options.spacy_model) if tagged else None
    pairs = None
    if train.pair_tokens is not None:
        pairs = train.pair_tokens, tag(train.pair_tokens, options.spacy_model) if tagged else None
    originals = len({text for text in train.row_texts() if text.is_complete})
    seen = SentenceSet()
    written = unlabelled = 0
    remark = f"from {len(train):,} rows"

    def describe(counts: UnlabelledCounts) -> None:
        nonlocal remark
        remark += (
            f" and {counts.read:,} unlabelled texts ({counts.kept:,} kept, {counts.too_short:,} too short, "
            f"{counts.too_long:,} too long, {counts.duplicates:,} duplicates)"
        )

    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write("tokens\n" if pairs is None else "tokens\ttokens2\n")
        for text in augment(train.tokens, tags, options, seed, pairs, seen):
            stream.write(text.line + "\n")
            written += 1
        if options.unlabelled:
            for tokens in read_unlabelled(options.unlabelled, options, seen, describe):
                stream.write(" ".join(tokens) + "\n")
                unlabelled += 1
    counts = TransferCounts(originals, written - originals, unlabelled)
    return counts, f"{counts.sentences:,} distinct {'sentences' if pairs is None else 'pairs'} {remark}"


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
