"""Texts in scripts without spaces, hard labels: the student, and baselines on n-grams of characters."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kdbuild.api import train
from kdbuild.export.formats.format import Content
from kdbuild.export.formats.native.format import Native
from kdbuild.export.student_model import student_model, student_shape
from kdbuild.runtime.data.readers import Rows, read_rows
from kdbuild.trainer.student.bilstm import load_student

RECIPE: dict[str, Any] = {
    "loss": "cross_entropy",
    "embeddings": "random",
    "embedding_size": 64,
    "hidden_size": 96,
    "classifier_size": 64,
    "pooling": "max",
    "dropout": 0.3,
    "piece_dropout": 0.3,
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 2e-3,
}
"""The student's options, as ``kdbuild train`` takes them."""


def student(data: Path, tokenizer: str, seed: int, work: Path) -> dict[str, Any]:
    """Train a student on a data folder's hard labels.

    Args:
        data: folder of ``train.tsv`` and ``dev.tsv``.
        tokenizer: as ``--tokenizer`` has it.
        seed: of everything random.
        work: folder for the run; removed again.
    """
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        run = train(data, out=folder / "run", **{**RECIPE, "tokenizer": tokenizer, "seed": seed})
        loaded, vocabulary = load_student(run.folder.path / "student")
        metrics = run.metrics["distill"]["dev"]
    finally:
        shutil.rmtree(folder)
    labels = [f"{number}" for number in range(loaded.config.num_labels)]
    content = Content(student_model(loaded), student_shape(loaded), vocabulary, labels, 1.0)
    return {
        "dev": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "bytes": len(Native().write(content, "int8")),
        "vocabulary": len(vocabulary),
    }


def _parts(data: Path) -> tuple[Rows, Rows]:
    return read_rows(data / "train.tsv"), read_rows(data / "dev.tsv")


def tfidf(data: Path) -> dict[str, Any]:
    """Measure logistic regression over TF-IDF of 1- to 4-grams of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    train_rows, dev = _parts(data)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
    features = vectorizer.fit_transform(train_rows.texts)
    best = max(
        (
            float(
                LogisticRegression(C=strength, max_iter=1000)
                .fit(features, train_rows.labels)
                .score(vectorizer.transform(dev.texts), dev.labels)
            ),
            strength,
        )
        for strength in (1.0, 3.0, 10.0)
    )
    classes = len(set(train_rows.labels or ()))
    names = sum(len(name.encode()) + 1 for name in vectorizer.vocabulary_)
    # A float a class and n-gram, its weight and the n-grams themselves; with two classes, one is enough.
    size = names + 4 * features.shape[1] * (1 + (classes if classes > 2 else 1))
    return {"dev": best[0], "C": best[1], "bytes": size, "features": features.shape[1]}


def fasttext(data: Path, work: Path) -> dict[str, Any]:
    """Measure fastText on n-grams of 1 to 4 characters: the best of some numbers of epochs and rates."""
    import fasttext as library  # type: ignore[import-untyped]  # it has no types

    train_rows, dev = _parts(data)
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        path = folder / "train.txt"
        rows = zip(train_rows.texts, train_rows.labels or (), strict=True)
        lines = [f"__label__{label} {' '.join(text.split())}\n" for text, label in rows]
        path.write_text("".join(lines[place] for place in np.random.default_rng(0).permutation(len(lines))), "utf-8")
        best: dict[str, Any] = {"dev": 0.0}
        for epochs in (5, 10, 25):
            for rate in (0.1, 0.5):
                model = library.train_supervised(
                    str(path), minn=1, maxn=4, dim=50, epoch=epochs, lr=rate, thread=1, verbose=0, bucket=200_000
                )
                found = [model.predict(" ".join(text.split()))[0] for text in dev.texts]
                pairs = zip(found, dev.labels or (), strict=True)
                right = [bool(labels) and labels[0] == f"__label__{label}" for labels, label in pairs]
                if np.mean(right) > best["dev"]:
                    model.save_model(str(folder / "model.bin"))
                    size = (folder / "model.bin").stat().st_size
                    best = {"dev": float(np.mean(right)), "epochs": epochs, "rate": rate, "bytes": size}
    finally:
        shutil.rmtree(folder)
    return best
