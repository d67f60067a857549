"""TSV without a quoted header: read as quoted where all of it says so, as it stands where nothing does, else refused."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.runtime.data.readers import Rows, read_rows


def read(path: Path, body: str, *, own: bool = False) -> Rows:
    path.write_bytes(f"text\tlabel\n{body}".encode())
    return read_rows(path, own=own)


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        pytest.param('"She said ""no"""\tx\nfine\ty\n', [('She said "no"', "x"), ("fine", "y")], id="doubled"),
        pytest.param('"She said ""no"""\tx\r\n"fine"\ty\r\n', [('She said "no"', "x"), ("fine", "y")], id="CRLF"),
        pytest.param('"fine"\t"x"\nbad\ty\n', [("fine", "x"), ("bad", "y")], id="whole row"),
        pytest.param('"two\nlines"\tx\nfine\ty\n', [("two\nlines", "x"), ("fine", "y")], id="line end inside"),
        pytest.param('"a\ttab"\tx\nfine\ty\n', [("a\ttab", "x"), ("fine", "y")], id="tab inside"),
        pytest.param('"""fine"""\tx\n\nbad\ty\n', [('"fine"', "x"), ("bad", "y")], id="blank line"),
        # Nothing says that quotes aren't text.
        pytest.param('"fine"\tx\n"bad"\ty\n', [('"fine"', "x"), ('"bad"', "y")], id="quotations"),
        pytest.param('"fine\tx\nbad"\ty\n', [('"fine', "x"), ('bad"', "y")], id="halves"),
        pytest.param('an "" and\tx\nsay "no"\ty\n', [('an "" and', "x"), ('say "no"', "y")], id="inside"),
        pytest.param('""\tx\n"\ty\n', [('""', "x"), ('"', "y")], id="alone"),
    ],
)
def test_what_is_quoted(tmp_path: Path, body: str, rows: list[tuple[str, str]]) -> None:
    texts, labels = zip(*rows, strict=True)
    assert read(tmp_path / "a.tsv", body) == Rows(list(texts), list(labels))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'say "no"\tx\nfine\ty\n"She said ""no"""\tx\n',
            ": line 4 is quoted, its own quotes doubled, and line 2 has quotes outside of quoted cells. "
            "Write it as .csv or .jsonl, or all of it without quoting.",
        ),
        (
            '"fine\tx\n"bad"\t"y"\n',
            ": line 3 is quoted, its own quotes doubled, and line 2 has quotes outside of quoted cells. "
            "Write it as .csv or .jsonl, or all of it without quoting.",
        ),
        (
            'say "no"\tx\n"a\ttab"\tx\n',
            ", line 3: 2 tabs, the header has 1. Each row needs as many columns as the header.",
        ),
        ('fine\n"a\ttab"\tx\n', ", line 2: 0 tabs, the header has 1. Each row needs as many columns as the header."),
    ],
)
def test_what_has_no_one_reading(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "a.tsv"
    with pytest.raises(BadInputError, match=f"^{re.escape(f'{path}{message}')}$"):
        read(path, body)


CELLS = st.text(st.sampled_from('ab "\t\n'), min_size=1).filter(lambda text: text.strip() != "")


# With both, lines can have the header's number of columns by accident, and are then two texts that have a quote each.
@given(st.lists(CELLS.filter(lambda text: not {"\t", "\n"} <= set(text)), min_size=1, max_size=5))
def test_what_programs_write_is_read_again(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Python's writer, as pandas has it, quotes what needs it; where nothing does, nothing says that it quotes."""
    stream = io.StringIO()
    csv.writer(stream, delimiter="\t", lineterminator="\n").writerows((text, "x") for text in texts)
    assert read(tmp_path_factory.mktemp("data") / "a.tsv", stream.getvalue()).texts == texts


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_what_kdbuild_writes_is_read_as_it_stands(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    cells = [text.translate(str.maketrans("\t\n", "  ")) for text in texts]
    body = "".join(f"{cell}\tx\n" for cell in cells)
    assert read(tmp_path_factory.mktemp("data") / "a.tsv", body, own=True).texts == cells


def test_other_formats_have_no_second_reading(tmp_path: Path) -> None:
    text = '"She said ""no"""'
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text}) + "\n" + json.dumps({"text": 'say "no"'}) + "\n")
    assert read_rows(tmp_path / "a.jsonl").texts == [text, 'say "no"']
