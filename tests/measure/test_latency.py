"""Latency with contenders whose every call is known, and the BERT baseline at a tiny size."""

import dataclasses
import importlib.metadata
import json
import math
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from kdbuild.errors import BadInputError, GateError, KdbuildError
from kdbuild.measure import worker
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import evenly_spaced, measure_latency, measure_timers
from kdbuild.measure.reference_models import bert
from kdbuild.measure.reference_models.bert import (
    BertClassifier,
    bert_large_config,
    open_transformer,
    random_bert,
    random_bert_large,
    random_model,
    transformer_config,
)
from kdbuild.measure.reference_models.shapes import SHAPES

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s"]


class Clock:
    """Stands for ``time``: passes only when a contender says so."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter_ns(self) -> int:
        return self.now

    def contender(self, milliseconds: Callable[[str], float]) -> Callable[[str], int]:
        def classify(text: str) -> int:
            self.now += round(milliseconds(text) * 1e6)
            return len(text)

        return classify


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(worker, "time", clock)
    return clock


def test_medians_percentiles_and_counts(clock: Clock) -> None:
    texts = [" ".join(["word"] * n) for n in range(1, 102)]
    contenders = {"a": clock.contender(lambda text: len(text.split())), "b": clock.contender(lambda _: 0.5)}
    report = measure_latency(contenders, texts, rounds=3)
    assert dataclasses.asdict(report) == {
        "latencies": (
            {"name": "a", "median_ms": 51.0, "p95_ms": 96.0, "shared_median_ms": 51.0, "count": 303, "texts": 101},
            {"name": "b", "median_ms": 0.5, "p95_ms": 0.5, "shared_median_ms": 0.5, "count": 303, "texts": 101},
        ),
        "texts": 101,
        "shared_texts": 101,
        "rounds": 3,
    }
    assert report.speedup("b", "a") == 102.0
    assert json.loads(json.dumps(dataclasses.asdict(report)))["latencies"][0]["p95_ms"] == 96.0


def test_slow_contenders_share_a_subsample(clock: Clock) -> None:
    # The middles of 3 equal parts of 9 texts sorted by length are of 2, 5 and 8 words.
    texts = [" ".join(["word"] * n) for n in (9, 1, 8, 2, 7, 3, 6, 4, 5)]
    contenders = {
        "fast": clock.contender(lambda text: len(text.split())),
        "slow": clock.contender(lambda text: 100 * len(text.split())),
        "slower": clock.contender(lambda text: 1000 * len(text.split())),
    }
    report = measure_latency(contenders, texts, rounds=4, slow={"slower": 3, "slow": 9})
    assert [(entry.name, entry.texts, entry.count) for entry in report.latencies] == [
        ("fast", 9, 36),
        ("slow", 9, 9),
        ("slower", 3, 3),
    ]
    assert report.shared_texts == 3
    assert report["fast"].median_ms == 5.0
    assert report["slower"].median_ms == 5000.0
    assert [entry.shared_median_ms for entry in report.latencies] == [5.0, 500.0, 5000.0]
    assert report.speedup("fast", "slower") == 1000.0


def test_contenders_take_turns_in_blocks() -> None:
    calls: list[tuple[str, str]] = []

    def contender(name: str) -> Callable[[str], str]:
        def classify(text: str) -> str:
            calls.append((name, text))
            return text

        return classify

    measure_latency({"a": contender("a"), "b": contender("b")}, ["x", "y", "z"], rounds=2, slow={"b": 2}, seed=0)
    names = "".join(name for name, _ in calls)
    # The first pass, then in each round four calls of a (one untimed) and two of b (one untimed), in either order.
    assert names[:5] == "aaabb"
    assert sorted([names[5:11], names[11:17]]) in (["aaaabb"] * 2, ["aaaabb", "bbaaaa"], ["bbaaaa"] * 2)
    for start in (5, 11):
        block = [text for name, text in calls[start : start + 6] if name == "a"]
        assert block[0] == block[1]
        assert sorted(block[1:]) == ["x", "y", "z"]
    again = list(calls)
    calls.clear()
    measure_latency({"a": contender("a"), "b": contender("b")}, ["x", "y", "z"], rounds=2, slow={"b": 2}, seed=0)
    assert calls == again


def test_real_time_is_measured_in_milliseconds() -> None:
    def nap(text: str) -> str:
        time.sleep(0.003)
        return text

    report = measure_latency({"nap": nap, "none": str}, ["a", "b"], rounds=3)
    assert 3.0 <= report["nap"].median_ms < 3000.0
    assert 0.0 < report["none"].median_ms < report["nap"].median_ms


def test_changed_answers_are_refused() -> None:
    draw = random.Random(0)
    with pytest.raises(GateError) as raised:
        measure_latency({"steady": str, "fickle": lambda _: draw.random()}, ["a text"], rounds=1)
    assert str(raised.value) == (
        "fickle answered 0.420571580830845 while timed and 0.8444218515250481 before, on 'a text': "
        "its latency means nothing. Make its answers repeatable, then measure again"
    )


class Far:
    """A timer that says how long a text of each index takes, and may fail or change its mind from its n-th time on."""

    def __init__(self, nanoseconds: int, fails: int = 99, changes: int = 99) -> None:
        self.nanoseconds = nanoseconds
        self.fails = fails
        self.changes = changes
        self.turns = 0

    def answers(self, indices: Sequence[int], /) -> list[int]:
        if self.fails == 0:
            raise KdbuildError("gone at once")
        return [10 * i for i in indices]

    def time(self, indices: Sequence[int], /) -> list[tuple[int, int]]:
        self.turns += 1
        if self.turns == self.fails:
            raise KdbuildError("gone")
        return [(self.nanoseconds * (i + 1), 10 * i + (self.turns == self.changes)) for i in indices]


def test_timers_are_measured_wherever_they_run() -> None:
    shares: list[tuple[float, str]] = []
    report = measure_timers(
        {"far": Far(1_000_000), "slow": Far(2_000_000)},
        ["a", "b", "c"],
        rounds=2,
        slow={"slow": 1},
        advance=lambda share, name: shares.append((share, name)),
    )
    assert report["far"].median_ms == 2.0
    assert report["far"].count == 6
    assert (report["slow"].median_ms, report["slow"].count, report.shared_texts) == (4.0, 1, 1)
    assert report.speedup("far", "slow") == 2.0
    assert [share for share, _ in shares] == [turn / 6 for turn in range(1, 7)]
    assert [name for _, name in shares[:2]] == ["far", "slow"]


def test_timers_that_fail_are_left_out_and_told_of() -> None:
    failures: list[tuple[str, str]] = []
    shares: list[float] = []
    timers = {"well": Far(5), "absent": Far(5, fails=0), "dying": Far(5, fails=2), "fickle": Far(5, changes=3)}
    report = measure_timers(
        timers,
        ["a text", "another"],
        rounds=4,
        failed=lambda name, error: failures.append((name, str(error))),
        advance=lambda share, _: shares.append(share),
    )
    assert [(latency.name, latency.count) for latency in report.latencies] == [("well", 8)]
    assert [timer.turns for timer in timers.values()] == [4, 0, 2, 3]
    fickle = dict(failures)["fickle"]
    assert fickle.startswith("fickle answered ")
    assert fickle.endswith("its latency means nothing. Make its answers repeatable, then measure again")
    assert {name: reason for name, reason in failures if name != "fickle"} == {
        "absent": "gone at once",
        "dying": "gone",
    }
    assert len(failures) == 3
    assert shares[-1] == 1.0


def test_all_timers_may_fail() -> None:
    report = measure_timers({"a": Far(5, fails=1)}, ["a text"], rounds=1, failed=lambda _name, _error: None)
    assert report.latencies == ()


def test_a_failing_timer_ends_the_measurement_unless_somebody_is_told() -> None:
    with pytest.raises(KdbuildError, match=r"^gone$"):
        measure_timers({"well": Far(5), "dying": Far(5, fails=1)}, ["a text"], rounds=1)


@pytest.mark.parametrize(
    ("contenders", "texts", "rounds", "slow", "message"),
    [
        ({}, ["a"], 1, {}, "Latency of 0 contenders on 1 texts in 1 rounds: nothing to measure"),
        ({"a": str}, [], 1, {}, "Latency of 1 contenders on 0 texts in 1 rounds: nothing to measure"),
        ({"a": str}, ["a"], 0, {}, "Latency of 1 contenders on 1 texts in 0 rounds: nothing to measure"),
        ({"a": str}, ["a"], 1, {"b": 1}, "Slow contender 'b' with 1 texts: expected one of a and 1 to 1 texts"),
        ({"a": str}, ["a"], 1, {"a": 2}, "Slow contender 'a' with 2 texts: expected one of a and 1 to 1 texts"),
        ({"a": str}, ["a"], 1, {"a": 0}, "Slow contender 'a' with 0 texts: expected one of a and 1 to 1 texts"),
    ],
)
def test_bad_input(
    contenders: dict[str, Callable[[str], object]], texts: list[str], rounds: int, slow: dict[str, int], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        measure_latency(contenders, texts, rounds=rounds, slow=slow)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [5]), (2, [2, 7]), (3, [1, 5, 8]), (5, [1, 3, 5, 7, 9]), (10, list(range(10)))]
)
def test_evenly_spaced(size: int, expected: list[int]) -> None:
    assert evenly_spaced(range(10), size) == expected


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", PIECES.index("[CLS]")), ("[SEP]", PIECES.index("[SEP]"))]
    )
    # transformers leaves this constructor without types.
    construct: Callable[..., PreTrainedTokenizerFast] = PreTrainedTokenizerFast
    return construct(tokenizer_object=tokenizer, unk_token="[UNK]")


def tiny_config(vocabulary: int = len(PIECES)) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )


def test_bert_large_has_the_shape_of_bert_large() -> None:
    config = bert_large_config(classes=3)
    with torch.device("meta"):  # Shapes without memory.
        model = BertForSequenceClassification(config)
    # bert-large-uncased has 335,141,888 parameters with its pooler; the classifier adds 3 x 1024 + 3.
    assert sum(parameter.numel() for parameter in model.parameters()) == 335_141_888 + 3 * 1024 + 3
    assert config.num_labels == 3


@pytest.mark.parametrize(
    ("name", "parameters", "head"),
    [
        # Without their classifiers, what the Hugging Face hub counts of bert-base-uncased, distilbert-base-uncased,
        # google/mobilebert-uncased with its pooler, huawei-noah/TinyBERT_General_4L_312D, google/bert_uncased_L-2_H-128_A-2
        # and sentence-transformers/all-MiniLM-L6-v2.
        ("bert-base", 109_482_240, 768 * 2 + 2),
        ("distilbert", 66_362_880, 768 * 768 + 768 + 768 * 2 + 2),
        ("mobilebert", 24_581_888 + 512 * 512 + 512, 512 * 2 + 2),
        ("tinybert-4", 14_350_248, 312 * 2 + 2),
        ("bert-tiny", 4_385_920, 128 * 2 + 2),
        ("minilm-l6", 22_713_216, 384 * 2 + 2),
    ],
)
def test_transformers_have_the_shapes_of_the_real_ones(name: str, parameters: int, head: int) -> None:
    shape = SHAPES[name]
    with torch.device("meta"):  # Shapes without memory.
        model = random_model(transformer_config(shape.architecture, shape.settings))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters + head


def test_a_transformer_is_opened_from_plain_values(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path)
    settings = {"vocab_size": 9, "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "max_position_embeddings": 12}
    classify = open_transformer(architecture="distilbert", settings=settings, tokenizer=str(tmp_path), threads=1)
    encoded = classify.encode("good films")
    assert classify.tokens(encoded) == 5
    assert classify.run(encoded) == classify("good films")
    # Embeddings and their norm; attention, feed-forward and norms; classifier.
    assert classify.parameters == (9 + 12) * 8 + 16 + 4 * 72 + 16 * 8 + 16 + 8 * 16 + 8 + 32 + 72 + 18


def test_tiny_bert_is_measured() -> None:
    classify = random_bert(tiny_config(), tiny_tokenizer(), threads=1)
    report = measure_latency({"bert": classify, "length": len}, ["good film", "bad films", "good"], slow={"bert": 2})
    assert report["bert"].count == 2
    assert report["length"].count == 30
    assert math.isfinite(report.speedup("length", "bert"))


def test_bert_reads_word_pieces_and_keeps_within_its_positions() -> None:
    seen: list[list[int]] = []
    model = BertForSequenceClassification(tiny_config()).train(False)
    model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs["input_ids"].tolist()[0]), with_kwargs=True
    )
    classify = BertClassifier(model, tiny_tokenizer(), threads=1)
    assert classify("good films") in (0, 1)
    assert classify("") in (0, 1)
    classify("bad " * 100)
    assert seen == [[2, 5, 7, 8, 3], [2, 3], [2, *[6] * 10, 3]]


def test_bert_restores_threads_and_random_state() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    used: list[int] = []
    model = BertForSequenceClassification(tiny_config()).train(False)
    torch.set_rng_state(state)
    model.register_forward_pre_hook(lambda _module, _args: used.append(torch.get_num_threads()))
    BertClassifier(model, tiny_tokenizer(), threads=threads + 1)("good")
    random_bert(tiny_config(), tiny_tokenizer())("good")
    assert used == [threads + 1]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_bert_weights_are_seeded_fp32() -> None:
    first, again, other = (random_bert(tiny_config(), tiny_tokenizer(), seed=seed) for seed in (0, 0, 1))
    weights = [classify.model.get_parameter("classifier.weight") for classify in (first, again, other)]
    assert weights[0].dtype == torch.float32
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert first.size_bytes == 4 * sum(parameter.numel() for parameter in first.model.parameters())


def test_bert_refuses_another_vocabulary() -> None:
    with pytest.raises(BadInputError, match="The baseline's tokenizer has 9 pieces: the model has 8"):
        random_bert(tiny_config(vocabulary=8), tiny_tokenizer())


def test_bert_large_takes_a_tokenizer_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bert, "bert_large_config", tiny_config)
    tiny_tokenizer().save_pretrained(tmp_path / "teacher")
    assert random_bert_large(tmp_path / "teacher")("good film") in (0, 1)
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(BadInputError, match=f"{folder} is no tokenizer's folder: transformers can't load one"):
            random_bert_large(folder)


def test_environment_names_hardware_and_versions_but_no_machine() -> None:
    found = environment(threads=3)
    assert found["threads"] == 3
    assert found["cores"] == os.cpu_count()
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert packages["torch"] == importlib.metadata.version("torch")
    assert list(found) == [
        "cpu",
        "architecture",
        "int8_instructions",
        "cores",
        "usable_cores",
        "threads",
        "system",
        "python",
        "packages",
    ]
    text = json.dumps(found)
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text
