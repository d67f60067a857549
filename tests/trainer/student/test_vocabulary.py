"""Which words enter the vocabulary, what makes skewed classes count alike, and the list of mistakes."""

import re

import numpy as np
import pytest

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.balance import class_counts, class_weights, row_weights
from kdbuild.trainer.data.split import Data, Split
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions
from kdbuild.trainer.student.mistakes import mistakes_tsv
from kdbuild.trainer.student.vocabulary import build_vocabulary, token_counts
from kdbuild.trainer.training.losses import UNKNOWN

ORIGINALS = [RowText("a b"), RowText("a c"), RowText("d", "e")]
TEXTS = [*ORIGINALS, RowText("<mask> b"), RowText("b b b"), RowText("z")]
TRAIN = [["a", "b"], ["a", "c"], ["d"], ["e"]]


def words(extra: tuple[str, ...] = (), **options: object) -> list[str]:
    given = StudentOptions(tokenizer="words", **options)  # type: ignore[arg-type]  # a test's
    return list(build_vocabulary(TEXTS, ORIGINALS, TRAIN, extra, given).tokens[3:])


def test_words_by_frequency_over_all_texts() -> None:
    assert words() == ["b", "a", "c", "d", "e", "z"]


def test_words_of_the_training_rows_only() -> None:
    assert words(vocabulary_from="train") == ["b", "a", "c", "d", "e"]


def test_minimum_counts_texts_that_people_wrote() -> None:
    # b stands five times in all, but in one unperturbed text only.
    assert words(min_count=2) == ["a"]


def test_largest_vocabulary() -> None:
    assert words(max_vocab=2) == ["b", "a"]


def test_extra_words_enter_in_any_case() -> None:
    assert words(("new", "z"), max_vocab=3) == ["b", "z", "new"]
    assert words(("new", "a"), min_count=9) == ["a", "new"]


def test_no_word_left() -> None:
    message = "--min-count 9 and --max-vocab 0: leave no word in the vocabulary. Lower the one or raise the other."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        words(min_count=9)


def test_token_counts() -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "a", "b"])
    assert token_counts(vocabulary, [["a", "b", "a"], ["q"], []]).tolist() == [0, 1, 0, 2, 1]


MULTI = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.int8)


def test_class_counts() -> None:
    assert class_counts(np.array([0, 2, 2, UNKNOWN]), 4).tolist() == [1, 0, 2, 0]
    assert class_counts(MULTI, 3).tolist() == [3, 1, 0]


def test_class_weights() -> None:
    assert class_weights(np.array([0, 0, 0, 1]), 2) == (4 / 6, 2.0)
    assert class_weights(MULTI, 3) == pytest.approx((1 / 3, 3.0, 4.0))


def test_row_weights() -> None:
    assert row_weights(np.array([0, 0, 0, 1])).tolist() == [1 / 3, 1 / 3, 1 / 3, 1.0]
    # Rows 0 and 2 count as the first label, row 1 as the rarer second, row 3 as none.
    assert row_weights(MULTI).tolist() == [0.5, 1.0, 0.5, 1.0]


def data(targets: np.ndarray, labels: list[str]) -> Data:
    texts = ["one\ttab", "two", "three", "four"]
    split = Split(texts, [text.split() for text in texts], targets)
    return Data(labels, split, split)


def test_surest_mistakes_come_first() -> None:
    logits = np.array([[0.0, 1.0], [3.0, 0.0], [0.0, 4.0], [2.0, 0.0]], dtype=np.float32)
    # Probabilities of the answers: 0.7311, 0.9526, 0.9820, 0.8808; the second row is right.
    assert mistakes_tsv(data(np.array([0, 0, 0, 1]), ["neg", "pos"]), logits, None) == (
        "text\tlabel\tanswer\tprobability\nthree\tneg\tpos\t0.9820\nfour\tpos\tneg\t0.8808\none tab\tneg\tpos\t0.7311\n"
    )


def test_mistakes_of_several_labels() -> None:
    logits = np.array([[2.0, -2.0, -2.0], [2.0, -1.0, 3.0], [1.0, -2.0, -2.0], [-2.0, -2.0, -2.0]], dtype=np.float32)
    assert mistakes_tsv(data(MULTI, ["a", "b", "c"]), logits, [0.8, 0.5, 0.5]) == (
        "text\tlabel\tanswer\tprobability\ntwo\ta|b\ta|c\t0.9526\nthree\ta\t\t0.7311\n"
    )
