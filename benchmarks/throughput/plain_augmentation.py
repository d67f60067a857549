"""Augmentation as one writes it first: the article's loops (Tang et al. 2019, arXiv 1903.12136), a sentence and word at a time.

Sentences come out with the same probabilities as those of the perturbation ``article``, from other random numbers.
"""

import random
from collections.abc import Sequence
from itertools import pairwise

from kdbuild.runtime.text.vocabulary import MASK
from kdbuild.trainer.options import TrainOptions

Rows = Sequence[Sequence[str]]


def plain_augment(rows: Rows, tags: Rows, options: TrainOptions, seed: int) -> list[str]:
    """The distinct rows, then their distinct perturbed copies; tokens joined by spaces.

    Args:
        rows: tokens, none empty.
        tags: their parts of speech.
        options: with the perturbation ``article``, its ``replacement`` ``unigram`` and ``ngram`` ``mask``, the defaults.
        seed: of the random numbers.
    """
    draw, article = random.Random(seed), options.article
    words_of: dict[str, list[str]] = {}
    for row, row_tags in zip(rows, tags, strict=True):
        for word, tag in zip(row, row_tags, strict=True):
            words_of.setdefault(tag, []).append(word)
    has_others = {tag: len(set(words)) > 1 for tag, words in words_of.items()}
    sentences = dict.fromkeys(" ".join(row) for row in rows)
    for row, row_tags in zip(rows, tags, strict=True):
        for _ in range(options.augment.copies().get("article", 0)):
            copy = list(row)
            for place, (word, tag) in enumerate(zip(row, row_tags, strict=True)):
                chance = draw.random()
                if chance < article.p_mask:
                    copy[place] = MASK
                elif chance < article.p_mask + article.p_pos and has_others[tag]:
                    while copy[place] == word:
                        copy[place] = draw.choice(words_of[tag])
            if len(copy) > 2 and draw.random() < article.p_ng:
                size = draw.randint(1, min(article.max_ng, len(copy) - 1))
                first = draw.randint(0, len(copy) - size)
                copy[first : first + size] = [MASK] * size
            sentences[" ".join(copy)] = None
    return list(sentences)


def describe(sentences: Sequence[str], rows: Rows) -> dict[str, float]:
    """What two transfer sets of the same rows should have in common.

    Returns:
        The number of ``sentences``; of their words, the share that is masked and the share that is a mask beside a mask;
        and tokens a sentence.
    """
    words = masks = pairs = 0
    originals = {" ".join(row) for row in rows}
    copies = [sentence for sentence in sentences if sentence not in originals]
    for sentence in copies:
        tokens = sentence.split(" ")
        words += len(tokens)
        masks += tokens.count(MASK)
        pairs += sum(left == right == MASK for left, right in pairwise(tokens))
    return {
        "sentences": len(sentences),
        "masked": masks / words,
        "masked_neighbours": pairs / words,
        "tokens_a_sentence": words / len(copies),
    }
