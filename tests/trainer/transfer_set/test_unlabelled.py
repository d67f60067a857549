"""Unlabelled text: what is kept of it, in which tokens, and what is refused."""

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from kdbuild.errors import BadInputError
from kdbuild.trainer.options import AugmentOptions
from kdbuild.trainer.transfer_set import unlabelled
from kdbuild.trainer.transfer_set.augment import augment
from kdbuild.trainer.transfer_set.dedup import SentenceSet
from kdbuild.trainer.transfer_set.unlabelled import UnlabelledCounts, check_unlabelled, read_unlabelled
from transfer_sets import article

OPTIONS = AugmentOptions()
SPLIT = AugmentOptions(split_sentences=True, unlabelled_min_words=1)


def write(path: Path, content: str | bytes) -> str:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return str(path)


def kept(paths: Sequence[str], options: AugmentOptions = OPTIONS, seen: SentenceSet | None = None) -> list[str]:
    return [" ".join(tokens) for tokens in read_unlabelled(paths, options, seen)]


def counted(paths: Sequence[str], options: AugmentOptions = OPTIONS) -> UnlabelledCounts:
    found: list[UnlabelledCounts] = []
    list(read_unlabelled(paths, options, report=found.append))
    (counts,) = found
    return counts


def read_all(paths: Sequence[str]) -> None:
    list(read_unlabelled(paths, OPTIONS))


def exactly(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_a_text_a_line_in_our_tokens(tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "\ufeffIt ISN'T bad.\r\n\n  \nA <mask>\tof caf\u00e9\u2019s\x0b fun")
    second = write(tmp_path / "b.txt.gz", "Warm film\nCold film\n")
    assert list(read_unlabelled([first, second], OPTIONS)) == [
        ["it", "is", "n't", "bad", "."],
        ["a", "<", "mask", ">", "of", "café", "'s", "fun"],
        ["warm", "film"],
        ["cold", "film"],
    ]


def test_gzip_of_several_members(tmp_path: Path) -> None:
    path = tmp_path / "a.GZ"
    path.write_bytes(gzip.compress(b"one text\n") + gzip.compress(b"another text\n"))
    assert kept([str(path)]) == ["one text", "another text"]


def test_split_into_sentences(tmp_path: Path) -> None:
    text = "  Mr. Smith isn't bad. He's great!  3.5 stars?! \nOne without end\n...\n"
    path = write(tmp_path / "a.txt", text)
    assert kept([path], SPLIT) == [
        "mr. smith is n't bad .",
        "he 's great !",
        "3.5 stars ? !",
        "one without end",
        "...",
    ]
    assert kept([path]) == ["mr. smith is n't bad . he 's great ! 3.5 stars ? !", "one without end"]


def test_splitting_goes_on_with_a_new_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled, "_BATCH", 2)
    monkeypatch.setattr(unlabelled, "_BATCHES_A_PIPELINE", 1)
    path = write(tmp_path / "a.txt", "".join(f"Text {number}. Its end.\n" for number in range(5)))
    assert kept([path], SPLIT) == ["text 0 .", "its end .", "text 1 .", "text 2 .", "text 3 .", "text 4 ."]


def test_splitting_takes_texts_of_any_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "good film . " * 100_000)  # over the million characters that spaCy takes at first
    assert kept([path], SPLIT) == ["good film ."]


def test_lengths_are_counted_in_tokens(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\nisn't\none two three\none two three!\n\u200b\n")
    options = AugmentOptions(unlabelled_min_words=2, unlabelled_max_words=3)
    assert kept([path], options) == ["is n't", "one two three"]
    assert counted([path], options) == UnlabelledCounts(read=5, kept=2, too_short=2, too_long=1, duplicates=0)


def test_duplicates_are_left_out(tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "Good film\nbad film\ngood  FILM\n")
    second = write(tmp_path / "b.txt", "bad film\nnew film\n")
    assert kept([first, second, first]) == ["good film", "bad film", "new film"]
    assert counted([first, second, first]) == UnlabelledCounts(read=8, kept=3, too_short=0, too_long=0, duplicates=5)


def test_duplicates_of_the_transfer_set_are_left_out(tmp_path: Path) -> None:
    seen = SentenceSet()
    rows = [["good", "film"], ["bad", "story"]]
    tags = [["A", "N"], ["A", "N"]]
    options = article(rounds=50, p_mask=0, p_pos=1, p_ng=0)
    sentences = [text.line for text in augment(rows, tags, options, 0, seen=seen)]
    assert sorted(sentences) == ["bad story", "good film"]  # each is the other's only copy
    path = write(tmp_path / "a.txt", "Bad story\nbad film\ngood film\ngood story\n")
    assert kept([path], OPTIONS, seen) == ["bad film", "good story"]
    assert len(seen) == 4


def test_perturbed_copies_count_as_the_transfer_set(tmp_path: Path) -> None:
    seen = SentenceSet()
    rows = [["a", "film"], ["the", "film"], ["the", "story"]]
    tags = [["D", "N"]] * 3
    options = article(rounds=50, p_mask=0, p_pos=0.5, p_ng=0)
    assert [text.line for text in augment(rows, tags, options, 0, seen=seen)] == [
        "a film",
        "the film",
        "the story",
        "a story",
    ]
    path = write(tmp_path / "a.txt", "a story\none story\n")
    assert kept([path], OPTIONS, seen) == ["one story"]


def test_texts_come_as_they_are_read(tmp_path: Path) -> None:
    lines = [f"text number {number}\n".encode() for number in range(20_000)]
    lines[19_000] = b"caf\xe9\n"
    path = write(tmp_path / "a.txt.gz", b"".join(lines))
    check_unlabelled([path])  # the bad line is beyond what it looks at
    texts = read_unlabelled([path], OPTIONS)
    assert next(texts) == ["text", "number", "0"]
    message = (
        f"--unlabelled {path}, line 19001: not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 a.txt.gz"
    )
    with pytest.raises(BadInputError, match=exactly(message)):
        list(texts)


NO_TEXT = "--unlabelled {path}: has no line of text. Name a file with a text a line."
BINARY = (
    "--unlabelled {path}, line {line}: holds a NUL byte, so it isn't text in UTF-8. Name a file with a text a line."
)
BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.txt", b"", NO_TEXT),
    "blank": ("a.txt", b"\n \t\r\n\n", NO_TEXT),
    "empty gzip": ("a.gz", gzip.compress(b""), NO_TEXT),
    "binary": ("a.txt", b"good\nfilm\nwith\0 a NUL", BINARY.replace("{line}", "3")),
    "binary of one line": ("a.txt", b"PK\3\4\0" + b"x" * 100_000, BINARY.replace("{line}", "1")),
    "UTF-16": (
        "my a.txt",
        "good film\n".encode("utf-16-be"),
        "--unlabelled {path}: is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16BE -t UTF-8 'my a.txt'",
    ),
    "UTF-16 with its mark": (
        "a.txt",
        b"\xff\xfe" + "good film\n".encode("utf-16-le"),
        "--unlabelled {path}: is UTF-16, not UTF-8. Convert it first: iconv -f UTF-16 -t UTF-8 a.txt",
    ),
    "gzip by another name": ("a.txt", gzip.compress(b"good film\n", mtime=0), BINARY.replace("{line}", "1")),
    "Latin-1": (
        "a.txt",
        b"good film\ncaf\xe9\n",
        "--unlabelled {path}, line 2: not UTF-8. Convert it first, for example: iconv -f LATIN1 -t UTF-8 a.txt",
    ),
    "not gzip": (
        "a.gz",
        b"good film\n",
        "--unlabelled {path}: not a whole gzip file (Not a gzipped file (b'go')). Compress or download it again.",
    ),
    "cut gzip": (
        "a.gz",
        gzip.compress(b"good film\n" * 9)[:-9],
        "--unlabelled {path}: not a whole gzip file (Compressed file ended before the end-of-stream marker was reached). "
        "Compress or download it again.",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_early_and_late(name: str, tmp_path: Path) -> None:
    file, content, message = BAD_FILES[name]
    path = tmp_path / file
    path.write_bytes(content)
    for read in (check_unlabelled, read_all):
        with pytest.raises(BadInputError, match=exactly(message.replace("{path}", str(path)))):
            read([str(path)])


def test_lines_that_end_in_cr_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "good film\rbad film\r")
    message = (
        f"--unlabelled {path}: its lines end in CR alone. Convert it first, for example: tr '\\r' '\\n' < FILE > NEW"
    )
    with pytest.raises(BadInputError, match=exactly(message)):
        check_unlabelled([str(path)])


def test_a_damaged_gzip(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"good film\n" * 9))
    content[-8] ^= 1  # of its checksum
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    start, end = f"--unlabelled {path}: not a whole gzip file (CRC check failed ", "). Compress or download it again."
    for read in (check_unlabelled, read_all):
        with pytest.raises(BadInputError, match=f"^{re.escape(start)}0x[0-9a-f]+ != 0x[0-9a-f]+{re.escape(end)}$"):
            read([str(path)])


def test_missing_files(tmp_path: Path) -> None:
    good = write(tmp_path / "a.txt", "good film\n")
    for path in (tmp_path / "b.txt", tmp_path / "c.gz"):
        for read in (check_unlabelled, read_all):
            with pytest.raises(BadInputError, match=exactly(f"--unlabelled {path}: no such file. Check the path.")):
                read([good, str(path)])


def test_a_folder(tmp_path: Path) -> None:
    message = f"--unlabelled {tmp_path}: can't be read (Is a directory). Check the path and its permissions."
    for read in (check_unlabelled, read_all):
        with pytest.raises(BadInputError, match=exactly(message)):
            read([str(tmp_path)])


def test_a_line_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled, "_LONGEST_LINE", 1 << 20)
    path = write(tmp_path / "a.txt", "good film\n" + "x" * ((1 << 20) + 1))
    with pytest.raises(BadInputError, match=r", line 2: over 1 MiB\. Write one text a line\.$"):
        list(read_unlabelled([path], OPTIONS))


def test_nothing_is_left(tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "one\ntwo words\ntwo\none two three four\n")
    second = write(tmp_path / "b.txt", "one two three\n")
    seen = SentenceSet()
    list(augment([["one", "two", "three"]], None, article(rounds=0), 0, seen=seen))
    message = (
        f"--unlabelled {first}, {second}: none of 5 texts is left (3 under --unlabelled-min-words 3, "
        "1 over --unlabelled-max-words 3, 1 in the transfer set already). "
        "Change the limits, add --split-sentences, or name another file."
    )
    with pytest.raises(BadInputError, match=exactly(message)):
        kept([first, second], AugmentOptions(unlabelled_min_words=3, unlabelled_max_words=3), seen)


def test_good_files_pass_the_check(tmp_path: Path) -> None:
    text = "é" * 40_000 + "\n"  # the bytes looked at end inside a character
    paths = [
        write(tmp_path / "a.txt", "x" + text),
        write(tmp_path / "b.gz", text),
        write(tmp_path / "c.txt", "good film"),
    ]
    check_unlabelled(paths)
    check_unlabelled([])


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        (
            "a.tsv",
            "sentence\tlabel\na film\tpos\n",
            "is a table with a header, which would be read as text, labels included",
        ),
        ("a.csv", '"id","text"\n1,a film\n', "is a table with a header, which would be read as text, labels included"),
        (
            "a.txt.gz",
            "label\ttokens\nx\ta film\n",
            "is a table with a header, which would be read as text, labels included",
        ),
        ("a.jsonl", '{"text": "a film"}\n', "holds JSON, whose names and labels would be read as text"),
    ],
)
def test_a_table_is_no_text(tmp_path: Path, name: str, content: str, what: str) -> None:
    path = write(tmp_path / name, content)
    message = f"--unlabelled {path}: {what}. Write its texts into a file of their own, one a line."
    with pytest.raises(BadInputError, match=exactly(message)):
        check_unlabelled([path])


@pytest.mark.parametrize(
    "line", ["a text, of two words", "sentence", "{not JSON}", "12", "some\tcells", "text, really good"]
)
def test_a_line_that_only_looks_like_a_table(tmp_path: Path, line: str) -> None:
    check_unlabelled([write(tmp_path / "a.txt", line + "\n")])
