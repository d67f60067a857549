"""Tokenising: tokens a second on one core, on text whose words repeat as those of running text do.

    pytest benchmarks/speed/test_tokenizer.py --benchmark-json=tokenizer.json

Each round begins with no chunk remembered, as a new process does. Every fourth text has typographic quotes and dashes and
accents, and so takes the long way through normalisation.
"""

import random
from itertools import accumulate

from pytest_benchmark.fixture import BenchmarkFixture

from kdbuild.runtime.text import tokenizer
from kdbuild.runtime.text.tokenizer import tokenize

TEXTS, WORDS_A_TEXT, DISTINCT_WORDS = 10_000, 20, 30_000

# What stands around a word, and the tokens that it then makes; most words are bare.
SHAPES = {"{}": 1, "{},": 2, "{}.": 2, "{}'s": 2, "{}n't": 2, "{}...": 2, "{}-{}": 1, '"{}"': 3, "({})": 3}
WEIGHTS = [30, 1, 1, 1, 1, 1, 1, 1, 1]
TYPOGRAPHIC = str.maketrans(
    {
        "'": "\N{RIGHT SINGLE QUOTATION MARK}",
        '"': "\N{RIGHT DOUBLE QUOTATION MARK}",
        "-": "\N{EN DASH}",
        "u": "ü",
    }
)


def running_text() -> tuple[list[str], int]:
    """Texts by Zipf's law, the n-th word n times as rare as the first, and the number of their tokens."""
    draw = random.Random(0)
    # Letters of no abbreviation, so that a full stop is always a token.
    words = ["".join(draw.choices("aeiouhklmst", k=draw.randint(3, 10))) for _ in range(DISTINCT_WORDS)]
    frequencies = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    texts, tokens = [], 0
    for number in range(TEXTS):
        chosen = draw.choices(words, cum_weights=frequencies, k=WORDS_A_TEXT)
        shapes = draw.choices(list(SHAPES), WEIGHTS, k=WORDS_A_TEXT)
        text = " ".join(shape.format(word, word) for word, shape in zip(chosen, shapes, strict=True)).capitalize()
        texts.append(text if number % 4 else text.translate(TYPOGRAPHIC))
        tokens += sum(SHAPES[shape] for shape in shapes)
    return texts, tokens


def test_half_a_million_tokens_a_second(benchmark: BenchmarkFixture) -> None:
    texts, expected = running_text()

    def tokenize_all() -> int:
        tokenizer._cache.clear()
        tokenizer._cache[""] = ()
        return sum(len(tokenize(text)) for text in texts)

    assert tokenize_all() == expected  # the warm-up, which reads the Unicode table too
    tokens = benchmark(tokenize_all)
    assert tokens == expected
    if benchmark.stats is not None:  # there are none with --benchmark-disable
        stats = benchmark.stats.stats
        benchmark.extra_info["tokens_per_second"] = round(tokens / stats.median)
        assert tokens / stats.min >= 500_000  # the best round: other programs can only slow it
