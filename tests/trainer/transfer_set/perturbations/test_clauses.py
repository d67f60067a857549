"""What a clause is, and which of them a copy has."""

from collections import Counter

import pytest

from kdbuild.trainer.options import AugmentOptions, ClausesOptions, TrainOptions
from kdbuild.trainer.transfer_set.augment import augment


def copies(text: str, count: int = 300, **values: tuple[str, ...]) -> set[str]:
    options = TrainOptions(
        augment=AugmentOptions(perturb=(f"clauses={count}",)),
        clauses=ClausesOptions(**values),
    )
    return {made.line for made in augment([text.split()], None, options, 0)} - {text}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good , but long .", {"good", "long", "good , but long"}),
        ("a b", set()),
        ("a b .", {"a b"}),
        ("... !", set()),
        ("and so", set()),
        ("( a ) b", {"a", "b", "a ) b"}),
        ("a -- b and c", {"a", "b", "c", "a -- b", "b and c"}),
        ('it \'s " a - b " yet c', {'it \'s " a - b "', "c"}),
        ("好 。 不 好 ！", {"好", "不 好", "好 。 不 好"}),
        ("a ... b", {"a", "b"}),
    ],
)
def test_clauses_lie_between_punctuation_and_conjunctions(text: str, expected: set[str]) -> None:
    assert copies(text) == expected


def test_conjunctions_of_another_language() -> None:
    assert copies("gut aber lang and x", conjunctions=("aber", "und")) == {"gut", "lang and x"}


def test_rows_lie_side_by_side() -> None:
    """The end of a row ends a clause, and a row without any takes none of its neighbours'."""
    options = TrainOptions(augment=AugmentOptions(perturb=("clauses=50",)))
    rows = [["a", ",", "b"], ["c"], [","], ["d", "and", "e"]]
    made = [text.line for text in augment(rows, None, options, 0)]
    assert made[:4] == ["a , b", "c", ",", "d and e"]
    assert sorted(made[4:]) == ["a", "b", "d", "e"]


def test_as_many_clauses_as_there_are_come_equally_often() -> None:
    count = 6_000
    rows = [[f"{row}a", ",", f"{row}b", ",", f"{row}c"] for row in range(count)]
    options = TrainOptions(augment=AugmentOptions(perturb=("clauses=1",)))
    made = [text.tokens() for text in augment(rows, None, options, 0)][count:]
    found = Counter("".join(word[-1] for word in text) for text in made)
    # All three are the row itself, so a third of the copies fall away.
    assert found.keys() == {"a", "b", "c", "a,b", "b,c"}
    for clauses, times in found.items():
        assert times / count == pytest.approx(1 / 6 if "," in clauses else 1 / 9, abs=0.02)


def test_of_a_pair_each_text_becomes_clauses() -> None:
    options = TrainOptions(augment=AugmentOptions(perturb=("clauses=200",)))
    made = [text.line for text in augment([["a", ",", "b"], ["."]], None, options, 0, ([["c", "."], ["d"]], None))]
    assert made[:2] == ["a , b\tc .", ".\td"]
    assert set(made[2:]) == {"a\tc", "b\tc", "a , b\tc"}
