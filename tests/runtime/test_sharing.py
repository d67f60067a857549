"""Classifiers that are copied, pickled, forked, and whose files change under them: the answers stay the same."""

import copy
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.runtime import Classifier
from kdbuild.runtime.engines import forks
from students import word_spotter

TEXTS = ["a funny film", "a warm and funny film", "a film", "film " * 40]
ENGINES = ("tflite", "onnx", "torchscript")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact in every format. Not to be changed; copy it."""
    folder = tmp_path_factory.mktemp("sharing") / "artefact"
    export_student(word_spotter(), folder, formats=list(ENGINES), quantize=True, limits=Limits(), temper=False)
    return folder


COPIES: dict[str, Callable[[Classifier], Classifier]] = {
    "pickle": lambda classify: pickle.loads(pickle.dumps(classify)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", COPIES)
def test_copies_answer_alike(way: str, engine: str, exported: Path) -> None:
    classify = Classifier.load(exported, engine=engine, precision="fp32", threshold=0.2)
    made = COPIES[way](classify)
    assert made is not classify
    assert made.model_file == classify.model_file
    assert made(TEXTS) == classify(TEXTS)
    classify.close()
    assert made(TEXTS[0]).labels == ["funny"]


def test_a_pickle_knows_its_folder_elsewhere(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported.parent)
    pickled = pickle.dumps(Classifier.load(exported.name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickled)(TEXTS[0]).labels == ["funny"]


def test_what_cannot_be_copied(exported: Path) -> None:
    classify = Classifier.load(exported)
    by_hand = Classifier(classify.manifest, classify.vocabulary, classify.engine, classify.model_file)
    classify.close()
    for one in (by_hand, classify):
        with pytest.raises(TypeError, match=r"^a classifier can be copied or pickled when Classifier\.load made it"):
            pickle.dumps(one)


def test_sent_to_a_process_that_is_started_anew(exported: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (answer,) = pool.map(Classifier.load(exported), TEXTS[:1])
    assert answer.labels == ["funny"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, 0),
    "overwritten": lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
    "replaced": lambda path: (path.with_suffix(".new").write_bytes(b"x"), path.with_suffix(".new").rename(path)),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_under_it(change: str, engine: str, exported: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "artefact"))
    classify = Classifier.load(folder, engine=engine, precision="fp32")
    expected = Classifier.load(exported, engine=engine, precision="fp32")(TEXTS)
    CHANGES[change](folder / classify.model_file)
    assert classify(TEXTS) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_forked_while_another_thread_is_in_a_call(engine: str, threads: int, exported: Path) -> None:
    classify = Classifier.load(exported, engine=engine, precision="fp32", threads=threads)
    expected = [answer.labels for answer in classify(TEXTS)]
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            classify(TEXTS)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(10):
            with warnings.catch_warnings():
                # That is what is done here on purpose.
                warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
                child = os.fork()
            if child == 0:
                signal.alarm(20)  # a child that hangs is killed
                right = [answer.labels for answer in classify(TEXTS)] == expected
                os._exit(0 if right and classify.engine.vocabulary_size == len(classify.vocabulary) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in asking:
            thread.join()
    assert [answer.labels for answer in classify(TEXTS)] == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_waits_for_calls_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, begun, ended = forks.Calls(), threading.Event(), []

    def call() -> None:
        with calls.one():
            begun.set()
            time.sleep(0.2)
            ended.append(True)

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
            child = os.fork()
        if child == 0:
            with calls.one():
                os._exit(7 if ended else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

    thread = threading.Thread(target=call)
    thread.start()
    begun.wait()
    fork()
    thread.join()
    # As from a signal's handler, in the middle of a call.
    monkeypatch.setattr(forks, "_LONGEST_CALL", 0.1)
    with calls.one():
        fork()
    fork()
