"""What the student is compared with: baselines, naive exports, and how they are measured, all at a tiny size."""

import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.candidates import contenders as all_peers
from benchmarks.candidates.__main__ import IN_LATENCY_PLOT, IN_SIZE_PLOT, pictured
from benchmarks.candidates.baselines import static_vectors, tfidf
from benchmarks.candidates.baselines.training import student_labels
from benchmarks.candidates.contenders import NAMES, all_contenders
from benchmarks.candidates.naive import environments
from benchmarks.candidates.naive.environments import ENVIRONMENTS, Environment, export_in, set_up
from benchmarks.candidates.naive.exports import EXPORTS, export_naively, exports_of
from benchmarks.candidates.naive.model import open_naive
from benchmarks.candidates.naive.weights import write_weights
from benchmarks.candidates.once import make_once
from benchmarks.candidates.subject import Subject, find_subject
from benchmarks.candidates.torch_student import open_student
from kdbuild.errors import BadInputError
from kdbuild.export.formats.mediapipe.graph import write_mediapipe
from kdbuild.export.formats.tflite.graph import write_tflite
from kdbuild.export.student_model import student_model
from kdbuild.measure.benchmark.candidates import Contender
from kdbuild.measure.benchmark.comparison import Raw, benchmark
from kdbuild.measure.candidate_process import Remote
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import Vocabulary
from kdbuild.trainer.student.bilstm import Student, load_student, save_student, student_logits
from reviews import make_reviews, write_tsv
from students import random_torch_student

ROOT = str(Path(__file__).resolve().parents[2])
LABELS = ["neg", "pos"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train.tsv`` and ``dev.tsv``, 40 rows each."""
    folder = tmp_path_factory.mktemp("peers-data")
    reviews = make_reviews(80, seed=2)
    write_tsv(folder / "train.tsv", reviews[:40])
    write_tsv(folder / "dev.tsv", reviews[40:])
    return folder


def texts_of(data: Path) -> list[str]:
    return [line.split("\t")[0] for line in (data / "dev.tsv").read_text().splitlines()[1:]]


def targets_of(data: Path) -> list[int]:
    return [LABELS.index(line.split("\t")[1]) for line in (data / "dev.tsv").read_text().splitlines()[1:]]


def baseline(module: str, function: str, folder: Path, data: Path, **arguments: str) -> Contender:
    return Contender(
        name=module,
        family="baseline",
        factory=f"benchmarks.candidates.baselines.{module}:{function}",
        arguments={"folder": str(folder), "data": str(data), "labels": LABELS, **arguments},
        prepare=f"benchmarks.candidates.baselines.{module}:prepare",
        folders=(ROOT,),
    )


def ask(contender: Contender, texts: list[str]) -> tuple[dict[str, Any], list[int], list[int]]:
    """What a contender says of itself, and the classes and numbers of tokens of texts, in a process of its own."""
    with Remote(contender, threads=1, timeout=120) as remote:
        if contender.prepare:
            remote.prepare()
        loaded = remote.load()
        remote.texts(texts)
        return loaded, remote.answers(range(len(texts))), remote.tokens(range(len(texts)))


def test_a_folder_is_filled_once_and_never_seen_half_filled(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        (out / "half").write_text("")
        raise OSError("disk full")

    def write(content: str, out: Path) -> None:
        (out / "file").write_text(content)

    with pytest.raises(OSError, match="disk full"):
        make_once(tmp_path / "a" / "made", fail)
    assert not (tmp_path / "a" / "made").exists()
    for content in ("first", "second"):
        made = make_once(tmp_path / "a" / "made", partial(write, content))
    assert {path.name: path.read_text() for path in made.iterdir()} == {"file": "first"}


def test_tfidf_weighs_words_and_pairs_by_hand(tmp_path: Path) -> None:
    np.savez(
        tmp_path / tfidf.WEIGHTS,
        idf=np.array([2, 1, 1], np.float32),
        coefficients=np.array([[-1, 3, 0]], np.float32),
        intercept=np.array([-0.5], np.float32),
    )
    (tmp_path / tfidf.NGRAMS).write_text("good\nnot good\nfilm", encoding="utf-8")
    model = tfidf.open_tfidf(folder=str(tmp_path), data="", labels=[], threads=1)
    # "not good film": weights 2, 1, 1; (-2 + 3) / sqrt(6) - 0.5 = -0.09. "not good": (-2 + 3) / sqrt(5) - 0.5 = -0.05.
    # "not good not good": good and the pair twice, 1 + ln 2 = 1.69 each: the same direction. "film": -0.5.
    assert [model(text) for text in ("not good film", "not good", "not good not good", "film", "")] == [0, 0, 0, 0, 0]
    kinder = replace(model, intercept=np.array([-0.44], np.float32))
    # 1 / sqrt(5) = 0.447, 1 / sqrt(6) = 0.408.
    assert [kinder(text) for text in ("not good film", "not good", "Not good not good")] == [0, 1, 1]
    # Twice is worth 1.69 times once: (-3.39 + 3) / sqrt(12.5) = -0.11.
    assert replace(model, intercept=np.array([0.15], np.float32))("not good good") == 1
    assert replace(model, intercept=np.array([0.08], np.float32))("not good good") == 0
    assert (model.parameters, model.tokens(model.encode("It isn't good."))) == (7, 5)


def test_tfidf_answers_as_scikit_learn_does(data: Path, tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]  # it has no types
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # it has no types

    train = make_reviews(80, seed=2)[:40]
    vectorizer = TfidfVectorizer(
        tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, 2), sublinear_tf=True
    )
    features = vectorizer.fit_transform([text for text, _ in train])
    model = LogisticRegression(C=10.0, max_iter=1000).fit(features, [LABELS.index(label) for _, label in train])
    texts = [*texts_of(data), "nothing known", ""]
    expected = model.predict(vectorizer.transform(texts)).tolist()
    folder = tmp_path / "made"
    loaded, answers, tokens = ask(baseline("tfidf", "open_tfidf", folder, data), texts)
    assert answers == expected
    assert tokens == [len(tokenize(text)) for text in texts]
    assert loaded["parameters"] == 2 * features.shape[1] + 1
    assert loaded["size_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert sum(one == other for one, other in zip(answers, targets_of(data), strict=False)) >= 36


def test_tfidf_of_three_classes(tmp_path: Path) -> None:
    rows = [(text, label) for label in ("a", "b", "c") for text in (f"{label}{label} it is", f"is it {label}{label}")]
    write_tsv(tmp_path / "data" / "train.tsv", rows)
    write_tsv(tmp_path / "data" / "dev.tsv", rows)
    tfidf.prepare(folder=str(tmp_path / "made"), data=str(tmp_path / "data"), labels=["a", "b", "c"], threads=1)
    model = tfidf.open_tfidf(folder=str(tmp_path / "made"), data="", labels=[], threads=1)
    assert [model(text) for text in ("aa", "bb here", "is cc it")] == [0, 1, 2]


@pytest.mark.parametrize("form", ["bin", "ftz"])
def test_fasttext_answers_as_its_file_does(form: str, data: Path, tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    texts = texts_of(data)
    folder = tmp_path / "made"
    loaded, answers, tokens = ask(baseline("fasttext_model", "open_fasttext", folder, data, form=form), texts)
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "model.ftz", "parameters.json"]
    model = fasttext.load_model(str(folder / f"model.{form}"))
    assert answers == [int(model.predict(" ".join(tokenize(text)))[0][0][-1]) for text in texts]
    assert tokens == [len(tokenize(text)) for text in texts]
    words = len({token for text, _ in make_reviews(80, seed=2)[:40] for token in tokenize(text)} | {"</s>"})
    assert loaded["parameters"] == 10 * ((words + 100_000 if form == "bin" else 20_000) + 2)
    assert loaded["size_bytes"] == (folder / f"model.{form}").stat().st_size
    assert (folder / "model.ftz").stat().st_size < (folder / "model.bin").stat().st_size / 5


def test_fasttext_is_not_misled_by_rows_that_stand_by_class(tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    write_tsv(tmp_path / "data" / "train.tsv", [("It is a film", "neg")] * 600 + [("It is a film", "pos")] * 400)
    write_tsv(tmp_path / "data" / "dev.tsv", [("It is", "neg"), ("a film", "pos")])
    contender = baseline("fasttext_model", "open_fasttext", tmp_path / "made", tmp_path / "data", form="bin")
    assert ask(contender, ["It is a film"])[1] == [0]
    _, probabilities = fasttext.load_model(str(tmp_path / "made" / "model.bin")).predict("it is a film")
    assert probabilities[0] == pytest.approx(0.6, abs=0.03)  # 0.51 if the rows are read as they stand


def test_static_vectors_are_averaged_by_hand(tmp_path: Path) -> None:
    np.savez(
        tmp_path / static_vectors.WEIGHTS,
        vectors=np.array([[0, 0], [9, 9], [0, 0], [3, 4], [0, -4]], np.float16),
        coefficients=np.array([[1, -1]], np.float32),
        intercept=np.array([0.1], np.float32),
    )
    vocabulary = Vocabulary(["<pad>", "<unk>", "<mask>", "good", "bad"])
    (tmp_path / static_vectors.VOCABULARY).write_bytes(vocabulary.to_bytes())
    model = static_vectors.open_static(folder=str(tmp_path), data="", labels=[], teacher="", threads=1)
    # good: (0.6, 0.8), -0.2 + 0.1. good and bad: (1, 0), 1.1. Unknown words don't count; without others it is the intercept.
    assert [model(text) for text in ("good", "Good bad", "good thing", "thing", "")] == [0, 1, 0, 1, 1]
    assert (model.parameters, model.tokens(model.encode("good thing"))) == (13, 2)


def test_static_vectors_are_the_teachers(data: Path, teacher_folder: Path, tmp_path: Path) -> None:
    texts = texts_of(data)
    folder = tmp_path / "made"
    contender = baseline("static_vectors", "open_static", folder, data, teacher=str(teacher_folder))
    loaded, answers, _ = ask(contender, texts)
    counts = Counter(token for text, _ in make_reviews(80, seed=2)[:40] for token in tokenize(text))
    vocabulary = (folder / "vocab.txt").read_text().splitlines()
    assert vocabulary[:3] == ["<pad>", "<unk>", "<mask>"]
    assert sorted(vocabulary[3:]) == sorted(counts)
    with np.load(folder / "weights.npz") as stored:
        vectors = stored["vectors"]
        assert vectors.shape == (len(vocabulary), 256)
        assert (vectors[:2] == 0).all()
        norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
        assert norms[vocabulary.index("the")] < norms[vocabulary.index("awful")]  # frequent words weigh less
        assert loaded["parameters"] == 257 + vectors.size
    assert sum(one == other for one, other in zip(answers, targets_of(data), strict=True)) >= 36


def test_the_student_in_torch_answers_as_in_training(finished_run: Path, data: Path) -> None:
    folder = finished_run / "student"
    contender = Contender(
        "s", "kdbuild", "benchmarks.candidates.torch_student:open_student", {"folder": str(folder)}, folders=(ROOT,)
    )
    loaded, answers, _ = ask(contender, texts_of(data))
    student, vocabulary = load_student(folder)
    ids = [vocabulary.ids(tokenize(text)) for text in texts_of(data)]
    assert answers == student_logits(student, ids).argmax(axis=1).tolist()
    assert loaded["parameters"] == sum(parameter.numel() for parameter in student.parameters())
    assert loaded["size_bytes"] == sum((folder / name).stat().st_size for name in ("model.safetensors", "vocab.txt"))


def test_a_student_of_several_labels_is_refused(tmp_path: Path) -> None:
    student = random_torch_student(problem_type="multi_label_classification", thresholds=[0.5] * 3, vocab_size=4)
    save_student(tmp_path, student, Vocabulary(["<pad>", "<unk>", "<mask>", "a"]))
    with pytest.raises(BadInputError) as caught:
        open_student(folder=str(tmp_path), threads=1)
    assert str(caught.value) == (
        f"{tmp_path}: a student of pairs or of several labels a text. Give one that reads one text."
    )


def test_a_student_on_hard_labels_becomes_a_file(data: Path, finished_run: Path, tmp_path: Path) -> None:
    student = finished_run / "student"
    contender = baseline("hard_labels", "open_hard_labels", tmp_path / "made", data, student=str(student), teacher="")
    loaded, answers, _ = ask(contender, texts_of(data))
    loaded_student, vocabulary = load_student(student)
    expected = student_logits(loaded_student, [vocabulary.ids(tokenize(text)) for text in texts_of(data)])
    assert answers == expected.argmax(axis=1).tolist()
    files = ("model_int8.tflite", "vocab.txt")
    assert loaded["size_bytes"] == sum((tmp_path / "made" / "artefact" / name).stat().st_size for name in files)
    wrong = replace(
        contender, arguments={**contender.arguments, "folder": str(tmp_path / "b"), "labels": ["pos", "neg"]}
    )
    report = benchmark([wrong], texts_of(data))
    assert (report.results[0].status, report.results[0].reason) == (
        "failed",
        f"{student}: its classes are neg, pos, not pos, neg. Give another.",
    )
    assert not (tmp_path / "b").exists()


@pytest.fixture(scope="module")
def subject(data: Path, finished_run: Path, teacher_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return find_subject(
        data=data,
        student=finished_run / "student",
        teacher=teacher_folder,
        work=tmp_path_factory.mktemp("peers-work"),
    )


def test_a_student_is_exported_in_all_formats_once(subject: Subject, data: Path, finished_run: Path) -> None:
    files = [f"model_{precision}{suffix}" for suffix in (".tflite", ".onnx", ".pt") for precision in ("int8", "fp32")]
    assert sorted(name for name in Artefact.open(subject.artefact).manifest.files if name in files) == sorted(files)
    assert (subject.labels, subject.remark) == (["neg", "pos"], "")
    assert subject.dev() == (texts_of(data), targets_of(data))
    made = (subject.artefact / "manifest.json").stat().st_mtime_ns
    again = find_subject(data=data, student=finished_run / "student", work=subject.work)
    assert again.artefact == subject.artefact
    assert (subject.artefact / "manifest.json").stat().st_mtime_ns == made


def test_a_student_of_another_artefact_is_refused(subject: Subject, data: Path, tmp_path: Path) -> None:
    other = random_torch_student(vocab_size=4)
    save_student(tmp_path / "other", other, Vocabulary(["<pad>", "<unk>", "<mask>", "a"]))
    with pytest.raises(BadInputError) as caught:
        find_subject(data=data, student=tmp_path / "other", artefact=subject.artefact, work=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'other'}: its vocabulary isn't that of {subject.artefact}. Give the student that it was made of."
    )


def test_without_a_student_one_is_trained(data: Path, tmp_path: Path) -> None:
    made = find_subject(data=data, work=tmp_path)
    assert made.remark == "trained here, as none was given: on hard labels, random word vectors"
    assert made.student is not None
    assert student_labels(made.student) == LABELS
    skipped = {one.name: one.skipped for one in all_contenders(made, tmp_path) if one.skipped}
    assert skipped.pop("BiLSTM on hard labels") == (
        "the student itself was trained here, as none was given: on hard labels, random word vectors"
    )
    assert set(skipped) == set(all_peers.NAIVE)


def test_every_contender_is_there_or_says_why_not(subject: Subject, tmp_path: Path) -> None:
    found = all_contenders(subject, tmp_path)
    assert tuple(one.name for one in found) == NAMES
    assert NAMES[7:18] == (
        "BERT-large, ONNX",
        "BERT-large, ONNX int8",
        "DistilBERT, ONNX",
        "DistilBERT, ONNX int8",
        "torch fp32",
        "TorchScript fp32",
        "TorchScript int8",
        "ONNX fp32",
        "ONNX int8",
        "TFLite fp32",
        "TFLite int8",
    )
    setup = "no environment for its converter: python -m benchmarks.candidates.naive setup"
    assert {one.name: one.skipped for one in found if one.skipped} == {
        "nn.LSTM, 32 tokens fp32": f"{setup} litert-torch",
        "nn.LSTM, 32 tokens int8": f"{setup} litert-torch",
        "nn.LSTM, 64 tokens fp32": f"{setup} litert-torch",
        "nn.LSTM, 64 tokens int8": f"{setup} litert-torch",
        "Keras 3 LSTM fp32": f"{setup} keras",
        "Keras 3 LSTM int8": f"{setup} keras",
        "Keras 2 LSTM fp32": f"{setup} keras",
        "Keras 2 LSTM int8": f"{setup} keras",
    }


def test_without_the_students_folder_what_needs_it_is_skipped(subject: Subject, tmp_path: Path) -> None:
    shutil.copytree(subject.artefact, tmp_path / "artefact")
    found = all_contenders(replace(subject, student=None), tmp_path)
    why = "only an artefact was given: give the folder of its student, too"
    assert {one.name for one in found if one.skipped == why} == {"torch fp32", *all_peers.NAIVE}


def test_contenders_take_turns_and_every_call_is_kept(subject: Subject, tmp_path: Path) -> None:
    texts, labels = subject.dev()
    texts[0], texts[10] = "Good.", "A good film."
    missing = tmp_path / "shadow"
    missing.mkdir()
    (missing / "fasttext.py").write_text("raise ModuleNotFoundError(\"No module named 'fasttext'\")\n")
    by_name = {one.name: one for one in all_contenders(subject, tmp_path)}
    chosen = [
        by_name["TFLite int8"],
        replace(by_name["TF-IDF + logistic regression"], slow=True),
        replace(by_name["fastText"], folders=(str(missing), ROOT)),
        replace(by_name["static vectors"], factory="benchmarks.candidates.baselines.static_vectors:open_nothing"),
        by_name["Keras 3 LSTM int8"],
    ]
    raw = Raw()
    report = benchmark(chosen, texts, labels, rounds=2, baseline="TFLite int8", raw=raw)
    assert {one.name: (one.status, one.reason) for one in report.results} == {
        "TFLite int8": ("ok", ""),
        "TF-IDF + logistic regression": ("ok", ""),
        "fastText": ("not installed", "No module named 'fasttext'"),
        "static vectors": (
            "failed",
            "module 'benchmarks.candidates.baselines.static_vectors' has no attribute 'open_nothing'",
        ),
        "Keras 3 LSTM int8": (
            "skipped",
            "no environment for its converter: python -m benchmarks.candidates.naive setup keras",
        ),
    }
    names = "TFLite int8", "TF-IDF + logistic regression"
    ours, slow = (report[name] for name in names)
    assert set(raw.answers) == set(names)
    assert set(raw.calls) == {(name, tokenization) for name in names for tokenization in (True, False)}
    # 40 texts in two rounds; 24 of them once.
    assert [len(raw.calls[name, True]) for name in names] == [80, 24]
    assert [len(raw.calls[name, False]) for name in names] == [80, 24]
    assert min(min(calls) for calls in raw.calls.values()) > 0
    for one in (ours, slow):
        latency, without = one.latency, one.latency_without_tokenization
        assert latency is not None and without is not None and ours.latency is not None
        assert latency.median_ms == pytest.approx(np.median(raw.calls[one.name, True]) / 1e6)
        assert without.median_ms == pytest.approx(np.median(raw.calls[one.name, False]) / 1e6)
        assert one.speedup == pytest.approx(ours.latency.shared_median_ms / latency.shared_median_ms)
    assert len(raw.answers["TFLite int8"]) == 40
    assert sum(one == other for one, other in zip(raw.answers["TFLite int8"], labels, strict=True)) >= 36
    assert ours.tokens_median == slow.tokens_median == np.median([len(tokenize(text)) for text in texts])
    files = ("model_int8.tflite", "vocab.txt")
    assert ours.size_bytes == sum((subject.artefact / name).stat().st_size for name in files)
    assert ours.first_call_ms is not None
    assert ours.cold_start_seconds is not None
    assert 0 < ours.first_call_ms / 1000 < ours.cold_start_seconds
    if sys.platform == "linux":
        assert ours.peak_rss_bytes is not None
        assert ours.peak_rss_bytes > 10_000_000


def test_the_plots_show_those_of_whom_an_accuracy_is_known(subject: Subject, tmp_path: Path) -> None:
    texts, labels = subject.dev()
    by_name = {one.name: one for one in all_contenders(subject, tmp_path)}
    small = replace(by_name["TF-IDF + logistic regression"], name="small")
    chosen = [
        replace(small, name="random", trained=False),
        replace(small, name="quoted", trained=False, quoted_accuracy=0.9, quoted_source="a paper"),
        small,
    ]
    report = benchmark(chosen, texts, labels, rounds=1)
    all_names = ["random", "quoted", "small"]
    assert [result.name for result in pictured(report, all_names, quoted=True).results] == ["quoted", "small"]
    assert [result.name for result in pictured(report, all_names, quoted=False).results] == ["small"]
    assert [result.name for result in pictured(report, ["quoted", "random"], quoted=True).results] == ["quoted"]
    assert {*IN_SIZE_PLOT, *IN_LATENCY_PLOT} < {*NAMES}


WORDS = Vocabulary(["<pad>", "<unk>", "<mask>", *(f"w{place}" for place in range(37))])
"""Of ``random_torch_student``."""


def save_random_student(folder: Path, **shape: Any) -> Student:
    student = random_torch_student(**shape)
    save_student(folder, student, WORDS)
    return student


def open_file(file: Path, folder: Path, *, max_tokens: int = 16) -> Any:
    return open_naive(
        file=str(file),
        vocabulary=str(folder / "vocab.txt"),
        tokenizer=1,
        max_tokens=max_tokens,
        parameters=1234,
        keeps_state=False,
        threads=1,
        student="not needed",
    )


def test_a_file_of_any_length_is_resized_to_each_text(tmp_path: Path) -> None:
    student = save_random_student(tmp_path)
    file = tmp_path / "any.tflite"
    file.write_bytes(write_tflite(student_model(student), quantize=False))
    model = open_file(file, tmp_path)
    for ids in ([3, 4, 5], [7], [9, 8, 7, 6, 5, 4], [3, 4, 5]):
        expected = student_logits(student, [ids])[0]
        assert np.abs(model.logits(np.array(ids, np.int32)) - expected).max() < 1e-4
    text = " ".join(f"w{place % 37}" for place in range(30))
    assert model.tokens(model.encode(text)) == 16  # cut
    size = file.stat().st_size + (tmp_path / "vocab.txt").stat().st_size
    assert (model.parameters, model.size_bytes, model.padded) == (1234, size, False)
    assert model("w1 w2") == int(student_logits(student, [[4, 5]])[0].argmax())


def test_a_file_of_one_length_gets_padded_and_cut_texts(tmp_path: Path) -> None:
    student = save_random_student(tmp_path)
    file = tmp_path / "five.tflite"
    content = write_mediapipe(student_model(student), WORDS, ["no", "yes", "so"], tokens=5)
    file.write_bytes(content)
    model = open_file(file, tmp_path)
    assert (model.padded, model.max_tokens) == (True, 5)
    for words in (["w1"], ["w5", "w6", "w7"], [f"w{place}" for place in range(9)]):
        ids = WORDS.ids(words)[:5]
        exponents = np.exp(student_logits(student, [ids])[0])
        assert np.abs(model.logits(np.array(ids, np.int32)) - exponents / exponents.sum()).max() < 0.05
        (details,) = model.interpreter.get_input_details()
        assert model.interpreter.get_tensor(details["index"]).tolist() == [ids + [0] * (5 - len(ids))]
        assert model(" ".join(words)) == int(exponents.argmax())


def test_weights_are_written_for_other_pythons(tmp_path: Path) -> None:
    student = random_torch_student(factor_size=4)
    write_weights(tmp_path / "w.npz", student_model(student))
    with np.load(tmp_path / "w.npz", allow_pickle=False) as stored:
        assert {name: value.shape for name, value in stored.items()} == {
            "embedding": (40, 4),
            "forward_input": (80, 4),
            "forward_recurrent": (80, 20),
            "forward_bias": (80,),
            "backward_input": (80, 4),
            "backward_recurrent": (80, 20),
            "backward_bias": (80,),
            "hidden": (12, 40),
            "hidden_bias": (12,),
            "output": (3, 12),
            "output_bias": (3,),
        }
        biases = [student.state_dict()[f"lstm.bias_{part}_l0_reverse"].numpy() for part in ("ih", "hh")]
        assert np.array_equal(stored["backward_bias"], biases[0] + biases[1])
    with pytest.raises(BadInputError) as caught:
        write_weights(tmp_path / "max.npz", student_model(random_torch_student(pooling="max")))
    assert str(caught.value) == "student: pools by max. The naive exports take one that reads the last states."


def environment_of(folder: Path, requirements: str, script: str = "", gigabytes: float = 0.1) -> Environment:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.txt").write_text(requirements)
    (folder / "script.py").write_text(script)
    return Environment("tiny", folder / "tiny.txt", folder / "script.py", "json", gigabytes)


linux = pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="pinned for it")


@linux
def test_an_environment_is_made_once_and_replaces_older_ones(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = environment_of(tmp_path / "files", "# nothing\n")
    python = set_up(first, cache)
    assert python.is_file()
    made = (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns
    assert set_up(first, cache) == python
    assert (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns == made
    second = set_up(environment_of(tmp_path / "files", "# nothing else\n"), cache)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [second.parents[1].name]
    assert second != python


@linux
def test_an_environment_that_cant_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    broken = environment_of(tmp_path / "files", "no-such-package==1.0\n")
    with pytest.raises(BadInputError) as caught:
        set_up(broken, tmp_path / "cache")
    assert str(caught.value) == (
        "tiny: python failed (ERROR: Could not find a version that satisfies the requirement no-such-package==1.0 "
        "(from versions: none)). Run the same command again."
    )
    assert not broken.folder(tmp_path / "cache").exists()
    large = environment_of(tmp_path / "files", "# large\n", gigabytes=1e6)
    with pytest.raises(BadInputError, match=r"GB are free, tiny takes 1e\+06\. Make room first\.$"):
        set_up(large, tmp_path / "cache")


@linux
def test_a_script_says_its_versions_or_why_it_failed(tmp_path: Path) -> None:
    script = "import json, pathlib, sys\npathlib.Path(sys.argv[2], 'a').touch()\nprint('noise')\nprint(json.dumps({'a': '1'}))"
    working = environment_of(tmp_path / "files", "", script)
    set_up(working, tmp_path / "cache")
    assert export_in(working, tmp_path / "cache", tmp_path / "w.npz", tmp_path) == {"a": "1"}
    assert (tmp_path / "a").exists()
    (tmp_path / "files" / "script.py").write_text("raise SystemExit('can\\'t be converted')")
    with pytest.raises(BadInputError) as caught:
        export_in(working, tmp_path / "cache", tmp_path / "w.npz", tmp_path)
    assert str(caught.value) == "tiny: python failed (can't be converted). Run the same command again."


def test_pins_are_complete() -> None:
    for environment in ENVIRONMENTS.values():
        lines = environment.requirements.read_text().splitlines()[1:]
        assert all(line.count("==") == 1 for line in lines)
        assert lines == sorted(lines)
    assert {export.environment for export in EXPORTS} == set(ENVIRONMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_naive_exports_answer_as_the_student_does(name: str, tmp_path: Path) -> None:
    cache = environments.naive_cache()
    if not ENVIRONMENTS[name].folder(cache).is_dir():
        pytest.skip(f"python -m benchmarks.candidates.naive setup {name}")
    student = save_random_student(tmp_path / "student")
    folder = export_naively(tmp_path / "student", name, cache, exports_of(tmp_path / "student", name, tmp_path))
    assert json.loads((folder / "versions.json").read_text())
    for export in EXPORTS:
        for precision, tolerance in (("fp32", 1e-4), ("int8", 0.5)) if export.environment == name else ():
            model = open_naive(
                file=str(folder / export.file.format(precision=precision)),
                vocabulary=str(tmp_path / "student" / "vocab.txt"),
                tokenizer=1,
                max_tokens=16,
                parameters=0,
                keeps_state=export.keeps_state,
                threads=1,
            )
            for ids in ([3, 4, 5], [7], [9, 8, 7, 6, 5, 4], [3, 4, 5]):
                difference = np.abs(model.logits(np.array(ids, np.int32)) - student_logits(student, [ids])[0]).max()
                assert difference < tolerance, (export.title, precision, ids)
