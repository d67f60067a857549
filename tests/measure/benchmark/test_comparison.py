"""The benchmark: what is measured of contenders, what of those that fail, which file to ship, tables, and the command."""

import dataclasses
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tokenizers import BertWordPieceTokenizer

from commands import run_cli
from kdbuild import __version__
from kdbuild.console import Advance
from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.measure.artefact_model import label_set, open_model
from kdbuild.measure.benchmark import candidates as contenders
from kdbuild.measure.benchmark.candidates import Contender, artefact_contenders, known_contenders
from kdbuild.measure.benchmark.comparison import benchmark
from kdbuild.measure.benchmark.recommend import recommend
from kdbuild.measure.benchmark.report import BenchmarkReport, ContenderResult, Recommendation
from kdbuild.measure.benchmark.table import conclusion, failures, markdown, rich_table
from kdbuild.measure.environment import environment
from kdbuild.measure.latency import Latency
from kdbuild.measure.reference_models import minilm, onnx_transformer
from kdbuild.measure.reference_models.onnx_model import OnnxClassifier, cached_file, open_onnx
from kdbuild.measure.sentences import SENTENCES
from kdbuild.runtime.text.tokenizer import tokenize
from processes import is_alive
from reviews import make_reviews, write_tsv
from students import word_spotter
from toys import toy

DEMO = Path(__file__).resolve().parents[3] / "android_demo" / "models" / "sst2"
TEXTS = ["one", "one two", "one two three", "one two three four"]


@pytest.fixture(scope="module")
def tags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact with every model file, whose texts may be funny, warm, both or neither. Not to be changed; copy it."""
    return export(tmp_path_factory.mktemp("tags") / "artefact", ["tflite", "onnx", "torchscript"])


@pytest.fixture(scope="module")
def tflite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with TFLite files alone, which start faster. Not to be changed; copy it."""
    return export(tmp_path_factory.mktemp("tflite") / "artefact", ["tflite"])


def export(folder: Path, formats: list[Any]) -> Path:
    export_student(word_spotter(), folder, formats=formats, quantize=True, limits=Limits(), temper=False)
    return folder


@pytest.fixture
def tags_data(tmp_path: Path) -> Path:
    """Five texts, the last of which is labelled wrong."""
    rows = [("a film", ""), ("a funny film", "funny"), ("a warm film", "warm"), ("funny and warm", "warm|funny")]
    return write_tsv(tmp_path / "tags.tsv", [*rows, ("a film, a film", "warm")])


def silent(_title: str, _total: float, _unit: str) -> AbstractContextManager[Advance]:
    """Shows nothing."""
    return nullcontext(lambda _done, _remark: None)


def test_contenders_are_measured_whatever_happens_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [
        toy("slow", arguments={"seconds": 0.02, "classes": 5, "size_bytes": 5000}, slow=True),
        toy("fast", arguments={"seconds": 0.001}),
        toy("random", arguments={"classes": 3}, trained=False, quoted_accuracy=0.9, quoted_source="A. Author 2020"),
        toy("broken", "broken"),
        toy("missing", "missing"),
        toy("left out", skipped="not today"),
        toy("dies", "mood", arguments={"calls": 9, "then": "dies"}),
        toy("hangs", "mood", arguments={"calls": 5, "then": "hangs"}),
        toy("fickle", "mood", arguments={"calls": 11, "then": "changes"}),
    ]
    report = benchmark(listed, TEXTS, [1, 0, 1, 1], rounds=2, baseline="slow", timeout=5.0, show=silent)
    assert [(result.name, result.status) for result in report.results] == [
        ("slow", "ok"),
        ("fast", "ok"),
        ("random", "ok"),
        ("broken", "failed"),
        ("missing", "not installed"),
        ("left out", "skipped"),
        ("dies", "failed"),
        ("hangs", "failed"),
        ("fickle", "failed"),
    ]
    assert failures(report)[:-1] == [
        "broken failed: the weights are gone",
        "missing not installed: No module named 'nosuch'",
        "left out skipped: not today",
        "dies failed: its process ended with exit code 3: last words",
        "hangs failed: no answer to 'answers' within 5 s",
    ]
    assert re.fullmatch(
        r"fickle failed: fickle(, without tokenisation)? answered [01] while timed and [01] before, on 'one.*': its latency "
        r"means nothing\. Make its answers repeatable, then measure again",
        failures(report)[-1],
    )
    assert (report.texts, report.timed_texts, report.shared_texts, report.labelled) == (4, 4, 4, True)
    assert (report.rounds, report.threads, report.ship) == (2, 1, None)
    slow, fast, random = report["slow"], report["fast"], report["random"]
    assert (slow.accuracy, fast.accuracy, random.accuracy) == (0.25, 0.75, None)
    assert fast.interval == pytest.approx((0.3006, 0.9544), abs=1e-4)  # Wilson 1927, z = 1.96
    assert slow.speedup == 1.0
    assert slow.latency is not None
    assert fast.latency is not None
    assert fast.speedup == slow.latency.shared_median_ms / fast.latency.shared_median_ms > 1
    assert (slow.latency.count, fast.latency.count) == (4, 8)
    assert 20 <= slow.latency.median_ms < 5_000
    assert slow.latency_without_tokenization is not None
    assert slow.latency_without_tokenization.name == "slow, without tokenisation"
    assert (slow.cold_starts, fast.cold_starts) == (1, 3)
    assert slow.cold_start_seconds is not None
    assert slow.first_call_ms is not None
    assert 0.02 < slow.cold_start_seconds < 60
    assert 20 <= slow.first_call_ms < 5_000
    assert (slow.size_bytes, slow.parameters, slow.tokens_median) == (5000, 7, 2.5)
    assert slow.peak_rss_bytes is not None
    assert (random.quoted_accuracy, random.quoted_source) == (0.9, "A. Author 2020")
    dies = report["dies"]
    assert (dies.accuracy, dies.latency, dies.size_bytes, dies.cold_start_seconds) == (None, None, None, None)
    assert json.loads(json.dumps(dataclasses.asdict(report)))["results"][3]["reason"] == "the weights are gone"
    assert capsys.readouterr() == ("", "")


def test_all_may_fail() -> None:
    report = benchmark([toy("broken", "broken")], TEXTS, baseline="broken", show=silent)
    assert (report["broken"].status, report.shared_texts, report.baseline) == ("failed", 0, "broken")
    assert conclusion(report) == "Ship: nothing, as no model file could be measured"


def test_preparing_fails_as_loading_does(tmp_path: Path) -> None:
    file = tmp_path / "made"
    prepared = toy("toy", "read_file", prepare="toys:write_file", arguments={"file": str(file)})
    assert benchmark([prepared], TEXTS, show=silent)["toy"].size_bytes == 12345
    assert benchmark([prepared], TEXTS, show=silent)["toy"].reason == f"{file} is there already"


def test_many_texts_are_all_answered_and_some_are_timed() -> None:
    texts = ["word " * (1 + number % 30) for number in range(450)]
    labels = [(1 + number % 30) % 2 for number in range(450)]
    report = benchmark([toy("toy"), toy("slow", slow=True)], texts, labels, rounds=2, show=silent)
    assert (report.texts, report.timed_texts, report.shared_texts) == (450, 200, 24)
    toy_result, slow = report["toy"], report["slow"]
    assert toy_result.accuracy == 1.0
    assert toy_result.latency is not None
    assert slow.latency is not None
    assert (toy_result.latency.texts, toy_result.latency.count) == (200, 400)
    assert (slow.latency.texts, slow.latency.count) == (24, 24)
    assert toy_result.speedup is None


@pytest.mark.parametrize(
    ("listed", "texts", "labels", "changes", "message"),
    [
        ([], TEXTS, None, {}, "Benchmark of 0 contenders on 4 texts in 5 rounds with 1 threads: nothing to measure. "),
        ([toy("a")], [], None, {}, "Benchmark of 1 contenders on 0 texts in 5 rounds with 1 threads: nothing to "),
        (
            [toy("a"), toy("a")],
            TEXTS,
            None,
            {},
            "Benchmark of a, a on 4 texts: names must differ and labels be as many ",
        ),
        ([toy("a")], TEXTS, [1], {}, "Benchmark of a on 4 texts: names must differ and labels be as many as texts."),
        ([toy("a")], TEXTS, None, {"baseline": "b"}, "Baseline 'b': not among a. Name one of these."),
    ],
)
def test_bad_input(
    listed: list[Contender], texts: list[str], labels: list[int] | None, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError) as raised:
        benchmark(listed, texts, labels, show=silent, **changes)
    assert str(raised.value).startswith(message)


def test_built_in_sentences_are_of_the_lengths_they_are_said_to_be() -> None:
    lengths = [len(tokenize(sentence)) for sentence in SENTENCES]
    assert (len(set(SENTENCES)), min(lengths), max(lengths), sorted(lengths)[18]) == (36, 5, 35, 15)


def test_artefact_files_are_contenders(tags_folder: Path) -> None:
    listed = artefact_contenders(tags_folder)
    assert [(contender.name, contender.file) for contender in listed] == [
        ("TFLite int8", "model_int8.tflite"),
        ("TFLite fp32", "model_fp32.tflite"),
        ("ONNX int8", "model_int8.onnx"),
        ("ONNX fp32", "model_fp32.onnx"),
        ("TorchScript int8", "model_int8.pt"),
        ("TorchScript fp32", "model_fp32.pt"),
    ]
    reason = "runs only with --trust torchscript, as such files can carry code"
    assert [contender.skipped for contender in listed] == ["", "", "", "", reason, reason]
    assert not any(contender.skipped for contender in artefact_contenders(tags_folder, trusted=["torchscript"]))


def test_every_file_answers_with_sets_of_labels(tags_folder: Path) -> None:
    for contender in artefact_contenders(tags_folder, trusted=["torchscript"]):
        module, _, name = contender.factory.partition(":")
        model = getattr(importlib.import_module(module), name)(**contender.arguments, threads=1)
        texts = ["a film", "a funny film", "a warm film", "a funny , warm film"]
        assert [model(text) for text in texts] == [0, 1, 2, 3]
        assert [model.run(model.encode(text)) for text in texts] == [0, 1, 2, 3]
        assert model.tokens(model.encode("a funny , warm film")) == 5
        assert model.parameters is None or model.parameters > 0
        shipped = [str(contender.file)] if contender.file == "model_int8.kdb" else [str(contender.file), "vocab.txt"]
        assert model.size_bytes == sum((tags_folder / name).stat().st_size for name in shipped)


def test_single_labels_are_places_and_never_withheld() -> None:
    model = open_model(folder=str(DEMO), file="model_int8.tflite", threads=1)
    assert [model(text) for text in ("a warm , funny film", "loud , lazy and far too long")] == [1, 0]
    assert all(model.run(model.encode(text)) == model(text) for text in SENTENCES)
    manifest = json.loads((DEMO / "manifest.json").read_text())
    assert model.parameters == manifest["student"]["parameters"]


def test_sets_of_labels_are_numbers() -> None:
    assert [label_set(np.array(row)) for row in ([0, 0, 0], [1, 0, 0], [0, 1, 1])] == [0, 1, 6]
    assert label_set(np.eye(80, dtype=bool)[79]) == 2**79


def test_known_contenders_can_be_imported(tmp_path: Path) -> None:
    listed = known_contenders([*contenders.KNOWN, "bert-large"], tmp_path)
    assert [contender.name for contender in listed] == [
        "BERT-large",
        "BERT-base",
        "DistilBERT",
        "MobileBERT",
        "TinyBERT-4",
        "BERT-tiny",
        "MiniLM-L6",
        "BERT-large, ONNX",
        "BERT-large, ONNX int8",
        "DistilBERT, ONNX",
        "DistilBERT, ONNX int8",
    ]
    for contender in listed:
        assert not contender.trained
        assert json.loads(json.dumps(dict(contender.arguments)))["tokenizer"] == str(tmp_path)
        for function in filter(None, (contender.factory, contender.prepare)):
            module, _, name = function.partition(":")
            assert callable(getattr(importlib.import_module(module), name))
    assert known_contenders(["none"], tmp_path) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["bert-larg"], "--against bert-larg: no such contender. Did you mean 'bert-large'?"),
        (["distilbert-int8"], "--against distilbert-int8: no such contender. Did you mean 'distilbert-onnx-int8'?"),
        (
            ["none", "bert-tiny"],
            "--against none,bert-tiny: 'none' excludes all others. Leave it out, or give it alone.",
        ),
    ],
)
def test_unknown_contenders(names: list[str], message: str) -> None:
    with pytest.raises(BadInputError) as raised:
        known_contenders(names, Path("tokenizer"))
    assert str(raised.value) == message


def tokenizer_folder(folder: Path) -> Path:
    words = {word for text, _ in make_reviews(60, seed=1) for word in text.lower().split()}
    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)]
    (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizerFast"}')
    return folder


TINY: dict[str, dict[str, Any]] = {
    "bert": {
        "vocab_size": 300,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "max_position_embeddings": 12,
        "initializer_range": 0.5,
    },
    "distilbert": {
        "vocab_size": 300,
        "dim": 24,
        "n_layers": 2,
        "n_heads": 3,
        "hidden_dim": 40,
        "max_position_embeddings": 12,
        "initializer_range": 0.5,
    },
}


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_onnx_files_compute_what_torch_does(architecture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from kdbuild.measure.reference_models.bert import open_transformer

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tokenizer = tokenizer_folder(tmp_path / "tokenizer")
    shape = {"architecture": architecture, "settings": TINY[architecture], "tokenizer": str(tokenizer), "threads": 1}
    reference = open_transformer(**shape)
    loaded: dict[str, OnnxClassifier] = {}
    for precision in ("int8", "fp32"):  # int8 alone writes no fp32 file
        onnx_transformer.prepare_onnx(**shape, precision=precision)
        loaded[precision] = open_onnx(**shape, precision=precision)
    folder = tmp_path / "cache" / "kdbuild" / "onnx"
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".lock", ".onnx", ".onnx"]
    fp32, int8 = loaded["fp32"], loaded["int8"]
    assert fp32.parameters == reference.parameters
    assert fp32.size_bytes > 4 * reference.parameters
    assert int8.size_bytes < fp32.size_bytes
    spread = []
    for text in ("", "The film of plot is warm,", "good " * 30):
        pieces = reference.encode(text)
        assert fp32.encode(text).tolist() == pieces["input_ids"].tolist()
        assert fp32.tokens(fp32.encode(text)) == reference.tokens(pieces) <= 12
        assert fp32(text) == reference(text)
        with torch.inference_mode():
            logits = reference.model(**pieces).logits.numpy()
        # Where a processor multiplies bytes without VNNI, ONNX Runtime's sums of two products saturate at 16 bits.
        rough = 0.5 if environment(threads=1)["int8_instructions"] == ["avx2"] else 0.15
        for precision, tolerance in (("fp32", 1e-5), ("int8", rough)):
            session = loaded[precision].session
            found = session.run(["logits"], {"ids": fp32.encode(text)})[0]
            assert np.abs(found - logits).max() < tolerance * np.abs(logits).max()
        spread.append(logits)
    assert np.ptp(np.concatenate(spread), axis=0).min() > 0.3  # the texts have answers of their own


def test_onnx_files_are_written_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shape: dict[str, Any] = {"architecture": "bert", "settings": TINY["bert"], "tokenizer": "", "threads": 1}
    path = cached_file("bert", TINY["bert"], "fp32")
    scratch = path.with_suffix(".partial")
    scratch.mkdir(parents=True)
    (scratch / "fp32.onnx").write_bytes(b"left by a process that was killed")

    def fail(*_: object) -> bytes:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(onnx_transformer, "write_onnx", fail)
        with pytest.raises(OSError, match="no space left"):
            onnx_transformer.prepare_onnx(**shape, precision="fp32")
    assert not path.exists()
    onnx_transformer.prepare_onnx(**shape, precision="fp32")
    assert not scratch.exists()
    written = path.stat().st_mtime_ns
    onnx_transformer.prepare_onnx(**shape, precision="fp32")
    assert path.stat().st_mtime_ns == written


def test_onnx_needs_a_tokenizer_that_fits(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"architecture": "bert", "precision": "fp32", "threads": 1}
    with pytest.raises(
        BadInputError, match=r"has no tokenizer.json\. Give the folder of a Hugging Face model that has"
    ):
        open_onnx(**shape, settings=TINY["bert"], tokenizer=str(tmp_path))
    tokenizer = tokenizer_folder(tmp_path / "tokenizer")
    with pytest.raises(BadInputError, match=r"The baseline's tokenizer has \d+ pieces: the model has 8\. "):
        open_onnx(**shape, settings={**TINY["bert"], "vocab_size": 8}, tokenizer=str(tokenizer))


def latency(name: str, milliseconds: float) -> Latency:
    return Latency(name, milliseconds, 1.5 * milliseconds, milliseconds, 120, 24)


def file_result(name: str, size: int, milliseconds: float, **changes: Any) -> ContenderResult:
    values = {"size_bytes": size, "latency": latency(name, milliseconds), **changes}
    return ContenderResult(name, "kdbuild", f"{name}.tflite", "ok", **values)


@pytest.mark.parametrize(
    ("results", "name"),
    [
        # A point of accuracy more doesn't outweigh the size, more than a point does.
        ([file_result("big", 900, 1, accuracy=0.89), file_result("small", 100, 2, accuracy=0.88)], "small"),
        ([file_result("big", 900, 1, accuracy=0.8901), file_result("small", 100, 2, accuracy=0.88)], "big"),
        # Of those as small within 5 %, the fastest.
        ([file_result("a", 100, 2.0), file_result("b", 105, 1.0), file_result("c", 106, 0.5)], "b"),
        # An app ships the engine, too.
        ([file_result("a", 100, 2.0, engine_bytes=50), file_result("b", 90, 1.0, engine_bytes=500)], "a"),
        # Without labels, agreement with the fp32 file counts.
        ([file_result("fp32", 400, 1, agreement=1.0), file_result("int8", 100, 1, agreement=0.99)], "int8"),
        ([file_result("fp32", 400, 1, agreement=1.0), file_result("int8", 100, 1, agreement=0.98)], "fp32"),
        # Labels outweigh agreement.
        (
            [
                file_result("fp32", 400, 1, agreement=1.0, accuracy=0.9),
                file_result("int8", 100, 1, agreement=0.9, accuracy=0.9),
            ],
            "int8",
        ),
        # What isn't a file, or failed, isn't shipped.
        (
            [
                ContenderResult("tiny", "baseline", None, "ok", size_bytes=1, accuracy=1.0),
                ContenderResult("broken", "kdbuild", "broken.tflite", "failed"),
                file_result("int8", 100, 1),
            ],
            "int8",
        ),
    ],
)
def test_which_file_to_ship(results: list[ContenderResult], name: str) -> None:
    chosen = recommend(results)
    assert chosen is not None
    assert (chosen.name, chosen.file) == (name, f"{name}.tflite")


def test_nothing_to_ship() -> None:
    assert recommend([ContenderResult("BERT-large", "transformer", None, "ok", size_bytes=1)]) is None


def test_the_rule_is_told() -> None:
    end = "the smallest with its engine; of those as small within 5%, the fastest"
    for changes, rule in (
        ({"accuracy": 0.9}, "of the files within 1 point of the best accuracy"),
        ({"agreement": 1.0}, "of the files that answer at least 99% of the texts as the fp32 file does"),
        ({}, "of the files that run here (no fp32 file to compare answers with)"),
    ):
        chosen = recommend([file_result("a", 1, 1, **changes)])
        assert chosen is not None
        assert chosen.reason == f"{rule}, {end}"


def fake_report() -> BenchmarkReport:
    return BenchmarkReport(
        results=(
            file_result(
                "int8",
                6_226_272,
                0.3242,
                accuracy=0.8807,
                interval=(0.8575, 0.9006),
                speedup=913.1,
                engine_bytes=61_385_908,
                parameters=6_130_502,
                peak_rss_bytes=61_000_000,
                cold_start_seconds=0.154,
                first_call_ms=4.2,
                tokens_median=19.0,
                latency_without_tokenization=latency("int8, without tokenisation", 0.3),
            ),
            ContenderResult("ONNX fp32", "kdbuild", "model_fp32.onnx", "not installed", reason="No module | here"),
            ContenderResult(
                "BERT-large",
                "transformer",
                None,
                "ok",
                note="torch fp32",
                trained=False,
                size_bytes=1_340_575_752,
                latency=latency("BERT-large", 296.04),
                speedup=1.0,
                quoted_accuracy=0.949,
                quoted_source="Devlin et al. 2019, test",
            ),
            ContenderResult(
                "word list", "baseline", None, "ok", size_bytes=4200, latency=latency("", 12.34), speedup=24.0
            ),
        ),
        baseline="BERT-large",
        ship=Recommendation("int8", "model_int8.tflite", "of all files, the best"),
        texts=872,
        labelled=True,
        timed_texts=200,
        shared_texts=24,
        rounds=5,
        threads=1,
        environment={"cpu": "A CPU", "usable_cores": 2, "python": "3.11.7", "packages": {"torch": "2.15.0"}},
    )


def test_table_on_the_terminal() -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(rich_table(fake_report(), 120))
    assert [line.rstrip() for line in captured.get().splitlines()] == [
        "Format       Status                Size               Accuracy        p50        p95   × BERT-large",
        "─" * 99,
        "int8         ok                  6.2 MB   88.1% (85.8 to 90.1)   0.324 ms   0.486 ms          913 ×",
        "ONNX fp32    not installed",
        "BERT-large   ok              1,340.6 MB                            296 ms     444 ms            1 ×",
        "word list    ok                 0.00 MB                           12.3 ms    18.5 ms           24 ×",
    ]


def test_table_on_a_narrow_terminal() -> None:
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(rich_table(fake_report(), 80))
    assert [line.rstrip() for line in captured.get().splitlines()] == [
        "                                                                               ×",
        "Format      Status               Size  Accuracy       p50       p95   BERT-large",
        "─" * 80,
        "int8        ok                 6.2 MB     88.1%  0.324 ms  0.486 ms        913 ×",
        "ONNX fp32   not installed",
        "BERT-large  ok             1,340.6 MB              296 ms    444 ms          1 ×",
        "word list   ok                0.00 MB             12.3 ms   18.5 ms         24 ×",
    ]


def test_markdown_page() -> None:
    assert markdown(fake_report(), "dev.tsv, 872 with labels").splitlines() == [
        "# Benchmark",
        "",
        "Texts: dev.tsv, 872 with labels.",
        "",
        "| Format | Status | Size | Accuracy | p50 | p95 | × BERT-large | p50 without tokenisation | Cold start | First call "
        "| Engine | Peak memory | Parameters | Tokens or pieces | Quoted for SST-2 |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| int8 | ok | 6.2 MB | 88.1% (85.8 to 90.1) | 0.324 ms | 0.486 ms | 913 × | 0.300 ms | 0.15 s | 4.20 ms "
        "| 61.4 MB | 61 MB | 6.1 M | 19 |  |",
        "| ONNX fp32 | not installed |  |  |  |  |  |  |  |  |  |  |  |  |  |",
        "| BERT-large | ok | 1,340.6 MB |  | 296 ms | 444 ms | 1 × |  |  |  |  |  |  |  | 94.9% |",
        "| word list | ok | 0.00 MB |  | 12.3 ms | 18.5 ms | 24 × |  |  |  |  |  |  |  |  |",
        "",
        "**Ship model_int8.tflite: of all files, the best.**",
        "",
        "* ONNX fp32 not installed: No module | here",
        "* p50 and × are of the 24 texts that all were timed on; p95 is of all timed calls of each, on up to 200 of 872 texts. "
        "One text at a time, one thread, tokenisation included, in turns.",
        "* Random weights: BERT-large. Their latency and size are true, their answers mean nothing.",
        "* BERT-large: torch fp32.",
        "* Accuracies quoted for SST-2 were not measured here: BERT-large (Devlin et al. 2019, test).",
        "",
        "Machine: A CPU, 2 cores, Python 3.11.7, torch 2.15.0.",
    ]


@pytest.fixture
def toys_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contenders that the command knows by name, one of which fails."""
    slow = toy("BERT-large", arguments={"seconds": 0.02}, slow=True, trained=False, note="a toy")
    monkeypatch.setitem(contenders.KNOWN, "bert-large", lambda _: slow)
    monkeypatch.setitem(contenders.KNOWN, "broken", lambda _: toy("Broken", "broken"))
    monkeypatch.setattr(minilm, "minilm_folder", lambda: Path("/nosuch"))


@pytest.mark.usefixtures("toys_known")
def test_command_with_labels(tags_folder: Path, tags_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = sorted(path.name for path in tags_folder.iterdir())
    result = run_cli(
        "benchmark", tags_folder, "--data", tags_data, "--against", "bert-large,broken", "--out", out, "--rounds", "1",
        "--min-accuracy", "80", "--min-speedup", "1.5",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Format", "Status", "Size", "Accuracy", "p50", "p95", "×", "BERT-large"]
    rows = [line.split() for line in lines[2:10]]
    assert [row[:3] for row in rows[:6]] == [
        [title, precision, "skipped" if title == "TorchScript" else "ok"]
        for title in ("TFLite", "ONNX", "TorchScript")
        for precision in ("int8", "fp32")
    ]
    assert all(row[5:9] == ["80.0%", "(37.6", "to", "96.4)"] for row in rows[:4])
    assert rows[6][:2] == ["BERT-large", "ok"]
    assert rows[7] == ["Broken", "failed"]
    assert "Broken failed: the weights are gone" in lines
    assert "Random weights: BERT-large. Their latency and size are true, their answers mean nothing." in lines
    names = ["benchmark.json", "benchmark.md", "accuracy_size.png", "accuracy_latency.png"]
    assert lines[-1] == f"Wrote {', '.join(str(out / name) for name in names)}"
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert result.stderr.splitlines()[0] == "texts: tags.tsv, 5 with labels"
    content = json.loads((out / "benchmark.json").read_text())
    assert content["kdbuild"] == __version__
    assert content["manifest_sha256"] == (tags_folder / "manifest.sha256").read_text().strip()
    assert (content["texts_from"], content["texts"], content["baseline"]) == (
        "tags.tsv, 5 with labels",
        5,
        "BERT-large",
    )
    assert content["environment"]["threads"] == 1
    assert [entry["accuracy"] for entry in content["results"]] == [0.8] * 4 + [None] * 4
    assert [entry["agreement"] for entry in content["results"]] == [1.0] * 4 + [None] * 4
    assert content["ship"]["file"] in {path.name for path in tags_folder.glob("model_*")}
    assert str(tmp_path) not in json.dumps(content)
    page = (out / "benchmark.md").read_text()
    assert page.startswith("# Benchmark\n\nTexts: tags.tsv, 5 with labels.\n\n| Format | Status | Size | Accuracy |")
    assert page.splitlines()[-1].startswith("Machine: ")
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in names[2:])
    assert sorted(path.name for path in tags_folder.iterdir()) == before


def test_command_without_labels_or_baseline(tags_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "accuracy_size.png").write_bytes(b"of an earlier run")
    (tmp_path / "benchmark" / "benchmark.json").write_text('{"kdbuild": "0.1.0", "manifest_sha256": ""}')
    (tmp_path / "lines.txt").write_text("a film\n\n  a funny film \r\n")
    result = run_cli("benchmark", tags_folder, "--texts", "lines.txt", "--against", "none", "--rounds", "1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Format", "Status", "Size", "Accuracy", "p50", "p95"]
    assert "TorchScript int8 skipped: runs only with --trust torchscript, as such files can carry code" in lines
    assert sorted(path.name for path in (tmp_path / "benchmark").iterdir()) == [
        "benchmark.json",
        "benchmark.md",
        "latency_size.png",
    ]
    content = json.loads((tmp_path / "benchmark" / "benchmark.json").read_text())
    assert (content["texts_from"], content["baseline"]) == ("lines.txt, 2 without labels", None)
    assert {entry["accuracy"] for entry in content["results"]} == {None}


@pytest.mark.usefixtures("toys_known")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--against", "none", "--min-accuracy", "80.1"),
            "Error: FILE: accuracy 80.00 % is below --min-accuracy 80.1. Train a better student, or lower it.",
        ),
        (
            ("--against", "bert-large", "--min-speedup", "1e6"),
            "Error: FILE: N times as fast as BERT-large is below --min-speedup 1e+06. Train a smaller student, or lower it.",
        ),
        (
            ("--against", "broken", "--min-speedup", "1"),
            "Error: Broken could not be measured: --min-speedup 1 can't be judged. See above why.",
        ),
    ],
)
def test_gates(tflite_folder: Path, tags_data: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    out = tmp_path / "out"
    result = run_cli("benchmark", tflite_folder, "--data", tags_data, "--rounds", "1", "--out", out, *options)
    assert result.exit_code == 3, result.output
    shipped = json.loads((out / "benchmark.json").read_text())  # written all the same
    speedup = next(entry for entry in shipped["results"] if entry["name"] == shipped["ship"]["name"])["speedup"]
    expected = message.replace("FILE", shipped["ship"]["file"]).replace("N times", f"{speedup or 0:.1f} times")
    assert result.stderr.splitlines()[-1] == expected


def test_no_file_to_ship(tflite_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tflite_folder, tmp_path / "artefact"))
    for path in folder.glob("model_*"):
        path.write_bytes(b"damaged")
    result = run_cli("benchmark", folder, "--against", "none", "--rounds", "1", "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == (
        f"Error: {folder}: none of its model files could be measured. See above why."
    )
    assert "Ship: nothing, as no model file could be measured" in result.stdout
    assert result.stdout.count("it was changed. Export the artefact again.") == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["benchmark.json", "benchmark.md"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--min-accuracy", "90"), "--min-accuracy 90: accuracy needs true labels. Add --data FILE."),
        (("--min-accuracy", "101"), "Invalid value for '--min-accuracy': 101.0 is not in the range 0<=x<=100. See: "),
        (("--min-speedup", "9", "--against", "none"), "--min-speedup 9: there is nothing to be faster than. Leave "),
        (("--quoted",), "--quoted: there is no accuracy to set quoted ones beside. Add --data FILE."),
        (("--against", "bert-tny,none"), "--against bert-tny: no such contender. Did you mean 'bert-tiny'?"),
        (("--texts", "a.txt", "--data", "b.tsv"), "--texts a.txt: --data b.tsv gives the texts already. Leave one of "),
        (("--out", "artefact/benchmark"), "--out artefact/benchmark: is inside the artefact, whose files are fixed. "),
        (
            ("--out", "artefact"),
            "--out artefact: is inside the artefact, whose files are fixed. Choose another folder.",
        ),
        (("--out", "file", "--against", "none"), "--out file: can't be made (File exists). Choose another folder."),
        (("--rounds", "0"), "Invalid value for '--rounds': 0 is not in the range x>=1. See: "),
        (("--data", "nosuch.tsv"), "nosuch.tsv: no such file. Check the path."),
        (("--data", "texts.tsv"), "texts.tsv: has texts but no column 'label'. Add it, or give them as --texts."),
        (
            ("--data", "others.tsv"),
            "others.tsv, row 1: label 'dull' is not one of 'funny', 'warm'. Correct the row or ",
        ),
        (("--texts", "empty.txt"), "empty.txt: the file is empty. At least one text is needed."),
        (("--tokenizer", "nosuch"), "--tokenizer nosuch: no such folder. Give that of a Hugging Face model."),
    ],
)
def test_command_refuses(
    tflite_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tflite_folder, "artefact")
    Path("file").touch()
    Path("empty.txt").write_text(" \n\n")
    write_tsv(Path("texts.tsv"), [("a film", "x")], header="sentence\tother")
    write_tsv(Path("others.tsv"), [("a film", "dull")])
    before = sorted(map(str, tmp_path.rglob("*")))
    result = run_cli("benchmark", "artefact", *options)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")
    assert result.stdout == ""
    assert sorted(map(str, tmp_path.rglob("*"))) == before


OUTS = {
    "a table of others": ({"benchmark.md": "mine"}, "holds benchmark.md, which no benchmark wrote."),
    "a picture of others": ({"latency_size.png": "mine"}, "holds latency_size.png, which no benchmark wrote."),
    "figures of others": ({"benchmark.json": '{"mine": 1}'}, "holds benchmark.json, which no benchmark wrote."),
    "a list of others": ({"benchmark.json": "[1]"}, "holds benchmark.json, which no benchmark wrote."),
}


@pytest.mark.parametrize("name", OUTS)
def test_command_replaces_no_files_of_others(name: str, tflite_folder: Path, tmp_path: Path) -> None:
    files, reason = OUTS[name]
    for file, content in files.items():
        (tmp_path / file).write_text(content)
    result = run_cli("benchmark", tflite_folder, "--against", "none", "--rounds", "1", "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: --out {tmp_path}: {reason} Choose another folder.\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_command_does_not_replace_its_texts(tflite_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "benchmark.json").write_text('{"kdbuild": "0.1.0", "manifest_sha256": ""}')
    (tmp_path / "benchmark.md").write_text("a film\n")
    (tmp_path / "texts.txt").symlink_to("benchmark.md")
    texts = tmp_path / "texts.txt"
    result = run_cli("benchmark", tflite_folder, "--against", "none", "--texts", texts, "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: --out {tmp_path}: would replace {texts}, where the texts are. Choose another folder.\n"
    )
    assert texts.read_text() == "a film\n"


def test_command_needs_an_artefact(tmp_path: Path) -> None:
    result = run_cli("benchmark", tmp_path / "nosuch", "--against", "none", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'nosuch'}: no such artefact folder. Make one with: ")


def test_command_without_the_package_of_the_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise MissingExtraError("The encoder is not installed. Install it with: pip install encoder")

    monkeypatch.setattr(minilm, "minilm_folder", missing)
    result = run_cli("benchmark", DEMO, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: The encoder is not installed. Install it with: pip install encoder, or give --tokenizer "
        "FOLDER, or --against none\n"
    )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_interrupted_command_leaves_no_process_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kdbuild", "benchmark", str(DEMO), "--against", "none", "--rounds", "1000000"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        deadline = time.monotonic() + 300
        while not (workers := children(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.0)  # into the timing
        workers = children(process.pid) or workers
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Interrupted. Nothing was written."
    assert workers
    assert not any(map(is_alive, workers))
    assert list((tmp_path / "out").iterdir()) == []
