"""Unlabelled text in the domain for the transfer set: raw, UTF-8, a text a line, streamed from plain or gzipped files.

A text is cut into sentences if asked for, tokenised, and left out if it is too short, too long, or in the transfer set
already.
"""

import gzip
import json
import shlex
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import islice
from pathlib import Path

from kdbuild.console import Advance, progress
from kdbuild.errors import BadInputError
from kdbuild.runtime.data.encoding import check_utf_16, cr_alone
from kdbuild.runtime.data.readers import FIRST_OF_PAIR, TEXT_COLUMNS
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.options import AugmentOptions
from kdbuild.trainer.transfer_set.dedup import SentenceSet, digest_texts

_HEAD = 1 << 16  # bytes looked at before anything is trained
_LONGEST_LINE = 1 << 24  # bytes; a file without line ends would fill the memory
_BATCH = 2048  # texts tokenised, or cut into sentences, at a time
# A pipeline collects the words that it meets, so it is made anew now and then; its memory zones, for the same end, would
# halve its speed (17 against 8 s of CPU time for 100,000 sentences).
_BATCHES_A_PIPELINE = 128


@dataclass(frozen=True)
class UnlabelledCounts:
    """What became of the texts, or of their sentences where they were split."""

    read: int
    kept: int
    too_short: int
    too_long: int
    duplicates: int
    """Repetitions of each other, or of what was in the transfer set before."""


def check_unlabelled(paths: Sequence[str]) -> None:
    """Look at the beginning of each file, so that a run is refused before anything is trained.

    Raises:
        BadInputError: a file is missing, can't be read, is damaged, binary or not UTF-8, a table, or has no line of text.
    """
    for path in paths:
        with _opened(path) as (stream, _):
            head = stream.read(_HEAD)
        check_utf_16(f"--unlabelled {path}", head, Path(path).name)
        if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
            raise cr_alone(f"--unlabelled {path}")
        nul = head.find(b"\0")
        if nul >= 0:
            raise _binary(path, head.count(b"\n", 0, nul) + 1)
        lines = head.split(b"\n")
        if len(head) == _HEAD:
            lines.pop()  # it may be cut inside a character
        texts = [_decode(path, number, line) for number, line in enumerate(lines, start=1)]
        _check_plain(path, next((text for text in texts if text.strip()), ""))
        if len(head) < _HEAD and not any(text.strip() for text in texts):
            raise _empty(path)


def _check_plain(path: str, first: str) -> None:
    """Refuse a table, whose names of columns and labels would be read as text.

    Raises:
        BadInputError: the first line is a JSON object, or names columns of which one is a text's.
    """
    with suppress(ValueError, RecursionError):
        if isinstance(json.loads(first), dict):
            raise BadInputError(
                f"--unlabelled {path}: holds JSON, whose names and labels would be read as text. "
                "Write its texts into a file of their own, one a line."
            )
    for separator in "\t,":
        names = [name.strip().strip('"').casefold() for name in first.split(separator)]
        if (
            len(names) > 1
            and not {*TEXT_COLUMNS, FIRST_OF_PAIR}.isdisjoint(names)
            and all(map(str.isidentifier, names))
        ):
            raise BadInputError(
                f"--unlabelled {path}: is a table with a header, which would be read as text, labels included. "
                "Write its texts into a file of their own, one a line."
            )


def read_unlabelled(
    paths: Sequence[str],
    options: AugmentOptions,
    seen: SentenceSet | None = None,
    report: Callable[[UnlabelledCounts], None] | None = None,
) -> Iterator[list[str]]:
    """Yield the tokens of one text after the other.

    100,000 lines of film reviews (17 words on average, gzipped) came at 46,000 a second of one core's time (AMD EPYC, median
    of three), and at 11,000 where they were split into sentences.

    Args:
        paths: the files; those that end in ``.gz`` are decompressed.
        options: whether to split into sentences, and the limits of length.
        seen: what the transfer set holds already; gets what is kept.
        report: called with the counts at the end.

    Raises:
        BadInputError: a file is missing, can't be read, is damaged, binary or not UTF-8, or has no line of text; or none
            of all texts is left.
    """
    seen = SentenceSet() if seen is None else seen
    low, high = options.unlabelled_min_words, options.unlabelled_max_words
    read = kept = too_short = too_long = 0
    for texts in _batches(_texts(paths, split=options.split_sentences)):
        rows = [tokenize(text) for text in texts]
        read += len(rows)
        too_short += sum(len(row) < low for row in rows)
        too_long += sum(len(row) > high for row in rows)
        rows = [row for row in rows if low <= len(row) <= high]
        fresh = seen.add(digest_texts(rows)).tolist()
        kept += sum(fresh)
        yield from (row for row, is_fresh in zip(rows, fresh, strict=True) if is_fresh)
    counts = UnlabelledCounts(read, kept, too_short, too_long, read - kept - too_short - too_long)
    if not kept:
        raise BadInputError(
            f"--unlabelled {', '.join(paths)}: none of {read:,} texts is left ({too_short:,} under --unlabelled-min-words "
            f"{low}, {too_long:,} over --unlabelled-max-words {high}, {counts.duplicates:,} in the transfer set already). "
            "Change the limits, add --split-sentences, or name another file."
        )
    if report is not None:
        report(counts)


def _texts(paths: Sequence[str], *, split: bool) -> Iterator[str]:
    """Yield the lines that aren't blank, or their sentences."""
    total = sum(Path(path).stat().st_size for path in paths if Path(path).is_file())
    with progress("unlabelled", total, "bytes") as advance:
        lines = _lines(paths, advance)
        yield from _sentences(lines) if split else lines


def _lines(paths: Sequence[str], advance: Advance) -> Iterator[str]:
    """Yield the lines of files that aren't blank; ``advance`` is told how many bytes of the files are behind them."""
    before = 0
    for path in paths:
        number, empty = 0, True
        with _opened(path) as (stream, raw):
            while line := stream.readline(_LONGEST_LINE + 1):
                number += 1
                if number % _BATCH == 0:
                    advance(before + raw.tell(), "")
                text = _decode(path, number, line)
                if text.strip():
                    empty = False
                    yield text
            before += raw.tell()
        if empty:
            raise _empty(path)


def _sentences(texts: Iterator[str]) -> Iterator[str]:
    """Cut at sentence ends, by spaCy's rules of punctuation."""
    import spacy

    for number, batch in enumerate(_batches(texts)):
        if number % _BATCHES_A_PIPELINE == 0:
            pipeline = spacy.blank("en")
            pipeline.add_pipe("sentencizer")
            pipeline.max_length = _LONGEST_LINE  # the usual limit is for pipelines with a parser
        sentences = (sentence.text for doc in pipeline.pipe(batch) for sentence in doc.sents)
        yield from (sentence for sentence in sentences if sentence.strip())


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while batch := list(islice(texts, _BATCH)):
        yield batch


@contextmanager
def _opened(path: str) -> Iterator[tuple[BufferedIOBase, BufferedIOBase]]:
    """Open the file's content, and the file as it lies on the disk."""
    try:
        with open(path, "rb") as raw:
            if path.lower().endswith(".gz"):
                with gzip.open(raw, "rb") as stream:
                    yield stream, raw
            else:
                yield raw, raw
    except FileNotFoundError:
        raise _missing(path) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInputError(
            f"--unlabelled {path}: not a whole gzip file ({error}). Compress or download it again."
        ) from None
    except OSError as error:
        raise BadInputError(
            f"--unlabelled {path}: can't be read ({error.strerror}). Check the path and its permissions."
        ) from error


def _decode(path: str, number: int, line: bytes) -> str:
    """Decode a line without its end."""
    if len(line) > _LONGEST_LINE:
        raise BadInputError(
            f"--unlabelled {path}, line {number}: over {_LONGEST_LINE >> 20} MiB. Write one text a line."
        )
    if number == 1:
        check_utf_16(f"--unlabelled {path}", line, Path(path).name)
    if b"\0" in line:
        raise _binary(path, number)
    try:
        return line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise BadInputError(
            f"--unlabelled {path}, line {number}: not UTF-8. "
            f"Convert it first, for example: iconv -f LATIN1 -t UTF-8 {shlex.quote(Path(path).name)}"
        ) from None


def _missing(path: str) -> BadInputError:
    return BadInputError(f"--unlabelled {path}: no such file. Check the path.")


def _empty(path: str) -> BadInputError:
    return BadInputError(f"--unlabelled {path}: has no line of text. Name a file with a text a line.")


def _binary(path: str, number: int) -> BadInputError:
    return BadInputError(
        f"--unlabelled {path}, line {number}: holds a NUL byte, so it isn't text in UTF-8. Name a file with a text a line."
    )
