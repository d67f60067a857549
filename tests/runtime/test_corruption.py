"""A thousand damaged artefacts: what is read is refused with one line, the rest is found by verify, no answer changes."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime import Classifier
from kdbuild.runtime.artefact import Artefact, write_manifest

TEXTS = ["the film is great", "", "a dull plot, isn't it?"]


def flip_a_bit(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def truncate(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def append(path: Path, draw: random.Random) -> None:
    path.write_bytes(path.read_bytes() + draw.randbytes(draw.randrange(1, 9)))


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def swap(path: Path, draw: random.Random) -> None:
    other = draw.choice([other for other in path.parent.iterdir() if other != path])
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


DAMAGES: list[Callable[[Path, random.Random], None]] = [flip_a_bit, truncate, append, remove, swap]


def answers(folder: Path) -> list[Any]:
    with Classifier.load(folder) as classify:
        return classify(TEXTS)


def test_a_thousand_damaged_artefacts(artefact_folder: Path, tmp_path: Path) -> None:
    expected = answers(artefact_folder)
    draw = random.Random(0)
    refused = found = 0
    for number in range(1000):
        folder = tmp_path / "artefact"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(artefact_folder, folder)
        path = draw.choice(sorted(folder.iterdir()))
        damage = DAMAGES[number % len(DAMAGES)]
        damage(path, draw)
        try:
            # Nothing that load reads was damaged: then the answers are the same, and verify's digests find the damage.
            assert answers(folder) == expected, (number, damage.__name__, path.name)
        except BadInputError as error:
            assert "\n" not in str(error), error
            refused += 1
            continue
        artefact = Artefact.open(folder)
        with pytest.raises(BadInputError) as caught:
            for name in artefact.manifest.files:
                artefact.read(name)
            pytest.fail(f"{number}: {damage.__name__} of {path.name} goes unnoticed")
        assert "\n" not in str(caught.value)
        found += 1
    assert refused + found == 1000
    assert refused > 300
    assert found > 100


def with_files(name: str, entry: object) -> Callable[[dict[str, Any]], None]:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = entry

    return edit


def setting(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.update(values)


ENTRY = {"bytes": 1, "sha256": "0" * 64}
MALICIOUS: dict[str, Callable[[dict[str, Any]], None]] = {
    "path outside": with_files("../../etc/passwd", ENTRY),
    "absolute path": with_files("/etc/passwd", ENTRY),
    "path of another system": with_files("..\\secret", ENTRY),
    "hidden file": with_files(".bashrc", ENTRY),
    "no name": with_files("", ENTRY),
    "negative size": with_files("vocab.txt", {"bytes": -1, "sha256": "0" * 64}),
    "size of the wrong type": with_files("vocab.txt", {"bytes": "many", "sha256": "0" * 64}),
    "entry of the wrong type": with_files("vocab.txt", [1, 2]),
    "huge number of tokens": setting(max_tokens=10**30),
    "no tokens": setting(max_tokens=0),
    "tokens of the wrong type": setting(max_tokens="512"),
    "temperature of zero": setting(temperature=0),
    "huge temperature": setting(temperature=1e300),
    "temperature of the wrong type": setting(temperature=[1]),
    "threshold over 1": setting(threshold=7),
    "threshold of the wrong type": setting(threshold="0.5"),
    "thresholds without several labels": setting(task="multi"),
    "unknown task": setting(task="shell"),
    "labels of the wrong type": setting(labels={"a": 1}),
    "one label": setting(labels=["a"]),
    "labels that repeat": setting(labels=["a", "a"]),
    "labels of other types": setting(labels=[1, None]),
    "tokenizer of the wrong type": setting(tokenizer="v1"),
    "files of the wrong type": setting(files=["vocab.txt"]),
    "no files": setting(files={}),
    "newer version": setting(format_version="3.0"),
    "version of the wrong type": setting(format_version={"major": 1}),
    "version of 5,000 digits": setting(format_version="9" * 5000 + ".0"),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious_manifest_is_refused(name: str, artefact_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    MALICIOUS[name](manifest)
    write_manifest(folder, json.dumps(manifest).encode())
    with pytest.raises(BadInputError) as caught:
        Classifier.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"null",
        b"\xff\xfe",
        b'{"format_version": "1.1", "labels": ' + b"9" * 5000 + b"}",
        b" " * (2 << 20),
    ],
    ids=["deep lists", "deep objects", "null", "not UTF-8", "huge number", "huge file"],
)
def test_manifest_that_is_no_manifest_is_refused(content: bytes, artefact_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    write_manifest(folder, content)
    with pytest.raises(BadInputError) as caught:
        Classifier.load(folder)
    assert "\n" not in str(caught.value)


def test_verify_names_the_damage(artefact_folder: Path, tmp_path: Path) -> None:
    result = run_cli("verify", artefact_folder)
    assert result.exit_code == 0, result.output
    assert "model_int8.tflite" in result.stdout
    assert "247 golden texts, 0 with other token ids, 0 with another label" in result.stdout
    folder = Path(shutil.copytree(artefact_folder, tmp_path / "artefact"))
    (folder / "README.md").write_text("other")
    result = run_cli("verify", folder)
    assert result.exit_code == 3
    assert f"failed: {folder / 'README.md'}: 5 bytes instead of" in result.stdout
    assert result.stderr == f"Error: {folder}: 1 of its checks failed. Export the artefact again.\n"
