"""Words and pieces learned from texts: what they spell, how many there are, what must not be among them."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from kdbuild.errors import BadInputError
from kdbuild.runtime.text.normalize import normalize
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.options import StudentOptions
from kdbuild.trainer.student.pieces import default_size, segments
from kdbuild.trainer.student.vocabulary import build_vocabulary, token_counts

ENGLISH = ["a warm and funny film", "the film was funny", "a coldly filmed story", "warmly filmed , and unfunny"] * 5
THAI = ["หนังเรื่องนี้สนุกมาก", "หนังเรื่องนี้ไม่สนุก", "สนุกมาก", "หนังไม่ดี"] * 5
CHINESE = ["这部电影很好看", "电影不好看", "很好看的电影", "我喜欢 iPhone手机"] * 5
GERMAN = ["Filmfestspiele in Berlin", "Berliner Festspiele", "das Filmfest beginnt", "Spielfilm und Fest"] * 5
ALL = [*ENGLISH, *THAI, *CHINESE, *GERMAN]


def learn(texts: Sequence[str], extra: Sequence[str] = (), train: Sequence[str] = (), **options: object) -> Vocabulary:
    rows = [RowText(" ".join(tokenize(text))) for text in texts]
    given = StudentOptions(**options)  # type: ignore[arg-type]  # a test's
    vocabulary = build_vocabulary(rows, rows, [tokenize(text) for text in train], extra, given)
    assert vocabulary.version == 2
    vocabulary.check_pieces()
    assert [normalize(token) for token in vocabulary.tokens[3:]] == list(vocabulary.tokens[3:])
    return vocabulary


def cut(vocabulary: Vocabulary, text: str) -> list[str]:
    return [vocabulary.tokens[id_] for id_ in vocabulary.ids(tokenize(text))]


def test_segments_are_words_and_runs() -> None:
    assert list(segments(tokenize("Das iPhone手机 很好 , หนังhd ok"))) == [
        *("das", "iphone", "手机很好", ",", "หนัง", "hd", "ok"),
    ]


@pytest.mark.parametrize("texts", [ENGLISH, THAI, CHINESE, GERMAN, ALL])
def test_nothing_of_the_texts_is_unknown(texts: list[str]) -> None:
    vocabulary = learn(texts)
    assert token_counts(vocabulary, [tokenize(text) for text in texts])[:3].tolist() == [0, 0, 0]


def test_words_that_never_occurred_are_cut_into_pieces() -> None:
    vocabulary = learn(ALL, max_vocab=140)
    assert cut(vocabulary, "Filmspiele") == ["film", "##spiele"]
    assert cut(vocabulary, "电影好看") == ["电影", "好看"]
    assert "สนุก" in cut(vocabulary, "หนังสนุก")
    assert "##x" not in vocabulary
    assert cut(vocabulary, "filmx") == ["film", "<unk>"]


def test_runs_have_no_marked_pieces() -> None:
    assert [token for token in learn([*THAI, *CHINESE[:3]]).tokens if token.startswith("##")] == []


def test_the_most_used_come_first_and_what_no_text_uses_is_left_out() -> None:
    vocabulary = learn(ENGLISH, max_vocab=30)
    counts = token_counts(vocabulary, [tokenize(text) for text in ENGLISH])[3:].tolist()
    assert counts == sorted(counts, reverse=True)
    unused = {token.removeprefix("##") for token, count in zip(vocabulary.tokens[3:], counts, strict=True) if not count}
    assert all(len(text) == 1 for text in unused)  # characters alone are there in any case


@pytest.mark.parametrize("size", [10, 40, 60])
def test_the_budget_is_kept_and_filled(size: int) -> None:
    assert len(learn(ALL, max_vocab=size)) == 3 + size


def test_small_budgets_take_the_commonest_characters() -> None:
    assert learn(["ab ab a", "zq ab"], max_vocab=2).tokens[3:] == ("a", "##b")


def test_default_size() -> None:
    # 2 characters stand often; 4 times the root of 10,000 is 400.
    assert default_size({"a": 9000, "b": 998, "c": 2}, random_vectors=True) == 402
    assert default_size({"a": 9000, "b": 998, "c": 2}, random_vectors=False) == 1202
    assert default_size({"a": 10**9}, random_vectors=True) == 15_000
    assert default_size({}, random_vectors=False) == 0


def test_a_rare_word_is_no_piece_of_others() -> None:
    texts = ["goldschmidt sings", "schmidts song", "goldschmidt and schmidts"] * 3
    assert "schmidt" in learn([*texts, "schmidt"]).tokens or "##schmidt" in learn([*texts, "schmidt"]).tokens
    private = learn([*texts, "schmidt"], min_count=2)
    assert not {"schmidt", "##schmidt"} & set(private.tokens)
    assert "goldschmidt" in private
    assert "<unk>" not in cut(private, "schmidt")


def test_characters_of_rare_words_alone_stay_out() -> None:
    assert {"ž", "##ž"} & set(learn([*ENGLISH, "žižek"]).tokens)
    assert not {"ž", "##ž"} & set(learn([*ENGLISH, "žižek"], min_count=2).tokens)


def test_pieces_of_runs_have_to_stand_in_so_many_texts() -> None:
    texts = [*CHINESE, "王小明王小明王小明"]
    assert [token for token in learn(texts).tokens if "明" in token] != []
    assert [token for token in learn(texts, min_count=2).tokens if set(token) & set("王小明")] == []
    assert "电影" in learn(texts, min_count=2, max_vocab=30)


def test_words_of_the_training_rows_only() -> None:
    vocabulary = learn([*ENGLISH, *["zebra crossing"] * 9], train=ENGLISH, vocabulary_from="train")
    assert "zebra" not in vocabulary
    assert cut(vocabulary, "z") == ["<unk>"]
    assert "film" in vocabulary


def test_extra_words_enter_in_any_case() -> None:
    vocabulary = learn(ENGLISH, ["zebra", "yak"], max_vocab=30)
    assert cut(vocabulary, "zebra yak") == ["zebra", "yak"]
    assert len(vocabulary) == 33


def test_no_word_left() -> None:
    with pytest.raises(BadInputError, match=r"^--min-count 9 and --max-vocab 0: leave no word in the vocabulary\."):
        learn(["one text"], min_count=9)


def test_pairs() -> None:
    rows = [RowText("a film", "电 影")] * 2
    vocabulary = build_vocabulary(rows, rows, [], [], StudentOptions(min_count=2))
    assert cut(vocabulary, "a film 电影") == ["a", "film", "电影"]
    assert build_vocabulary(rows[:1], rows[:1], [], ["x"], StudentOptions(min_count=2)).tokens[3:] == ("x",)


def test_token_counts_count_ids_of_pieces() -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "film", "##s", "电影"], 2)
    rows = [["films", "film"], ["电", "影"], ["films", "x"]]
    assert token_counts(vocabulary, rows).tolist() == [0, 1, 0, 3, 2, 1]


PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from test_pieces import ALL, learn
print(learn(ALL, max_vocab=150).sha256)
"""


def test_the_same_texts_give_the_same_vocabulary_in_every_process() -> None:
    here = learn(ALL, max_vocab=150).sha256
    program = PROGRAM.format(paths=[path for path in sys.path if path] + [__file__.rpartition("/")[0]])
    for _ in range(2):
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == here
    assert learn(ALL[::-1], max_vocab=150).sha256 == here
