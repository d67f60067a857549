"""Labelling: the teacher's answers in their places, whatever the number of processes and however often it is killed."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import processes
from kdbuild import console as progress
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.trainer.data.texts import RowText
from kdbuild.trainer.teacher import label as labelling
from kdbuild.trainer.teacher.label import label
from kdbuild.trainer.teacher.model import Teacher
from kdbuild.trainer.teacher.store import LabelStore
from reviews import make_reviews

BATCH = 2  # a shard is 32 sentences
LINES = [" ".join(tokenize(text)[:length]) for length in (4, 9, 99) for text, _ in make_reviews(50, seed=7)]
LINES[3] = "<mask> film"
TEXTS = [RowText(line) for line in LINES]
PAIRS = [RowText(line, other) for line, other in zip(LINES[:50], LINES[50:100], strict=True)]


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> Teacher:
    return Teacher(teacher_folder, bf16=False, max_pieces=64)


@pytest.fixture(scope="module")
def labelled(teacher: Teacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the lines."""
    folder = tmp_path_factory.mktemp("labelled")
    label(TEXTS, teacher, BATCH, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_sentence_gets_its_own_logits(labelled: Path, teacher: Teacher) -> None:
    logits = np.load(labelled / "logits.npy", allow_pickle=False)
    assert logits.dtype == np.float32
    assert len(set(map(len, teacher.encode(LINES)))) > 3
    alone = np.concatenate([teacher.logits(teacher.encode([line])) for line in LINES])
    np.testing.assert_allclose(logits, alone, atol=1e-5)
    assert len(np.unique(alone, axis=0)) > 100  # a logit in another's place would be seen


def test_what_is_written(labelled: Path) -> None:
    assert sorted(contents(labelled)) == ["logits.npy", "scores.tsv"]
    logits = np.load(labelled / "logits.npy", allow_pickle=False)
    header, *rows = (labelled / "scores.tsv").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert header == "tokens\tscores"
    assert rows == [f"{line}\t{a:.6f} {b:.6f}" for line, (a, b) in zip(LINES, logits.tolist(), strict=True)]


def test_pairs_have_a_column_more(teacher: Teacher, tmp_path: Path) -> None:
    label(PAIRS, teacher, BATCH, tmp_path)
    header, *rows = (tmp_path / "scores.tsv").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert header == "tokens\tsentence2\tscores"
    assert [row.rsplit("\t", 1)[0] for row in rows] == [f"{text.first}\t{text.second}" for text in PAIRS]
    alone = np.concatenate([teacher.logits(teacher.encode([first], [second or ""])) for first, second in PAIRS])
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy", allow_pickle=False), alone, atol=1e-5)


def test_no_sentences(teacher: Teacher, tmp_path: Path) -> None:
    assert label([], teacher, BATCH, tmp_path) == (0, 0, 0)
    assert np.load(tmp_path / "logits.npy", allow_pickle=False).shape == (0, 2)
    assert (tmp_path / "scores.tsv").read_text() == "tokens\tscores\n"


class Lines:
    """Sentences that are read from their file each time."""

    def __init__(self, path: Path):
        self._path = path

    def __len__(self) -> int:
        return len(LINES)

    def __iter__(self) -> Iterator[RowText]:
        with self._path.open(encoding="utf-8") as stream:
            yield from (RowText(line.removesuffix("\n")) for line in stream)


def test_sentences_need_not_be_a_list(labelled: Path, teacher: Teacher, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("".join(line + "\n" for line in LINES), encoding="utf-8")
    label(Lines(tmp_path / "lines"), teacher, BATCH, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(labelled)


@pytest.mark.parametrize(("part", "encoded"), [(1, 1), (40, 7), (75, 75), (150, 64)])
def test_parts_of_any_size(
    part: int, encoded: int, labelled: Path, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "_PART", part)
    monkeypatch.setattr(labelling, "_ENCODED", encoded)
    monkeypatch.setattr(labelling, "_WRITTEN", encoded)
    label(TEXTS, teacher, BATCH, tmp_path)
    assert contents(tmp_path) == contents(labelled)


class Stop(Exception):
    """The kill."""


class Counting:
    """A teacher that is killed after some batches, and remembers what it was asked."""

    def __init__(self, teacher: Teacher, batches: int = 1000):
        self.model = teacher.model
        self.encoded = self.asked = 0
        self._teacher, self._left = teacher, batches

    def encode(self, first: Sequence[str], second: Sequence[str] | None = None) -> list[list[int]]:
        self.encoded += len(first)
        return self._teacher.encode(first, second)

    def logits(self, pieces: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        self._left -= 1
        if self._left < 0:
            raise Stop
        self.asked += len(pieces)
        return self._teacher.logits(pieces)


def run(teacher: Counting, folder: Path, **arguments: object) -> float:
    return label(TEXTS, teacher, BATCH, folder, **arguments).rate  # type: ignore[arg-type] # it has what labelling calls


def killed(teacher: Teacher, folder: Path, **arguments: object) -> None:
    """Leave a folder with two shards of five, as a kill in the third does."""
    counting = Counting(teacher, batches=2 * 16 + 5)
    with pytest.raises(Stop):
        run(counting, folder, **arguments)
    assert counting.asked == 2 * 32 + 10
    assert sorted(path.name for path in (folder / "shards").iterdir()) == ["000000.npy", "000001.npy"]


def test_a_killed_run_goes_on(labelled: Path, teacher: Teacher, tmp_path: Path) -> None:
    killed(teacher, tmp_path)
    again = Counting(teacher)
    assert run(again, tmp_path) > 0
    assert (again.encoded, again.asked) == (0, 150 - 2 * 32)
    assert contents(tmp_path) == contents(labelled)


def test_a_finished_folder_is_left_as_it_is(labelled: Path, teacher: Teacher, tmp_path: Path) -> None:
    shutil.copytree(labelled, tmp_path / "out")
    (tmp_path / "out" / "shards").mkdir()  # killed while it was removed
    again = Counting(teacher)
    assert run(again, tmp_path / "out") == 0
    assert (again.encoded, again.asked) == (0, 0)
    assert contents(tmp_path / "out") == contents(labelled)


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    """An empty one."""
    return LabelStore(tmp_path / "store", 2)


def test_texts_are_asked_once(labelled: Path, teacher: Teacher, store: LabelStore, tmp_path: Path) -> None:
    first, second = Counting(teacher), Counting(teacher)
    assert label(TEXTS[:100], first, BATCH, tmp_path / "first", store=store)[:2] == (100, 0)  # type: ignore[arg-type]
    mixed = TEXTS[::-1]
    assert label(mixed, second, BATCH, tmp_path / "second", store=store)[:2] == (50, 100)  # type: ignore[arg-type]
    assert (first.asked, second.asked) == (100, 50)
    logits = np.load(tmp_path / "second" / "logits.npy", allow_pickle=False)
    # Those that were known to the last bit, all others but for rounding: they were in other batches.
    np.testing.assert_array_equal(logits[50:], np.load(tmp_path / "first" / "logits.npy", allow_pickle=False)[::-1])
    np.testing.assert_allclose(logits[::-1], np.load(labelled / "logits.npy", allow_pickle=False), atol=1e-5)
    assert sorted(contents(tmp_path / "second")) == ["logits.npy", "scores.tsv"]


def test_a_store_changes_nothing_of_what_is_new(
    labelled: Path, teacher: Teacher, store: LabelStore, tmp_path: Path
) -> None:
    together([Counting(teacher) for _ in range(3)], tmp_path / "out", store=store)
    assert contents(tmp_path / "out") == contents(labelled)
    again = Counting(teacher)
    assert run(again, tmp_path / "again", store=store) == 0
    assert again.asked == 0
    assert contents(tmp_path / "again") == contents(labelled)


def test_a_killed_run_goes_on_whatever_the_store_learned(
    labelled: Path, teacher: Teacher, store: LabelStore, tmp_path: Path
) -> None:
    killed(teacher, tmp_path / "out", store=store)
    assert run(Counting(teacher), tmp_path / "elsewhere", store=store) > 0  # finds two shards of it
    again = Counting(teacher)
    run(again, tmp_path / "out", store=store)
    assert again.asked == 150 - 2 * 32
    assert contents(tmp_path / "out") == contents(labelled)


def test_a_killed_run_of_before_there_were_stores_goes_on(
    labelled: Path, teacher: Teacher, store: LabelStore, tmp_path: Path
) -> None:
    run(Counting(teacher), tmp_path / "elsewhere", store=store)
    killed(teacher, tmp_path / "out")
    for name in ("asked.npy", "known.npy"):
        (tmp_path / "out" / name).unlink()
    again = Counting(teacher)
    run(again, tmp_path / "out", store=store)
    assert again.asked == 150 - 2 * 32
    assert contents(tmp_path / "out") == contents(labelled)


def together(teachers: Sequence[Counting], folder: Path, **arguments: object) -> list[float]:
    """Label as several processes do, here in threads."""
    barrier = threading.Barrier(len(teachers), timeout=60)
    reached = [0] * len(teachers)
    changed = threading.Condition()
    rates = [0.0] * len(teachers)

    def work(rank: int) -> None:
        def wait() -> None:
            with changed:
                reached[rank] += 1
                changed.notify_all()
            barrier.wait()

        try:
            rates[rank] = run(teachers[rank], folder, rank=rank, world_size=len(teachers), barrier=wait, **arguments)
        except threading.BrokenBarrierError:
            pass
        except Stop:
            # Only at their next barrier do the others find out.
            with changed:
                others = [other for other in range(len(teachers)) if other != rank]
                changed.wait_for(lambda: all(reached[other] > reached[rank] for other in others), timeout=60)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(teachers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rates


class Clock(threading.local):
    """Stands for ``time``: to each thread, all that it does after its start has taken ten seconds."""

    def __init__(self) -> None:
        self._times = chain([0.0, 1.0], repeat(10.0))  # the first two are those of starts

    def monotonic(self) -> float:
        return next(self._times)


def test_the_work_is_shared_out(
    labelled: Path, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "_PART", 40)  # sentences: 40, 40, 40, 30
    monkeypatch.setattr(labelling, "time", Clock())
    teachers = [Counting(teacher) for _ in range(3)]
    rates = together(teachers, tmp_path)
    assert [one.encoded for one in teachers] == [40 + 30, 40, 40]
    # Shards 0 and 3, 1 and 4 (which is the last and smaller), 2.
    assert [one.asked for one in teachers] == [64, 32 + 22, 32]
    assert rates == [15, 15, 15]  # of all three, not of each
    assert contents(tmp_path) == contents(labelled)


def test_fewer_and_more_processes_go_on(labelled: Path, teacher: Teacher, tmp_path: Path) -> None:
    # Two processes: the second is killed in its first shard (number 1), the first labels its three (0, 2, 4) and waits.
    together([Counting(teacher), Counting(teacher, batches=3)], tmp_path / "fewer")
    assert sorted(path.name for path in (tmp_path / "fewer" / "shards").iterdir()) == [
        "000000.npy",
        "000002.npy",
        "000004.npy",
    ]
    alone = Counting(teacher)
    run(alone, tmp_path / "fewer")
    assert alone.asked == 64
    assert contents(tmp_path / "fewer") == contents(labelled)
    killed(teacher, tmp_path / "more")
    teachers = [Counting(teacher) for _ in range(2)]
    together(teachers, tmp_path / "more")
    assert [one.asked for one in teachers] == [32 + 22, 32]  # 2 and 4, 3
    assert contents(tmp_path / "more") == contents(labelled)


def test_progress_of_several_processes(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    together([Counting(teacher), Counting(teacher)], tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("labelling: ")]
    # Shards 0, 2 and 4 of the first, 1 and 3 of the second: each counts what it has to do itself.
    assert len(lines) == 5
    assert sum(line.startswith("labelling: 100%") for line in lines) == 2
    assert all(line.endswith(" rows/s in this of 2 processes") for line in lines)


def labeller(rank: int, store: Path, model: Path, folders: Sequence[Path]) -> None:
    """One of two processes, as torchrun starts them."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    teacher = Teacher(model, bf16=False, max_pieces=64)

    def barrier() -> None:
        dist.barrier()

    for folder in folders:
        label(TEXTS, teacher, BATCH, folder, rank=rank, world_size=2, barrier=barrier)
    dist.destroy_process_group()


def test_two_real_processes_write_the_same_bytes(
    labelled: Path, teacher: Teacher, teacher_folder: Path, tmp_path: Path
) -> None:
    killed(teacher, tmp_path / "resumed")
    arguments = (tmp_path / "store", teacher_folder, [tmp_path / "fresh", tmp_path / "resumed"])
    both = [processes.CONTEXT.Process(target=labeller, args=(rank, *arguments)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=300)
    assert [process.exitcode for process in both] == [0, 0]
    assert contents(tmp_path / "fresh") == contents(labelled)
    assert contents(tmp_path / "resumed") == contents(labelled)
